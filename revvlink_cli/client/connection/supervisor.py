"""What keeps one node connected: one task, one connection at a time, and the pauses between them."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING

from revvlink_cli.client.connection.rest_watch import RestWatch
from revvlink_cli.client.connection.websocket import WebSocketConnection
from revvlink_cli.client.errors import AuthorizationFailedException, Code, NodeException, RevvlinkException, Stage
from revvlink_cli.client.protocol.dialects import TRAITS
from revvlink_cli.client.snapshot import NodeStatus

if TYPE_CHECKING:
    import aiohttp

    from revvlink_cli.client.connection.rest import Rest
    from revvlink_cli.client.node import Node

log = logging.getLogger(__name__)

BACKOFF_BASE = 0.5
"""Seconds of the first delay's upper end; each further one doubles it."""

BACKOFF_CAP = 60.0
"""Seconds no delay exceeds."""

RETRY_AFTER_CAP = 300.0
"""Seconds that a server's Retry-After may put off the next attempt at most."""

STABLE_AFTER = 30.0
"""Seconds a connection must hold before the next loss counts as a first one."""

FIRST_STATS = 0.25
"""Seconds that a node which is ready gets for its first statistics before it is said to be."""

REFUSED_PAUSE = 60.0
"""Seconds until a refused password is tried again, where it is at all: the node may have been put right."""

SESSION_TRIES = 2
"""How often a session that was not taken up again is asked for once more before a new one is adopted."""

SESSION_PAUSE = 0.5
"""Seconds between such tries."""

STATS_GRACE = 1.0
"""Seconds a Lavalink gets to send the statistics that come with ``ready`` before REST is asked."""


def backoff(attempt: int) -> float:
    """Seconds to wait before attempt number `attempt` (from 1): anywhere from none to a doubling limit.

    This is "full jitter": a fleet that lost its server at one moment does not come back at one moment.
    """
    return random.uniform(0.0, min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(attempt, 16)))  # noqa: S311 - no secret


