"""``top`` on a terminal: what is on the screen, what the keys do, and how the terminal is left."""

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

from revvlink_cli.output.keys import names_in
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def fleet() -> Iterator[Simulator]:
    """Nodes in two regions."""
    with Simulator(
        [
            NodeProfile(identifier="us-1", region="us", playing=9, players=9),
            NodeProfile(identifier="us-2", region="us", playing=2, players=2),
            NodeProfile(identifier="eu-1", region="eu", playing=4, players=4),
        ]
    ) as simulator:
        yield simulator


@pytest.fixture
def config(fleet: Simulator, write_config: Callable[..., Path]) -> Path:
    """A configuration with all of them."""
    return write_config(
        *(
            {"identifier": n.profile.identifier, "uri": n.uri, "password": n.password, "region": n.profile.region}
            for n in fleet
        )
    )


class Terminal:
    """``revvlink top`` on a terminal of its own."""

    def __init__(self, config: Path, lines: int = 24, columns: int = 80, *more: str) -> None:
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")} | {"TERM": "xterm"}
            command = [sys.executable, "-m", "revvlink_cli", "--config", str(config), "top", "--interval", "0.2", *more]
            time.sleep(0.3)  # so that the terminal has its size when the command begins
            os.execve(sys.executable, command, environment)
        self.resize(lines, columns)
        self.seen = ""

    def resize(self, lines: int, columns: int) -> None:
        """Another size."""
        fcntl.ioctl(self.file, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.file, keys.encode())

    def _read(self, seconds: float) -> bool:
        if not select.select([self.file], [], [], seconds)[0]:
            return True
        try:
            self.seen += os.read(self.file, 1 << 16).decode(errors="replace")
        except OSError:
            return False
        return True

    def screen(self) -> list[str]:
        """The last whole picture."""
        frames = re.findall(r"\x1b\[H(.*?)\x1b\[\?2026l", self.seen, re.DOTALL)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", frames[-1] if frames else "")
        return [line.rstrip() for line in text.split("\r\n")]

    def until(self, pattern: str) -> list[str]:
        """The first picture on which a pattern shows."""
        deadline = time.monotonic() + 20
        while not re.search(pattern, "\n".join(self.screen())):
            assert time.monotonic() < deadline, "\n".join(self.screen())
            self._read(0.1)
        return self.screen()

    def end(self) -> int:
        """Wait for its end; gives the exit code."""
        deadline = time.monotonic() + 20
        while self._read(0.1):
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                pytest.fail("it does not end")
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                while select.select([self.file], [], [], 0)[0] and self._read(0):
                    pass
                os.close(self.file)
                return os.waitstatus_to_exitcode(status)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.file)
        return os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("size", [(24, 80), (40, 120), (60, 200), (12, 40)])
def test_the_whole_fleet(config: Path, size: tuple[int, int]) -> None:
    """Totals, regions and every node fit the terminal, and `q` leaves it as it was."""
    lines, columns = size
    terminal = Terminal(config, lines, columns)
    before = termios.tcgetattr(terminal.file)
    screen = terminal.until(r"us-2 .*2/2")
    assert len(screen) <= lines
    assert max(map(len, screen)) <= columns
    assert "3 nodes (3 connected)" in screen[0]
    assert any("us 2/2 nodes, 11 playing" in line for line in screen)
    terminal.press("q")
    assert terminal.end() == 0
    assert terminal.seen.count("\x1b[?1049h") == terminal.seen.count("\x1b[?1049l") == 1
    assert terminal.seen.rindex("\x1b[?25h") > terminal.seen.rindex("\x1b[?25l")
    assert before[3] & termios.ICANON


def test_keys(config: Path) -> None:
    """Sort, move, filter, cordon, look closer, pause, help."""
    terminal = Terminal(config, 30, 110)
    screen = terminal.until("us-1 .*9/9")
    nodes = [line.split()[0] for line in screen if re.match(r"(us|eu)-\d ", line)]
    assert nodes == ["us-2", "eu-1", "us-1"]
    terminal.press("s")
    screen = terminal.until("by node")
    assert [line.split()[0] for line in screen if re.match(r"(us|eu)-\d ", line)] == ["eu-1", "us-1", "us-2"]
    terminal.press("/us\n")
    assert not any(line.startswith("eu-1") for line in terminal.until("filter 'us' of 3"))
    terminal.press("\x1b")
    terminal.until("eu-1")
    terminal.press("\x1b[Hc")
    assert any(re.match("eu-1 +cordoned", line) for line in terminal.until("1 cordoned"))
    terminal.press("\n")
    terminal.until(r"State +cordoned")
    terminal.press("\x1b")
    terminal.until("by node")
    terminal.press("p")
    terminal.until("PAUSED")
    terminal.press("p?")
    terminal.until("sort by the next column")
    terminal.press("q")
    assert terminal.end() == 0


