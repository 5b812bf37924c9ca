"""A lost node whose process is surely gone is not waited for; one that may be well is."""

from __future__ import annotations

import asyncio
import time

import pytest

from revvlink_cli import NodeStatus
from revvlink_cli.client.events import NodeLost, NodeReady
from tests.faults.test_interleavings import on_servers
from tests.faults.watched_fleet import fleet, guild, placed, profiles, run
from tests.fidelity.replay_server import response

PATIENCE = 60
"""The nodes' `resume_timeout`."""


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_process_that_ended(how: str) -> None:
    """Nothing listens any more: the players are elsewhere within seconds, each once, not after `resume_timeout`."""

    async def work() -> None:
        async with fleet(*profiles("a", "b", "c"), resume_timeout=PATIENCE) as watched:
            await placed(watched, 12, playing=True)
            began = time.monotonic()
            await asyncio.to_thread(getattr(watched.simulator["a"], how))
            await watched.until(lambda: len(watched.moves()) == 4)
            assert 1.5 < time.monotonic() - began < 6
            await watched.until_settled(12)

    run(work)


@pytest.mark.parametrize("seconds", [0.3, 1.0])
def test_a_proxy_that_refuses_for_a_moment(seconds: float) -> None:
    """A proxy that restarts loses the connections and refuses new ones: the session is resumed, nothing moves."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), networked=True, resume_timeout=PATIENCE) as watched:
            await placed(watched, 6)
            await asyncio.sleep(0.2)  # resuming is switched on
            wire = watched.networks["a"]
            session = watched.pool.nodes["a"].session_id
            wire.refuse()
            wire.cut()
            await asyncio.sleep(seconds)
            await wire.listen()
            await watched.until(lambda: len(watched.told(NodeReady)) == 3)
            await watched.until_settled(6)
            assert watched.moves() == []
            assert watched.pool.nodes["a"].session_id == session

    run(work)


def test_a_silent_loss_is_waited_for() -> None:
    """A node that answers nothing may be well: its players stay with it, and it has them when it is back."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), resume_timeout=PATIENCE, heartbeat=0.5, timeout=1.0) as watched:
            await placed(watched, 6)
            await asyncio.sleep(0.2)
            await asyncio.to_thread(watched.simulator["a"].freeze)
            await watched.until(lambda: watched.told(NodeLost))
            await asyncio.sleep(6)
            assert watched.moves() == []
            assert len(watched.pool.nodes["a"].players) == 3
            await asyncio.to_thread(watched.simulator["a"].thaw)
            await watched.pool.reconnect()
            await watched.until_settled(6)
            assert watched.moves() == []

    run(work)


def test_another_process_that_takes_no_websockets_yet() -> None:
    """A server that has just started answers REST with a small uptime: the session is gone, whatever comes next."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), networked=True, resume_timeout=PATIENCE) as watched:
            await placed(watched, 6)
            busy = response(b"", status="503 Service Unavailable")
            watched.networks["a"].answer = lambda line: busy if b"/v4/websocket" in line else None
            await asyncio.to_thread(watched.simulator["a"].kill)
            await asyncio.to_thread(watched.simulator["a"].start)
            began = time.monotonic()
            await watched.until(lambda: len(watched.moves()) == 3)
            assert time.monotonic() - began < 5
            watched.networks["a"].answer = lambda _line: None
            await watched.pool.reconnect()
            await watched.until_settled(6)

    run(work)


def test_the_same_process_without_the_session() -> None:
    """The server has run on, but its session is unknown: the players are made again at once, each once."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), networked=True, resume_timeout=PATIENCE) as watched:
            await placed(watched, 6, playing=True)
            await asyncio.sleep(0.2)
            node, wire = watched.pool.nodes["a"], watched.networks["a"]
            await node.rest.update_session(node.session_id or "", resuming=False)
            before = {name for name in (guild(number) for number in range(6)) if name in node.players}
            began = time.monotonic()
            wire.cut()
            await watched.until(lambda: len(watched.told(NodeReady)) == 3)
            await watched.until(lambda: all(len(on_servers(watched.simulator, name)) == 1 for name in before))
            assert time.monotonic() - began < 8
            await watched.until_settled(6)

    run(work)


@pytest.mark.parametrize("down", [0.5, 4.0])
def test_the_only_node_restarts(down: float) -> None:
    """Whether or not it was found dead meanwhile: its players wait for it, and are on it again, with what they had."""

    async def work() -> None:
        async with fleet(*profiles("a"), resume_timeout=PATIENCE) as watched:
            await placed(watched, 5, playing=True)
            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until_status("a", NodeStatus.DISCONNECTED)
            await asyncio.sleep(down)
            await asyncio.to_thread(watched.simulator["a"].start)
            await watched.pool.reconnect()
            await watched.until_settled(5)
            for number in range(5):
                player = watched.pool.get_player(guild(number))
                assert player is not None
                assert player.track is not None
                there = watched.pool.nodes["a"].session_players[player.guild_id]
                assert there.track is not None
                assert there.track.identifier == player.track.identifier

    run(work)


def test_a_dead_process_that_was_no_corpse() -> None:
    """Found dead, moved, and back with its session after all: what it still has is destroyed."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), networked=True, resume_timeout=PATIENCE) as watched:
            await placed(watched, 6)
            await asyncio.sleep(0.2)
            wire = watched.networks["a"]
            wire.refuse()
            wire.cut()
            await watched.until(lambda: len(watched.moves()) == 3)
            assert len(on_servers(watched.simulator, watched.moves()[0].guild_id)) == 2  # nobody could ask it
            await wire.listen()
            await watched.pool.reconnect()
            await watched.until(
                lambda: all(len(on_servers(watched.simulator, str(guild(number)))) == 1 for number in range(6))
            )
            await watched.until_settled(6)

    run(work)
