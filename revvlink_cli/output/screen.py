"""A terminal's whole screen, drawn again and again, and given back as it was."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Self

from revvlink_cli.output.streams import is_terminal

if TYPE_CHECKING:
    from types import TracebackType

    from revvlink_cli.output.result import Result
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
    """Draws results over each other on the alternate screen of a terminal."""

    def __init__(self, output: Output, *, no_color: bool) -> None:
        self._output = output
        self._no_color = no_color

    def __enter__(self) -> Self:
        """Take the screen."""
        self._output.write(_ENTER)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""
        self._output.write(_LEAVE)

    @property
    def rows(self) -> int:
        """Rows of a table that fit."""
        return max(shutil.get_terminal_size().lines - ROWS_OF_TABLE, 1)

    def show(self, result: Result) -> None:
        """Draw a result, with its notes below, cut to the terminal as it is now."""
        from revvlink_cli.output.table import TableRenderer
        from revvlink_cli.output.text import clean

        page = Page()
        TableRenderer(page, no_color=self._no_color).end(result)
        width, height = shutil.get_terminal_size()
        lines = [*page.text.rstrip("\n").split("\n"), *(clean(note)[:width] for note in result.notes)]
        shown = "".join(f"{line}\x1b[K\n" for line in lines[: height - 1])
        self._output.write(f"\x1b[H{shown}\x1b[J")
