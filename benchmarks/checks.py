"""`check` on a large fleet without canaries: with healthy nodes, and with nodes that drop every packet."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from benchmarks.measure import A_LIMIT, Row, Samples, at_most, seconds
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


def _took(path: str, code: int) -> list[float]:
    """Seconds of the whole process, several times.

    The check `rest` is left out: one process simulates all nodes on the cores of this machine and answers some of
    them late, which that check reports as slow.
    """

    def run() -> None:
        done = subprocess.run(
            [BIN / "revvlink", "--config", path, "check", "--skip", "rest"], stdout=subprocess.DEVNULL, check=False
        )
        assert done.returncode == code

    run()
    return [seconds(run) for _ in range(5)]


def healthy() -> Samples:
    """The time for two hundred healthy nodes, beside the limit of two seconds."""
    with fleet(NODES, ANSWER) as addresses, tempfile.TemporaryDirectory() as folder:
        return Samples(_took(config(folder, addresses), 0), [2.0])


def with_holes() -> Samples:
    """The same with ten nodes that drop every packet, beside their timeout."""
    with ExitStack() as held:
        addresses = held.enter_context(fleet(NODES - HOLES, ANSWER))
        addresses = [*addresses, *(held.enter_context(hole()) for _ in range(HOLES))]
        folder = held.enter_context(tempfile.TemporaryDirectory())
        return Samples(_took(config(folder, addresses), 2), [TIMEOUT + 1.0])


ROWS = {
    "check-200": Row(
        healthy, A_LIMIT, at_most(1),
        "How long `check` of 200 nodes takes when each answers after 50 ms, start-up included.",
    ),
    "check-holes": Row(
        with_holes, A_LIMIT, at_most(1),
        "The same with ten more nodes that drop every packet: their timeout of 5 s, and at most one second more.",
    ),
}  # fmt: skip
