"""Reads single keys from the terminal."""

from __future__ import annotations

import codecs
import os
import re
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from revvlink_cli.output.sizes import terminal_size
from revvlink_cli.output.streams import is_terminal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self

NAMES = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    **dict.fromkeys(("\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~"), "home"),
    **dict.fromkeys(("\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"), "end"),
    "\x1b": "escape",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x0c": "redraw",
    "\x15": "clear",
}
"""Escape sequence of a terminal -> name of the key."""


WINDOWS_NAMES = {"H": "up", "P": "down", "I": "page up", "Q": "page down", "G": "home", "O": "end"}
"""Second character of a key without a character on a console of Windows -> name of the key."""

REDRAW = "redraw"
"""Passed on as a key when the screen has to be drawn again."""

HANG_UP = "hang up"
"""Passed on as a key when the terminal is gone."""

RESIZE = "resize"
"""Passed on as a key when a console of Windows, which sends no signal, has another size."""

ESCAPE_TIME = 0.05
"""Seconds after which the first character of a sequence is the escape key: a slow line splits sequences."""

POLL = 0.05
"""Seconds between two looks for keys on a console of Windows."""

_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO.", re.DOTALL)

_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|O)?\Z")


def names_in(text: str) -> list[str]:
    """The keys in the characters of a terminal; unknown sequences are left out."""
    found: list[str] = []
    at = 0
    while at < len(text):
        sequence = _SEQUENCE.match(text, at)
        key = sequence.group() if sequence is not None else text[at]
        at += len(key)
        if key in NAMES:
            found.append(NAMES[key])
        elif len(key) == 1 and key.isprintable():
            found.append(key)
    return found


class Keys:
    """Calls a function with each key that is pressed, and restores the terminal. Ctrl-C and Ctrl-Z stay signals.

    Attributes:
        are_read: Whether stdin is a terminal, so that keys can be read.
    """

    def __init__(self, on_key: Callable[[str], None], platform: str = sys.platform) -> None:
        self._on_key = on_key
        self._is_windows = platform == "win32"
        self._before: list[Any] | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._pending = ""
        self._timer: asyncio.TimerHandle | None = None
        self._size = (0, 0)
        self.are_read = False

    def __enter__(self) -> Self:
        """Start to read, if stdin is a terminal. An event loop has to run."""
        self.are_read = is_terminal(sys.stdin)
        if self.are_read and self._is_windows:
            self._size = terminal_size()
            self._poll()
        elif sys.platform != "win32" and self.are_read:
            import asyncio
            import termios

            self._before = termios.tcgetattr(sys.stdin)
            self.listen()
            asyncio.get_running_loop().add_reader(sys.stdin, self._read)
        return self

    def listen(self) -> None:
        """Switch the terminal to single keys without echo; needed again after Ctrl-Z."""
        if sys.platform != "win32" and self._before is not None:
            import tty

            tty.setcbreak(sys.stdin)

    def release(self) -> None:
        """Give the terminal back as it was, while Ctrl-Z suspends the process."""
        if sys.platform != "win32" and self._before is not None:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the terminal."""
        if self._timer is not None:
            self._timer.cancel()
        if sys.platform != "win32" and self._before is not None:
            import asyncio
            import termios
            from contextlib import suppress

            asyncio.get_running_loop().remove_reader(sys.stdin)
            with suppress(termios.error):  # the terminal is gone
                self.release()

    def _read(self) -> None:
        try:
            data = os.read(sys.stdin.fileno(), 1024)
        except OSError:
            data = b""
        if not data:
            import asyncio

            asyncio.get_running_loop().remove_reader(sys.stdin)
            self._on_key(HANG_UP)
            return
        self._take(self._decoder.decode(data))

    def _take(self, text: str) -> None:
        """Pass on the keys, but for a sequence that the next read may complete."""
        import asyncio

        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        text = self._pending + text
        unfinished = _UNFINISHED.search(text)
        self._pending = unfinished.group() if unfinished is not None else ""
        for name in names_in(text[: len(text) - len(self._pending)]):
            self._on_key(name)
        if self._pending:
            self._timer = asyncio.get_running_loop().call_later(ESCAPE_TIME, self._give_up)

    def _give_up(self) -> None:
        """Pass on an escape that nothing follows."""
        self._timer = None
        text, self._pending = self._pending, ""
        for name in names_in(text[:1]):
            self._on_key(name)

    def _poll(self) -> None:
        """Pass on what the console of Windows has, and look again a little later."""
        import asyncio

        console: Any = import_module("msvcrt")
        while console.kbhit():
            key = console.getwch()
            if key in ("\x00", "\xe0"):
                name = WINDOWS_NAMES.get(console.getwch())
                if name is not None:
                    self._on_key(name)
            elif key == "\x03":
                signal.raise_signal(signal.SIGINT)
            else:
                for name in names_in(key):
                    self._on_key(name)
        size = terminal_size()
        if size != self._size:
            self._size = size
            self._on_key(RESIZE)
        self._timer = asyncio.get_running_loop().call_later(POLL, self._poll)
