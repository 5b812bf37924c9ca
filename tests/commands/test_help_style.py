"""The rules of help texts and prose that a machine can check."""

from __future__ import annotations

import ast
import re
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

import revvlink_cli
from revvlink_cli.cli.app import COMMANDS, app

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(revvlink_cli.__file__).parent

BEING_CLEANED: tuple[str, ...] = ()
"""Folders whose prose is being rewritten. This list must end empty."""

BANNED = re.compile(
    r"\b(?:tells?|told|merely|whoever|whatever|nobody|anybody|kin|manners|amiss|by itself|let(?:s|ting)? go"
    r"|found at hand)\b",
    re.IGNORECASE,
)

BANNED_NAME = re.compile(r"_?(?:told|told_of|happenings?|kin|amiss|manners)", re.IGNORECASE)
"""Names of variables, functions and classes that the house style replaces with terms of the field."""

NOT_PROSE = {"kin": "client/routing/region_table.py", "Five for Nobody": "simulator/music.py"}
"""A string that is data, and the file that holds it: the airport code of Kingston in Jamaica, the title of a track."""

MAXIMUM_LENGTH = 60


def _commands(command: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every command and group below one, with each text that a help shows for it."""
    for name in command.list_commands(None):
        child = command.get_command(None, name)
        full_name = f"{path} {name}".strip()
        yield full_name, child.help
        if child.short_help:
            yield full_name, child.short_help
        if hasattr(child, "list_commands"):
            yield from _commands(child, full_name)


HELP_TEXTS = list(_commands(typer.main.get_command(app)))


def test_every_command_is_checked() -> None:
    """The walk reaches each command of the table and the commands of groups."""
    names = {name for name, _ in HELP_TEXTS}

    assert set(COMMANDS) <= names
    assert {"nodes status", "cache warm"} <= names


@pytest.mark.parametrize(("name", "text"), HELP_TEXTS)
def test_first_help_line(name: str, text: str) -> None:
    """The first line is short, starts with a verb in the base form, and is one sentence."""
    line = text.strip().splitlines()[0]
    first_word = line.split()[0]

    assert len(line) <= MAXIMUM_LENGTH, f"{name}: {len(line)} characters: {line}"
    assert line.endswith("."), f"{name}: no full stop at the end: {line}"
    assert ". " not in line, f"{name}: a full stop inside: {line}"
    assert first_word.istitle(), f"{name}: {line}"
    assert first_word not in {"A", "An", "The", "What", "How", "Where", "Whether"}, f"{name}: no verb first: {line}"
    assert not first_word.endswith(("s", ":")) or first_word.endswith("ss"), f"{name}: no base form: {line}"


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    """The strings, docstrings and comments of a module, with their lines."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def _modules() -> Iterator[tuple[str, Path]]:
    """The modules whose words are checked, by their path in the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name.split("/", 1)[0] not in BEING_CLEANED:
            yield name, path


def test_no_banned_name() -> None:
    """No variable, function or class of the package has a name that the house style replaces."""
    found = []
    for name, path in _modules():
        with path.open("rb") as file:
            found += [
                f"{name}:{token.start[0]}: {token.string}"
                for token in tokenize.tokenize(file.readline)
                if token.type == tokenize.NAME and BANNED_NAME.fullmatch(token.string)
            ]

    assert found == []


def test_no_banned_word() -> None:
    """No string, docstring or comment of the package uses a word that the house style avoids."""
    found = []
    for name, path in _modules():
        for line, text in _prose(path):
            if NOT_PROSE.get(text) == name:
                continue
            found += [f"{name}:{line}: {match[0]}" for match in BANNED.finditer(text)]

    assert found == []
