"""Keeps one node connected: one task, one connection at a time, and pauses between the attempts."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from revvlink_cli.client import clock
from revvlink_cli.client.connection.rest_watch import RestWatch
from revvlink_cli.client.connection.websocket import WebSocketConnection
from revvlink_cli.client.errors import AuthorizationFailedException, Code, NodeException, RevvlinkException, Stage
from revvlink_cli.client.protocol.dialects import TRAITS
from revvlink_cli.client.snapshot import NodeStatus

if TYPE_CHECKING:
    import aiohttp

    from revvlink_cli.client.connection.rest import Rest
    from revvlink_cli.client.connection.supervised_node import SupervisedNode
    from revvlink_cli.client.protocol.models import Decoded, WireStats

log = logging.getLogger(__name__)

BACKOFF_BASE = 0.5
"""Seconds of the first pause at most is twice this; each further attempt doubles the limit."""

BACKOFF_CAP = 60.0
"""Seconds of the longest pause."""

RETRY_AFTER_CAP = 300.0
"""Seconds by which a server's Retry-After may delay the next attempt at most."""

STABLE_AFTER = 30.0
"""Seconds a connection must last before the pauses begin anew with its loss."""

FIRST_STATS = 0.25
"""Seconds that a ready node has to send its first statistics before it is reported as connected."""

REFUSED_PAUSE = 60.0
"""Seconds until a refused password is tried again, where `retry_within` is set: it may have been corrected."""

SESSION_TRIES = 2
"""How often the lost session is asked for again before a new one is accepted."""

SESSION_PAUSE = 0.5
"""Seconds between such tries."""

STATS_GRACE = 1.0
"""Seconds that a Lavalink has to send statistics after ``ready`` before REST is asked for them."""


def backoff(attempt: int) -> float:
    """Seconds to wait before attempt number `attempt` (from 1): a random number below a limit that doubles.

    This is "full jitter": clients that lost a server at one moment do not all return at one moment.
    """
    return random.uniform(0.0, min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(attempt, 16)))  # noqa: S311 - no secret


