"""Checks: the verdict on a node, from its snapshot alone."""

from __future__ import annotations

from typing import Any

import pytest

from revvlink_cli.client.dialect import Dialect
from revvlink_cli.client.errors import AuthorizationFailedException, Code, NodeException, Stage
from revvlink_cli.client.models import NodeInfo, NodeStats
from revvlink_cli.client.snapshot import NodeSnapshot, NodeStatus, StatsOrigin, TimedStats
from revvlink_cli.health.checks import Finding, Verdict, examine, worst

NOW = 100.0
INFO = NodeInfo("4.2.2", None, "", "", "17", "2.2.6", ("http",), (), ())
STATS = NodeStats(4, 3, 1, 1, 1, 1, 1, 2, 0.5, 0.1, None, True)


def snapshot(**more: Any) -> NodeSnapshot:
    """A node that is well, but for what is given."""
    values: dict[str, Any] = {
        "identifier": "n",
        "uri": "http://h",
        "region": None,
        "status": NodeStatus.CONNECTED,
        "dialect": Dialect.LAVALINK,
        "info": INFO,
        "ready_ms": 12.0,
        "timed_stats": TimedStats(STATS, StatsOrigin.WEBSOCKET, NOW, NOW + 100),
    }
    return NodeSnapshot(**{**values, **more})


def test_a_node_that_is_well() -> None:
    """Four checks, all passed."""
    findings = examine(snapshot(), NOW, 5)

    assert [finding.check for finding in findings] == ["reach", "auth", "version", "stats"]
    assert worst(findings) is Verdict.OK


@pytest.mark.parametrize(
    ("error", "check", "verdict", "passed"),
    [
        (NodeException("x", code=Code.REFUSED, stage=Stage.CONNECT), "reach", Verdict.CRITICAL, []),
        (NodeException("x", code=Code.SILENT, stage=Stage.REQUEST), "reach", Verdict.UNKNOWN, []),
        (AuthorizationFailedException("x"), "auth", Verdict.CRITICAL, ["reach"]),
        (NodeException("x", code=Code.LAVALINK_V3, stage=Stage.VERSION), "version", Verdict.CRITICAL, ["reach"]),
        (NodeException("x", code=Code.NO_READY, stage=Stage.READY), "version", Verdict.CRITICAL, ["reach", "auth"]),
        (None, "reach", Verdict.UNKNOWN, []),
    ],
)
def test_a_node_that_is_not(error: Any, check: str, verdict: Verdict, passed: list[str]) -> None:
    """The check that failed is named; those before it have passed, those after it were not made."""
    node = snapshot(status=NodeStatus.DISCONNECTED, error=error, ready_ms=None, info=None, timed_stats=None)

    findings = examine(node, NOW, 5)

    assert [found.check for found in findings if found.verdict is Verdict.OK] == passed
    assert (findings[-1].check, findings[-1].verdict) == (check, verdict)


def test_statistics_that_are_missing_or_too_old() -> None:
    """A node without statistics is unknown, not well and not dead."""
    old = TimedStats(STATS, StatsOrigin.WEBSOCKET, NOW - 200, NOW - 1)

    for timed in (None, old):
        assert worst(examine(snapshot(timed_stats=timed), NOW, 5)) is Verdict.UNKNOWN


def test_the_worst_verdict() -> None:
    """OK < UNKNOWN < WARNING < CRITICAL; of nothing, nothing is known."""

    def of(*verdicts: Verdict) -> Verdict:
        return worst(tuple(Finding("n", "c", verdict, "m") for verdict in verdicts))

    assert of(Verdict.OK, Verdict.UNKNOWN) is Verdict.UNKNOWN
    assert of(Verdict.UNKNOWN, Verdict.WARNING) is Verdict.WARNING
    assert of(Verdict.CRITICAL, Verdict.UNKNOWN) is Verdict.CRITICAL
    assert of() is Verdict.UNKNOWN
