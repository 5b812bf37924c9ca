"""Players that really play, on genuine servers that are killed, frozen, and given voice servers that nobody runs."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import Node, NodeException, NodeStatus, Pool
from revvlink_cli.client.errors import Code
from revvlink_cli.client.feed import PlayerMoved
from tests.real.conftest import PASSWORD, Genuine, genuine_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from revvlink_cli.client.feed import Happening
    from revvlink_cli.client.player import Player

FIRST_GUILD = 817327181659110000

pytestmark = pytest.mark.skipif(
    not os.environ.get("REVVLINK_TEST_FAULTS"),
    reason="two genuine servers and players that play take a machine of their own: set REVVLINK_TEST_FAULTS=1",
)


@pytest.fixture
def servers(voice: tuple[int, Path], tmp_path: Path) -> Iterator[list[Genuine]]:
    """Two genuine servers that trust the stand-in for voice servers."""
    folder = genuine_folder()
    assert folder is not None
    started: list[Genuine] = []
    try:
        for name in ("a", "b"):
            place = tmp_path / name
            place.mkdir()
            started.append(Genuine(folder, place, "--voice", str(voice[1]), "lavalink.server.playerUpdateInterval=1"))
        yield started
    finally:
        for server in started:
            server.stop()


async def playing(pool: type[Pool], count: int, port: int, on: Node) -> list[Player]:
    """Players of a long track on one node."""
    (track,) = await pool.fetch_tracks("music/long.ogg", node=on)
    players = []
    for number in range(count):
        player = pool.create_player(FIRST_GUILD + number, node=on)
        await player.update_voice(
            token="t", endpoint=f"localhost:{port}", session_id=f"s{number}", channel_id=300000000000000003
        )
        await player.play(track)
        players.append(player)
    return players


async def until(condition: Any, seconds: float = 40.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


def test_frozen_and_killed(voice: tuple[int, Path], servers: list[Genuine]) -> None:
    """A short freeze costs nothing: the session is resumed. A kill moves all players, who go on where they were."""

    class Fresh(Pool):
        """A pool of its own."""

    happenings: list[Happening] = []

    async def watch() -> None:
        async for happening in Fresh.events():
            happenings.append(happening)  # noqa: PERF401 - as they come, not when all have come

    def moves() -> list[PlayerMoved]:
        return [told for told in happenings if isinstance(told, PlayerMoved) and told.origin is not None]

    async def work() -> None:
        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        nodes = [
            Node(identifier=name, uri=server.uri, password=PASSWORD, resume_timeout=20, heartbeat=1.0, timeout=3.0)
            for name, server in zip("ab", servers, strict=True)
        ]
        try:
            await Fresh.connect(nodes=nodes)
            players = await playing(Fresh, 6, voice[0], nodes[0])
            await until(lambda: all(player.position > 2000 for player in players))
            session = nodes[0].session_id

            await asyncio.to_thread(servers[0].freeze)
            await until(lambda: nodes[0].status is not NodeStatus.CONNECTED)
            await asyncio.to_thread(servers[0].thaw)
            await Fresh.reconnect()
            await until(lambda: nodes[0].status is NodeStatus.CONNECTED)
            assert nodes[0].session_id == session
            assert moves() == []
            await until(lambda: all(player.position > 4000 for player in players))

            await asyncio.to_thread(servers[0].kill)
            await until(lambda: len(moves()) == 6, 60.0)
            await until(lambda: all(player.position > 500 for player in players))  # Ogg cannot begin in the middle
            listed = {told.guild_id: told for told in await nodes[1].fetch_players()}
            assert sorted(listed) == sorted(player.guild_id for player in players)
            odd = [told for told in listed.values() if not told.state.connected or told.track is None]
            assert odd == []
            before = min(player.position for player in players)
            await until(lambda: min(player.position for player in players) > before + 1500, 60.0)
        finally:
            await Fresh.close()
            await watching

    asyncio.run(work())


def test_a_voice_server_that_nobody_runs(voice: tuple[int, Path], servers: list[Genuine]) -> None:
    """After forty players in turn were given it the genuine server still answers, and serves another player."""

    class Fresh(Pool):
        """A pool of its own."""

    async def work() -> None:
        node = Node(identifier="a", uri=servers[0].uri, password=PASSWORD, timeout=3.0)
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