class NodeSupervisor:
    """Keeps one node connected from the time it joins a pool until it leaves.

    Attributes:
        status: Where the connection stands.
        error: Why the node is not connected, or the last failure on a connected one; None if there is none.
        stats_error: Why asking a connected node for statistics has failed, or None.
        rest_watch: Knows whether a connected node still serves requests.
        was_connected: Whether the node has been ready at some time.
        is_supervised: Whether the task runs that keeps the node connected.
        connection: The connection, also while it is being made; None between two.
        attempts: Failed attempts since the last connection that lasted.
        retry_at: Monotonic second of the next attempt, None when none is planned.
    """

    __slots__ = (
        "_asks_again",
        "_ending",
        "_is_woken",
        "_lost_session",
        "_node",
        "_outcome",
        "_pause_over",
        "_rest",
        "_session",
        "_session_tries",
        "_task",
        "_unparsed",
        "_user_id",
        "attempts",
        "connection",
        "error",
        "is_supervised",
        "rest_watch",
        "retry_at",
        "stats_error",
        "status",
        "was_connected",
    )

    def __init__(self, node: SupervisedNode, rest: Rest, session: aiohttp.ClientSession, *, user_id: int) -> None:
        self._node = node
        self._rest = rest
        self._session = session
        self._user_id = user_id
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._is_woken = False
        self._pause_over: asyncio.Event | None = None
        self._outcome: asyncio.Future[RevvlinkException | None] | None = None
        self._lost_session: str | None = None
        self._session_tries = 0
        self._asks_again = False
        self._unparsed = 0
        self.status = NodeStatus.DISCONNECTED
        self.error: RevvlinkException | None = None
        self.stats_error: RevvlinkException | None = None
        self.rest_watch = RestWatch(node.settings, rest, node.on_rest_change)
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
        """Messages that could not be parsed, since the start."""
        return self._unparsed + (self.connection.unparsed if self.connection else 0)

    def start(self, group: asyncio.TaskGroup) -> asyncio.Future[RevvlinkException | None]:
        """Begin to supervise, or end a pause before a retry; the future has the next attempt's outcome."""
        if self._outcome is None or self._outcome.done():
            self._outcome = asyncio.get_running_loop().create_future()
            if self.status is not NodeStatus.CONNECTING:  # else its outcome is that of the attempt under way
                self._wake()
        if not self.is_supervised:
            self.is_supervised = True
            self._task = group.create_task(self._supervise(), name=f"node {self._node.settings.identifier}")
        return self._outcome

    def _wake(self) -> None:
        """End the pause before a retry, or let none begin."""
        self._is_woken = True
        if self._pause_over is not None:
            self._pause_over.set()

    async def close(self) -> None:
        """Close the connection, if there is one, and stop trying."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            self._ending = task
        if self._ending is not None:  # a second call meanwhile waits, too
            await asyncio.wait([self._ending])
        if self._task is None:  # else it was started again meanwhile
            self._finish()  # a task that is cancelled before its first step does not do so
        self._lost_session = None

    async def _supervise(self) -> None:
        """Keep the node connected until it is closed, refuses for good, or `retries` attempts have failed."""
        self.attempts = 0
        try:
            while True:
                self._is_woken = False
                ended = await self._run_connection()
                if self._is_final(ended):
                    break
                if self._is_woken:
                    continue  # `start` asked for another attempt while this connection was being closed
                if self._asks_again:
                    await self._pause(SESSION_PAUSE)
                    continue
                self._set_outcome(ended)
                self.attempts += 1
                if self._node.settings.retries is not None and self.attempts > self._node.settings.retries:
                    break
                retry_after = min(getattr(ended, "retry_after", None) or 0.0, RETRY_AFTER_CAP)
                await self._pause(max(self._delay(ended), retry_after))
        finally:
            self._finish()
            self._node.on_closed()

    def _delay(self, ended: RevvlinkException) -> float:
        """Seconds until the next attempt, without the server's Retry-After."""
        within = self._node.settings.retry_within
        if within is None:
            return backoff(self.attempts)
        if isinstance(ended, AuthorizationFailedException):
            return REFUSED_PAUSE  # somebody has to act first, and servers ban clients that insist
        return min(backoff(self.attempts), within)

    def _finish(self) -> None:
        """Mark the node as not supervised, and end the wait for its outcome."""
        self.is_supervised = False
        self.retry_at = None
        self._set(NodeStatus.DISCONNECTED, self.error)
        self._set_outcome(
            self.error
            or NodeException("closed before it was ready", code=Code.NOT_CONNECTED, node=self._node.settings.identifier)
        )

    def _is_final(self, ended: RevvlinkException) -> bool:
        """Whether another attempt is useless: the password was refused, or settings or address are wrong."""
        if ended.code is Code.CONFIGURATION:
            return True
        if self._node.settings.retry_within is not None:
            return False
        if isinstance(ended, AuthorizationFailedException):
            return True
        return not self.was_connected and isinstance(ended, NodeException) and ended.is_final

    async def _pause(self, delay: float) -> None:
        self.retry_at = clock.monotonic() + delay
        self._node.on_change()
        self._pause_over = asyncio.Event()
        try:
            async with asyncio.timeout(delay):
                if not self._is_woken:
                    await self._pause_over.wait()
        except TimeoutError:
            pass  # the pause is over, and `start` was not called
        finally:
            self._pause_over = None
        self.retry_at = None

    async def _run_connection(self) -> RevvlinkException:
        """Open one connection and serve it until it ends; gives the reason of its end."""
        self._set(NodeStatus.CONNECTING, self.error)
        connection = self.connection = WebSocketConnection(
            self._node.settings,
            self._rest,
            self._session,
            user_id=self._user_id,
            session_players=self._node.session_players,
            on_stats=self._take_stats,
            on_event=self._node.on_event,
            on_change=self._node.on_change,
        )
        opened_at: float | None = None
        self._asks_again = False
        try:
            self._check_usable()
            await connection.open(self._lost_session)
            self._check_resumed(connection)
            opened_at = clock.monotonic()
            self._ready(connection)
            raise await self._serve(connection)  # noqa: TRY301 - a loss is handled as every failure
        except RevvlinkException as error:
            self._fail(error, opened_at)
            return error
        except Exception as error:  # the supervision boundary: a defect here must not end the other connections
            log.exception("%s: defect in the connection", self._node.settings.identifier)
            failure = NodeException(
                f"internal error: {type(error).__name__}: {self._rest.errors.excerpt(str(error))}",
                code=Code.INTERNAL,
                node=self._node.settings.identifier,
            )
            self._fail(failure, opened_at)
            return failure
        finally:
            self._unparsed += connection.unparsed
            if self._node.settings.resume_timeout > 0 and connection.session_id is not None and opened_at is not None:
                self._lost_session = connection.session_id  # a session that was not accepted is not resumed
            self.connection = None
            self.rest_watch.reset()  # also when it is closed here
            await asyncio.shield(connection.close())

    def _check_usable(self) -> None:
        """Check that the settings have no known fault, before anything is sent.

        Raises:
            NodeException: They have one.
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
        """Check that the server has resumed the lost session, if players need it.

        A server gives a new session while it still holds the old connection, half open. It is asked again, twice.

        Raises:
            NodeException: The server gave a new session and is to be asked again.
        """
        is_worth_it = self._lost_session is not None and not connection.resumed and self._node.has_players
        self._asks_again = is_worth_it and self._session_tries < SESSION_TRIES
        self._session_tries = self._session_tries + 1 if self._asks_again else 0
        if self._asks_again:
            raise NodeException(
                f"{self._node.settings.identifier} gave a new session while the old one may still be open",
                code=Code.CLOSED,
                node=self._node.settings.identifier,
                hint="it is asked again at once",
            )

    async def _serve(self, connection: WebSocketConnection) -> RevvlinkException:
        """Listen until the connection ends, and send the requests that a new connection needs."""
        late = asyncio.get_running_loop().call_later(FIRST_STATS, self._set_outcome, None)
        try:
            async with asyncio.TaskGroup() as group:
                chore = group.create_task(self._attend(connection))
                try:
                    await connection.listen()
                except RevvlinkException as error:
                    chore.cancel()
                    self._set_outcome(None)  # it was ready, even if not for long
                    ended = error
        finally:
            late.cancel()
        return ended

    def _take_stats(self, stats: Decoded[WireStats]) -> None:
        """Pass statistics on, and end the wait for the outcome: now the node can be ranked."""
        self._node.on_stats(stats)
        if self.status is NodeStatus.CONNECTED:
            self._set_outcome(None)

    async def _attend(self, connection: WebSocketConnection) -> None:
        """Send the requests of a new connection, then check whether the node answers requests, until cancelled."""
        await self._set_up(connection)
        await self.rest_watch.run()

    async def _set_up(self, connection: WebSocketConnection) -> None:
        """Switch on resuming, and ask for statistics if the node sends none.

        A failure of either ends no connection: the node's snapshot shows it.
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
                    log.debug("%s: no statistics with ready", self._node.settings.identifier)
            if not self._node.has_stats:
                await self._node.fetch_stats()
        except RevvlinkException as error:
            log.info("%s: %s", self._node.settings.identifier, error)
            self.error = self.stats_error = error
            self._node.on_change()

    def _ready(self, connection: WebSocketConnection) -> None:
        self.was_connected = True
        self.stats_error = None
        self._set(NodeStatus.CONNECTED, connection.handshake.info_error)
        log.info("%s: ready after %.0f ms", self._node.settings.identifier, connection.ready_ms or 0.0)
        self._node.on_ready(connection)

    def _fail(self, error: RevvlinkException, opened_at: float | None) -> None:
        """A connection has ended, or could not be opened."""
        log.info("%s: %s", self._node.settings.identifier, error)
        self._node.forget_stats()
        self._set(NodeStatus.DISCONNECTED, error)
        if opened_at is None:
            self._node.on_failed(error, self.attempts + 1)
            return
        if clock.monotonic() - opened_at >= STABLE_AFTER:
            self.attempts = 0
        self._node.on_lost(error)

    def _set(self, status: NodeStatus, error: RevvlinkException | None) -> None:
        self.status, self.error = status, error
        self._node.on_change()

    def _set_outcome(self, outcome: RevvlinkException | None) -> None:
        if self._outcome is not None:
            if not self._outcome.done():
                self._outcome.set_result(outcome)
            self._outcome = None
