"""A small HTTP server for Prometheus, which keeps the fleet connected and probes single nodes.

``/metrics`` shows the current state. Its figures arrive over the websockets, so a scrape sends no request to a node.
Canaries that play do so at a slow pace of their own, and a scrape shows how each last played.
``/probe`` connects to one configured node and checks it, canaries included, within the timeout of the scrape. It
accepts names from the configuration only: with an address, anybody could have a node's password sent to any host.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from aiohttp import web

from revvlink_cli._suggestions import closest
from revvlink_cli._version import __version__
from revvlink_cli.client.connection.rate_limits import SharedPaces
from revvlink_cli.config.secrets_in_use import redact, redacted
from revvlink_cli.health import metrics
from revvlink_cli.health.catalogue import FLEET, NODE_CHECKS, ON_DEMAND
from revvlink_cli.health.findings import Verdict, is_healthy
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.metrics import Sample
from revvlink_cli.services.canaries import CanaryLoop
from revvlink_cli.services.checking import PER_SECOND, run, without_canaries
from revvlink_cli.services.fleet_session import GRACE, as_observer, connecting, make_room_for
from revvlink_cli.services.listener import FEWEST, Limits, Listener
from revvlink_cli.services.watching import follow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from aiohttp.typedefs import Middleware

    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.config.settings import PlaySettings
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.health.policy import Policy, Requirements

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # malformed requests must not fill the journal

RETRY_WITHIN = 15.0
"""Longest pause in seconds before a lost node is tried again: on-call staff rely on these figures."""

OFFSET = 0.5
"""Seconds of the scrape's timeout that are reserved for sending the response."""

