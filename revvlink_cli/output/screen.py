"""Draws on the whole screen of a terminal, and restores it."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from revvlink_cli.config.secrets_in_use import redacted
from revvlink_cli.output.formats import Format
from revvlink_cli.output.painting import painted
from revvlink_cli.output.sizes import HEAD, clipped, terminal_size, wrapped
from revvlink_cli.output.streams import wants_colour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from revvlink_cli.output.picture import Picture
    from revvlink_cli.output.result import Frame
    from revvlink_cli.output.streams import Output
    from revvlink_cli.output.view import View

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
    """Draws in place on the alternate screen of a terminal. While Ctrl-Z suspends it, the terminal is restored.

    Attributes:
        on_suspend: Called before Ctrl-Z suspends the process.
        on_resume: Called when the process continues.
    """

    def __init__(self, output: Output, *, no_color: bool, view: View | None = None) -> None:
        self._output = output
        self._has_colour = wants_colour(sys.stdout, no_color=no_color)
        self._view = view
        self._no_color = no_color
        self.on_suspend: Callable[[], None] | None = None
        self.on_resume: Callable[[], None] | None = None
        self._before: dict[int, Any] = {}
        self._last: Frame | None = None
        self._painted: list[str] | None = None
        self._size = (0, 0)

    def __enter__(self) -> Self:
        """Switch to the alternate screen. An event loop has to run."""
        if sys.platform != "win32":
            import asyncio

            loop = asyncio.get_running_loop()
            for number, act in ((signal.SIGTSTP, self._suspend), (signal.SIGCONT, self._resume)):
                before = signal.getsignal(number)
                if before is not signal.SIG_IGN:  # without job control, nothing would continue the process
                    self._before[number] = before
                    loop.add_signal_handler(number, act)  # never in the middle of a drawing
        self._output.write(_ENTER)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the screen."""
        try:
            self._output.write(_LEAVE)
        finally:
            if self._before:
                import asyncio

                loop = asyncio.get_running_loop()
                for number, before in self._before.items():
                    loop.remove_signal_handler(number)
                    signal.signal(number, before)

    def _suspend(self) -> None:
        if sys.platform != "win32":
            if self.on_suspend is not None:
                self.on_suspend()
            self._output.write(_LEAVE)
            os.kill(os.getpid(), signal.SIGSTOP)

    def _resume(self) -> None:
        self._painted = None
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

        self.on_resume = self._redraw_last
        if sys.platform == "win32":
            yield
            return
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self._redraw_last)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)

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
        if self._view is not None and frame.selected is None:
            remark = self._view.remark(result)
            notes = (*self._view.notes_of(result), *filter(None, [remark]))
            result = replace(self._view.applied(result, Format.TABLE), notes=notes)
        above, below = ([clipped(line, width) for line in lines] for lines in (frame.above, frame.below))
        below_table = [line for note in result.notes for line in wrapped(note, width)]
        room = max(height - len(above) - len(below), 0)
        page = Page()
        renderer = TableRenderer(page, no_color=self._no_color, view=self._view)
        if isinstance(result.data, tuple) and result.data:
            has_title = result.title is not None and room > HEAD + 2
            title = renderer.heading(clipped(result.title or "", width)) if has_title else []
            rest = fitted(renderer, result.data, frame.selected, below_table, room=room - len(title), width=width)
            middle = [*title, *rest]
        else:
            renderer.end(result)
            middle = [*page.text.rstrip("\n").split("\n"), *below_table] if page.text or below_table else []
        lines = [*above, *middle[:room], *below][:height]
        # A line is cleared before it is written: clearing after a line of full width would erase its last character.
        picture = "\n".join(f"\x1b[2K{line}" for line in lines)
        more = "\n\x1b[J" if len(lines) < height else ""
        self._output.write(f"{_BEGIN}\x1b[H{picture}{more}{_END}")

    def draw(self, picture: Picture) -> None:
        """Draw a picture, cut to the current size of the terminal. Only lines that have changed are written."""
        height, width = size = self.size()
        lines = picture.lines[:height]
        made = [painted(line, width, has_colour=self._has_colour) for line in lines]
        made += [""] * (height - len(made))
        before = self._painted if size == self._size and not picture.is_fresh else None
        self._painted, self._size = made, size

        def masked(number: int) -> str:
            line = lines[number] if number < len(lines) else ()
            clear = redacted(line)
            return made[number] if clear is line else painted(clear, width, has_colour=self._has_colour)

        if before is None:
            text = "\x1b[H" + "\n".join(f"\x1b[2K{masked(number)}" for number in range(height))
        else:
            changed = (number for number, line in enumerate(made) if line != before[number])
            text = "".join(f"\x1b[{number + 1};1H\x1b[2K{masked(number)}" for number in changed)
        if text:
            self._output.write(f"{_BEGIN}{text}{_END}")
