"""One run of an outage: simulated nodes with the figures of the copy, and the real pool with the players concerned."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.events import PlayerLost, PlayerMoved
from revvlink_cli.client.node import Node
from revvlink_cli.client.pool import Pool
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.services.drill import virtual_loop
from revvlink_cli.simulator.profile import NodeProfile
from revvlink_cli.simulator.simulation import Simulation
from revvlink_cli.simulator.track_rules import TrackRule

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from revvlink_cli.client.player import Player
    from revvlink_cli.services.drill.model import FleetModel, NodeModel
    from revvlink_cli.services.drill.virtual_loop import VirtualLoop

BOT = 100_000_000_000_000_000
"""The bot's id; the ids of guilds follow it."""

SETTLING = 2.0
"""Seconds of simulated time between the last player's start and the outage."""

LONGEST = 600.0
"""Seconds of simulated time after which an outage is over, even if some players are still silent."""

RESTART = 30.0
"""Seconds that a node needs to restart."""

MOST_PLAYERS = 2000
"""Players that are rehearsed one by one; in a larger outage each stands for several, and takes as long as they do."""

AT_ONCE = 64
"""Players that are set up at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What happens to nodes.

    Attributes:
        kind: ``kill``: the process ends. ``cut``: nothing passes to the node or from it. ``forget``: connections break
            and the node has forgotten its sessions. ``restart``: nodes are drained and restarted one after the other.
        nodes: Names of the nodes, for ``restart`` in order.
    """

    kind: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlayerOutcome:
    """What became of one player.

    Attributes:
        players: The number of players that it stands for: 1 but in the largest outages.
        origin: Its node before.
        target: Its node afterwards, None without one.
        has_moved: Whether it was on another node at some time.
        silence: Seconds without sound; None where it never played again.
    """

    players: int
    origin: str
    target: str | None
    has_moved: bool
    silence: float | None


@dataclass(slots=True)
class _Watch:
    """The bot: notes when players move and when no node takes them."""

    loop: VirtualLoop
    user: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(id=BOT))
    ways: dict[str, float] = field(default_factory=dict)
    homes: dict[int, str] = field(default_factory=dict)
    began: dict[int, float] = field(default_factory=dict)
    silences: dict[int, float] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)
    moved: set[int] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def dispatch(self, _name: str, event: Any) -> None:
        """Handle an event of the pool."""
        if isinstance(event, PlayerMoved) and event.guild_id in self.began:
            # The node played when it answered: the answer then took its way.
            played = self.loop.time() - self.ways[event.target]
            self.silences.setdefault(event.guild_id, max(played - self.began[event.guild_id], 0.0))
            self.lost.discard(event.guild_id)
            if event.target != self.homes[event.guild_id]:
                self.moved.add(event.guild_id)
            self.changed.set()
        elif isinstance(event, PlayerLost) and event.guild_id in self.began:
            self.lost.add(event.guild_id)
            self.changed.set()

    async def until_settled(self) -> None:
        """Wait until every player concerned plays again or is lost."""
        try:
            async with asyncio.timeout(LONGEST):
                while self.began.keys() - self.silences.keys() - self.lost:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            return  # the rest is silent


