"""A network between a client and one server: as a test says it cuts, freezes, delays, truncates, answers itself.

It forwards bytes and knows nothing of the protocol but how a request begins.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
    from types import TracebackType

RESET = struct.pack("ii", 1, 0)
"""To linger for no time: what closes such a connection is a reset."""


class End(asyncio.Protocol):
    """One end of a connection through the network: towards the client, or towards the server."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Something came in here, and is to go out at the other end."""
        self._wire.network.carry(lambda: self._wire.take(self, data))

    def connection_lost(self, _error: Exception | None) -> None:
        """It is gone, and so is the other end, as soon as the network tells it."""
        self.transport = None
        self._wire.network.carry(lambda: self._wire.ended(self))

    def write(self, data: bytes) -> None:
        """Send, if it is still open."""
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        """Close it when all is sent."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """Let the other side see a reset."""
        if self.transport is not None:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()


class Wire:
    """One connection through the network. The server is connected to when there is something to ask it."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.client = End(self)
        self.server = End(self)
        self.is_websocket = False
        self.is_open = True
        self.is_half_open = False
        self._left = network.limit
        self._waiting: list[bytes] | None = None

    def take(self, end: End, data: bytes) -> None:
        """Something has come through."""
        if end is self.server:
            if self.network.loses_answers and not self.is_websocket:
                return
            self.client.write(data if self._left is None else data[: self._left])
            if self._left is not None:
                self._left -= len(data)
                if self._left <= 0:
                    self.close()
            return
        told = self.network.asked(self, data)
        if told is not None:
            self.client.write(told)
        elif self.server.transport is not None:
            self.server.write(data)
        elif self._waiting is not None:
            self._waiting.append(data)
        else:
            self._waiting = [data]
            self.network.begin(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.server, "127.0.0.1", self.network.port)
        except OSError:
            self.reset()
            return
        for data in self._waiting or ():
            self.server.write(data)
        if not self.is_open:
            self.server.close()

    def ended(self, end: End) -> None:
        """One end is gone."""
        self.is_open = False
        if not (end is self.client and self.is_half_open):
            self.close()

    def close(self) -> None:
        """Close both ends."""
        self.is_open = False
        self.client.close()
        self.server.close()
        self.network.forget(self)

    def reset(self) -> None:
        """Reset both ends."""
        self.is_open = False
        self.client.reset()
        self.server.reset()
        self.network.forget(self)


class Network:
    """A network before the server at `port`; clients use `uri`.

    Attributes:
        port: Where the server listens.
        delay: Seconds by which every piece is late, in both directions.
        limit: Bytes of answers that each connection gets before it is closed; None is all.
        answer: Asked for each request (its first line): what it gives is answered, and the server is not asked.
        loses_answers: Whether what the server answers to requests is lost on its way; websockets go on.
        handshakes: Websocket handshakes so far.
        most_sockets: Websockets that were open at one moment at most.
        wires: The connections there are.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._server: asyncio.Server | None = None
        self._listens_on = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[Callable[[], None]] | None = None
        self.wires: set[Wire] = set()
        self.delay = 0.0
        self.limit: int | None = None
        self.answer: Callable[[bytes], bytes | None] = lambda _line: None
        self.loses_answers = False
        self.handshakes = 0
        self.most_sockets = 0

    @property
    def uri(self) -> str:
        """Address for the client."""
        return f"http://127.0.0.1:{self._listens_on}"

    @property
    def sockets(self) -> int:
        """Websockets that are open now, as the client sees it."""
        return sum(wire.is_websocket and wire.is_open for wire in self.wires)

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.listen()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Leave nothing open."""
        self.refuse()
        self.thaw()
        self.cut()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.sleep(0)  # one turn of the loop: what was aborted is closed in it
        await asyncio.sleep(0)

    async def listen(self) -> None:
        """Take connections, on the same port as before."""
        self._server = await asyncio.get_running_loop().create_server(self._taken, "127.0.0.1", self._listens_on)
        self._listens_on = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no more connections: they are refused. Those there are go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self, *, websockets: bool = True, requests: bool = True) -> None:
        """Reset the connections there are."""
        for wire in tuple(self.wires):
            if websockets if wire.is_websocket else requests:
                wire.reset()

    def half_close(self) -> None:
        """Reset websockets at the client's end only: the server takes them for open until `release`."""
        for wire in tuple(self.wires):
            if wire.is_websocket:
                wire.is_half_open, wire.is_open = True, False
                wire.client.reset()

    def release(self) -> None:
        """Let the server see that those connections are gone."""
        for wire in tuple(self.wires):
            if wire.is_half_open:
                wire.reset()

    def freeze(self) -> None:
        """Forward nothing more, not even that a connection has ended; take new ones all the same."""
        self._held = []

    def thaw(self) -> None:
        """Forward what was held back, and what comes."""
        held, self._held = self._held or [], None
        for step in held:
            step()

    # What follows is for the wires.

    def carry(self, step: Callable[[], None]) -> None:
        """Let something through, now, late, or after the thaw."""
        if self._held is not None:
            self._held.append(step)
        elif self.delay:
            asyncio.get_running_loop().call_later(self.delay, step)
        else:
            step()

    def asked(self, wire: Wire, data: bytes) -> bytes | None:
        """A client has sent this: what is answered here, None when the server is to answer."""
        line = data.partition(b"\r\n")[0]
        if b" HTTP/1." not in line:
            return None
        told = self.answer(line)
        if told is None and b"/v4/websocket" in line:
            self.handshakes += 1
            wire.is_websocket = True
            self.most_sockets = max(self.most_sockets, self.sockets)
        return told

    def begin(self, work: Coroutine[None, None, None]) -> None:
        """Start a task that this network ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self, wire: Wire) -> None:
        """A connection is no more."""
        self.wires.discard(wire)

    def _taken(self) -> End:
        wire = Wire(self)
        self.wires.add(wire)
        return wire.client


@asynccontextmanager
async def networks(ports: Iterable[int]) -> AsyncIterator[list[Network]]:
    """A network before each of these servers."""
    made = [Network(port) for port in ports]
    try:
        for network in made:
            await network.__aenter__()
        yield made
    finally:
        for network in made:
            await network.__aexit__(None, None, None)
