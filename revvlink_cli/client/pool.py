"""`Pool`: the class-level interface of a `Fleet`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from revvlink_cli.client.arguments import check_type
from revvlink_cli.client.cache.entries import DEFAULT_TTL
from revvlink_cli.client.cache.modes import CacheMode
from revvlink_cli.client.fleet import Fleet
from revvlink_cli.client.node import Node

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from revvlink_cli.client.cache.store import Store
    from revvlink_cli.client.events import PoolEvent
    from revvlink_cli.client.player import Player
    from revvlink_cli.client.protocol.tracks import Playable, Playlist
    from revvlink_cli.client.routing.failover import DrainReport


class _Nodes:
    """Makes ``Pool.nodes`` readable as an attribute of the class."""

    def __get__(self, instance: Pool | None, owner: type[Pool]) -> dict[str, Node]:
        return owner.fleet().nodes


class Pool:
    """A collection of nodes: connects them, keeps them connected, routes to the best one and searches tracks.

    All methods are class methods; make no instance. From `connect` to `close` a pool belongs to one event
    loop: a call from another loop or thread raises RuntimeError. A subclass has nodes, cache, regions and
    event loop of its own, so that programs with several bots need not share them::

        class Music(Pool): ...

        await Music.connect(nodes=[Node(uri="http://127.0.0.1:2333", password="...")])
    """

    _fleet: ClassVar[Fleet] = Fleet()

    nodes: ClassVar[_Nodes] = _Nodes()
    """Nodes that have been connected at least once, by identifier; a copy."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give every subclass a fleet of its own."""
        super().__init_subclass__(**kwargs)
        cls._fleet = Fleet()

    @classmethod
    def fleet(cls) -> Fleet:
        """The state behind this class."""
        return cls._fleet

    @classmethod
    def region_from_endpoint(cls, endpoint: str | None) -> str | None:
        """The region of a Discord voice endpoint.

        Args:
            endpoint: As Discord sends it, such as ``us-east1.discord.gg:443`` or
                ``c-gru03-1a2b3c4d.discord.media:8443``.

        Returns:
            A region label, ``global`` when the endpoint says nothing about a place, None when it is empty.
        """
        return cls._fleet.region_from_endpoint(endpoint)

    @classmethod
    async def connect(
        cls,
        *,
        nodes: Iterable[Node],
        client: Any = None,
        cache_capacity: int | None = None,
        regions: dict[str, list[str]] | None = None,
    ) -> dict[str, Node]:
        """Connect nodes, all at once.

        Args:
            nodes: Nodes that are in no pool yet.
            client: Object with an integer at ``.user.id``, for nodes that have none of their own.
            cache_capacity: Searches to keep, see `cache`; None leaves the cache as it is.
            regions: Region label -> substrings of the endpoint's first host label; takes the place of the built-in
                map. None leaves it as it is.

        Returns:
            Nodes of the pool that have been connected, by identifier.

        Raises:
            TypeError: An argument is of another type; the text names the parameter and what is wanted.
            ValueError: `cache_capacity` or `regions` has an invalid value.
            AuthorizationFailedException: A node refused the password.
            InvalidClientException: The client has no user id.
            NodeException: A node could not be reached, is not a v4 server, or two have one identifier.

        When nodes fail, the first failure in the order given is raised after all have settled; its ``failures`` has
        every one. The others stay connected. A node whose failure may pass is tried again in the background and joins
        the pool when it is ready.
        """
        return await cls._fleet.connect(nodes, client=client, cache_capacity=cache_capacity, regions=regions)

    @classmethod
    async def reconnect(cls) -> dict[str, Node]:
        """Try every node that is not connected, now.

        Returns:
            Nodes of the pool that have been connected, by identifier.
        """
        return await cls._fleet.reconnect()

    @classmethod
    def create_player(cls, guild_id: int | str, *, node: Node | None = None, region: str | None = None) -> Player:
        """The player of a guild, made if there is none.

        Args:
            guild_id: The guild.
            node: The node that is to serve it; None leaves it to the first voice update.
            region: Region to prefer over that of its voice endpoint.

        Raises:
            TypeError: An argument is of another type.
            ValueError: No guild can have that id.
            NodeException: `node` is not of this pool.
        """
        return cls._fleet.create_player(guild_id, node=node, region=region)

    @classmethod
    def get_player(cls, guild_id: int | str) -> Player | None:
        """The player of a guild, None if there is none; raises as `create_player` where no guild can have that id."""
        return cls._fleet.get_player(guild_id)

    @classmethod
    def events(cls) -> AsyncGenerator[PoolEvent, None]:
        """Return the events of the pool from the first step of the iteration until the pool closes.

        As in::

            async for event in Pool.events(): ...

        A reader that is more than a thousand events behind misses the oldest. A client with a ``dispatch`` gets the
        same events as ``revvlink_node_ready``, ``revvlink_player_moved`` and so on. It does not get the events of
        servers that the pool itself has caused; here they have `caused_by_pool` set.

        Raises:
            RuntimeError: The pool belongs to another event loop.
        """
        return cls._fleet.events()

    @classmethod
    async def add_node(cls, node: Node) -> Node:
        """Connect one more node; raises as `connect`."""
        check_type("node", node, Node, "a Node")
        await cls._fleet.connect([node])
        return node

    @classmethod
    async def drain(cls, node: Node) -> DrainReport:
        """Cordon a node and move its players to others; the report lists the players that stay."""
        return await cls._fleet.drain(node)

    @classmethod
    async def remove_node(cls, node: Node) -> DrainReport:
        """Drain a node, close it and remove it from the pool; players that no other node takes are kept without one."""
        return await cls._fleet.remove_node(node)

    @classmethod
    async def close(cls) -> None:
        """Close every node, end every player, and leave the pool as new.

        No player is moved: the servers end the players with their sessions, and `Player` objects that the program still
        has stay without a node. The pool forgets the client, the map of regions, the cache with its contents, the
        store with its `ttl` (the store stays open) and all cordons. Readers of `events` end. The pool releases its
        event loop and can be used on another one. `cache` and `use_store` then apply to the next `connect`.

        When `close` is cancelled, the next `close`, `connect` or `reconnect` completes it.

        An event loop that ends without `close` has the same effect, except that cache and store stay.

        Raises:
            RuntimeError: Another event loop than the pool's calls it.
        """
        await cls._fleet.close()

    @classmethod
    def get_node(cls, identifier: str | None = None, /, *, region: str | None = None) -> Node:
        """Return the node of that name, or without a name the best connected one.

        Args:
            identifier: A node's name; the node is returned even while it is not connected, see `Node.status`.
            region: Region to prefer: its nodes, else those of the nearest region that has one, else any.

        Raises:
            InvalidNodeException: There is none; the message says why each node was left out.
        """
        return cls._fleet.get_node(identifier, region=region)

    @classmethod
    async def fetch_tracks(
        cls, query: str, /, *, node: Node | None = None, cache_mode: CacheMode | str = CacheMode.PREFER
    ) -> list[Playable] | Playlist:
        """Search tracks, in the cache first if it is on.

        Args:
            query: An identifier as Lavalink takes it: an address, or ``prefix:words``. It is sent unchanged.
            node: Ask this node and no other.
            cache_mode: ``prefer`` cached results, ``refresh`` them, ``bypass`` the cache, or use ``only`` cached ones.

        Returns:
            A new list of the tracks found, empty when nothing matches; or a playlist.

        Raises:
            LavalinkLoadException: No node could load it; with ``only``: it is not in the cache.
            RevvlinkException: No node answered.
            ValueError: There is no such mode.
        """
        return await cls._fleet.fetch_tracks(query, node=node, cache_mode=cache_mode)

    @classmethod
    def cache(cls, capacity: int | bool | None = None) -> None:
        """Switch the cache of searches on or off, or resize it; entries that fit are kept.

        Args:
            capacity: Entries to keep; True means 512. None, False, 0 and negative numbers switch it off.

        Raises:
            ValueError: It is none of these.
        """
        cls._fleet.cache(capacity)

    @classmethod
    def has_cache(cls) -> bool:
        """Whether the cache is on."""
        return cls._fleet.has_cache()

    @classmethod
    def use_store(cls, store: Store | None, *, ttl: float = DEFAULT_TTL) -> None:
        """Share results of searches with other processes, below the cache in memory if that is on.

        A store that fails is logged once and not used for half a minute; searches continue without it. Closing the
        pool does not close the store.

        Args:
            store: A `RedisStore`, an `SQLiteStore`, or anything that follows `Store`; None for no store any more.
            ttl: Seconds for which results are used, here and in memory; an empty result for half a minute at most.

        Raises:
            ValueError: `ttl` is not a number of seconds above 0.
        """
        cls._fleet.use_store(store, ttl=ttl)