def group_size(fleet: FleetModel, outage: Outage) -> int:
    """The number of players that each rehearsed one stands for."""
    return -(-sum(fleet[name].playing for name in outage.nodes) // MOST_PLAYERS) or 1


def rehearse(
    fleet: FleetModel, outage: Outage, *, seed: int, voice: float, stop: threading.Event | None = None
) -> tuple[PlayerOutcome, ...]:
    """Let an outage happen to a copy of the fleet; gives the outcome of each of its playing players.

    Args:
        fleet: The fleet.
        outage: What happens.
        seed: Makes everything random the same in every run.
        voice: Seconds that a node needs to connect to a voice server.
        stop: Another thread sets it to end the run.

    Raises:
        StoppedError: `stop` was set.
    """
    if outage.kind in ("kill", "cut") and len(outage.nodes) == len(fleet.nodes):
        hit = [fleet[name] for name in outage.nodes]  # nothing is left that could take a player
        return tuple(PlayerOutcome(node.playing, node.identifier, None, False, None) for node in hit if node.playing)
    state = random.getstate()
    random.seed(seed)
    try:
        return virtual_loop.run(lambda loop: _Run(fleet, outage, seed, voice, loop).run(), stop)
    finally:
        random.setstate(state)


class _Run:
    """The nodes, the pool and its players."""

    def __init__(self, fleet: FleetModel, outage: Outage, seed: int, voice: float, loop: VirtualLoop) -> None:
        self._fleet = fleet
        self._outage = outage
        self._seed = seed
        self._voice = voice
        self._loop = loop
        self._watch = _Watch(loop)
        self._group = group_size(fleet, outage)
        self._players: dict[int, tuple[Player, NodeModel, int]] = {}

    async def run(self) -> tuple[PlayerOutcome, ...]:
        concerned = set(self._outage.nodes)
        profiles = [
            profile_of(node, 0 if node.identifier in concerned else node.playing, self._delay(node))
            for node in self._fleet.nodes
        ]
        async with Simulation(profiles, seed=self._seed) as nodes:
            for node in self._fleet.nodes:
                way = node.round_trip / 2
                self._watch.ways[node.identifier] = way
                self._loop.network.delays[nodes[node.identifier].port] = way

            class Copy(Pool):
                """The pool of this run."""

            await Copy.connect(
                nodes=[self._node_of(node, nodes[node.identifier].uri) for node in self._fleet.nodes],
                client=self._watch,
            )
            try:
                await self._play(Copy)
                await asyncio.sleep(SETTLING)
                await self._happen(nodes, Copy)
                return tuple(self._outcomes())
            finally:
                self._loop.network.unreachable.clear()
                await Copy.close()

    async def _play(self, pool: type[Pool]) -> None:
        """Let the players of the nodes concerned play."""
        (track,) = await pool.fetch_tracks("drill")
        waiting = iter(
            [
                (node, min(self._group, node.playing - first))
                for node in self._fleet.nodes
                if node.identifier in self._outage.nodes
                for first in range(0, node.playing, self._group)
            ]
        )

        async def work() -> None:
            for node, players in waiting:
                guild = BOT + 1 + len(self._players)
                player = pool.create_player(guild, node=pool.get_node(node.identifier), region=node.region)
                self._players[guild] = (player, node, players)
                self._watch.homes[guild] = node.identifier
                await player.update_voice(
                    token="drill",  # noqa: S106 - of no voice server
                    endpoint="drill.discord.media:443",
                    session_id=str(guild),
                    channel_id=str(guild),
                )
                await player.play(track)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())

    async def _happen(self, nodes: Simulation, pool: type[Pool]) -> None:
        """Let the outage happen, and wait until the players are settled."""
        if self._outage.kind == "restart":
            for name in self._outage.nodes:
                await self._restart(nodes, pool, name)
            return
        now = self._loop.time()
        self._watch.began.update(dict.fromkeys(self._players, now))
        for name in self._outage.nodes:
            match self._outage.kind:
                case "kill":
                    await nodes[name].kill()
                case "cut":
                    self._loop.network.unreachable.add(nodes[name].port)
                case "forget":
                    await nodes[name].lose_sessions()
                    await nodes[name].drop()
        await self._watch.until_settled()

    async def _restart(self, nodes: Simulation, pool: type[Pool], name: str) -> None:
        node = pool.get_node(name)
        report = await pool.drain(node)
        for guild in report.moved:  # the new node takes over the voice connection while the old one still plays
            self._watch.silences[guild] = max(self._watch.silences.get(guild, 0.0), self._voice)
        self._watch.moved.update(report.moved)
        self._watch.lost.update(report.failed)
        await nodes[name].stop()
        await asyncio.sleep(RESTART)
        await nodes[name].start()
        async with asyncio.timeout(LONGEST):
            while node.status is not NodeStatus.CONNECTED:
                await pool.fleet().changed()
        node.uncordon()

    def _delay(self, node: NodeModel) -> float:
        """Seconds for the voice connections of a group of players, one after the other."""
        return self._group * self._voice + (self._group - 1) * node.round_trip

    def _node_of(self, node: NodeModel, uri: str) -> Node:
        """The pool's node. A request for a group takes longer than one for a player, so it gets more time."""
        return Node(
            identifier=node.identifier,
            uri=uri,
            password="youshallnotpass",  # noqa: S106 - of a simulated node
            region=node.region,
            heartbeat=node.heartbeat,
            timeout=node.timeout if self._group == 1 else max(node.timeout, 2 * self._delay(node)),
            resume_timeout=node.resume_timeout,
        )

    def _outcomes(self) -> Iterator[PlayerOutcome]:
        for guild, (player, origin, players) in self._players.items():
            silence = self._watch.silences.get(guild) if guild not in self._watch.lost else None
            target = player.node.identifier if player.node is not None and silence is not None else None
            yield PlayerOutcome(players, origin.identifier, target, guild in self._watch.moved, silence)


def profile_of(node: NodeModel, others: int, voice: float) -> NodeProfile:
    """The simulated node of a node.

    Args:
        node: The node.
        others: Its playing players that no rehearsed player stands for.
        voice: Seconds that it needs to connect to a voice server.
    """
    figures: dict[str, Any] = {
        "identifier": node.identifier,
        "region": node.region,
        "players": node.players - node.playing + others,
        "playing": others,
        "cores": node.cores,
        "system_load": node.idle_load,
        "lavalink_load": 0.0,
        "player_load": node.cost if node.load is not None else 0.0,
        "voice": "delay",
        "player_update_interval": 60.0,  # nothing here depends on positions
        "voice_delay": voice,
        "tracks": (TrackRule(match="*", result="track", length_s=86_400.0),),
    }
    if node.version:
        figures["version"] = node.version
    return NodeProfile.nodelink(**figures) if node.dialect is Dialect.NODELINK else NodeProfile(**figures)
