"""Checks whether a connected node still answers requests: an open websocket does not prove it.

A Lavalink whose HTTP workers all wait for an unreachable voice server answers no request, while its websocket still
sends statistics and pongs. So the supervisor of each connected node sends ``GET /version``, but only when the node has
answered no other request for a while.

Something else may answer in the node's place: a proxy that refuses everything, or shows a page. Such an answer lacks
the header with which a node names its API. Then the watch asks for what every v4 node answers, ``GET /v4/info``. If
that fails twice in a row, too, requests do not reach the node.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from revvlink_cli.client import clock
from revvlink_cli.client.connection.exchange import Progress
from revvlink_cli.client.connection.http_client import GATEWAY_STATUSES, LOOP_LAG
from revvlink_cli.client.errors import Code, LavalinkException, NodeException, RevvlinkException, Stage
from revvlink_cli.client.settings import host_and_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from revvlink_cli.client.connection.rest import Rest
    from revvlink_cli.client.settings import NodeSettings

log = logging.getLogger(__name__)

INTERVAL = 30.0
"""Seconds without an answer after which REST is asked; two heartbeats if that is shorter."""

SHORTEST_INTERVAL = 1.0
"""The least number of seconds between two requests, even with a short heartbeat."""

SOONER = 3.0
"""Divides the interval after a request without an answer, so that the state is soon certain."""

MISSES = 2
"""Requests in a row without an answer after which the node hangs; refused ones in a row after which it refuses."""

JITTER = 0.2
"""The largest random share by which an interval is shortened, so that a fleet's nodes are asked at different times."""

_SILENCES = (Code.SILENT, Code.TIMEOUT)

_NO_ANSWER = (*_SILENCES, Code.RESET, Code.REFUSED)
"""Failures with which the node itself is silent. Others are refusals: they do not prove that it hangs."""


class RestWatch:
    """Sends requests to one connected node to see whether it serves them.

    Attributes:
        hanging: Why the node is considered hanging, None while it answers.
        refusal: Why requests fail that get an answer, or fail before they reach the node; None while it serves them,
            and while it hangs.
    """

    __slots__ = (
        "_interval",
        "_misses",
        "_on_change",
        "_refusals",
        "_rest",
        "_settings",
        "hanging",
        "refusal",
    )

    def __init__(self, settings: NodeSettings, rest: Rest, on_change: Callable[[], None]) -> None:
        """Watch a node.

        Args:
            settings: The node's settings; its heartbeat says how often to ask, its timeout how long to wait.
            rest: Sends the requests.
            on_change: Called when `failure` begins or ends.
        """
        self.hanging: NodeException | None = None
        self.refusal: RevvlinkException | None = None
        self._settings = settings
        self._rest = rest
        self._on_change = on_change
        self._interval = min(max(2 * settings.heartbeat, SHORTEST_INTERVAL), INTERVAL)
        self._misses = 0
        self._refusals = 0
        rest.on_answer = self.answered
        rest.on_served = self.served

    @property
    def failure(self) -> RevvlinkException | None:
        """Why the node serves no request, None while it does."""
        return self.hanging or self.refusal

    def answered(self) -> None:
        """Note that the node has answered a request of any sender: it does not hang."""
        self._misses = 0
        if self.hanging is not None:
            self.hanging = None
            log.info("%s: answers requests again", self._settings.identifier)
            self._on_change()

    def served(self) -> None:
        """Note that the node has served a request of any sender: nothing refuses them in its place."""
        self._refusals = 0
        if self.refusal is not None:
            self.refusal = None
            log.info("%s: serves requests again", self._settings.identifier)
            self._on_change()

    def reset(self) -> None:
        """Forget what is known: the connection has ended, and the next one starts anew."""
        self._misses, self.hanging = 0, None
        self._refusals, self.refusal = 0, None

    async def run(self) -> None:
        """Send a request whenever none was served for an interval, until cancelled."""
        asked_at = clock.monotonic()
        while True:
            quiet = self._interval / SOONER if self._misses or self._refusals else self._interval
            quiet *= random.uniform(1.0 - JITTER, 1.0)  # noqa: S311 - no secret
            while (wait := max(asked_at, self._rest.served_at) + quiet - clock.monotonic()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(wait)
            asked_at = clock.monotonic()
            await self._ask(asked_at)

    async def _ask(self, asked_at: float) -> None:
        """Ask for the version, and note what the outcome says about the node."""
        progress = Progress()
        try:
            await self._rest.request("GET", "/version", accept="*/*", progress=progress)
        except RevvlinkException as error:
            now, began = clock.monotonic(), progress.began
            if began is None:
                return  # the request was not sent
            if not _is_silence(error):
                await self._ask_what_it_is()
            elif self._rest.answered_at < began and now - began <= self._settings.timeout + LOOP_LAG:
                # Otherwise the node has answered another request, or this program was busy: an answer may be unread.
                self._missed(error)
        else:
            if self._rest.served_at < asked_at:
                await self._ask_what_it_is()

    async def _ask_what_it_is(self) -> None:
        """Ask for what the node is, after an odd answer: a proxy may drop headers, pass on ``/v4`` only, or nothing."""
        try:
            await self._rest.info()
        except RevvlinkException as error:
            if not _is_silence(error):
                self._refused(error)
        else:
            self.served()

    def _refused(self, refusal: RevvlinkException) -> None:
        self._refusals += 1
        log.info("%s: a request failed (%s)", self._settings.identifier, refusal)
        if self._refusals < MISSES:
            return
        former, self.refusal = self.refusal, refusal
        if former is None:
            self._on_change()
        elif former.message != refusal.message:
            self._rest.on_health()

    def _missed(self, failure: RevvlinkException) -> None:
        self._misses += 1
        log.info("%s: no sign of life (%s)", self._settings.identifier, failure)
        if self._misses < MISSES or self.hanging is not None:
            return
        where = host_and_port(self._settings.uri)
        reason = failure.message.removeprefix(f"{where} ")
        self._refusals, self.refusal = 0, None
        self.hanging = NodeException(
            f"{where} hangs: its websocket is open, but no request is answered ({reason})",
            code=Code.REST_UNRESPONSIVE,
            node=self._settings.identifier,
            stage=Stage.REQUEST,
            hint="restart the node; its log may name a voice server that it cannot reach",
            timed_out=failure.code in _SILENCES,
        )
        self._on_change()


def _is_silence(error: RevvlinkException) -> bool:
    """Whether the node is silent: it gave no answer, or a proxy says so."""
    if isinstance(error, LavalinkException):
        return error.status in GATEWAY_STATUSES
    return error.code in _NO_ANSWER and error.stage is not Stage.RESOLVE
