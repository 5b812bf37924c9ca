"""Messages on stderr: errors with their hints, warnings, notes and tracebacks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from revvlink_cli.output.sizes import terminal_size
from revvlink_cli.output.streams import is_terminal, write_error_line
from revvlink_cli.output.text import clean, clean_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from revvlink_cli.output.result import Failure


def line(failure: Failure) -> str:
    """One error on one line: context, node, stage, message, hint."""
    place = ": ".join(clean(part) for part in (failure.context, failure.node, failure.stage) if part)
    hint = f" ({clean(failure.hint)})" if failure.hint else ""
    return f"error: {place + ': ' if place else ''}{clean(failure.message)}{hint}"


LONGEST = 1000
"""Characters of an error if their number is limited: container engines keep four thousand bytes."""


def errors(failures: Iterable[Failure], most: int | None = None) -> None:
    """Show each error on its own line; with `most`, only so many, shortened, and the number of the others."""
    kept = list(failures)
    for number, failure in enumerate(kept if most is None else kept[:most], start=1):
        text = line(failure) if most is None else line(failure)[:LONGEST]
        write_error_line(f"{text}; and {len(kept) - number} more" if number == most and len(kept) > number else text)
        if failure.excerpt is not None and most is None:
            write_error_line(clean_lines(failure.excerpt))


def trace(error: BaseException) -> None:
    """Show the traceback of an error."""
    import traceback

    write_error_line(clean_lines("".join(traceback.format_exception(error)).rstrip()))


def notes(texts: Iterable[str]) -> None:
    """Show notes."""
    for text in texts:
        write_error_line(f"note: {clean(text)}")


def warnings(texts: Iterable[str]) -> None:
    """Show warnings."""
    for text in texts:
        write_error_line(f"warning: {clean(text)}")


def lines(texts: Iterable[str]) -> None:
    """Show lines as they are, for people to type from."""
    for text in texts:
        write_error_line(clean(text))


def heading(text: str) -> None:
    """Show a heading between the outputs of two command lines; on a terminal no word of it is broken."""
    import textwrap

    width = terminal_size(sys.stderr)[0] if is_terminal(sys.stderr) else sys.maxsize
    write_error_line("\n" + "\n".join(textwrap.wrap(clean(text), width, break_on_hyphens=False)))
