"""Servers that lie, or break off: one socket at any moment, attempts that back off, nothing left after closing."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import Node, NodeException, NodeStatus, Pool
from revvlink_cli.client.errors import Code, RevvlinkException
from revvlink_cli.client.events import NodeLost, NodeReady
from revvlink_cli.simulator.music import TRACKS
from tests.faults.watched_fleet import run
from tests.fidelity.read_recordings import LAVALINK, NODELINK
from tests.fidelity.replay_server import PASSWORD, Request, read_request, response, serving
from tests.fidelity.scripted_node import Listening
from tests.fidelity.websocket_frames import BINARY, CLOSE, TEXT, frame, switching

if TYPE_CHECKING:
    from revvlink_cli.client.events import PoolEvent

READY = b'{"op":"ready","resumed":false,"sessionId":"a"}'
NODELINK_STATS = (
    b'{"op":"stats","players":1,"playingPlayers":1,"uptime":5,"memory":{"free":1,"used":2,"allocated":3,'
    b'"reservable":4},"cpu":{"cores":8,"systemLoad":3.2,"nodelinkLoad":0.1},"frameStats":{"sent":1,"nulled":2,'
    b'"deficit":-3010,"expected":3000},"eventLoop":{"p99":1}}'
)
GARBAGE = (
    frame(TEXT, b"not json"),
    frame(TEXT, b""),
    frame(TEXT, b"[]"),
    frame(TEXT, b'"text"'),
    frame(TEXT, b"{}"),
    frame(TEXT, b'{"op":7}'),
    frame(TEXT, b'{"op":"stats","cpu":"high","memory":[],"players":-1}'),
    frame(TEXT, b'{"op":"event","type":"TrackEndEvent","guildId":{}}'),
    frame(TEXT, b'{"op":"playerUpdate","guildId":"1","state":{"position":"x"}}'),
    frame(TEXT, b'{"op":"ready","sessionId":""}'),
    frame(TEXT, b'{"op":"somethingNew","a":' + b"[" * 90 + b"]" * 90 + b"}"),
    frame(BINARY, b"\x00\xff"),
    frame(TEXT, NODELINK_STATS),
)


class Liar:
    """A server that does to every websocket what a test wants; it counts them."""

    def __init__(self, script: Any, *, server: str = LAVALINK, patches: bytes | None = None) -> None:
        self._script = script
        self._listening = Listening(server)
        self._patches = patches
        self.began: list[float] = []
        self.open = 0
        self.most = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while (request := await read_request(reader)) is not None:
            if request.path == "/v4/websocket":
                await self._websocket(request, reader, writer)
                return
            if request.method == "PATCH" and self._patches is not None:
                writer.write(self._patches)
            else:
                await self._listening.answer(request, reader, writer)

    async def _websocket(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.began.append(asyncio.get_running_loop().time())
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
            writer.write(switching(request.headers["sec-websocket-key"], upgrade))
            await self._script(reader, writer)
        finally:
            self.open -= 1


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Never ready."""
    await reader.read()


