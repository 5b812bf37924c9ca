"""An event loop in simulated time, whose network is in memory.

When no task can go on, the time jumps to the next timer. A minute of time-outs passes in a moment, and nothing depends
on how busy this machine is: the same work gives the same outcome.
"""

from __future__ import annotations

import asyncio
import selectors
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp.connector

from revvlink_cli.client import clock
from revvlink_cli.services.drill.network import Network

if TYPE_CHECKING:
    import socket
    import threading
    from collections.abc import Callable, Coroutine, Iterator

    from revvlink_cli.services.drill.network import Listener

T = TypeVar("T")


TICK = 1e-7
"""Seconds that each round of the loop takes: a task that waits for a moment which rounding puts before now goes on."""


class StalledError(RuntimeError):
    """Raised when every task waits for something that no timer brings: a defect of what runs."""


class StoppedError(RuntimeError):
    """Raised when another thread has asked for the end of a run."""


class _Jump(selectors.SelectSelector):
    """Waits for no file: it moves the time of its loop instead.

    Attributes:
        now: The time of the loop.
        stop: Set by another thread to end the run; None once it has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.stop: threading.Event | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass for which the loop would wait."""
        if self.stop is not None and self.stop.is_set():
            self.stop = None  # the tasks still have to end
            raise StoppedError("the run was stopped")
        if timeout is None:
            raise StalledError("every task waits, and no timer is set")
        self.now += max(timeout, 0.0) + TICK
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time begins at 0 and jumps. Threads and files are not for its tasks.

    Attributes:
        network: The network in which its servers and clients are.
    """

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._jump.stop = stop
        self.network = Network(self)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._jump.now

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect a client's socket in memory; the socket itself is not used."""
        await self.network.connect(sock.fileno(), address[1])

    async def create_connection(  # type: ignore[override]  # the two arguments with which aiohttp calls it
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], *, sock: socket.socket, **_: Any
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Give the connection that `sock_connect` has made for a socket."""
        number = sock.fileno()
        sock.close()
        return self.network.open(number, protocol_factory)

    async def create_server(  # type: ignore[override]  # likewise
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, **_: Any
    ) -> Listener:
        """Listen in memory."""
        return self.network.listen(protocol_factory, host, port)


def run(work: Callable[[VirtualLoop], Coroutine[Any, Any, T]], stop: threading.Event | None = None) -> T:
    """Run a coroutine in simulated time, and the client in that time too.

    Only one such run may be under way in a process, and no other pool: they share the clock of the client.

    Args:
        work: Makes the coroutine.
        stop: Another thread sets it to end the run.

    Raises:
        StoppedError: `stop` was set.
        StalledError: Nothing can go on any more.
    """
    loop = VirtualLoop(stop)
    with (
        _replaced(clock, "monotonic", loop.time),
        _replaced(aiohttp.connector, "monotonic", loop.time),  # it decides which idle connections are too old
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        return runner.run(work(loop))


@contextmanager
def _replaced(module: object, name: str, value: object) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)
