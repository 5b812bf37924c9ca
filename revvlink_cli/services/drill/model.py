"""What a drill knows of a fleet: the figures of each node, read once or from a recording."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.models import NodeStats
from revvlink_cli.client.snapshot import NodeSnapshot, NodeStatus, StatsOrigin, TimedStats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.health.policy import Policy

USUAL_COST = 0.0175
"""Share of one core that a playing player costs where the node does not say: 1.5 to 2 % were measured."""

LEAST_COST, MOST_COST = 0.001, 0.25
"""Costs outside of these are not those of players: a node whose figures give them counts with the usual one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeModel:
    """One node of the copy.

    Attributes:
        identifier: Its name.
        region: Its region, or None.
        dialect: What it is.
        version: Its version, "" if unknown.
        cores: Its processor cores; 1 where they are unknown, and `cost` is then a share of the whole machine.
        has_cores: Whether they are known.
        players: Players of all bots on it.
        playing: Those of them that play.
        load: Load of its machine, 0 to 1; None while it has no baseline, so that nothing says how busy it is.
        cost: Share of one core that each playing player takes.
        is_cost_measured: Whether that is from the node's own load; else it is `USUAL_COST`.
        round_trip: Seconds of a request over REST and back.
        heartbeat: Seconds between two pings, from the configuration.
        timeout: Seconds that one request may take, from the configuration.
        resume_timeout: Seconds for which a session waits for its client, from the configuration.
    """

    identifier: str
    region: str | None = None
    dialect: Dialect = Dialect.LAVALINK
    version: str = ""
    cores: int = 1
    has_cores: bool = True
    players: int = 0
    playing: int = 0
    load: float | None = None
    cost: float = USUAL_COST
    is_cost_measured: bool = False
    round_trip: float = 0.0
    heartbeat: float = 15.0
    timeout: float = 5.0
    resume_timeout: int = 60

    @property
    def label(self) -> str | None:
        """The region in the form in which regions are compared."""
        return self.region.casefold() if self.region else None

    @property
    def idle_load(self) -> float:
        """Load of its machine without its playing players, 0 to 1."""
        return max((self.load or 0.0) - self.cost * self.playing / self.cores, 0.0)

    def with_playing(self, playing: int) -> NodeModel:
        """The same node with another number of playing players, and the load that they cause."""
        load = None if self.load is None else min(self.idle_load + self.cost * playing / self.cores, 1.0)
        return replace(self, players=max(self.players + playing - self.playing, playing), playing=playing, load=load)

    def snapshot(self, *, is_up: bool = True) -> NodeSnapshot:
        """The node as the ranking and the checks see it."""
        stats = NodeStats(
            players=self.players,
            playing=self.playing,
            uptime_ms=None,
            memory_free=None,
            memory_used=None,
            memory_allocated=None,
            memory_reservable=None,
            cores=self.cores,
            system_load=self.load,
            server_load=None,
            frames=None,
            has_cpu_baseline=self.load is not None,
        )
        return NodeSnapshot(
            identifier=self.identifier,
            uri="",
            region=self.region,
            status=NodeStatus.CONNECTED if is_up else NodeStatus.DISCONNECTED,
            dialect=self.dialect,
            timed_stats=TimedStats(stats, StatsOrigin.WEBSOCKET, 0.0, math.inf),
            ready_ms=0.0,
        )


@dataclass(frozen=True, slots=True)
class FleetModel:
    """The copy of a fleet.

    Attributes:
        nodes: Its nodes, in the order of the configuration; nodes that could not be read are not in it.
        policy: The thresholds of `check`.
        has_own_regions: Whether the configuration has a map of regions of its own, whose labels have no distances.
    """

    nodes: tuple[NodeModel, ...]
    policy: Policy
    has_own_regions: bool = False

    def __getitem__(self, identifier: str) -> NodeModel:
        """The node of that name."""
        return next(node for node in self.nodes if node.identifier == identifier)

    @property
    def playing(self) -> int:
        """All playing players."""
        return sum(node.playing for node in self.nodes)

    @property
    def regions(self) -> tuple[str | None, ...]:
        """The regions that its nodes have, in the order of the nodes."""
        return tuple(dict.fromkeys(node.label for node in self.nodes))

    def with_playing(self, playing: Mapping[str, int]) -> FleetModel:
        """The same fleet with other numbers of playing players, by node."""
        nodes = (node.with_playing(playing.get(node.identifier, node.playing)) for node in self.nodes)
        return replace(self, nodes=tuple(nodes))

    def with_total(self, playing: int) -> FleetModel:
        """The same fleet with another number of playing players, in proportion to those read, else to the cores."""
        shares = [node.playing for node in self.nodes]
        if not any(shares):
            shares = [node.cores for node in self.nodes]
        exact = [playing * share / sum(shares) for share in shares]
        given = [int(number) for number in exact]
        by_rest = sorted(range(len(given)), key=lambda place: (given[place] - exact[place], place))
        for place in by_rest[: playing - sum(given)]:
            given[place] += 1
        return self.with_playing({node.identifier: given[place] for place, node in enumerate(self.nodes)})


def cost_of_player(server_load: float | None, cores: int, playing: int) -> float | None:
    """Share of one core that a player takes, from the load that the server itself causes; None where that says nothing.

    Args:
        server_load: Load that the server causes, 0 to 1 over all cores; None while it has no baseline.
        cores: Processor cores of the machine.
        playing: Players that play.
    """
    if server_load is None or playing < 1:
        return None
    cost = server_load * cores / playing
    return cost if LEAST_COST <= cost <= MOST_COST else None
