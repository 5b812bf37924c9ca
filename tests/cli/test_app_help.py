"""The help of the program and its commands, and what the program shows without arguments."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.cli.app import COMMAND_GROUPS, COMMANDS
from revvlink_cli.cli.json_schemas import leaves
from revvlink_cli.commands.shared.help_topics import TOPICS
from tests.run_in_process import TerminalText, run_in_process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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


WIDTHS = (40, 80, 120, 200)
"""Columns of terminals."""

USUAL = 80


@pytest.fixture(scope="module")
def helps() -> dict[tuple[int, tuple[str, ...]], str]:
    """Width and command line -> its output, for every command, group and topic, without a process for each."""
    paths = {tuple(leaf.command_path.split()[1 : 1 + depth]) for leaf in leaves() for depth in (0, 1, 2)}
    options = [*((*path, "--help") for path in paths), *(("help", topic) for topic in TOPICS)]
    commands = [("help", *path) for path in paths if path]
    found = {}
    for columns in WIDTHS:
        for line in [*options, *(commands if columns == USUAL else [])]:
            ran = run_in_process(line, COLUMNS=str(columns))
            assert ran.code == 0
            found[columns, line] = ran.out
    return found


@pytest.mark.parametrize("columns", WIDTHS)
def test_no_help_is_cut_or_too_wide(columns: int, helps: dict[tuple[int, tuple[str, ...]], str]) -> None:
    """Each help of a command, group or topic has the words of the widest one, and lines no wider than the terminal."""
    for (width, line), out in helps.items():
        if width != columns or (line[0] == "help" and line[1] not in TOPICS):
            continue
        assert words_of(out) == words_of(helps[200, line]), line
        assert not [text for text in out.splitlines() if len(text) > columns and is_breakable(text)], line
        assert re.search(r"[a-z]\.\.\.$", out, re.MULTILINE) is None, line


def words_of(text: str) -> list[str]:
    """The words of a help, however it is laid out: a line may end after a hyphen, or between two choices."""
    return re.sub(r"(?<=\w-)\n\s*(?=\w)|(?<=\|)\n\s*|\s+(?=\|)|(?<=\|) +", "", text).split()


def is_breakable(text: str) -> bool:
    """Whether a line has a space where it could end: not an example, and not an option with one long value."""
    return len(text.split()) > 3 and not text.startswith("  revvlink ")


def test_help_of_a_command_is_its_help_option(helps: dict[tuple[int, tuple[str, ...]], str]) -> None:
    """`help COMMAND` prints what `COMMAND --help` prints."""
    for (width, line), out in helps.items():
        if line[0] == "help" and line[1:] != ("--help",) and line[1] not in TOPICS:
            assert out == helps[width, (*line[1:], "--help")]


def test_help_uses_the_width(helps: dict[tuple[int, tuple[str, ...]], str]) -> None:
    """Texts are as wide as COLUMNS allows."""
    for columns in WIDTHS:
        assert max(map(len, helps[columns, ("check", "--help")].splitlines())) > columns - 12


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


def test_unknown_option_suggests_similar_ones() -> None:
    """A wrong option is compared with those of the command and the global ones."""
    for line, suggested in (
        ("check --warnign cpu=1", "--warning"),
        ("nodes status --outptu json", "--output"),
        ("nodes --hlep", "--help"),
        ("--versoin", "--version or --verbose"),
    ):
        ran = run_in_process(line.split())
        assert ran.code in (2, 3)
        assert f". Did you mean {suggested}" in ran.err


def test_names_of_other_tools_suggest_the_own_ones() -> None:
    """What kubectl, docker and the shell call a command leads to its name here."""
    for line, suggested in (
        ("nodes rm us-1", "`revvlink nodes remove`?"),
        ("cordon us-1", "`revvlink nodes remove` or `revvlink silence add`?"),
        ("logs", "`revvlink events`?"),
        ("nodes ls", "`revvlink nodes list`?"),
        ("ping us-1", "`revvlink nodes test`"),
    ):
        ran = run_in_process(line.split())
        assert ran.code == 2
        assert f"Did you mean {suggested}" in ran.err


def test_groups_hold_every_command_once() -> None:
    """No command stands in two groups."""
    assert sum(map(len, COMMAND_GROUPS.values())) == len(COMMANDS)


COLOUR = re.compile(r"\x1b\[\d*m")


def shown(arguments: Sequence[str], stdout: io.StringIO, **environment: str) -> str:
    """What a command line writes to this stdout."""
    return run_in_process(arguments, stdout, **environment).out


@pytest.mark.parametrize("arguments", [[], ["--help"], ["check", "--help"], ["help", "nodes"], ["help", "options"]])
def test_help_is_coloured_on_a_terminal(arguments: list[str]) -> None:
    """Headings and names are coloured on a terminal; pipes, NO_COLOR, FORCE_COLOR and TERM=dumb are respected."""
    piped = shown(arguments, io.StringIO())
    on_terminal = shown(arguments, TerminalText())

    assert COLOUR.search(piped) is None
    assert COLOUR.sub("", on_terminal) == piped
    assert "\x1b[1m" in on_terminal
    assert "\x1b[36m" in on_terminal
    assert shown(arguments, io.StringIO(), FORCE_COLOR="1") == on_terminal
    for off in ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, {"TERM": "dumb"}, {"REVVLINK_NO_COLOR": "true"}):
        assert shown(arguments, TerminalText(), **off) == piped
    if arguments:
        assert shown([*arguments, "--no-color"], TerminalText()) == piped


def test_help_colours_names_not_prose() -> None:
    """Headings are bold; options and commands are cyan; texts and examples keep the colour of the terminal."""
    lines = shown(["check", "--help"], io.StringIO(), FORCE_COLOR="1", COLUMNS="40").splitlines()

    assert "\x1b[1mUsage:\x1b[0m revvlink check" in lines[0]
    assert "\x1b[1mOptions:\x1b[0m" in lines
    assert "  \x1b[36m--tag TAG\x1b[0m   Only nodes that have this" in lines
    assert "  \x1b[36m-w, --warning CHECK=RANGE\x1b[0m" in lines
    assert "  revvlink check" in lines
    assert any(line.startswith("  \x1b[36m--config\x1b[0m, \x1b[36m--context\x1b[0m") for line in lines)
