"""One scrape of a large fleet: its text beside prometheus_client's, and how long it blocks the event loop."""

from __future__ import annotations

import asyncio
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
from revvlink_cli.services.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from revvlink_cli.health.fleet import Report
    from revvlink_cli.health.metrics import Sample

NODES = 500
REGIONS = ("us", "eu", "asia", "oceania")
MOST = 0.010
"""Seconds that a scrape may block the event loop at a time."""

REPEATS = 30

TICK = 0.001
"""Seconds between two steps of the task that a blocked loop delays."""


def fleet_of(size: int) -> FleetSnapshot:
    """A healthy fleet that sends every figure."""
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
    return FleetSnapshot(100.0, tuple(nodes), penalties)


def report_on(size: int) -> Report:
    """The report on such a fleet."""
    return assess(fleet_of(size), Policy(), timeout=5.0)


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
    """The text of 500 nodes with all their figures, from the report on; and the loop beside the whole scrape."""
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
    blocked = asyncio.run(_blocked(NODES))
    what = f"a loop that is blocked for at most {Unit.SECONDS.text(MOST)} ({Unit.SECONDS.text(blocked)})"
    demand = Demand(what, blocked <= MOST)
    return replace(measured, demands=[demand])


async def _blocked(size: int) -> float:
    """The longest time for which the loop cannot run while the exporter works on a scrape.

    It is that of the best of several scrapes: programs beside it make it longer, and nothing shorter.
    """
    fleet, text, worker = fleet_of(size), FleetText(), Worker("scrape")
    delays: list[float] = []

    def scrape() -> bytes:
        return text.write(assess(fleet, Policy(), timeout=5.0), ()).encode()

    async def tick() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK)
            delays.append(time.perf_counter() - began - TICK)

    ticking = asyncio.create_task(tick())
    longest = []
    for _ in range(REPEATS):
        delays.clear()
        await worker.run(scrape)
        longest.append(max(delays, default=0.0))
    ticking.cancel()
    await asyncio.wait([ticking])
    worker.close()
    return min(longest)


ROWS = {
    "exporter-scrape-500": Row(
        scrape_500, "prometheus_client's `generate_latest`", at_least(3),
        "How long one scrape of the exporter with 500 nodes keeps it from other work.",
    ),
}  # fmt: skip
