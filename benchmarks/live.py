"""Live views of 500 nodes with statistics every second, and of 1,000 nodes, on a terminal and through a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import A_LIMIT, Demand, Row, Samples, Unit, at_most
from benchmarks.processes import BIN, config, fleet

if TYPE_CHECKING:
    from collections.abc import Sequence

NODES = 500
SECONDS = 12.0
"""Time over which the load is measured, after everything is connected."""

SLICES = 4
"""Parts of that time, each of which is one sample."""

SETTLED = 12.0
"""Seconds after which everything is connected."""


def _used(pid: int) -> tuple[float, float]:
    """CPU seconds and the resident MiB of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _load(pid: int) -> tuple[list[float], float]:
    """The share of one core that a process uses, in slices of the time, and its MiB at the end."""
    time.sleep(SETTLED)
    loads = []
    for _ in range(SLICES):
        (before, _), began = _used(pid), time.monotonic()
        time.sleep(SECONDS / SLICES)
        after, memory = _used(pid)
        loads.append((after - before) / (time.monotonic() - began))
    return loads, memory


def _samples(loads: list[float], memory: float) -> Samples:
    demand = Demand(f"at most 150 MiB ({memory:.0f} MiB)", memory <= 150)
    return Samples(loads, [0.5], Unit.SHARE_OF_A_CORE, demands=[demand])


def top() -> Samples:
    """``revvlink top`` of 500 nodes on a terminal of 120x40."""
    with fleet(NODES, 0.0, stats_interval=1.0) as addresses:
        return _samples(*_load_of_top(addresses))


def top_1000() -> Samples:
    """``revvlink top`` of 1,000 nodes that send statistics every minute, as Lavalink does, and the time of a frame."""
    with fleet(1000, 0.0, stats_interval=60.0) as addresses:
        loads, _ = _load_of_top(addresses)
    took = statistics.median(_frame_times(1000))
    demand = Demand(f"a frame within 30 ms ({Unit.SECONDS.text(took)})", took <= 0.03)
    return Samples(loads, [0.15], Unit.SHARE_OF_A_CORE, demands=[demand])


def watch_1000() -> Samples:
    """``revvlink nodes status --watch`` of the same nodes on a terminal."""
    with fleet(1000, 0.0, stats_interval=60.0) as addresses:
        loads, _ = _load_of_top(addresses, "nodes", "status", "--watch")
    return Samples(loads, [0.15], Unit.SHARE_OF_A_CORE)


def _load_of_top(addresses: Sequence[str], *command: str) -> tuple[list[float], float]:
    """The share of a core and the MiB of a command on a terminal of 120x40, which is `top` if none is given."""
    with tempfile.TemporaryDirectory() as folder:
        path = config(folder, addresses)
        pid, terminal = pty.fork()
        if pid == 0:
            environment = {**os.environ, "TERM": "xterm-256color"}
            os.execve(BIN / "revvlink", ["revvlink", "--config", path, *(command or ("top",))], environment)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        is_over = threading.Event()

        def read() -> None:
            while not is_over.is_set():
                if select.select([terminal], [], [], 0.2)[0]:
                    try:
                        os.read(terminal, 1 << 20)
                    except OSError:  # the command has ended
                        return

        reader = threading.Thread(target=read)
        reader.start()
        loads, memory = _load(pid)
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        is_over.set()
        reader.join()
        os.close(terminal)
    return loads, memory


def watch() -> Samples:
    """``revvlink nodes penalties --watch`` through a pipe."""
    with fleet(NODES, 0.0, stats_interval=1.0) as addresses, tempfile.TemporaryDirectory() as folder:
        command = [str(BIN / "revvlink"), "--config", config(folder, addresses), "nodes", "penalties", "--watch"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            loads, memory = _load(process.pid)
            process.terminate()
    return _samples(loads, memory)


_DRAW = """
import sys, time
from revvlink_cli.client.fleet import Fleet
from revvlink_cli.client.protocol.models import NodeStats
from revvlink_cli.client.snapshot import NodeSnapshot, NodeStatus, StatsOrigin, TimedStats
from revvlink_cli.commands.shared.command import Options
from revvlink_cli.commands.top import view
from revvlink_cli.commands.top.event_log import EventLog
from revvlink_cli.commands.top.model import Fleet as Model
from revvlink_cli.commands.top.row_cache import RowCache
from revvlink_cli.commands.top.state import ScreenState
from revvlink_cli.output.picture import Picture
from revvlink_cli.output.screen import Page, Screen
from revvlink_cli.services.watching import Watch

class Standing:
    was_connected = is_supervised = True
    def __init__(self, shot): self.identifier, self.shot = shot.identifier, shot
    def snapshot(self): return self.shot

now = time.monotonic()
fleet = Fleet()
for number in range(int(sys.argv[1])):
    stats = NodeStats(number % 60, number % 40, 90_000, 1, 1, 1, 1, 1, number % 90 / 100, 0.1, None, True)
    fleet._nodes[f"node-{number}"] = Standing(NodeSnapshot(
        identifier=f"node-{number}", uri="http://127.0.0.1", region=("us", "eu", "asia")[number % 3],
        status=NodeStatus.CONNECTED, timed_stats=TimedStats(stats, StatsOrigin.WEBSOCKET, now, now + 999)))
seen, events, cache, options = Watch(fleet), EventLog(), RowCache(), Options()
Screen.size = staticmethod(lambda: (40, 120))
screen = Screen(Page(), no_color=False)
took = []
for _ in range(40):
    begun = time.process_time()
    seen.sample()
    rows = cache.rows(seen, options)
    model = Model(rows=rows, snapshots={}, now=now, time=time.time(), trends=seen.trends, events=events)
    screen.draw(Picture(view.draw(model, ScreenState(), view.Size(40, 120)).lines))
    took.append(time.process_time() - begun)
print(*took)
"""


def frame() -> Samples:
    """One frame of 500 nodes on 120x40: the sample, the rows, sorting, totals, regions and drawing; beside 50 ms."""
    return Samples(_frame_times(NODES), [0.05])


def _frame_times(nodes: int) -> list[float]:
    """CPU seconds of each of several frames."""
    command = [sys.executable, "-c", _DRAW, str(nodes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


ROWS = {
    "top": Row(
        top, A_LIMIT, at_most(1),
        "What `top` of 500 nodes costs on a terminal of 120x40 while each node sends statistics every second.",
    ),
    "top-1000": Row(
        top_1000, A_LIMIT, at_most(1),
        "What `top` of 1,000 nodes costs while they send statistics every minute, as Lavalink does.",
    ),
    "watch": Row(
        watch, A_LIMIT, at_most(1),
        "What `nodes penalties --watch` of 500 nodes costs through a pipe.",
    ),
    "watch-1000": Row(
        watch_1000, A_LIMIT, at_most(1),
        "What `nodes status --watch` of 1,000 nodes costs on a terminal.",
    ),
    "frame": Row(
        frame, A_LIMIT, at_most(1),
        "Processor time of one picture of `top` with 500 nodes: how soon a key takes effect.",
    ),
}  # fmt: skip
