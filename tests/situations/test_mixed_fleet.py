"""A fleet of two Lavalinks and a NodeLink, as the pool and the command line see it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import LavalinkLoadException, Node, NodeStatus, Pool
from revvlink_cli.client.errors import Code
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.simulator import NodeProfile, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Ran

PASSWORD = "pw"
USER = 170000000000000001
GUILD = 817327181659111454
VOICE = {"token": "t", "endpoint": "voice.example:443", "sessionId": "s", "channelId": "300000000000000003"}


@pytest.fixture
def fleet() -> Iterator[Simulator]:
    """Two Lavalinks, one busier than the other, and a NodeLink busier than both."""
    profiles = [
        NodeProfile(identifier="calm", password=PASSWORD, region="us", players=5, playing=3, system_load=0.1),
        NodeProfile(identifier="busy", password=PASSWORD, region="eu", players=90, playing=80, system_load=0.4),
        NodeProfile.nodelink(
            identifier="link", password=PASSWORD, region="asia", players=99, playing=95, system_load=0.5
        ),
    ]
    with Simulator(profiles) as simulator:
        yield simulator


def nodes(simulator: Simulator, **settings: Any) -> list[Node]:
    """A node of the pool for each simulated one."""
    return [
        Node(identifier=node.profile.identifier, uri=node.uri, password=PASSWORD, user_id=USER,
             region=node.profile.region, **settings)
        for node in simulator
    ]  # fmt: skip


def test_the_pool(fleet: Simulator) -> None:
    """All connect over one socket each; the best is the least loaded, a region's node is the region's, loads work."""

    class Fresh(Pool):
        """A pool of its own."""

    async def work() -> None:
        try:
            await Fresh.connect(nodes=nodes(fleet))
            kinds = {name: node.snapshot().dialect for name, node in Fresh.nodes.items()}
            assert kinds == {"calm": Dialect.LAVALINK, "busy": Dialect.LAVALINK, "link": Dialect.NODELINK}
            async with asyncio.timeout(5):  # a NodeLink says nothing at first: it is asked
                while Fresh.nodes["link"].snapshot().timed_stats is None:
                    await asyncio.sleep(0.01)
            stats = Fresh.nodes["link"].stats
            assert stats is not None
            assert stats.system_load == 0.5  # told as a load average of four cores
            assert stats.server_load is None  # told as 0, which a single process does not measure
            assert stats.frames is None  # totals tell nothing before there are two
            assert Fresh.get_node().identifier == "calm"
            assert Fresh.get_node(region="asia").identifier == "link"

            found = await Fresh.fetch_tracks("local:one.wav", node=Fresh.nodes["link"])
            assert [track.title for track in found] == ["one.wav"]
            with pytest.raises(LavalinkLoadException) as caught:
                await Fresh.fetch_tracks("xxsearch:words", node=Fresh.nodes["link"])
            assert caught.value.code is Code.SOURCE_MISSING
            with pytest.raises(LavalinkLoadException, match="404"):
                await Fresh.fetch_tracks("http://127.0.0.1:1/missing/404", node=Fresh.nodes["link"])
            assert {node.open_sockets for node in fleet} == {1}
        finally:
            await Fresh.close()
        async with asyncio.timeout(5):
            while any(node.open_sockets for node in fleet):
                await asyncio.sleep(0.01)

    asyncio.run(work())


def test_lost_and_resumed(fleet: Simulator) -> None:
    """Both kinds take their session up again after a drop, and the players are known though a NodeLink stays silent."""

    class Fresh(Pool):
        """A pool of its own."""

    async def work() -> None:
        try:
            await Fresh.connect(nodes=nodes(fleet, resume_timeout=60))
            chosen = [Fresh.nodes["calm"], Fresh.nodes["link"]]
            sessions = [node.session_id for node in chosen]
            for node in chosen:
                await node.update_player(GUILD, {"voice": VOICE})
                await node.rest.update_session(node.session_id or "", resuming=True, timeout=60)
            for node in chosen:
                await asyncio.to_thread(fleet[node.identifier].drop)
            async with asyncio.timeout(20):
                while not all(node.snapshot().resumed and node.status is NodeStatus.CONNECTED for node in chosen):
                    await asyncio.sleep(0.01)
                while not all(
                    GUILD in node.session_players and node.session_players[GUILD].state.connected for node in chosen
                ):
                    await asyncio.sleep(0.01)
            assert [node.session_id for node in chosen] == sessions
            assert [fleet[node.identifier].open_sockets for node in chosen] == [1, 1]
            await chosen[1].update_player(GUILD, {"volume": 60})
            assert chosen[1].session_players[GUILD].volume == 60
        finally:
            await Fresh.close()

    asyncio.run(work())


def test_the_command_line(fleet: Simulator, cli: Callable[..., Ran], write_config: Callable[..., Path]) -> None:
    """Status and check show the three side by side, each as what it is."""
    path = write_config(
        *(
            {"identifier": node.profile.identifier, "uri": node.uri, "password": PASSWORD, "user_id": USER}
            for node in fleet
        )
    )

    ran = cli("nodes", "status", "--config", str(path), "-o", "json")
    assert ran.code == 0, ran.err
    rows = {row["node"]: row for row in ran.rows}
    assert {name: (row["server"], row["version"]) for name, row in rows.items()} == {
        "calm": ("Lavalink", "4.2.2"),
        "busy": ("Lavalink", "4.2.2"),
        "link": ("NodeLink", "3.7.0"),
    }
    assert {name: row["cpu_load_ratio"] for name, row in rows.items()} == {"calm": 0.1, "busy": 0.4, "link": 0.5}
    assert [row["unexpected_fields"] for row in rows.values()] == [[], [], []]

    ran = cli("check", "--config", str(path))
    assert (ran.code, ran.out.strip()) == (0, "OK: 3 of 3 nodes healthy")
