"""Keys pressed at a terminal, one by one."""

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
"""What a terminal sends for the keys that are no characters."""


def names_in(text: str) -> list[str]:
    """The keys in what a terminal sent at once; sequences that are not known are left out."""
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
    """Tells of every key as it is pressed; the terminal is given back as it was. Ctrl-C and Ctrl-Z stay signals."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told
        self._before: list[Any] | None = None

    def __enter__(self) -> Self:
        """Listen, where there is a terminal to listen to."""
        if is_terminal(sys.stdin) and sys.platform != "win32":
            import asyncio
            import termios

            self._before = termios.tcgetattr(sys.stdin)
            self.listen()
            asyncio.get_running_loop().add_reader(sys.stdin, self._read)
        return self

    def listen(self) -> None:
        """Have each key at once and without an echo; also after the process was suspended."""
        if self._before is not None:
            import tty

            tty.setcbreak(sys.stdin)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        if self._before is not None:
            import asyncio
            import termios

            asyncio.get_running_loop().remove_reader(sys.stdin)
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def _read(self) -> None:
        for name in names_in(os.read(sys.stdin.fileno(), 1024).decode(errors="replace")):
            self._told(name)
