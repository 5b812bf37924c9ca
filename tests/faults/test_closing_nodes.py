"""Closing one node: its players move first, and nothing is stranded, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from revvlink_cli import NodeStatus
from revvlink_cli.client.events import NodeClosed, NodeDrained, PlayerLost, PlayerMoved
from tests.faults.watched_fleet import fleet, guild, placed, profiles, run, voice

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from revvlink_cli import Node, Pool
    from revvlink_cli.client.routing.failover import DrainReport
    from tests.faults.watched_fleet import Watched


def on(watched: Watched, name: str) -> int:
    """How many players the pool counts on a node."""
    node = watched.pool.fleet().members
    return sum(len(member.players) for member in node if member.identifier == name)


def test_players_move_first() -> None:
    """Called on its own, `close` moves all players with their tracks, then closes; the node may come back."""

    async def work() -> None:
        async with fleet(*profiles("a", "b")) as watched:
            await placed(watched, 12, playing=True)
            node = watched.pool.nodes["a"]
            mine = len(node.players)
            await node.close()

            assert (node.status, node.players, on(watched, "b")) == (NodeStatus.DISCONNECTED, {}, 12)
            assert (await watched.on_servers())["b"] == {guild(number) for number in range(12)}
            assert watched.simulator["a"].open_sockets == 0
            assert len(watched.moves()) == mine
            assert (len(watched.told(NodeDrained)), len(watched.told(NodeClosed))) == (1, 1)
            assert all(there.track for there in watched.pool.nodes["b"].session_players.values())

            await watched.pool.reconnect()
            assert not node.is_cordoned
            await watched.pool.drain(watched.pool.nodes["b"])
            await watched.until_settled(12)
            assert on(watched, "a") == 12

    run(work)


def test_no_other_node() -> None:
    """It does not wait: players that none takes are reported, have no node, and go on with their next voice update."""

    async def work() -> None:
        async with fleet(*profiles("a", "b")) as watched:
            await watched.pool.nodes["b"].close(eject=True)
            await placed(watched, 3, playing=True)
            async with asyncio.timeout(5):
                await watched.pool.nodes["a"].close()
            players = [watched.pool.get_player(guild(number)) for number in range(3)]
            assert [player.node for player in players if player is not None] == [None] * 3
            assert {told.guild_id for told in watched.told(PlayerLost)} == {guild(number) for number in range(3)}

            await watched.pool.reconnect()
            for number, player in enumerate(players):
                assert player is not None
                await player.update_voice(**voice(number))
                assert player.track is not None
            await watched.until_settled(3)

    run(work)


def test_a_node_that_is_lost() -> None:
    """Closed while its players wait for it to come back, they move at once."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), resume_timeout=60) as watched:
            await placed(watched, 6, playing=True)
            node = watched.pool.nodes["a"]
            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until(lambda: node.status is not NodeStatus.CONNECTED)
            async with asyncio.timeout(10):
                await node.close()
            assert on(watched, "b") == 6
            await watched.until_settled(6)
            assert not node.is_supervised

    run(work)


def test_the_last_node_when_it_is_lost() -> None:
    """Nor does it wait for another node when there is none and the only one is gone."""

    async def work() -> None:
        async with fleet(*profiles("a"), resume_timeout=0) as watched:
            await placed(watched, 2)
            node = watched.pool.nodes["a"]
            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until(lambda: node.status is not NodeStatus.CONNECTED)
            await asyncio.sleep(0.3)  # its players wait for a node, two minutes at most
            async with asyncio.timeout(10):
                await node.close()
            assert node.players == {}
            await asyncio.to_thread(watched.simulator["a"].start)

    run(work)


def test_closing_while_its_players_move() -> None:
    """Closed while the players of the lost node move, each moves once; the requests under way complete."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), resume_timeout=0) as watched:
            await placed(watched, 300)
            await asyncio.to_thread(watched.simulator["b"].set_delay, 0.2)
            node = watched.pool.nodes["a"]
            mine = len(node.players)
            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until(watched.moves)
            assert 0 < len(watched.moves()) < mine
            await node.close()
            await watched.until_settled(300)
            moved = [told.guild_id for told in watched.moves()]
            assert (len(moved), len(set(moved))) == (mine, mine)
            assert not watched.told(PlayerLost)

    run(work)


def test_draining_while_a_player_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drain that takes over when a player was given up reports it as not moved, and the player keeps its node."""
    monkeypatch.setattr("revvlink_cli.client.routing.placement.PLACEMENT_LIMIT", 0.5)

    async def work() -> None:
        async with fleet(*profiles("a"), resume_timeout=0) as watched:
            await placed(watched, 1)
            node, player = watched.pool.nodes["a"], watched.pool.get_player(guild(0))
            assert player is not None

            async def drain() -> asyncio.Task[DrainReport]:
                async with player.turn:  # the failover has given the player up, and waits for this turn
                    draining = asyncio.create_task(watched.pool.drain(node))
                    await asyncio.sleep(0.1)
                return draining

            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until_status("a", NodeStatus.DISCONNECTED)
            await asyncio.sleep(0.1)  # the failover waits for a node
            async with player.turn:
                await asyncio.sleep(1.0)  # its time is over, and it waits for this turn
                begun = asyncio.create_task(drain())
                await asyncio.sleep(0)
            report = await (await begun)
            assert (report.moved, set(report.failed)) == ({}, {guild(0)})
            assert player.node is node

    run(work)


