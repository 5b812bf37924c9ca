# fish completion for revvlink; lies in share/fish/vendor_completions.d or ~/.config/fish/completions.
function __revvlink_complete
    set -l found (env _REVVLINK_COMPLETE=fish revvlink (commandline -cp | string collect) 2>/dev/null)
    if test "$found[1]" = files
        __fish_complete_path (commandline -ct)
    else
        string join \n -- $found
    end
end
complete -c revvlink -f -a '(__revvlink_complete)'
