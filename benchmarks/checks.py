"""`check` on a large fleet without canaries: with healthy nodes, and with nodes that drop every packet."""

from __future__ import annotations

import socket
import statistics
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from benchmarks.measure import Figure, seconds, shown
from benchmarks.processes import BIN, config, fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

NODES = 200
ANSWER = 0.05
"""Seconds that a node takes for each answer."""

HOLES = 10
TIMEOUT = 5
"""Seconds after which a silent node times out."""


@contextmanager
def hole() -> Iterator[str]:
    """The address of a port that neither accepts nor refuses connections, because its queue is full."""
    with ExitStack() as held:
        listener = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _took(path: str, code: int) -> float:
    """Median seconds of the whole process. One process is all nodes, and answers some of them late: no trouble here."""

    def run() -> None:
        done = subprocess.run(
            [BIN / "revvlink", "--config", path, "check", "--skip", "rest"], stdout=subprocess.DEVNULL, check=False
        )
        assert done.returncode == code

    run()
    return statistics.median(seconds(run) for _ in range(5))


def healthy() -> Figure:
    """The time for two hundred healthy nodes, beside the limit of two seconds."""
    with fleet(NODES, ANSWER) as addresses, tempfile.TemporaryDirectory() as folder:
        took = _took(config(folder, addresses), 0)
    return Figure(shown(took), "2.00 s", took / 2, "within 2 s, start-up included", took <= 2)


def with_holes() -> Figure:
    """The same with ten nodes that drop every packet, beside their timeout."""
    with ExitStack() as held:
        addresses = held.enter_context(fleet(NODES - HOLES, ANSWER))
        addresses = [*addresses, *(held.enter_context(hole()) for _ in range(HOLES))]
        folder = held.enter_context(tempfile.TemporaryDirectory())
        took = _took(config(folder, addresses), 3)
    return Figure(shown(took), f"{TIMEOUT:.2f} s", took / TIMEOUT, "within 6 s, start-up included", took <= 6)
