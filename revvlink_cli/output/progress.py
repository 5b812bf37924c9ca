"""How far a long job has come, in one line on stderr, for people who watch it."""

from __future__ import annotations

import sys

from revvlink_cli.output.sizes import terminal_size
from revvlink_cli.output.streams import is_terminal, write_error

_WIDTH = 30
"""Characters of the bar itself, where there is room."""


class ProgressBar:
    """A bar below the output; shown only where both streams are terminals and the length of the job is known.

    Attributes:
        is_shown: Whether there is one.
    """

    def __init__(self, total: int | None) -> None:
        self._total = total or 0
        self._done = 0
        self.is_shown = total is not None and total > 0 and is_terminal(sys.stdout) and is_terminal(sys.stderr)
        if self.is_shown:
            self._draw()

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        if self.is_shown:
            self._draw()

    def clear(self) -> None:
        """Make room for output, or for what comes after the job."""
        if self.is_shown:
            write_error("\r\x1b[K")

    def _draw(self) -> None:
        count = f" {self._done}/{self._total}"
        width = max(min(_WIDTH, terminal_size(sys.stderr)[0] - len(count) - 3), 0)
        filled = width * self._done // self._total
        write_error(f"\r\x1b[K[{'#' * filled}{'.' * (width - filled)}]{count}")
