"""The network in memory: HTTP and websockets of aiohttp work on it as on a real one."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from revvlink_cli.services.drill.virtual_loop import VirtualLoop, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def served(loop: VirtualLoop) -> AsyncIterator[tuple[web.AppRunner, int]]:
    """A server with a page and a websocket that echoes; gives it and its port."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="page " * 50_000)

    async def echo(request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        async for message in answer:
            await answer.send_str(f"{message.data} back")
        return answer

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/echo", echo)])
    runner = web.AppRunner(app, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    assert isinstance(loop, VirtualLoop)
    try:
        yield runner, port
    finally:
        await runner.cleanup()


def test_every_exchange_takes_the_way_there_and_back() -> None:
    """A first request takes two round trips, for the connection and for the answer; a websocket's message takes one."""

    async def work(loop: VirtualLoop) -> tuple[float, float]:
        async with served(loop) as (_, port), aiohttp.ClientSession() as session:
            loop.network.delays[port] = 0.5
            began = loop.time()
            async with session.get(f"http://127.0.0.1:{port}/") as answer:
                assert len(await answer.text()) == 250_000
            loaded = loop.time() - began
            async with session.ws_connect(f"http://127.0.0.1:{port}/echo") as echo:
                began = loop.time()
                await echo.send_str("word")
                assert await echo.receive_str() == "word back"
                return loaded, loop.time() - began

    loaded, echoed = run(work)
    assert loaded == pytest.approx(2.0, abs=1e-3)
    assert echoed == pytest.approx(1.0, abs=1e-3)


def test_a_port_without_server_refuses_connections() -> None:
    """It does so after a round trip, as a machine whose process has ended."""

    async def work(loop: VirtualLoop) -> float:
        async with served(loop) as (runner, port), aiohttp.ClientSession() as session:
            loop.network.delays[port] = 0.5
            await runner.sites.copy().pop().stop()
            began = loop.time()
            with pytest.raises(aiohttp.ClientConnectorError) as refused:
                await session.get(f"http://127.0.0.1:{port}/")
            assert isinstance(refused.value.os_error, ConnectionRefusedError)
            return loop.time() - began

    assert run(work) == pytest.approx(1.0, abs=1e-3)


def test_nothing_passes_to_an_unreachable_server() -> None:
    """Neither a connection nor a message gets an answer: only a time-out ends the wait."""

    async def work(loop: VirtualLoop) -> float:
        async with served(loop) as (_, port), aiohttp.ClientSession() as session:
            async with session.ws_connect(f"http://127.0.0.1:{port}/echo") as echo:
                loop.network.unreachable.add(port)
                await echo.send_str("word")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(echo.receive(), 60)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(session.get(f"http://127.0.0.1:{port}/"), 60)
                loop.network.unreachable.clear()
            return loop.time()

    assert run(work) >= 90  # aiohttp ends an attempt to connect after 30 s


def test_a_reset_reaches_the_other_end() -> None:
    """An aborted connection ends the client's request with an error."""

    async def work(loop: VirtualLoop) -> type:
        async with (
            served(loop) as (runner, port),
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{port}/echo") as echo,
        ):
            assert runner.server is not None
            for connection in runner.server.connections:
                assert connection.transport is not None
                connection.transport.abort()
            return type((await echo.receive()).data)

    assert run(work) is not str


def test_a_paused_end_keeps_what_arrives() -> None:
    """Data, and the end of the connection, are read in order once reading goes on."""

    class Reader(asyncio.Protocol):
        def __init__(self) -> None:
            self.seen: list[bytes | None] = []

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.seen.append(data)

        def connection_lost(self, exc: Exception | None) -> None:
            assert exc is None
            self.seen.append(None)

    async def work(loop: VirtualLoop) -> list[bytes | None]:
        reader = Reader()
        listener = loop.network.listen(lambda: reader, "127.0.0.1", 0)
        assert listener.is_serving()
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            loop.network.listen(lambda: reader, "127.0.0.1", port)
        made = socket.socket()
        await loop.sock_connect(made, ("127.0.0.1", port))
        client, _ = await loop.create_connection(asyncio.Protocol, sock=made)
        reader.transport.pause_reading()
        assert not reader.transport.is_reading()
        client.write(b"one")
        client.write(b"two")
        client.close()
        await asyncio.sleep(1)
        assert reader.seen == []
        reader.transport.resume_reading()
        await asyncio.sleep(1)
        assert client.is_closing()
        return reader.seen

    assert run(work) == [b"one", b"two", None]
