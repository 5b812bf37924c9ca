"""Arguments and lines that come from standard input or a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from revvlink_cli.output.result import CommandError, ExitCode, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, TextIO

MAX_LINE = 1024 * 1024
"""Characters of a line that are read; no endpoint or track is nearly as long."""

LONGEST_SAMPLE = 64 * 1024 * 1024
"""Characters of a line of a recording that are read; a sample of a thousand nodes has one million."""


def expand_arguments(given: Sequence[str]) -> Iterator[str]:
    """The arguments, with ``-`` replaced by the lines of standard input that are not empty.

    Raises:
        CommandError: Standard input is closed, or a line is too long.
    """
    for argument in given:
        if argument == "-":
            yield from read_texts("-")
        else:
            yield argument


_ENCODED = 4
"""Index of the encoded track among the fields that `search --encoded` prints."""


def find_encoded(lines: Iterable[str]) -> Iterator[str]:
    """The encoded tracks in lines: those themselves, or what `search` prints of tracks in the formats for programs.

    A line of fields has the encoded track in the fifth, as `search` prints it, or in the last. A JSON object has it
    under ``encoded``, or is an envelope with such objects in ``data``. Any other text is passed on unchanged, and the
    decoder refuses it.
    """
    rest = iter(lines)
    for line in rest:
        if not line.startswith("{"):
            fields = line.split("\t")
            yield fields[_ENCODED] if len(fields) > _ENCODED else fields[-1]
        elif (found := _parsed(line)) is not None or (found := _parsed("\n".join((line, *rest)))) is not None:
            yield from _encoded(found, line)
        else:
            yield line


def _parsed(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, or None."""
    import json

    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _encoded(found: dict[str, Any], line: str) -> Iterator[str]:
    """The encoded tracks in one JSON object."""
    rows = found["data"] if "revvlink" in found and "data" in found else [found]
    for row in rows if isinstance(rows, list) else ():
        encoded = row.get("encoded") if isinstance(row, dict) else None
        yield encoded if isinstance(encoded, str) else line


def read_texts(name: str) -> Iterator[str]:
    """As `read_lines`, without line numbers; a line that is too long is an error.

    Raises:
        CommandError: It cannot be read, or a line is too long.
    """
    for number, line in read_lines(name):
        if line is None:
            where = "standard input" if name == "-" else name
            raise CommandError(
                Failure("usage", f"line {number} of {where} is longer than {MAX_LINE} characters"),
                exit_code=ExitCode.USAGE,
            )
        yield line


def read_lines(name: str, *, longest: int = MAX_LINE) -> Iterator[tuple[int, str | None]]:
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
