"""Checks whether a connected node still answers requests: an open websocket does not prove it.

A Lavalink whose HTTP workers all wait for an unreachable voice server answers no request, while its websocket still
sends statistics and pongs. So the supervisor of each connected node sends ``GET /version``, but only when the node has
answered no other request for a while.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING

from revvlink_cli.client.connection.http_client import GATEWAY_STATUSES, LOOP_LAG
from revvlink_cli.client.connection.transport import Progress
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
"""Requests in a row without an answer after which the node is considered hanging."""

JITTER = 0.2
"""The largest random share by which an interval is shortened, so that a fleet's nodes are asked at different times."""

_SILENCES = (Code.SILENT, Code.TIMEOUT)

_NO_ANSWER = (*_SILENCES, Code.RESET, Code.REFUSED)
"""Failures of the node. Other failures, such as a certificate or a limit of this machine, prove nothing about it."""


class RestWatch:
    """Sends requests to one connected node to see whether it answers.

    Attributes:
        failure: Why the node is considered hanging, None while it answers.
    """

    def __init__(self, settings: NodeSettings, rest: Rest, on_change: Callable[[], None]) -> None:
        """Watch a node.

        Args:
            settings: The node's settings; its heartbeat says how often to ask, its timeout how long to wait.
            rest: Sends the requests.
            on_change: Called when `failure` has changed.
        """
        self.failure: NodeException | None = None
        self._settings = settings
        self._rest = rest
        self._on_change = on_change
        self._interval = min(max(2 * settings.heartbeat, SHORTEST_INTERVAL), INTERVAL)
        self._misses = 0
        rest.on_answer = self.answered

    def answered(self) -> None:
        """Note that the node has answered a request of any sender: it does not hang."""
        self._misses = 0
        if self.failure is not None:
            self.failure = None
            log.info("%s: answers requests again", self._settings.identifier)
            self._on_change()

    def reset(self) -> None:
        """Forget what is known: the connection has ended, and the next one starts anew."""
        self._misses, self.failure = 0, None

    async def run(self) -> None:
        """Send a request whenever there was no answer for an interval, until cancelled."""
        asked_at = time.monotonic()
        while True:
            quiet = self._interval / SOONER if self._misses else self._interval
            quiet *= random.uniform(1.0 - JITTER, 1.0)  # noqa: S311 - no secret
            while (wait := max(asked_at, self._rest.answered_at) + quiet - time.monotonic()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(wait)
            asked_at = time.monotonic()
            failure = await self._ask()
            if failure is not None:
                self._missed(failure)

    async def _ask(self) -> RevvlinkException | None:
        """Ask for the version; return the failure if it shows that the node does not answer."""
        progress = Progress()
        try:
            await self._rest.request("GET", "/version", accept="*/*", progress=progress)
        except RevvlinkException as error:
            now, began = time.monotonic(), progress.began
            if began is None or self._rest.answered_at >= began:
                return None  # the request was not sent, or the node has answered it or another one
            if now - began > self._settings.timeout + LOOP_LAG:
                return None  # this program was busy: the answer may have arrived unread
            if isinstance(error, LavalinkException):
                return error if error.status in GATEWAY_STATUSES else None
            return error if error.code in _NO_ANSWER and error.stage is not Stage.RESOLVE else None
        return None

    def _missed(self, failure: RevvlinkException) -> None:
        self._misses += 1
        log.info("%s: no sign of life (%s)", self._settings.identifier, failure)
        if self._misses < MISSES or self.failure is not None:
            return
        where = host_and_port(self._settings.uri)
        reason = failure.message.removeprefix(f"{where} ")
        self.failure = NodeException(
            f"{where} hangs: its websocket is open, but no request is answered ({reason})",
            code=Code.REST_UNRESPONSIVE,
            node=self._settings.identifier,
            stage=Stage.REQUEST,
            hint="restart the node; its log may name a voice server that it cannot reach",
            timed_out=failure.code in _SILENCES,
        )
        self._on_change()
