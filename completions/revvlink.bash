# bash completion for revvlink; lies in share/bash-completion/completions, or is sourced from ~/.bashrc.
_revvlink() {
    local IFS=$'\n' found
    found=($(_REVVLINK_COMPLETE=bash revvlink "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
    if [[ ${found[0]} == files ]]; then
        compopt -o default
        COMPREPLY=()
    else
        COMPREPLY=("${found[@]}")
    fi
}
complete -F _revvlink revvlink
