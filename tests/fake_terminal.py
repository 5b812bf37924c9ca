"""A terminal on which a command draws, and a person presses keys."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

from tests.conftest import warm_command_line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.warm_command_line import WarmProcess


class Terminal:
    """A command on a terminal of its own; what the environment says of its size is wrong."""

    def __init__(
        self, config: Path | None, *arguments: str, lines: int = 24, columns: int = 80,
        term: str = "xterm", environment: Mapping[str, str] | None = None, is_child: bool = False,
    ) -> None:  # fmt: skip
        """Start the command; as a child process of the tests where a test waits for it as a shell does."""
        variables = {**os.environ, "TERM": term, "COLUMNS": "150", "LINES": "50", "CI": "", **(environment or {})}
        named = () if config is None else ("--config", str(config))
        size = struct.pack("HHHH", lines, columns, 0, 0)
        self.seen = ""
        self._process: WarmProcess | None = None
        self._status: int | None = None
        if not is_child:
            self.file, terminal = os.openpty()
            fcntl.ioctl(self.file, termios.TIOCSWINSZ, size)
            streams = (terminal, os.dup(terminal), os.dup(terminal))
            line = (*named, *arguments)
            self._process = warm_command_line().start(line, streams, variables, has_terminal=True)
            self.pid = self._process.pid
            return
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(1, termios.TIOCSWINSZ, size)
            command = [sys.executable, "-m", "revvlink_cli", *named, *arguments]
            os.execve(sys.executable, command, variables)

    def resize(self, lines: int, columns: int) -> None:
        """Another size."""
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.file, keys.encode())

    def read(self, seconds: float) -> bool:
        """Take in what it writes within that time; False once it has let go of the terminal."""
        if not select.select([self.file], [], [], seconds)[0]:
            return True
        try:
            self.seen += os.read(self.file, 1 << 16).decode(errors="replace")
        except OSError:
            return False
        return True

    def screen(self) -> list[str]:
        """The last whole picture."""
        lines: list[str] = []
        for frame in re.findall(r"\x1b\[\?2026h(.*?)\x1b\[\?2026l", self.seen, re.DOTALL):
            if frame.startswith("\x1b[H"):
                lines = [_text(line) for line in frame.split("\r\n")]
                continue
            for row, line in re.findall(r"\x1b\[(\d+);1H(.*?)(?=\x1b\[\d+;1H|\Z)", frame, re.DOTALL):
                lines[int(row) - 1 : int(row)] = [_text(line)]
        return lines

    def lines(self) -> list[str]:
        """The lines that output without an alternate screen has left, as a person reads them."""
        lines, row, column = [""], 0, 0
        for sequence, text in re.findall(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)|([^\x1b\r\n]+)", self.seen):
            if sequence == "\r":
                column = 0
            elif sequence == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif sequence.endswith("A"):
                row = max(row - int(sequence[2:-1] or 1), 0)
            elif sequence.endswith("K"):
                lines[row] = lines[row][:column]
            elif sequence.endswith("J"):
                lines[row] = lines[row][:column]
                del lines[row + 1 :]
            elif text:
                lines[row] = lines[row][:column].ljust(column) + text + lines[row][column + len(text) :]
                column += len(text)
        return [line.rstrip() for line in lines]

    def until_line(self, pattern: str) -> list[str]:
        """The lines as soon as a pattern is in them."""
        deadline = time.monotonic() + 20
        while not re.search(pattern, "\n".join(self.lines())):
            assert time.monotonic() < deadline, "\n".join(self.lines())
            self.read(0.1)
        return self.lines()

    def until(self, pattern: str) -> list[str]:
        """The first picture on which a pattern shows."""
        deadline = time.monotonic() + 20
        while not re.search(pattern, "\n".join(self.screen())):
            assert time.monotonic() < deadline, "\n".join(self.screen())
            self.read(0.1)
        return self.screen()

    def end(self) -> int:
        """Wait for its end; gives the exit code."""
        deadline = time.monotonic() + 20
        while self.read(0.1):
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                pytest.fail("it does not end")
            if self._has_ended():
                while select.select([self.file], [], [], 0)[0] and self.read(0):
                    pass
                break
        os.close(self.file)
        return self._code()

    def _has_ended(self) -> bool:
        if self._process is not None:
            return self._process.poll() is not None
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def _code(self) -> int:
        if self._process is not None:
            return self._process.wait(20)
        status = os.waitpid(self.pid, 0)[1] if self._status is None else self._status
        return os.waitstatus_to_exitcode(status)


def _text(line: str) -> str:
    """A line without sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip()
