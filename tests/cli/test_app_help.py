"""The help of the program and its commands, and what the program shows without arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from revvlink_cli.cli.app import COMMAND_GROUPS, COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ran

NODES = '[[nodes]]\nidentifier = "a"\nuri = "http://127.0.0.1:1"\npassword = "x"\nregion = "us"\n'


def test_help_shows_every_command_in_its_group(cli: Callable[..., Ran]) -> None:
    """Each heading is followed by its commands, with their whole lines."""
    lines = cli("--help").out.splitlines()

    for title, commands in COMMAND_GROUPS.items():
        start = lines.index(f"{title}:") + 1
        shown = [line.split(maxsplit=1) for line in lines[start : start + len(commands)]]
        assert shown == [[name, text] for name, text in commands.items()]


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
@pytest.mark.parametrize("command", ["", "check", "nodes", "help options"])
def test_help_uses_the_width(columns: int, command: str, cli: Callable[..., Ran]) -> None:
    """Texts are as wide as COLUMNS allows, no wider but for what cannot be broken, and nothing is cut."""
    arguments = command.split() if command.startswith("help") else [*command.split(), "--help"]
    out = cli(*arguments, COLUMNS=str(columns)).out

    breakable = [line for line in out.splitlines() if len(line.split()) > 3 and not line.startswith("  revvlink ")]
    too_wide = [line for line in breakable if len(line) > columns]
    assert too_wide == []
    assert "..." not in out.replace("]...", "").replace("[ARGS]...", "")
    if command == "check":
        assert max(map(len, out.splitlines())) > columns - 12


def test_help_is_80_columns_wide_elsewhere(cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal and COLUMNS, lines have up to 80 characters."""
    monkeypatch.delenv("COLUMNS")

    assert 70 < max(map(len, cli("check", "--help").out.splitlines())) <= 80


def test_help_of_a_command_names_global_options_once(cli: Callable[..., Ran]) -> None:
    """The command's own options come first; `help options` has the global ones with their variables."""
    out = cli("route", "--help").out
    full = cli("help", "options").out

    assert out.index("--explain") < out.index("Global options:") < out.index("--uri")
    assert out.count("--config") == 1
    assert "`revvlink help options`" in out
    assert "Configuration file." not in out
    for name in ("--config PATH", "--uri URI", "--export FILE", "REVVLINK_TIMEOUT", "prometheus"):
        assert name in full


def test_version(cli: Callable[..., Ran]) -> None:
    """The flags and the command print the same line."""
    lines = {cli(*arguments).out for arguments in (["--version"], ["-V"], ["version", "-o", "plain"])}

    assert len(lines) == 1
    assert lines.pop().startswith("revvlink ")
    assert set(cli("version", "-o", "json").rows) == {"revvlink", "python"}


def test_bare_program_without_configuration(cli: Callable[..., Ran]) -> None:
    """It names `demo` and `init`, then shows the help."""
    ran = cli()

    assert ran.code == 0
    assert ran.out.startswith("There is no configuration yet.\n  revvlink demo")
    assert "  revvlink init " in ran.out
    assert ran.out.endswith(cli("--help").out)
    assert ran.err == ""


def test_bare_program_with_a_configuration(isolated: Path, cli: Callable[..., Ran]) -> None:
    """It names the file, the number of nodes and the regions, and contacts no node."""
    path = isolated / "revvlink.toml"
    path.write_text(NODES + NODES.replace('"a"', '"b"').replace('"us"', '"eu"'), encoding="utf-8")
    ran = cli()

    assert ran.code == 0
    assert ran.out.startswith(f"Configuration: {path} (2 nodes, regions us, eu)\n  revvlink nodes status ")


def test_bare_program_with_a_wrong_configuration(isolated: Path, cli: Callable[..., Ran]) -> None:
    """It gives the number of mistakes and the command that shows them; a file that is missing, too."""
    (isolated / "revvlink.toml").write_text(NODES + "regoin = 1\n", encoding="utf-8")
    ran = cli()

    assert ran.code == 0
    assert "(1 mistake)\n  revvlink config validate " in ran.out
    assert cli(REVVLINK_CONFIG="/nowhere/revvlink.toml").code == 0


@pytest.mark.parametrize(
    ("arguments", "suggested"),
    [
        (["status"], "`revvlink nodes status`"),
        (["nodes", "stats"], "`revvlink nodes status`"),
        (["nodes", "doctor"], "`revvlink doctor`"),
        (["players", "warm"], "`revvlink cache warm`"),
        (["helth"], "`revvlink healthcheck`"),
        (["help", "warm"], "`revvlink cache warm`"),
    ],
)
def test_unknown_command_suggests_across_groups(arguments: list[str], suggested: str, cli: Callable[..., Ran]) -> None:
    """A wrong name is compared with the commands of its group, and with those of all others."""
    ran = cli(*arguments)

    assert ran.code == 2
    assert "id you mean " in ran.err
    assert suggested in ran.err


def test_groups_hold_every_command_once() -> None:
    """No command stands in two groups."""
    assert sum(map(len, COMMAND_GROUPS.values())) == len(COMMANDS)
