"""Arguments and lines that come from standard input or a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from revvlink_cli.output.result import CommandError, ExitCode, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

MAX_LINE = 1024 * 1024
"""Characters of a line that are read; no endpoint or track is nearly as long."""


def arguments(given: Sequence[str]) -> Iterator[str]:
    """The arguments, with ``-`` replaced by the lines of standard input that are not empty.

    Raises:
        CommandError: Standard input is closed, or a line is out of all proportion.
    """
    for argument in given:
        if argument == "-":
            yield from texts_of("-")
        else:
            yield argument


def texts_of(name: str) -> Iterator[str]:
    """As `lines_of`, without their numbers, where one that is too long is a mistake of the whole.

    Raises:
        CommandError: It cannot be read, or a line is out of all proportion.
    """
    for number, line in lines_of(name):
        if line is None:
            where = "standard input" if name == "-" else name
            raise CommandError(
                Failure("usage", f"line {number} of {where} is longer than {MAX_LINE} characters"),
                exit_code=ExitCode.USAGE,
            )
        yield line


def lines_of(name: str, *, longest: int = MAX_LINE) -> Iterator[tuple[int, str | None]]:
    """The lines of a file, or of standard input for ``-``, that are not empty, without white space around them.

    Each comes with its number, None in place of one with `longest` characters or more: it is read past, never kept.

    Raises:
        CommandError: It cannot be read.
    """
    if name == "-":
        if sys.stdin is None or sys.stdin.closed:
            raise CommandError(Failure("usage", "standard input is closed"), exit_code=ExitCode.USAGE)
        reconfigure = getattr(sys.stdin, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="surrogateescape")
        yield from _lines(sys.stdin, longest)
        return
    try:
        with Path(name).open(encoding="utf-8", errors="surrogateescape") as file:
            yield from _lines(file, longest)
    except OSError as error:
        raise CommandError(
            Failure("usage", f"{name} cannot be read: {error.strerror or error}", hint="name a file, or - for stdin"),
            exit_code=ExitCode.USAGE,
        ) from None


def _lines(file: TextIO, longest: int) -> Iterator[tuple[int, str | None]]:
    number = 0
    while line := file.readline(longest):
        number += 1
        if len(line) == longest and not line.endswith("\n"):
            while line and not line.endswith("\n"):
                line = file.readline(longest)
            yield number, None
            continue
        text = (line.removeprefix("\ufeff") if number == 1 else line).strip()  # editors begin files with that mark
        if text:
            yield number, text