CLOSING = 0.75
"""Seconds that closing a connection may take when the node does not answer."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Plan(NamedTuple):
    """The nodes that the exporter serves, and their policy.

    Attributes:
        chosen: The nodes.
        policy: The requirements for them.
        regions: A region map in place of the built-in one.
        play: How canaries play.
    """

    chosen: Sequence[NodeSettings]
    policy: Policy
    regions: Mapping[str, Sequence[str]] | None
    play: PlaySettings


class Exporter:
    """Answers scrapes.

    Attributes:
        url: The address it listens on, "" before it listens.
    """

    def __init__(
        self, fleet: Fleet, plan: Plan, timeout: float, reload: Callable[[], Plan | None], paces: SharedPaces
    ) -> None:
        self.url = ""
        self._fleet = fleet
        self._plan = plan
        self._timeout = timeout
        self._reload = reload
        self._paces = paces
        self._is_current = True
        self._joining: set[asyncio.Task[None]] = set()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._following = asyncio.Lock()
        self._canaries = CanaryLoop(fleet, lambda: (self._plan.policy, self._plan.play))
        self._playing: asyncio.Task[None] | None = None

    @property
    def nodes(self) -> int:
        """The number of nodes that are served."""
        return len(self._plan.chosen)

    def application(self, *middlewares: Middleware) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=middlewares)
        app.add_routes(
            [
                web.get("/", self._landing),
                web.get("/metrics", self._metrics),
                web.get("/probe", self._probe, allow_head=False),
                web.get("/-/healthy", self._healthy),
            ]
        )
        return app

    async def reload(self) -> None:
        """Read the configuration again; an invalid one changes nothing and shows as a metric."""
        async with self._following:
            plan = self._reload()
            self._is_current = plan is not None
            if plan is not None:
                self._plan = plan
                await follow(self._fleet, as_scraped(plan.chosen, self._timeout), self._joining)

    def start_canaries(self) -> None:
        """Begin to play canaries, at their own pace."""
        self._playing = asyncio.create_task(self._canaries.run(), name="canaries")

    async def close(self) -> None:
        """Cancel the canaries and the tasks that connect new nodes, and wait for them."""
        tasks = {*self._joining, *([self._playing] if self._playing is not None else [])}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _landing(self, _: web.Request) -> web.Response:
        nodes = "".join(
            f'<li><a href="/probe?target={quote(entry.identifier, safe="")}">{escape(entry.identifier)}</a></li>'
            for entry in self._plan.chosen
        )
        return web.Response(
            text="<!doctype html><html lang=en><title>revvlink exporter</title>"
            f"<h1>revvlink exporter {__version__}</h1>"
            '<p><a href="/metrics">Metrics</a> of the fleet, <a href="/-/healthy">health</a> of this exporter.</p>'
            f"<p>Probes:</p><ul>{nodes}</ul></html>\n",
            content_type="text/html",
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        begun = time.monotonic()
        policy = without_canaries(self._plan.policy)
        report = assess(self._fleet.snapshot(), policy, timeout=self._timeout)
        found = [
            *metrics.samples(report),
            *self._canaries.samples(self._timeout),
            Sample(metrics.BUILD_INFO, (("version", __version__),), 1.0),
            Sample(metrics.CONFIG_RELOAD_SUCCESS, (), float(self._is_current)),
            Sample(metrics.SCRAPE_DURATION, (), time.monotonic() - begun),
        ]
        return _text(metrics.exposition(redacted(found)))

    async def _probe(self, request: web.Request) -> web.Response:
        name = request.query.get("target")
        chosen = [entry for entry in self._plan.chosen if entry.identifier == name]
        if not chosen:
            return web.Response(status=400, text=self._no_such(name))
        begun = time.monotonic()
        timeout = min(self._timeout, _scrape_timeout(request) or self._timeout)
        timeout = max(timeout - OFFSET, timeout / 2)
        requirements = self._plan.policy.of(chosen[0].identifier)
        unasked = {code for code in ON_DEMAND if not requirements.asks_for(code)}
        policy = replace(self._plan.policy, min_healthy=None, only=frozenset(NODE_CHECKS) - unasked)
        try:
            async with asyncio.timeout(timeout), self._turns[chosen[0].identifier]:
                left = begun + timeout - time.monotonic() - GRACE - CLOSING
                report = await run(
                    chosen, policy, regions=self._plan.regions, timeout=max(left, timeout / 4), paces=self._paces
                )
        except TimeoutError:
            report = None
        found = [
            *(_of_node(report) if report is not None else _timed_out(policy.of(chosen[0].identifier))),
            Sample(metrics.PROBE_SUCCESS, (), float(report is not None and is_healthy(report.outcomes) is True)),
            Sample(metrics.PROBE_DURATION, (), time.monotonic() - begun),
        ]
        return _text(metrics.exposition(redacted(found)))

    def _no_such(self, name: str | None) -> str:
        known = [entry.identifier for entry in self._plan.chosen]
        if not name:
            return f"name a configured node: /probe?target={known[0] if known else 'NODE'}\n"
        near = closest(name, known)
        hint = f", did you mean {near}?" if near is not None else ""
        return f"no node named {redact(name)[:100]!r} is configured{hint}\n"


def _timed_out(requirements: Requirements) -> list[Sample]:
    """The samples of a probe that ran out of time before it had a report: the verdict of a node that hangs."""
    verdict = Verdict.UNKNOWN if requirements.unknown_on_timeout else Verdict.CRITICAL
    return [Sample(metrics.CHECK_VERDICT, (), float(verdict))]


def _of_node(report: Report) -> list[Sample]:
    """The samples of the probed node, without those about the fleet, of which the probe saw one node only."""
    return [sample for sample in metrics.samples(report) if sample.metric.prefix != FLEET]


def _scrape_timeout(request: web.Request) -> float | None:
    """Seconds that Prometheus waits, None without a usable header."""
    try:
        timeout = float(request.headers.get("X-Prometheus-Scrape-Timeout-Seconds", ""))
    except ValueError:
        return None
    return timeout if 0 < timeout < float("inf") else None


def _text(text: str) -> web.Response:
    return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})


def as_scraped(chosen: Sequence[NodeSettings], timeout: float) -> list[NodeSettings]:
    """The settings of nodes that stay connected while the exporter runs."""
    return [
        replace(as_observer(entry, timeout), per_second=PER_SECOND, retry_within=RETRY_WITHIN, retries=None)
        for entry in chosen
    ]


@asynccontextmanager
async def serving(
    plan: Plan,
    host: str,
    port: int,
    *,
    timeout: float,
    reload: Callable[[], Plan | None],
    complain: Callable[[str], object],
) -> AsyncIterator[Exporter]:
    """Run an exporter while the block runs.

    Args:
        plan: The nodes and their policy.
        host: Address to listen on; "" is all of them.
        port: Port to listen on; 0 takes a free one.
        timeout: Seconds that a request to a node, and a probe, may take at most.
        reload: Reads the plan again; gives None when the configuration cannot be read.
        complain: Receives a message when connections cannot be accepted, at most once in a while.

    Raises:
        OSError: Listening on the address is not possible.
    """
    paces = SharedPaces(PER_SECOND)  # a probe and the kept connection ask a server no more together than one
    room = make_room_for(len(plan.chosen), Limits().connections)
    listener = Listener(Limits(connections=max(room, FEWEST)), complain)
    async with connecting(as_scraped(plan.chosen, timeout), plan.regions, timeout, paces) as opening:
        exporter = Exporter(opening.fleet, plan, timeout, reload, paces)
        runner = web.AppRunner(
            exporter.application(listener.middleware()),
            logger=log,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=1.0,
        )
        await runner.setup()
        try:
            if runner.server is None:
                raise AssertionError("a runner that is set up has a server")
            shown, number = await listener.start(runner.server, host, port)
            shown = f"[{shown}]" if ":" in shown else shown
            exporter.url = f"http://{shown}:{number}"
            exporter.start_canaries()
            yield exporter
        finally:
            await listener.stop()
            await runner.cleanup()
            await exporter.close()
