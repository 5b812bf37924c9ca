"""Answers and messages that are too large, too deep, compressed or no text: a reason each, and no memory for them."""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import NodeStatus, Pool
from revvlink_cli.client.connection.transport import Transport
from revvlink_cli.client.errors import Code, NodeException, RevvlinkException
from tests.fidelity.read_recordings import LAVALINK, exchanges
from tests.fidelity.replay_server import answering, read_request, response, rest, serving
from tests.fidelity.scripted_node import Listening, node_for
from tests.fidelity.websocket_frames import BINARY, TEXT, frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MIB = 2**20
GOOD = response({"loadType": "empty", "data": {}})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def deep(levels: int) -> bytes:
    """A list in a list in a list."""
    return b"[" * levels + b"]" * levels


def track_with(plugin_info: bytes) -> bytes:
    """A load whose track has this ``pluginInfo``."""
    return (
        b'{"loadType":"track","data":{"encoded":"QAAA","info":{"title":"t"},"pluginInfo":{"a":' + plugin_info + b"}}}"
    )


class Sender:
    """A server whose first answer is the bad one, piece by piece, and whose others are good."""

    def __init__(self, head: bytes, piece: bytes, count: int) -> None:
        self._bad = (head, piece, count)
        self.connections = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        is_first = self.connections == 1
        while await read_request(reader) is not None:
            if not is_first:
                writer.write(GOOD)
                continue
            is_first = False
            head, piece, count = self._bad
            writer.write(head)
            for _ in range(count):
                writer.write(piece)
                await writer.drain()


def peak_of(work: Callable[[], Awaitable[Any]]) -> tuple[Any, int]:
    """What `work` gives, and the bytes of memory it took at most."""

    async def measured() -> tuple[Any, int]:
        tracemalloc.start()
        try:
            value = await work()
            return value, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return asyncio.run(measured())


BOMB = gzip.compress(bytes(256 * MIB), 9)


@pytest.mark.parametrize(
    ("head", "piece", "count", "code"),
    [
        (HEAD + b"Content-Length: %d\r\n\r\n" % (256 * MIB), b" " * 65536, 4096, Code.TOO_LARGE),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n", 4096, Code.TOO_LARGE),
        (HEAD + b"Connection: close\r\n\r\n", b" " * 65536, 4096, Code.TOO_LARGE),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB), BOMB, 1, Code.BAD_ANSWER),
        (HEAD + b"Content-Encoding: deflate, gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB), BOMB, 1, Code.BAD_ANSWER),
        (HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 7000) for n in range(500)), b"", 1, Code.TOO_LARGE),
        (HEAD.replace(b"OK", b"O" * 100_000), b"", 1, Code.TOO_LARGE),
    ],
    ids=["announced", "chunked", "until it ends", "gzip", "twice compressed", "headers", "status line"],
)  # fmt: skip
def test_a_flood(head: bytes, piece: bytes, count: int, code: Code) -> None:
    """It is refused with its reason before it fills the memory, and the node serves the next request."""
    sender = Sender(head, piece, count)

    async def work() -> NodeException:
        async with serving(sender.handle) as uri:
            transport = Transport()
            try:
                node = rest(uri, transport)
                with pytest.raises(NodeException) as caught:
                    await node.load("first")
                assert await node.load("second") == []
            finally:
                await transport.close()
        return caught.value

    error, peak = peak_of(work)
    assert error.code is code
    assert error.hint
    assert sender.connections == 2
    assert peak < 64 * MIB


