"""A small HTTP server for Prometheus, which keeps the fleet connected and probes single nodes.

``/metrics`` shows the current state. Its figures arrive over the websockets, so a scrape sends no request to a node.
Canaries that play do so at a slow pace of their own, and a scrape shows how each last played.
Verdicts are damped, figures are not: the exporter samples the verdicts every few seconds.
``/probe`` connects to one configured node and checks it, canaries included, within the timeout of the scrape. It
accepts only names of the configuration. If it took addresses, a client could make it send a password to any host.
``/sd`` lists these probes as targets for Prometheus. A web configuration adds TLS and passwords to all paths.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import re
import time
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from aiohttp import web

from revvlink_cli._version import __version__
from revvlink_cli.client.connection.rate_limits import SharedPaces
from revvlink_cli.config.secrets_in_use import redact
from revvlink_cli.health import metrics
from revvlink_cli.health.damping import Rules
from revvlink_cli.health.exposition import FleetText
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.metrics import Sample
from revvlink_cli.services import process_metrics
from revvlink_cli.services.canaries import CanaryLoop
from revvlink_cli.services.checking import PER_SECOND, without_canaries
from revvlink_cli.services.compression import Compressor
from revvlink_cli.services.content_types import metrics_response, requested_format
from revvlink_cli.services.counters import Counters
from revvlink_cli.services.current_tls import CurrentTls
from revvlink_cli.services.defects import Defects
from revvlink_cli.services.fleet_session import as_observer, connecting, make_room_for
from revvlink_cli.services.listener import FEWEST, Limits, Listener
from revvlink_cli.services.probes import Probes
from revvlink_cli.services.status_page import PagePlan, StatusPage
from revvlink_cli.services.verdicts import VerdictLoop
from revvlink_cli.services.watching import follow
from revvlink_cli.services.web_gate import Gate
from revvlink_cli.services.worker import Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.config.settings import PlaySettings
    from revvlink_cli.config.silences import SilenceWatch
    from revvlink_cli.config.web_config import WebConfig
    from revvlink_cli.health.policy import Policy
    from revvlink_cli.services.fleet_session import FleetSession
    from revvlink_cli.services.status_page import PageSetup

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # malformed requests must not fill the journal

RETRY_WITHIN = 15.0
"""Longest pause in seconds before a lost node is tried again: on-call staff rely on these figures."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


class Plan(NamedTuple):
    """The nodes that the exporter serves, and their policy.

    Attributes:
        chosen: The nodes.
        policy: The requirements for them.
        regions: A region map in place of the built-in one.
        play: How canaries play.
        web: TLS, users and headers; None for plain HTTP without passwords.
        silences: The silences to honour; None for none.
        page: What the status page shows.
        rules: When a verdict has held.
    """

    chosen: Sequence[NodeSettings]
    policy: Policy
    regions: Mapping[str, Sequence[str]] | None
    play: PlaySettings
    web: WebConfig | None = None
    silences: SilenceWatch | None = None
    page: PagePlan = PagePlan()
    rules: Rules = Rules()

    @property
    def for_page(self) -> tuple[PagePlan, Policy, SilenceWatch | None]:
        """What the status page needs of it."""
        return self.page, self.policy, self.silences


class ReloadError(Exception):
    """The configuration cannot be read again; its message is one line."""


class ExporterControl:
    """Controls a running exporter.

    Attributes:
        wake: Set after a change of the others.
        is_over: Whether the exporter ends.
        is_hung_up: Whether the configuration has to be read again.
        results: Results of reloads that were not reported yet: why each failed, or None.
    """

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.is_over = False
        self.is_hung_up = False
        self.results: deque[str | None] = deque(maxlen=100)

    def stop(self) -> None:
        """End the exporter."""
        self.is_over = True
        self.wake.set()

    def hang_up(self) -> None:
        """Have the configuration read again."""
        self.is_hung_up = True
        self.wake.set()

    def add_result(self, trouble: str | None) -> None:
        """Add the result of a reload."""
        self.results.append(trouble)
        self.wake.set()


