"""One node: its settings, its supervised connection, and what is known of it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.budget import Budget
from revvlink_cli.client.connection import STALE_INTERVALS, Connection
from revvlink_cli.client.dialect import TRAITS, Dialect, StatsReader
from revvlink_cli.client.errors import (
    AuthorizationFailedException,
    Code,
    InvalidClientException,
    NodeException,
    RevvlinkException,
)
from revvlink_cli.client.penalty import compute
from revvlink_cli.client.rest import Rest
from revvlink_cli.client.roster import Roster
from revvlink_cli.client.settings import DEFAULT_USER_ID, NodeSettings, host_and_port, normalise_uri
from revvlink_cli.client.snapshot import NodeSnapshot, NodeStatus, StatsOrigin, TimedStats

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping

    import aiohttp

    from revvlink_cli.client.events import Event
    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.models import Decoded, NodeInfo, NodeStats, WireStats
    from revvlink_cli.client.penalty import Penalty
    from revvlink_cli.client.player import Player
    from revvlink_cli.client.roster import RemotePlayer
    from revvlink_cli.client.transport import Transport

log = logging.getLogger(__name__)

BACKOFF_BASE = 0.5
"""Seconds of the first delay's upper end; each further one doubles it."""

BACKOFF_CAP = 60.0
"""Seconds no delay exceeds."""

RETRY_AFTER_CAP = 300.0
"""Seconds that a server's Retry-After may put off the next attempt at most."""

STABLE_AFTER = 30.0
"""Seconds a connection must hold before the next loss counts as a first one."""

LET_GO_TIMEOUT = 1.0
"""Seconds that an orderly close spends on telling the server to forget the session."""

FIRST_STATS = 0.25
"""Seconds that a node which is ready gets for its first statistics before it is said to be."""

STATS_LAG = 1.0
"""Seconds that statistics may lag behind: younger assignments are not in them yet."""

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


