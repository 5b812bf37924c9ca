"""The state of one pool: its nodes, their supervision, its players, its cache and its regions.

This file has more than 400 lines because it is the whole interface behind `Pool`: the work itself is in `routing/`,
`search/` and `connection/`, and most methods here are short calls to it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from revvlink_cli.client.arguments import check_text, check_type, items_of, wrong_type
from revvlink_cli.client.cache.entries import DEFAULT_TTL
from revvlink_cli.client.cache.modes import CacheMode
from revvlink_cli.client.connection.transport import Transport
from revvlink_cli.client.errors import Code, InvalidNodeException, NodeException, RevvlinkException
from revvlink_cli.client.fleet_events import FleetEvents, FleetMember
from revvlink_cli.client.loop_binding import LoopBinding
from revvlink_cli.client.node import Node
from revvlink_cli.client.node_access import check_session, join, state_of
from revvlink_cli.client.node_arguments import user_id_of
from revvlink_cli.client.player import Player
from revvlink_cli.client.protocol.guild_ids import checked_guild_id
from revvlink_cli.client.routing.failover import DrainReport, Failover
from revvlink_cli.client.routing.placement import Placement
from revvlink_cli.client.routing.regions import checked_map
from revvlink_cli.client.routing.selector import NodeSelector
from revvlink_cli.client.search import load_tracks
from revvlink_cli.client.search.track_search import TrackSearch
from revvlink_cli.client.snapshot import FleetSnapshot, NodeStatus

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Collection,
        Coroutine,
        Iterable,
        Mapping,
        Sequence,
    )

    from revvlink_cli.client.cache.store import Store
    from revvlink_cli.client.connection.rate_limits import SharedPaces
    from revvlink_cli.client.events import PoolEvent, Subscription
    from revvlink_cli.client.protocol.messages import Event
    from revvlink_cli.client.protocol.tracks import Playable, Playlist
    from revvlink_cli.client.redaction import Redactor
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.routing.ranking import Ranking

log = logging.getLogger(__name__)

T = TypeVar("T")

# Without a handler of the program's own, Python would write warnings to stderr: that is for the program to decide.
logging.getLogger("revvlink_cli.client").addHandler(logging.NullHandler())


class Fleet:
    """Everything that one `Pool` knows.

    A fleet can be configured before there is an event loop. `connect` creates the objects that are bound to the loop,
    and `close` ends them; after that the fleet is as new. In between, the fleet belongs to that one loop.
    """

    def __init__(self, redact: Redactor | None = None, paces: SharedPaces | None = None) -> None:
        """Create a fleet without nodes.

        Args:
            redact: Masks secrets in what nodes send; the secrets of the nodes are added to it. With None the fleet
                makes its own.
            paces: Limits the requests per second to each server, shared with other fleets; or None.
        """
        self._redact = redact
        self._paces = paces
        self.client: Any = None
        self._nodes: dict[str, Node] = {}
        self._searches = TrackSearch()
        self._selector = NodeSelector(self._nodes)
        self._change: asyncio.Future[None] | None = None
        self._running: asyncio.Future[tuple[Transport, asyncio.TaskGroup]] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._closing: asyncio.Event | None = None
        self._is_ending = False  # `close` has begun, and has not come to its end
        self._players: dict[int, Player] = {}
        self._failovers: dict[str, asyncio.Task[None]] = {}
        self._background_tasks: set[asyncio.Task[Any]] = set()
        self._binding = LoopBinding()
        self._events = FleetEvents(self)
        self.placement = Placement(self)
        self.failover = Failover(self, self.placement)
        self._lifecycle = asyncio.Lock()
        self._in_lifecycle = 0  # callers that hold the lock or wait for it

    # Nodes and their connections.

    async def connect(
        self,
        nodes: Iterable[Node],
        *,
        client: Any = None,
        cache_capacity: int | None = None,
        regions: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[str, Node]:
        """See `Pool.connect`."""
        wanted = items_of("nodes", nodes, Node)
        self._discard_dead_loop()
        self._binding.bind()
        async with self._lifecycle_step():
            await self._end_cancelled_close()
            outcomes = await self._add_nodes(wanted, client, cache_capacity, regions)
        # Others may wait for the same attempts. One after the other: a wait for all at once costs memory for each.
        settled = [await asyncio.shield(outcome) for outcome in outcomes]
        failures = {node.identifier: error for node, error in zip(wanted, settled, strict=True) if error is not None}
        if failures:
            first = next(iter(failures.values()))
            first.failures = failures
            raise first
        return self.nodes

    async def _add_nodes(
        self,
        wanted: Sequence[Node],
        client: Any,
        cache_capacity: int | None,
        regions: Mapping[str, Sequence[str]] | None,
    ) -> list[asyncio.Future[RevvlinkException | None]]:
        """Check the nodes, add them and start them; return the outcomes of their first attempts."""
        self._binding.bind()  # the pool may have been closed since
        self._check_new(wanted)
        own_regions = checked_map(regions) if regions is not None else None
        if client is not None:
            user_id_of(client)
        if cache_capacity is not None:
            self._searches.resize(cache_capacity, "cache_capacity")
        if client is not None:  # everything was accepted: it takes effect from here on
            self.client = client
        if own_regions is not None:
            self._selector.use_regions(own_regions)
        transport, group = await self._open()
        self._group = group
        outcomes: list[asyncio.Future[RevvlinkException | None]] = []
        for node in wanted:
            if (former := self._nodes.get(node.identifier)) is not None:
                self.forget(former)
        user = user_id_of(self.client) if self.client is not None else None
        for node in wanted:
            join(node, FleetMember(self, node), transport, user_id=user)
            self._nodes[node.identifier] = node
            outcomes.append(state_of(node).start(group))
            self.on_change(node)
        return outcomes

    def _check_new(self, nodes: Sequence[Node]) -> None:
        # A node that failed for good may be tried again with other settings: its name is free.
        seen = {name for name, node in self._nodes.items() if not state_of(node).is_untried}
        for node in nodes:
            check_session(node)
            state = state_of(node)
            failed_here = self.has_member(node) and state.is_untried
            if state.observer is not None and not failed_here:
                raise NodeException(
                    f"{node.identifier} belongs to a pool already",
                    code=Code.INVALID_NODE,
                    node=node.identifier,
                    hint="close it with eject=True first, or make another Node",
                )
            if node.identifier in seen:
                raise NodeException(
                    f"there are two nodes with the identifier {node.identifier}",
                    code=Code.DUPLICATE_NODE,
                    node=node.identifier,
                    hint="give each node an identifier of its own",
                )
            seen.add(node.identifier)

    async def _open(self) -> tuple[Transport, asyncio.TaskGroup]:
        """Start the supervisor unless it runs."""
        if self._running is None:
            self._closing = asyncio.Event()
            self._running = asyncio.get_running_loop().create_future()
            self._supervisor = asyncio.create_task(self._supervise(self._running, self._closing), name="fleet")
        return await asyncio.shield(self._running)  # a cancelled caller does not end it for the next

    async def _supervise(
        self, started: asyncio.Future[tuple[Transport, asyncio.TaskGroup]], closing: asyncio.Event
    ) -> None:
        """Hold the connections and the tasks of all nodes until the fleet closes."""
        transport = Transport(self._redact, self._paces)
        try:
            async with asyncio.TaskGroup() as group:
                if not started.done():  # the caller has stopped waiting if it gave up connecting at once
                    started.set_result((transport, group))
                await closing.wait()
        finally:
            await self._end_background_tasks()
            await transport.close()

    def _discard_dead_loop(self) -> None:
        """Discard the state of an event loop that has ended without `close`; its tasks have ended with it.

        The settings of `cache` and `use_store` stay: neither is bound to a loop.
        """
        supervisor = self._supervisor
        if self._binding.is_dead or (supervisor is not None and supervisor.done()):
            self._events = FleetEvents(self)  # the readers ended with their loop
            if self._binding.is_dead:
                self._change = None  # and so did the tasks that wait for a change
            self._searches.forget_loads()
            self._reset()
            self._lifecycle, self._in_lifecycle = asyncio.Lock(), 0

    def _reset(self) -> None:
        """Forget the arguments of `connect`, the nodes and the players."""
        for player in tuple(self._players.values()):
            player.detach()
        for node in tuple(self._nodes.values()):
            self.forget(node)
        self.client = None
        self._selector.use_regions(None)
        self._players.clear()
        self._failovers.clear()
        self._background_tasks.clear()
        self._events.feed.end()
        self._events = FleetEvents(self)
        self.placement = Placement(self)
        self.failover = Failover(self, self.placement)
        self.on_change()  # tasks that wait for a change find the pool closed
        self._supervisor = self._running = self._closing = self._change = self._group = None
        self._is_ending = False
        self._binding.release()

    def _release_if_idle(self) -> None:
        """Release the event loop while nothing is connected and no reader waits for events."""
        if self._supervisor is None and not self._events.feed.has_readers and not self._in_lifecycle:
            self._binding.release()

    @asynccontextmanager
    async def _lifecycle_step(self) -> AsyncIterator[None]:
        """Allow one caller at a time to start nodes or to close the fleet.

        A lock belongs to one event loop. The next loop gets a new lock, once no task waits for this one.
        """
        lock = self._lifecycle
        self._in_lifecycle += 1
        try:
            async with lock:
                yield
        finally:
            if lock is self._lifecycle:
                self._in_lifecycle -= 1
                if not self._in_lifecycle:
                    self._lifecycle = asyncio.Lock()
                    self._release_if_idle()

    def check_loop(self) -> None:
        """Check that the caller runs on the event loop of the fleet.

        Raises:
            RuntimeError: It runs on another loop, or in another thread.
        """
        self._binding.check()

    async def reconnect(self) -> dict[str, Node]:
        """See `Pool.reconnect`."""
        self._discard_dead_loop()
        self.check_loop()
        outcomes: list[asyncio.Future[RevvlinkException | None]] = []
        async with self._lifecycle_step():
            await self._end_cancelled_close()
            idle = [node for node in self._nodes.values() if node.status is not NodeStatus.CONNECTED]
            if idle:
                _, group = await self._open()
                self._group = group
                outcomes = [state_of(node).start(group) for node in idle]
        for outcome in outcomes:
            await asyncio.shield(outcome)
        return self.nodes

    @property
    def is_open(self) -> bool:
        """Whether the fleet is connected and not closing."""
        return self._group is not None

    @property
    def is_closing(self) -> bool:
        """Whether `close` has begun and has not ended."""
        return self._is_ending

    def spawn(
        self, work: Coroutine[Any, Any, T], *, name: str, on_end: Callable[[asyncio.Task[T]], object] | None = None
    ) -> asyncio.Task[T]:
        """Start a background task; the fleet owns it, and `close` cancels it.

        Args:
            work: What it does.
            name: Its name, for logs.
            on_end: Called with the task when it has ended in any way, also when it was cancelled before it had begun.
                It handles the exception; without it, an exception is logged as a defect.

        Raises:
            NodeException: The fleet is not connected.
        """
        if self._group is None:
            work.close()
            raise NodeException("the pool is not connected", code=Code.NOT_CONNECTED, hint="connect it first")

        task = asyncio.get_running_loop().create_task(work, name=name)
        self._background_tasks.add(task)
        task.add_done_callback(partial(self._on_task_end, on_end or _log_defect))
        return task

    def _on_task_end(self, on_end: Callable[[asyncio.Task[T]], object], task: asyncio.Task[T]) -> None:
        self._background_tasks.discard(task)
        on_end(task)

    async def _end_background_tasks(self) -> None:
        """Cancel all background tasks, and wait for their end."""
        tasks = tuple(self._background_tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        """See `Pool.close`."""
        self._discard_dead_loop()
        self.check_loop()
        async with self._lifecycle_step():
            await self._close_everything()

    async def _end_cancelled_close(self) -> None:
        """Complete a `close` whose caller was cancelled: its supervisor is ending and must not get new nodes."""
        if self._is_ending:
            await self._close_everything()

    async def _close_everything(self) -> None:
        self._is_ending = True
        self._group = None  # no task can start from now on
        self.placement.close()
        await self._end_background_tasks()
        await asyncio.gather(*(state_of(node).shut() for node in self._nodes.values()))
        await self._searches.end()
        if self._supervisor is not None and self._closing is not None:
            self._closing.set()
            await asyncio.wait([self._supervisor])
        self._reset()
        self._searches = TrackSearch()

    def forget(self, node: Node) -> None:
        """Forget a closed node; it may join a pool again."""
        self._nodes.pop(node.identifier, None)
        state_of(node).leave()
        self.on_change(node)

    @property
    def nodes(self) -> dict[str, Node]:
        """Nodes that have been connected at least once, by identifier; a copy."""
        return {identifier: node for identifier, node in self._nodes.items() if state_of(node).was_connected}

    @property
    def members(self) -> tuple[Node, ...]:
        """All nodes, also those that never connected, in the order they were added."""
        return tuple(self._nodes.values())

    def has_member(self, node: Node) -> bool:
        """Whether the node belongs to this fleet."""
        return self._nodes.get(node.identifier) is node and state_of(node).observer is not None

    # Players.

    def create_player(self, guild_id: int | str, *, node: Node | None = None, region: str | None = None) -> Player:
        """See `Pool.create_player`."""
        self._discard_dead_loop()
        guild_id = checked_guild_id(guild_id)
        if node is not None:
            check_type("node", node, Node, "a Node or None")
        check_text("region", region, optional=True)
        known = self._players.get(guild_id)
        if known is not None:
            return known
        if node is not None:
            self._check_member(node)
        player = self._players[guild_id] = Player(self.placement, guild_id, region=region)
        if node is not None:
            player.attach(node)
        return player

    def _check_member(self, node: Node) -> None:
        """Check that a node belongs to this fleet.

        Raises:
            TypeError: It is not a `Node`.
            NodeException: It belongs to another pool, or to none.
        """
        check_type("node", node, Node, "a Node")
        if not self.has_member(node):
            raise NodeException(f"{node.identifier} is not of this pool", code=Code.INVALID_NODE, node=node.identifier)

    def get_player(self, guild_id: int | str) -> Player | None:
        """See `Pool.get_player`."""
        return self._players.get(checked_guild_id(guild_id))

    def has_player(self, player: Player) -> bool:
        """Whether the player is the one of its guild in this fleet: it was not destroyed."""
        return self._players.get(player.guild_id) is player

    @property
    def players(self) -> tuple[Player, ...]:
        """All players."""
        return tuple(self._players.values())

    def players_on(self, node: Node) -> tuple[Player, ...]:
        """The players that a node serves, in the order of their assignment."""
        found = (self._players.get(guild) for guild in state_of(node).players.guilds)
        return tuple(player for player in found if player is not None and player.node is node)

    @property
    def has_players(self) -> bool:
        """Whether there are players."""
        return bool(self._players)

    def drop_player(self, player: Player) -> None:
        """Forget a destroyed player."""
        if self._players.get(player.guild_id) is player:
            del self._players[player.guild_id]

    # Events and failover.

    async def events(self) -> AsyncGenerator[PoolEvent, None]:
        """See `Pool.events`."""
        self._discard_dead_loop()
        self._binding.bind()
        feed = self._events.feed
        subscription = feed.subscribe()
        try:
            while (event := await subscription.next()) is not None:
                yield event
        finally:
            feed.leave(subscription)
            if feed is self._events.feed:
                self._release_if_idle()

    def subscribe(self) -> Subscription:
        """Return a queue of all events from now on; `unsubscribe` ends it."""
        self.check_loop()
        return self._events.feed.subscribe()

    def unsubscribe(self, subscription: Subscription) -> None:
        """End a subscription."""
        self._events.feed.leave(subscription)

    def publish(self, event: PoolEvent) -> None:
        """Send an event to the readers, and to the client's `dispatch`."""
        self._events.publish(event, self.client)

    def on_event(self, node: Node, event: Event) -> None:
        """Handle a player's event that a node has sent."""
        self._events.on_event(node, event)

    def on_move_ended(self, player: Player) -> None:
        """Handle the events that were deferred while the player moved."""
        self._events.on_move_ended(player)

    def start_failover(self, node: Node) -> None:
        """Start the failover task of a node unless it runs, is not needed, or the pool is not open."""
        running = self._failovers.get(node.identifier)
        if running is not None and not running.done():  # done and not removed: it was cancelled before it had begun
            return
        if not self.is_open or not self.failover.is_needed_for(node):
            return

        async def fail_over() -> None:
            try:
                await self.failover.run(node)
            finally:
                self._failovers.pop(
                    node.identifier, None
                )  # first of all: the next report of the node may need a new task

        self._failovers[node.identifier] = self.spawn(fail_over(), name=f"failover of {node.identifier}")

    async def drain(self, node: Node) -> DrainReport:
        """See `Pool.drain`."""
        check_type("node", node, Node, "a Node")
        if state_of(node).observer is not None:  # a node that left the pool has no players here
            self._check_member(node)
        self.check_loop()
        async with state_of(node).closing, self._without_failover(node):  # a second drain moves the rest of the first
            if not self.has_member(node):  # it left before, or during the wait
                return DrainReport(node.identifier, {}, {})
            return await self.failover.drain(node)

    async def remove_node(self, node: Node) -> DrainReport:
        """See `Pool.remove_node`."""
        report = await self.drain(node)
        await self._shut(node, eject=True)
        return report

    async def close_node(self, node: Node, *, eject: bool) -> None:
        """Move a node's players to others, then close it; see `Node.close`."""
        was_cordoned = node.is_cordoned
        node.cordon()
        try:
            if self.players_on(node):
                await self.drain(node)
            await self._shut(node, eject=eject)
        finally:
            if not was_cordoned:
                node.uncordon()  # it takes players again when it is connected again

    async def _shut(self, node: Node, *, eject: bool) -> None:
        """Close a node. Players that are still on it have no node afterwards; a voice update places them again."""
        async with state_of(node).closing, self._without_failover(node):
            if not self.has_member(node):
                return
            for player in self.players_on(node):
                async with player.turn:
                    if player.node is node:
                        player.save_position()
                        player.detach()
            await state_of(node).shut()
            if eject and self.has_member(node):
                self.forget(node)

    @asynccontextmanager
    async def _without_failover(self, node: Node) -> AsyncIterator[None]:
        """Stop the failover of a node while the caller moves its players; start it again afterwards if it is needed."""
        rescue = self._failovers.get(node.identifier)
        if rescue is not None:
            rescue.cancel()
            await asyncio.wait([rescue])
        try:
            yield
        finally:
            if self.has_member(node):
                self.start_failover(node)

    # Changes, snapshots and the choice of a node.

    def on_change(self, node: Node | None = None) -> None:
        """Wake the tasks that wait for a change, and read again the node that has changed, if there is one."""
        if node is not None:
            self._selector.on_change(node)
        self.placement.on_change()
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    async def changed(self) -> None:
        """Wait until something about a node changes."""
        self.check_loop()
        if self._change is None or self._change.done():
            self._change = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._change)

    async def changed_within(self, seconds: float) -> None:
        """Wait until something about a node changes, at most so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self.changed()
        except TimeoutError:
            return

    def snapshot(self) -> FleetSnapshot:
        """Return the present state of all nodes."""
        return self._selector.snapshot()

    def penalty_of(self, node: Node) -> Penalty | None:
        """Return the penalty of one node among the others."""
        return self._selector.penalty_of(node)

    def rank(self, region: str | None = None, *, exclude: Collection[str] = ()) -> Ranking:
        """Rank all nodes for a region."""
        return self._selector.rank(region, exclude=exclude)

    def best(self, region: str | None = None, *, exclude: Collection[str] = ()) -> Node:
        """Return the best node for a region.

        Raises:
            InvalidNodeException: No node can serve; the message says why each was left out.
        """
        return self._selector.best(region, exclude=exclude)

    def get_node(self, identifier: str | None = None, /, *, region: str | None = None) -> Node:
        """See `Pool.get_node`."""
        if region is not None and not isinstance(region, str):
            raise wrong_type("region", "a str or None", region)
        if identifier is None:
            return self.best(region)
        check_text("identifier", identifier, optional=True)
        return self._named(identifier)

    def _named(self, identifier: str) -> Node:
        node = self._nodes.get(identifier)
        if node is None or not state_of(node).was_connected:
            error = node.snapshot().error if node is not None else None
            raise InvalidNodeException(
                f"the node {identifier} has never been connected{f': {error}' if error else ''}"
                if node is not None
                else f"the pool has no node {identifier}",
                code=Code.UNKNOWN_NODE,
                node=identifier,
                hint=f"it has: {', '.join(self.nodes) or 'none'}",
            )
        return node

    def region_from_endpoint(self, endpoint: str | None) -> str | None:
        """See `Pool.region_from_endpoint`."""
        if endpoint is not None and not isinstance(endpoint, str):
            raise wrong_type("endpoint", "a str or None", endpoint)
        return self._selector.region_from_endpoint(endpoint)

    # Tracks.

    async def fetch_tracks(
        self,
        query: str,
        /,
        *,
        node: Node | None = None,
        cache_mode: CacheMode | str = CacheMode.PREFER,
        on_failure: Callable[[RevvlinkException], None] | None = None,
    ) -> list[Playable] | Playlist:
        """See `Pool.fetch_tracks`; `on_failure` is called for every node that failed."""
        check_text("query", query)
        self._discard_dead_loop()
        self.check_loop()
        if node is not None:
            check_type("node", node, Node, "a Node or None")
        try:
            mode = CacheMode(cache_mode)
        except ValueError:
            message = f"cache_mode is one of {', '.join(CacheMode)}, not {cache_mode!r:.60}"
            raise ValueError(message) from None
        return await self._searches.fetch(
            query,
            node.identifier if node is not None else None,
            mode,
            lambda: self._load(query, node, on_failure),
        )

    async def _load(
        self, query: str, node: Node | None, on_failure: Callable[[RevvlinkException], None] | None
    ) -> list[Playable] | Playlist:
        if node is not None:
            nodes = [node]
        else:
            self.get_node()  # raises, with the reasons, when there is none
            nodes = [self._nodes[candidate.node.identifier] for candidate in self.rank().candidates]
        return await load_tracks.load(query, nodes, on_failure=on_failure)

    def cache(self, capacity: int | bool | None = None) -> None:
        """See `Pool.cache`."""
        self._discard_dead_loop()
        self._searches.resize(capacity)

    def has_cache(self) -> bool:
        """See `Pool.has_cache`."""
        return self._searches.has_memory

    def use_store(self, store: Store | None, *, ttl: float = DEFAULT_TTL) -> None:
        """See `Pool.use_store`."""
        self._discard_dead_loop()
        self._searches.use_store(store, ttl)


def _log_defect(task: asyncio.Task[Any]) -> None:
    """Log the exception of a background task, if it has one: a defect in one task must not end the pool."""
    error = task.exception() if not task.cancelled() else None
    if error is not None:
        log.error("defect in: %s", task.get_name(), exc_info=error)
