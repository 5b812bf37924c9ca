"""The text of one scrape of a large fleet, beside prometheus_client's."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from benchmarks.measure import Centre, Demand, Row, Samples, Unit, at_least, by_turns
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.models import NodeInfo, NodeStats, Plugin
from revvlink_cli.client.routing.penalty import compute
from revvlink_cli.client.snapshot import FleetSnapshot, NodeSnapshot, NodeStatus, StatsOrigin, TimedStats
from revvlink_cli.health.catalogue import MetricType
from revvlink_cli.health.exposition import FleetText
from revvlink_cli.health.findings import Verdict
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.metrics import samples
from revvlink_cli.health.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from revvlink_cli.health.fleet import Report
    from revvlink_cli.health.metrics import Sample

NODES = 500
REGIONS = ("us", "eu", "asia", "oceania")
MOST = 0.010
"""Seconds that the text may keep the event loop busy."""


def report_on(size: int) -> Report:
    """The report on a healthy fleet that sends every figure."""
    source = random.Random(1)
    info = NodeInfo("4.2.2", None, "", "", "17", "2.2.6", ("http", "youtube"), ("timescale",), (Plugin("x", "1.0"),))
    nodes, penalties = [], {}
    for number in range(size):
        name = f"{REGIONS[number % 4]}-{source.randrange(10**6):06}"
        load, used = source.random() * 0.8, source.randrange(2**31)
        players = source.randrange(500)
        stats = NodeStats(players, players // 2, source.randrange(10**9), 2**31 - used, used, 2**31, 2**32, 8,
                          load, load / 3, None, True)  # fmt: skip
        penalties[name] = compute(stats)
        nodes.append(
            NodeSnapshot(
                identifier=name,
                uri=f"https://{name}.example",
                region=REGIONS[number % 4],
                status=NodeStatus.CONNECTED,
                dialect=Dialect.LAVALINK,
                info=info,
                ready_ms=source.random() * 200,
                latency_ms=source.random() * 50,
                timed_stats=TimedStats(stats, StatsOrigin.WEBSOCKET, 100 - source.random() * 30, 200.0),
                certificate_expires=time.time() + source.random() * 1e7,
            )
        )
    return assess(FleetSnapshot(100.0, tuple(nodes), penalties), Policy(), timeout=5.0)


class _Families:
    """The same samples as the families of prometheus_client."""

    def __init__(self, found: list[Sample]) -> None:
        self._families: dict[str, GaugeMetricFamily] = {}
        for metric, labels, value, _ in found:
            names = [name for name, _ in labels]
            values = [text for _, text in labels]
            if metric.full_name not in self._families:
                more = ["state"] if metric.type is MetricType.STATES else []
                self._families[metric.full_name] = GaugeMetricFamily(
                    metric.full_name, metric.full_help, labels=[*names, *more]
                )
            family = self._families[metric.full_name]
            if metric.type is MetricType.STATES:
                for verdict in Verdict:
                    family.add_metric([*values, verdict.name.lower()], float(verdict == value))
            else:
                family.add_metric(values, value)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What a scrape reads."""
        yield from self._families.values()


def scrape_500() -> Samples:
    """The text of 500 nodes with all their figures, from the report on."""
    report = report_on(NODES)
    registry = CollectorRegistry()
    registry.register(_Families(samples(report)))
    ours = FleetText()
    theirs = generate_latest(registry).decode().splitlines()
    assert len(ours.write(report, ()).splitlines()) == len(theirs)
    measured = by_turns(
        lambda: ours.write(report, ()).encode(),
        lambda: generate_latest(registry),
        repeats=15,
        centre=Centre.MINIMUM,
        clock=time.thread_time,
    )
    took = min(measured.ours)
    demand = Demand(f"at most {Unit.SECONDS.text(MOST)} of the processor", took <= MOST)
    return replace(measured, demands=[demand])


ROWS = {
    "exporter-scrape-500": Row(
        scrape_500, "prometheus_client's `generate_latest`", at_least(3),
        "How long one scrape of the exporter with 500 nodes keeps it from other work.",
    ),
}  # fmt: skip
