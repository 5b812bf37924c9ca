"""Damped verdicts of an exporter: what they wait for, what they never hide, and how they end."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.client.snapshot import FleetSnapshot, NodeSnapshot, StatsOrigin, TimedStats
from revvlink_cli.health.damped_findings import Damping, Known
from revvlink_cli.health.damping import Rules
from revvlink_cli.health.findings import Finding, Verdict
from revvlink_cli.health.fleet import Report, assess
from revvlink_cli.health.hold import Hold
from revvlink_cli.health.metrics import HEALTHY_NODES, UP, samples
from revvlink_cli.health.policy import Policy, Requirements
from revvlink_cli.health.ranges import Bounds, Unit, parse
from tests.health.judged_nodes import DOWN, NOW, REFUSED, STATS, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY = 5.0
TWICE = Rules(after=Hold(2), recover_after=Hold(2))
LOST: dict[str, Any] = {**DOWN, "error": REFUSED, "attempts": 2}
POLICY = Policy(common=Requirements(bounds={"players": Bounds(parse("100", Unit.COUNT), None)}))


class Sampled:
    """A fleet of one node, or of two, sampled like an exporter does it."""

    def __init__(self, rules: Rules = TWICE) -> None:
        self.known: Known = {}
        self.rules = rules
        self.runs = 0

    def sample(self, *nodes: NodeSnapshot) -> Report:
        """Take a sample, and give what a scrape then shows."""
        damping = Damping(self.known, self.rules, self.runs * EVERY)
        self.runs += 1
        assess(FleetSnapshot(NOW, nodes, {}), POLICY, timeout=5.0, damping=damping)
        self.known = damping.known
        return self.scrape(*nodes)

    def scrape(self, *nodes: NodeSnapshot) -> Report:
        """What a scrape shows, which is not a sample."""
        return assess(FleetSnapshot(NOW, nodes, {}), POLICY, timeout=5.0, damping=Damping(self.known))


def found(report: Report, check: str) -> Finding:
    """The finding of a check."""
    (finding,) = [each for each in report.findings if each.check == check]
    return finding


def up(report: Report) -> float:
    """The figure of the one node's connection."""
    (value,) = [each.value for each in samples(report) if each.metric is UP]
    return value


def test_a_lost_node_is_critical_in_the_second_sample_and_its_figures_at_once() -> None:
    """A blip changes no verdict; a loss does with its reason; the end waits too; the connection itself never waits."""
    fleet = Sampled()
    assert fleet.sample(snapshot()).verdict is Verdict.OK
    fleet.sample(snapshot())
    blip = fleet.sample(snapshot(**LOST))
    assert (blip.verdict, blip.healthy, up(blip)) == (Verdict.OK, 1, 0.0)
    for _ in range(10):  # a scrape, of which there may be many, is not a sample
        assert fleet.scrape(snapshot(**LOST)).verdict is Verdict.OK
    fleet.sample(snapshot())
    fleet.sample(snapshot(**LOST))
    lost = fleet.sample(snapshot(**LOST))
    assert (lost.verdict, lost.healthy) == (Verdict.CRITICAL, 0)
    back = fleet.sample(snapshot())
    assert (back.verdict, up(back)) == (Verdict.CRITICAL, 1.0)
    assert (found(back, "reach").code, found(back, "reach").message) == ("connection_refused", "x")
    assert [each.value for each in samples(back) if each.metric is HEALTHY_NODES] == [0.0]
    assert fleet.sample(snapshot()).verdict is Verdict.OK


def test_the_first_verdict_waits_for_nothing() -> None:
    """An exporter that starts shows a dead node at once, and a node that is not tried yet as it is."""
    assert Sampled().scrape(snapshot(**LOST)).verdict is Verdict.CRITICAL
    fleet = Sampled()
    assert fleet.sample(snapshot(**DOWN)).verdict is Verdict.CRITICAL
    assert fleet.known == {}
    assert fleet.sample(snapshot()).verdict is Verdict.OK


def test_two_samples_of_statistics_are_two_messages_of_the_node() -> None:
    """A figure that a node sends once a minute is not judged twice because the exporter reads it every 5 seconds."""
    fleet = Sampled()
    calm, first, second = snapshot(), crowded(1.0), crowded(0.5)
    fleet.sample(calm)
    fleet.sample(calm)
    fleet.sample(snapshot(timed_stats=timed_at(2.0, players=4)))
    for _ in range(5):
        report = fleet.sample(first)
    assert found(report, "players").verdict is Verdict.OK
    assert found(report, "players").figures[0].value == 500, "figures are those of now"
    assert found(fleet.sample(second), "players").verdict is Verdict.WARNING


def changed(values: Sequence[object]) -> int:
    """How often a value is not the one before."""
    return sum(before is not after for before, after in pairwise(values))


def timed_at(ago: float, players: int) -> TimedStats:
    """Statistics that came so long ago."""
    return TimedStats(replace(STATS, players=players), StatsOrigin.WEBSOCKET, NOW - ago, NOW + 100)


def crowded(ago: float) -> NodeSnapshot:
    """A node with too many players."""
    return snapshot(timed_stats=timed_at(ago, players=500))


def test_a_flapping_node_is_a_warning_until_it_is_steady_and_critical_once_it_stays_away() -> None:
    """Losses of one sample never count as CRITICAL, but are not hidden; a loss that lasts is CRITICAL, and stays so."""
    fleet = Sampled(TWICE._replace(unstable_changes=4, unstable_window=400.0))
    fleet.sample(snapshot())
    for _ in range(3):
        fleet.sample(snapshot(**LOST))
        report = fleet.sample(snapshot())
    reach = found(report, "reach")
    assert (reach.verdict, reach.code, reach.message) == (
        Verdict.WARNING, "unstable", "unstable for 25 s, last problem: x")  # fmt: skip
    fleet.sample(snapshot(**LOST))
    assert fleet.sample(snapshot(**LOST)).verdict is Verdict.CRITICAL
    shown = [fleet.sample(snapshot()).verdict for _ in range(25)]
    assert shown == [Verdict.CRITICAL] * 20 + [Verdict.OK] * 5


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_verdicts_change_hardly_more_often_than_the_node(states: list[bool]) -> None:
    """Whatever a node does, its verdict changes at most once more than it, and says the truth in the end.

    The one more is of a node that flaps from its first sample on: each sample is shown until a verdict has held, and
    then the word that it is unstable.
    """
    fleet = Sampled(TWICE._replace(unstable_window=200.0))
    shown = [fleet.sample(snapshot(**({} if state else LOST))).verdict for state in [*states, *[states[-1]] * 12]]
    assert changed(shown) <= changed(states) + 1
    assert shown[-1] is (Verdict.OK if states[-1] else Verdict.CRITICAL)


def test_a_node_that_leaves_is_forgotten() -> None:
    """A node that comes back with the name of one that left begins anew."""
    fleet = Sampled()
    fleet.sample(snapshot())
    damping = Damping(fleet.known)
    damping.follow([])
    assert all(node is None for node, _, _ in damping.known)
