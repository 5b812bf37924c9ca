"""The table of checks: every face derives from it, and an entry that lacks one is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.models import Frames
from revvlink_cli.client.protocol.plugin_answers import RoutePlanner
from revvlink_cli.client.routing.penalty import compute
from revvlink_cli.client.snapshot import FleetSnapshot
from revvlink_cli.config.json_schema import json_schema
from revvlink_cli.health import metrics
from revvlink_cli.health.catalogue import BY_CODE, CHECKS, FLEET_CHECKS, JUDGED, NODE_CHECKS, Check, Metric
from revvlink_cli.health.checks import fleet, run
from revvlink_cli.health.checks.context import Load, OnDemand, Played
from revvlink_cli.health.exposition import exposition
from revvlink_cli.health.findings import Verdict
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.metrics import METRICS, Sample, samples
from revvlink_cli.health.policy import Policy, Requirements
from revvlink_cli.health.ranges import NO_BOUNDS, Unit
from tests.health.judged_nodes import NOW, STATS, snapshot, timed


def test_every_check_has_its_function() -> None:
    """The functions that run are those of the table, in its order."""
    assert list(run.CHECKS) == list(NODE_CHECKS)
    assert list(fleet.CHECKS) == list(FLEET_CHECKS)
    assert len(BY_CODE) == len(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.code)
def test_an_entry_is_complete(check: Check) -> None:
    """What thresholds judge has a description and a metric; one without a figure has no thresholds."""
    assert check.what
    assert check.false_alarm
    assert bool(check.figure) == bool(check.units)
    assert len(set(check.units)) == len(check.units), "the unit of a threshold selects the figure"
    assert check.units or check.bounds == NO_BOUNDS
    for limit in check.bounds:
        assert limit is None or limit.unit in check.units


def test_every_metric_is_listed_once_and_has_a_help() -> None:
    """Metrics of checks and all others are in the list that orders and documents them."""
    names = [metric.full_name for metric in METRICS]
    others = {value for value in vars(metrics).values() if isinstance(value, Metric)}

    assert len(set(names)) == len(names)
    assert others <= set(METRICS)
    assert {metric for check in CHECKS for metric in check.metrics} <= set(METRICS)
    assert all(metric.help.endswith(".") for metric in METRICS)


def test_a_metric_that_is_not_listed_is_written_with_its_help() -> None:
    """No sample disappears: its metric brings its help text along."""
    metric = Metric("new", Unit.SECONDS, "A new one.")

    assert "# HELP revvlink_node_new_seconds A new one.\n" in exposition([Sample(metric, (), 1.0)])


def test_a_figure_that_is_not_listed_is_refused() -> None:
    """A check cannot measure what the table does not list."""
    with pytest.raises(LookupError, match="lists no metric cpu_cores in seconds for the check cpu"):
        BY_CODE["cpu"].metric("cpu_cores", Unit.SECONDS)


def test_every_metric_of_a_check_is_measured() -> None:
    """A fleet of healthy nodes, two Lavalinks and a NodeLink, has a sample of every metric that a check lists."""
    node = snapshot(uri="https://h", certificate_expires=NOW + 1e7, region="us")
    frames = timed(replace(STATS, frames=Frames(2990, 4, 6)))
    other = replace(node, identifier="c", dialect=Dialect.NODELINK, timed_stats=frames)
    nodes = (*(replace(node, identifier=name) for name in ("a", "b")), other)
    penalties = {name: compute(STATS) for name in ("a", "b")}
    policy = Policy(common=Requirements(canaries=("x",), plays=("x",)), min_healthy=1)
    played = Played(canary="x", verdict=Verdict.OK, message="heard", start_s=0.2, packet_rate=50.0, silence_ratio=0.0)
    planner = RoutePlanner("RotatingIpRoutePlanner", {"ipBlock": {"size": "256"}, "failingAddresses": []})
    report = assess(
        FleetSnapshot(NOW, nodes, penalties),
        policy,
        timeout=5.0,
        loads={name: [Load("x", 0.1, 2)] for name in ("a", "b")},
        played={name: [played] for name in ("a", "b")},
        on_demand={"a": OnDemand(frozenset({"routeplanner"}), planner)},
    )

    measured = {sample.metric for sample in samples(report)}
    assert {metric for check in CHECKS for metric in check.metrics} - measured == set()


def test_the_configuration_takes_every_check() -> None:
    """The JSON Schema of the configuration has a threshold for every figure, and names every check and stage."""
    keys = json_schema()["properties"]["check"]["properties"]

    assert list(keys["warning"]["properties"]) == list(keys["critical"]["properties"]) == list(JUDGED)
    assert set(keys["skip"]["items"]["enum"]) == {name for check in CHECKS for name in (check.code, check.stage)}
