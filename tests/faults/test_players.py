"""Players on a fleet that loses nodes: placed, spread, moved, resumed, drained; none lost and none doubled."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import InvalidNodeException, Node, NodeStatus, Pool
from revvlink_cli.client.events import NodeLost, NodeReady, PlayerLost, PlayerMoved
from revvlink_cli.client.protocol.tracks import Playable
from revvlink_cli.simulator import Clock, NodeProfile, Simulator
from revvlink_cli.simulator.music import TRACKS
from tests.faults.watched_fleet import PASSWORD, fleet, guild, placed, profiles, run, voice

if TYPE_CHECKING:
    from revvlink_cli.client.events import PoolEvent


def test_a_crowd_spreads() -> None:
    """Thirty players that come at once over three equal nodes go ten to each."""

    async def work() -> None:
        async with fleet(*profiles("a", "b", "c")) as watched:
            await placed(watched, 30)

            assert Counter(len(found) for found in (await watched.on_servers()).values()) == {10: 3}
            assert {len(node.players) for node in watched.pool.nodes.values()} == {10}

    run(work)


def test_a_crowd_of_thousands() -> None:
    """Two thousand players at once are all placed, evenly: their own number keeps no answer from being read in time."""

    async def work() -> None:
        names = [f"n{number}" for number in range(10)]
        async with fleet(*profiles(*names), timeout=1.5) as watched:
            await placed(watched, 2000)
            assert {len(node.players) for node in watched.pool.nodes.values()} == {200}
            assert not any(node.snapshot().tripped_until for node in watched.pool.nodes.values())

    run(work)


def test_one_after_the_other_spreads_too() -> None:
    """Idle players cost nothing by the servers' figures: placed slowly, between statistics, they spread."""

    async def work() -> None:
        async with fleet(*profiles("a", "b", "c", stats_interval=0.05)) as watched:
            for number in range(9):
                await watched.pool.create_player(guild(number)).update_voice(**voice(number))
                await asyncio.sleep(0.12)
            assert {len(node.players) for node in watched.pool.nodes.values()} == {3}

    run(work)


def test_the_region_comes_first() -> None:
    """A player is placed in the region of its voice endpoint, else in the nearest that has a node."""

    async def work() -> None:
        us, eu = profiles("us-1", region="us", playing=50, players=50), profiles("eu-1", region="eu")
        async with fleet(*us, *eu) as watched:
            here, there = watched.pool.create_player(guild(1)), watched.pool.create_player(guild(2))
            await here.update_voice(**voice(1, "us-east1.discord.gg:443"))
            await there.update_voice(**voice(2, "rotterdam123.discord.gg:443"))

            assert here.node is watched.pool.nodes["us-1"]
            assert there.node is watched.pool.nodes["eu-1"]

    run(work)


def test_a_dead_nodes_players_move() -> None:
    """Sixty players of a node that dies end on four survivors within three of each other, once, as they were."""

    async def work() -> None:
        async with fleet(*profiles("a"), resume_timeout=0) as watched:
            await placed(watched, 60, playing=True)
            others = Simulator(profiles("b", "c", "d", "e"))
            with others:
                for node in others:
                    await watched.pool.add_node(
                        Node(identifier=node.profile.identifier, uri=node.uri, password=PASSWORD, resume_timeout=0)
                    )
                await watched.pool.get_player(guild(3)).set_volume(40)  # type: ignore[union-attr]
                await asyncio.to_thread(watched.simulator["a"].kill)
                await watched.until(lambda: len(watched.moves()) == 60)

                found = await watched.on_servers()
                assert sorted(found) == ["b", "c", "d", "e"]
                assert sum(map(len, found.values())) == len(set().union(*found.values())) == 60
                assert max(map(len, found.values())) - min(map(len, found.values())) <= 3
                moved = watched.pool.get_player(guild(3))
                assert moved is not None
                assert moved.node is not None
                target = moved.node
                # the new node reports 0 until the first frame there
                await watched.until(lambda: target.session_players[guild(3)].state.position >= 3000)
                there = target.session_players[guild(3)]
                assert (there.volume, there.voice["token"], there.state.connected) == (40, "t3", True)
                assert there.track is not None
                assert there.track.identifier == TRACKS[3].identifier
                await watched.pool.close()

    run(work)


