"""Servers that send back whatever secret they are sent, in every encoding, wherever a text may stand."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import html
import itertools
import json
import re
import struct
import threading
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "swapped case": str.swapcase,
    "percent": lambda text: quote(text, safe=""),
    "percent, all of it": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "percent, small": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "form": quote_plus,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 after one byte": lambda text: base64.b64encode(f"a{text}b".encode()).decode(),
    "base64 after two": lambda text: base64.b64encode(f"ab{text}c".encode()).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 in lines": lambda text: base64.encodebytes(f"{'a' * 52}{text}{'b' * 52}".encode()).decode(),
    "basic": lambda text: f"Basic {base64.b64encode(f'bot:{text}'.encode()).decode()}",
    "JSON": json.dumps,
    "JSON, all of it": lambda text: re.sub(r"....", lambda four: f"\\u{four[0]}", text.encode("utf-16-be").hex()),
    "JSON in JSON": lambda text: json.dumps(json.dumps(f"\n{text}")),
    "HTML": html.escape,
    "HTML, decimal": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(char):x};" for char in text),
    "hexadecimal": lambda text: text.encode().hex(),
    "bytes": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "over two lines": lambda text: f"{text[:7]}\r\n  {text[7:]}",
    "a line each": "\n".join,
    "invisible between": "\u200b".join,
    "white space collapsed": lambda text: " ".join(text.split()),
}
"""Name -> what it makes of a text."""


def shown_in(text: str, secrets: list[str]) -> list[str]:
    """What a text shows of secrets: whole, encoded, or eight characters of one at a stretch, wrapped lines or not."""
    squeezed = re.sub(r"[\s│|\u200b]+", "", text)
    small = squeezed.casefold()
    found = []
    for secret in secrets:
        bare = re.sub(r"\s+", "", secret).casefold()
        found += [f"{bare[i : i + 8]} of {secret}" for i in range(len(bare) - 7) if bare[i : i + 8] in small]
        found += [
            f"{secret} as {name}"
            for name, encoded in ENCODINGS.items()
            if (form := encoded(secret)) in text or re.sub(r"[\s\u200b]+", "", form) in squeezed
        ]
    return found


class Echo:
    """The secrets that were heard, and texts that have the next of them in the next encoding."""

    def __init__(self) -> None:
        self.heard: dict[str, None] = {}
        self._turn: Iterator[str] = itertools.cycle(ENCODINGS)
        self._which = 0

    def hear(self, *texts: str) -> None:
        """Take secrets in."""
        self.heard.update(dict.fromkeys(filter(None, texts)))

    def __call__(self) -> str:
        """The next text; secrets take turns with each round of encodings."""
        secrets = list(self.heard) or ["nothing"]
        self._which += 1
        secret = secrets[self._which % len(secrets)]
        return f"got {ENCODINGS[next(self._turn)](secret)} from you"


class _Served:
    """A server with an event loop and a thread of its own, for the time of a block.

    Attributes:
        port: Where it listens.
        echo: What it says.
    """

    def __init__(self) -> None:
        self.echo = Echo()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._guarded, "127.0.0.1", 0), self._loop)
        self._server = listening.result(5)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """End."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guarded(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


