"""Questions to the person at the terminal."""

from __future__ import annotations

import sys

import typer

from revvlink_cli.output.result import CommandError, ExitCode, Failure
from revvlink_cli.output.streams import end_line
from revvlink_cli.output.text import clean


def confirm(question: str, *, yes: bool) -> None:
    """Ask the user to confirm what cannot be undone.

    Args:
        question: The question on a terminal.
        yes: Whether `--yes` was given.

    Raises:
        CommandError: stdin is not a terminal.
        typer.Abort: The answer is no, or Ctrl-C.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise CommandError(
            Failure("usage", "this cannot be undone and needs a confirmation", hint="add --yes"),
            exit_code=ExitCode.USAGE,
        )
    if not ask(question):
        raise typer.Abort


def ask(question: str, *, default: bool = False) -> bool:
    """Ask the user a question on the terminal.

    Raises:
        typer.Abort: Ctrl-C, or the end of the input; what follows begins on a line of its own.
    """
    try:
        return typer.confirm(clean(question), default=default, err=True)
    except typer.Abort:
        end_line()
        raise