def test_resume_first() -> None:
    """A node that comes back with its session keeps its players: nothing moves, changes made meanwhile reach it."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), resume_timeout=30) as watched:
            await placed(watched, 6, playing=True)
            node = watched.pool.nodes["a"]
            (mine, *_) = watched.fleet.players_on(node)
            await node.rest.update_session(node.session_id or "", resuming=True, timeout=30)
            session = node.session_id
            await asyncio.to_thread(watched.simulator["a"].drop)
            await watched.until(lambda: node.status is not NodeStatus.CONNECTED)
            await mine.set_volume(33)
            await watched.until(lambda: node.status is NodeStatus.CONNECTED)
            await watched.until(lambda: node.session_players.get(mine.guild_id, None) is not None
                                and node.session_players[mine.guild_id].volume == 33)  # fmt: skip

            assert node.session_id == session
            assert watched.moves() == []
            assert len(node.players) == 3
            assert [told.resumed for told in watched.happenings if isinstance(told, NodeReady)].count(True) == 1

    run(work)


def test_moved_when_it_does_not_come_back() -> None:
    """After `resume_timeout` the players of a frozen node move; the node thaws, and what it kept is destroyed."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), resume_timeout=1, heartbeat=0.5, timeout=1) as watched:
            await placed(watched, 4)
            await asyncio.to_thread(watched.simulator["a"].freeze)
            await watched.until(lambda: len(watched.pool.nodes["b"].players) == 4)
            await watched.until(lambda: len(watched.moves()) == 2)  # told when the other node has them
            await asyncio.to_thread(watched.simulator["a"].thaw)
            await watched.pool.reconnect()
            await watched.until(lambda: watched.pool.nodes["a"].status is NodeStatus.CONNECTED)

            async with asyncio.timeout(20):
                while [len(found) for _, found in sorted((await watched.on_servers()).items())] != [0, 4]:
                    await asyncio.sleep(0.05)

    run(work)


def test_a_server_that_was_restarted() -> None:
    """A node that is back with a new session gets its players again, each once."""

    async def work() -> None:
        async with fleet(*profiles("a"), resume_timeout=30) as watched:
            await placed(watched, 5, playing=True)
            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until(lambda: any(isinstance(told, NodeLost) for told in watched.happenings))
            await asyncio.to_thread(watched.simulator["a"].start)
            await watched.pool.reconnect()

            async def all_there() -> bool:
                return len((await watched.on_servers()).get("a", ())) == 5

            async with asyncio.timeout(20):
                while not await all_there():
                    await asyncio.sleep(0.1)

    run(work)


def test_no_node_at_all() -> None:
    """Players wait while there is no healthy node, and are placed when one comes."""

    async def work() -> None:
        async with fleet(*profiles("a"), resume_timeout=0) as watched:
            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until(lambda: watched.pool.nodes["a"].status is not NodeStatus.CONNECTED)
            player = watched.pool.create_player(guild(1))
            waiting = asyncio.create_task(player.update_voice(**voice(1)))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            await asyncio.to_thread(watched.simulator["a"].start)
            await watched.pool.reconnect()
            await waiting
            assert player.node is watched.pool.nodes["a"]

    run(work)


def test_cordon_and_drain() -> None:
    """A cordoned node gets nothing new; drained, it has no players left, and nobody has one twice."""

    async def work() -> None:
        async with fleet(*profiles("a", "b", "c")) as watched:
            await placed(watched, 12, playing=True)
            node = watched.pool.nodes["a"]
            report = await watched.pool.drain(node)

            assert (len(report.moved), report.failed) == (4, {})
            found = await watched.on_servers()
            assert [len(found[name]) for name in "abc"] == [0, 6, 6]
            assert node.status is NodeStatus.CONNECTED
            assert {watched.pool.get_node().identifier for _ in range(5)} <= {"b", "c"}
            watched.pool.nodes["b"].cordon()
            watched.pool.nodes["c"].cordon()
            with pytest.raises(InvalidNodeException, match="cordoned"):
                watched.pool.get_node()
            node.uncordon()
            assert watched.pool.get_node() is node

            last = await watched.pool.remove_node(watched.pool.nodes["b"])
            assert len(last.moved) == 6
            assert sorted(watched.pool.nodes) == ["a", "c"]

    run(work)


