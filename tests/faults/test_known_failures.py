"""Ways in which clients of such servers are known to fail, and this one does not; those not tried elsewhere."""

from __future__ import annotations

import asyncio
import time

import pytest

from revvlink_cli import LavalinkLoadException, Node, NodeException, NodeStatus, Pool
from revvlink_cli.client.connection.supervisor import BACKOFF_CAP, backoff
from revvlink_cli.client.errors import AuthorizationFailedException, Code
from revvlink_cli.client.events import NodeClosed, NodeEvent, NodeFailed, NodeLost
from revvlink_cli.simulator import Simulator
from revvlink_cli.simulator.music import TRACKS
from tests.faults.faulty_network import Network
from tests.faults.watched_fleet import PASSWORD, fleet, guild, placed, profiles, run, voice
from tests.fidelity.replay_server import response


def test_a_reconnect_beside_the_one_under_way() -> None:
    """`reconnect` called many times while the node is being tried anyway: one socket, whoever asked."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True) as watched:
            wire = watched.networks["a"]
            for _ in range(3):
                before = wire.handshakes
                wire.cut()
                node = watched.pool.nodes["a"]
                # On a busy machine it may be tried, or back, before anybody has looked.
                await watched.until(lambda: node.status is not NodeStatus.CONNECTED or wire.handshakes > before)  # noqa: B023
                await asyncio.gather(*(watched.pool.reconnect() for _ in range(20)))
                await watched.until_status("a", NodeStatus.CONNECTED)
                assert wire.handshakes == before + 1
            assert wire.most_sockets == 1

    run(work)


def test_an_ejected_node_stays_away() -> None:
    """A node that is ejected while it is being tried is not tried again, and not shown as connected."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), networked=True) as watched:
            node, wire = watched.pool.nodes["a"], watched.networks["a"]
            wire.refuse()
            wire.cut()
            await watched.until(lambda: watched.told(NodeFailed))
            await node.close(eject=True)
            await wire.listen()
            before = wire.handshakes
            await asyncio.sleep(2.5)
            assert wire.handshakes == before
            assert list(watched.pool.nodes) == ["b"]
            assert (node.status, node.is_supervised) == (NodeStatus.DISCONNECTED, False)
            assert [told.node for told in watched.told(NodeClosed)] == ["a"]

    run(work)


def test_a_password_that_was_changed() -> None:
    """A node that refuses the password when it is back is given up, with the reason; its players move."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), networked=True, resume_timeout=30) as watched:
            await placed(watched, 4)
            node, wire = watched.pool.nodes["a"], watched.networks["a"]
            headers = {"Lavalink-Api-Version": "4"}
            wire.answer = lambda _line: response(b"", status="401 Unauthorized", headers=headers)
            wire.cut()
            await watched.until(lambda: watched.told(NodeLost))
            await watched.pool.reconnect()
            await watched.until(lambda: not node.is_supervised)
            assert isinstance(node.snapshot().error, AuthorizationFailedException)
            await watched.until(lambda: len(watched.pool.nodes["b"].players) == 4)
            await watched.until(lambda: len(watched.moves()) == 2)

    run(work)


def test_nothing_is_asked_of_a_dead_node() -> None:
    """Players of a node that is known to be dead move without a request to it, and without waiting for one."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), networked=True, resume_timeout=0, timeout=5.0) as watched:
            await placed(watched, 8)
            wire = watched.networks["a"]
            asked: list[bytes] = []

            def note(line: bytes) -> bytes | None:
                asked.append(line)
                return response(b"", status="503 Service Unavailable")

            wire.answer = note
            began = time.monotonic()
            wire.cut()
            await watched.until(lambda: len(watched.pool.nodes["b"].players) == 8)
            assert time.monotonic() - began < 3
            assert not [line for line in asked if b"/players" in line]

    run(work)


def test_closing_moves_nobody() -> None:
    """`close` does not push the players of one node after the other through what is left of the pool."""

    async def work() -> None:
        async with fleet(*profiles("a", "b", "c")) as watched:
            await placed(watched, 9)
            before = {node.profile.identifier: len(node.requests) for node in watched.simulator}
            began = time.monotonic()
            await watched.pool.close()
            assert time.monotonic() - began < 2
            for node in watched.simulator:
                new = node.requests[before[node.profile.identifier] :]
                assert [method for method, path in new if "/players/" in path] == []
            assert watched.moves() == []
            assert watched.pool.nodes == {}

    run(work)


