"""A server that answers byte for byte what was recorded, and the client's calls that belong to recorded requests."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from revvlink_cli.client.connection.rate_limits import RateLimiter
from revvlink_cli.client.connection.rest import Rest
from revvlink_cli.client.connection.transport import Transport
from revvlink_cli.client.errors import LavalinkException, LavalinkLoadException, NodeException, RevvlinkException
from revvlink_cli.client.protocol.dialects import Dialect, StatsReader
from revvlink_cli.client.protocol.tracks import Playable
from revvlink_cli.client.settings import NodeSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from revvlink_cli.client.protocol.models import NodeStats
    from tests.fidelity.read_recordings import Exchange

PASSWORD = "youshallnotpass"


@dataclasses.dataclass(frozen=True)
class Request:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[Request], bytes | None]
"""What is written for a request, or None: nothing ever is."""


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request on a connection, None at its end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    method, path, _ = head[0].split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    length = int(headers.get("content-length") or 0)
    return Request(method, path, headers, await reader.readexactly(length) if length else b"")


@asynccontextmanager
async def serving(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A TCP server on a free loopback port; gives its address, and leaves no connection open."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await handler(reader, writer)
        except ConnectionError:
            pass  # the client has gone, which is its right
        except asyncio.CancelledError:
            pass  # the server is being closed
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, limit=2**20)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()


@asynccontextmanager
async def answering(answer: Answer, *, piece: int | None = None, timeout: float = 5.0) -> AsyncIterator[Rest]:
    """REST calls to a server that answers so; with `piece` it writes no more than so many bytes at a time."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            told = answer(request)
            if told is None:
                await asyncio.get_running_loop().create_future()
                return
            for start in range(0, len(told), piece or len(told) or 1):
                writer.write(told[start : start + piece] if piece else told)
                await writer.drain()
                if piece:
                    await asyncio.sleep(0)
            if b"onnection: close" in told.partition(b"\r\n\r\n")[0]:
                return

    async with serving(handle) as uri:
        transport = Transport()
        try:
            yield rest(uri, transport, timeout=timeout)
        finally:
            await transport.close()


def rest(uri: str, transport: Transport, *, timeout: float = 5.0, password: str = PASSWORD) -> Rest:
    """REST calls to a node, with a rate limiter that nothing was asked of yet."""
    settings = NodeSettings(identifier="node", uri=uri, password=password, timeout=timeout)
    return Rest(settings, transport.for_requests(), lambda: True, RateLimiter())


async def call(node: Rest, exchange: Exchange) -> Any:
    """The call of this client that the recorded request stands for; what it has no call for is sent as it is."""
    address = urlsplit(exchange.path)
    query = dict(parse_qsl(address.query, keep_blank_values=True))
    known = _calls(node, exchange.method, [unquote(part) for part in address.path.split("/")[1:]], query, exchange)
    return await (known or node.send(exchange.method, address.path, params=query or None, data=exchange.request_body))


def _calls(
    node: Rest, method: str, parts: list[str], query: dict[str, str], exchange: Exchange
) -> Coroutine[Any, Any, Any] | None:
    body = exchange.request_body
    found: Coroutine[Any, Any, Any] | None = None
    match method, parts:
        case "GET", ["version"]:
            found = node.version()
        case "GET", ["v4", "info"]:
            found = node.info()
        case "GET", ["v4", "stats"]:
            found = _stats(node)
        case "GET", ["v4", "loadtracks"] if "identifier" in query:
            found = node.load(query["identifier"])
        case "GET", ["v4", "decodetrack"] if "encodedTrack" in query:
            found = node.decode_tracks([query["encodedTrack"]])
        case "POST", ["v4", "decodetracks"] if isinstance(body, list) and len(body) > 1:
            found = node.decode_tracks(body)
        case "GET", ["v4", "routeplanner", "status"]:
            found = node.route_planner()
        case "POST", ["v4", "routeplanner", "free", "all"]:
            found = node.free_address()
        case "POST", ["v4", "routeplanner", "free", "address"] if isinstance(body, dict) and "address" in body:
            found = node.free_address(str(body["address"]))
        case _, ["v4", "sessions", session, *rest]:
            found = _session_calls(node, method, session, rest, query, body)
    return found


def _session_calls(
    node: Rest, method: str, session: str, rest: list[str], query: dict[str, str], body: Any
) -> Coroutine[Any, Any, Any] | None:
    match method, rest:
        case "PATCH", [] if isinstance(body, dict) and isinstance(body.get("resuming"), bool):
            return node.update_session(session, resuming=body["resuming"], timeout=body.get("timeout"))
        case "GET", ["players"]:
            return node.players(session)
        case "GET", ["players", guild]:
            return node.player(session, guild)
        case "PATCH", ["players", guild] if isinstance(body, dict):
            return node.update_player(session, guild, body, no_replace=query.get("noReplace") == "true")
        case "DELETE", ["players", guild]:
            return node.destroy_player(session, guild)
    return None


async def _stats(node: Rest) -> NodeStats:
    told = await node.stats()
    return StatsReader().read(told.value, node.dialect or Dialect.LAVALINK, told.extra)


async def outcome(node: Rest, exchange: Exchange) -> tuple[dict[str, Any], Any]:
    """What the call came to, as JSON values, and the value itself."""
    try:
        value = await call(node, exchange)
    except RevvlinkException as error:
        return failure(error, node), None
    told: dict[str, Any] = {"value": plainly(value)}
    if node.unexpected_fields:
        told["unexpected_fields"] = sorted(node.unexpected_fields)
    return told, value


def failure(error: RevvlinkException, node: Rest | None = None) -> dict[str, Any]:
    """An exception as JSON values, without the port of the day."""
    where = urlsplit(str(node.url("/"))).netloc if node is not None else "\0"
    told: dict[str, Any] = {
        "raises": type(error).__name__,
        "code": str(error.code),
        "stage": str(error.stage),
        "message": error.message.replace(where, "NODE"),
        "hint": error.hint,
    }
    if isinstance(error, LavalinkException | NodeException):
        told |= {"status": error.status, "retry_after": error.retry_after}
    if isinstance(error, LavalinkLoadException):
        told |= {"severity": error.severity, "cause": error.cause}
    return told


def plainly(value: Any) -> Any:
    """A value of the client as JSON values; tracks as a node sends them."""
    if isinstance(value, Playable):
        return value.to_payload()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: plainly(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    if hasattr(value, "__struct_fields__"):
        return {name: plainly(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {key: plainly(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plainly(item) for item in value]
    return value


def response(body: Any, *, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> bytes:
    """An answer with this body: bytes as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {"Content-Type": "application/json"}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data
