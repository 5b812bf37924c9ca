"""Players that really play, on three genuine servers: frozen, killed, restarted, given dead voice servers."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from revvlink_cli import Node, NodeException, NodeStatus, Pool
from revvlink_cli.client.errors import Code
from revvlink_cli.client.events import NodeEvent, PlayerMoved
from revvlink_cli.client.protocol.messages import VoiceClosed
from tests.real.conftest import PASSWORD, Genuine, genuine_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from revvlink_cli.client.events import PoolEvent
    from revvlink_cli.client.player import Player

pytestmark = pytest.mark.alone

log = logging.getLogger(__name__)

FIRST_GUILD = 817327181659110000
NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def servers(voice: tuple[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Genuine]]:
    """Three genuine servers that trust the stand-in for voice servers, started side by side."""
    folder = genuine_folder()
    assert folder is not None
    places = [tmp_path_factory.mktemp(name) for name in NAMES]
    options = ("--voice", str(voice[1]), "lavalink.server.playerUpdateInterval=1")
    started: list[Genuine] = []
    try:
        with ThreadPoolExecutor() as pool:
            started += pool.map(lambda place: Genuine(folder, place, *options), places)
        yield started
    finally:
        for server in started:
            server.stop()


def state(port: int, number: int) -> dict[str, Any]:
    """A voice state that leads to the stand-in."""
    return {"token": "t", "endpoint": f"localhost:{port}", "session_id": f"s{number}", "channel_id": 300000000000000003}


async def close_voice(port: int, guild: str, code: int) -> None:
    """Let the stand-in close a guild's voice connection."""
    async with aiohttp.ClientSession() as session:
        url = f"https://localhost:{port}/close?guild={guild}&code={code}"
        async with session.get(url, ssl=False) as response:
            assert response.status == 204


async def playing(pool: type[Pool], count: int, port: int, on: Node) -> list[Player]:
    """Players of a long track on one node."""
    (track,) = await pool.fetch_tracks("music/long.ogg", node=on)
    players = []
    for number in range(count):
        player = pool.create_player(FIRST_GUILD + number, node=on)
        await player.update_voice(**state(port, number))
        await player.play(track)
        players.append(player)
    return players


async def until_playing(nodes: list[Node], players: list[Player]) -> None:
    """Wait until the servers have these players, each once, connected and playing.

    The tracks begin anew: lavaplayer fails to begin Ogg in the middle, and takes a moment to say so.
    """
    async with asyncio.timeout(60):
        while True:
            listed = [told for node in nodes for told in await node.fetch_players()]
            assert sorted(told.guild_id for told in listed) == sorted(player.guild_id for player in players)
            if all(told.state.connected and told.track and told.state.position > 500 for told in listed):
                return
            await asyncio.sleep(0.5)


async def until(condition: Any, seconds: float = 40.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


def test_frozen_killed_and_restarted(voice: tuple[int, Path], servers: list[Genuine]) -> None:
    """Players that play live through all of it, each on one node.

    A short freeze costs nothing: the session is resumed. Discord closing a voice connection is told. A kill moves all
    players, spread, and they go on; the server that was killed, restarted, is a node again and takes new ones.
    """

    class Fresh(Pool):
        """A pool of its own."""

    happenings: list[PoolEvent] = []

    async def watch() -> None:
        async for happening in Fresh.events():
            happenings.append(happening)  # noqa: PERF401 - as they come, not when all have come

    def moves() -> list[PlayerMoved]:
        return [told for told in happenings if isinstance(told, PlayerMoved) and told.origin is not None]

    async def work() -> None:
        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        nodes = [
            Node(identifier=name, uri=server.uri, password=PASSWORD, resume_timeout=15, heartbeat=1.0, timeout=5.0)
            for name, server in zip(NAMES, servers, strict=True)
        ]
        try:
            await Fresh.connect(nodes=nodes)
            players = await playing(Fresh, 6, voice[0], nodes[0])
            await until(lambda: all(player.position > 1000 for player in players))
            session = nodes[0].session_id
            await asyncio.to_thread(servers[0].freeze)
            await until(lambda: nodes[0].status is not NodeStatus.CONNECTED)
            await asyncio.to_thread(servers[0].thaw)
            await Fresh.reconnect()
            await until(lambda: nodes[0].status is NodeStatus.CONNECTED)
            assert (nodes[0].session_id, moves()) == (session, [])
            before = max(player.position for player in players)
            await until(lambda: all(player.position > before for player in players))

            await close_voice(voice[0], str(players[0].guild_id), 4014)
            await until(lambda: any(isinstance(told, NodeEvent) and isinstance(told.event, VoiceClosed)
                                    and told.event.code == 4014 for told in happenings))  # fmt: skip
            await players[0].update_voice(**state(voice[0], 0))

            await asyncio.to_thread(servers[0].kill)
            await until(lambda: len(moves()) == 6, 90.0)
            assert Counter(told.target for told in moves()) == {"b": 3, "c": 3}
            await until_playing(nodes[1:], players)

            await asyncio.to_thread(servers[0].restart)
            await Fresh.reconnect()
            await until(lambda: nodes[0].snapshot().timed_stats is not None)  # unknown figures come last in the ranking
            newcomer = Fresh.create_player(FIRST_GUILD + 50)
            await newcomer.update_voice(**state(voice[0], 50))
            assert newcomer.node is nodes[0]
            assert len((await Fresh.drain(nodes[1])).moved) == 3
            assert await nodes[1].fetch_players() == []
            before = max(player.position for player in players)
            await until(lambda: all(player.position > before for player in players), 60.0)
        finally:
            log.warning("%s", happenings)  # shown when the test fails
            await Fresh.close()
            await watching
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())


def test_a_voice_server_that_nobody_runs(voice: tuple[int, Path], servers: list[Genuine]) -> None:
    """After forty players in turn were given it the genuine server still answers, and serves another player."""

    class Fresh(Pool):
        """A pool of its own."""

    async def work() -> None:
        node = Node(identifier="a", uri=servers[2].uri, password=PASSWORD, timeout=2.0)
        try:
            await Fresh.connect(nodes=[node])
            codes = []
            for number in range(40):
                hung = {"token": "t", "endpoint": "localhost:1", "sessionId": "s", "channelId": "3"}
                with pytest.raises(NodeException) as caught:
                    await node.update_player(str(FIRST_GUILD + number), {"voice": hung})
                codes.append(caught.value.code)
            assert codes[:2] == [Code.SILENT] * 2
            assert set(codes[2:]) == {Code.VOICE_UNREACHABLE}
            assert await node.fetch_version() == "4.2.2"
            other = Fresh.create_player(FIRST_GUILD + 100, node=node)
            state = {"token": "t", "session_id": "s", "channel_id": "3"}
            with pytest.raises(NodeException):
                await other.update_voice(endpoint="localhost:2", **state)
            await other.update_voice(endpoint=f"localhost:{voice[0]}", **state)
            (track,) = await Fresh.fetch_tracks("music/long.ogg", node=node)
            await other.play(track)
            await until(lambda: other.position > 500)
        finally:
            await Fresh.close()

    asyncio.run(work())
