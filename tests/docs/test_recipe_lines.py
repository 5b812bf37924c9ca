"""Each `revvlink` command line of the recipes, the example configuration and the manual page is one that can be typed.

The recipes are run by their own programs in `recipes/`; here only the command line is parsed, so nothing is sent.
"""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pytest
import typer

from revvlink_cli.cli.app import app
from revvlink_cli.commands.shared.command import DefaultGroup, Options
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TYPED_IN_TEXT = r"`revvlink ([^`]+)`"

SHELL_LINES = (
    r"(?:/usr/local/bin/|[ (]|^)revvlink ((?:check|exporter|wait|healthcheck|nodes|alert) (?:[^|&<>)#\n](?!>&))*)",
)

ARRAYS = (r"command: \[revvlink, ([^\]]+)\]", r"^    command: \[([^\]]+)\]")
"""Commands as arrays of words in YAML."""

ARGUMENTS_OF_ICINGA = r'^    "(--[a-z-]+)"'

VALUES = {
    "--timeout": "30s",
    "--warning": "cpu=80%",
    "--critical": "cpu=95%",
    "--config": "/etc/revvlink/revvlink.toml",
}
"""Option of the definition for Icinga -> a value as its variables have; ``50%`` for the others."""

PLACEHOLDERS = {"$ARG1$": "50%", "$ARG2$": "80%", "$ARG3$": "90%", "$ARG4$": "80%"}
"""What Nagios puts into a command line -> a value of that kind."""


def lines_of(path: Path) -> Iterator[str]:
    """The arguments of each command line of a file."""
    text = path.read_text(encoding="utf-8")
    if path.name.endswith(".1"):
        text = text.replace("\\(ga", "`").replace("\\&", "").replace("\\-", "-").replace("\\(aq", "'")
        text = text.replace("\\(dq", '"').replace("\\e", "\\")
        yield from re.findall(r"^    revvlink (.*)$", text, re.MULTILINE)
        yield from re.findall(r"^\\fBrevvlink ([^\[\n]+)\\fR$", text, re.MULTILINE)
    text = re.sub(r"\\\n\s+", "", text)
    yield from re.findall(TYPED_IN_TEXT, re.sub(r"\n#? *", " ", text))
    if path.parent.name == "recipes":
        for pattern in SHELL_LINES:
            yield from re.findall(pattern, text, re.MULTILINE)
        for pattern in ARRAYS:
            yield from (line.replace(",", " ") for line in re.findall(pattern, text, re.MULTILINE))
        for option in re.findall(ARGUMENTS_OF_ICINGA, text, re.MULTILINE):
            yield f"check {option} {VALUES.get(option, '50%')}"


def problem_of(line: str, root: Any) -> str | None:
    """What is wrong with a command line: an unknown command, an unknown option, or a value that is refused."""
    for name, value in PLACEHOLDERS.items():
        line = line.replace(name, value)
    words = list(takewhile(lambda word: re.fullmatch(r"\d?[<>|&].*", word) is None, shlex.split(line)))
    if words[0] in ("help", "--version") or words == ["COMMAND", "--help"]:
        return None
    command = root
    context = typer.Context(command, info_name="revvlink", obj=Options())
    while hasattr(command, "list_commands") and words and not words[0].startswith("-"):
        if isinstance(command, DefaultGroup) and words[0] not in command.commands:
            words.insert(0, command.default)
        name = words.pop(0)
        command = command.get_command(context, name)
        if command is None:
            return f"no command {name}"
        context = typer.Context(command, parent=context, info_name=name)
    if not words or words == ["--help"] or hasattr(command, "list_commands"):
        return None
    try:
        command.make_context(context.info_name, words, parent=context.parent)
    except Exception as error:  # noqa: BLE001 - any failure of the parser is the finding
        return f"{type(error).__name__}: {error}"
    return None


FILES = [
    ROOT / "revvlink.example.toml",
    ROOT / "man" / "revvlink.1",
    *sorted(path for path in (ROOT / "docs" / "recipes").iterdir() if path.suffix not in (".timer", ".py")),
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_command_line_can_be_typed(path: Path) -> None:
    """Its command and options exist, and its values are of the right kind."""
    lines = list(lines_of(path))
    assert lines, path
    root = typer.main.get_command(app)
    wrong = {line: problem for line in lines if (problem := problem_of(line, root)) is not None}
    assert wrong == {}


def test_a_wrong_line_is_found() -> None:
    """A command or an option that does not exist, and a value of another kind."""
    root = typer.main.get_command(app)
    for line in ("chek", "nodes lst", "check --no-such-option", "check --timeout soon", "exporter --listen"):
        assert problem_of(line, root) is not None, line
