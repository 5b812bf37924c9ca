"""One guild, one node: whatever is called at once, whatever happens to the nodes meanwhile.

``REVVLINK_TEST_INTERLEAVINGS`` is the number of random interleavings, ``REVVLINK_TEST_SEED`` the seed of their choice::

    REVVLINK_TEST_INTERLEAVINGS=1000 python -m pytest tests/faults/test_interleavings.py -k any_interleaving
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from revvlink_cli import Node, NodeException, Player, Pool, RevvlinkException
from revvlink_cli.client.connection.rest_watch import MISSES
from revvlink_cli.client.errors import Code
from revvlink_cli.client.node_access import state_of
from revvlink_cli.simulator import Clock, NodeProfile, Simulator
from revvlink_cli.simulator.control_errors import ControlError
from revvlink_cli.simulator.music import TRACKS
from tests.example_counts import examples
from tests.faults.watched_fleet import PASSWORD, fleet, guild, profiles, run, voice

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

RUNS = int(os.environ.get("REVVLINK_TEST_INTERLEAVINGS", examples("12", "100")))
SEED = int(os.environ.get("REVVLINK_TEST_SEED", "16"))

NAMES = ("a", "b", "c")
GUILDS = st.integers(0, 2)
NODES = st.sampled_from(NAMES)
PAUSES = st.sampled_from((0.0, 0.001, 0.005, 0.02, 0.1))

FASTER: dict[str, Any] = {
    "routing.failover.GONE_AFTER": 0.2,
    "routing.failover.PROBE_PAUSE": 0.3,
    "routing.failover.RETRY_PAUSES": (0.05, 0.3),
    "routing.placement.ROUND_PAUSE": 0.1,
    "routing.placement.PLACEMENT_LIMIT": 5.0,
    "connection.supervisor.BACKOFF_BASE": 0.02,
    "connection.supervisor.BACKOFF_CAP": 0.2,
    "connection.supervisor.SESSION_PAUSE": 0.05,
    "connection.circuit_breaker.BASE": 0.1,
}
"""Times of the client that would only make the runs longer."""

TIMEOUT = 0.4


class Defects(logging.Handler):
    """Keeps what the client logs as its own defects."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """One was logged."""
        self.found.append(f"{record.getMessage()} {record.exc_info}")


def on_servers(simulator: Simulator, guild_id: int | str) -> list[str]:
    """The nodes that have a player of the guild, by their own memory: in every session, open or waiting."""
    return [
        node.profile.identifier
        for node in simulator
        for session in tuple(node.control.sessions.values())
        if str(guild_id) in session.players
    ]


class Interleaving(RuleBasedStateMachine):
    """Starts operations and faults without waiting for them, lets them settle, and counts the players there are."""

    settled = 0

    @initialize(delay=st.sampled_from((0.0, 0.003, 0.03)))
    def connect(self, delay: float) -> None:
        """Three nodes, which answer after so many seconds."""

        class Fresh(Pool):
            """A pool of its own."""

        self.pool = Fresh
        self.defects = Defects()
        logging.getLogger("revvlink_cli.client").addHandler(self.defects)
        self.simulator = Simulator(
            (NodeProfile(identifier=name, password=PASSWORD, answer_delay=delay) for name in NAMES),
            clock=Clock(3.0, with_timeouts=True),
        ).__enter__()
        self.runner = asyncio.Runner()
        loop = self.runner.get_loop()
        loop.set_exception_handler(lambda _, context: self.defects.found.append(str(context)))
        self.operations: list[asyncio.Task[Any]] = []
        self.count = 0
        self.runner.run(self.join())

    async def join(self) -> None:
        """Connect all nodes, however slow the machine is."""
        nodes = [
            Node(
                identifier=node.profile.identifier,
                uri=node.uri,
                password=PASSWORD,
                resume_timeout=1,
                heartbeat=0.5,
                timeout=TIMEOUT,
            )
            for node in self.simulator
        ]
        with suppress(RevvlinkException):
            await self.pool.connect(nodes=nodes)
        async with asyncio.timeout(30):
            while len(self.pool.nodes) < len(nodes):
                await asyncio.sleep(0.02)

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin an operation, and let it take its first steps."""

        async def begin() -> None:
            self.operations.append(asyncio.create_task(work))
            await asyncio.sleep(0)

        self.runner.run(begin())

    def player(self, number: int) -> Player:
        """The player of a guild, a new one where the former was destroyed."""
        return self.pool.create_player(guild(number))

    @rule(number=GUILDS)
    def update_voice(self, number: int) -> None:
        """Discord says something new of the voice connection."""
        self.count += 1
        self.start(self.player(number).update_voice(**voice(self.count)))

    @rule(number=GUILDS, track=st.sampled_from(TRACKS), position=st.sampled_from((0, 30_000)))
    def play(self, number: int, track: Any, position: int) -> None:
        """A track is asked for."""
        self.start(self.player(number).play(track, position=position))

    @rule(number=GUILDS, change=st.sampled_from(("pause", "resume", "seek", "volume", "filters", "stop")))
    def change(self, number: int, change: str) -> None:
        """Something else is asked for."""
        player = self.player(number)
        works: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "pause": player.pause,
            "resume": lambda: player.pause(False),
            "seek": lambda: player.seek(20_000),
            "volume": lambda: player.set_volume(20 + self.count % 50),
            "filters": lambda: player.set_filters({"timescale": {"speed": 1.5}}),
            "stop": player.stop,
        }
        self.start(works[change]())

    @rule(number=GUILDS)
    def want_the_impossible(self, number: int) -> None:
        """Every server refuses such filters."""
        self.start(self.player(number).set_filters({"timescale": {"speed": "fast"}}))

    @rule(number=GUILDS, name=NODES)
    def switch(self, number: int, name: str) -> None:
        """A player is to be on another node."""
        self.start(self.player(number).switch_node(self.pool.nodes[name]))

    @rule(number=GUILDS)
    def destroy(self, number: int) -> None:
        """A player is to be nowhere."""
        self.start(self.player(number).destroy())

    @rule(name=NODES)
    def drain(self, name: str) -> None:
        """A node is emptied."""
        self.start(self.pool.drain(self.pool.nodes[name]))

    @rule(name=NODES, is_cordoned=st.booleans())
    def cordon(self, name: str, is_cordoned: bool) -> None:
        """A node takes nothing new, or does again."""
        node = self.pool.nodes[name]
        (node.cordon if is_cordoned else node.uncordon)()

    @rule(name=NODES, fault=st.sampled_from(("kill", "start", "drop", "stop", "freeze", "thaw")))
    def fault(self, name: str, fault: str) -> None:
        """Something happens to a server."""
        self.start(self.use(name, fault))

    async def use(self, name: str, control: str) -> None:
        """Do something to a server, unless it is down, or runs already."""
        with suppress(ControlError):
            await asyncio.to_thread(getattr(self.simulator[name], control))

    @rule(name=NODES, is_refusal=st.booleans())
    def refuse(self, name: str, is_refusal: bool) -> None:
        """Requests to a node were refused twice, by a proxy perhaps; or one was served."""
        self.start(self.refused_or_served(name, is_refusal))

    async def refused_or_served(self, name: str, is_refusal: bool) -> None:
        """See `refuse`."""
        supervisor = state_of(self.pool.nodes[name]).supervisor
        if supervisor is None or supervisor.live is None:
            return
        watch, refusal = supervisor.rest_watch, NodeException("refused", code=Code.FORBIDDEN)
        for _ in range(MISSES):
            watch._refused(refusal) if is_refusal else watch.served()

    @rule(last=st.integers(1, 3))
    def cancel(self, last: int) -> None:
        """A caller waits no longer."""
        if len(self.operations) >= last:
            self.operations[-last].cancel()

    @rule(seconds=PAUSES)
    def pause(self, seconds: float) -> None:
        """Time passes."""
        self.runner.run(asyncio.sleep(seconds))

    def teardown(self) -> None:
        """All servers run, all callers have their answers: each guild is where its player says, and only there."""
        if not hasattr(self, "runner"):
            return
        try:
            self.runner.run(self.settle())
        finally:
            self.runner.run(self.pool.close())
            self.runner.close()
            self.simulator.__exit__(None, None, None)
            logging.getLogger("revvlink_cli.client").removeHandler(self.defects)
        assert self.defects.found == []
        type(self).settled += 1

    async def settle(self) -> None:
        """See `teardown`."""
        for name in NAMES:
            await self.use(name, "thaw")
            await self.use(name, "start")
        for member in self.pool.nodes.values():
            member.uncordon()
        await self.pool.reconnect()
        async with asyncio.timeout(30):
            for told in await asyncio.gather(*self.operations, return_exceptions=True):
                assert (
                    told is None
                    or isinstance(told, RevvlinkException | asyncio.CancelledError)
                    or not isinstance(told, BaseException)
                ), repr(told)
        deadline = time.monotonic() + 20
        while wrong := self.wrong():
            assert time.monotonic() < deadline, wrong
            await asyncio.sleep(0.05)

    def wrong(self) -> list[str]:
        """What is not as it should be."""
        found = []
        for number in range(3):
            name = str(guild(number))
            player, servers = self.pool.get_player(name), on_servers(self.simulator, name)
            wanted = [player.node.identifier] if player is not None and player.node is not None else []
            if servers != wanted:
                found.append(f"{name} is on {servers}, not on {wanted}")
            elif player is not None and wanted and not player.turn.doubtful_until:
                found += self.differing(player)
        return found

    def differing(self, player: Player) -> list[str]:
        """In what a server and a player differ, of which every request was answered."""
        assert player.node is not None
        node = self.simulator[player.node.identifier].control
        name = str(player.guild_id)
        (there,) = (each.players[name] for each in node.sessions.values() if name in each.players)
        pairs = {
            "volume": (player.volume, there.volume),
            "filters": (dict(player.filters).keys(), there.filters.keys()),
            "token": (player.voice.token if player.voice else "", there.voice["token"]),
            "track": (player.track and player.track.identifier, there.track and there.track.identifier),
        }
        if player.track is not None:
            pairs["paused"] = (player.paused, there.paused)
        return [
            f"{player.guild_id}: {what} {mine!r}, there {its!r}" for what, (mine, its) in pairs.items() if mine != its
        ]


