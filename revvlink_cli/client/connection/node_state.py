"""What a pool knows of one node while it has it: the connection, the statistics, the players, the cordon.

`Node` shows bots a part of it. The supervisor reports to it, and it passes on to the fleet what the fleet must know.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from revvlink_cli.client import clock
from revvlink_cli.client.connection.rate_limits import RateLimiter
from revvlink_cli.client.connection.rest import Rest
from revvlink_cli.client.connection.session_players import RemotePlayer, SessionPlayers
from revvlink_cli.client.connection.supervisor import NodeSupervisor
from revvlink_cli.client.connection.websocket import STALE_INTERVALS
from revvlink_cli.client.errors import Code, NodeException, RevvlinkException
from revvlink_cli.client.protocol.dialects import TRAITS, Dialect, StatsReader
from revvlink_cli.client.routing.node_players import NodePlayers
from revvlink_cli.client.settings import DEFAULT_USER_ID
from revvlink_cli.client.snapshot import NodeSnapshot, NodeStatus, StatsOrigin, TimedStats

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import aiohttp

    from revvlink_cli.client.connection.transport import Transport
    from revvlink_cli.client.connection.websocket import WebSocketConnection
    from revvlink_cli.client.protocol.messages import Event
    from revvlink_cli.client.protocol.models import Decoded, NodeInfo, NodeStats, WireStats
    from revvlink_cli.client.protocol.tracks import Playable
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.settings import NodeSettings

log = logging.getLogger(__name__)

END_SESSION_TIMEOUT = 1.0
"""Seconds that an orderly close spends on asking the server to end the session."""


class ServedPlayer(Protocol):
    """A player as `Node.players` gives it; it is the pool's `Player`, see `Pool.get_player`."""

    @property
    def guild_id(self) -> int:
        """Its guild."""

    @property
    def track(self) -> Playable | None:
        """What it plays, or None."""

    @property
    def volume(self) -> int:
        """Per cent, 0..1000."""

    @property
    def paused(self) -> bool:
        """Whether it is paused."""

    @property
    def position(self) -> int:
        """Milliseconds into the track."""


class NodeObserver(Protocol):
    """What a node reports to its fleet, and what it asks of it."""

    def on_change(self) -> None:
        """Something that a snapshot shows has changed."""

    def on_arrival(self) -> None:
        """The node serves a player that was on its way. The snapshot of the node does not change."""

    def on_ready(self, session_id: str, *, resumed: bool) -> None:
        """The node is connected."""

    def on_lost(self, reason: RevvlinkException) -> None:
        """The node was connected and is not any more."""

    def on_rest_change(self, reason: RevvlinkException | None) -> None:
        """The connected node serves no request any more; with None it serves them again."""

    def on_failed(self, reason: RevvlinkException, attempts: int) -> None:
        """An attempt to connect has failed."""

    def on_closed(self) -> None:
        """The node is closed, or not tried any more."""

    def on_stats(self, stats: NodeStats) -> None:
        """The node has sent statistics."""

    def on_event(self, event: Event) -> None:
        """The node has sent an event."""

    async def changed(self) -> None:
        """Wait until something about a node of the fleet changes."""

    def check_loop(self) -> None:
        """Raise RuntimeError on another event loop than the fleet's."""

    def penalty(self) -> Penalty | None:
        """The node's penalty among the nodes of the fleet."""

    def players(self) -> Mapping[int, ServedPlayer]:
        """The players that the node serves, by guild."""

    async def close(self, *, eject: bool) -> None:
        """Move the node's players to others and close it; see `Node.close`."""