def test_statistics_of_a_lost_node_count_no_more() -> None:
    """After a loss nothing is known of the node; back again, its error is forgotten."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True) as watched:
            node, wire = watched.pool.nodes["a"], watched.networks["a"]
            assert node.stats is not None
            wire.refuse()
            wire.cut()
            await watched.until(lambda: watched.told(NodeFailed))
            assert node.snapshot().timed_stats is None
            assert node.penalty is None
            await wire.listen()
            await watched.pool.reconnect()
            await watched.until(lambda: node.stats is not None)
            assert node.snapshot().error is None

    run(work)


def test_a_black_hole_holds_up_nobody() -> None:
    """Nodes connect side by side: a dead one costs the others nothing, and the call ends at its deadline."""

    async def work() -> None:
        with Simulator(profiles("a", "b")) as simulator:
            async with Network(simulator["a"].port) as wire:
                wire.freeze()

                class Fresh(Pool):
                    """A pool of its own."""

                nodes = [
                    Node(identifier="hole", uri=wire.uri, password=PASSWORD, timeout=1.0),
                    Node(identifier="b", uri=simulator["b"].uri, password=PASSWORD, timeout=1.0),
                ]
                began = time.monotonic()
                connecting = asyncio.create_task(Fresh.connect(nodes=nodes))
                while "b" not in Fresh.nodes:
                    await asyncio.sleep(0.01)
                assert time.monotonic() - began < 0.9
                with pytest.raises(NodeException) as caught:
                    await connecting
                assert list(caught.value.failures) == ["hole"]
                assert time.monotonic() - began < 3
                await Fresh.close()

    run(work)


def test_a_failed_load_is_not_kept() -> None:
    """An error is not a result: the next search asks again, though the cache is on."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True) as watched:
            watched.pool.cache(10)
            for _ in range(2):
                with pytest.raises(LavalinkLoadException):
                    await watched.pool.fetch_tracks("sim:fails")
            loads = [path for _, path in watched.simulator["a"].requests if "loadtracks" in path]
            assert len(loads) == 2
            assert await watched.pool.fetch_tracks("ytsearch:night")

    run(work)


def test_events_of_players_that_nobody_made_here() -> None:
    """A session's events are told though no `Player` stands for the guild, as a monitor needs."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            node = watched.pool.nodes["a"]
            track = {"track": {"encoded": TRACKS[0].encoded}}
            state = {"token": "t", "endpoint": "us-east1.discord.gg:443", "sessionId": "s", "channelId": "3"}
            await node.update_player(str(guild(1)), {"voice": state} | track)
            await watched.until(lambda: watched.told(NodeEvent))
            assert watched.told(NodeEvent)[0].event.guild_id == guild(1)

    run(work)


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """A library writes to no stream: connecting, failing and closing leave stdout and stderr alone."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True) as watched:
            await placed(watched, 1)
            watched.networks["a"].cut()
            await watched.until(lambda: watched.told(NodeLost))

    run(work)
    assert capsys.readouterr() == ("", "")


def test_delays_grow_and_stay_grown() -> None:
    """The limit of the delays doubles up to a minute, and never falls; each delay is anywhere below it."""
    for attempt in (1, 2, 3, 5, 8, 20, 10_000):
        limit = min(BACKOFF_CAP, 0.5 * 2.0**attempt) if attempt < 20 else BACKOFF_CAP
        delays = [backoff(attempt) for _ in range(2000)]
        assert 0 <= min(delays) < limit / 10
        assert limit * 0.9 < max(delays) <= limit


def test_a_voice_close_is_told_and_costs_nothing() -> None:
    """Discord closing one voice connection (4006, as when a node is flooded) is an event of that player alone."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            await placed(watched, 3, playing=True)
            await asyncio.to_thread(watched.simulator["a"].close_voice, str(guild(0)), 4006)
            await watched.until(
                lambda: any(getattr(told.event, "code", None) == 4006 for told in watched.told(NodeEvent))
            )
            assert watched.told(NodeLost) == []
            player = watched.pool.get_player(guild(0))
            assert player is not None
            await player.update_voice(**voice(0))
            await watched.until_settled(3)

    run(work)


def test_an_unknown_session_is_the_nodes_error() -> None:
    """A session that the server has forgotten is a failure with its status, and no loss of the connection."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            with pytest.raises(Exception, match="Session not found") as caught:
                await watched.pool.nodes["a"].rest.players("forgotten")
            assert getattr(caught.value, "code", None) is Code.SERVER_ERROR
            assert watched.told(NodeLost) == []

    run(work)
