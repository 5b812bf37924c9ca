"""Arguments that may come from standard input instead."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from revvlink_cli.output.result import CommandError, ExitCode, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_LINE = 1024 * 1024
"""Characters of a line that are read; no endpoint or track is nearly as long."""


def arguments(given: Sequence[str]) -> Iterator[str]:
    """The arguments, with ``-`` replaced by the lines of standard input that are not empty.

    Raises:
        CommandError: Standard input is closed, or a line is out of all proportion.
    """
    for argument in given:
        if argument != "-":
            yield argument
            continue
        if sys.stdin is None or sys.stdin.closed:
            raise CommandError(Failure("usage", "standard input is closed"), exit_code=ExitCode.USAGE)
        reconfigure = getattr(sys.stdin, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="surrogateescape")
        while line := sys.stdin.readline(MAX_LINE):
            if len(line) == MAX_LINE and not line.endswith("\n"):
                raise CommandError(
                    Failure("usage", f"a line on standard input is longer than {MAX_LINE} characters"),
                    exit_code=ExitCode.USAGE,
                )
            if line.strip():
                yield line.strip()
