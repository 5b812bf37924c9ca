"""``revvlink completion``."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys

import pytest

from revvlink_cli.commands.completion import SCRIPTS
from tests.run_in_process import TerminalText, run_in_process

SOURCED = {
    "bash": ("bash", "--norc", "-c", "source <({} completion bash); complete -p revvlink"),
    "zsh": (
        "zsh",
        "-f",
        "-c",
        "autoload -U compinit; compinit -D; source <({} completion zsh); echo $_comps[revvlink]",
    ),
    "fish": ("fish", "--no-config", "-c", "{} completion fish | source; complete -c revvlink"),
}
"""Shell -> a command line that loads the script as its users do, and prints what completes revvlink."""


@pytest.mark.parametrize("shell", SCRIPTS)
def test_script_goes_to_stdout_alone(shell: str) -> None:
    """Through a pipe there is the script and nothing else; a terminal also gets where to put it, on stderr."""
    piped = run_in_process(["completion", shell])
    on_terminal = run_in_process(["completion", shell], TerminalText())

    assert (piped.code, piped.out, piped.err) == (0, SCRIPTS[shell].text, "")
    assert on_terminal.out == piped.out
    assert on_terminal.err.startswith(f"note: install it with: revvlink completion {shell} >")
    assert f"note: or add this line to {SCRIPTS[shell].profile}: " in on_terminal.err
    assert run_in_process(["completion", shell, "-o", "json"]).rows["script"] == piped.out


@pytest.mark.parametrize("shell", SOURCED)
def test_shell_loads_the_script_from_a_pipe(shell: str) -> None:
    """`source <(revvlink completion SHELL)` leaves a completion behind, and no message."""
    program, *options, line = SOURCED[shell]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    command = shlex.join([sys.executable, "-m", "revvlink_cli"])
    done = subprocess.run([program, *options, line.format(command)], capture_output=True, text=True, check=False)

    assert done.stderr == ""
    assert "revvlink" in done.stdout


def test_shell_is_the_users_own() -> None:
    """Without SHELL it is that of $SHELL; another name of PowerShell is known too."""
    assert run_in_process(["completion"], SHELL="/usr/bin/zsh").out == SCRIPTS["zsh"].text
    assert run_in_process(["completion", "pwsh"]).out == SCRIPTS["powershell"].text


def test_unknown_shell_names_the_known_ones() -> None:
    """A shell without a script gets one line with those that have one."""
    for arguments, shell in (
        (["completion", "tcsh"], "/bin/bash"),
        (["completion"], "/bin/tcsh"),
        (["completion"], ""),
    ):
        ran = run_in_process(arguments, SHELL=shell)
        assert ran.code == 2
        assert ran.out == ""
        assert "bash, zsh, fish, powershell" in ran.err
        assert ran.err.count("\n") == 1
    assert "did you mean fish?" in run_in_process(["completion", "fihs"]).err
