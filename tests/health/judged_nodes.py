"""Snapshots of nodes, and what the checks find in them."""

from __future__ import annotations

from typing import Any

from revvlink_cli.client.errors import Code, NodeException, Stage
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.models import NodeInfo, NodeStats, Plugin
from revvlink_cli.client.snapshot import NodeSnapshot, NodeStatus, StatsOrigin, TimedStats
from revvlink_cli.health.checks.context import NOTHING_ASKED, CheckContext, Load, OnDemand
from revvlink_cli.health.checks.run import check_node
from revvlink_cli.health.findings import Finding, Outcome, Verdict
from revvlink_cli.health.policy import Requirements

NOW = 100.0
INFO = NodeInfo(
    "4.2.2", None, "", "", "17", "2.2.6", ("http", "youtube"), ("timescale",), (Plugin("youtube-plugin", "1.13"),)
)
STATS = NodeStats(4, 3, 600_000, 1, 50, 1, 200, 2, 0.5, 0.1, None, True)
DOWN: dict[str, Any] = {"status": NodeStatus.DISCONNECTED, "ready_ms": None, "info": None, "timed_stats": None}


def timed(stats: NodeStats = STATS) -> TimedStats:
    """Statistics that came a moment ago."""
    return TimedStats(stats, StatsOrigin.WEBSOCKET, NOW - 1, NOW + 100)


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
        "latency_ms": 3.0,
        "rest_latency_s": 0.02,
        "timed_stats": timed(),
    }
    return NodeSnapshot(**{**values, **more})


def outcomes(
    node: NodeSnapshot, *, loads: tuple[Load, ...] = (), on_demand: OnDemand = NOTHING_ASKED, **demands: Any
) -> tuple[Outcome, ...]:
    """What is made of a node."""
    penalty = node.timed_stats.penalty if node.timed_stats is not None and node.stats(NOW) is not None else None
    return check_node(CheckContext(node, NOW, 5.0, Requirements(**demands), penalty, loads, on_demand=on_demand))


def one(found: tuple[Outcome, ...], check: str) -> Outcome:
    """The one outcome of a check."""
    (outcome,) = [outcome for outcome in found if outcome.check == check]
    return outcome


def verdict(found: tuple[Outcome, ...], check: str) -> Verdict | None:
    """The verdict of a check, None when it was not made."""
    outcome = one(found, check)
    return outcome.verdict if isinstance(outcome, Finding) else None


REFUSED = NodeException("x", code=Code.REFUSED, stage=Stage.CONNECT)
SILENT = NodeException("x", code=Code.SILENT, stage=Stage.REQUEST)
PROXY = NodeException("x", code=Code.PROXY_FAILED, stage=Stage.CONNECT)