def test_closing_while_it_drains() -> None:
    """Each player moves once, whether a drain, a removal or another close is under way."""

    async def work() -> None:
        ways: list[Callable[[type[Pool], Node], Coroutine[None, None, object]]] = [
            lambda pool, node: pool.drain(node), lambda _, node: node.close(),
            lambda pool, node: pool.remove_node(node), lambda _, node: node.close(eject=True),
        ]  # fmt: skip
        for more in ways:
            async with fleet(*profiles("a", "b")) as watched:
                await placed(watched, 40)
                node = watched.pool.nodes["a"]
                async with asyncio.TaskGroup() as group:
                    group.create_task(more(watched.pool, node))
                    await asyncio.sleep(0)
                    group.create_task(node.close())
                assert (node.status, on(watched, "a"), on(watched, "b")) == (NodeStatus.DISCONNECTED, 0, 40)
                moved = [told.guild_id for told in watched.moves()]
                assert len(moved) == len(set(moved))
                assert len((await watched.on_servers())["b"]) == 40

    run(work)


def test_closed_twice() -> None:
    """A second call, at once or later, does nothing; with `eject` the node leaves all the same."""

    async def work() -> None:
        async with fleet(*profiles("a", "b")) as watched:
            await placed(watched, 4)
            node = watched.pool.nodes["a"]
            await asyncio.gather(node.close(), node.close())
            await node.close()
            assert len(watched.told(NodeClosed)) == 1
            await node.close(eject=True)
            assert list(watched.pool.nodes) == ["b"]
            await node.close(eject=True)
            await watched.until_settled(4)

    run(work)


def test_cancelled() -> None:
    """Cancelled while players move, the node stays connected with those that have not, and takes new ones."""

    async def work() -> None:
        async with fleet(*profiles("a", "b", answer_delay=0.05)) as watched:
            await placed(watched, 60)
            node = watched.pool.nodes["a"]
            closing = asyncio.create_task(node.close())
            await watched.until(lambda: len(watched.moves()) > 3)
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            assert (node.status, node.is_cordoned) == (NodeStatus.CONNECTED, False)
            assert on(watched, "a") > 0
            await watched.until_settled(60)
            await node.close()
            await watched.until_settled(60)
            assert on(watched, "b") == 60

    run(work)


def test_a_pool_that_closes_meanwhile() -> None:
    """`Pool.close` ends a close that still moves players: none of them outlives it."""

    async def work() -> None:
        async with fleet(*profiles("a", "b", answer_delay=0.05)) as watched:
            await placed(watched, 60)
            player = watched.pool.get_player(guild(1))
            closing = asyncio.create_task(watched.pool.nodes["a"].close())
            await watched.until(watched.moves)
            async with asyncio.timeout(5):
                await watched.pool.close()
                await closing
            assert player is not None
            assert player.node is None
            # A server sees the end of a connection a moment after its client.
            await watched.until(lambda: sum(simulated.open_sockets for simulated in watched.simulator) == 0)

    run(work)


def test_a_node_without_a_pool() -> None:
    """Closing what never was in a pool, or has left it, is not an error."""

    async def work() -> None:
        async with fleet(*profiles("a", "b")) as watched:
            node = watched.pool.nodes["a"]
            await watched.pool.remove_node(node)
            await node.close()
            await node.close(eject=True)
            assert watched.told(PlayerMoved) == []

    run(work)


def test_removed_twice() -> None:
    """A second removal does no harm; once the node has left, it is neither cordoned nor reported again."""

    async def work() -> None:
        async with fleet(*profiles("a", "b")) as watched:
            await placed(watched, 4)
            node = watched.pool.nodes["a"]
            await asyncio.gather(watched.pool.remove_node(node), watched.pool.remove_node(node))
            assert not node.is_cordoned
            await watched.until(lambda: watched.told(NodeClosed))
            drains = len(watched.told(NodeDrained))
            report = await watched.pool.remove_node(node)
            assert (report.moved, report.failed) == ({}, {})
            await asyncio.sleep(0.1)
            assert len(watched.told(NodeDrained)) == drains
            assert not node.is_cordoned
            await watched.until_settled(4)

    run(work)
