"""The index and the ranking name the same best node, after any sequence of changes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.node_access import state_of
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.models import Decoded, WireCpu, WireFrames, WireStats
from revvlink_cli.client.routing import ranking
from revvlink_cli.client.snapshot import NodeStatus
from tests.client.routing.random_fleet import Clock, RandomFleet
from tests.example_counts import examples

if TYPE_CHECKING:
    import pytest

    from revvlink_cli import Node


def test_index_and_ranking_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """In random fleets with random changes the fleet chooses what the ranking puts first, and fails as it does."""
    clock = Clock()
    monkeypatch.setattr("revvlink_cli.client.clock.monotonic", clock)
    for seed in range(examples(300, 10_000)):
        fleet = RandomFleet(random.Random(seed), clock)
        for _ in range(20):
            fleet.change()
            if fleet.source.random() < 0.7:
                fleet.check()
            if fleet.source.random() < 0.1:
                fleet.check_penalties()


def test_equal_totals_after_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal totals of two nodes without a CPU: the one with fewer players is chosen, although it loses more frames.

    The difference of their frames is so small that it is lost when the median CPU is added.
    """
    clock = Clock()
    monkeypatch.setattr("revvlink_cli.client.clock.monotonic", clock)
    fleet = RandomFleet(random.Random(1), clock, size=3)
    busy, lossy, other = fleet.nodes

    def send(node: Node, load: float | None, expected: int = 0, lost: int = 0) -> None:
        state = state_of(node)
        assert state.rest is not None
        rest: Any = state.rest
        rest.dialect = Dialect.NODELINK  # its frames are shares of totals
        frames = WireFrames(sent=expected - lost, nulled=0, deficit=lost, expected=expected)
        cpu = WireCpu(1, load, load) if load is not None else None
        state.on_stats(Decoded(WireStats(players=1, playing_players=0, uptime=1, cpu=cpu, frame_stats=frames)))

    for node in fleet.nodes:
        state_of(node).forget_stats()
        fleet.set_status(node, NodeStatus.CONNECTED)
    other.cordon()
    send(other, 1.0)
    for node, lost in ((busy, 0), (lossy, 1)):
        send(node, None)
        send(node, None, expected=6 * 10**16, lost=lost)
    state_of(busy).players.add(1)
    snapshots = [state_of(node)._take_snapshot() for node in fleet.nodes]
    penalties = ranking.penalties(snapshots, clock.now)
    assert penalties[busy.identifier].deficit < penalties[lossy.identifier].deficit
    assert penalties[busy.identifier].total == penalties[lossy.identifier].total
    assert ranking.rank(snapshots, clock.now).candidates[0].node.identifier == lossy.identifier
    assert fleet.fleet.best() is lossy
