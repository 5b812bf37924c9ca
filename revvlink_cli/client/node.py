"""A node as a bot sees it: its definition, its state, its requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import aiohttp

from revvlink_cli.client import clock
from revvlink_cli.client.arguments import check_mapping, check_text, check_type, texts
from revvlink_cli.client.connection.node_state import NodeState
from revvlink_cli.client.errors import Code, NodeException
from revvlink_cli.client.node_arguments import checked_address, checked_verification, user_id_of
from revvlink_cli.client.protocol.guild_ids import checked_guild_id
from revvlink_cli.client.routing.penalty import compute
from revvlink_cli.client.settings import NodeSettings, host_and_port
from revvlink_cli.client.snapshot import StatsOrigin

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Iterable, Mapping

    from revvlink_cli.client.connection.node_state import NodeObserver, ServedPlayer
    from revvlink_cli.client.connection.rest import Rest
    from revvlink_cli.client.connection.session_players import RemotePlayer
    from revvlink_cli.client.connection.transport import Transport
    from revvlink_cli.client.protocol.models import NodeInfo, NodeStats
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.snapshot import NodeSnapshot, NodeStatus


class Node:
    """A Lavalink v4 or NodeLink 3 node. It belongs to one pool at most, which connects it."""

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
            retries: Attempts to reconnect; None for no limit.
            resume_timeout: Seconds the server keeps the session after a loss; 0 never asks it to.
            tags: Labels to select nodes by.
            headers: Extra request headers.
            ssl: Path of a certificate authority's PEM file, or an SSL context.
            proxy: Address of an HTTP proxy.
            trust_env: Whether proxy variables of the environment apply.

        Raises:
            TypeError: An argument is of another type; the text names the parameter and what is wanted.
            ValueError: No node can be reached with a value; the text names the parameter.
            InvalidClientException: `client` has no integer at ``.user.id``.
        """
        check_text("identifier", identifier, optional=True)
        address = checked_address(uri)
        if session is not None:
            check_type("session", session, aiohttp.ClientSession, "an aiohttp.ClientSession or None")
        if headers is not None:
            check_mapping("headers", headers, "a dict or other mapping of str to str, or None", is_secret=True)
        ca_file, context = checked_verification(ssl)
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
        """A node with these settings, such as those of a configuration file."""
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
        self._state = NodeState(settings)

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
        """Region label, or None."""
        return self.settings.region

    @property
    def tags(self) -> tuple[str, ...]:
        """Labels to select nodes by."""
        return self.settings.tags

    @property
    def status(self) -> NodeStatus:
        """Where the connection stands."""
        return self._state.status

    @property
    def is_supervised(self) -> bool:
        """Whether the pool keeps the node connected, or tries to: False once it has given up."""
        return self._state.is_supervised

    @property
    def session_id(self) -> str | None:
        """The websocket session, None unless connected."""
        return self._state.session_id

    @property
    def info(self) -> NodeInfo | None:
        """Version, plugins and sources of the server; None before it has answered."""
        return self._state.info

    @property
    def stats(self) -> NodeStats | None:
        """The last statistics; None when there are none, or when they are too old."""
        return self.snapshot().stats(clock.monotonic())

    @property
    def penalty(self) -> Penalty | None:
        """The penalty by which the pool ranks the node; None when statistics are unknown or too old."""
        if self._state.observer is not None:
            return self._state.observer.penalty()
        stats = self.stats
        return compute(stats) if stats is not None else None

    @property
    def players(self) -> dict[int, ServedPlayer]:
        """The pool's players that this node serves, by guild; a copy."""
        return dict(self._state.observer.players()) if self._state.observer is not None else {}

    @property
    def session_players(self) -> Mapping[int, RemotePlayer]:
        """The players of the session as the node describes them, by guild; a copy."""
        return self._state.session_players.players

    def snapshot(self) -> NodeSnapshot:
        """All that is known of the node, frozen; the same object until something changes."""
        return self._state.snapshot()

    async def fetch_info(self) -> NodeInfo:
        """Ask the node for its version, plugins and sources."""
        info = self._state.info = await self.rest.info()
        self._state.on_change()
        return info

    async def fetch_stats(self) -> NodeStats:
        """Ask the node for its statistics, over REST: a Lavalink leaves out those of frames.

        They replace older ones, except for a CPU load that REST has not measured yet.
        """
        return self._state.on_stats(await self.rest.stats(), StatsOrigin.REST)

    async def fetch_version(self) -> str:
        """Ask the node for its version."""
        return await self.rest.version()

    async def send(
        self, method: str, *, path: str, params: Mapping[str, str | float | bool] | None = None, data: Any = None
    ) -> Any:
        """Send any request to the node.

        Args:
            method: HTTP method.
            path: Path below the node's address, with or without a leading slash.
            params: Query parameters, not encoded yet; True and False are sent in lower case.
            data: JSON body.

        Returns:
            The answer's JSON values; its text if it is not JSON, None if it is empty.

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
        session = self._state.session_in_use()
        players = await self.rest.players(session)
        if self._state.is_current(session):
            self._state.session_players.replace(players)
        return players

    async def update_player(
        self, guild_id: int | str, data: Mapping[str, Any], *, no_replace: bool = False
    ) -> RemotePlayer:
        """Change a player of this session, or make one; `data` and `no_replace` as in the protocol."""
        guild_id = checked_guild_id(guild_id)
        check_mapping("data", data, "a dict or other mapping, as in the protocol", is_secret=True)
        self._check_loop()
        return await self._state.update_player(guild_id, data, no_replace=no_replace)

    async def destroy_player(self, guild_id: int | str) -> None:
        """Destroy a player of this session; it is not an error if there is none."""
        guild_id = checked_guild_id(guild_id)
        session = self._state.session_in_use()
        await self.rest.destroy_player(session, guild_id)
        if self._state.is_current(session):
            self._state.session_players.drop(guild_id)

    @property
    def is_cordoned(self) -> bool:
        """Whether the node takes no new players."""
        return self._state.is_cordoned

    def cordon(self) -> None:
        """Take no new players from now on. Players that are here stay, and so does the connection."""
        self._set_cordoned(True)

    def uncordon(self) -> None:
        """Take new players again."""
        self._set_cordoned(False)

    def _set_cordoned(self, is_cordoned: bool) -> None:
        self._check_loop()
        self._state.is_cordoned = is_cordoned
        self._state.on_change()

    @property
    def rest(self) -> Rest:
        """The node's REST calls.

        Raises:
            NodeException: The node belongs to no connected pool.
        """
        if self._state.rest is None:
            raise NodeException(
                f"{self.identifier} is in no connected pool",
                code=Code.NOT_CONNECTED,
                node=self.identifier,
                hint="connect it with Pool.connect",
            )
        self._check_loop()
        return self._state.rest

    def _check_loop(self) -> None:
        """Refuse to be used from another event loop than the pool's.

        Raises:
            RuntimeError: It is.
        """
        if self._state.observer is not None:
            self._state.observer.check_loop()

    async def close(self, eject: bool = False) -> None:
        """Move the node's players to others, as `Pool.drain` does, then close the connection and stop reconnecting.

        A player that no other node takes is kept without a node (`PlayerLost`); its next voice update places it. If
        the call is cancelled while players move, the moves in flight end, and the node stays connected with the rest.
        A second call does nothing. `Pool.close` closes all nodes and moves no player: it ends them.

        Args:
            eject: Whether the node also leaves its pool; otherwise `Pool.reconnect` connects it again.

        Raises:
            RuntimeError: Another event loop than the pool's calls it.
        """
        observer = self._state.observer
        if observer is None:
            return
        observer.check_loop()
        await observer.close(eject=eject)

    def _join(self, observer: NodeObserver, transport: Transport, *, user_id: int | None) -> None:
        """Begin a new life in a fleet; see `join`."""
        if self._state.supervisor is not None or self._state.is_cordoned:
            self._state = NodeState(self.settings)
        self._state.join(
            observer,
            transport,
            session=self._session,
            context=self._context,
            user_id=user_id_of(self.client) if self.client is not None else user_id,
        )
