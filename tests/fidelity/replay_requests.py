"""The recorded requests, sent to a server again; and how its answers differ from the recorded ones."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.fidelity.read_recordings import LAVALINK, Exchange, differences, exchanges
from tests.fidelity.websocket_frames import CLOSE, PING, PONG, frame, read_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNTOLD = {"date", "connection", "keep-alive", "sec-websocket-accept", "content-length", "transfer-encoding"}
"""Headers that are compared in no word: how a body is framed is compared as `framing`."""

VARYING = {"sec-websocket-location", "x-ratelimit-remaining", "x-ratelimit-reset"}
"""Headers of which only the presence is compared."""

SILENCE = 0.5
"""Seconds after which a request that the genuine server never answered counts as unanswered."""

UNTIMED = {
    "session-patch-empty": "session-get",
    "session-patch-resuming": "session-patch-empty",
    "session-patch-timeout": "session-patch-resuming",
    "session-patch-both": "session-patch-timeout",
    "session-patch-resuming-key": "session-patch-both",
    "session-patch-unknown-field": "session-patch-resuming-key",
    "session-patch-no-auth": "session-patch-fraction-timeout",
    "session-patch-negative-timeout": "session-patch-no-auth",
    "session-patch-reset": "session-patch-negative-timeout",
    "players-empty": "players-unknown-session",
    "players-no-auth": "players-empty",
    "player-delete-absent": "player-not-found-trace",
    "players-one": "player-get",
    "player-delete-playing": "player-patch-play-paused",
    "player-patch-voice-unknown-host": "players-closed-session",
    "player-patch-voice-refused": "player-patch-voice-unknown-host",
    "player-patch-voice-after-voice-refused": "player-patch-after-voice-refused",
    "player-delete-after-voice-refused": "player-patch-voice-after-voice-refused",
}
"""Requests of Lavalink's about sessions whose answers have no time: each followed the other."""


UNKNOWN = ("doesnotexist1234", "abcdefghijklmnop")
"""Sessions that the recorder made up."""


@dataclass(frozen=True)
class Answered:
    """What came back.

    Attributes:
        status: HTTP status, None for silence.
        headers: By lower-case name.
        body: The body.
    """

    status: int | None
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        """The body's JSON, else its text."""
        try:
            return json.loads(self.body)
        except ValueError:
            return self.body.decode() or None

    @property
    def framing(self) -> str:
        """How the end of the body is told."""
        return (
            "chunked" if "transfer-encoding" in self.headers else "length" if "content-length" in self.headers else ""
        )


