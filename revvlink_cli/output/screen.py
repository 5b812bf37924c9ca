"""A terminal's whole screen, drawn again and again, and given back as it was."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Any, Self

from revvlink_cli.output.streams import is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from revvlink_cli.output.result import Frame
    from revvlink_cli.output.streams import Output

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
"""The alternate screen, no cursor, empty."""

_LEAVE = "\x1b[?25h\x1b[?1049l"

ROWS_OF_TABLE = 6
"""Lines of a frame that are no rows: title, head and rule, blank lines, what is left out."""


def can_be_drawn_on() -> bool:
    """Whether stdout is a terminal that can move its cursor."""
    return is_terminal(sys.stdout) and os.environ.get("TERM", "dumb") != "dumb"


class Page:
    """Text that a renderer writes and nobody prints yet."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        """Add it."""
        self.text += text


class Screen:
    """Draws results over each other on the alternate screen of a terminal; Ctrl-Z gives it back for as long.

    Attributes:
        on_resume: Called when the process goes on after Ctrl-Z.
    """

    def __init__(self, output: Output, *, no_color: bool) -> None:
        self._output = output
        self._no_color = no_color
        self.on_resume: Callable[[], None] | None = None
        self._before: Any = None

    def __enter__(self) -> Self:
        """Take the screen."""
        self._output.write(_ENTER)
        if sys.platform != "win32":
            self._before = signal.signal(signal.SIGTSTP, self._suspend)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        if sys.platform != "win32":
            signal.signal(signal.SIGTSTP, self._before)
        self._output.write(_LEAVE)

    def _suspend(self, *_: object) -> None:
        self._output.write(_LEAVE)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._output.write(_ENTER)
        if self.on_resume is not None:
            self.on_resume()

    @property
    def rows(self) -> int:
        """Rows of a table that fit."""
        return max(shutil.get_terminal_size().lines - ROWS_OF_TABLE, 1)

    @staticmethod
    def size() -> tuple[int, int]:
        """Lines and columns of the terminal as it is now."""
        columns, lines = shutil.get_terminal_size()
        return lines, columns

    def show(self, frame: Frame) -> None:
        """Draw a picture, cut to the terminal as it is now."""
        from revvlink_cli.output.table import TableRenderer
        from revvlink_cli.output.text import clean

        page = Page()
        TableRenderer(page, no_color=self._no_color).end(frame.result)
        height, width = self.size()
        above = [clean(line)[:width] for line in frame.above]
        below = [clean(line)[:width] for line in (*frame.result.notes, *frame.below)]
        middle = page.text.rstrip("\n").split("\n")[: max(height - len(above) - len(below) - 1, 1)]
        lines = [*above, *middle, *below]
        shown = "".join(f"{line}\x1b[K\n" for line in lines[: height - 1])
        self._output.write(f"\x1b[H{shown}\x1b[J")
