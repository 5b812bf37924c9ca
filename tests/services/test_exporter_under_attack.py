"""The exporter when somebody holds its connections, files run out, its log is full, or its terminal is gone."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fake_terminal import Terminal
from tests.services.running_exporter import ask, configured, eventually, exporter, fleet, reloaded, ups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.services.running_exporter import Exporter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of another process, /proc and /dev/full")

EVERYBODY = {"us-1": 1.0, "us-2": 1.0, "eu-1": 1.0}

BEGUN = b"GET /metrics HTTP/1.1\r\nHost: exporter\r\nX-"


@pytest.fixture
def running(write_config: Callable[..., Path]) -> Iterator[Exporter]:
    """An exporter of three nodes."""
    with fleet() as simulator, exporter(configured(write_config, simulator)) as started:
        eventually(lambda: ups(started) == EVERYBODY, "every node is up")
        yield started


@contextmanager
def attack(url: str, connections: int) -> Iterator[list[socket.socket]]:
    """So many connections, half of them silent, half in the middle of their headers."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    host, port = url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        held = []
        for number in range(connections):
            held.append(stack.enter_context(socket.create_connection((host, int(port)), timeout=20)))
            if number % 2:
                held[-1].sendall(BEGUN)
        yield held


def files(running: Exporter) -> int:
    """How many files the exporter has open."""
    return sum(1 for _ in Path(f"/proc/{running.process.pid}/fd").iterdir())


def processor_seconds(running: Exporter) -> float:
    """What it has taken so far."""
    fields = Path(f"/proc/{running.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def limit_files(running: Exporter, number: int) -> None:
    """Let it have no more than so many open files from now on."""
    import resource

    if sys.platform == "linux":
        _, hard = resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (number, hard))


def said(config: Path) -> str:
    """What is on the exporter's standard error, after the note that says what it serves."""
    lines = config.with_suffix(".err").read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("note: serving "))


def test_a_thousand_connections_that_ask_nothing(running: Exporter, isolated: Path) -> None:
    """Scrapes go on in time, few connections are kept, all are closed after ten seconds, and nothing is said."""
    quiet = files(running)
    with attack(running.url, 1000):
        assert files(running) < quiet + 280
        for _ in range(5):
            begun = time.monotonic()
            assert ups(running) == EVERYBODY
            assert time.monotonic() - begun < 5
        eventually(lambda: files(running) < quiet + 5, "those that are left were closed", within=25)
        assert ups(running) == EVERYBODY
    assert said(isolated / "nodes.toml") == ""


def test_the_limit_of_open_files(running: Exporter, isolated: Path) -> None:
    """At the limit it does with fewer connections, goes on serving, says so in one line, and takes no processor."""
    limit_files(running, files(running) + 20)
    with attack(running.url, 1000):
        before = processor_seconds(running)
        for _ in range(10):
            assert ups(running) == EVERYBODY
            time.sleep(0.2)
        assert processor_seconds(running) - before < 2
    assert re.fullmatch(r"warning: cannot accept more than \d+ connections: Too many open files; .*\n",
                        said(isolated / "nodes.toml"))  # fmt: skip


def test_no_file_can_be_opened(running: Exporter, isolated: Path) -> None:
    """When not even one connection can be taken it waits quietly, and serves again as soon as files can be opened."""
    eventually(lambda: files(running), "it runs")
    limit_files(running, 4)
    before = processor_seconds(running)
    with attack(running.url, 50):
        time.sleep(4)
        assert processor_seconds(running) - before < 1
        assert running.process.poll() is None
        limit_files(running, 1024)
        assert ups(running) == EVERYBODY
    assert said(isolated / "nodes.toml").count("\n") <= 1


@pytest.mark.parametrize("stream", ["stdout", "stderr", "both"])
def test_a_log_on_a_full_disk(stream: str, write_config: Callable[..., Path]) -> None:
    """Whatever cannot be written, it starts, serves, reads its configuration again, and ends with exit code 0."""
    with fleet() as simulator, Path("/dev/full").open("w") as full, socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
        place.close()
        config = configured(write_config, simulator)
        command = [sys.executable, "-m", "revvlink_cli", "--config", str(config), "-vv", "exporter"]
        process = subprocess.Popen(
            [*command, "--listen", f"127.0.0.1:{port}"],
            stdout=full if stream != "stderr" else subprocess.DEVNULL,
            stderr=full if stream != "stdout" else subprocess.DEVNULL,
        )
        try:
            survives(process.pid, f"http://127.0.0.1:{port}", config)
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait(20)


def test_a_terminal_that_is_closed(write_config: Callable[..., Path]) -> None:
    """It goes on when its window is shut: the SIGHUP is a reload, and what it says from then on is for nobody."""
    with fleet() as simulator:
        config = configured(write_config, simulator)
        terminal = Terminal(config, "-vv", "exporter", "--listen", "127.0.0.1:0", columns=200, is_child=True)
        deadline = time.monotonic() + 20
        while (found := re.search(r"http://127\.0\.0\.1:\d+", terminal.seen)) is None:
            assert time.monotonic() < deadline, terminal.seen
            terminal.read(0.1)
        os.close(terminal.file)
        try:
            survives(terminal.pid, found[0], config)
        finally:
            os.kill(terminal.pid, signal.SIGTERM)
            _, status = os.waitpid(terminal.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0


def survives(pid: int, url: str, config: Path) -> None:
    """An exporter serves, and goes on when it has something to say."""
    from tests.services.running_exporter import Exporter

    class Process:
        """Only its address counts."""

    running = Exporter(Process(), url)  # type: ignore[arg-type]

    def is_up() -> bool:
        try:
            return ups(running) == EVERYBODY
        except OSError:
            return False

    eventually(is_up, "every node is up")
    text = config.read_text("utf-8")
    for wanted, content in ((0.0, "nonsense"), (1.0, text)):
        config.write_text(content, encoding="utf-8")
        os.kill(pid, signal.SIGHUP)
        eventually(lambda wanted=wanted: reloaded(running) == wanted, "it has read it")  # type: ignore[misc]
    assert ask(f"{url}/-/healthy").text == "ok\n"
