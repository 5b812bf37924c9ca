"""Faults of single requests to a simulated node: what a broken proxy, network or server answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from revvlink_cli.simulator.answers import Refusal, error_answer

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.scenario import Fault

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PIECES = 10
"""Parts in which a slow answer is sent."""

GARBAGE = b'{"loadType": "search", "data": [{"encoded": \xff\xfe'
"""An answer that is neither JSON nor UTF-8."""


class RequestFaults:
    """The faults that requests to one node have at the moment."""

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        """`chance` decides which requests have a fault of less than every request."""
        self._clock = clock
        self._chance = chance
        self._active: list[Fault] = []

    def begin(self, fault: Fault) -> None:
        """Let requests have a fault from now on; the latest one goes before the others."""
        self._active.insert(0, fault)

    def end(self, fault: Fault) -> None:
        """Let requests have it no more."""
        if fault in self._active:
            self._active.remove(fault)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request that has a fault; the outermost of a node."""
        fault = self._chosen(request)
        if fault is None:
            return await handler(request)
        match fault.do:
            case "status":
                return _status(request, fault)
            case "delay":
                delay = max(fault.delay + self._chance.uniform(-fault.jitter, fault.jitter), 0.0)
                await self._clock.sleep(self._clock.of_client(delay))
                return await handler(request)
            case "refuse":
                return _cut_off(request)
            case "garbage":
                return web.Response(body=GARBAGE, content_type="application/json")
        answer = await handler(request)
        if not isinstance(answer, web.Response) or not isinstance(answer.body, bytes) or not answer.body:
            return answer  # a websocket, or an answer without a body
        if fault.do == "truncate":
            return await self._send(request, answer, answer.body, until=len(answer.body) // 2)
        return await self._send(request, answer, answer.body, pause=fault.delay / PIECES)

    def _chosen(self, request: web.Request) -> Fault | None:
        for fault in self._active:
            if fault.takes(request.method, request.path) and self._chance.random() < fault.chance:
                return fault
        return None

    async def _send(
        self, request: web.Request, answer: web.Response, body: bytes, *, until: int | None = None, pause: float = 0.0
    ) -> web.StreamResponse:
        """Send an answer in pieces, or only its beginning, with the length of all of it."""
        sent = web.StreamResponse(status=answer.status, headers=answer.headers)
        sent.headers.pop("Transfer-Encoding", None)
        sent.content_length = len(body)
        await sent.prepare(request)
        size = max(len(body) // PIECES, 1)
        for start in range(0, until if until is not None else len(body), size):
            await sent.write(body[start : start + size])
            await self._clock.sleep(self._clock.of_client(pause))
        if until is not None:
            _cut_off(request)
        return sent


def _status(request: web.Request, fault: Fault) -> web.Response:
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    return error_answer(request, Refusal(fault.status, "The scenario says so", headers=headers))


def _cut_off(request: web.Request) -> web.Response:
    """Close the connection in place of an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
