"""Serves the status page of a fleet: samples it, keeps its history, and answers with what one sample makes for all.

A sample reads what the websockets have brought, so it sends no request to a node. The page, its JSON and the badges are
made when the first reader asks for them, and all readers share them until the next sample.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from aiohttp import web

from revvlink_cli.health.fleet import assess
from revvlink_cli.services.checking import without_canaries
from revvlink_cli.services.history import INTERVAL, History
from revvlink_cli.services.status_view import DayCache, samples_of, status_view

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.snapshot import FleetSnapshot
    from revvlink_cli.config.silences import SilenceWatch
    from revvlink_cli.health.fleet import Report
    from revvlink_cli.health.policy import Policy
    from revvlink_cli.services.history import Sample
    from revvlink_cli.services.status_view import NodeView, StatusView

T = TypeVar("T")

FLUSH_EVERY = 60.0
"""Seconds between two writes of the history: a crash loses so much at most."""

TITLE = "Status"
"""The heading of a page without a title."""

_SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


class PageRenderers(NamedTuple):
    """Makes of a view what readers see.

    Attributes:
        html: The page, from a view and the days that are shown.
        json: The view for programs.
        node_badge: The picture of one node.
        fleet_badge: The picture of the fleet.
        policy: The ``Content-Security-Policy`` of the page.
    """

    html: Callable[[StatusView, Sequence[date]], str]
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


class _Taken(NamedTuple):
    """One sample."""

    at: float
    fleet: FleetSnapshot
    report: Report


class StatusPage:
    """The page of a fleet."""

    def __init__(
        self,
        fleet: Fleet,
        setup: PageSetup,
        plan: Callable[[], tuple[PagePlan, Policy, SilenceWatch | None]],
        timeout: float,
        complain: Callable[[str], object],
    ) -> None:
        """Prepare; `start` begins to sample.

        Args:
            fleet: The nodes.
            setup: Where the history is, and how the page is drawn.
            plan: Gives what is shown, what is required, and which silences are maintenance, as of now.
            timeout: Seconds that a request to a node may take, for messages.
            complain: Receives a message when the history cannot be kept.
        """
        self._fleet = fleet
        self._renderers = setup.renderers
        self._plan = plan
        self._timeout = timeout
        self._history = History(setup.history, complain)
        self._taken: _Taken | None = None
        self._has_sample = asyncio.Event()
        self._made: dict[str, Any] = {}
        self._days = DayCache()
        self._number = 0
        self._begun = int(time.time())
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def routes(self) -> list[web.RouteDef]:
        """What the page serves."""
        return [
            web.get("/status", self._page),
            web.get("/status.json", self._json),
            web.get("/badge/fleet.svg", self._fleet_badge),
            web.get(r"/badge/node/{name:.+}.svg", self._node_badge),
        ]

    def is_public(self, path: str) -> bool:
        """Whether a request for this path needs no password."""
        return self._plan()[0].is_public and (path in ("/status", "/status.json") or path.startswith("/badge/"))

    def start(self) -> None:
        """Begin to sample."""
        self._task = asyncio.create_task(self._run(), name="status page")

    async def close(self) -> None:
        """Stop to sample, and write the rest of the history."""
        self._stop.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        await self._history.open(time.time())
        try:
            flushed = time.monotonic()
            while not self._stop.is_set():
                await self._sample()
                if time.monotonic() - flushed >= FLUSH_EVERY:
                    flushed = time.monotonic()
                    await self._history.flush(time.time())
                try:
                    await asyncio.wait_for(self._stop.wait(), INTERVAL)
                except TimeoutError:
                    continue
            await self._sample()
        finally:
            await self._history.close(time.time())

    async def _sample(self) -> None:
        at, clock = time.time(), time.monotonic()
        fleet = self._fleet.snapshot()
        _, policy, silences = self._plan()
        silenced = silences.silenced(fleet.nodes) if silences is not None else None
        policy, timeout = without_canaries(policy), self._timeout

        def judge() -> tuple[Report, Mapping[str, Sample]]:
            report = assess(fleet, policy, timeout=timeout, silenced=silenced)
            return report, samples_of(fleet, report)

        report, samples = await asyncio.to_thread(judge)  # that of 500 nodes takes tens of milliseconds
        self._history.add(at, clock, samples)
        self._taken, self._made = _Taken(at, fleet, report), {}
        self._number += 1
        self._has_sample.set()

    def _shared(self, name: str, make: Callable[[], T]) -> T:
        """Something that is made once for each sample."""
        if name not in self._made:
            self._made[name] = make()
        made: T = self._made[name]
        return made

    def _view(self) -> StatusView:
        return self._shared("view", self._make_view)

    def _make_view(self) -> StatusView:
        if self._taken is None:
            raise AssertionError("a request waits for the first sample")
        at, fleet, report = self._taken
        plan = self._plan()[0]
        past = self._history.of_nodes(tuple(node.identifier for node in fleet.nodes), at)
        return status_view(
            plan.title,
            at,
            fleet,
            report,
            past,
            self._history.last_days(at),
            self._history.incidents(),
            self._days,
        )

    async def _page(self, request: web.Request) -> web.Response:
        await self._has_sample.wait()

        def draw() -> bytes:
            view = self._view()
            days = self._history.last_days(self._taken.at if self._taken is not None else time.time())
            return self._renderers.html(view, days).encode("utf-8", "replace")

        return self._answer(request, "page", draw, "text/html", self._renderers.policy)

    async def _json(self, request: web.Request) -> web.Response:
        await self._has_sample.wait()
        return self._answer(request, "json", lambda: self._renderers.json(self._view()), "application/json")

    async def _fleet_badge(self, request: web.Request) -> web.Response:
        await self._has_sample.wait()

        def draw() -> bytes:
            return self._renderers.fleet_badge(self._view()).encode("utf-8", "replace")

        return self._answer(request, "badge", draw, "image/svg+xml", _SVG_POLICY)

    async def _node_badge(self, request: web.Request) -> web.Response:
        await self._has_sample.wait()
        nodes = self._shared("nodes", lambda: {node.name: node for node in self._view().nodes})
        node = nodes.get(request.match_info["name"])
        if node is None:
            return web.Response(status=404, text="there is no such node\n", headers=_HEADERS)

        def draw() -> bytes:
            return self._renderers.node_badge(node).encode("utf-8", "replace")

        return self._answer(request, f"badge {node.name}", draw, "image/svg+xml", _SVG_POLICY)

    def _answer(
        self, request: web.Request, name: str, make: Callable[[], bytes], kind: str, policy: str = ""
    ) -> web.Response:
        """A response that the readers of one sample share; one who has it already gets 304."""
        tag = f'W/"{self._begun:x}-{self._number:x}"'
        headers = {**_HEADERS, "ETag": tag, **({"Content-Security-Policy": policy} if policy else {})}
        if tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        body = self._shared(name, make)
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)