class Exporter:
    """Answers scrapes.

    Attributes:
        address: The address it listens on, as ``HOST:PORT``; "" before it listens.
    """

    def __init__(
        self,
        session: FleetSession,
        plan: Plan,
        timeout: float,
        reload: Callable[[], Plan],
        paces: SharedPaces,
        listener: Listener,
        control: ExporterControl,
        complain: Callable[[str], object],
        page: PageSetup | None = None,
    ) -> None:
        fleet = session.fleet
        self.address = ""
        self._session = session
        self._listener = listener
        self._control = control
        self._gate = Gate(None)
        self._tls = CurrentTls(complain)
        self._is_ready = False
        self._fleet = fleet
        self._plan = plan
        self._timeout = timeout
        self._reload = reload
        self._is_current = True
        self._text = FleetText(redact)
        self._scrapes = Worker("scrape")  # that of 500 nodes takes about a tenth of a second
        self._joining: set[asyncio.Task[None]] = set()
        self._following = asyncio.Lock()
        self._counters = Counters()
        self._probes = Probes(lambda: self._plan, timeout, paces, self._counters)
        self._defects = defects = Defects()
        count = self._counters.add_canary
        self._canaries = CanaryLoop(fleet, lambda: (self._plan.policy, self._plan.play), count, defects)
        self._verdicts = VerdictLoop(fleet, lambda: (self._plan.policy, self._plan.rules), timeout, defects)
        self._events = fleet.subscribe()
        self._reloaded_at = time.time()
        self._tasks: list[asyncio.Task[None]] = []
        self._page: StatusPage | None = None
        if page is not None:
            self._page = StatusPage(
                fleet, page, lambda: self._plan.for_page, timeout, complain, self._verdicts, defects
            )
            self._gate.is_public = self._page.is_public
        self._use(plan)

    @property
    def url(self) -> str:
        """The address that it listens on, with the scheme."""
        scheme = "https" if self._plan.web is not None and self._plan.web.tls is not None else "http"
        return f"{scheme}://{self.address}" if self.address else ""

    @property
    def nodes(self) -> int:
        """The number of nodes that are served."""
        return len(self._plan.chosen)

    def application(self) -> web.Application:
        """The routes, behind the limits on time, the passwords and the compression."""
        app = web.Application(
            middlewares=(self._listener.middleware(), self._gate.middleware(), Compressor().middleware())
        )
        app.on_response_prepare.append(self._gate.add_headers)
        app.add_routes(
            [
                web.get("/", self._landing),
                web.get("/metrics", self._metrics),
                web.get("/probe", self._probes.answer, allow_head=False),
                web.get("/sd", self._targets),
                web.get("/-/healthy", self._healthy),
                web.get("/-/ready", self._ready),
                web.post("/-/reload", self._reload_now),
                *(self._page.routes() if self._page is not None else ()),
            ]
        )
        return app

    async def reload(self) -> str | None:
        """Read the configuration again; an invalid one changes nothing and shows as a metric.

        Returns:
            Why it cannot be used, None where it is used.
        """
        async with self._following:
            trouble, plan = None, None
            try:
                plan = self._reload()
            except ReloadError as error:
                trouble = str(error)
            self._text = FleetText(redact)  # it keeps texts in which the secrets of before are masked
            if plan is not None:
                self._use(plan)
                await follow(self._fleet, as_scraped(plan.chosen, self._timeout), self._joining)
                self._reloaded_at = time.time()
            self._is_current = trouble is None
        self._control.add_result(trouble)
        return trouble

    async def reloads(self) -> AsyncIterator[str | None]:
        """Reload whenever the control asks for it, and give the result of each reload, until the exporter ends."""
        control = self._control
        while not control.is_over:
            await control.wake.wait()
            control.wake.clear()
            if control.is_hung_up and not control.is_over:
                control.is_hung_up = False
                await self.reload()
            while control.results:
                yield control.results.popleft()

    def _use(self, plan: Plan) -> None:
        """Apply a plan to the requests and connections from now on."""
        self._plan = plan
        self._counters.follow([entry.identifier for entry in plan.chosen])
        self._gate.use(plan.web)
        self._tls.use(plan.web)
        self._listener.tls = self._tls.context
        self._listener.accepts = self._gate.accepts

    def start(self) -> None:
        """Begin to sample verdicts, to play canaries, at their own pace, and to count events; and the status page."""
        if self._page is not None:
            self._page.start()
        self._tasks = [
            asyncio.create_task(self._verdicts.run(), name="verdicts"),
            asyncio.create_task(self._canaries.run(), name="canaries"),
            asyncio.create_task(self._counters.count_events(self._events), name="count events"),
        ]

    async def close(self) -> None:
        """Cancel the canaries, the counting and the tasks that connect new nodes, and wait for them."""
        self._fleet.unsubscribe(self._events)
        self._gate.close()
        self._scrapes.close()
        tasks = {*self._joining, *self._tasks}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._page is not None:
            await self._page.close()

    async def _healthy(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _: web.Request) -> web.Response:
        self._is_ready = self._is_ready or self._session.is_tried
        if self._is_ready:
            return web.Response(text="ready\n")
        return web.Response(status=503, text="not every node was tried yet\n", headers={"Retry-After": "1"})

    async def _reload_now(self, request: web.Request) -> web.Response:
        if not self._gate.may_administer(request):
            text = "reload from this machine, or with a user of the web configuration\n"
            return web.Response(status=403, text=text)
        trouble = await self.reload()
        if trouble is not None:
            return web.Response(status=500, text=f"the configuration stays as before: {' '.join(trouble.split())}\n")
        return web.Response(text="configuration read again\n")

    async def _targets(self, request: web.Request) -> web.Response:
        address = request.headers.get("Host", "")
        address = address if _HOST.fullmatch(address) else self.address
        scheme = self.url.partition(":")[0]
        return web.json_response([_target(entry, address, scheme) for entry in self._plan.chosen])

    async def _landing(self, _: web.Request) -> web.Response:
        nodes = "".join(
            f'<li><a href="/probe?target={quote(entry.identifier, safe="")}">{escape(entry.identifier)}</a></li>'
            for entry in self._plan.chosen
        )
        page = '<p><a href="/status">Status page</a> for people.</p>' if self._page is not None else ""
        return web.Response(
            text="<!doctype html><html lang=en><title>revvlink exporter</title>"
            f"<h1>revvlink exporter {__version__}</h1>"
            '<p><a href="/metrics">Metrics</a> of the fleet, <a href="/-/healthy">health</a> and '
            '<a href="/-/ready">readiness</a> of this exporter, <a href="/sd">targets</a> for Prometheus.</p>'
            f"{page}<p>Probes:</p><ul>{nodes}</ul></html>\n",
            content_type="text/html",
        )

    async def _metrics(self, request: web.Request) -> web.Response:
        begun = time.monotonic()
        policy = without_canaries(self._plan.policy)
        snapshot = self._fleet.snapshot()
        silences = self._plan.silences
        silenced = silences.silenced(snapshot.nodes) if silences is not None else None
        found = [
            *self._canaries.samples(self._timeout),
            *self._counters.samples(),
            *process_metrics.samples(),
            *self._defects.samples(),
            Sample(metrics.BUILD_INFO, (("version", __version__), ("python", platform.python_version())), 1.0),
            Sample(metrics.CONFIG_RELOAD_SUCCESSFUL, (), float(self._is_current)),
            Sample(metrics.CONFIG_RELOAD_SUCCESS, (), float(self._is_current)),
            Sample(metrics.CONFIG_RELOAD_TIMESTAMP, (), self._reloaded_at),
        ]
        form, text, timeout, damping = requested_format(request), self._text, self._timeout, self._verdicts.view()

        def write() -> bytes:
            report = assess(snapshot, policy, timeout=timeout, silenced=silenced, damping=damping)
            duration = Sample(metrics.SCRAPE_DURATION, (), time.monotonic() - begun)
            return text.write(report, [*found, duration], form).encode()

        return metrics_response(await self._scrapes.run(write), form)


