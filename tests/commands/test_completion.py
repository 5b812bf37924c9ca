"""``revvlink completion``."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

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


LOADED = {
    "bash": "source {path}; complete -p revvlink",
    "zsh": "{line}; autoload -U compinit; compinit -D; echo $_comps[revvlink]",
    "fish": "complete -C 'revvlink '; functions __revvlink_complete",
}
"""Shell -> a line that uses the installed script as the next shell does, and prints what completes revvlink."""


@pytest.mark.parametrize("shell", SCRIPTS)
def test_install_writes_the_script_where_the_shell_finds_it(shell: str, tmp_path: Path) -> None:
    """The file is below the home folder, its path is printed, and a second time replaces it; no profile is changed.

    The shell, if it is here, completes revvlink with it: zsh with the line of the note.
    """
    home = tmp_path / "a home"
    env = {"HOME": str(home), "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "", "BASH_COMPLETION_USER_DIR": ""}
    for _ in range(2):
        ran = run_in_process(["completion", shell, "--install"], TerminalText(), **env)
        assert ran.code == 0, ran.err
    path = Path(ran.out.strip())
    assert path.read_text(encoding="utf-8") == SCRIPTS[shell].text
    assert [found for found in home.rglob("*") if found.is_file()] == [path]
    assert run_in_process(["completion", shell, "--install", "-o", "json"], None, **env).rows["path"] == str(path)

    if shell in LOADED and shutil.which(shell):
        note = run_in_process(["completion", shell, "--install"], TerminalText(), **env).err
        line = LOADED[shell].format(path=shlex.quote(str(path)), line=f"fpath=({shlex.quote(str(path.parent))} $fpath)")
        if shell == "zsh":
            assert f"fpath=({shlex.quote(str(path.parent))} $fpath)" in " ".join(note.split())
        paths = (
            f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # fish asks only programs that it finds
        )
        done = subprocess.run(
            [shell, *(["-f"] if shell == "zsh" else []), "-c", line],
            capture_output=True,
            text=True,
            check=False,
            env={name: value for name, value in {**os.environ, **env, "PATH": paths}.items() if value},
        )
        assert "revvlink" in done.stdout, done.stderr


def test_install_that_cannot_write_says_so(tmp_path: Path) -> None:
    """A file in the place of a folder is one line that names the path."""
    (tmp_path / "fish").touch()
    ran = run_in_process(["completion", "fish", "--install"], XDG_CONFIG_HOME=str(tmp_path))

    assert (ran.code, ran.out) == (1, "")
    assert "revvlink.fish" in ran.err
    assert "cannot be written: Not a directory" in ran.err
    assert "revvlink completion fish | source" in ran.err
    assert ran.err.count("\n") == 1


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
