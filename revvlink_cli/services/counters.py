"""Counts what happens to nodes while the exporter runs: lost connections, probes and canaries by result."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from revvlink_cli.client.events import NodeClosed, NodeLost, NodeReady
from revvlink_cli.health import metrics
from revvlink_cli.health.findings import Verdict
from revvlink_cli.health.metrics import Sample

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from revvlink_cli.client.events import PoolEvent, Subscription
    from revvlink_cli.health.catalogue import Metric
    from revvlink_cli.health.findings import Finding
    from revvlink_cli.health.metrics import Labels

PROBE_RESULTS = ("success", "failure", "timeout")
"""Results of probes."""

CANARY_CHECKS = ("load", "play")
"""Checks that try a canary."""


class Counters:
    """The counters. Each has a node as its first label, and ends when the node leaves."""

    def __init__(self) -> None:
        self._values: dict[Metric, dict[Labels, tuple[float, float]]] = {}
        self._nodes: Collection[str] = ()
        self._lost: set[str] = set()

    def follow(self, nodes: Collection[str]) -> None:
        """Count for these nodes: new ones begin at 0, and the series of others end."""
        self._nodes = frozenset(nodes)
        self._lost &= self._nodes
        for metric, values in self._values.items():
            self._values[metric] = {labels: value for labels, value in values.items() if labels[0][1] in self._nodes}
        for node in nodes:
            self._add(metrics.NODE_LOST_CONNECTIONS, (("node", node),), 0)
            self._add(metrics.NODE_RECONNECTS, (("node", node),), 0)
            for result in PROBE_RESULTS:
                self._add(metrics.PROBES, (("node", node), ("result", result)), 0)

    async def count_events(self, events: Subscription) -> None:
        """Count lost connections until the events end."""
        while (event := await events.next()) is not None:
            self._add_event(event)

    def add_probe(self, node: str, result: str) -> None:
        """Count a probe with one of `PROBE_RESULTS`."""
        self._add(metrics.PROBES, (("node", node), ("result", result)), 1)

    def add_canaries(self, findings: Iterable[Finding]) -> None:
        """Count the canaries that a probe tried."""
        for finding in findings:
            if finding.node is not None and finding.subject is not None and finding.check in CANARY_CHECKS:
                self.add_canary(finding.node, finding.check, finding.subject, finding.verdict)

    def add_canary(self, node: str, check: str, canary: str, verdict: Verdict) -> None:
        """Count a canary that was tried; its other results begin at 0."""
        for each in Verdict:
            labels = (("node", node), ("check", check), ("canary", canary), ("result", each.name.lower()))
            self._add(metrics.CANARY_RUNS, labels, int(each is verdict))

    def samples(self) -> list[Sample]:
        """The counters as they are now."""
        return [
            Sample(metric, labels, value, created)
            for metric, values in self._values.items()
            for labels, (value, created) in values.items()
        ]

    def _add_event(self, event: PoolEvent) -> None:
        match event:
            case NodeLost():
                self._lost.add(event.node)
                self._add(metrics.NODE_LOST_CONNECTIONS, (("node", event.node),), 1)
            case NodeReady() if event.node in self._lost:
                self._lost.discard(event.node)
                self._add(metrics.NODE_RECONNECTS, (("node", event.node),), 1)
            case NodeClosed():
                self._lost.discard(event.node)
            case _:
                pass

    def _add(self, metric: Metric, labels: Labels, amount: int) -> None:
        if labels[0][1] not in self._nodes:
            return  # the node has left meanwhile
        values = self._values.setdefault(metric, {})
        value, created = values.get(labels, (0.0, time.time()))
        values[labels] = (value + amount, created)
