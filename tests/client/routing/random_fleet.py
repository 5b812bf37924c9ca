"""A fleet without a network, whose nodes change at random, and the checks of what it chooses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import InvalidNodeException, Node
from revvlink_cli.client.connection.circuit_breaker import CircuitBreaker
from revvlink_cli.client.connection.supervisor import NodeSupervisor
from revvlink_cli.client.errors import Code, NodeException
from revvlink_cli.client.fleet import Fleet
from revvlink_cli.client.fleet_events import FleetMember
from revvlink_cli.client.node_access import state_of
from revvlink_cli.client.protocol.models import Decoded, WireCpu, WireFrames, WireStats
from revvlink_cli.client.routing import ranking
from revvlink_cli.client.snapshot import NodeStatus

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

REGIONS = (None, "us", "EU", "asia", "southamerica", "moon", "Mars")
WISHES = (None, "", "us", "eu", "Africa", "MOON", "mars", "global")


class Clock:
    """The monotonic clock of a test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


class RandomFleet:
    """A fleet without a network, whose nodes change at random."""

    def __init__(self, source: random.Random, clock: Clock, *, size: int | None = None) -> None:
        self.source = source
        self.clock = clock
        self.fleet = Fleet()
        self.fleet._selector.use_regions({"moon": ("x",)} if source.random() < 0.2 else None)
        self.names = 0
        self.guilds = 0
        for _ in range(source.randint(0, 8) if size is None else size):
            self.join()

    @property
    def nodes(self) -> list[Node]:
        """The nodes of the fleet."""
        return list(self.fleet.members)

    def join(self) -> None:
        """A node joins the fleet."""
        node = Node(
            identifier=f"n{self.names}",
            uri="http://127.0.0.1:1",
            password="x",
            region=self.source.choice(REGIONS),
        )
        self.names += 1
        self.take_in(node)

    def take_in(self, node: Node) -> None:
        """Make a node, new or known, the last of the fleet."""
        node._state = state = type(state_of(node))(node.settings)
        rest: Any = SimpleNamespace(
            breaker=CircuitBreaker(),
            unexpected_fields=set(),
            unknown={},
            latency_s=None,
            dialect=None,
            rate_limiter=SimpleNamespace(reset=lambda: None),
        )
        state.rest = rest
        state.supervisor = NodeSupervisor(state, rest, rest, user_id=1)
        state.observer = FleetMember(self.fleet, node)
        self.fleet._nodes[node.identifier] = node
        self.fleet.on_change(node)
        if self.source.random() < 0.8:
            self.set_status(node, NodeStatus.CONNECTED)
        if self.source.random() < 0.8:
            self.send_stats(node)

    def leave(self, node: Node) -> None:
        """A node leaves; it may come back at once, as the last."""
        self.fleet.forget(node)
        if self.source.random() < 0.5:
            self.take_in(node)

    def set_status(self, node: Node, status: NodeStatus) -> None:
        """The connection changes."""
        supervisor = state_of(node).supervisor
        assert supervisor is not None
        connection: Any = None
        if status is NodeStatus.CONNECTED:
            connection = SimpleNamespace(
                session_id="s",
                shown_session_id="s",
                resumed=False,
                ready_ms=1.0,
                latency_ms=None,
                unparsed=0,
                handshake=SimpleNamespace(certificate_expires=None),
            )
        else:
            state_of(node).forget_stats()
        supervisor.connection = connection
        supervisor.rest_watch.reset()
        supervisor._set(status, None)

    def switch(self, node: Node) -> None:
        """The connection is lost, or back."""
        is_lost = node.status is NodeStatus.CONNECTED
        self.set_status(node, NodeStatus.DISCONNECTED if is_lost else NodeStatus.CONNECTED)

    def send_stats(self, node: Node) -> None:
        """Statistics come, often equal to others, often without CPU."""
        playing = self.source.choice((None, 0, 0, 1, 2, 3, 50))
        load = self.source.choice((0.0, 0.1, 0.1, 0.25, self.source.random()))
        lost = self.source.choice((0, 1, 7, 400))
        state_of(node).on_stats(
            Decoded(
                WireStats(
                    players=playing,
                    playing_players=playing,
                    uptime=1,
                    cpu=WireCpu(4, load, load) if self.source.random() < 0.6 else None,
                    frame_stats=WireFrames(3000, self.source.choice((0, 3)), lost)
                    if self.source.random() < 0.4
                    else None,
                )
            )
        )

    def reserve(self, node: Node) -> None:
        """A player is placed on the node, and may not come."""
        players = state_of(node).players
        self.guilds += 1
        reservation = players.reserve(self.guilds)
        if self.source.random() < 0.3:
            players.release(self.guilds, reservation)
        elif self.source.random() < 0.5:
            players.add(self.guilds)

    def add_player(self, node: Node) -> None:
        """The node serves one more player, or one less."""
        players = state_of(node).players
        if players.guilds and self.source.random() < 0.4:
            players.remove(next(iter(players.guilds)))
        else:
            self.guilds += 1
            players.add(self.guilds)

    def cordon(self, node: Node) -> None:
        """The node is cordoned, or not any more."""
        if node.is_cordoned:
            node.uncordon()
        else:
            node.cordon()

    def trip(self, node: Node) -> None:
        """Requests fail until the breaker opens, or one succeeds."""
        state = state_of(node)
        assert state.rest is not None
        breaker = state.rest.breaker
        if breaker.tripped_until is not None:
            breaker.succeeded()
        else:
            while not breaker.failed():
                pass
        state.on_change()

    def hang(self, node: Node) -> None:
        """The node stops answering or refuses requests, or serves them again."""
        supervisor = state_of(node).supervisor
        assert supervisor is not None
        watch = supervisor.rest_watch
        failure = None if watch.failure else NodeException("fails", code=Code.FORBIDDEN)
        if self.source.random() < 0.5:
            watch.hanging, watch.refusal = failure, None
        else:
            watch.hanging, watch.refusal = None, failure
        state_of(node).on_change()

    def wait(self, _: Node) -> None:
        """Time passes: statistics grow old, trips end."""
        self.clock.now += self.source.choice((0.1, 2.0, 10.0, 70.0, 200.0))

    def change_all(self, _: Node) -> None:
        """All nodes send statistics."""
        for node in self.nodes:
            self.send_stats(node)

    def replace_regions(self, _: Node) -> None:
        """The program sets regions of its own, or the built-in ones again."""
        self.fleet._selector.use_regions(self.source.choice((None, {"moon": ("x",)})))

    def change(self) -> None:
        """One change."""
        if not self.nodes or self.source.random() < 0.05:
            self.join()
            return
        changes: tuple[Callable[[Node], None], ...] = (
            *(self.send_stats,) * 6,
            *(self.reserve,) * 2,
            *(self.add_player,) * 2,
            *(self.wait,) * 2,
            self.switch,
            self.cordon,
            self.trip,
            self.hang,
            self.leave,
            self.change_all,
            self.replace_regions,
        )
        self.source.choice(changes)(self.source.choice(self.nodes))

    def check_penalties(self) -> None:
        """The penalty of each node is that of a ranking made from nothing."""
        penalties = ranking.penalties([state_of(node)._take_snapshot() for node in self.nodes], self.clock.now)
        for node in self.nodes:
            assert node.penalty == penalties.get(node.identifier)

    def check(self) -> None:
        """The fleet chooses the node that a ranking made from nothing puts first, or fails with its reasons."""
        region = self.source.choice(WISHES)
        names = [node.identifier for node in self.nodes]
        exclude = frozenset(self.source.sample(names, self.source.randint(0, len(names))))
        if self.source.random() < 0.6:
            exclude = frozenset()
        snapshots = [state_of(node)._take_snapshot() for node in self.nodes]
        neighbours = self.fleet._selector._regions is None
        ranked = ranking.rank(snapshots, self.clock.now, region=region, neighbours=neighbours, exclude=exclude)
        if ranked.candidates:
            assert self.fleet.best(region, exclude=exclude).identifier == ranked.candidates[0].node.identifier
            return
        with pytest.raises(InvalidNodeException) as failure:
            self.fleet.best(region, exclude=exclude)
        reasons = [f"{left.node.identifier}: {left.reason}" for left in ranked.excluded]
        assert "; ".join(reasons[:5]) in str(failure.value)
        assert failure.value.code is Code.NO_NODE
        assert ("the pool has no nodes" in str(failure.value)) is (not names)