class EchoingNode(_Served):
    """A node, a proxy and a webhook that echo.

    Attributes:
        manner: ``lively`` speaks the protocol and echoes in every field; ``errors``, ``texts``, ``pages`` and
            ``redirects`` refuse everything, and echo in that; ``garbage`` speaks no HTTP; ``closes`` ends each
            websocket soon.
        bodies: What was posted to the webhook.
    """

    def __init__(self, manner: str = "lively") -> None:
        super().__init__()
        self.manner = manner
        self.bodies: list[str] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
            self.echo.hear(headers.get("authorization", ""), headers.get("x-token", ""))
            if "proxy-authorization" in headers:
                pair = base64.b64decode(headers["proxy-authorization"].removeprefix("Basic ")).decode()
                self.echo.hear(*pair.partition(":")[::2])
            path = re.sub(r"^(?:https?://[^/]+)?(?:/env|/file)?(?=/)", "", first.split(" ")[1])
            if path.startswith("/api/webhooks/"):
                self.echo.hear(path.rpartition("/")[2])
                self.bodies.append(body)
                writer.write(self._answer("400 Bad Request", {"message": self.echo()}))
            elif self.manner == "garbage":
                writer.write(f"{self.echo()}\r\n\r\n".encode())
                return
            elif path.startswith("/v4/websocket") and self.manner in ("lively", "closes"):
                await self._websocket(headers["sec-websocket-key"], reader, writer)
                return
            else:
                writer.write(self._refusal(path) if self.manner not in ("lively", "closes") else self._lively(path))
            await writer.drain()

    def _answer(self, status: str, told: Any, kind: str = "application/json") -> bytes:
        body = (told if isinstance(told, str) else json.dumps(told)).encode()
        shown = quote(self.echo(), safe=" %'()!")
        return (
            f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nX-Echo: {shown}\r\n"
            f"Lavalink-Api-Version: 4\r\n\r\n"
        ).encode() + body

    def _refusal(self, path: str) -> bytes:
        match self.manner:
            case "texts":
                return self._answer("500 Internal Server Error", self.echo() * 9, "text/plain")
            case "pages":
                return self._answer("404 Not Found", f"<html>{self.echo()} {path}</html>", "text/html")
            case "redirects":
                location = re.sub(r"\s+", "", self.echo())
                answer = self._answer("302 Found", "")
                return answer.replace(
                    b"X-Echo", b"Location: http://127.0.0.1:1/" + location.encode("utf-8") + b"\r\nX-Echo"
                )
        told = {"status": 500, "error": self.echo(), "message": self.echo(), "path": self.echo(), "trace": self.echo()}
        return self._answer("500 Internal Server Error", told)

    def _track(self) -> dict[str, Any]:
        says = self.echo
        info = {"identifier": says(), "isSeekable": True, "author": says(), "length": 1000, "isStream": False,
                "position": 0, "title": says(), "uri": says(), "sourceName": says(), "artworkUrl": says(),
                "isrc": says()}  # fmt: skip
        encoded = base64.b64encode(f"\0\0{says()}".encode()).decode()
        return {"encoded": encoded, "info": info, "pluginInfo": {says(): says()}, "userData": {says(): says()}}

    def _stats(self) -> dict[str, Any]:
        memory = {"free": 1, "used": 1, "allocated": 2, "reservable": 4, self.echo(): self.echo()}
        cpu = {"cores": 2, "systemLoad": 0.1, "lavalinkLoad": 0.1, "brand": self.echo()}
        return {"players": 1, "playingPlayers": 1, "uptime": 9000, "memory": memory, "cpu": cpu, "extra": self.echo()}

    def _lively(self, path: str) -> bytes:
        says = self.echo
        told: Any = {"resuming": True, "timeout": 0, says(): says()}
        if path.startswith("/version"):
            return self._answer("200 OK", says(), "text/plain")
        if path.startswith("/v4/info"):
            told = {
                "version": {"semver": f"4.2.2-{says()}", "major": 4, "preRelease": says()},
                "buildTime": 1, "git": {"branch": says(), "commit": says(), "commitTime": 1}, "jvm": says(),
                "lavaplayer": says(), "sourceManagers": [says(), "youtube"], "filters": [says()],
                "plugins": [{"name": says(), "version": says()}], says(): says(),
            }  # fmt: skip
        elif path.startswith("/v4/stats"):
            told = self._stats()
        elif "fails" in path:
            stack = f"at x\nCaused by: java.lang.Exception: {says()}\n"
            told = {"message": says(), "severity": says(), "cause": says(), "causeStackTrace": stack}
            told = {"loadType": "error", "data": told}
        elif path.startswith("/v4/loadtracks"):
            tracks = [self._track() for _ in range(3)]
            told = {"loadType": "playlist", "data": {"info": {"name": says(), "selectedTrack": 0},
                    "pluginInfo": {says(): says()}, "tracks": tracks}}  # fmt: skip
        elif path.startswith("/v4/decodetrack"):
            told = self._track() if path.startswith("/v4/decodetrack?") else [self._track(), self._track()]
        elif "/players" in path:
            voice = {"token": says(), "endpoint": says(), "sessionId": says()}
            player = {"guildId": says(), "track": self._track(), "volume": 100, "paused": False, "voice": voice,
                      "state": {"time": 1, "position": 2, "connected": True, "ping": 3}, "filters": {says(): says()},
                      says(): says()}  # fmt: skip
            told = player if path.partition("/players")[2] else [player, {**player, "guildId": "5"}]
        elif path.startswith("/v4/routeplanner/status"):
            block = {"type": says(), "size": says()}
            failing = [{"failingAddress": says(), "failingTimestamp": 1, "failingTime": says()}]
            told = {"class": says(), "details": {"ipBlock": block, "failingAddresses": failing, "ipIndex": says()}}
        return self._answer("200 OK", told)

    async def _websocket(self, key: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\nLavalink-Api-Version: 4\r\n\r\n"
        )
        says = self.echo
        self._send(writer, {"op": "ready", "resumed": False, "sessionId": says()})
        self._send(writer, {"op": "stats", **self._stats()})
        ending = asyncio.get_running_loop().create_task(self._talk(writer))
        try:
            while True:
                opcode, size = struct.unpack("BB", await reader.readexactly(2))
                length = size & 0x7F
                if length == 126:
                    (length,) = struct.unpack(">H", await reader.readexactly(2))
                mask = await reader.readexactly(4)
                data = bytes(
                    a ^ b for a, b in zip(await reader.readexactly(length), itertools.cycle(mask), strict=False)
                )
                if opcode & 0x0F == 9:
                    writer.write(struct.pack("BB", 0x8A, len(data)) + data)
                if opcode & 0x0F == 8:
                    return
        finally:
            ending.cancel()

    async def _talk(self, writer: asyncio.StreamWriter) -> None:
        says = self.echo
        while True:
            await asyncio.sleep(0.2)
            exception = {"message": says(), "severity": says(), "cause": says()}
            for kind, more in (
                ("TrackStartEvent", {}), ("TrackEndEvent", {"reason": says()}), (says(), {says(): says()}),
                ("TrackExceptionEvent", {"exception": exception}), ("TrackStuckEvent", {"thresholdMs": 1}),
                ("WebSocketClosedEvent", {"code": 4006, "reason": says(), "byRemote": True}),
            ):  # fmt: skip
                event = {"op": "event", "type": kind, "guildId": says(), "track": self._track(), **more}
                self._send(writer, event)
            self._send(writer, {"op": says(), says(): says()})
            self._send(writer, {"op": "playerUpdate", "guildId": says(), "state": {"time": says()}})
            if self.manner == "closes":
                reason = says().encode()[:120]
                writer.write(struct.pack(">BBH", 0x88, len(reason) + 2, 4000) + reason)
                return

    @staticmethod
    def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        size = struct.pack("B", len(data)) if len(data) < 126 else struct.pack(">BH", 126, len(data))
        writer.write(b"\x81" + size + data)