class Node:
    """A Lavalink v4 or NodeLink 3 node. It belongs to one pool at most, and works once the pool has connected it."""

    def __init__(
        self,
        *,
        identifier: str | None = None,
        uri: str,
        password: str,
        region: str | None = None,
        user_id: int | None = None,
        client: Any = None,
        session: aiohttp.ClientSession | None = None,
        heartbeat: float = 15.0,
        timeout: float = 5.0,
        retries: int | None = None,
        resume_timeout: int = 60,
        tags: Iterable[str] = (),
        headers: Mapping[str, str] | None = None,
        ssl: str | ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
    ) -> None:
        """Define a node; nothing is sent.

        Args:
            identifier: Name in the pool; ``host:port`` when None.
            uri: ``http://`` or ``https://`` address, a path prefix allowed.
            password: The node's password.
            region: Region label (``us``), for routing.
            user_id: The bot's id when no client is given.
            client: Object with an integer at ``.user.id``; the pool's when None.
            session: HTTP session to use instead of the pool's; it is never closed here.
            heartbeat: Seconds of silence before the websocket is pinged.
            timeout: Seconds one request may take.
            retries: Attempts to reconnect; None is no bound.
            resume_timeout: Seconds the server keeps the session after a loss; 0 never asks it to.
            tags: Free labels.
            headers: Extra request headers.
            ssl: A certificate authority's PEM file, or a context of one's own.
            proxy: Address of an HTTP proxy.
            trust_env: Whether proxy variables of the environment count.

        Raises:
            ValueError: The address cannot be a node's.
            InvalidClientException: `client` has no integer at ``.user.id``.
        """
        address = normalise_uri(uri)
        self._bind(
            NodeSettings(
                identifier=identifier or host_and_port(address),
                uri=address,
                password=password,
                region=region,
                tags=tuple(tags),
                user_id=user_id,
                heartbeat=heartbeat,
                timeout=timeout,
                retries=retries,
                resume_timeout=resume_timeout,
                headers=tuple((headers or {}).items()),
                ca_file=ssl if isinstance(ssl, str) else None,
                proxy=proxy,
                trust_env=trust_env,
            ),
            client=client,
            session=session,
            context=None if isinstance(ssl, str) else ssl,
        )

    @classmethod
    def from_settings(cls, settings: NodeSettings) -> Node:
        """A node of settings that are ready made, as those of a configuration file."""
        node = cls.__new__(cls)
        node._bind(settings, client=None, session=None, context=None)  # noqa: SLF001 - a second constructor
        return node

    def _bind(
        self,
        settings: NodeSettings,
        *,
        client: Any,
        session: aiohttp.ClientSession | None,
        context: ssl.SSLContext | None,
    ) -> None:
        self.settings = settings
        self.client = client
        if client is not None:
            user_id_of(client)
        self._session = session
        self._context = context
        self._fleet: Fleet | None = None
        self._user_id = DEFAULT_USER_ID
        self._rest: Rest | None = None
        self.roster = Roster()
        self._forget()

    def _forget(self) -> None:
        """Be as a node that was never connected."""
        self._task: asyncio.Task[None] | None = None
        self._is_supervised = False
        self._connection: Connection | None = None
        self._wake = asyncio.Event()
        self._outcome: asyncio.Future[RevvlinkException | None] | None = None
        self._was_connected = False
        self._snapshot: NodeSnapshot | None = None
        self._status = NodeStatus.DISCONNECTED
        self._error: RevvlinkException | None = None
        self._info: NodeInfo | None = None
        self._stats: TimedStats | None = None
        self._stats_reader = StatsReader()
        self._attempts = 0
        self._retry_at: float | None = None
        self._lost_session: str | None = None
        self._unparsed = 0
        self._uptime_ms = 0
        self._is_cordoned = False
        self._players: dict[str, Player] = {}
        self._reservations: list[float] = []
        self._session_tries = 0
        self.abandoned: set[str] = set()
        self.roster.replace(())

    def __repr__(self) -> str:
        """Name, address and status; never the password."""
        return f"<Node {self.identifier!r} {self.uri} {self.status}>"

    @property
    def identifier(self) -> str:
        """Name in the pool."""
        return self.settings.identifier

    @property
    def uri(self) -> str:
        """Address, without a trailing slash."""
        return self.settings.uri

    @property
    def region(self) -> str | None:
        """Region label."""
        return self.settings.region

    @property
    def tags(self) -> tuple[str, ...]:
        """Free labels."""
        return self.settings.tags

    @property
    def status(self) -> NodeStatus:
        """Where the connection stands."""
        return self._status

    @property
    def session_id(self) -> str | None:
        """The websocket session, None unless connected."""
        return self._connection.session_id if self._connection and self._status is NodeStatus.CONNECTED else None

    @property
    def info(self) -> NodeInfo | None:
        """What the node is; None before it has told."""
        return self._info

    @property
    def stats(self) -> NodeStats | None:
        """The last statistics, None when there are none or they are too old to speak of now."""
        return self.snapshot().stats(time.monotonic())

    @property
    def penalty(self) -> Penalty | None:
        """What one more player costs here, as the pool ranks it; None when statistics are unknown or too old."""
        if self._fleet is not None:
            return self._fleet.penalty_of(self)
        stats = self.stats
        return compute(stats) if stats is not None else None

    @property
    def was_connected(self) -> bool:
        """Whether the node has ever been ready."""
        return self._was_connected

    def snapshot(self) -> NodeSnapshot:
        """All that is known of the node, frozen; the same object until something changes."""
        known = self._snapshot
        if (
            known is None
            or self._status is NodeStatus.CONNECTING  # how far it is changes without a word,
            or (self._rest is not None and len(self._rest.oddities) != len(known.oddities))  # and so do these
        ):
            connection = self._connection if self._status is NodeStatus.CONNECTED else None
            known = self._snapshot = NodeSnapshot(
                identifier=self.identifier,
                uri=self.uri,
                region=self.region,
                tags=self.tags,
                status=self._status,
                stage=self._connection.progress.stage if self._connection and connection is None else None,
                error=self._error,
                dialect=self._rest.dialect if self._rest else None,
                info=self._info,
                timed_stats=self._stats,
                session_id=self._rest.excerpt(connection.session_id or "") if connection and self._rest else None,
                resumed=connection.resumed if connection else False,
                ready_ms=connection.ready_ms if connection else None,
                latency_ms=connection.latency_ms if connection else None,
                attempts=self._attempts,
                retry_at=self._retry_at,
                unparsed=self._unparsed + (self._connection.unparsed if self._connection else 0),
                oddities=tuple(sorted(self._rest.oddities)) if self._rest else (),
                unknown=dict(self._rest.unknown) if self._rest else {},
                reserved=len(self._reservations),
                is_cordoned=self._is_cordoned,
                tripped_until=self._rest.breaker.tripped_until if self._rest else None,
                held=len(self._players),
            )
        return known

    async def fetch_info(self) -> NodeInfo:
        """Ask the node what it is."""
        self._info = await self.rest.info()
        self._changed()
        return self._info

    async def fetch_stats(self) -> NodeStats:
        """Ask the node how it is doing, over REST: without frame statistics on Lavalink.

        The figures take the place of older ones, but for a CPU load that REST has not measured yet.
        """
        told = await self.rest.stats()
        return self._take_stats(told, StatsOrigin.REST)

    async def fetch_version(self) -> str:
        """Ask the node for its version."""
        return await self.rest.version()

    async def send(self, method: str, *, path: str, params: Mapping[str, str] | None = None, data: Any = None) -> Any:
        """Send any request to the node.

        Args:
            method: HTTP method.
            path: Path below the node's address; a leading slash makes no difference.
            params: Query parameters, not encoded yet.
            data: JSON body.

        Returns:
            JSON values, text where the answer is no JSON, None where it is empty.

        Raises:
            LavalinkException: The node answered with an error.
            NodeException: The node did not answer.
            AuthorizationFailedException: The node refused the password.
        """
        return await self.rest.send(method, path, params=params, data=data)

    async def fetch_players(self) -> list[RemotePlayer]:
        """Ask the node for the players of this session; `roster` has them from then on."""
        players = await self.rest.players(self._session_in_use())
        self.roster.replace(players)
        return players

    async def update_player(self, guild_id: str, data: Mapping[str, Any], *, no_replace: bool = False) -> RemotePlayer:
        """Change, or make, a player of this session; `data` and `no_replace` as in the protocol."""
        player = await self.rest.update_player(self._session_in_use(), guild_id, data, no_replace=no_replace)
        self.roster.put(player)
        return player

    async def destroy_player(self, guild_id: str) -> None:
        """Destroy a player of this session; it is no error if there is none."""
        await self.rest.destroy_player(self._session_in_use(), guild_id)
        self.roster.drop(guild_id)

    def _session_in_use(self) -> str:
        session = self.session_id
        if session is None:
            raise NodeException(
                f"{self.identifier} is not connected, and players belong to a session",
                code=Code.NOT_CONNECTED,
                node=self.identifier,
                hint="wait for the node, or connect it with Pool.reconnect",
            )
        return session

    @property
    def players(self) -> dict[str, Player]:
        """The players of the pool that this node serves, by guild; a copy."""
        return dict(self._players)

    @property
    def is_cordoned(self) -> bool:
        """Whether it takes nothing new."""
        return self._is_cordoned

    def cordon(self) -> None:
        """Take nothing new from now on; what is here stays, and the connection too."""
        self._is_cordoned = True
        self._changed()

    def uncordon(self) -> None:
        """Take new players again."""
        self._is_cordoned = False
        self._changed()

    @property
    def rest(self) -> Rest:
        """The node's REST calls.

        Raises:
            NodeException: The node belongs to no connected pool.
        """
        if self._rest is None:
            raise NodeException(
                f"{self.identifier} is in no connected pool",
                code=Code.NOT_CONNECTED,
                node=self.identifier,
                hint="connect it with Pool.connect",
            )
        return self._rest

    async def close(self, eject: bool = False) -> None:
        """Close the connection and stop reconnecting. With `eject` the node also leaves its pool."""
        session = self.session_id
        if session is not None and self.settings.resume_timeout > 0:
            await self._let_session_go(session)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._settle()  # a task cancelled before its first step has not done so itself
        self._lost_session = None
        if eject and self._fleet is not None:
            self._fleet.forget(self)

    async def _let_session_go(self, session: str) -> None:
        """Tell the server not to keep a session that nobody will take up: it would for `resume_timeout` seconds."""
        try:
            async with asyncio.timeout(LET_GO_TIMEOUT):
                await self.rest.update_session(session, resuming=False)
        except (RevvlinkException, TimeoutError) as error:
            log.info("%s: the session was not let go: %s", self.identifier, error)

    # What follows is for the pool's Fleet and its Failover.

    def hold(self, player: Player) -> None:
        """This node serves the player."""
        self._players[player.guild_id] = player
        self.abandoned.discard(player.guild_id)
        self._changed()

    def let_go(self, player: Player) -> None:
        """It serves the player no more."""
        self._players.pop(player.guild_id, None)
        self._changed()

    def reserve(self) -> float:
        """Count a player that is on its way, until statistics show it; gives what `release` takes."""
        self._reservations.append(time.monotonic())
        self._changed()
        return self._reservations[-1]

    def release(self, reservation: float) -> None:
        """The player is not coming."""
        if reservation in self._reservations:
            self._reservations.remove(reservation)
            self._changed()

    def abandon(self, guild_id: str) -> None:
        """What the node may still have of a guild is not wanted."""
        if guild_id not in self._players:
            self.abandoned.add(guild_id)

    def cleared(self, *guilds: str) -> None:
        """Nothing is left of these guilds."""
        self.abandoned.difference_update(guilds)

    def check(self) -> None:
        """Whether the node can join at all.

        Raises:
            NodeException: The session that it was given is closed.
        """
        if self._session is not None and self._session.closed:
            raise NodeException(
                f"{self.identifier} was given a session that is closed",
                code=Code.NOT_CONNECTED,
                node=self.identifier,
                hint="give Node an open aiohttp session, or none",
            )

    def join(self, fleet: Fleet, transport: Transport, *, user_id: int | None) -> None:
        """Become a node of `fleet`, using its connections unless the node has a session of its own.

        What was known from an earlier life is forgotten.

        Args:
            fleet: The fleet.
            transport: Its connections.
            user_id: The id of the fleet's client, if it has one: it is taken now, lest a client that is logged out
                later cost a reconnection.

        """
        self._forget()
        own = self._context
        self._http = (
            transport.session(trust_env=self.settings.trust_env)
            if self._session is None or self._session.connector is None
            else transport.session_on(self._session.connector, trust_env=self.settings.trust_env)
        )
        self._fleet = fleet
        if self.client is not None:
            user_id = user_id_of(self.client)
        self._user_id = user_id or self.settings.user_id or DEFAULT_USER_ID
        self._rest = Rest(
            self.settings,
            self._http,
            (lambda: transport.context(self.settings)) if own is None else (lambda: own),
            Budget(),
        )
        self._rest.on_health = self._changed

    def leave(self) -> None:
        """Belong to no pool any more."""
        self._fleet = None
        self._rest = None
        self._stats = None
        self._changed()

    @property
    def fleet(self) -> Fleet | None:
        """The fleet the node belongs to."""
        return self._fleet

    @property
    def is_supervised(self) -> bool:
        """Whether a task keeps the node connected."""
        return self._is_supervised

    def start(self, group: asyncio.TaskGroup) -> asyncio.Future[RevvlinkException | None]:
        """Begin to supervise, or try at once if a retry is waited for; the future has the next attempt's outcome."""
        if self._outcome is None or self._outcome.done():
            self._outcome = asyncio.get_running_loop().create_future()
            if self._status is not NodeStatus.CONNECTING:  # else the attempt under way is the one
                self._wake.set()
        if not self.is_supervised:
            self._is_supervised = True
            self._task = group.create_task(self._supervise(), name=f"node {self.identifier}")
        return self._outcome

    async def _supervise(self) -> None:
        """Keep the node connected until it is closed, refuses for good, or `retries` attempts have failed."""
        self._attempts = 0
        try:
            while True:
                self._wake.clear()
                ended = await self._live()
                if self._is_final(ended):
                    break
                if self._wake.is_set():
                    continue  # another attempt was asked for while this one was being cleared away
                self._tell(ended)
                self._attempts += 1
                if self.settings.retries is not None and self._attempts > self.settings.retries:
                    break
                await self._pause(getattr(ended, "retry_after", None))
        finally:
            self._settle()
            if self._fleet is not None:
                self._fleet.note_closed(self)

    def _settle(self) -> None:
        """Say that nobody keeps the node connected any more, to whoever still waits for it."""
        self._is_supervised = False
        self._retry_at = None
        self._set(NodeStatus.DISCONNECTED, self._error)
        self._tell(
            self._error or NodeException("closed before it was ready", code=Code.NOT_CONNECTED, node=self.identifier)
        )

    def _is_final(self, ended: RevvlinkException) -> bool:
        """Whether trying again is no use: a refused password, or an address that never was a v4 node's."""
        if isinstance(ended, AuthorizationFailedException) or ended.code is Code.INTERNAL:
            return True
        return not self._was_connected and isinstance(ended, NodeException) and ended.is_final

    async def _pause(self, at_least: float | None) -> None:
        delay = max(backoff(self._attempts), min(at_least or 0.0, RETRY_AFTER_CAP))
        self._retry_at = time.monotonic() + delay
        self._changed()
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            pass  # the delay is over, nobody was in a hurry
        self._retry_at = None

    async def _live(self) -> RevvlinkException:
        """One connection from its first packet to its end; returns why it ended."""
        self._set(NodeStatus.CONNECTING, self._error)
        try:
            rest = self.rest
        except RevvlinkException as error:  # the pool has let this node go
            self._fail(error)
            return error
        connection = self._connection = Connection(
            self.settings,
            rest,
            self._http,
            user_id=self._user_id,
            roster=self.roster,
            on_stats=self._take_pushed_stats,
            on_event=self._take_event,
            on_change=self._changed,
        )
        opened_at: float | None = None
        try:
            await connection.open(self._lost_session)
            self._check_resumed(connection)
            opened_at = time.monotonic()
            self._ready(connection)
            raise await self._serve(connection)  # noqa: TRY301 - a loss is handled as every failure
        except RevvlinkException as error:
            if opened_at is not None and time.monotonic() - opened_at >= STABLE_AFTER:
                self._attempts = 0
            self._fail(error)
            if opened_at is not None and self._fleet is not None:
                self._fleet.note_lost(self, error)
            return error
        except Exception as error:  # the supervision boundary: a defect here must not take the whole pool along
            log.exception("%s: defect in the connection", self.identifier)
            failure = NodeException(
                f"internal error: {type(error).__name__}: {error}", code=Code.INTERNAL, node=self.identifier
            )
            self._fail(failure)
            return failure
        finally:
            self._unparsed += connection.unparsed
            if self.settings.resume_timeout > 0 and connection.session_id is not None and opened_at is not None:
                self._lost_session = connection.session_id  # one that was not adopted is not worth taking up again
            self._connection = None
            await asyncio.shield(connection.close())

    def _check_resumed(self, connection: Connection) -> None:
        """While the server still holds the old connection, half open, it gives a new session: ask again, briefly.

        Raises:
            NodeException: It did, and there are players for whom the old one is worth another try.
        """
        if self._lost_session is None or connection.resumed or not self._players:
            self._session_tries = 0
            return
        self._session_tries += 1
        if self._session_tries <= SESSION_TRIES:
            raise NodeException(
                f"{self.identifier} gave a new session while the old one may still be open",
                code=Code.CLOSED,
                node=self.identifier,
                hint="it is asked again at once",
                retry_after=SESSION_PAUSE,
            )
        self._session_tries = 0

    async def _serve(self, connection: Connection) -> RevvlinkException:
        """Listen until the connection ends, with what has to be asked for meanwhile."""
        async with asyncio.TaskGroup() as group:
            chores = [group.create_task(self._settle_in(connection)), group.create_task(self._announce())]
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
                while self._stats is None and self._fleet is not None:
                    await self._fleet.changed()
        except TimeoutError:
            log.debug("%s: ready before its statistics", self.identifier)
        self._tell(None)

    async def _settle_in(self, connection: Connection) -> None:
        """What a fresh connection needs: resuming switched on, and statistics if none came by themselves.

        Neither is worth a reconnection: what fails is shown with the node.
        """
        rest, session = self.rest, connection.session_id
        try:
            if connection.resumed and session is not None:
                # Events of the absence may be lost (on NodeLink they are), updates are: ask how the players are.
                await self.fetch_players()
            if self.settings.resume_timeout > 0 and session is not None and not connection.resumed:
                await rest.update_session(session, resuming=True, timeout=self.settings.resume_timeout)
            if TRAITS[connection.dialect].stats_at_connect:
                try:
                    async with asyncio.timeout(STATS_GRACE):
                        while self._stats is None and self._fleet is not None:
                            await self._fleet.changed()
                except TimeoutError:
                    log.debug("%s: no statistics with ready", self.identifier)
            if self._stats is None:
                await self.fetch_stats()
        except RevvlinkException as error:
            log.info("%s: %s", self.identifier, error)
            self._error = error
            self._changed()

    def _ready(self, connection: Connection) -> None:
        self._was_connected = True
        if not connection.resumed:
            self.roster.replace(())
            self.abandoned.clear()  # a new session has no players
        if connection.info is not None:
            self._info = connection.info
        self._set(NodeStatus.CONNECTED, connection.info_error)
        log.info("%s: ready after %.0f ms", self.identifier, connection.ready_ms or 0.0)
        if self._fleet is not None and connection.session_id is not None:
            self._fleet.note_ready(self, connection.session_id, resumed=connection.resumed)

    def _fail(self, error: RevvlinkException) -> None:
        log.info("%s: %s", self.identifier, error)
        self._stats = None  # what was known of a lost server says nothing about the next one
        self._stats_reader = StatsReader()
        self._set(NodeStatus.DISCONNECTED, error)

    def _tell(self, outcome: RevvlinkException | None) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)

    def _take_pushed_stats(self, told: Decoded[WireStats]) -> None:
        self._take_stats(told, StatsOrigin.WEBSOCKET)

    def _take_event(self, event: Event) -> None:
        if self._fleet is not None:
            self._fleet.note_event(self, event)

    def _take_stats(self, told: Decoded[WireStats], origin: StatsOrigin) -> NodeStats:
        dialect = (self._rest.dialect if self._rest else None) or Dialect.LAVALINK
        stats = self._stats_reader.read(told.value, dialect, told.extra)
        known = self._stats
        if origin is StatsOrigin.REST and known is not None and not stats.has_cpu_baseline:
            # Lavalink measures the CPU for REST and for websockets apart: an unmeasured one is no news.
            stats = replace(
                stats,
                system_load=known.stats.system_load,
                server_load=known.stats.server_load,
                has_cpu_baseline=known.stats.has_cpu_baseline,
            )
        now = time.monotonic()
        expires = now + TRAITS[dialect].stats_interval * STALE_INTERVALS
        if stats.uptime_ms is not None:
            if stats.uptime_ms < self._uptime_ms and self._rest is not None:
                self._rest.budget.renew()  # another process: what hung in the old one is gone
            self._uptime_ms = stats.uptime_ms
        self._stats = TimedStats(stats, origin, now, expires)
        self._reservations = [made for made in self._reservations if now - made < STATS_LAG]
        self._changed()
        if self._fleet is not None:
            self._fleet.note_stats(self, stats)
        return stats

    def _set(self, status: NodeStatus, error: RevvlinkException | None) -> None:
        self._status, self._error = status, error
        self._changed()

    def _changed(self) -> None:
        self._snapshot = None
        if self._fleet is not None:
            self._fleet.note_change()


def user_id_of(client: Any) -> int:
    """The bot's id.

    Raises:
        InvalidClientException: There is no integer at ``.user.id``.
    """
    user = getattr(client, "user", None)
    found = getattr(user, "id", None)
    if not isinstance(found, int) or isinstance(found, bool) or found <= 0:
        raise InvalidClientException("the client has no user id: there is no positive integer at .user.id")
    return found