@pytest.mark.parametrize(
    ("call", "status", "taken"),
    [
        ("info", "200 OK", False),
        ("stats", "200 OK", False),
        ("version", "200 OK", False),
        ("route_planner", "200 OK", False),
        ("session", "200 OK", False),
        ("load", "500 Internal Server Error", False),
        ("load", "200 OK", True),
        ("players", "200 OK", True),
    ],
)
def test_only_tracks_and_players_may_be_large(call: str, status: str, taken: bool) -> None:
    """An answer of two MiB is refused with its reason unless it is one that can be so large."""
    blank = b" " * (2 * MIB)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            body = b"[]" if "players" in request.path else b'{"loadType":"empty","data":{}}'
            writer.write(response(blank + body, status=status))

    async def work() -> None:
        async with serving(handle) as uri:
            transport = Transport()
            try:
                node = rest(uri, transport)
                calls: dict[str, Callable[[], Awaitable[Any]]] = {
                    "info": node.info,
                    "stats": node.stats,
                    "version": node.version,
                    "route_planner": node.route_planner,
                    "session": lambda: node.update_session("s", resuming=True),
                    "load": lambda: node.load("x"),
                    "players": lambda: node.players("s"),
                }
                if taken:
                    assert await calls[call]() == []
                    return
                with pytest.raises(NodeException) as caught:
                    await calls[call]()
                assert caught.value.code is Code.TOO_LARGE
            finally:
                await transport.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (deep(1000), "nested too deep"),
        (deep(100_000), "nested too deep"),
        (b'{"loadType":"search","data":' + deep(1000) + b"}", "nested too deep"),
        (track_with(deep(1000)), "nested"),
        (b'{"loadType":"track","data":{"encoded":"\\ud83c","info":{}}}', "lone surrogate"),
        ('{"loadType":"empty","data":"Röyksopp"}'.encode("latin-1"), "not UTF-8"),
        ('{"loadType":"empty","data":{}}'.encode("utf-16"), "not"),
        (b"\xef\xbb\xbf" + b'{"loadType":"empty","data":{}}', "not JSON"),
        (b'{"loadType":"empty","data":{}} trailing', "not JSON"),
        (b"", "empty"),
        (b"\x00" * 100, "not JSON"),
        (b'{"loadType":"empty","loadType":5,"data":{}}', "load type 5"),
        (b'{"loadType":"track","data":1' + b"0" * 5000 + b"}", "not JSON|number|no object"),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else value,
)  # fmt: skip
def test_json_that_is_none(body: bytes, reason: str) -> None:
    """The reason names what is wrong with the answer, and the connection is kept."""
    connections = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while (request := await read_request(reader)) is not None:
            writer.write(GOOD if request.path.endswith("second") else response(body))

    async def work() -> None:
        async with serving(handle) as uri:
            transport = Transport()
            try:
                node = rest(uri, transport)
                with pytest.raises(NodeException, match=reason) as caught:
                    await node.load("first")
                assert caught.value.code is Code.BAD_ANSWER
                assert len(str(caught.value)) < 300
                assert await node.load("second") == []
            finally:
                await transport.close()

    asyncio.run(work())
    assert connections == 1


@pytest.mark.parametrize("levels", [10, 50, 100, 300, 500, 900])
def test_a_deep_field(levels: int) -> None:
    """What plugins nest is taken, and told again, up to a depth that is the same everywhere; beyond, it is refused."""

    async def work() -> None:
        async with answering(lambda _: response(track_with(deep(levels)))) as node:
            if levels > 64:
                with pytest.raises(NodeException, match="nested"):
                    await node.load("x")
                return
            (track,) = await node.load("x")
            assert json.loads(json.dumps(track.to_payload()))["pluginInfo"]["a"]
            assert copy.deepcopy(track) == track
            assert repr(track)

    asyncio.run(work())


@pytest.mark.parametrize("path", ["/v4/info", "/v4/stats", "/v4/decodetrack", "/v4/routeplanner/status"])
@pytest.mark.parametrize("body", [deep(1000), b'"\\udc00"', b"\xff", b"1" + b"0" * 400, b"null", b"5", b'"text"'])
def test_elsewhere(path: str, body: bytes) -> None:
    """Every call has the same reasons."""

    async def work() -> None:
        exchange = next(entry for entry in exchanges(LAVALINK, "rest") if entry.name == "info")
        headers = {"Lavalink-Api-Version": "4", "Content-Type": "application/json"}
        assert exchange.headers["Lavalink-Api-Version"] == "4"
        async with answering(lambda _: response(body, headers=headers)) as node:
            calls: dict[str, Callable[[], Awaitable[Any]]] = {
                "/v4/info": node.info,
                "/v4/stats": node.stats,
                "/v4/decodetrack": lambda: node.decode_tracks(["QAAA"]),
                "/v4/routeplanner/status": node.route_planner,
            }
            came_to: str
            try:
                await calls[path]()
                came_to = "a value"
            except RevvlinkException as error:
                came_to = str(error.code)
            # a route planner's status has no field that must be there
            assert came_to == Code.BAD_ANSWER or (path == "/v4/routeplanner/status" and came_to == "a value")

    asyncio.run(work())