class NodeState:
    """One node in a pool. It is made anew each time the node joins one.

    Attributes:
        settings: The node's settings.
        observer: Its place in the fleet, None before it joins and after it leaves.
        supervisor: Keeps it connected, None before it joins.
        rest: Its REST calls, None outside a pool.
        info: What the node is, None until it has answered.
        players: The guilds that this pool has put on it.
        session_players: The players of its session, as the node describes them.
        is_cordoned: Whether it takes no new players.
    """

    __slots__ = (
        "_closing",
        "_earlier_stats",
        "_snapshot",
        "_stats",
        "_stats_reader",
        "_uptime_ms",
        "info",
        "is_cordoned",
        "observer",
        "players",
        "rest",
        "session_players",
        "settings",
        "supervisor",
    )

    def __init__(self, settings: NodeSettings) -> None:
        self.settings = settings
        self.observer: NodeObserver | None = None
        self.supervisor: NodeSupervisor | None = None
        self.rest: Rest | None = None
        self.info: NodeInfo | None = None
        self.players = NodePlayers(self)
        self.session_players = SessionPlayers()
        self._closing: asyncio.Lock | None = None
        self.is_cordoned = False
        self._snapshot: NodeSnapshot | None = None
        self._stats: TimedStats | None = None
        self._earlier_stats: TimedStats | None = None
        self._stats_reader = StatsReader()
        self._uptime_ms = 0

    # Joining and leaving a fleet.

    @property
    def closing(self) -> asyncio.Lock:
        """Held while the node is drained or closed: one after the other."""
        if self._closing is None:
            self._closing = asyncio.Lock()
        return self._closing

    def join(
        self,
        observer: NodeObserver,
        transport: Transport,
        *,
        session: aiohttp.ClientSession | None,
        context: ssl.SSLContext | None,
        user_id: int | None,
    ) -> None:
        """Become a node of a fleet.

        Args:
            observer: Its place in the fleet.
            transport: The fleet's connections.
            session: An HTTP session whose connections are used in place of the fleet's, or None.
            context: Verifies the node's certificate; None leaves that to the settings.
            user_id: The bot's id, None for that of the settings.
        """
        settings = self.settings
        connector = session.connector if session is not None else None
        if connector is None:
            requests, websockets = transport.for_requests(), transport.for_websockets()
        else:
            requests = websockets = transport.on_connector(connector)
        self.observer = observer
        self.rest = Rest(
            settings,
            requests,
            partial(transport.context, settings) if context is None else (lambda: context),
            RateLimiter(settings.per_second, transport.paces.of(settings.uri) if transport.paces is not None else None),
            transport.redact,
        )
        self.rest.on_health = self.on_change
        user_id = user_id or settings.user_id or DEFAULT_USER_ID
        self.supervisor = NodeSupervisor(self, self.rest, websockets, user_id=user_id)

    def leave(self) -> None:
        """Belong to no fleet any more."""
        self.observer = None
        self.rest = None
        self._stats = self._earlier_stats = None
        self.is_cordoned = False
        self.session_players.replace(())
        self.on_change()

    # The connection.

    @property
    def status(self) -> NodeStatus:
        """Where the connection stands."""
        return self.supervisor.status if self.supervisor is not None else NodeStatus.DISCONNECTED

    @property
    def session_id(self) -> str | None:
        """The websocket session, None unless connected."""
        supervisor = self.supervisor
        if supervisor is None or supervisor.status is not NodeStatus.CONNECTED or supervisor.connection is None:
            return None
        return supervisor.connection.session_id

    def session_in_use(self) -> str:
        """The websocket session, to which players belong.

        Raises:
            NodeException: The node is not connected.
        """
        session = self.session_id
        if session is None:
            identifier = self.settings.identifier
            raise NodeException(
                f"{identifier} is not connected, and players belong to a session",
                code=Code.NOT_CONNECTED,
                node=identifier,
                hint="wait for the node, or connect it with Pool.reconnect",
            )
        return session

    def is_current(self, session: str) -> bool:
        """Whether an answer about this session is one about the players that are known: no other session has begun."""
        return self.session_id in (None, session)

    async def update_player(self, guild_id: int, data: Mapping[str, Any], *, no_replace: bool = False) -> RemotePlayer:
        """Change a player of the session, or make one; see `Node.update_player`, which checks the arguments.

        Raises:
            RevvlinkException: The node is not connected, refused, or did not answer.
        """
        session = self.session_in_use()
        if self.rest is None:
            raise self._in_no_pool()
        player = await self.rest.update_player(session, guild_id, data, no_replace=no_replace)
        if self.is_current(session):
            self.session_players.put(player)
        return player

    def _in_no_pool(self) -> NodeException:
        identifier = self.settings.identifier
        return NodeException(f"{identifier} is in no pool", code=Code.NOT_CONNECTED, node=identifier)

    @property
    def was_connected(self) -> bool:
        """Whether the node was ready at some time since it joined."""
        return self.supervisor is not None and self.supervisor.was_connected

    @property
    def is_supervised(self) -> bool:
        """Whether a task keeps the node connected, or tries to."""
        return self.supervisor is not None and self.supervisor.is_supervised

    @property
    def is_untried(self) -> bool:
        """Whether the node was never ready and is not tried any more."""
        return not self.is_supervised and not self.was_connected

    def start(self, group: asyncio.TaskGroup) -> asyncio.Future[RevvlinkException | None]:
        """Begin to supervise, or end a pause before a retry; the future has the next attempt's outcome.

        Raises:
            NodeException: The node belongs to no pool.
        """
        if self.supervisor is None:
            raise self._in_no_pool()
        return self.supervisor.start(group)

    async def shut(self) -> None:
        """Close the connection. The server ends the session, and with it the players that it still has."""
        session = self.session_id
        if session is not None and self.settings.resume_timeout > 0:
            await self._end_session(session)
        if self.supervisor is not None:
            await self.supervisor.close()

    async def _end_session(self, session: str) -> None:
        """Ask the server not to keep a session for `resume_timeout` seconds: no client resumes it."""
        if self.rest is None:
            return
        try:
            async with asyncio.timeout(END_SESSION_TIMEOUT):
                await self.rest.update_session(session, resuming=False)
        except (RevvlinkException, TimeoutError) as error:
            log.info("%s: the session was not ended: %s", self.settings.identifier, error)

    # What is known of the node.

    @property
    def timed_stats(self) -> TimedStats | None:
        """Its last statistics of any age, None if it sent none since it was connected."""
        return self._stats

    @property
    def reserved(self) -> int:
        """Players assigned to it that its statistics do not show."""
        return self.players.unseen(self._stats.stats.players or 0 if self._stats is not None else 0)

    @property
    def tripped_until(self) -> float | None:
        """Monotonic second until which it is out of routing because requests to it failed, or None."""
        return self.rest.breaker.tripped_until if self.rest is not None else None

    @property
    def can_serve(self) -> bool:
        """Whether it is connected, answers, and is not cordoned; it may be tripped."""
        supervisor = self.supervisor
        return (
            supervisor is not None
            and supervisor.status is NodeStatus.CONNECTED
            and not self.is_cordoned
            and supervisor.rest_watch.failure is None
        )

    def snapshot(self) -> NodeSnapshot:
        """All that is known of the node, frozen; the same object until something changes."""
        known = self._snapshot
        if (
            known is None
            or known.status is NodeStatus.CONNECTING  # the stage changes without a report,
            # and so do these
            or (
                self.rest is not None
                and (
                    len(self.rest.unexpected_fields) != len(known.unexpected_fields)
                    or self.rest.latency_s != known.rest_latency_s
                )
            )
        ):
            known = self._snapshot = self._take_snapshot()
        return known

    def _take_snapshot(self) -> NodeSnapshot:
        supervisor, rest, settings = self.supervisor, self.rest, self.settings
        live = supervisor.live if supervisor is not None else None
        connecting = supervisor.connection if supervisor is not None and live is None else None
        return NodeSnapshot(
            identifier=settings.identifier,
            uri=settings.uri,
            region=settings.region,
            tags=settings.tags,
            status=self.status,
            stage=connecting.handshake.progress.stage if connecting is not None else None,
            error=supervisor.error if supervisor else None,
            dialect=rest.dialect if rest else None,
            info=self.info,
            timed_stats=self._stats,
            earlier_stats=self._earlier_stats,
            session_id=live.shown_session_id if live else None,
            resumed=live.resumed if live else False,
            ready_ms=live.ready_ms if live else None,
            latency_ms=live.latency_ms if live else None,
            attempts=supervisor.attempts if supervisor else 0,
            retry_at=supervisor.retry_at if supervisor else None,
            unparsed=supervisor.unparsed if supervisor else 0,
            unexpected_fields=tuple(sorted(rest.unexpected_fields)) if rest else (),
            unknown=dict(rest.unknown) if rest else {},
            reserved=self.reserved,
            is_cordoned=self.is_cordoned,
            tripped_until=self.tripped_until,
            held=self.players.assigned,
            stats_error=supervisor.stats_error if supervisor else None,
            certificate_expires=live.handshake.certificate_expires if live else None,
            hanging=supervisor.rest_watch.hanging if supervisor and live else None,
            refusal=supervisor.rest_watch.refusal if supervisor and live else None,
            rest_latency_s=rest.latency_s if rest else None,
        )

    async def fetch_stats(self) -> NodeStats | None:
        """Ask the node for its statistics over REST; None if it left its pool meanwhile."""
        return self.on_stats(await self.rest.stats(), StatsOrigin.REST) if self.rest is not None else None

    async def is_another_process(self) -> bool:
        """Ask a node that was lost whether its server was started since.

        Raises:
            RevvlinkException: It did not answer.
        """
        if self.rest is None:
            raise self._in_no_pool()
        uptime = (await self.rest.stats()).value.uptime
        return uptime is not None and 0 <= uptime < self._uptime_ms

    # What the supervisor needs, see `SupervisedNode`.

    @property
    def has_players(self) -> bool:
        """Whether the node serves players of this pool."""
        return bool(self.players.guilds)

    @property
    def has_stats(self) -> bool:
        """Whether the node has sent statistics since it was connected."""
        return self._stats is not None

    async def until_stats(self) -> None:
        """Wait for statistics."""
        while self._stats is None and self.observer is not None:
            await self.observer.changed()

    def forget_stats(self) -> None:
        """Forget the statistics: they are those of a server that is lost."""
        self._stats = self._earlier_stats = None
        self._stats_reader = StatsReader()

    def on_change(self) -> None:
        """Something that a snapshot shows has changed."""
        self._snapshot = None
        if self.observer is not None:
            self.observer.on_change()

    def on_arrival(self) -> None:
        """A player has arrived. Snapshots have counted it since it was on its way."""
        if self.observer is not None:
            self.observer.on_arrival()

    def on_ready(self, connection: WebSocketConnection) -> None:
        """A connection is ready."""
        if not connection.resumed:
            self.session_players.replace(())
        self.players.begin_session(resumed=connection.resumed)
        if connection.handshake.info is not None:
            self.info = connection.handshake.info
        if self.observer is not None and connection.session_id is not None:
            self.observer.on_ready(connection.session_id, resumed=connection.resumed)

    def on_lost(self, reason: RevvlinkException) -> None:
        """A connection that was ready has ended."""
        if self.observer is not None:
            self.observer.on_lost(reason)

    def on_rest_change(self) -> None:
        """The connected node has stopped serving requests, or serves them again."""
        self.on_change()
        if self.observer is not None and self.supervisor is not None:
            self.observer.on_rest_change(self.supervisor.rest_watch.failure)

    def on_failed(self, reason: RevvlinkException, attempts: int) -> None:
        """An attempt to connect has failed."""
        if self.observer is not None:
            self.observer.on_failed(reason, attempts)

    def on_closed(self) -> None:
        """The supervisor has ended."""
        if self.observer is not None:
            self.observer.on_closed()

    def on_event(self, event: Event) -> None:
        """The node has sent an event."""
        if self.observer is not None:
            self.observer.on_event(event)

    def on_stats(self, answer: Decoded[WireStats], origin: StatsOrigin = StatsOrigin.WEBSOCKET) -> NodeStats:
        """The node has sent statistics; gives them as they are kept."""
        dialect = (self.rest.dialect if self.rest else None) or Dialect.LAVALINK
        stats = self._stats_reader.read(answer.value, dialect, answer.extra)
        known = self._stats
        if origin is StatsOrigin.REST and known is not None and not stats.has_cpu_baseline:
            # Lavalink measures the CPU for REST and for websockets apart: an unmeasured load replaces no known one.
            stats = replace(
                stats,
                system_load=known.stats.system_load,
                server_load=known.stats.server_load,
                has_cpu_baseline=known.stats.has_cpu_baseline,
            )
        now = clock.monotonic()
        expires = now + TRAITS[dialect].stats_interval * STALE_INTERVALS
        if stats.uptime_ms is not None:
            if stats.uptime_ms < self._uptime_ms and self.rest is not None:
                self.rest.rate_limiter.reset()  # another process: requests that hung in the old one have ended
            self._uptime_ms = stats.uptime_ms
        self._earlier_stats, self._stats = known, TimedStats(stats, origin, now, expires)
        self.players.on_stats(now)
        self.on_change()
        if self.observer is not None:
            self.observer.on_stats(stats)
        return stats
