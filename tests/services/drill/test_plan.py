"""What follows from the figures: it agrees with the ranking of the client, and loses no player."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.client.routing.ranking import rank
from revvlink_cli.health.findings import Verdict
from revvlink_cli.services.drill import plan
from tests.services.drill.copies import REGIONS, fleet, fleets, node

if TYPE_CHECKING:
    from revvlink_cli.services.drill.model import FleetModel


@given(fleets(), st.sampled_from(REGIONS), st.integers(1, 40))
def test_players_go_where_the_ranking_puts_them(copy: FleetModel, region: str | None, count: int) -> None:
    """Many players at once get the nodes that the ranking gives one after the other, each with a reservation."""
    snapshots = {entry.identifier: entry.snapshot() for entry in copy.nodes}
    one_by_one: Counter[str] = Counter()
    for _ in range(count):
        best = rank(list(snapshots.values()), 0.0, region=region).candidates[0].node
        snapshots[best.identifier] = replace(best, reserved=best.reserved + 1)
        one_by_one[best.identifier] += 1

    assert plan.spread(copy, region, count) == dict(one_by_one)


@given(fleets(), st.data())
def test_no_player_is_lost_while_a_node_is_left(copy: FleetModel, data: st.DataObject) -> None:
    """After a loss as many play as before, none on a lost node; without any node left, all are without one."""
    names = [entry.identifier for entry in copy.nodes]
    lost = set(data.draw(st.lists(st.sampled_from(names), unique=True)))
    after, unplaced = plan.after_loss(copy, lost)

    assert after.playing + unplaced == copy.playing
    assert all(after[name].playing == 0 for name in lost)
    assert unplaced == (copy.playing if len(lost) == len(names) else 0)


@given(fleets())
def test_order_of_a_restart_has_every_node_once(copy: FleetModel) -> None:
    """The order is one of all nodes, and strains the fleet no more than the order of the configuration."""
    names = [entry.identifier for entry in copy.nodes]
    steps = plan.safe_order(copy, names)
    as_configured = plan.restart_in(copy, names)

    assert sorted(step.node for step in steps) == sorted(names)
    assert sum(len(step.overloaded) for step in steps) <= sum(len(step.overloaded) for step in as_configured)


@given(fleets())
def test_a_region_that_holds_needs_nothing(copy: FleetModel) -> None:
    """A region that holds has no reason and nothing short; one that is mended has one node too few with one less."""
    for region in copy.regions:
        found = plan.plan_region(copy, region)
        assert (found.why is None) == (found.holds is True)
        if found.holds:
            assert (found.added, found.short_players) == (0, 0)
        elif found.holds is False:
            assert found.added is None or found.added > 0


def test_verdicts_are_those_of_check() -> None:
    """The default threshold of the load is 90 %; a node without a baseline has no verdict; one that is down neither."""
    copy = fleet(node("busy", load=0.95), node("calm", load=0.2), node("new", load=None), node("dead"))
    judged = plan.judge_fleet(copy, {"dead"})

    assert judged["busy"].verdict is Verdict.WARNING
    assert judged["busy"].reason == "cpu 95%, threshold 90%"
    assert judged["calm"].verdict is Verdict.OK
    assert (judged["new"].verdict, judged["new"].reason) == (None, "no CPU baseline, so no verdict")
    assert (judged["dead"].verdict, judged["dead"].penalty) == (None, None)


def test_smallest_change() -> None:
    """Two nodes that are half full bear no loss of one; one node more mends it."""
    copy = fleet(node("us-1", playing=100), node("us-2", playing=100))
    found = plan.plan_region(copy, "us")

    assert found.holds is False
    assert found.added == 1
    assert found.short_players > 0
    assert "cpu" in (found.why or "")


def test_only_node_of_a_region() -> None:
    """Its players leave the region; a second node mends it."""
    found = plan.plan_region(fleet(node("us-1"), node("eu-1", "eu")), "us")

    assert (found.holds, found.added, found.short_players) == (False, 1, 10)
    assert found.why == "its only node: the players leave the region"


def test_no_baseline_leaves_it_open() -> None:
    """Where the load of the other node is unknown, nothing is said."""
    found = plan.plan_region(fleet(node("us-1"), node("us-2", load=None)), "us")

    assert (found.holds, found.added) == (None, None)


def test_overload() -> None:
    """Four cores at 2 % a player and a tenth of other load break at 160 players: four times forty."""
    found = plan.overload(fleet(node("us-1", playing=40)))

    assert found.factor == pytest.approx(4.02, abs=0.05)
    assert found.node == "us-1"


def test_overload_without_figures() -> None:
    """A fleet that is overloaded now has the factor 1; without a baseline or players there is none."""
    assert plan.overload(fleet(node("us-1", load=0.95))).factor == 1.0
    assert plan.overload(fleet(node("us-1", load=None))).factor is None
    assert plan.overload(fleet(node("us-1", playing=0))).factor is None
