"""A progress bar, and a spinner with what is awaited, on stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from revvlink_cli._awaited import awaited
from revvlink_cli.config.secrets_in_use import redact
from revvlink_cli.output.sizes import clipped, terminal_size
from revvlink_cli.output.streams import acts_on_sequences, is_terminal, write_error

if TYPE_CHECKING:
    from collections.abc import Callable

_ERASE = "\r\x1b[K"
"""Moves to the start of the line and erases it."""

_WIDTH = 30
"""Width of the bar in characters, if there is room."""


class ProgressBar:
    """A bar below the output, from the first item on.

    It is shown if stdout and stderr are terminals and the length of the job is known.

    Attributes:
        is_shown: Whether the bar is shown.
    """

    def __init__(self, total: int | None) -> None:
        self._total = total or 0
        self._done = 0
        is_person = is_terminal(sys.stdout) and is_terminal(sys.stderr) and acts_on_sequences(sys.stderr)
        self.is_shown = total is not None and total > 0 and is_person

    def advance(self) -> None:
        """Count one more item as done."""
        self._done += 1
        if self.is_shown:
            self._draw()

    def clear(self) -> None:
        """Remove the bar, to write output or at the end."""
        if self.is_shown:
            write_error(_ERASE)

    def _draw(self) -> None:
        count = f" {self._done}/{self._total}"
        width = max(min(_WIDTH, terminal_size(sys.stderr)[0] - len(count) - 3), 0)
        filled = width * self._done // self._total
        write_error(f"{_ERASE}[{'#' * filled}{'.' * (width - filled)}]{count}")


class Spinner:
    """Shows what a command waits for, as soon as it takes long; erased before output, and in the end."""

    DELAY = 0.5
    """Seconds of waiting before it is shown."""

    PAUSE = 0.1
    """Seconds between two pictures."""

    def __init__(self, describe: Callable[[], str] = awaited) -> None:
        self._describe = describe
        self._is_drawn = False
        self._quiet_until = 0.0

    @staticmethod
    def is_possible() -> bool:
        """Whether stdout and stderr are a terminal of a person that can erase a line."""
        if not (is_terminal(sys.stdout) and is_terminal(sys.stderr)) or os.environ.get("CI"):
            return False
        usual = "" if sys.platform == "win32" else "dumb"  # Windows has no such variable
        return os.environ.get("TERM", usual) != "dumb" and acts_on_sequences(sys.stderr)

    async def run(self) -> None:
        """Draw until cancelled."""
        import asyncio
        from itertools import cycle

        frames = cycle(_FRAMES if (sys.stderr.encoding or "").lower().startswith("utf") else _PLAIN_FRAMES)
        loop = asyncio.get_running_loop()
        self._quiet_until = loop.time() + self.DELAY
        try:
            while True:
                await asyncio.sleep(max(self._quiet_until - loop.time(), self.PAUSE))
                if loop.time() >= self._quiet_until:
                    self._draw(next(frames))
        finally:
            self.erase()

    def erase(self) -> None:
        """Remove it, to write output or at the end."""
        if self._is_drawn:
            write_error(_ERASE)
            self._is_drawn = False

    def rest(self, now: float) -> None:
        """Remove it, and show it again only after another delay; `now` is the time of the loop."""
        self.erase()
        self._quiet_until = now + self.DELAY

    def _draw(self, frame: str) -> None:
        text = self._describe()
        if not text:
            self.erase()
            return
        width = max(terminal_size(sys.stderr)[0] - 1, 1)
        write_error(f"{_ERASE}{clipped(redact(f'{frame} {text}'), width)}")
        self._is_drawn = True


_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_FRAMES = "|/-\\"