class EchoingRedis(_Served):
    """A Redis server that echoes user and password.

    Attributes:
        manner: ``lively`` answers, with echoes in all entries; ``errors`` refuses everything but to say hello.
    """

    def __init__(self, manner: str = "lively") -> None:
        super().__init__()
        self.manner = manner

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            words = []
            for _ in range(int(line[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2].decode())
            name = words[0].upper()
            if name in ("HELLO", "AUTH"):
                self.echo.hear(*words[-2:])
            writer.write(self._told(name, words))
            await writer.drain()

    def _told(self, name: str, words: list[str]) -> bytes:
        says = self.echo
        if name == "HELLO" or (self.manner == "errors" and name not in ("AUTH", "SELECT", "CLIENT")):
            args = " ".join(words[1:]) if name == "HELLO" else ""
            return b"-" + re.sub(r"\s+", " ", f"ERR unknown command {name} {args} {says()}").encode() + b"\r\n"
        title = says()
        info = {"identifier": says(), "isSeekable": True, "author": says(), "length": 1000, "isStream": False,
                "position": 0, "title": title, "uri": says(), "sourceName": says(), "artworkUrl": None,
                "isrc": says()}  # fmt: skip
        track = {"encoded": "QAAA", "info": info, "pluginInfo": {}, "userData": {says(): says()}}
        head = json.dumps({"kind": "search", "tracks": 1, "stored_at": 1.0, "expires_at": 9e9})
        entry = f"{head}\n{json.dumps({'loadType': 'search', 'data': [track]})}"
        match name:
            case "GET" | "GETRANGE":
                return _bulk(entry)
            case "SCAN":
                keys = [f"revvlink:1:entry:{quote(says(), safe='')}:{says()}", "revvlink:1:entry::ytsearch:x"]
                return b"*2\r\n" + _bulk("0") + b"*2\r\n" + b"".join(map(_bulk, keys))
            case "STRLEN" | "UNLINK" | "HINCRBY" | "OBJECT":
                return b":200\r\n"
            case "HGETALL":
                return b"*2\r\n" + _bulk(says()) + _bulk(says())
            case "INFO":
                policy = re.sub(r"\s+", " ", says())
                return _bulk(f"# Memory\r\nmaxmemory_policy:{policy}\r\nevicted_keys:0\r\n")
        return b"+OK\r\n"


def _bulk(text: str) -> bytes:
    data = text.encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)
