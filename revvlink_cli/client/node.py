"""One node: its settings, its supervised connection, and what is known of it."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import aiohttp

from revvlink_cli.client.arguments import check_mapping, check_text, check_type, texts, wrong_type
from revvlink_cli.client.connection.rate_limits import RateLimiter
from revvlink_cli.client.connection.rest import Rest
from revvlink_cli.client.connection.session_players import SessionPlayers
from revvlink_cli.client.connection.supervisor import NodeSupervisor
from revvlink_cli.client.connection.websocket import STALE_INTERVALS
from revvlink_cli.client.errors import (
    Code,
    InvalidClientException,
    NodeException,
    RevvlinkException,
)
from revvlink_cli.client.protocol.dialects import TRAITS, Dialect, StatsReader
from revvlink_cli.client.protocol.guild_ids import checked_guild_id
from revvlink_cli.client.routing.node_players import NodePlayers
from revvlink_cli.client.routing.penalty import compute
from revvlink_cli.client.settings import DEFAULT_USER_ID, NodeSettings, host_and_port, normalise_uri
from revvlink_cli.client.snapshot import NodeSnapshot, NodeStatus, StatsOrigin, TimedStats

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from revvlink_cli.client.connection.session_players import RemotePlayer
    from revvlink_cli.client.connection.transport import Transport
    from revvlink_cli.client.connection.websocket import WebSocketConnection
    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.player import Player
    from revvlink_cli.client.protocol.messages import Event
    from revvlink_cli.client.protocol.models import Decoded, NodeInfo, NodeStats, WireStats
    from revvlink_cli.client.routing.penalty import Penalty

log = logging.getLogger(__name__)

LET_GO_TIMEOUT = 1.0
"""Seconds that an orderly close spends on telling the server to forget the session."""


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
        ssl: str | os.PathLike[str] | ssl.SSLContext | None = None,
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
            TypeError: An argument is of another type; the text names the parameter and what is wanted.
            ValueError: A value that no node could be reached with; the text names the parameter, too.
            InvalidClientException: `client` has no integer at ``.user.id``.
        """
        check_text("identifier", identifier, optional=True)
        address = _address(uri)
        if session is not None:
            check_type("session", session, aiohttp.ClientSession, "an aiohttp.ClientSession or None")
        if headers is not None:
            check_mapping("headers", headers, "a dict or other mapping of str to str, or None", is_secret=True)
        ca_file, context = _verification(ssl)
        self._bind(
            NodeSettings(
                identifier=identifier or host_and_port(address),
                uri=address,
                password=password,
                region=region,
                tags=texts("tags", tags),
                user_id=user_id,
                heartbeat=heartbeat,
                timeout=timeout,
                retries=retries,
                resume_timeout=resume_timeout,
                headers=tuple((headers or {}).items()),
                ca_file=ca_file,
                proxy=proxy,
                trust_env=trust_env,
            ),
            client=client,
            session=session,
            context=context,
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
        self._rest: Rest | None = None
        self.session_players = SessionPlayers()
        self._forget()

    def _forget(self) -> None:
        """Be as a node that was never connected."""
        self._supervisor: NodeSupervisor | None = None
        self._snapshot: NodeSnapshot | None = None
        self._info: NodeInfo | None = None
        self._stats: TimedStats | None = None
        self._stats_reader = StatsReader()
        self._uptime_ms = 0
        self._is_cordoned = False
        self.node_players = NodePlayers(self.note_change)
        self.closing = asyncio.Lock()
        self.session_players.replace(())

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied: the password would be in it, and a connection cannot be copied.

        Raises:
            TypeError: Always.
        """
        raise TypeError("a Node cannot be pickled or copied: it holds a password and a connection; make another Node")

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
        return self._supervisor.status if self._supervisor is not None else NodeStatus.DISCONNECTED

    @property
    def session_id(self) -> str | None:
        """The websocket session, None unless connected."""
        live = self._supervisor.live if self._supervisor is not None else None
        return live.session_id if live is not None else None

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
        return self._supervisor is not None and self._supervisor.was_connected

    def snapshot(self) -> NodeSnapshot:
        """All that is known of the node, frozen; the same object until something changes."""
        known = self._snapshot
        if (
            known is None
            or known.status is NodeStatus.CONNECTING  # how far it is changes without a word,
            # and so do these
            or (self._rest is not None and len(self._rest.unexpected_fields) != len(known.unexpected_fields))
        ):
            known = self._snapshot = self._taken()
        return known

    def _taken(self) -> NodeSnapshot:
        link, rest = self._supervisor, self._rest
        live = link.live if link is not None else None
        return NodeSnapshot(
            identifier=self.identifier,
            uri=self.uri,
            region=self.region,
            tags=self.tags,
            status=self.status,
            stage=link.connection.handshake.progress.stage if link and link.connection and live is None else None,
            error=link.error if link else None,
            dialect=rest.dialect if rest else None,
            info=self._info,
            timed_stats=self._stats,
            session_id=live.shown_session_id if live else None,
            resumed=live.resumed if live else False,
            ready_ms=live.ready_ms if live else None,
            latency_ms=live.latency_ms if live else None,
            attempts=link.attempts if link else 0,
            retry_at=link.retry_at if link else None,
            unparsed=link.unparsed if link else 0,
            unexpected_fields=tuple(sorted(rest.unexpected_fields)) if rest else (),
            unknown=dict(rest.unknown) if rest else {},
            reserved=self.node_players.unseen(self._stats.stats.players or 0 if self._stats is not None else 0),
            is_cordoned=self._is_cordoned,
            tripped_until=rest.breaker.tripped_until if rest else None,
            held=len(self.node_players.players),
            stats_error=link.stats_error if link else None,
            certificate_expires=live.handshake.certificate_expires if live else None,
            hanging=link.rest_watch.failure if link and live else None,
        )

    async def fetch_info(self) -> NodeInfo:
        """Ask the node what it is."""
        self._info = await self.rest.info()
        self.note_change()
        return self._info

    async def fetch_stats(self) -> NodeStats:
        """Ask the node how it is doing, over REST: without frame statistics on Lavalink.

        The figures take the place of older ones, but for a CPU load that REST has not measured yet.
        """
        told = await self.rest.stats()
        return self.take_stats(told, StatsOrigin.REST)

    async def fetch_version(self) -> str:
        """Ask the node for its version."""
        return await self.rest.version()

    async def send(
        self, method: str, *, path: str, params: Mapping[str, str | float | bool] | None = None, data: Any = None
    ) -> Any:
        """Send any request to the node.

        Args:
            method: HTTP method.
            path: Path below the node's address; a leading slash makes no difference.
            params: Query parameters, not encoded yet; True and False are sent in lower case.
            data: JSON body.

        Returns:
            JSON values, text where the answer is no JSON, None where it is empty.

        Raises:
            LavalinkException: The node answered with an error.
            NodeException: The node did not answer.
            AuthorizationFailedException: The node refused the password.
        """
        check_text("method", method)
        check_text("path", path)
        if params is not None:
            check_mapping("params", params, "a dict or other mapping of str to str, numbers, True and False, or None")
        query = {
            key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in (params or {}).items()
        }
        return await self.rest.send(method, path, params=query or None, data=data)

    async def fetch_players(self) -> list[RemotePlayer]:
        """Ask the node for the players of this session; `session_players` has them from then on."""
        session = self._session_in_use()
        players = await self.rest.players(session)
        if self.session_id in (None, session):
            self.session_players.replace(players)
        return players

    async def update_player(
        self, guild_id: int | str, data: Mapping[str, Any], *, no_replace: bool = False
    ) -> RemotePlayer:
        """Change, or make, a player of this session; `data` and `no_replace` as in the protocol."""
        guild_id = checked_guild_id(guild_id)
        check_mapping("data", data, "a dict or other mapping, as in the protocol", is_secret=True)
        session = self._session_in_use()
        player = await self.rest.update_player(session, guild_id, data, no_replace=no_replace)
        if self.session_id in (None, session):
            self.session_players.put(player)
        return player

    async def destroy_player(self, guild_id: int | str) -> None:
        """Destroy a player of this session; it is no error if there is none."""
        guild_id = checked_guild_id(guild_id)
        await self.rest.destroy_player(self._session_in_use(), guild_id)
        self.session_players.drop(guild_id)

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
    def players(self) -> dict[int, Player]:
        """The players of the pool that this node serves, by guild; a copy."""
        return dict(self.node_players.players)

    @property
    def is_cordoned(self) -> bool:
        """Whether it takes nothing new."""
        return self._is_cordoned

    def cordon(self) -> None:
        """Take nothing new from now on; what is here stays, and the connection too."""
        self._check_loop()
        self._is_cordoned = True
        self.note_change()

    def uncordon(self) -> None:
        """Take new players again."""
        self._check_loop()
        self._is_cordoned = False
        self.note_change()

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
        self._check_loop()
        return self._rest

    def _check_loop(self) -> None:
        """Refuse to be used from another event loop than the pool's.

        Raises:
            RuntimeError: It is.
        """
        if self._fleet is not None:
            self._fleet.check_loop()

    async def close(self, eject: bool = False) -> None:
        """Move the node's players to others, as `Pool.drain` does, then close the connection and stop reconnecting.

        A player that no other node takes is kept without one (`PlayerLost`), and goes on with its next voice update.
        Cancelled while players move, the moves in flight are finished, and the node stays connected with the rest.
        A second call does nothing. `Pool.close` closes all nodes and moves no player: it ends them.

        Args:
            eject: Whether the node also leaves its pool; otherwise `Pool.reconnect` connects it again.

        Raises:
            RuntimeError: Another event loop than the pool's calls it.
        """
        fleet = self._fleet
        if fleet is None:
            return
        fleet.check_loop()
        await fleet.close_node(self, eject=eject)

    async def shut(self) -> None:
        """Close the connection as it is, with all that the server has of this session."""
        session = self.session_id
        if session is not None and self.settings.resume_timeout > 0:
            await self._let_session_go(session)
        if self._supervisor is not None:
            await self._supervisor.close()

    async def _let_session_go(self, session: str) -> None:
        """Tell the server not to keep a session that nobody will take up: it would for `resume_timeout` seconds."""
        try:
            async with asyncio.timeout(LET_GO_TIMEOUT):
                await self.rest.update_session(session, resuming=False)
        except (RevvlinkException, TimeoutError) as error:
            log.info("%s: the session was not let go: %s", self.identifier, error)

    # What follows is for the pool's Fleet and its Failover.

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
        http = (
            transport.session()
            if self._session is None or self._session.connector is None
            else transport.session_on(self._session.connector)
        )
        self._fleet = fleet
        if self.client is not None:
            user_id = user_id_of(self.client)
        self._rest = Rest(
            self.settings,
            http,
            (lambda: transport.context(self.settings)) if own is None else (lambda: own),
            RateLimiter(self.settings.per_second, self.settings.permits),
            transport.redact,
        )
        self._rest.on_health = self.note_change
        self._supervisor = NodeSupervisor(
            self, self._rest, http, user_id=user_id or self.settings.user_id or DEFAULT_USER_ID
        )

    def leave(self) -> None:
        """Belong to no pool any more."""
        self._fleet = None
        self._rest = None
        self._stats = None
        self._is_cordoned = False
        self.session_players.replace(())
        self.note_change()

    @property
    def fleet(self) -> Fleet | None:
        """The fleet the node belongs to."""
        return self._fleet

    @property
    def is_supervised(self) -> bool:
        """Whether a task keeps the node connected."""
        return self._supervisor is not None and self._supervisor.is_supervised

    async def is_another_process(self) -> bool:
        """Ask a node that was lost whether its server was started since.

        Raises:
            RevvlinkException: It did not answer.
        """
        told = await self.rest.stats()
        return told.value.uptime is not None and 0 <= told.value.uptime < self._uptime_ms

    def start(self, group: asyncio.TaskGroup) -> asyncio.Future[RevvlinkException | None]:
        """Begin to supervise, or try at once if a retry is waited for; the future has the next attempt's outcome.

        Raises:
            NodeException: The node belongs to no pool.
        """
        if self._supervisor is None:
            raise NodeException(f"{self.identifier} is in no pool", code=Code.NOT_CONNECTED, node=self.identifier)
        return self._supervisor.start(group)

    # What follows is for the node's NodeSupervisor.

    @property
    def has_stats(self) -> bool:
        """Whether statistics have come in since it was connected."""
        return self._stats is not None

    async def until_stats(self) -> None:
        """Wait for statistics."""
        while self._stats is None and self._fleet is not None:
            await self._fleet.changed()

    def note_ready(self, connection: WebSocketConnection) -> None:
        """A connection is ready."""
        if not connection.resumed:
            self.session_players.replace(())
        self.node_players.begin_session(resumed=connection.resumed)
        if connection.handshake.info is not None:
            self._info = connection.handshake.info
        if self._fleet is not None and connection.session_id is not None:
            self._fleet.note_ready(self, connection.session_id, resumed=connection.resumed)

    def forget_stats(self) -> None:
        """What was known of the server says nothing about the next one."""
        self._stats = None
        self._stats_reader = StatsReader()

    def note_lost(self, error: RevvlinkException) -> None:
        """A connection that was ready has ended."""
        if self._fleet is not None:
            self._fleet.note_lost(self, error)

    def note_hanging(self) -> None:
        """A connected node has stopped to answer requests, or does so again."""
        self.note_change()
        if self._fleet is not None and self._supervisor is not None:
            self._fleet.note_hanging(self, self._supervisor.rest_watch.failure)

    def note_failed(self, error: RevvlinkException, attempts: int) -> None:
        """An attempt to connect has failed."""
        if self._fleet is not None:
            self._fleet.note_failed(self, error, attempts)

    def note_closed(self) -> None:
        """Nobody keeps the node connected any more."""
        if self._fleet is not None:
            self._fleet.note_closed(self)

    def take_event(self, event: Event) -> None:
        """The node has sent an event."""
        if self._fleet is not None:
            self._fleet.note_event(self, event)

    def take_stats(self, told: Decoded[WireStats], origin: StatsOrigin = StatsOrigin.WEBSOCKET) -> NodeStats:
        """The node has sent statistics."""
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
                self._rest.rate_limiter.reset()  # another process: what hung in the old one is gone
            self._uptime_ms = stats.uptime_ms
        self._stats = TimedStats(stats, origin, now, expires)
        self.node_players.seen(now)
        self.note_change()
        if self._fleet is not None:
            self._fleet.note_stats(self, stats)
        return stats

    def note_change(self) -> None:
        """Something to be seen from outside has changed."""
        self._snapshot = None
        if self._fleet is not None:
            self._fleet.note_change()


def _address(uri: object) -> str:
    """The address of a node, in its one form.

    Raises:
        TypeError: It is no text.
        ValueError: No node can have it.
    """
    if not isinstance(uri, str):
        raise wrong_type("uri", "a str, as in http://127.0.0.1:2333", uri)
    try:
        return normalise_uri(uri)
    except ValueError as error:
        raise ValueError(f"uri: {error}") from None


def _verification(given: object) -> tuple[str | None, ssl.SSLContext | None]:
    """The file of a certificate authority, or the context, that the parameter `ssl` gives.

    Raises:
        TypeError: It gives neither.
        ValueError: The file is not there, or is none of a certificate authority.
    """
    if given is None or isinstance(given, ssl.SSLContext):
        return None, given
    path = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(path, str):
        raise wrong_type("ssl", "the path of a PEM file, an ssl.SSLContext, or None", given)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = "it holds no certificates" if isinstance(error, ssl.SSLError) else getattr(error, "strerror", error)
        raise ValueError(f"ssl: {path!r} is no PEM file of a certificate authority: {reason}") from None
    return path, None


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
