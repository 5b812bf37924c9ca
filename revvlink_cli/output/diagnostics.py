"""Messages on stderr: errors with their hints, warnings, notes and tracebacks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from revvlink_cli.output.cells import cells, wrapped
from revvlink_cli.output.sizes import terminal_size
from revvlink_cli.output.streams import is_terminal, write_error_line
from revvlink_cli.output.text import clean, clean_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from revvlink_cli.output.result import Failure


def line(failure: Failure) -> str:
    """One error on one line: context, node, stage, message, hint."""
    place = ": ".join(clean(part) for part in (failure.place, failure.stage) if part)
    hint = f" ({clean(failure.hint)})" if failure.hint else ""
    return f"error: {place + ': ' if place else ''}{clean(failure.message)}{hint}"


LONGEST = 1000
"""Characters of an error if their number is limited: container engines keep four thousand bytes."""


def errors(failures: Iterable[Failure], most: int | None = None) -> None:
    """Show each error on its own line; with `most`, only so many, shortened, and the number of the others.

    A terminal shows errors that several nodes share once, and each hint on a line of its own.
    """
    kept = list(failures)
    if most is None and is_terminal(sys.stderr):
        _show_groups(kept, terminal_size(sys.stderr)[0])
        return
    for number, failure in enumerate(kept if most is None else kept[:most], start=1):
        text = line(failure) if most is None else line(failure)[:LONGEST]
        write_error_line(f"{text}; and {len(kept) - number} more" if number == most and len(kept) > number else text)
        if failure.excerpt is not None and most is None:
            write_error_line(clean_lines(failure.excerpt))


def _show_groups(failures: Sequence[Failure], width: int) -> None:
    """Show errors on a terminal, those of one reason together."""
    groups: dict[object, list[Failure]] = {}
    for failure in failures:
        key = (failure.code, failure.stage, failure.hint) if failure.node else (failure, failure.context)
        groups.setdefault(key, []).append(failure)
    for group in groups.values():
        first = group[0]
        stage = f"{clean(first.stage)}: " if first.stage else ""
        like = "" if all(other.message == first.message for other in group) else ", and similar"
        what = f"{stage}{clean(first.message)}{like}"
        names = [clean(name) for name in dict.fromkeys(failure.place for failure in group) if name]
        place = f"{_some(names, max(width - cells(what) - 9, width // 2))}: " if names else ""
        _write_wrapped(f"error: {place}{what}")
        if first.excerpt is not None:
            write_error_line(clean_lines(first.excerpt))
        if first.hint:
            _write_wrapped(f"  hint: {clean(first.hint)}", " " * 8)


def _some(names: Sequence[str], room: int) -> str:
    """As many names as fit, and the number of the others."""
    text = ""
    for number, name in enumerate(names, start=1):
        longer = f"{text}, {name}" if text else name
        left = len(names) - number
        if text and cells(f"{longer}, and {left} more" if left else longer) > room:
            return f"{text}, and {left + 1} more"
        text = longer
    return text


def _write_wrapped(text: str, indent: str = "  ") -> None:
    """Write a line; on a terminal words are not broken at its edge."""
    if is_terminal(sys.stderr):
        text = "\n".join(wrapped(text, terminal_size(sys.stderr)[0], indent))
    write_error_line(text)


def trace(error: BaseException) -> None:
    """Show the traceback of an error."""
    import traceback

    write_error_line(clean_lines("".join(traceback.format_exception(error)).rstrip()))


def notes(texts: Iterable[str]) -> None:
    """Show notes."""
    for text in texts:
        _write_wrapped(f"note: {clean(text)}")


def warnings(texts: Iterable[str]) -> None:
    """Show warnings."""
    for text in texts:
        _write_wrapped(f"warning: {clean(text)}")


def lines(texts: Iterable[str]) -> None:
    """Show lines as they are, for people to type from."""
    for text in texts:
        write_error_line(clean(text))


def heading(text: str) -> None:
    """Show a heading between the outputs of two command lines; on a terminal no word of it is broken."""
    import textwrap

    width = terminal_size(sys.stderr)[0] if is_terminal(sys.stderr) else sys.maxsize
    write_error_line("\n" + "\n".join(textwrap.wrap(clean(text), width, break_on_hyphens=False)))