def _target(entry: NodeSettings, address: str, scheme: str) -> dict[str, object]:
    """The probe of a node as a target for Prometheus' discovery over HTTP; it has no address and no password of it."""
    name = redact(entry.identifier)
    labels = {
        "__scheme__": scheme,
        "__metrics_path__": "/probe",
        "__param_target": name,
        "__meta_revvlink_region": redact(entry.region or ""),
        "__meta_revvlink_tags": redact(f",{','.join(entry.tags)},") if entry.tags else "",
        "instance": name,
    }
    return {"targets": [address], "labels": labels}


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
    reload: Callable[[], Plan],
    control: ExporterControl,
    complain: Callable[[str], object],
    page: PageSetup | None = None,
) -> AsyncIterator[Exporter]:
    """Run an exporter while the block runs.

    Args:
        plan: The nodes and their policy.
        host: Address to listen on; "" is all of them.
        port: Port to listen on; 0 takes a free one.
        timeout: Seconds that a request to a node, and a probe, may take at most.
        reload: Reads the plan again; raises ReloadError when the configuration cannot be used.
        control: Asks for reloads, and ends the exporter.
        complain: Receives a message when connections cannot be accepted, at most once in a while, when a renewed
            certificate cannot be used, and when the history of the status page cannot be kept.
        page: What the status page needs; None serves none.

    Raises:
        OSError: Listening on the address is not possible.
    """
    paces = SharedPaces(PER_SECOND)  # a probe and the kept connection ask a server no more together than one
    room = make_room_for(len(plan.chosen), Limits().connections)
    listener = Listener(Limits(connections=max(room, FEWEST)), complain)
    async with connecting(as_scraped(plan.chosen, timeout), plan.regions, timeout, paces) as opening:
        exporter = Exporter(opening, plan, timeout, reload, paces, listener, control, complain, page)
        runner = web.AppRunner(
            exporter.application(),
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
            exporter.address = f"{shown}:{number}"
            exporter.start()
            yield exporter
        finally:
            await listener.stop()
            await runner.cleanup()
            await exporter.close()
