"""The checks of statistics: CPU, memory, players, uptime and penalty."""

from __future__ import annotations

from dataclasses import replace

import pytest

from revvlink_cli.client.errors import Code, NodeException, Stage
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.routing.penalty import compute
from revvlink_cli.client.snapshot import StatsOrigin, TimedStats
from revvlink_cli.health.catalogue import read_range
from revvlink_cli.health.checks.context import CheckContext
from revvlink_cli.health.checks.run import check_node, select_checks
from revvlink_cli.health.findings import Finding, Verdict, worst
from revvlink_cli.health.policy import Requirements
from revvlink_cli.health.ranges import NO_BOUNDS, Bounds, Unit, parse
from tests.health.judged_nodes import NOW, STATS, one, outcomes, snapshot, timed, verdict


def test_statistics_that_are_missing_or_too_old() -> None:
    """A node without statistics is unknown, not well and not dead; what needs them is not made."""
    old = TimedStats(STATS, StatsOrigin.WEBSOCKET, NOW - 200, NOW - 1)

    for kept in (None, old):
        found = outcomes(snapshot(timed_stats=kept))
        assert worst(found) is Verdict.UNKNOWN
        assert verdict(found, "cpu") is None
        assert worst(select_checks(found, {"cpu"})) is Verdict.UNKNOWN
    hanging = snapshot(timed_stats=None, stats_error=NodeException("x", code=Code.SILENT, stage=Stage.REQUEST))
    assert worst(outcomes(hanging)) is Verdict.CRITICAL, "nothing answers requests"


@pytest.mark.parametrize(
    ("check", "warning", "critical", "expected"),
    [
        ("cpu", "60%", "90%", Verdict.OK),
        ("cpu", "40%", "90%", Verdict.WARNING),
        ("cpu", "40%", "49.9%", Verdict.CRITICAL),
        ("cpu", None, "50%", Verdict.OK),  # ends belong to the range
        ("memory", "20", None, Verdict.WARNING),
        ("memory", "45B", None, Verdict.WARNING),
        ("memory", "90%", "40B", Verdict.CRITICAL),
        ("memory", "20%", "1GiB", Verdict.WARNING),
        ("players", "@4", None, Verdict.WARNING),
        ("players", "~:3", "10", Verdict.WARNING),
        ("uptime", "15m:", None, Verdict.WARNING),
        ("uptime", "10m:", "5m:", Verdict.OK),
        ("websocket", "2ms", "1s", Verdict.WARNING),
        ("stats", None, "500ms", Verdict.CRITICAL),
        ("penalty", "5", None, Verdict.WARNING),
        ("reach", "10ms", "100ms", Verdict.WARNING),
    ],
)
def test_thresholds(check: str, warning: str | None, critical: str | None, expected: Verdict) -> None:
    """A figure out of its range makes the verdict, and the message tells the threshold."""
    bounds = Bounds(*(read_range(check, text) if text is not None else None for text in (warning, critical)))

    found = one(outcomes(snapshot(), bounds={check: bounds}), check)

    assert isinstance(found, Finding)
    assert found.verdict is expected
    assert ("threshold" in found.message) is (expected is not Verdict.OK)
    assert set(bounds) <= {limit for figure in found.figures for limit in (*figure.bounds, None)}


def test_a_figure_that_is_not_told() -> None:
    """It is not a fault, unless there is a threshold: then nobody knows, and that is said."""
    silent = snapshot(timed_stats=timed(replace(STATS, memory_used=None)))

    assert verdict(outcomes(silent), "memory") is Verdict.OK
    for check in ("memory",):
        bounds = {check: Bounds(read_range(check, "90"), None)}
        assert verdict(outcomes(silent, bounds=bounds), check) is Verdict.UNKNOWN


def test_a_cpu_without_a_baseline_is_not_judged() -> None:
    """The first figure after a start is not a figure, and alarms nobody; nor is it told as one."""
    fresh = snapshot(timed_stats=timed(replace(STATS, system_load=None, server_load=None, has_cpu_baseline=False)))

    found = one(outcomes(fresh, bounds={"cpu": Bounds(parse("1%", Unit.RATIO), None)}), "cpu")

    assert isinstance(found, Finding)
    assert found.verdict is Verdict.OK
    assert not found.figures


def test_a_cpu_that_is_never_told() -> None:
    """It is not one that was not measured yet: with a threshold, nobody knows, as with every other figure."""
    silent = snapshot(timed_stats=timed(replace(STATS, system_load=None, server_load=None)))

    assert verdict(outcomes(silent), "cpu") is Verdict.OK
    assert verdict(outcomes(silent, bounds={"cpu": Bounds(parse("1%", Unit.RATIO), None)}), "cpu") is Verdict.UNKNOWN


def test_a_penalty_with_the_cpu_of_others() -> None:
    """It is shown as assumed, and no threshold judges it; a node that measures its own is judged."""
    busy = snapshot(timed_stats=timed(replace(STATS, system_load=1.0)))
    fresh = timed(replace(STATS, system_load=None, server_load=None, has_cpu_baseline=False))
    bounds = {"penalty": Bounds(None, parse("1000", Unit.COUNT))}
    cost = compute(fresh.stats, cpu_fallback=busy.timed_stats.penalty.cpu if busy.timed_stats else None)

    (assumed,) = [
        made
        for made in check_node(CheckContext(snapshot(timed_stats=fresh), NOW, 5.0, Requirements(bounds=bounds), cost))
        if made.check == "penalty"
    ]

    assert verdict(outcomes(busy, bounds=bounds), "penalty") is Verdict.CRITICAL
    assert isinstance(assumed, Finding)
    assert (assumed.verdict, assumed.message[:10]) == (Verdict.OK, ">=~1309.5,")
    assert "not judged" in assumed.message
    assert [figure.bounds for figure in assumed.figures] == [NO_BOUNDS]


def test_the_memory_of_a_nodelink() -> None:
    """It gives its heap and its machine's memory: no share of the one in the other is judged; the heap itself is."""
    node = snapshot(dialect=Dialect.NODELINK)

    for limit, expected in (("20%", Verdict.OK), ("40B", Verdict.CRITICAL)):
        bounds = {"memory": Bounds(None, read_range("memory", limit))}
        found = one(outcomes(node, bounds=bounds), "memory")
        assert isinstance(found, Finding)
        assert (found.verdict, "its share is not judged" in found.message) == (expected, True)
        assert Unit.RATIO not in {figure.unit for figure in found.figures}


@pytest.mark.parametrize(
    ("check", "text", "shown"),
    [
        ("cpu", "40%", "40%"),
        ("cpu", "40", "40%"),
        ("memory", "45B", "45B"),
        ("memory", "0.00000001GiB", "0.00000001GiB"),
        ("uptime", "1d:", "1d:"),
        ("websocket", "0.1ms", "0.1ms"),
        ("websocket", "0.001", "0.001 s"),
        ("players", "@0:10", "@0:10"),
        ("penalty", "~:0.5", "~:0.5"),
    ],
)
def test_a_threshold_is_shown_as_it_was_written(check: str, text: str, shown: str) -> None:
    """Nothing is made of it: neither another unit nor another number of digits."""
    found = one(outcomes(snapshot(), bounds={check: Bounds(read_range(check, text), None)}), check)

    assert isinstance(found, Finding)
    assert found.message.endswith(f"(threshold {shown})")
