"""How far a request has come when its time is over, on the pool's own connections and on those of a bot."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from revvlink_cli.client.connection.rate_limits import RateLimiter
from revvlink_cli.client.connection.rest import Rest
from revvlink_cli.client.connection.transport import Transport
from revvlink_cli.client.errors import Code, NodeException, Stage
from revvlink_cli.client.settings import NodeSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TIMEOUT = 0.3

ANSWER = b"HTTP/1.1 200 OK\r\nLavalink-Api-Version: 4\r\nContent-Length: 5\r\n\r\n4.2.2"

both = pytest.mark.parametrize("is_bots", [False, True], ids=["own", "bot's"])


@asynccontextmanager
async def client(uri: str, *, is_bots: bool) -> AsyncIterator[Rest]:
    """REST calls to a node, on a bot's connector or on the pool's own."""
    connector = aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver())
    transport = Transport()
    session = transport.on_connector(connector) if is_bots else transport.for_requests()
    settings = NodeSettings(identifier="node", uri=uri, password="pw", timeout=TIMEOUT)
    try:
        yield Rest(settings, session, lambda: True, RateLimiter())
    finally:
        await transport.close()
        await connector.close()


@asynccontextmanager
async def server(answers: int) -> AsyncIterator[int]:
    """The port of a server that answers so many requests of each connection, and is silent then."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for _ in range(answers):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(ANSWER)
            await reader.read()
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


async def failure(rest: Rest) -> tuple[Code, Stage | None]:
    """Code and stage of a request that fails."""
    with pytest.raises(NodeException) as caught:
        await rest.version()
    return caught.value.code, caught.value.stage


@both
@pytest.mark.parametrize("answers", [0, 1], ids=["new", "reused"])
def test_a_silent_server_has_the_request(is_bots: bool, answers: int) -> None:
    """A request that got no answer was sent, on a new connection and on one that has served another."""

    async def work() -> tuple[Code, Stage | None]:
        async with server(answers) as port, client(f"http://127.0.0.1:{port}", is_bots=is_bots) as rest:
            for _ in range(answers):
                assert await rest.version() == "4.2.2"
            return await failure(rest)

    assert asyncio.run(work()) == (Code.SILENT, Stage.REQUEST)


def test_a_server_without_a_handshake_has_no_request() -> None:
    """A request over TLS whose handshake never ends was not sent."""

    async def work() -> tuple[Code, Stage | None]:
        async with server(0) as port, client(f"https://127.0.0.1:{port}", is_bots=False) as rest:
            return await failure(rest)

    assert asyncio.run(work()) == (Code.TIMEOUT, Stage.TLS)


@both
def test_a_name_server_that_hangs(is_bots: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request whose host is still being looked up was not sent, and nothing was connected."""
    answered = threading.Event()

    def look_up(*_args: Any, **_more: Any) -> list[Any]:
        answered.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    async def work() -> tuple[Code, Stage | None]:
        async with client("http://node.invalid:2333", is_bots=is_bots) as rest:
            monkeypatch.setattr(socket, "getaddrinfo", look_up)
            try:
                return await failure(rest)
            finally:
                answered.set()

    assert asyncio.run(work()) == (Code.TIMEOUT, Stage.RESOLVE)
