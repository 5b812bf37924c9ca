"""``/probe`` of the exporter: connects to one configured node and checks it, within the timeout of the scrape."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from revvlink_cli._suggestions import closest
from revvlink_cli.client.errors import Code
from revvlink_cli.config.secrets_in_use import redact
from revvlink_cli.health import metrics
from revvlink_cli.health.catalogue import FLEET, NODE_CHECKS, ON_DEMAND
from revvlink_cli.health.exposition import exposition
from revvlink_cli.health.findings import Verdict, is_healthy
from revvlink_cli.health.metrics import Sample
from revvlink_cli.services.checking import run
from revvlink_cli.services.content_types import metrics_response, requested_format
from revvlink_cli.services.fleet_session import GRACE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from revvlink_cli.client.connection.rate_limits import SharedPaces
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.health.policy import Policy, Requirements
    from revvlink_cli.services.counters import Counters

OFFSET = 0.5
"""Seconds of the scrape's timeout that are reserved for sending the response."""

CLOSING = 0.75
"""Seconds that closing a connection may take when the node does not answer."""


class ProbePlan(Protocol):
    """What probes need of the plan of an exporter: the nodes, the requirements and a region map."""

    @property
    def chosen(self) -> Sequence[NodeSettings]:
        """The nodes."""

    @property
    def policy(self) -> Policy:
        """The requirements for them."""

    @property
    def regions(self) -> Mapping[str, Sequence[str]] | None:
        """A region map in place of the built-in one."""


class Probes:
    """Probes the nodes of an exporter, each node once at a time."""

    def __init__(self, plan: Callable[[], ProbePlan], timeout: float, paces: SharedPaces, counters: Counters) -> None:
        """Prepare.

        Args:
            plan: Gives the nodes and their policy, as of now.
            timeout: Seconds that a probe may take at most.
            paces: The pace of requests to each node, which the kept connection shares.
            counters: Count the probes and their canaries.
        """
        self._plan = plan
        self._timeout = timeout
        self._paces = paces
        self._counters = counters
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def answer(self, request: web.Request) -> web.Response:
        """Check the node that the request names."""
        plan = self._plan()
        name = request.query.get("target")
        chosen = [entry for entry in plan.chosen if entry.identifier == name]
        if not chosen:
            return web.Response(status=400, text=_no_such(name, [entry.identifier for entry in plan.chosen]))
        begun = time.monotonic()
        timeout = min(self._timeout, _scrape_timeout(request) or self._timeout)
        timeout = max(timeout - OFFSET, timeout / 2)
        requirements = plan.policy.of(chosen[0].identifier)
        unasked = {code for code in ON_DEMAND if not requirements.asks_for(code)}
        policy = replace(plan.policy, min_healthy=None, only=frozenset(NODE_CHECKS) - unasked)
        try:
            async with asyncio.timeout(timeout), self._turns[chosen[0].identifier]:
                left = begun + timeout - time.monotonic() - GRACE - CLOSING
                report = await run(
                    chosen, policy, regions=plan.regions, timeout=max(left, timeout / 4), paces=self._paces
                )
        except TimeoutError:
            report = None
        is_success = report is not None and is_healthy(report.outcomes) is True
        self._counters.add_probe(name or "", "timeout" if report is None else "success" if is_success else "failure")
        self._counters.add_canaries(report.findings if report is not None else ())
        found = [
            *(
                _of_node(report)
                if report is not None
                else _timed_out(chosen[0].identifier, policy.of(chosen[0].identifier))
            ),
            Sample(metrics.PROBE_SUCCESS, (), float(is_success)),
            Sample(metrics.PROBE_DURATION, (), time.monotonic() - begun),
        ]
        form = requested_format(request)
        return metrics_response(exposition(found, form, redact).encode(), form)


def _no_such(name: str | None, known: Sequence[str]) -> str:
    if not name:
        return f"name a configured node: /probe?target={known[0] if known else 'NODE'}\n"
    near = closest(name, known)
    hint = f", did you mean {near}?" if near is not None else ""
    return f"no node named {redact(name)[:100]!r} is configured{hint}\n"


def _timed_out(node: str, requirements: Requirements) -> list[Sample]:
    """The samples of a probe that ran out of time before it had a report: the verdict of a node that hangs."""
    verdict = Verdict.UNKNOWN if requirements.unknown_on_timeout else Verdict.CRITICAL
    labels = (("node", node),)
    why = (("state", verdict.name.lower()), ("reason", str(Code.TIMEOUT)))
    return [
        Sample(metrics.UP, labels, 0.0),
        Sample(metrics.NODE_STATE, labels, float(verdict)),
        Sample(metrics.CHECK_STATE, (*labels, ("check", "reach")), float(verdict)),
        Sample(metrics.CHECK_FAILURE, (*labels, ("check", "reach"), *why), 1.0),
        Sample(metrics.CHECK_VERDICT, (), float(verdict)),
    ]


def _of_node(report: Report) -> list[Sample]:
    """The samples of the probed node, without those about the fleet, of which the probe saw one node only.

    A probe measures, so silences do not change its verdicts.
    """
    return [
        sample
        for sample in metrics.samples(report)
        if sample.metric.prefix != FLEET and sample.metric is not metrics.SILENCED
    ]


def _scrape_timeout(request: web.Request) -> float | None:
    """Seconds that Prometheus waits, None without a usable header."""
    try:
        timeout = float(request.headers.get("X-Prometheus-Scrape-Timeout-Seconds", ""))
    except ValueError:
        return None
    return timeout if 0 < timeout < float("inf") else None
