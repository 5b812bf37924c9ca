"""Whether a connected node still answers requests: an open websocket does not prove it.

A genuine Lavalink whose HTTP workers all wait for a voice server that they cannot reach answers no request any more,
while its websocket goes on with statistics and pongs. So the supervisor of each connected node asks REST for a sign of
life. It does so only when nothing else was answered for a while: who asks anyway costs the node no second request.
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
"""Seconds without an answer after which REST is asked, at most; with short heartbeats it is two of them."""

SHORTEST_INTERVAL = 1.0
"""Seconds between two such questions at least, however short the heartbeat is."""

SOONER = 3.0
"""By how much the next question comes sooner once one was not answered: both ways the state is soon certain."""

MISSES = 2
"""Questions in a row that get no answer before the node counts as hanging."""

JITTER = 0.2
"""Share of the interval that chance takes away: the nodes of a fleet are not all asked at one moment."""

_SILENCES = (Code.SILENT, Code.TIMEOUT)

_NO_ANSWER = (*_SILENCES, Code.RESET, Code.REFUSED)
"""Failures of the node's. What else may go wrong, such as a certificate or a limit of this machine, proves nothing."""


class RestWatch:
    """Asks one connected node for a sign of life.

    Attributes:
        failure: Why the node counts as hanging, None while it does not.
    """

    def __init__(self, settings: NodeSettings, rest: Rest, on_change: Callable[[], None]) -> None:
        """Watch a node.

        Args:
            settings: The node's settings; its heartbeat says how often to ask, its timeout how long to wait.
            rest: What asks it.
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
        """The node has answered a request, whoever sent it: it does not hang."""
        self._misses = 0
        if self.failure is not None:
            self.failure = None
            log.info("%s: answers requests again", self._settings.identifier)
            self._on_change()

    def reset(self) -> None:
        """The connection has ended: what is known of it says nothing about the next one."""
        self._misses, self.failure = 0, None

    async def run(self) -> None:
        """Ask whenever there was no answer for long, until cancelled."""
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
        """Ask for the version; gives the failure if that shows that the node does not answer."""
        progress = Progress()
        try:
            await self._rest.request("GET", "/version", accept="*/*", progress=progress)
        except RevvlinkException as error:
            now, began = time.monotonic(), progress.began
            if began is None or self._rest.answered_at >= began:
                return None  # it was not asked, or has answered: with an error, or somebody else
            if now - began > self._settings.timeout + LOOP_LAG:
                return None  # this program was busy: the answer may lie unread
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
