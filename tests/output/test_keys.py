"""Keys of a terminal and of a console of Windows."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
import termios
from collections import deque
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.output import keys as keys_module
from revvlink_cli.output.keys import Keys, names_in

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_names_of_keys() -> None:
    """Known sequences have names, unknown ones are left out as a whole; escape may be followed by a character."""
    assert names_in("a\x1b[Aq") == ["a", "up", "q"]
    assert names_in("\x1bqs") == ["escape", "q", "s"]
    assert names_in("\x1b[1;5Cs\x1b[<0;3;4Ms") == ["s", "s"]
    assert names_in("\x0c\x15") == ["redraw", "clear"]
    assert names_in("\x1b") == ["escape"]
    assert names_in("\x1b[5~\x1b[99;5ux\r") == ["page up", "x", "enter"]
    assert names_in("\x00é") == ["é"]
    assert set(names_in("\x1b[H\x1bOH\x1b[1~\x1b[7~")) == {"home"}
    assert set(names_in("\x1b[F\x1bOF\x1b[4~\x1b[8~")) == {"end"}


class Recorder:
    """Collects keys, and can be awaited for a number of them."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._changed = asyncio.Event()

    def __call__(self, key: str) -> None:
        self.found.append(key)
        self._changed.set()

    async def until(self, count: int) -> list[str]:
        """The keys, once there are so many."""
        async with asyncio.timeout(10):
            while len(self.found) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.found


@contextmanager
def terminal_as_stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal as stdin; gives the end of the person who types."""
    typing, reading = pty.openpty()
    with os.fdopen(reading, encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield typing


def test_a_sequence_that_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow line splits sequences and characters: they are still one key; an escape alone is the escape key."""

    async def run(typing: int) -> list[str]:
        recorder = Recorder()
        with Keys(recorder) as keys:
            assert keys.are_read
            os.write(typing, b"\x1b")
            keys._take(os.read(sys.stdin.fileno(), 1).decode())  # what a first read would get
            os.write(typing, b"[A")
            await recorder.until(1)
            os.write(typing, b"\xc3")
            os.write(typing, b"\xa9\x1b")
            return await recorder.until(3)

    with terminal_as_stdin(monkeypatch) as typing:
        assert asyncio.run(run(typing)) == ["up", "é", "escape"]
        os.close(typing)


def test_the_terminal_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """While keys are read there is no echo; before Ctrl-Z, and at the end, the terminal is as it was."""

    async def run(reading: int) -> None:
        before = termios.tcgetattr(reading)
        with Keys(Recorder()) as keys:
            assert not termios.tcgetattr(reading)[3] & (termios.ECHO | termios.ICANON)
            keys.release()
            assert termios.tcgetattr(reading) == before
            keys.listen()
            assert not termios.tcgetattr(reading)[3] & termios.ECHO
        assert termios.tcgetattr(reading) == before

    with terminal_as_stdin(monkeypatch) as typing:
        asyncio.run(run(sys.stdin.fileno()))
        os.close(typing)


def test_a_terminal_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the terminal goes away, one key says so, and nothing is read in a loop."""

    async def run(typing: int) -> list[str]:
        recorder = Recorder()
        with Keys(recorder):
            os.close(typing)
            await recorder.until(1)
            await asyncio.sleep(0)
            return recorder.found

    with terminal_as_stdin(monkeypatch) as typing:
        assert asyncio.run(run(typing)) == ["hang up"]


class Console(ModuleType):
    """Stands in for `msvcrt`: a console of Windows on which these keys are pressed."""

    def __init__(self, text: str) -> None:
        super().__init__("msvcrt")
        self._waiting = deque(text)

    def kbhit(self) -> bool:
        """Whether a key waits."""
        return bool(self._waiting)

    def getwch(self) -> str:
        """The next character."""
        return self._waiting.popleft()


class Stdin:
    """A stdin that is a terminal."""

    closed = False

    def isatty(self) -> bool:
        """It is."""
        return True


def test_a_console_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys come from `msvcrt`; those without a character have names; another size of the window is passed on."""
    sizes = deque([(80, 24), (80, 24), (40, 10)])
    monkeypatch.setitem(sys.modules, "msvcrt", Console("q\xe0H\x00P\xe0I\xe0Q\xe0G\xe0O\xe0K\r\x1b\x08é"))
    monkeypatch.setattr(sys, "stdin", Stdin())
    monkeypatch.setattr(keys_module, "terminal_size", lambda: sizes.popleft() if len(sizes) > 1 else sizes[0])

    async def run() -> list[str]:
        recorder = Recorder()
        with Keys(recorder, platform="win32"):
            return await recorder.until(12)

    names = ["q", "up", "down", "page up", "page down", "home", "end", "enter", "escape", "backspace", "é", "resize"]
    assert asyncio.run(run()) == names


def test_ctrl_c_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C that arrives as a character ends the command as the signal SIGINT does. `test_windows` has Ctrl-Break."""
    monkeypatch.setattr(sys, "stdin", Stdin())
    monkeypatch.setitem(sys.modules, "msvcrt", Console("\x03"))

    async def wait() -> None:
        with Keys(Recorder(), platform="win32"):
            await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(wait())
