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
            yield from lines_of("-")
        else:
            yield argument


def lines_of(name: str, *, longest: int = MAX_LINE) -> Iterator[str]:
    """The lines of a file, or of standard input for ``-``, that are not empty, without white space around them.

    Raises:
        CommandError: It cannot be read, or a line is out of all proportion.
    """
    if name == "-":
        if sys.stdin is None or sys.stdin.closed:
            raise CommandError(Failure("usage", "standard input is closed"), exit_code=ExitCode.USAGE)
        reconfigure = getattr(sys.stdin, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="surrogateescape")
        yield from _lines(sys.stdin, "standard input", longest)
        return
    try:
        with Path(name).open(encoding="utf-8-sig", errors="surrogateescape") as file:
            yield from _lines(file, name, longest)
    except OSError as error:
        raise CommandError(
            Failure("usage", f"{name} cannot be read: {error.strerror or error}", hint="name a file, or - for stdin"),
            exit_code=ExitCode.USAGE,
        ) from None


def _lines(file: TextIO, name: str, longest: int) -> Iterator[str]:
    while line := file.readline(longest):
        if len(line) == longest and not line.endswith("\n"):
            raise CommandError(
                Failure("usage", f"a line on {name} is longer than {longest} characters"), exit_code=ExitCode.USAGE
            )
        if line.strip():
            yield line.strip()
