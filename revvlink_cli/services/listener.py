"""Accepts connections for a small HTTP server, with limits on their number, their time and the warnings.

asyncio's own server has no limits. Requests that never end stay open for ever. When the process has no free file
descriptor, it logs the same lines a hundred thousand times within seconds. This listener caps the number of
connections and gives each one a time limit, except while a request is being answered. When the cap is reached, the
connection that was idle longest is closed, so a scrape gets through even if a client holds all connections.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, cast

from aiohttp import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence

BACKLOG = 128
"""Connections that the system queues until they are accepted."""

EXHAUSTED_PAUSE = 0.25
"""Seconds until the next attempt when no file descriptor is free and no connection is idle."""

FEWEST = 4
"""Smallest cap on connections, however few file descriptors are free."""

RECOVERY = 60.0
"""Seconds after which a lowered cap ends, and the shortest time between two warnings."""


class Limits(NamedTuple):
    """Limits on connections.

    Attributes:
        connections: Number of connections at the same time.
        header_time: Seconds in which a new connection must send its first request, or finish one that it began.
        idle_time: Seconds that a connection may wait for its next request, or read its last response.
    """

    connections: int = 256
    header_time: float = 10.0
    idle_time: float = 75.0


class Guard(asyncio.Protocol):
    """One connection: passes everything to the server's own protocol and closes the connection at its time limit.

    Attributes:
        transport: The connection's transport, None before it is connected.
        handshake: The task of its TLS handshake, None without TLS.
    """

    def __init__(self, listener: Listener, inner: asyncio.Protocol) -> None:
        self._listener = listener
        self._inner = inner
        self._timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None
        self.handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time limit for the first request."""
        self.transport = cast("asyncio.Transport", transport)
        self._listener.add(self, self.transport)
        self._inner.connection_made(transport)
        self.limit(self._listener.limits.header_time)
        if not self._listener.accepts(self.transport):
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Start the time limit for the rest of a request that has begun."""
        if self._timer is not None:
            left = self._timer.when() - asyncio.get_running_loop().time()
            self.limit(min(left, self._listener.limits.header_time))
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on that the client sends nothing more."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Pass on that the client reads too slowly."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client has caught up."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, which is closed."""
        self.limit(None)
        self._listener.remove(self)
        self._inner.connection_lost(exc)

    def limit(self, seconds: float | None) -> None:
        """Close the connection after this time; None removes the limit."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self.abort)

    def abort(self) -> None:
        """Close the connection now."""
        if self.transport is not None:
            self.transport.abort()
        elif self.handshake is not None:
            self.handshake.cancel()


class Listener:
    """Listens for an HTTP server.

    Attributes:
        limits: Limits on connections.
        tls: Gives what a new connection is made with; None for a plain one.
        accepts: Decides whether a connection that is made, with its certificate, may send requests.
    """

    def __init__(self, limits: Limits, complain: Callable[[str], object]) -> None:
        """Prepare to listen.

        Args:
            limits: Limits on connections.
            complain: Receives a message when connections cannot be accepted, at most once in `RECOVERY` seconds.
        """
        self.limits = limits
        self.tls: Callable[[], ssl.SSLContext | None] = lambda: None
        self.accepts: Callable[[asyncio.BaseTransport], bool] = lambda _: True
        self._complain = complain
        self._complained_at = float("-inf")
        self._cap = limits.connections
        self._capped_at = float("-inf")
        self._guards: dict[asyncio.BaseTransport, Guard] = {}
        self._handshakes: dict[asyncio.Task[None], Guard] = {}
        self._idle: dict[Guard, None] = {}  # the longest idle first
        self._room = asyncio.Event()
        self._sockets: list[socket.socket] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, make: Callable[[], asyncio.Protocol], host: str, port: int) -> tuple[str, int]:
        """Start to listen; gives the address and the port.

        Args:
            make: Creates the server's own protocol for one connection.
            host: Address; "" is all of them.
            port: Port; 0 takes a free one.

        Raises:
            OSError: Listening on the address is not possible.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self._sockets = _bound([(family, address) for family, _, _, _, address in dict.fromkeys(found)])
        self._tasks = [asyncio.create_task(self._accept(each, make), name="accept") for each in self._sockets]
        address, number = self._sockets[0].getsockname()[:2]
        return address, number

    async def stop(self) -> None:
        """Accept no more connections; the server closes the existing ones."""
        tasks = [*self._tasks, *self._handshakes]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for each in self._sockets:
            each.close()

    def middleware(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        """The middleware that the application needs: it lifts the time limit while a request is answered."""

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
        """Register a new connection."""
        self._guards[transport] = guard
        self._idle[guard] = None

    def remove(self, guard: Guard) -> None:
        """Forget a closed connection."""
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
                if error.errno != errno.ECONNABORTED:  # the client closed it before it was accepted
                    await self._exhausted(error)
                continue
            try:
                await self._until_room()
                tls = self.tls()
                if tls is None:
                    await loop.connect_accepted_socket(lambda: Guard(self, make()), connection)
                else:
                    self._start_handshake(Guard(self, make()), connection, tls)
            except OSError:
                connection.close()  # the client has closed it already
            except BaseException:
                connection.close()
                raise

    def _start_handshake(self, guard: Guard, connection: socket.socket, tls: ssl.SSLContext) -> None:
        """Begin the TLS handshake of a connection, in a task: a slow client does not delay others."""
        task = asyncio.create_task(self._shake_hands(guard, connection, tls), name="handshake")
        guard.handshake = task
        self._handshakes[task] = guard
        self._idle[guard] = None
        task.add_done_callback(lambda done: self._end_handshake(guard, done))

    async def _shake_hands(self, guard: Guard, connection: socket.socket, tls: ssl.SSLContext) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: guard,
                connection,
                ssl=tls,
                ssl_handshake_timeout=self.limits.header_time,
                ssl_shutdown_timeout=1.0,
            )
        except OSError:
            connection.close()  # the client left, speaks no TLS, or has no certificate
        except BaseException:
            connection.close()
            raise

    def _end_handshake(self, guard: Guard, done: asyncio.Task[None]) -> None:
        del self._handshakes[done]
        if guard.transport is None:
            self.remove(guard)

    @property
    def _open(self) -> int:
        """The number of connections, with those whose handshake is not over."""
        return len(self._guards) + sum(guard.transport is None for guard in self._handshakes.values())

    @property
    def _most(self) -> int:
        """The cap on connections at this moment."""
        return self._cap if time.monotonic() - self._capped_at < RECOVERY else self.limits.connections

    async def _until_room(self) -> None:
        """Wait until there are fewer connections than the cap; closes the longest idle one, if any is idle."""
        while self._open >= self._most:
            self._room.clear()
            self._close_idle(1)
            await self._room.wait()

    def _close_idle(self, number: int) -> bool:
        """Close the connections that were idle longest; gives whether there was one."""
        chosen = list(islice(self._idle, number))
        for guard in chosen:
            del self._idle[guard]
            guard.abort()
        return bool(chosen)

    async def _exhausted(self, error: OSError) -> None:
        """Handle a failure to accept, such as no free file descriptor: warn, lower the cap and continue."""
        now = time.monotonic()
        if now - self._complained_at >= RECOVERY:
            self._complained_at = now
            reason = os.strerror(error.errno) if error.errno else str(error)
            self._complain(f"cannot accept more than {self._open} connections: {reason}; closing idle ones")
        self._cap, self._capped_at = max(self._open * 3 // 4, FEWEST), now
        has_closed = self._close_idle(max(self._open - self._cap, 1))
        await asyncio.sleep(0 if has_closed and self._cap > FEWEST else EXHAUSTED_PAUSE)


def _bound(addresses: Sequence[tuple[socket.AddressFamily, tuple[object, ...]]]) -> list[socket.socket]:
    """Open sockets that listen on these addresses, all on one port.

    Raises:
        OSError: An address is in use, or none is available.
    """
    bound: list[socket.socket] = []
    failure: OSError | None = None
    try:
        for family, (host, port, *rest) in addresses:
            try:
                made = socket.socket(family, socket.SOCK_STREAM)
            except OSError as error:  # this machine does not have the address family, such as IPv6
                failure = error
                continue
            bound.append(made)
            if sys.platform != "win32":  # there it lets two programs share a port
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