async def ask(
    uri: str, exchange: Exchange, changes: Mapping[str, str], password: str, *, patience: float = 20.0
) -> Answered:
    """Send a recorded request byte for byte, but for what `changes` replaces in path and body, and the password."""
    address = urlsplit(uri)
    headers = {
        name: password if value == "youshallnotpass" else value.replace("Bearer youshallnotpass", f"Bearer {password}")
        for name, value in exchange.request_headers.items()
        if name != "Host"
    }
    told = exchange.request_body
    body = b"" if told is None else (told if isinstance(told, str) else json.dumps(told)).encode()
    path = exchange.path
    for old, new in changes.items():
        path, body = path.replace(old, new), body.replace(old.encode(), new.encode())
    lines = [f"{exchange.method} {path} HTTP/1.1", f"Host: {address.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body or exchange.method in ("POST", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**22)
    try:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return await read_answer(reader, exchange.method, SILENCE if exchange.status is None else patience)
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader, method: str, patience: float) -> Answered:
    """The answer to a request, or silence after so many seconds."""
    try:
        async with asyncio.timeout(patience):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ")[1])
            pairs = (line.partition(": ") for line in head[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            body = b""
            if headers.get("transfer-encoding") == "chunked":
                while size := int((await reader.readline()).strip() or b"0", 16):
                    body += await reader.readexactly(size)
                    await reader.readline()
            elif method != "HEAD" and "content-length" in headers:
                body = await reader.readexactly(int(headers["content-length"]))
            return Answered(status, headers, body)
    except TimeoutError:
        return Answered(None, {}, b"")


def unlike(exchange: Exchange, answered: Answered) -> list[str]:
    """In what an answer differs from the recorded one: status, headers, framing, and the shape of its body."""
    if answered.status != exchange.status:
        return [f"status {answered.status} instead of {exchange.status}"]
    recorded = Answered(exchange.status, {name.lower(): text for name, text in exchange.headers.items()}, exchange.body)
    found = []
    for name in sorted((recorded.headers.keys() | answered.headers.keys()) - UNTOLD):
        old, new = recorded.headers.get(name), answered.headers.get(name)
        if old != new and not (name in VARYING and old and new):
            found.append(f"header {name} is {new!r} instead of {old!r}")
    if recorded.framing != answered.framing:
        found.append(f"the body is framed by {answered.framing!r} instead of {recorded.framing!r}")
    if exchange.status == 101:
        return found
    old, new = recorded.value, answered.value
    if isinstance(old, dict) and isinstance(new, dict) and {"timestamp", "status"} <= old.keys():
        found += [
            f"{key} is {new.get(key)!r} instead of {old[key]!r}"
            for key in ("status", "error", "message")
            if new.get(key) != old[key]
        ]
    return found + differences(old, new)


def in_order(server: str, *folders: str) -> list[Exchange]:
    """The recorded requests in the order in which they were made, as far as one depends on another."""
    found = list(exchanges(server, *folders))
    untimed = UNTIMED if server == LAVALINK else {}
    timed = [entry for entry in found if entry.name not in untimed]
    timed.sort(key=_when)
    for name, before in untimed.items():
        late = next((entry for entry in found if entry.name == name), None)
        place = next((place for place, entry in enumerate(timed) if entry.name == before), None)
        if late is not None and place is not None:
            timed.insert(place + 1, late)
    return timed


def _when(exchange: Exchange) -> tuple[float, int]:
    second = parsedate_to_datetime(exchange.headers["Date"]).timestamp() if "Date" in exchange.headers else 0.0
    value = exchange.value if isinstance(exchange.value, dict) else {}
    state = value.get("state")
    return second, int(value.get("timestamp") or (state.get("time") if isinstance(state, dict) else 0) or 0)


class Bot:
    """A websocket to the server, kept open so that its session exists."""

    def __init__(self, session: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.session = session
        self._writer = writer
        self._listening = asyncio.ensure_future(self._listen(reader))

    @classmethod
    async def connect(cls, uri: str, password: str) -> Bot:
        """Get to ``ready``."""
        address = urlsplit(uri)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write(
            f"GET /v4/websocket HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nAuthorization: {password}\r\n"
            "User-Id: 170939974227541168\r\nClient-Name: test/1\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(20):
            while json.loads((message := await read_frame(reader))[1])["op"] != "ready":
                continue
        return cls(json.loads(message[1])["sessionId"], reader, writer)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while (message := await read_frame(reader))[0] != CLOSE:
                if message[0] == PING:
                    self._writer.write(frame(PONG, message[1]))
        except (EOFError, ConnectionError):
            return

    async def drop(self) -> None:
        """Leave without a word."""
        self._writer.transport.abort()
        await self._listening

    async def close(self) -> None:
        """Leave properly; returns when the server has let go of the connection."""
        self._writer.write(frame(CLOSE, b"\x03\xe8"))
        async with asyncio.timeout(20):
            await self._listening
        self._writer.close()


def sessions_in(asked: Iterable[Exchange]) -> list[str]:
    """The ids of the sessions that existed, in the order of their first request."""
    ids = (entry.path.split("/")[3].partition("?")[0] for entry in asked if entry.path.startswith("/v4/sessions/"))
    return [name for name in dict.fromkeys(ids) if name not in UNKNOWN]


async def compared(uri: str, password: str, asked: list[Exchange], changes: Mapping[str, str]) -> dict[str, list[str]]:
    """By id, in what the answers differ."""
    found = {}
    bots = {name: await Bot.connect(uri, password) for name in sessions_in(asked)}
    changes = {**changes, **{name: bot.session for name, bot in bots.items()}}
    try:
        for exchange in asked:
            after_close = exchange.name in ("players-closed-session", "session-patch-after-close")
            if after_close:
                await bots.pop(exchange.path.split("/")[3]).close()
            answered = await ask(uri, exchange, changes, password)
            async with asyncio.timeout(10):  # a server lets go of a session in its own time
                while after_close and answered.status != exchange.status:
                    answered = await ask(uri, exchange, changes, password)
            found[exchange.id] = unlike(exchange, answered)
    finally:
        for bot in bots.values():
            await bot.close()
    return found
