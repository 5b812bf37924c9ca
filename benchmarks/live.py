"""Live views of 500 nodes with statistics every second, on a terminal and through a pipe."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.measure import Figure
from benchmarks.processes import BIN, config, fleet

NODES = 500
SECONDS = 12.0
"""Time over which the load is measured, after everything is connected."""

SETTLED = 12.0
"""Seconds after which everything is connected."""


def _used(pid: int) -> tuple[float, float]:
    """CPU seconds and the resident MiB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _load(pid: int) -> tuple[float, float]:
    """The share of one core that a process uses, and its MiB at the end."""
    time.sleep(SETTLED)
    before, _ = _used(pid)
    time.sleep(SECONDS)
    after, memory = _used(pid)
    return (after - before) / SECONDS, memory


def _figure(load: float, memory: float) -> Figure:
    is_met = load <= 0.5 and memory <= 150
    return Figure(f"{load:.0%} of a core", f"{memory:.0f} MiB", load / 0.5, "below 50 % and 150 MiB", is_met)


def top() -> Figure:
    """``revvlink top`` on a terminal of 120x40."""
    with fleet(NODES, 0.0, stats_interval=1.0) as addresses, tempfile.TemporaryDirectory() as folder:
        path = config(folder, addresses)
        pid, terminal = pty.fork()
        if pid == 0:
            environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
            os.execve(BIN / "revvlink", ["revvlink", "--config", path, "top"], environment)
        seen = 0
        is_over = threading.Event()

        def read() -> None:
            nonlocal seen
            while not is_over.is_set():
                if select.select([terminal], [], [], 0.2)[0]:
                    try:
                        seen += len(os.read(terminal, 1 << 20))
                    except OSError:  # the command has ended
                        return

        reader = threading.Thread(target=read)
        reader.start()
        load, memory = _load(pid)
        os.kill(pid, signal.SIGTERM)
        time.sleep(2)
        is_over.set()
        reader.join()
        os.waitpid(pid, 0)
        os.close(terminal)
    return _figure(load, memory)


def watch() -> Figure:
    """``revvlink nodes penalties --watch`` through a pipe."""
    with fleet(NODES, 0.0, stats_interval=1.0) as addresses, tempfile.TemporaryDirectory() as folder:
        command = [str(BIN / "revvlink"), "--config", config(folder, addresses), "nodes", "penalties", "--watch"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            load, memory = _load(process.pid)
            process.terminate()
    return _figure(load, memory)


_DRAW = """
import io, os, statistics, sys, time
os.environ["COLUMNS"], os.environ["LINES"] = "120", "40"
from revvlink_cli.client.fleet import Fleet
from revvlink_cli.client.protocol.models import NodeStats
from revvlink_cli.client.snapshot import NodeSnapshot, NodeStatus, StatsOrigin, TimedStats
from revvlink_cli.commands.shared.command import Options
from revvlink_cli.commands.top import Console
from revvlink_cli.commands.shared.watch_options import Job
from revvlink_cli.output.screen import Page, Screen
from revvlink_cli.services.watching import Watch

class Standing:
    was_connected = is_supervised = True
    def __init__(self, shot): self.identifier, self.shot = shot.identifier, shot
    def snapshot(self): return self.shot

now = time.monotonic()
fleet = Fleet()
for number in range(500):
    stats = NodeStats(number % 60, number % 40, 90_000, 1, 1, 1, 1, 1, number % 90 / 100, 0.1, None, True)
    fleet._nodes[f"node-{number}"] = Standing(NodeSnapshot(
        identifier=f"node-{number}", uri="http://127.0.0.1", region=("us", "eu", "asia")[number % 3],
        status=NodeStatus.CONNECTED, timed_stats=TimedStats(stats, StatsOrigin.WEBSOCKET, now, now + 999)))
job = Job(None, Options(), None, (), None)
seen, console = Watch(fleet), Console(job)
screen = Screen(Page(), no_color=False)
took = []
for _ in range(40):
    seen.sample()
    begun = time.perf_counter()
    screen.show(console._frame(seen, 40, 120))
    took.append(time.perf_counter() - begun)
print(statistics.median(took))
"""


def frame() -> Figure:
    """One frame of 500 nodes on 120x40, with sorting, totals and regions; beside 50 ms."""
    done = subprocess.run([sys.executable, "-c", _DRAW], capture_output=True, text=True, check=True)
    took = float(done.stdout)
    return Figure(f"{took * 1000:.1f} ms", "50 ms", took / 0.05, "below 50 ms", took < 0.05)
