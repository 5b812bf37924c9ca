"""What a failure carries along to error trackers: no password, wherever in its chain one looks."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from revvlink_cli import Node, Pool, RevvlinkException
from revvlink_cli.client.errors import Code
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_server import Request, read_request, response, serving
from tests.fidelity.scripted_node import Listening
from tests.fidelity.websocket_frames import CLOSE, PING, read_frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

PASSWORD = "canary-4f1d83-password"
PROXY_PASSWORD = "canary-77ab01-proxy"


def chained(error: BaseException) -> Iterator[BaseException]:
    """An exception with all that it was caused by, happened under, was grouped with or lists as failures."""
    waiting, seen = [error], set()
    while waiting:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [linked for linked in (found.__cause__, found.__context__) if linked is not None]
        waiting += getattr(found, "exceptions", ())
        waiting += getattr(found, "failures", {}).values()


def shown(error: BaseException) -> Iterator[str]:
    """What an error tracker sends of an exception: its texts, its attributes, and the variables of the library."""
    for found in chained(error):
        yield from (repr(found), str(found), repr(found.args), repr(vars(found)))
        for holder in vars(found).values():
            yield from (repr(getattr(holder, "headers", None)), repr(getattr(holder, "request_info", None)))
        at = found.__traceback__
        while at is not None:
            if "/tests/" not in at.tb_frame.f_code.co_filename:
                yield from (f"{name} in {at.tb_frame.f_code.co_name}: {value!r}"
                            for name, value in at.tb_frame.f_locals.items())  # fmt: skip
            at = at.tb_next


def assert_clean(error: BaseException) -> None:
    """No secret in it, and nothing of the HTTP library, whose exceptions hold the request."""
    for found in chained(error):
        assert not type(found).__module__.startswith("aiohttp"), found
    leaks = [text[:200] for text in shown(error) if PASSWORD in text or PROXY_PASSWORD in text]
    assert leaks == []


async def failure_of(uri: str, then: Callable[[Node], Awaitable[Any]] | None = None, **settings: Any) -> Any:
    """How connecting a node at this address fails, or, once it is connected, what is done with it `then`."""

    class Fresh(Pool):
        """A pool of its own."""

    node = Node(identifier="n", uri=uri, password=PASSWORD, **{"retries": 0, "timeout": 0.5, **settings})
    try:
        if then is None:
            with pytest.raises(RevvlinkException) as caught:
                await Fresh.connect(nodes=[node])
        else:
            await Fresh.connect(nodes=[node])
            with pytest.raises(RevvlinkException) as caught:
                await then(node)
        reason = node.snapshot().error
        if reason is not None:
            assert_clean(reason)
    finally:
        await Fresh.close()
    return caught.value


def answering(status: str, path: str | None = None, body: bytes = b"", **headers: str) -> Any:
    """A handler that answers so, where `path` is in the address; elsewhere as a Lavalink."""
    script = Listening(LAVALINK)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            if path is None or path in request.path:
                writer.write(response(body, status=status, headers=headers))
            elif await script.answer(request, reader, writer):
                return

    return handle


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Takes everything and says nothing."""
    while await reader.read(4096):
        pass