def test_a_drain_to_nowhere() -> None:
    """Players that no other node takes stay where they are, and are reported."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            await placed(watched, 3)
            report = await watched.pool.drain(watched.pool.nodes["a"])

            assert (report.moved, len(report.failed)) == ({}, 3)
            assert len((await watched.on_servers())["a"]) == 3
            assert sum(isinstance(told, PlayerLost) for told in watched.happenings) == 3

    run(work)


def test_one_that_is_refused_tries_the_next() -> None:
    """A node that refuses a player is passed over, and the move says so."""

    async def work() -> None:
        nodes = [
            NodeProfile(identifier="a", password=PASSWORD, disabled_filters=("karaoke",)),
            NodeProfile(identifier="b", password=PASSWORD, playing=40, players=40),
        ]
        async with fleet(*nodes) as watched:
            player = watched.pool.create_player(guild(1))
            await player.set_filters({"karaoke": {"level": 1.0}})
            await player.update_voice(**voice(1))

            assert player.node is watched.pool.nodes["b"]
            await watched.until(lambda: any(isinstance(told, PlayerMoved) for told in watched.happenings))
            (placed_on,) = [told for told in watched.happenings if isinstance(told, PlayerMoved)]
            assert [name for name, _ in placed_on.refused] == ["a"]
            assert "karaoke" in str(placed_on.refused[0][1])
            assert (await watched.on_servers()) == {"a": set(), "b": {player.guild_id}}

    run(work)


def test_switch_and_destroy() -> None:
    """A player that switches nodes is on the new one only; destroyed, it is nowhere."""

    async def work() -> None:
        async with fleet(*profiles("a", "b")) as watched:
            player = watched.pool.create_player(guild(1))
            await player.update_voice(**voice(1))
            await player.play(TRACKS[0])
            target = next(node for node in watched.pool.nodes.values() if node is not player.node)
            await player.switch_node(target)
            assert player.node is target
            assert sorted(map(len, (await watched.on_servers()).values())) == [0, 1]
            await player.destroy()
            assert watched.pool.get_player(guild(1)) is None
            assert not any((await watched.on_servers()).values())

    run(work)


def test_a_player_without_voice() -> None:
    """One that was given to a node before its voice came moves, too, and gets its voice where it is then."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), resume_timeout=0) as watched:
            player = watched.pool.create_player(guild(1), node=watched.pool.nodes["a"])
            await player.play(TRACKS[0])
            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until(lambda: player.node is watched.pool.nodes["b"])
            await player.update_voice(**voice(1))
            there = watched.pool.nodes["b"].session_players[player.guild_id]
            assert there.state.connected
            assert there.track is not None

    run(work)


def test_a_bots_own_defects() -> None:
    """The client is told what happens; that its code fails there costs no connection."""

    class Client:
        """A bot."""

        class user:  # noqa: N801 - as on a Discord client
            """Its account."""

            id = 170939974227541168

        def __init__(self) -> None:
            self.told: list[str] = []

        def dispatch(self, name: str, _happening: PoolEvent) -> None:
            """Take it, and stumble."""
            self.told.append(name)
            raise RuntimeError("a defect of the bot")

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        client = Client()
        with Simulator(profiles("a")) as simulator:
            await Fresh.connect(nodes=[Node(identifier="a", uri=simulator["a"].uri, password=PASSWORD)], client=client)
            await Fresh.create_player(guild(1)).update_voice(**voice(1))
            assert Fresh.get_node().status is NodeStatus.CONNECTED
            await Fresh.close()
            assert simulator["a"].requests.count(("GET", "/v4/websocket")) == 1
        assert {"revvlink_node_ready", "revvlink_stats", "revvlink_player_moved"} <= set(client.told)
        assert client.told[-1] == "revvlink_node_closed"

    run(work)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"token": ""}, "no token"),
        ({"endpoint": None}, "no endpoint"),
        ({"channel_id": None}, "no channel_id"),
        ({"session_id": " ", "token": ""}, "no token and no session_id"),
        ({"channel_id": "general"}, "channel's number"),
    ],
)
def test_an_incomplete_voice_state(changes: dict[str, Any], told: str) -> None:
    """It is refused with what is missing, and nothing is sent."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            before = len(watched.simulator["a"].requests)
            with pytest.raises(ValueError, match=told):
                await watched.pool.create_player(guild(1)).update_voice(**{**voice(1), **changes})
            assert len(watched.simulator["a"].requests) == before

    run(work)


def test_what_a_player_is_told() -> None:
    """Volume, pause, position, filters and the end of a track are the node's and the player's alike."""

    async def work() -> None:
        async with fleet(*profiles("a"), clock=Clock(20.0)) as watched:
            player = watched.pool.create_player(guild(1))
            await player.update_voice(**voice(1))
            await player.play(TRACKS[22], position=60_000)
            await player.set_volume(2000)
            await player.set_filters({"timescale": {"speed": 1.5}})
            await player.pause()
            held = player.position
            assert held >= 60_000
            assert player.position == held
            await player.seek(TRACKS[22].length - 2000)
            await player.pause(False)
            there = watched.pool.nodes["a"].session_players[player.guild_id]
            assert (there.volume, "timescale" in there.filters) == (1000, True)
            await watched.until(lambda: player.track is None)
            assert player.position == 0
            await player.stop()
            assert isinstance(TRACKS[0], Playable)

    run(work)