class NodeSupervisor:
    """The supervised connection of one node, from the day it joins a pool to the day it leaves.

    Attributes:
        status: Where it stands.
        error: Why it is not connected, or the last trouble met on a connected one; None if all is well.
        stats_error: Why a connected node has given no statistics though they were asked for, or None.
        rest_watch: Knows whether a connected node still answers requests.
        was_connected: Whether it has ever been ready.
        is_supervised: Whether a task keeps it connected.
        connection: The connection there is, or that is being made; None between two.
        attempts: Attempts since it was last connected for long.
        retry_at: Monotonic second of the next attempt, None when none is planned.
    """

    def __init__(self, node: Node, rest: Rest, session: aiohttp.ClientSession, *, user_id: int) -> None:
        self._node = node
        self._rest = rest
        self._session = session
        self._user_id = user_id
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._outcome: asyncio.Future[RevvlinkException | None] | None = None
        self._lost_session: str | None = None
        self._session_tries = 0
        self._asks_again = False
        self._unparsed = 0
        self.status = NodeStatus.DISCONNECTED
        self.error: RevvlinkException | None = None
        self.stats_error: RevvlinkException | None = None
        self.rest_watch = RestWatch(node.settings, rest, node.note_hanging)
        self.was_connected = False
        self.is_supervised = False
        self.connection: WebSocketConnection | None = None
        self.attempts = 0
        self.retry_at: float | None = None

    @property
    def live(self) -> WebSocketConnection | None:
        """The connection, if it is ready."""
        return self.connection if self.status is NodeStatus.CONNECTED else None

    @property
    def unparsed(self) -> int:
        """Messages that could not be understood, since the start."""
        return self._unparsed + (self.connection.unparsed if self.connection else 0)

    def start(self, group: asyncio.TaskGroup) -> asyncio.Future[RevvlinkException | None]:
        """Begin to supervise, or try at once if a retry is waited for; the future has the next attempt's outcome."""
        if self._outcome is None or self._outcome.done():
            self._outcome = asyncio.get_running_loop().create_future()
            if self.status is not NodeStatus.CONNECTING:  # else the attempt under way is the one
                self._wake.set()
        if not self.is_supervised:
            self.is_supervised = True
            self._task = group.create_task(self._supervise(), name=f"node {self._node.identifier}")
        return self._outcome

    async def close(self) -> None:
        """Close the connection, if there is one, and try no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            self._ending = task
        if self._ending is not None:  # also for who closes it a second time meanwhile
            await asyncio.wait([self._ending])
        if self._task is None:  # else it was started again meanwhile
            self._settle()  # a task cancelled before its first step has not done so itself
        self._lost_session = None

    async def _supervise(self) -> None:
        """Keep the node connected until it is closed, refuses for good, or `retries` attempts have failed."""
        self.attempts = 0
        try:
            while True:
                self._wake.clear()
                ended = await self._live()
                if self._is_final(ended):
                    break
                if self._wake.is_set():
                    continue  # another attempt was asked for while this one was being cleared away
                if self._asks_again:
                    await self._pause(SESSION_PAUSE)
                    continue
                self._tell(ended)
                self.attempts += 1
                if self._node.settings.retries is not None and self.attempts > self._node.settings.retries:
                    break
                told = min(getattr(ended, "retry_after", None) or 0.0, RETRY_AFTER_CAP)
                await self._pause(max(self._delay(ended), told))
        finally:
            self._settle()
            self._node.note_closed()

    def _delay(self, ended: RevvlinkException) -> float:
        """Seconds until the next attempt, as far as this side has its say."""
        within = self._node.settings.retry_within
        if within is None:
            return backoff(self.attempts)
        if isinstance(ended, AuthorizationFailedException):
            return REFUSED_PAUSE  # somebody has to act first, and servers ban who insists
        return min(backoff(self.attempts), within)

    def _settle(self) -> None:
        """Say that nobody keeps the node connected any more, to whoever still waits for it."""
        self.is_supervised = False
        self.retry_at = None
        self._set(NodeStatus.DISCONNECTED, self.error)
        self._tell(
            self.error
            or NodeException("closed before it was ready", code=Code.NOT_CONNECTED, node=self._node.identifier)
        )

    def _is_final(self, ended: RevvlinkException) -> bool:
        """Whether trying again is no use: a refused password, settings or an address that cannot be a v4 node's."""
        if ended.code is Code.CONFIGURATION:
            return True
        if self._node.settings.retry_within is not None:
            return False
        if isinstance(ended, AuthorizationFailedException):
            return True
        return not self.was_connected and isinstance(ended, NodeException) and ended.is_final

    async def _pause(self, delay: float) -> None:
        self.retry_at = time.monotonic() + delay
        self._node.note_change()
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            pass  # the delay is over, nobody was in a hurry
        self.retry_at = None

    async def _live(self) -> RevvlinkException:
        """One connection from its first packet to its end; returns why it ended."""
        self._set(NodeStatus.CONNECTING, self.error)
        connection = self.connection = WebSocketConnection(
            self._node.settings,
            self._rest,
            self._session,
            user_id=self._user_id,
            session_players=self._node.session_players,
            on_stats=self._node.take_stats,
            on_event=self._node.take_event,
            on_change=self._node.note_change,
        )
        opened_at: float | None = None
        self._asks_again = False
        try:
            self._check_usable()
            await connection.open(self._lost_session)
            self._check_resumed(connection)
            opened_at = time.monotonic()
            self._ready(connection)
            raise await self._serve(connection)  # noqa: TRY301 - a loss is handled as every failure
        except RevvlinkException as error:
            self._fail(error, opened_at)
            return error
        except Exception as error:  # the supervision boundary: a defect here must not take the whole pool along
            log.exception("%s: defect in the connection", self._node.identifier)
            failure = NodeException(
                f"internal error: {type(error).__name__}: {self._rest.errors.excerpt(str(error))}",
                code=Code.INTERNAL,
                node=self._node.identifier,
            )
            self._fail(failure, opened_at)
            return failure
        finally:
            self._unparsed += connection.unparsed
            if self._node.settings.resume_timeout > 0 and connection.session_id is not None and opened_at is not None:
                self._lost_session = connection.session_id  # one that was not adopted is not worth taking up again
            self.connection = None
            self.rest_watch.reset()  # also when it is closed here
            await asyncio.shield(connection.close())

    def _check_usable(self) -> None:
        """Send nothing to a node whose settings are known not to work.

        Raises:
            NodeException: They are.
        """
        settings = self._node.settings
        if settings.fault is not None:
            raise NodeException(
                settings.fault.message,
                code=Code.CONFIGURATION,
                node=settings.identifier,
                stage=Stage.CONFIG,
                hint=settings.fault.hint,
            )

    def _check_resumed(self, connection: WebSocketConnection) -> None:
        """While the server still holds the old connection, half open, it gives a new session: ask again, briefly.

        Raises:
            NodeException: It did, and there are players for whom the old one is worth another try.
        """
        is_worth_it = self._lost_session is not None and not connection.resumed and bool(self._node.players)
        self._asks_again = is_worth_it and self._session_tries < SESSION_TRIES
        self._session_tries = self._session_tries + 1 if self._asks_again else 0
        if self._asks_again:
            raise NodeException(
                f"{self._node.identifier} gave a new session while the old one may still be open",
                code=Code.CLOSED,
                node=self._node.identifier,
                hint="it is asked again at once",
            )

    async def _serve(self, connection: WebSocketConnection) -> RevvlinkException:
        """Listen until the connection ends, with what has to be asked for meanwhile."""
        async with asyncio.TaskGroup() as group:
            chores = [
                group.create_task(self._settle_in(connection)),
                group.create_task(self._announce()),
                group.create_task(self.rest_watch.run()),
            ]
            try:
                await connection.listen()
            except RevvlinkException as error:
                for chore in chores:
                    chore.cancel()
                self._tell(None)  # it was ready, however briefly
                ended = error
        return ended

    async def _announce(self) -> None:
        """Tell who waits for the node that it is ready, as soon as it can be ranked: players may come at once."""
        try:
            async with asyncio.timeout(FIRST_STATS):
                await self._node.until_stats()
        except TimeoutError:
            log.debug("%s: ready before its statistics", self._node.identifier)
        self._tell(None)

    async def _settle_in(self, connection: WebSocketConnection) -> None:
        """What a fresh connection needs: resuming switched on, and statistics if none came by themselves.

        Neither is worth a reconnection: what fails is shown with the node.
        """
        session = connection.session_id
        try:
            if self._node.settings.resume_timeout > 0 and session is not None and not connection.resumed:
                await self._rest.update_session(session, resuming=True, timeout=self._node.settings.resume_timeout)
            if TRAITS[connection.dialect].stats_at_connect:
                try:
                    async with asyncio.timeout(STATS_GRACE):
                        await self._node.until_stats()
                except TimeoutError:
                    log.debug("%s: no statistics with ready", self._node.identifier)
            if not self._node.has_stats:
                await self._node.fetch_stats()
        except RevvlinkException as error:
            log.info("%s: %s", self._node.identifier, error)
            self.error = self.stats_error = error
            self._node.note_change()

    def _ready(self, connection: WebSocketConnection) -> None:
        self.was_connected = True
        self.stats_error = None
        self._set(NodeStatus.CONNECTED, connection.handshake.info_error)
        log.info("%s: ready after %.0f ms", self._node.identifier, connection.ready_ms or 0.0)
        self._node.note_ready(connection)

    def _fail(self, error: RevvlinkException, opened_at: float | None) -> None:
        """A connection has ended, or never came to be."""
        log.info("%s: %s", self._node.identifier, error)
        self._node.forget_stats()
        self._set(NodeStatus.DISCONNECTED, error)
        if opened_at is None:
            self._node.note_failed(error, self.attempts + 1)
            return
        if time.monotonic() - opened_at >= STABLE_AFTER:
            self.attempts = 0
        self._node.note_lost(error)

    def _set(self, status: NodeStatus, error: RevvlinkException | None) -> None:
        self.status, self.error = status, error
        self._node.note_change()

    def _tell(self, outcome: RevvlinkException | None) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)
