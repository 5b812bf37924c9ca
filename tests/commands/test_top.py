"""``top`` on a terminal: what is on the screen, what the keys do, and how the terminal is left."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli
from tests.fake_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOP = ("top", "--interval", "0.2")


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


@pytest.mark.parametrize("size", [(24, 80), (40, 120), (60, 200), (12, 40)])
def test_the_whole_fleet(config: Path, size: tuple[int, int]) -> None:
    """Totals, regions and every node fit the terminal, and `q` leaves it as it was."""
    lines, columns = size
    terminal = Terminal(config, *TOP, lines=lines, columns=columns)
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
    terminal = Terminal(config, *TOP, lines=30, columns=110)
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
    question = " ".join(terminal.until("Cordon eu-1"))
    assert "Only this `revvlink top` leaves it out" in question
    assert "Bots still send it players" in question
    terminal.press("n")
    terminal.until("3 connected")
    terminal.press("cy")
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
    terminal = Terminal(config, *TOP, lines=30, columns=110)
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
    """A node that is down while somebody watches is not a failure of the watching."""
    fleet["us-1"].kill()
    terminal = Terminal(config, *TOP, lines=30, columns=110)
    terminal.until(r"us-1 +failed")
    terminal.press("q")
    assert terminal.end() == 0
    assert "error:" not in terminal.seen


def test_nobody_to_watch(fleet: Simulator, write_config: Callable[..., Path]) -> None:
    """When no node is tried any more it ends, and says why."""
    path = write_config({"identifier": "us-1", "uri": fleet["us-1"].uri, "password": "wrong"})
    terminal = Terminal(path, *TOP)
    assert terminal.end() == 4
    assert "refused the password" in terminal.seen


def test_another_size(config: Path) -> None:
    """The picture follows the terminal."""
    terminal = Terminal(config, *TOP, lines=40, columns=120)
    assert any("MEMORY" in line for line in terminal.until("us-1 .*9/9"))
    terminal.resize(15, 60)
    terminal.until(r"NODE +STATE(?!.*MEMORY)")
    assert max(map(len, terminal.screen())) <= 60
    terminal.press("q")
    assert terminal.end() == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGQUIT, 131)])
def test_signals(config: Path, number: int, code: int) -> None:
    """They leave the terminal as it was."""
    terminal = Terminal(config, *TOP)
    terminal.until("us-1")
    os.kill(terminal.pid, number)
    assert terminal.end() == code
    assert "\x1b[?1049l" in terminal.seen


def test_suspended(config: Path) -> None:
    """Ctrl-Z gives the screen back, and going on takes it again."""
    terminal = Terminal(config, *TOP, is_child=True)
    terminal.until("us-1")
    os.kill(terminal.pid, signal.SIGTSTP)
    deadline = time.monotonic() + 10
    stopped = 0
    while not stopped and time.monotonic() < deadline:
        terminal.read(0.1)
        stopped, _ = os.waitpid(terminal.pid, os.WNOHANG | os.WUNTRACED)
    assert stopped
    terminal.read(0.1)
    assert "\x1b[?1049l" in terminal.seen
    os.kill(terminal.pid, signal.SIGCONT)
    while terminal.seen.count("\x1b[?1049h") < 2 and time.monotonic() < deadline:
        terminal.read(0.1)
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
    terminal = Terminal(config, *TOP, "--export", "x.csv")
    assert terminal.end() == 2
    assert "nodes status --watch --export" in terminal.seen
    assert "\x1b[?1049h" not in terminal.seen


def test_a_terminal_that_closes(config: Path) -> None:
    """When its window is closed, the command ends; no process stays behind."""
    terminal = Terminal(config, *TOP, is_child=True)
    terminal.until("us-1")
    os.close(terminal.file)
    deadline = time.monotonic() + 20
    while os.waitpid(terminal.pid, os.WNOHANG) == (0, 0):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_keys_while_the_first_node_connects(write_config: Callable[..., Path]) -> None:
    """The screen says what it waits for, and how long already; help is shown, and `q` ends it at once."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = write_config(
            {"identifier": "us-1", "uri": f"http://127.0.0.1:{silent.getsockname()[1]}", "password": "x"}
        )
        terminal = Terminal(path, *TOP, "--timeout", "60s")
        terminal.until("connecting to 1 node, 1 s")
        terminal.press("?")
        terminal.until("these lines, and back")
        terminal.press("q")
        assert terminal.end() == 0


def test_a_terminal_that_cannot_be_drawn_on(config: Path) -> None:
    """With TERM=dumb, one line says why tables follow each other; nothing moves the cursor."""
    terminal = Terminal(config, *TOP, term="dumb")
    while terminal.seen.count("NODE") < 2:
        assert terminal.read(10)
    os.kill(terminal.pid, signal.SIGINT)
    assert terminal.end() == 130
    assert terminal.seen.count("this terminal cannot move its cursor (TERM is dumb or not set)") == 1
    assert "\x1b" not in terminal.seen


def test_resized_to_the_smallest_and_back(config: Path) -> None:
    """Each picture fits the terminal that it is drawn on."""
    terminal = Terminal(config, *TOP, lines=24, columns=80)
    terminal.until("us-1 .*9/9")
    for lines, columns in ((10, 40), (3, 12), (50, 200), (24, 80)):
        terminal.seen = ""
        terminal.resize(lines, columns)
        terminal.until(r"^(?s:.)*\S")
        screen = terminal.screen()
        assert len(screen) == lines
        assert max(map(len, screen)) <= columns
    terminal.press("q")
    assert terminal.end() == 0


def test_a_log_waits_for_the_end(fleet: Simulator, config: Path) -> None:
    """With -v, the lines of the log do not stand between those of the screen: they follow when it is left."""
    terminal = Terminal(config, *TOP, "-v", lines=24, columns=100)
    terminal.until("us-1 .*9/9")
    fleet["us-1"].kill()
    terminal.until("us-1 +lost")
    terminal.press("q")
    assert terminal.end() == 0
    screen, _, after = terminal.seen.rpartition("\x1b[?1049l")
    assert re.search(r"(?m)^(info|warning): us-1: ", after)
    assert not re.search(r"(info|warning): us-1: ", screen)
