"""The requests that a simulated node received, for those who test a client."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.event_log import EventLog

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)

REMEMBERED = 1000
"""Requests of a node that are kept."""

LONGEST_BODY = 2**16
"""Bytes that a body may have to be kept."""


@dataclass(slots=True)
class Request:
    """A request.

    Attributes:
        number: Its number among what happened to all nodes.
        at: Seconds on the clock of the nodes.
        method: Its method.
        path: Its path, with the query.
        headers: Its headers, with their names as sent.
        data: Its body as sent; None without one, and for one that is too long.
        status: The status of the answer, 101 for a websocket; None while there is none, or if the node gave none.
    """

    number: int
    at: float
    method: str
    path: str
    headers: Mapping[str, str]
    data: bytes | None
    status: int | None = None

    @property
    def route(self) -> str:
        """Its path without the query."""
        return self.path.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """Its query; of a name that is given twice, the last value."""
        return dict(parse_qsl(self.path.partition("?")[2], keep_blank_values=True))

    @property
    def body(self) -> Any:
        """Its body as JSON, else as text; None without one."""
        if self.data is None:
            return None
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError):
            return self.data.decode(errors="replace")

    @property
    def guild(self) -> str | None:
        """The guild of the player that it is for, None without one."""
        before, _, guild = self.route.rpartition("/")
        return guild if before.endswith("/players") else None

    def matches(self, route: str = "*", guild: str | None = None) -> bool:
        """Whether its method and path, or its path, fit a pattern, and it is for a guild's player if one is given."""
        path = fnmatchcase(self.route, route) or fnmatchcase(f"{self.method} {self.route}", route)
        return path and (guild is None or self.guild == guild)


class RequestLog:
    """The last requests that a node received."""

    def __init__(self, node: str, clock: Clock, events: EventLog) -> None:
        self._node = node
        self._clock = clock
        self._events = events
        self.requests: deque[Request] = deque(maxlen=REMEMBERED)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Record a request and the status of its answer; a middleware outside of all others."""
        kept = Request(
            number=self._events.next_number(),
            at=self._clock.now(),
            method=request.method,
            path=request.path_qs,
            headers=dict(request.headers),
            data=await _body(request),
        )
        self.requests.append(kept)
        self._events.notify()
        began = asyncio.get_running_loop().time()
        if request.headers.get("Upgrade", "").lower() == "websocket":
            kept.status = 101  # the handler returns at its end; another status is known then
            log.info("%.3f s %s websocket %s opens", kept.at, self._node, kept.path)
        try:
            answer = await handler(request)
            if request.transport is not None:
                kept.status = answer.status
            return answer
        finally:
            took = (asyncio.get_running_loop().time() - began) * 1000
            status = kept.status or "no answer"
            log.info("%.3f s %s %s %s %s %.1f ms", kept.at, self._node, kept.method, kept.path, status, took)
            self._events.notify()


async def _body(request: web.Request) -> bytes | None:
    if not request.can_read_body or (request.content_length or 0) > LONGEST_BODY:
        return None
    data = await request.read()
    return data if len(data) <= LONGEST_BODY else None
