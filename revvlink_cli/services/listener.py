"""Takes connections for a small HTTP server, as many, for as long and as loudly as that server can bear.

asyncio's own server has no limits: requests that never end stay open for ever, and where no more files can be opened it
logs the same lines a hundred thousand times in seconds. Here the connections have a cap, and each has a time limit for
whatever it does but wait for its answer. Where there are too many the one that was idle longest makes room, so that a
scrape gets through while somebody else holds all the connections there are.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, cast

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

BACKLOG = 128
"""Connections that wait in the system until they are taken."""

EXHAUSTED_PAUSE = 0.25
"""Seconds until the next try where no more files can be opened and no connection is idle."""

FEWEST = 4
"""Connections that there may always be, however few files can be opened."""

RECOVERY = 60.0
"""Seconds after which the full number of connections is tried again, and between two warnings at least."""


class Limits(NamedTuple):
    """What connections may take.

    Attributes:
        connections: Connections at one moment.
        header_time: Seconds until a request that was begun, or that a new connection should begin, has to be there.
        idle_time: Seconds that a connection may wait for its next request, or take for reading the last answer.
    """

    connections: int = 256
    header_time: float = 10.0
    idle_time: float = 75.0


class Guard(asyncio.Protocol):
    """One connection: passes everything on to the server's own protocol, and ends it when its time is over.

    Attributes:
        transport: The connection, once it is made.
    """

    def __init__(self, listener: Listener, inner: asyncio.Protocol) -> None:
        self._listener = listener
        self._inner = inner
        self._timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open: its first request has to come soon."""
        self.transport = cast("asyncio.Transport", transport)
        self._listener.add(self, self.transport)
        self._inner.connection_made(transport)
        self.limit(self._listener.limits.header_time)

    def data_received(self, data: bytes) -> None:
        """Something came: of a request that was not under way yet the rest has to come soon."""
        if self._timer is not None:
            left = self._timer.when() - asyncio.get_running_loop().time()
            self.limit(min(left, self._listener.limits.header_time))
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self.limit(None)
        self._listener.remove(self)
        self._inner.connection_lost(exc)

    def limit(self, seconds: float | None) -> None:
        """End the connection after this time, with None never."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self.abort)

    def abort(self) -> None:
        """End the connection now."""
        if self.transport is not None:
            self.transport.abort()


class Listener:
    """Listens for an HTTP server.

    Attributes:
        limits: What connections may take.
    """

    def __init__(self, limits: Limits, complain: Callable[[str], object]) -> None:
        """Prepare to listen.

        Args:
            limits: What connections may take.
            complain: Called with a sentence, seldom, when connections cannot be taken.
        """
        self.limits = limits
        self._complain = complain
        self._complained_at = float("-inf")
        self._cap = limits.connections
        self._capped_at = float("-inf")
        self._guards: dict[asyncio.BaseTransport, Guard] = {}
        self._idle: dict[Guard, None] = {}  # in the order in which they became so
        self._room = asyncio.Event()
        self._sockets: list[socket.socket] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, make: Callable[[], asyncio.Protocol], host: str, port: int) -> tuple[str, int]:
        """Listen; gives address and port.

        Args:
            make: Makes the server's own protocol for one connection.
            host: Address; "" is all of them.
            port: Port; 0 takes a free one.

        Raises:
            OSError: The address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self._sockets = _bound([(family, address) for family, _, _, _, address in dict.fromkeys(found)])
        self._tasks = [asyncio.create_task(self._accept(each, make), name="accept") for each in self._sockets]
        address, number = self._sockets[0].getsockname()[:2]
        return address, number

    async def stop(self) -> None:
        """Take no more connections; those there are belong to the server."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for each in self._sockets:
            each.close()

    def middleware(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        """What the server's application needs: while a request is worked on its connection has no time limit."""

        @web.middleware
        async def track(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            guard = self._guards.get(request.transport) if request.transport is not None else None
            if guard is None:
                return await handler(request)
            self._idle.pop(guard, None)
            guard.limit(None)
            try:
                return await handler(request)
            finally:
                if request.transport is not None:  # the client is still there
                    guard.limit(self.limits.idle_time)
                    self._idle[guard] = None
                    self._room.set()

        return track

    def add(self, guard: Guard, transport: asyncio.BaseTransport) -> None:
        """A connection was made."""
        self._guards[transport] = guard
        self._idle[guard] = None

    def remove(self, guard: Guard) -> None:
        """A connection is gone."""
        if guard.transport is not None:
            self._guards.pop(guard.transport, None)
        self._idle.pop(guard, None)
        self._room.set()

    async def _accept(self, listening: socket.socket, make: Callable[[], asyncio.Protocol]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno != errno.ECONNABORTED:  # else the client was gone before it was its turn
                    await self._exhausted(error)
                continue
            try:
                await self._until_room()
                await loop.connect_accepted_socket(lambda: Guard(self, make()), connection)
            except OSError:
                connection.close()  # it ended at once
            except BaseException:
                connection.close()
                raise

    @property
    def _most(self) -> int:
        """Connections that there may be now."""
        return self._cap if time.monotonic() - self._capped_at < RECOVERY else self.limits.connections

    async def _until_room(self) -> None:
        """Wait for a place: the connection that was idle longest gives its own, if any is idle."""
        while len(self._guards) >= self._most:
            self._room.clear()
            self._close_idle(1)
            await self._room.wait()

    def _close_idle(self, number: int) -> bool:
        """Close the connections that were idle longest; whether there was one."""
        chosen = list(islice(self._idle, number))
        for guard in chosen:
            del self._idle[guard]
            guard.abort()
        return bool(chosen)

    async def _exhausted(self, error: OSError) -> None:
        """No connection can be taken, as where no more files can be opened: say so, do with fewer, and go on."""
        now = time.monotonic()
        if now - self._complained_at >= RECOVERY:
            self._complained_at = now
            reason = os.strerror(error.errno) if error.errno else str(error)
            self._complain(f"cannot take more than {len(self._guards)} connections: {reason}; idle ones are closed")
        self._cap, self._capped_at = max(len(self._guards) * 3 // 4, FEWEST), now
        has_closed = self._close_idle(max(len(self._guards) - self._cap, 1))
        await asyncio.sleep(0 if has_closed and self._cap > FEWEST else EXHAUSTED_PAUSE)


def _bound(addresses: Sequence[tuple[socket.AddressFamily, tuple[object, ...]]]) -> list[socket.socket]:
    """Sockets that listen on these addresses, all on one port.

    Raises:
        OSError: One is taken, or none can be had.
    """
    bound: list[socket.socket] = []
    failure: OSError | None = None
    try:
        for family, (host, port, *rest) in addresses:
            try:
                made = socket.socket(family, socket.SOCK_STREAM)
            except OSError as error:  # a family that this machine does not have, as IPv6
                failure = error
                continue
            bound.append(made)
            if os.name == "posix":
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setblocking(False)
            same = bound[0].getsockname()[1] if len(bound) > 1 else port
            try:
                made.bind((host, same, *rest))
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                failure = error
                bound.pop().close()
                continue
            made.listen(BACKLOG)
    except OSError:
        for each in bound:
            each.close()
        raise
    if not bound:
        raise failure or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    return bound
