"""A network in memory: connections between servers and clients of one event loop, with a delay for each server."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_PORT = 20_000
"""The port of the first server that asks for a free one."""


class Network:
    """Servers by port, and the connections to them.

    Attributes:
        delays: Port -> seconds that anything takes to or from the server; 0 where there is none.
        unreachable: Ports of servers to and from which nothing passes, as behind a cut cable.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.delays: dict[int, float] = {}
        self.unreachable: set[int] = set()
        self._loop = loop
        self._listeners: dict[int, Listener] = {}
        self._connected: dict[int, int] = {}
        self._next_port = FIRST_PORT

    def listen(self, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> Listener:
        """Start a server; port 0 takes a free one.

        Raises:
            OSError: The port is in use.
        """
        if port == 0:
            port = self._next_port
            self._next_port += 1
        if port in self._listeners:
            raise OSError(errno.EADDRINUSE, f"port {port} is in use")
        listener = self._listeners[port] = Listener(self, protocol_factory, host, port)
        return listener

    def stop_listening(self, port: int) -> None:
        """Refuse later connections."""
        self._listeners.pop(port, None)

    async def connect(self, client: int, port: int) -> None:
        """Connect a client, which takes the way to the server and back.

        Raises:
            ConnectionRefusedError: No server listens there.
        """
        if port in self.unreachable:
            await self._loop.create_future()  # until the client gives up
        await asyncio.sleep(2 * self.delays.get(port, 0.0))
        if port not in self._listeners:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"port {port} refuses connections")
        self._connected[client] = port

    def open(
        self, client: int, protocol_factory: Callable[[], asyncio.BaseProtocol]
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Make the two ends of a connection.

        Raises:
            ConnectionResetError: The server has stopped since it accepted the connection.
        """
        port = self._connected.pop(client)
        listener = self._listeners.get(port)
        if listener is None:
            raise ConnectionResetError(errno.ECONNRESET, f"port {port} has closed")
        here, there = End(self._loop, port), End(self._loop, port)
        here.join(_Way(self, self._loop, port, there.receive), protocol_factory())
        there.join(_Way(self, self._loop, port, here.receive), listener.protocol_factory())
        return here, here.get_protocol()


class Listener(asyncio.AbstractServer):
    """A server in memory."""

    def __init__(
        self, network: Network, protocol_factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> None:
        self.protocol_factory = protocol_factory
        self.sockets = (_Address(host, port),)
        self._network = network
        self._port = port

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Its event loop."""
        return asyncio.get_running_loop()

    async def start_serving(self) -> None:
        """It serves already."""

    async def serve_forever(self) -> None:
        """It serves until `close`."""
        await asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """Accept no more connections; those that are open stay."""
        self._network.stop_listening(self._port)

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    def is_serving(self) -> bool:
        """It serves from its start to `close`."""
        return True


class _Address:
    """The part of a socket that servers and clients ask for."""

    family = socket.AF_INET

    def __init__(self, host: str, port: int) -> None:
        self._name = (host, port)

    def getsockname(self) -> tuple[str, int]:
        """Host and port."""
        return self._name

    getpeername = getsockname

    def setsockopt(self, *_: Any) -> None:
        """No option changes anything here."""

    def getsockopt(self, *_: Any) -> int:
        """No option is set."""
        return 0


Item: TypeAlias = bytes | OSError | None
"""What goes over a connection: data, a reset, or None for its end."""


class _Way:
    """One direction of a connection: everything arrives in order, after the delay of the server."""

    def __init__(
        self, network: Network, loop: asyncio.AbstractEventLoop, port: int, receive: Callable[[Item], None]
    ) -> None:
        self._network = network
        self._loop = loop
        self._port = port
        self._receive = receive
        self._under_way: deque[Item] = deque()

    def send(self, item: Item) -> None:
        """Let something arrive at the other end."""
        if self._port in self._network.unreachable:
            return
        self._under_way.append(item)
        self._loop.call_later(self._network.delays.get(self._port, 0.0), self._arrive)

    def _arrive(self) -> None:
        item = self._under_way.popleft()
        if self._port not in self._network.unreachable:
            self._receive(item)


class End(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int) -> None:
        address = _Address("127.0.0.1", port)
        super().__init__({"socket": address, "sockname": address.getsockname(), "peername": address.getsockname()})
        self._loop = loop
        self._way: _Way | None = None
        self._protocol: asyncio.BaseProtocol = asyncio.Protocol()
        self._unread: deque[Item] = deque()
        self._is_paused = False
        self._is_closing = False

    def join(self, way: _Way, protocol: asyncio.BaseProtocol) -> None:
        """Connect it with the way to the other end, and with what uses it."""
        self._way, self._protocol = way, protocol
        protocol.connection_made(self)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send data."""
        if data and not self._is_closing:
            self._send(bytes(data))

    def close(self) -> None:
        """Close it once the other end has what was written."""
        if not self._is_closing:
            self._send(None)
            self._lose(None)

    def abort(self) -> None:
        """Reset the connection."""
        if not self._is_closing:
            self._send(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
            self._lose(None)

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._is_closing

    def pause_reading(self) -> None:
        """Keep what arrives."""
        self._is_paused = True

    def resume_reading(self) -> None:
        """Read what was kept, and go on."""
        self._is_paused = False
        self._loop.call_soon(self._read)

    def is_reading(self) -> bool:
        """Whether it reads."""
        return not self._is_paused and not self._is_closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Change what uses it."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """What uses it."""
        return self._protocol

    def can_write_eof(self) -> bool:
        """It closes as a whole."""
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no limit: nothing waits to be written."""

    def get_write_buffer_size(self) -> int:
        """Bytes that wait to be written: none."""
        return 0

    def receive(self, item: Item) -> None:
        """Handle what has arrived."""
        self._unread.append(item)
        self._read()

    def _send(self, item: Item) -> None:
        if self._way is not None:
            self._way.send(item)

    def _read(self) -> None:
        while self._unread and not self._is_paused and not self._is_closing:
            item = self._unread.popleft()
            if item is None:
                if isinstance(self._protocol, asyncio.Protocol):
                    self._protocol.eof_received()
                self.close()
            elif isinstance(item, OSError):
                self._lose(item)
            elif isinstance(self._protocol, asyncio.Protocol):
                self._protocol.data_received(item)

    def _lose(self, error: OSError | None) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, error)
