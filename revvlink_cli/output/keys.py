"""Reads single keys from the terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from revvlink_cli.output.streams import is_terminal

if TYPE_CHECKING:
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
}
"""Escape sequence of a terminal -> name of the key."""


def names_in(text: str) -> list[str]:
    """The keys in the bytes of one read; unknown sequences are left out."""
    found: list[str] = []
    at = 0
    while at < len(text):
        known = next((name for name in sorted(NAMES, key=len, reverse=True) if text.startswith(name, at)), None)
        if known is not None and (known != "\x1b" or at + 1 == len(text)):
            found.append(NAMES[known])
            at += len(known)
        elif text[at] == "\x1b":
            at += 2
            while at < len(text) and not text[at].isalpha() and text[at] != "~":
                at += 1
            at += 1
        else:
            if text[at].isprintable():
                found.append(text[at])
            at += 1
    return found


class Keys:
    """Calls a function with each key that is pressed, and restores the terminal. Ctrl-C and Ctrl-Z stay signals."""

    def __init__(self, on_key: Callable[[str], None]) -> None:
        self._on_key = on_key
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        """Start to read, if stdin is a terminal."""
        if is_terminal(sys.stdin) and sys.platform != "win32":
            import asyncio
            import termios

            self._before = termios.tcgetattr(sys.stdin)
            self.listen()
            asyncio.get_running_loop().add_reader(sys.stdin, self._read)
        return self

    def listen(self) -> None:
        """Switch the terminal to single keys without echo; needed again after Ctrl-Z."""
        if self._before is not None:
            import tty

            tty.setcbreak(sys.stdin)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the terminal."""
        if self._before is not None:
            import asyncio
            import termios

            asyncio.get_running_loop().remove_reader(sys.stdin)
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def _read(self) -> None:
        for name in names_in(os.read(sys.stdin.fileno(), 1024).decode(errors="replace")):
            self._on_key(name)