def test_a_node_that_dies_and_returns(fleet: Simulator, config: Path) -> None:
    """It stays on the screen as lost, the events say so, and it comes back."""
    terminal = Terminal(config, 30, 110)
    terminal.until("us-1 .*9/9")
    fleet["us-1"].kill()
    screen = terminal.until(r"us-1 +lost")
    assert any("9/9" in line for line in screen if line.startswith("us-1"))
    terminal.until("us-1  node_lost")
    fleet["us-1"].start()
    terminal.until(r"us-1 +connected")
    terminal.press("q")
    assert terminal.end() == 0


def test_quitting_is_no_failure(fleet: Simulator, config: Path) -> None:
    """A node that is down while somebody watches is no failure of the watching."""
    fleet["us-1"].kill()
    terminal = Terminal(config, 30, 110)
    terminal.until(r"us-1 +failed")
    terminal.press("q")
    assert terminal.end() == 0
    assert "error:" not in terminal.seen


def test_nobody_to_watch(fleet: Simulator, write_config: Callable[..., Path]) -> None:
    """When no node is tried any more it ends, and says why."""
    path = write_config({"identifier": "us-1", "uri": fleet["us-1"].uri, "password": "wrong"})
    terminal = Terminal(path)
    assert terminal.end() == 4
    assert "refused the password" in terminal.seen


def test_another_size(config: Path) -> None:
    """The picture follows the terminal."""
    terminal = Terminal(config, 40, 120)
    assert any("MEMORY" in line for line in terminal.until("us-1 .*9/9"))
    terminal.resize(15, 60)
    terminal.until(r"NODE +STATE(?!.*MEMORY)")
    assert max(map(len, terminal.screen())) <= 60
    terminal.press("q")
    assert terminal.end() == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGQUIT, 131)])
def test_signals(config: Path, number: int, code: int) -> None:
    """They leave the terminal as it was."""
    terminal = Terminal(config)
    terminal.until("us-1")
    os.kill(terminal.pid, number)
    assert terminal.end() == code
    assert "\x1b[?1049l" in terminal.seen


def test_suspended(config: Path) -> None:
    """Ctrl-Z gives the screen back, and going on takes it again."""
    terminal = Terminal(config)
    terminal.until("us-1")
    os.kill(terminal.pid, signal.SIGTSTP)
    deadline = time.monotonic() + 10
    stopped = 0
    while not stopped and time.monotonic() < deadline:
        terminal._read(0.1)
        stopped, _ = os.waitpid(terminal.pid, os.WNOHANG | os.WUNTRACED)
    assert stopped
    terminal._read(0.1)
    assert "\x1b[?1049l" in terminal.seen
    os.kill(terminal.pid, signal.SIGCONT)
    while terminal.seen.count("\x1b[?1049h") < 2 and time.monotonic() < deadline:
        terminal._read(0.1)
    terminal.seen = terminal.seen[terminal.seen.rindex("\x1b[?1049h") :]
    terminal.until("us-1")
    terminal.press("q")
    assert terminal.end() == 0


def test_off_a_terminal(config: Path) -> None:
    """It is ``nodes status --watch``: a reader that has seen enough ends it."""
    command = f"{sys.executable} -m revvlink_cli --config {config} top --interval 0.2 | head -n 2"
    import subprocess

    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.count('"nodes":') == 2
    assert done.stderr == ""
    assert run_cli("--config", str(config), "top", "-o", "json").code == 2


def test_no_table_to_export(config: Path) -> None:
    """What fills the terminal is not written to a file, and says what would be, rather than leaving it out."""
    terminal = Terminal(config, 24, 80, "--export", "x.csv")
    assert terminal.end() == 2
    assert "nodes status --watch --export" in terminal.seen
    assert "\x1b[?1049h" not in terminal.seen


def test_names_of_keys() -> None:
    """Sequences that are known have names, others are left out, characters are themselves."""
    assert names_in("a\x1b[Aq") == ["a", "up", "q"]
    assert names_in("\x1b") == ["escape"]
    assert names_in("\x1b[5~\x1b[99;5ux\r") == ["page up", "x", "enter"]
    assert names_in("\x00é") == ["é"]
    assert set(names_in("\x1b[H\x1bOH\x1b[1~\x1b[7~")) == {"home"}
    assert set(names_in("\x1b[F\x1bOF\x1b[4~\x1b[8~")) == {"end"}