@pytest.fixture
def faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits less long."""
    for name, value in FASTER.items():
        monkeypatch.setattr(f"revvlink_cli.client.{name}", value)


# A simulated server that is killed while it accepts a connection may leave that socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("faster")
def test_any_interleaving() -> None:
    """Random operations and faults, started at once: in the end each guild is on exactly one node, or on none."""
    Interleaving.settled = 0
    random.seed(SEED)
    run_state_machine_as_test(
        seed(SEED)(Interleaving),
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=25,
            deadline=None,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Interleaving.settled >= min(RUNS, 10)


@pytest.mark.parametrize("apart", [0.0, 0.001, 0.005, 0.05])
def test_two_voice_updates_before_the_first_placement(apart: float) -> None:
    """As discord.py delivers them, together or moments apart: one node has the player, with the newest voice state."""

    async def work() -> None:
        async with fleet(*profiles("a", "b", "c")) as watched:

            async def late(player: Player, number: int) -> None:
                await asyncio.sleep(apart)
                await player.update_voice(**voice(number))

            players = [watched.pool.create_player(guild(number)) for number in range(20)]
            await asyncio.gather(*(player.update_voice(**voice(1)) for player in players),
                                 *(late(player, 2) for player in players))  # fmt: skip
            found = await watched.on_servers()
            assert set(Counter(name for names in found.values() for name in names).values()) == {1}
            for player in players:
                assert player.node is not None
                assert player.guild_id in found[player.node.identifier]
                assert player.node.session_players[player.guild_id].voice["token"] == "t2"

    run(work)