async def ready(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ready, and nothing else ever."""
    writer.write(frame(TEXT, READY))
    await reader.read()


async def drops(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ready, and gone a tenth of a second later."""
    writer.write(frame(TEXT, READY))
    await asyncio.sleep(0.1)


async def aborts(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Gone at once, without a word."""
    writer.transport.abort()


async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says goodbye, and does not go."""
    writer.write(frame(TEXT, READY) + frame(CLOSE, b"\x0f\xa0"))
    await reader.read()


async def raves(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Garbage before, between and after what is needed."""
    writer.write(b"".join(GARBAGE) + frame(TEXT, READY) + b"".join(GARBAGE * 20))
    await reader.read()


async def lied_to(script: Any) -> None:
    """Eight seconds with such a server: never two sockets, a dozen attempts at most, nothing after `close`."""

    class Fresh(Pool):
        """A pool of its own."""

    liar = Liar(script)
    async with serving(liar.handle) as uri:
        node = Node(identifier="n", uri=uri, password=PASSWORD, timeout=0.3, heartbeat=0.3, resume_timeout=5)
        connecting = asyncio.create_task(Fresh.connect(nodes=[node]))
        await asyncio.sleep(8)
        assert liar.most == 1, script
        assert 1 < len(liar.began) <= 12, (script, liar.began)
        await Fresh.close()
        await asyncio.wait([connecting])
        connecting.exception()
        before = len(liar.began)
        await asyncio.sleep(1)
        assert (len(liar.began), liar.open) == (before, 0), script
        assert node.status is NodeStatus.DISCONNECTED


def test_one_socket_and_attempts_that_back_off() -> None:
    """Servers that are never ready, only ready, drop, abort, or close and stay: see `lied_to`."""

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for script in (silent, ready, drops, aborts, closes):
                group.create_task(lied_to(script))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(work)


def test_never_ready_is_named() -> None:
    """A server that never says ready is a failure with that reason, at once when `retries` is 0."""

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        liar = Liar(silent)
        async with serving(liar.handle) as uri:
            node = Node(identifier="n", uri=uri, password=PASSWORD, timeout=0.5, retries=0)
            with pytest.raises(NodeException) as caught:
                await Fresh.connect(nodes=[node])
            assert caught.value.code is Code.NO_READY
            assert (len(liar.began), liar.most) == (1, 1)
            await Fresh.close()

    run(work)


@pytest.mark.parametrize("server", [LAVALINK, NODELINK])
def test_garbage_costs_nothing(server: str) -> None:
    """Messages that nobody could understand, and another server's statistics: the connection stands, and counts."""

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        happenings: list[PoolEvent] = []

        async def watch() -> None:
            async for happening in Fresh.events():
                happenings.append(happening)  # noqa: PERF401 - as they come, not when all have come

        watching = asyncio.create_task(watch())
        liar = Liar(raves, server=server)
        async with serving(liar.handle) as uri:
            node = Node(identifier="n", uri=uri, password=PASSWORD)
            await Fresh.connect(nodes=[node])
            await asyncio.sleep(1.0)
            assert (node.status, len(liar.began)) == (NodeStatus.CONNECTED, 1)
            assert node.snapshot().unparsed >= 8 * 21
            assert node.stats is not None
            assert node.penalty is not None
            assert 0 <= node.penalty.total < 1e6
            assert Fresh.get_node() is node
            await Fresh.close()
        await watching
        assert [type(told) for told in happenings if isinstance(told, NodeReady | NodeLost)] == [NodeReady]

    run(work)


@pytest.mark.parametrize("status", ["400 Bad Request", "403 Forbidden", "404 Not Found", "500 Internal Server Error"])
def test_refused_patches(status: str) -> None:
    """A server that refuses every PATCH stays connected by one socket; a player is told of the refusal, not lost."""

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        liar = Liar(ready, patches=response({}, status=status))
        async with serving(liar.handle) as uri:
            node = Node(identifier="n", uri=uri, password=PASSWORD)
            await Fresh.connect(nodes=[node])
            player = Fresh.create_player(1, node=node)
            with pytest.raises(RevvlinkException):
                await player.update_voice(token="t", endpoint="us-east1.discord.gg", session_id="s", channel_id=3)
            with pytest.raises(RevvlinkException):
                await player.set_volume(10)
            assert Fresh.get_player(1) is player
            assert player.node is node
            await asyncio.sleep(1.0)
            assert (node.status, len(liar.began)) == (NodeStatus.CONNECTED, 1)
            await Fresh.close()

    run(work)


@pytest.mark.parametrize("answer", [b"{}", b"", b'{"track":null,"state":{}}'])
def test_patches_that_are_answered_with_little(answer: bytes) -> None:
    """A server that takes a player and does not say which has taken it all the same, and is called odd."""

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        liar = Liar(ready, patches=response(answer))
        async with serving(liar.handle) as uri:
            node = Node(identifier="n", uri=uri, password=PASSWORD)
            await Fresh.connect(nodes=[node])
            player = Fresh.create_player(1)
            await player.update_voice(token="t", endpoint="us-east1.discord.gg", session_id="s", channel_id=3)
            assert player.node is node
            assert 1 in node.session_players
            assert "player guildId" in node.snapshot().unexpected_fields
            await Fresh.close()

    run(work)


def test_a_server_that_speaks_but_answers_no_ping() -> None:
    """Messages are as good as pongs: a server that sends some is alive."""

    async def talks(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(TEXT, READY))
        while True:
            writer.write(frame(TEXT, NODELINK_STATS))
            await writer.drain()
            await asyncio.sleep(0.05)

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        liar = Liar(talks)
        async with serving(liar.handle) as uri:
            node = Node(identifier="n", uri=uri, password=PASSWORD, heartbeat=0.3)
            await Fresh.connect(nodes=[node])
            await asyncio.sleep(2.0)
            assert (node.status, len(liar.began)) == (NodeStatus.CONNECTED, 1)
            await Fresh.close()

    run(work)


def test_a_position_from_before_the_start() -> None:
    """A Lavalink says 0 of a track that has yet to begin in the middle: a player that moves on again goes on there."""
    patched: list[dict[str, Any]] = []
    state = {"time": 1, "position": 0, "connected": True, "ping": 1}

    class Server(Liar):
        """Keeps what players are told, and is always about to begin."""

        async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """One connection."""
            while (request := await read_request(reader)) is not None:
                if request.path == "/v4/websocket":
                    self.writer = writer
                    await self._websocket(request, reader, writer)
                    return
                if request.method == "PATCH" and "/players/" in request.path:
                    patched.append(json.loads(request.body))
                    told = {"guildId": "1", "track": TRACKS[22].to_payload(), "volume": 100, "paused": False}
                    writer.write(response(told | {"state": state, "voice": {}, "filters": {}}))
                    update = {"op": "playerUpdate", "guildId": "1", "state": state}
                    self.writer.write(frame(TEXT, json.dumps(update).encode()))
                else:
                    await self._listening.answer(request, reader, writer)

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        async with serving(Server(ready).handle) as first, serving(Server(ready).handle) as second:
            a, b = (Node(identifier=uri, uri=uri, password=PASSWORD) for uri in (first, second))
            await Fresh.connect(nodes=[a, b])
            player = Fresh.create_player(1, node=a)
            await player.play(TRACKS[22], position=60_000)
            for node in (b, a, b):
                await player.switch_node(node)
                await asyncio.sleep(0.1)
                assert 60_000 <= player.position < 65_000
            await Fresh.close()
        assert [told["position"] // 10_000 for told in patched] == [6] * 4

    run(work)


@pytest.mark.parametrize("reason", ["loadFailed", "finished"])
def test_a_track_that_cannot_begin_in_the_middle(reason: str) -> None:
    """A decoder that fails there ends the track at once, by either reason: it is played from its beginning, once."""
    patched: list[dict[str, Any]] = []

    class Server(Liar):
        """Keeps what players are told, and ends their tracks."""

        async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """One connection."""
            while (request := await read_request(reader)) is not None:
                if request.path == "/v4/websocket":
                    self.writer = writer
                    await self._websocket(request, reader, writer)
                    return
                if "/players/" in request.path:
                    patched.append(json.loads(request.body))
                    state = {"time": 1, "position": 0, "connected": True, "ping": 1}
                    track = TRACKS[22].to_payload()
                    player = {"guildId": "1", "track": track, "volume": 100, "paused": False, "state": state}
                    writer.write(response(player | {"voice": {}, "filters": {}}))
                    end = {"op": "event", "type": "TrackEndEvent", "guildId": "1", "track": track, "reason": reason}
                    self.writer.write(frame(TEXT, json.dumps(end).encode()))
                else:
                    await self._listening.answer(request, reader, writer)

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        server = Server(ready)
        async with serving(server.handle) as uri:
            node = Node(identifier="n", uri=uri, password=PASSWORD)
            await Fresh.connect(nodes=[node])
            player = Fresh.create_player(1, node=node)
            await player.play(TRACKS[22], position=60_000)
            async with asyncio.timeout(5):
                while player.track is not None:
                    await asyncio.sleep(0.01)
            await Fresh.close()
        assert [told.get("position", 0) for told in patched] == [60_000, 0]

    run(work)
