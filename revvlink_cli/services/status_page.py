"""Serves the status page of a fleet: samples it, keeps its history, and answers with what one sample makes for all.

A sample reads what the websockets have brought, so it sends no request to a node. A thread makes the page, its JSON and
the badges when the first reader asks for them, and all readers share them until the next sample. What somebody asked
for is made again before the next sample is shown, so that its readers need not wait.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from revvlink_cli.health.fleet import assess
from revvlink_cli.services.checking import without_canaries
from revvlink_cli.services.defects import Job
from revvlink_cli.services.history import INTERVAL, History
from revvlink_cli.services.status_view import DayCache, samples_of, status_view
from revvlink_cli.services.worker import Worker, run_beside_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.snapshot import FleetSnapshot
    from revvlink_cli.config.silences import SilenceWatch
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.health.policy import Policy
    from revvlink_cli.services.defects import Defects
    from revvlink_cli.services.history import HistoryView, Outage, Sample
    from revvlink_cli.services.status_view import NodeView, StatusView
    from revvlink_cli.services.verdicts import VerdictLoop

FLUSH_EVERY = 60.0
"""Seconds between two writes of the history: a crash loses so much at most."""

TITLE = "Status"
"""The heading of a page without a title."""

_PAGE, _JSON = "/status", "/status.json"

_SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class PageRenderers(NamedTuple):
    """Makes of a view what readers see.

    Attributes:
        html: The page.
        json: The view for programs.
        node_badge: The picture of one node.
        fleet_badge: The picture of the fleet.
        policy: The ``Content-Security-Policy`` of the page.
    """

    html: Callable[[StatusView], str]
    json: Callable[[StatusView], bytes]
    node_badge: Callable[[NodeView], str]
    fleet_badge: Callable[[StatusView], str]
    policy: str


class PagePlan(NamedTuple):
    """What the page shows.

    Attributes:
        title: Its heading.
        is_public: Whether it needs no password where the rest of the exporter does.
    """

    title: str = TITLE
    is_public: bool = False


class PageSetup(NamedTuple):
    """What the page needs once: the file of its history, and how it is drawn."""

    history: Path
    renderers: PageRenderers


class _Taken:
    """One sample, and what a thread makes of it."""

    def __init__(
        self,
        number: int,
        title: str,
        fleet: FleetSnapshot,
        report: Report,
        past: HistoryView,
        outages: Mapping[str, Outage],
    ) -> None:
        self.number = number
        self.title = title
        self.fleet = fleet
        self.report = report
        self.past = past
        self.outages = outages
        self.view: asyncio.Future[tuple[StatusView, Mapping[str, NodeView]]] | None = None
        self.bodies: dict[str, asyncio.Future[bytes]] = {}


class StatusPage:
    """The page of a fleet."""

    def __init__(
        self,
        fleet: Fleet,
        setup: PageSetup,
        plan: Callable[[], tuple[PagePlan, Policy, SilenceWatch | None]],
        timeout: float,
        complain: Callable[[str], object],
        verdicts: VerdictLoop,
        defects: Defects,
        interval: float = INTERVAL,
    ) -> None:
        """Prepare; `start` begins to sample.

        Args:
            fleet: The nodes.
            setup: Where the history is, and how the page is drawn.
            plan: Gives what is shown, what is required, and which silences are maintenance, as of now.
            timeout: Seconds that a request to a node may take, for messages.
            complain: Receives a message when the history cannot be kept.
            verdicts: Damps the verdicts.
            defects: Contains a sample that fails.
            interval: Seconds between two samples.
        """
        self._fleet = fleet
        self._renderers = setup.renderers
        self._plan = plan
        self._timeout = timeout
        self._verdicts = verdicts
        self._defects = defects
        self._interval = interval
        self._history = History(setup.history, complain)
        self._taken: _Taken | None = None
        self._has_sample = asyncio.Event()
        self._days = DayCache()
        # One thread, which has the cache of days to itself; two would only take the processor from the loop.
        self._drawing = Worker("status page")
        self._asked: set[str] = set()
        self._number = 0
        self._begun = int(time.time())
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def routes(self) -> list[web.RouteDef]:
        """What the page serves."""
        return [
            web.get(_PAGE, self._page),
            web.get(_JSON, self._json),
            web.get("/badge/fleet.svg", self._fleet_badge),
            web.get(r"/badge/node/{name:.+}.svg", self._node_badge),
        ]

    def is_public(self, path: str) -> bool:
        """Whether a request for this path needs no password."""
        return self._plan()[0].is_public and (path in (_PAGE, _JSON) or path.startswith("/badge/"))

    def start(self) -> None:
        """Begin to sample."""
        self._task = asyncio.create_task(self._run(), name="status page")

    async def close(self) -> None:
        """Stop to sample, and write the rest of the history."""
        self._stop.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        contain = partial(self._defects.contain, Job.STATUS_PAGE)
        await contain(self._history.open(time.time()))
        try:
            flushed = time.monotonic()
            while not self._stop.is_set():
                await contain(self._sample())
                if time.monotonic() - flushed >= FLUSH_EVERY:
                    flushed = time.monotonic()
                    await contain(self._history.flush(time.time()))
                try:
                    await asyncio.wait_for(self._stop.wait(), self._interval)
                except TimeoutError:
                    continue
            await contain(self._sample())
        finally:
            self._drawing.close()
            await self._history.close(time.time())

    async def _sample(self) -> None:
        at, clock = time.time(), time.monotonic()
        fleet = self._fleet.snapshot()
        _, policy, silences = self._plan()
        outages = self._verdicts.outages
        silenced = silences.silenced(fleet.nodes) if silences is not None else None
        policy, timeout, damping = without_canaries(policy), self._timeout, self._verdicts.view()

        def judge() -> tuple[Report, Mapping[str, Sample]]:
            report = assess(fleet, policy, timeout=timeout, silenced=silenced, damping=damping)
            return report, samples_of(fleet, report, outages)

        report, samples = await run_beside_loop(judge)  # that of 500 nodes takes tens of milliseconds
        self._history.add(at, clock, samples)
        await self._show(fleet, report, at, outages)

    async def _show(self, fleet: FleetSnapshot, report: Report, at: float, outages: Mapping[str, Outage]) -> None:
        """Show a sample from now on, once what readers asked for of the last one is made of it."""
        self._number += 1
        taken = _Taken(self._number, self._plan()[0].title, fleet, report, self._history.view(at), outages)
        asked, self._asked = self._asked, set()
        await asyncio.gather(*(self._body(taken, path) for path in asked), return_exceptions=True)
        self._taken = taken
        self._has_sample.set()

    async def _shown(self) -> _Taken:
        """The sample that is shown; waits for the first one."""
        await self._has_sample.wait()
        if self._taken is None:
            raise AssertionError("the event is set once there is a sample")
        return self._taken

    async def _view(self, taken: _Taken) -> tuple[StatusView, Mapping[str, NodeView]]:
        """What a sample shows, and its nodes by the names that are shown."""
        if taken.view is None:
            taken.view = self._drawing.run(partial(self._make_view, taken))
        return await asyncio.shield(taken.view)  # a reader who leaves does not take it from the others

    def _make_view(self, taken: _Taken) -> tuple[StatusView, Mapping[str, NodeView]]:
        past = taken.past
        view = status_view(
            taken.title,
            past.at,
            taken.fleet,
            taken.report,
            past.of_nodes(node.identifier for node in taken.fleet.nodes),
            past.shown,
            past.incidents,
            self._days,
            taken.outages,
        )
        return view, {node.name: node for node in view.nodes}

    async def _body(self, taken: _Taken, path: str) -> bytes:
        """The page of a sample, or its JSON."""
        view, _ = await self._view(taken)
        if path not in taken.bodies:
            make = self._renderers.json if path == _JSON else self._page_of
            taken.bodies[path] = self._drawing.run(partial(make, view))
        return await asyncio.shield(taken.bodies[path])

    def _page_of(self, view: StatusView) -> bytes:
        return self._renderers.html(view).encode("utf-8", "replace")

    async def _page(self, request: web.Request) -> web.Response:
        return await self._large(request, _PAGE, "text/html", self._renderers.policy)

    async def _json(self, request: web.Request) -> web.Response:
        return await self._large(request, _JSON, "application/json")

    async def _large(self, request: web.Request, path: str, kind: str, policy: str = "") -> web.Response:
        """The page or its JSON, made once for all readers; one who has it already gets 304."""
        taken = await self._shown()
        self._asked.add(path)
        headers = self._headers(taken, policy)
        if _is_known(request, headers):
            return web.Response(status=304, headers=headers)
        body = await self._body(taken, path)
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    async def _fleet_badge(self, request: web.Request) -> web.Response:
        taken = await self._shown()
        view, _nodes = await self._view(taken)
        return self._badge(request, taken, self._renderers.fleet_badge(view))

    async def _node_badge(self, request: web.Request) -> web.Response:
        taken = await self._shown()
        _view, nodes = await self._view(taken)
        node = nodes.get(request.match_info["name"])
        if node is None:
            return web.Response(status=404, text="there is no such node\n", headers=_HEADERS)
        return self._badge(request, taken, self._renderers.node_badge(node))

    def _badge(self, request: web.Request, taken: _Taken, text: str) -> web.Response:
        headers = self._headers(taken, _SVG_POLICY)
        if _is_known(request, headers):
            return web.Response(status=304, headers=headers)
        body = text.encode("utf-8", "replace")
        return web.Response(body=body, content_type="image/svg+xml", charset="utf-8", headers=headers)

    def _headers(self, taken: _Taken, policy: str) -> dict[str, str]:
        """The headers of a response; its tag names the sample."""
        headers = {**_HEADERS, "ETag": f'W/"{self._begun:x}-{taken.number:x}"'}
        return {**headers, "Content-Security-Policy": policy} if policy else headers


def _is_known(request: web.Request, headers: Mapping[str, str]) -> bool:
    """Whether the reader has this answer already."""
    return headers["ETag"] in request.headers.get("If-None-Match", "")
