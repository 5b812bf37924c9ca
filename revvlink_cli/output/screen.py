"""Draws on the whole screen of a terminal, and restores it."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from revvlink_cli.config.secrets_in_use import redacted
from revvlink_cli.output.sizes import HEAD, clipped, terminal_size, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from revvlink_cli.output.result import Frame
    from revvlink_cli.output.streams import Output

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
"""Alternate screen, no cursor, no line wrap (terminals differ in the width of some characters), clear."""

_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"

_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
"""Around a frame: terminals that support it show the whole frame at once."""


class Page:
    """Collects the text that a renderer writes."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        """Add the text."""
        self.text += text


class Screen:
    """Draws frames in place on the alternate screen of a terminal. While Ctrl-Z suspends it, the screen is restored.

    Attributes:
        on_resume: Called when the process continues after Ctrl-Z.
    """

    def __init__(self, output: Output, *, no_color: bool) -> None:
        self._output = output
        self._no_color = no_color
        self.on_resume: Callable[[], None] | None = None
        self._before: Any = None
        self._last: Frame | None = None

    def __enter__(self) -> Self:
        """Switch to the alternate screen."""
        self._output.write(_ENTER)
        if sys.platform != "win32":
            self._before = signal.signal(signal.SIGTSTP, self._suspend)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the screen."""
        if sys.platform != "win32":
            signal.signal(signal.SIGTSTP, self._before)
        self._output.write(_LEAVE)

    def _suspend(self, *_: object) -> None:
        self._output.write(_LEAVE)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._output.write(_ENTER)
        if self.on_resume is not None:
            self.on_resume()

    @staticmethod
    def size() -> tuple[int, int]:
        """Current lines and columns of the terminal."""
        columns, lines = terminal_size()
        return lines, columns

    @contextmanager
    def redraw_on_resize(self) -> Iterator[None]:
        """Within the block, draw the last frame again after Ctrl-Z and when the terminal is resized."""
        import asyncio

        self.on_resume = self.redraw
        if sys.platform == "win32":
            yield
            return
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self._redraw_last)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)

    def redraw(self) -> None:
        """Draw the last frame again from the event loop, because a signal may arrive during a drawing."""
        import asyncio

        asyncio.get_running_loop().call_soon_threadsafe(self._redraw_last)

    def _redraw_last(self) -> None:
        if self._last is not None:
            self.show(self._last)

    def show(self, frame: Frame) -> None:
        """Draw a frame, cut to the current size of the terminal."""
        from revvlink_cli.output.fitting import fitted
        from revvlink_cli.output.table import TableRenderer

        self._last = frame = redacted(frame)
        height, width = self.size()
        result = frame.result
        above, below = ([clipped(line, width) for line in lines] for lines in (frame.above, frame.below))
        notes = [line for note in result.notes for line in wrapped(note, width)]
        room = max(height - len(above) - len(below), 0)
        page = Page()
        renderer = TableRenderer(page, no_color=self._no_color)
        if isinstance(result.data, tuple) and result.data:
            has_title = result.title is not None and room > HEAD + 2
            title = renderer.heading(clipped(result.title or "", width)) if has_title else []
            rest = fitted(renderer, result.data, frame.selected, notes, room=room - len(title), width=width)
            middle = [*title, *rest]
        else:
            renderer.end(result)
            middle = [*page.text.rstrip("\n").split("\n"), *notes] if page.text or notes else []
        lines = [*above, *middle[:room], *below][:height]
        # A line is cleared before it is written: clearing after a line of full width would erase its last character.
        picture = "\n".join(f"\x1b[2K{line}" for line in lines)
        more = "\n\x1b[J" if len(lines) < height else ""
        self._output.write(f"{_BEGIN}\x1b[H{picture}{more}{_END}")