async def hanging_up(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Reads a request, then hangs up."""
    await read_request(reader)


async def gibberish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speaks another protocol."""
    await read_request(reader)
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    await writer.drain()


async def half_an_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Announces more than it sends."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    await writer.drain()


FIRST: dict[str, tuple[Any, Code]] = {
    "401": (answering("401 Unauthorized"), Code.WRONG_PASSWORD),
    "403": (answering("403 Forbidden", body=b"no"), Code.FORBIDDEN),
    "404": (answering("404 Not Found"), Code.NOT_LAVALINK),
    "500": (answering("500 Internal Server Error"), Code.SERVER_ERROR),
    "redirect": (answering("302 Found", Location="http://127.0.0.1:1/"), Code.REDIRECTED),
    "silent": (silent, Code.SILENT),
    "hung up": (hanging_up, Code.RESET),
    "no HTTP": (gibberish, Code.NOT_LAVALINK),
    "half an answer": (half_an_answer, Code.RESET),
    "headers without end": (answering("200 OK", Long="x" * 20_000), Code.TOO_LARGE),
    "websocket 401": (answering("401 Unauthorized", "websocket"), Code.WRONG_PASSWORD),
    "websocket 403": (answering("403 Forbidden", "websocket"), Code.WEBSOCKET_REFUSED),
    "websocket 404": (answering("404 Not Found", "websocket"), Code.WEBSOCKET_REFUSED),
    "websocket that is none": (answering("200 OK", "websocket"), Code.WEBSOCKET_REFUSED),
    "websocket redirected": (answering("302 Found", "websocket", Location="http://127.0.0.1:1/"), Code.UNREACHABLE),
    "websocket with a wrong key": (
        answering("101 Switching Protocols", "websocket", Upgrade="websocket", Connection="Upgrade"),
        Code.WEBSOCKET_REFUSED,
    ),
}
"""Handlers of servers that cannot be connected to, with the code of the failure."""


@pytest.mark.parametrize("kind", FIRST)
def test_connecting(kind: str) -> None:
    """A connection that is refused, breaks off or never comes carries no password along."""
    handler, code = FIRST[kind]

    async def work() -> None:
        async with serving(handler) as uri:
            error = await failure_of(uri)
        assert error.code is code
        assert_clean(error)

    asyncio.run(work())


def test_nobody_there() -> None:
    """A refused connection, a name that does not resolve, and a proxy that is not there carry none either."""

    async def work() -> None:
        for uri, proxy, code in (
            ("http://127.0.0.1:1", None, Code.REFUSED),
            ("http://no-such-host.invalid", None, Code.RESOLVE_FAILED),
            ("http://127.0.0.1:1", f"http://me:{PROXY_PASSWORD}@127.0.0.1:1", Code.PROXY_FAILED),
        ):
            error = await failure_of(uri, proxy=proxy, timeout=5.0)
            assert error.code is code
            assert_clean(error)

    asyncio.run(work())


def test_a_proxy_that_refuses() -> None:
    """Nor does a proxy that wants a password of its own, or one that refuses a tunnel."""

    async def work() -> None:
        async with serving(answering("407 Proxy Authentication Required")) as proxy:
            address = proxy.replace("http://", f"http://me:{PROXY_PASSWORD}@")
            for uri in ("http://127.0.0.1:1", "https://127.0.0.1:1"):
                assert_clean(await failure_of(uri, proxy=address))

    asyncio.run(work())


@pytest.mark.parametrize("kind", ["untrusted", "wrong host", "no TLS"])
def test_tls(kind: str, tmp_path: Path) -> None:
    """Nor does TLS that fails."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("other.example" if kind == "wrong host" else "127.0.0.1").configure_cert(context)

    async def work() -> None:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.close()

        encrypted = None if kind == "no TLS" else context
        server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=encrypted)
        async with server:
            uri = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            own = str(tmp_path / "ca.pem") if kind == "wrong host" else None
            assert_clean(await failure_of(uri, ssl=own))

    asyncio.run(work())


LATER: dict[str, Any] = {
    "401": answering("401 Unauthorized", "loadtracks"),
    "404": answering("404 Not Found", "loadtracks"),
    "500": answering("500 Internal Server Error", "loadtracks"),
    "compressed": answering("200 OK", "loadtracks", body=b"x", **{"Content-Encoding": "br"}),
    "no JSON": answering("200 OK", "loadtracks", body=b"<html>"),
}
"""Handlers of servers that connect, and fail at a search."""


@pytest.mark.parametrize("kind", LATER)
def test_requests(kind: str) -> None:
    """A request that fails on a connected node carries no password along."""

    async def work() -> None:
        async with serving(LATER[kind]) as uri:
            assert_clean(await failure_of(uri, lambda node: node.rest.load("x")))

    asyncio.run(work())


def test_a_connection_that_ends() -> None:
    """The reason of a loss carries none: killed, closed with a code, or frozen."""

    class Breaking(Listening):
        """Closes the websocket with a code as soon as it is pinged."""

        async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                opcode, _ = await read_frame(reader)
                if opcode in (PING, CLOSE):
                    writer.write(b"\x88\x02\x0f\xa0")
                    return

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        async def lost(node: Node, end: Callable[[], object]) -> None:
            await Fresh.connect(nodes=[node])
            await asyncio.to_thread(end)
            async with asyncio.timeout(10):
                while node.snapshot().error is None:
                    await asyncio.sleep(0.01)
            error = node.snapshot().error
            assert error is not None
            assert_clean(error)
            await Fresh.close()

        settings: dict[str, Any] = {"password": PASSWORD, "heartbeat": 0.2, "timeout": 0.5}
        with Simulator([NodeProfile(identifier="n", password=PASSWORD)]) as simulator:
            await lost(Node(uri=simulator["n"].uri, **settings), simulator["n"].freeze)
            await asyncio.to_thread(simulator["n"].thaw)
            await lost(Node(uri=simulator["n"].uri, **settings), simulator["n"].kill)
        async with serving(Breaking(LAVALINK).handle) as uri:
            await lost(Node(uri=uri, **settings), lambda: None)

    asyncio.run(work())


def test_a_pool_that_closes() -> None:
    """A request that the pool's end cuts short carries none."""

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        script = Listening(LAVALINK)

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while (request := await read_request(reader)) is not None:
                if "loadtracks" in request.path:
                    await asyncio.sleep(60)
                if await script.answer(request, reader, writer):
                    return

        async with serving(handle) as uri:
            node = Node(identifier="n", uri=uri, password=PASSWORD)
            await Fresh.connect(nodes=[node])
            load = asyncio.create_task(node.rest.load("x"))
            await asyncio.sleep(0.1)
            await Fresh.close()
            await asyncio.wait([load])
            error = load.exception()
            assert isinstance(error, RevvlinkException)
            assert_clean(error)

    asyncio.run(work())


def test_an_echo_is_not_kept() -> None:
    """What a server echoes in its headers stays out of the chain, too."""

    async def work() -> None:
        def echo(request: Request) -> bytes:
            return response(b"", status="418 I'm a teapot", headers={"X-Echo": request.headers["authorization"]})

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while (request := await read_request(reader)) is not None:
                writer.write(echo(request))

        async with serving(handle) as uri:
            assert_clean(await failure_of(uri))

    asyncio.run(work())


@pytest.mark.parametrize("at", [7, 12, 18])
def test_a_password_over_two_lines_of_a_stack_trace(at: int) -> None:
    """The reason of a failed load is one line of the trace: the part of a password that is on it does not show."""
    trace = f"com.example.Failed\nCaused by: java.io.IOException: sent {PASSWORD[:at]}\r\n  {PASSWORD[at:]} in vain"
    failure = {"message": None, "severity": "fault", "cause": "com.example.Failed", "causeStackTrace": trace}
    body = json.dumps({"loadType": "error", "data": failure}).encode()

    async def work() -> Any:
        async with serving(answering("200 OK", path="/v4/loadtracks", body=body)) as uri:
            return await failure_of(uri, lambda node: node.rest.load("ytsearch:night"))

    error = asyncio.run(work())
    assert str(error).startswith("java.io.IOException: sent ***")
    assert PASSWORD[:7] not in str(error)
