"""The exporter's listener on real sockets: time limits, the cap, and who has to make room."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from revvlink_cli.services.listener import Limits, Listener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
    Scenario = Callable[["Served"], Awaitable[None]]

QUICK = Limits(connections=4, header_time=0.4, idle_time=1.0)

REQUEST = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"


class Served:
    """A small server behind a listener, and its clients."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.complaints: list[str] = []
        self.may_answer = asyncio.Event()
        self.under_way = 0
        self._clients: list[asyncio.StreamWriter] = []

    async def connect(self, text: bytes = b"") -> Ends:
        """A new connection, on which this was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._clients.append(writer)
        writer.write(text)
        return reader, writer

    def close(self) -> None:
        """Close what clients have open."""
        for writer in self._clients:
            writer.transport.abort()


async def closed(reader: asyncio.StreamReader, within: float = 10.0) -> float:
    """Seconds until the server closes the connection."""
    begun = time.monotonic()
    async with asyncio.timeout(within):
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass
    return time.monotonic() - begun


async def answered(reader: asyncio.StreamReader, within: float = 10.0) -> None:
    """Wait for a whole answer of `/quick` or `/slow`."""
    async with asyncio.timeout(within):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(2) == b"ok"


@asynccontextmanager
async def serving(limits: Limits) -> AsyncIterator[Served]:
    """A server with these limits."""
    served = Served(0)
    listener = Listener(limits, served.complaints.append)

    async def quick(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def slow(_: web.Request) -> web.Response:
        served.under_way += 1
        await served.may_answer.wait()
        return web.Response(text="ok")

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=bytes(32 * 2**20))

    app = web.Application(middlewares=[listener.middleware()])
    app.add_routes([web.get("/quick", quick), web.get("/slow", slow), web.get("/large", large)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    assert runner.server is not None
    _, served.port = await listener.start(runner.server, "127.0.0.1", 0)
    try:
        yield served
    finally:
        await listener.stop()
        served.close()
        await runner.cleanup()


def run(scenario: Scenario, limits: Limits = QUICK) -> None:
    """Run a scenario; nothing is left of it."""

    async def work() -> None:
        async with asyncio.timeout(30), serving(limits) as served:
            await scenario(served)
            assert served.complaints == []
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())


@pytest.mark.parametrize("begun", [b"", b"GET /quick HTTP/1.1\r\nHost: x\r\nX-"], ids=["nothing", "half of a request"])
def test_a_request_that_does_not_come(begun: bytes) -> None:
    """A connection without a whole request is closed after the time for headers."""

    async def scenario(served: Served) -> None:
        reader, _ = await served.connect(begun)
        assert 0.3 < await closed(reader) < 5

    run(scenario)


def test_a_request_in_drops() -> None:
    """A byte now and then buys no time: neither on a new connection nor after an answer."""

    async def scenario(served: Served) -> None:
        for first in (b"", REQUEST):
            reader, writer = await served.connect(first)
            if first:
                await answered(reader)
            ends = asyncio.create_task(closed(reader))
            for byte in b"GET /quick HTTP/1.1\r\nX: " + b"y" * 400:
                if ends.done():
                    break
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)
            assert await ends < 5

    run(scenario)


def test_a_request_that_is_worked_on() -> None:
    """It may take longer than any limit."""

    async def scenario(served: Served) -> None:
        reader, _ = await served.connect(SLOW)
        await asyncio.sleep(2)
        served.may_answer.set()
        await answered(reader)

    run(scenario)


def test_a_connection_that_is_kept() -> None:
    """It serves one request after the other, and is closed when none comes for the idle time."""

    async def scenario(served: Served) -> None:
        reader, writer = await served.connect(REQUEST)
        await answered(reader)
        for _ in range(3):
            await asyncio.sleep(0.6)  # longer than the time for headers
            writer.write(REQUEST)
            await answered(reader)
        assert 2 < await closed(reader) < 10

    run(scenario, QUICK._replace(idle_time=3.0))


def test_an_answer_that_is_not_read() -> None:
    """A client that takes nothing loses its connection after the idle time: the answer is not kept for ever."""

    async def scenario(served: Served) -> None:
        client = socket.create_connection(("127.0.0.1", served.port))
        with client:
            client.sendall(LARGE)
            await asyncio.sleep(3)
            client.settimeout(0.2)

            def read_all() -> int:
                count = 0
                try:
                    while part := client.recv(65_536):
                        count += len(part)
                except ConnectionError:
                    pass
                return count

            assert await asyncio.to_thread(read_all) < 32 * 2**20

    run(scenario)


def test_the_one_that_was_idle_longest_makes_room() -> None:
    """Above the cap a newcomer is served at once; those whose requests are worked on are never closed."""

    async def scenario(served: Served) -> None:
        busy = [(await served.connect(SLOW))[0] for _ in range(2)]
        async with asyncio.timeout(5):
            while served.under_way < 2:
                await asyncio.sleep(0.01)
        oldest, _ = await served.connect()
        await asyncio.sleep(0.05)
        newer, _ = await served.connect()
        await asyncio.sleep(0.05)
        reader, _ = await served.connect(REQUEST)
        await answered(reader)
        assert await closed(oldest, 5) < 5
        with pytest.raises(TimeoutError):
            await closed(newer, 0.1)
        served.may_answer.set()
        for each in busy:
            await answered(each)

    run(scenario, QUICK._replace(header_time=20.0, idle_time=20.0))


def test_all_are_busy() -> None:
    """Then a newcomer waits, and is served as soon as one is done."""

    async def scenario(served: Served) -> None:
        busy = [(await served.connect(SLOW))[0] for _ in range(4)]
        async with asyncio.timeout(5):
            while served.under_way < 4:
                await asyncio.sleep(0.01)
        reader, _ = await served.connect(REQUEST)
        with pytest.raises(TimeoutError):
            await answered(reader, 0.5)
        served.may_answer.set()
        for each in busy:
            await answered(each)
        await answered(reader)

    run(scenario)


def test_every_address() -> None:
    """Without a host it listens on all addresses, on one port; a port that is taken is an error."""

    async def work() -> None:
        listener = Listener(QUICK, print)
        app = web.Application(middlewares=[listener.middleware()])
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        assert runner.server is not None
        _, port = await listener.start(runner.server, "", 0)
        for host in ("127.0.0.1", "::1") if socket.has_dualstack_ipv6() else ("127.0.0.1",):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
        with pytest.raises(OSError, match="in use") as caught:
            await Listener(QUICK, print).start(runner.server, "127.0.0.1", port)
        assert caught.value.errno == errno.EADDRINUSE
        await listener.stop()
        await runner.cleanup()

    asyncio.run(work())
