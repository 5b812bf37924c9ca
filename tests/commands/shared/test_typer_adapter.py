"""Typer's private names: what the adapter imports is still what the program takes it for, and only it imports them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

import revvlink_cli
from revvlink_cli.commands.shared.typer_adapter import Choice, CommandLineError, CompletionItem, split_arg_string

PACKAGE = Path(revvlink_cli.__file__).parent


def test_errors_of_a_command_line_have_one_parent() -> None:
    """`typer.BadParameter` is a `CommandLineError`, so that every mistake in a command line is caught as one."""
    assert issubclass(typer.BadParameter, CommandLineError)
    with pytest.raises(CommandLineError, match="no number"):
        raise typer.BadParameter("no number")


def test_words_and_candidates() -> None:
    """A line is split as shells do, an unfinished quote included; a candidate carries its help; a choice its values."""
    assert split_arg_string("revvlink search 'two words") == ["revvlink", "search", "two words"]
    assert CompletionItem("value", help="what it is").help == "what it is"
    assert list(Choice(["a", "b"]).choices) == ["a", "b"]


def test_only_the_adapter_imports_private_names() -> None:
    """No other module of the package imports a module of Typer whose name begins with an underscore."""
    private = re.compile(r"\b(?:from|import) typer\._\w+")
    found = {path.name for path in PACKAGE.rglob("*.py") if private.search(path.read_text(encoding="utf-8"))}

    assert found == {"typer_adapter.py"}