STATS = b'{"op":"stats","players":%s,"playingPlayers":1,"uptime":1}'


def test_messages_that_are_none() -> None:
    """Deep, huge, broken and binary messages are counted with the node, which stays connected."""
    bad = [
        deep(1000),
        b'{"op":"event","type":"TrackEndEvent","guildId":"1","track":' + deep(1000) + b"}",
        b'{"op":"event","type":"\\ud800","guildId":"1"}',
        b"not JSON",
        b"",
        b"5",
        b"{}",
        b'{"op":5}',
        b"[" * (3 * MIB),
        b" " * (3 * MIB),
    ]

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        script = Listening(LAVALINK)
        async with serving(script.handle) as uri:
            node = node_for(uri)
            try:
                await Fresh.connect(nodes=[node])
                await script.tell(*bad)
                await script.tell_frames(frame(BINARY, b"\x00\x01"))
                assert node.snapshot().unparsed == len(bad) + 1
                await script.tell(STATS % str(2**64).encode())
                snapshot = node.snapshot()
                assert snapshot.unexpected_fields == ("stats players",)
                assert snapshot.timed_stats is not None
                assert (snapshot.timed_stats.stats.players, snapshot.timed_stats.stats.playing) == (None, 1)
                await script.tell(*(b'{"op":"event","type":"Made%dUp","guildId":"1"}' % n for n in range(2000)))
                assert sum(node.snapshot().unknown.values()) == 2000
                assert len(node.snapshot().unknown) < 100
                assert node.status is NodeStatus.CONNECTED
            finally:
                await Fresh.close()
        assert script.handshakes == 1

    asyncio.run(work())


def part(opcode: int, payload: bytes, *, final: bool = False) -> bytes:
    """A frame of a message in several."""
    whole = bytearray(frame(opcode, payload))
    if not final:
        whole[0] &= 0x7F
    return bytes(whole)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame(TEXT, b" " * (5 * MIB))], Code.TOO_LARGE),
        ([part(TEXT, b" " * MIB), *[part(0, b" " * MIB)] * 8], Code.TOO_LARGE),
        ([b"\x81\x7f" + (2**62).to_bytes(8, "big") + b" " * 65536], Code.TOO_LARGE),
        ([frame(TEXT, b"\xff\xfe")], Code.BAD_ANSWER),
        ([b"\xc1\x05hello"], Code.BAD_ANSWER),
        ([b"\x83\x00"], Code.BAD_ANSWER),
        ([b"\x80\x00"], Code.BAD_ANSWER),
        ([b"\x09\x00"], Code.BAD_ANSWER),
        ([b"\x88\x01x"], Code.BAD_ANSWER),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], Code.BAD_ANSWER),
    ],
    ids=[
        "one large", "large in parts", "announced", "not UTF-8", "compressed", "no such opcode", "part of nothing",
        "ping in parts", "short close", "HTTP",
    ],
)  # fmt: skip
def test_frames_that_break_the_protocol(frames: list[bytes], code: Code) -> None:
    """The connection ends with its reason, once, the memory flat; one more is made, which works."""

    async def work() -> tuple[Code, int]:
        class Fresh(Pool):
            """A pool of its own."""

        script = Listening(LAVALINK)
        async with serving(script.handle) as uri:
            node = node_for(uri)
            try:
                await Fresh.connect(nodes=[node])
                assert script.writer is not None
                for data in frames:
                    script.writer.write(data)
                async with asyncio.timeout(10):
                    while node.status is NodeStatus.CONNECTED:
                        await asyncio.sleep(0.001)
                    error = node.snapshot().error
                    assert error is not None
                    await Fresh.reconnect()
                    await script.tell(STATS % b"3")
                return error.code, script.handshakes
            finally:
                await Fresh.close()

    (ended, handshakes), peak = peak_of(work)
    assert ended is code
    assert handshakes == 2
    assert peak < 64 * MIB
