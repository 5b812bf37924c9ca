"""``revvlink completion``: the scripts with which shells complete command lines.

A script calls ``revvlink`` with ``_REVVLINK_COMPLETE`` set, see `cli.completion`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Annotated, NamedTuple

import typer

from revvlink_cli._folders import user_config_folder
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
    """The script of a shell, and how to install it, or where it was installed."""

    shell: str = column("Shell")
    script: str = column("Script")
    install: str = column("Install")
    path: str | None = column("Path")


def shells(incomplete: str) -> list[str]:
    """The shells whose names begin so."""
    return [name for name in SCRIPTS if name.startswith(incomplete)]


@command(
    app,
    prints=lambda: {"": Record(CompletionRecord)},
    examples=("revvlink completion bash", "revvlink completion fish --install"),
)
def completion(
    shell: Annotated[
        str | None,
        typer.Argument(
            metavar="[SHELL]", help="bash, zsh, fish or powershell; default: your shell.", autocompletion=shells
        ),
    ] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Write the script to your home folder, where the shell finds it.")
    ] = False,
) -> Result:
    """Print or install the script that completes command lines.

    SHELL is bash, zsh, fish or powershell; by default it is your shell, from $SHELL. On a terminal a note says where to
    put the script. `source <(revvlink completion bash)` in ~/.bashrc loads it without a file.

    `--install` writes the script and prints its path. bash and fish find it there. For zsh and PowerShell a note has
    the line that your profile needs; revvlink does not change your profile.
    """
    name = _find_shell(shell)
    script = SCRIPTS[name]
    if install:
        return _install(name, script)
    return Result(
        CompletionRecord(shell=name, script=script.text, install=script.install, path=None),
        text=script.text,
        notes=(f"install it with: {script.install}", f"or add this line to {script.profile}: {script.line}"),
    )


def _install(name: str, script: ShellScript) -> Result:
    """Write the script to the folder of the user that the shell reads, or that its profile can name.

    Raises:
        CommandError: The file cannot be written.
    """
    from revvlink_cli.config.files import write_atomically
    from revvlink_cli.config.problems import ConfigError

    path = _user_file(name)
    try:
        write_atomically(path, script.text, mode=0o644)
    except ConfigError as error:
        hint = f"load it by this line in {script.profile}: {script.line}"
        raise CommandError(Failure("failed", str(error), hint=hint)) from None
    match name:
        case "zsh":
            note = f"add this line to ~/.zshrc, before compinit: fpath=({_quoted(path.parent)} $fpath)"
        case "powershell":
            note = f"add this line to $PROFILE: . {_quoted_for_powershell(path)}"
        case "bash":
            note = "the next shell loads it, if the package bash-completion is installed"
        case _:
            note = "the next shell loads it"
    record = CompletionRecord(shell=name, script=script.text, install=script.install, path=str(path))
    return Result(record, text=f"{path}\n", notes=(note,))


def _user_file(name: str) -> Path:
    """The file of a shell's completion, by the rules of the shell and of the XDG Base Directory Specification."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    match name:
        case "bash":
            folder = Path(os.environ.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion")
            return folder / "completions" / "revvlink"
        case "fish":
            config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
            return config / "fish" / "completions" / "revvlink.fish"
        case "zsh":
            return data / "zsh" / "site-functions" / "_revvlink"
        case _:
            return user_config_folder() / "revvlink.ps1"


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _quoted_for_powershell(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


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
