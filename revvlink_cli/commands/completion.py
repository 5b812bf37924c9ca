"""``revvlink completion``: the scripts with which shells complete command lines.

A script calls ``revvlink`` with ``_REVVLINK_COMPLETE`` set, see `cli.completion`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, NamedTuple

import typer

from revvlink_cli._suggestions import nearest
from revvlink_cli.commands.shared.command import Record, command, make_app
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result, column

app = make_app()


class ShellScript(NamedTuple):
    """The script of a shell.

    Attributes:
        name: Its usual file name.
        text: The script.
        install: Command line that puts it where the shell finds it.
        line: Command line that loads it instead.
        profile: File of the shell for that line.
    """

    name: str
    text: str
    install: str
    line: str
    profile: str


SCRIPTS = {
    "bash": ShellScript(
        "revvlink.bash",
        r"""# bash completion for revvlink; lies in share/bash-completion/completions, or is sourced from ~/.bashrc.
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
""",
        "revvlink completion bash > ~/.local/share/bash-completion/completions/revvlink",
        "source <(revvlink completion bash)",
        "~/.bashrc",
    ),
    "zsh": ShellScript(
        "_revvlink",
        r"""#compdef revvlink
# zsh completion for revvlink; lies in a folder of $fpath.
_revvlink() {
    local -a found
    found=("${(@f)$(_REVVLINK_COMPLETE=zsh revvlink "${(j: :)words[1,CURRENT]}" 2>/dev/null)}")
    if [[ $found[1] == files ]]; then
        _files
    elif [[ -n $found[1] ]]; then
        [[ $words[CURRENT] == --*=* ]] && compset -P '*='
        _describe -V revvlink found
    fi
}
if [[ $funcstack[1] == _revvlink ]]; then
    _revvlink "$@"
else
    compdef _revvlink revvlink
fi
""",
        'revvlink completion zsh > "${fpath[1]}/_revvlink"',
        "source <(revvlink completion zsh)",
        "~/.zshrc, after compinit",
    ),
    "fish": ShellScript(
        "revvlink.fish",
        r"""# fish completion for revvlink; lies in share/fish/vendor_completions.d or ~/.config/fish/completions.
function __revvlink_complete
    set -l found (env _REVVLINK_COMPLETE=fish revvlink (commandline -cp | string collect) 2>/dev/null)
    if test "$found[1]" = files
        __fish_complete_path (commandline -ct)
    else
        string join \n -- $found
    end
end
complete -c revvlink -f -a '(__revvlink_complete)'
""",
        "revvlink completion fish > ~/.config/fish/completions/revvlink.fish",
        "revvlink completion fish | source",
        "~/.config/fish/config.fish",
    ),
    "powershell": ShellScript(
        "revvlink.ps1",
        r"""# PowerShell completion for revvlink; is dot-sourced from $PROFILE.
Register-ArgumentCompleter -Native -CommandName revvlink -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $line = $commandAst.ToString().PadRight($cursorPosition).Substring(0, $cursorPosition)
    $env:_REVVLINK_COMPLETE = 'powershell'
    try { $found = @(revvlink $line 2>$null) } finally { Remove-Item Env:_REVVLINK_COMPLETE }
    if ($found[0] -eq 'files') { return }
    foreach ($entry in $found) {
        $typed, $value, $help = $entry -split "`t", 3
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($typed, $value, 'ParameterValue', $help)
    }
}
""",
        "revvlink completion powershell >> $PROFILE",
        "revvlink completion powershell | Out-String | Invoke-Expression",
        "$PROFILE",
    ),
}
"""Shell -> its script."""

OTHER_NAMES = {"pwsh": "powershell"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionRecord:
    """The script of a shell, and how to install it."""

    shell: str = column("Shell")
    script: str = column("Script")
    install: str = column("Install")


def shells(incomplete: str) -> list[str]:
    """The shells whose names begin so."""
    return [name for name in SCRIPTS if name.startswith(incomplete)]


@command(
    app,
    prints=lambda: {"": Record(CompletionRecord)},
    examples=("revvlink completion bash", "revvlink completion zsh > _revvlink"),
)
def completion(
    shell: Annotated[
        str | None,
        typer.Argument(
            metavar="[SHELL]", help="bash, zsh, fish or powershell; default: your shell.", autocompletion=shells
        ),
    ] = None,
) -> Result:
    """Print the script that completes command lines.

    SHELL is bash, zsh, fish or powershell; by default it is your shell, from $SHELL. On a terminal a note says where to
    put the script. `source <(revvlink completion bash)` in ~/.bashrc loads it without a file.
    """
    name = _find_shell(shell)
    script = SCRIPTS[name]
    return Result(
        CompletionRecord(shell=name, script=script.text, install=script.install),
        text=script.text,
        notes=(f"install it with: {script.install}", f"or add this line to {script.profile}: {script.line}"),
    )


def _find_shell(given: str | None) -> str:
    """The shell that is given, else the user's.

    Raises:
        CommandError: There is no script for it.
    """
    if given is not None:
        name = given.lower()
        message = f"there is no completion for the shell {given!r}"
    else:
        path = os.environ.get("SHELL", "")
        name = PurePath(path).stem.lower() or ("powershell" if sys.platform == "win32" else "")
        message = f"there is no completion for your shell, {path}" if path else "$SHELL does not name your shell"
    name = OTHER_NAMES.get(name, name)
    if name not in SCRIPTS:
        hint = nearest(name, list(SCRIPTS)) if given is not None else f"name one of {', '.join(SCRIPTS)}"
        raise CommandError(Failure("usage", message, hint=hint), exit_code=ExitCode.USAGE)
    return name
