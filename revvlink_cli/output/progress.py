"""A progress bar on stderr."""

from __future__ import annotations

import sys

from revvlink_cli.output.sizes import terminal_size
from revvlink_cli.output.streams import is_terminal, write_error

_WIDTH = 30
"""Width of the bar in characters, if there is room."""


class ProgressBar:
    """A bar below the output. It is shown if stdout and stderr are terminals and the length of the job is known.

    Attributes:
        is_shown: Whether the bar is shown.
    """

    def __init__(self, total: int | None) -> None:
        self._total = total or 0
        self._done = 0
        self.is_shown = total is not None and total > 0 and is_terminal(sys.stdout) and is_terminal(sys.stderr)
        if self.is_shown:
            self._draw()

    def advance(self) -> None:
        """Count one more item as done."""
        self._done += 1
        if self.is_shown:
            self._draw()

    def clear(self) -> None:
        """Remove the bar, to write output or at the end."""
        if self.is_shown:
            write_error("\r\x1b[K")

    def _draw(self) -> None:
        count = f" {self._done}/{self._total}"
        width = max(min(_WIDTH, terminal_size(sys.stderr)[0] - len(count) - 3), 0)
        filled = width * self._done // self._total
        write_error(f"\r\x1b[K[{'#' * filled}{'.' * (width - filled)}]{count}")
