"""The state of one pool: its nodes, their supervision, its cache and its regions."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.arguments import check_text, check_type, items_of, wrong_type
from revvlink_cli.client.cache.entries import DEFAULT_TTL
from revvlink_cli.client.cache.modes import CacheMode
from revvlink_cli.client.connection.transport import Transport
from revvlink_cli.client.errors import (
    Code,
    InvalidNodeException,
    NodeException,
    PlayerDestroyedException,
    RevvlinkException,
)
from revvlink_cli.client.events import (
    EventFeed,
    NodeAnswering,
    NodeClosed,
    NodeEvent,
    NodeFailed,
    NodeHanging,
    NodeLost,
    NodeReady,
    PoolEvent,
    StatsReceived,
    Subscription,
    name_of,
)
from revvlink_cli.client.loop_binding import LoopBinding
from revvlink_cli.client.node import Node, user_id_of
from revvlink_cli.client.player import Player
from revvlink_cli.client.protocol.guild_ids import checked_guild_id
from revvlink_cli.client.protocol.messages import TrackEnd, TrackStart
from revvlink_cli.client.routing import ranking
from revvlink_cli.client.routing.effects import is_effect
from revvlink_cli.client.routing.failover import DrainReport, Failover
from revvlink_cli.client.routing.placement import Placement
from revvlink_cli.client.routing.regions import GLOBAL, checked_map, count_unknown_place, region_from_endpoint
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
    from revvlink_cli.client.protocol.messages import Event
    from revvlink_cli.client.protocol.models import NodeStats
    from revvlink_cli.client.protocol.tracks import Playable, Playlist
    from revvlink_cli.client.redaction import Redactor
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.routing.ranking import Ranking

log = logging.getLogger(__name__)

# Without a handler of the program's own, Python would write warnings to stderr: that is for the program to decide.
logging.getLogger("revvlink_cli.client").addHandler(logging.NullHandler())

START_OVER_PAUSES = (1.0, 3.0, 9.0)
"""Seconds after each failed request to play a track from its beginning."""


class Fleet:
    """Everything that one `Pool` knows.

    A fleet can be configured before there is an event loop; what is bound to one is born in `connect` and dies in
    `close`, after which the fleet is as new. Until then it belongs to that one loop.
    """

    def __init__(self, redact: Redactor | None = None) -> None:
        """Begin without nodes.

        Args:
            redact: Masks secrets in what nodes say; those of the nodes are added to it. None is one of the fleet's own.
        """
        self._redact = redact
        self.client: Any = None
        self._nodes: dict[str, Node] = {}
        self._regions: dict[str, tuple[str, ...]] | None = None
        self._unknown_regions: Counter[str] = Counter()
        self._searches = TrackSearch()
        self._rankings: dict[str | None, Ranking] = {}
        self._costs: tuple[dict[str, Penalty], float] | None = None
        self._change: asyncio.Future[None] | None = None
        self._running: asyncio.Future[tuple[Transport, asyncio.TaskGroup]] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._closing: asyncio.Event | None = None
        self._players: dict[int, Player] = {}
        self._rescues: dict[str, asyncio.Task[None]] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._binding = LoopBinding()
        self._events = EventFeed()
        self.placement = Placement(self)
        self.failover = Failover(self, self.placement)
        self._lifecycle = asyncio.Lock()
        self._in_lifecycle = 0  # those that hold the lock, and those that wait for it

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
        self._drop_dead()
        self._binding.bind()
        async with self._one_by_one():
            outcomes = await self._begin(wanted, client, cache_capacity, regions)
        settled = await asyncio.gather(*map(asyncio.shield, outcomes))  # others may wait for the same attempts
        failures = {node.identifier: error for node, error in zip(wanted, settled, strict=True) if error is not None}
        if failures:
            first = next(iter(failures.values()))
            first.failures = failures
            raise first
        return self.nodes

    async def _begin(
        self,
        wanted: Sequence[Node],
        client: Any,
        cache_capacity: int | None,
        regions: Mapping[str, Sequence[str]] | None,
    ) -> list[asyncio.Future[RevvlinkException | None]]:
        """Check the nodes, take them in, and start them; gives the outcomes of their first attempts."""
        self._binding.bind()  # the pool may have been closed since
        self._check_new(wanted)
        own_regions = checked_map(regions) if regions is not None else None
        if client is not None:
            user_id_of(client)
        if cache_capacity is not None:
            self._searches.resize(cache_capacity, "cache_capacity")
        if client is not None:  # nothing was refused: from here on all of it counts
            self.client = client
        if own_regions is not None:
            self._regions = own_regions
            self._rankings.clear()
        transport, group = await self._open()
        self._group = group
        outcomes: list[asyncio.Future[RevvlinkException | None]] = []
        for node in wanted:
            if (former := self._nodes.get(node.identifier)) is not None:
                self.forget(former)
        user = user_id_of(self.client) if self.client is not None else None
        for node in wanted:
            node.join(self, transport, user_id=user)
            self._nodes[node.identifier] = node
            outcomes.append(node.start(group))
        self.note_change()
        return outcomes

    def _check_new(self, nodes: Sequence[Node]) -> None:
        # A node that failed for good may be tried again with other settings: it does not hold its name.
        seen = {name for name, node in self._nodes.items() if node.is_supervised or node.was_connected}
        for node in nodes:
            node.check()
            failed_here = node.fleet is self and not node.is_supervised and not node.was_connected
            if node.fleet is not None and not failed_here:
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
            self._supervisor = asyncio.create_task(
                self._supervise(self._running, self._closing, self._redact), name="fleet"
            )
        return await asyncio.shield(self._running)  # who gives up waiting does not end it for the next

    @staticmethod
    async def _supervise(
        started: asyncio.Future[tuple[Transport, asyncio.TaskGroup]], closing: asyncio.Event, redact: Redactor | None
    ) -> None:
        """Hold the connections and the tasks of all nodes until the fleet closes."""
        transport = Transport(redact)
        try:
            async with asyncio.TaskGroup() as group:
                if not started.done():  # nobody waits any more when connecting was given up at once
                    started.set_result((transport, group))
                await closing.wait()
        finally:
            await transport.close()

    def _drop_dead(self) -> None:
        """Let go of an event loop that has ended without `close`; its tasks, and what they held, ended with it.

        What `cache` and `use_store` have set stays: neither is bound to a loop.
        """
        supervisor = self._supervisor
        if self._binding.is_dead or (supervisor is not None and supervisor.done()):
            self._events = EventFeed()  # the readers went with their loop
            if self._binding.is_dead:
                self._change = None  # and so did those that wait for a change
            self._searches.forget_loads()
            self._let_go()
            self._lifecycle, self._in_lifecycle = asyncio.Lock(), 0

    def _let_go(self) -> None:
        """Forget everything that `connect` was given, and all that came of it."""
        for player in tuple(self._players.values()):
            player.detach()
        for node in tuple(self._nodes.values()):
            self.forget(node)
        self.client = None
        self._regions = None
        self._unknown_regions.clear()
        self._players.clear()
        self._rescues.clear()
        self._chores.clear()
        self._events.end()
        self._events = EventFeed()
        self.placement = Placement(self)
        self.failover = Failover(self, self.placement)
        self.note_change()  # who waits for one finds the pool closed
        self._supervisor = self._running = self._closing = self._change = self._group = None
        self._binding.release()

    def _release_if_idle(self) -> None:
        """Belong to no event loop while nothing is connected and nobody reads events."""
        if self._supervisor is None and not self._events.has_readers and not self._in_lifecycle:
            self._binding.release()

    @asynccontextmanager
    async def _one_by_one(self) -> AsyncIterator[None]:
        """Start nodes, or close the fleet, while nothing else does either.

        A lock belongs to one event loop. The next loop gets a new one, but only when nobody waits for this one.
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
        """Refuse to be used from another event loop, or from another thread.

        Raises:
            RuntimeError: It is.
        """
        self._binding.check()

    async def reconnect(self) -> dict[str, Node]:
        """See `Pool.reconnect`."""
        self._drop_dead()
        self.check_loop()
        outcomes: list[asyncio.Future[RevvlinkException | None]] = []
        async with self._one_by_one():
            idle = [node for node in self._nodes.values() if node.status is not NodeStatus.CONNECTED]
            if idle:
                _, group = await self._open()
                self._group = group
                outcomes = [node.start(group) for node in idle]
        await asyncio.gather(*map(asyncio.shield, outcomes))
        return self.nodes

    @property
    def is_open(self) -> bool:
        """Whether it is connected and not about to close."""
        return self._group is not None

    @property
    def is_closing(self) -> bool:
        """Whether `close` is under way."""
        return self._group is None and self._supervisor is not None

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Start what goes on beside the caller; the fleet waits for it, and closing ends it.

        Raises:
            NodeException: The fleet is not connected.
        """
        if self._group is None:
            work.close()
            raise NodeException("the pool is not connected", code=Code.NOT_CONNECTED, hint="connect it first")

        async def guarded() -> None:
            try:
                await work
            except Exception:  # the supervision boundary: a defect in one of these must not take the pool along
                log.exception("defect in: %s", name)

        task = self._group.create_task(guarded(), name=name)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)
        task.add_done_callback(lambda _: work.close())  # the pool may be closed before it has begun
        return task

    async def close(self) -> None:
        """See `Pool.close`."""
        self._drop_dead()
        self.check_loop()
        async with self._one_by_one():
            await self._end()

    async def _end(self) -> None:
        self._group = None  # nothing new is started from now on
        chores = tuple(self._chores)
        for chore in chores:
            chore.cancel()
        if chores:
            await asyncio.wait(chores)
        await asyncio.gather(*(node.shut() for node in self._nodes.values()))
        await self._searches.end()
        if self._supervisor is not None and self._closing is not None:
            self._closing.set()
            await asyncio.wait([self._supervisor])
        self._let_go()
        self._searches = TrackSearch()

    def forget(self, node: Node) -> None:
        """Let a closed node go; it may join a pool again."""
        self._nodes.pop(node.identifier, None)
        node.leave()
        self.note_change()

    @property
    def nodes(self) -> dict[str, Node]:
        """Nodes that have been connected at least once, by identifier; a copy."""
        return {identifier: node for identifier, node in self._nodes.items() if node.was_connected}

    @property
    def members(self) -> tuple[Node, ...]:
        """All nodes, those that never connected too, in the order they were given."""
        return tuple(self._nodes.values())

    # Players.

    def create_player(self, guild_id: int | str, *, node: Node | None = None, region: str | None = None) -> Player:
        """See `Pool.create_player`."""
        self._drop_dead()
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
        """Refuse what is no node of this fleet.

        Raises:
            TypeError: It is no node.
            NodeException: It belongs to another pool, or to none.
        """
        check_type("node", node, Node, "a Node")
        if node.fleet is not self:
            raise NodeException(f"{node.identifier} is not of this pool", code=Code.INVALID_NODE, node=node.identifier)

    def get_player(self, guild_id: int | str) -> Player | None:
        """See `Pool.get_player`."""
        return self._players.get(checked_guild_id(guild_id))

    @property
    def players(self) -> tuple[Player, ...]:
        """All there are."""
        return tuple(self._players.values())

    @property
    def has_players(self) -> bool:
        """Whether there are any."""
        return bool(self._players)

    def drop_player(self, player: Player) -> None:
        """The player is no more."""
        if self._players.get(player.guild_id) is player:
            del self._players[player.guild_id]

    # What happens.

    async def events(self) -> AsyncGenerator[PoolEvent, None]:
        """See `Pool.events`."""
        self._drop_dead()
        self._binding.bind()
        feed = self._events
        subscription = feed.subscribe()
        try:
            while (happening := await subscription.next()) is not None:
                yield happening
        finally:
            feed.leave(subscription)
            if feed is self._events:
                self._release_if_idle()

    def subscribe(self) -> Subscription:
        """A queue of what happens from now on; `unsubscribe` ends it."""
        self.check_loop()
        return self._events.subscribe()

    def unsubscribe(self, subscription: Subscription) -> None:
        """The reader has gone."""
        self._events.leave(subscription)

    def tell(self, happening: PoolEvent) -> None:
        """Something has happened: readers and the client are told."""
        self._events.publish(happening)
        if isinstance(happening, NodeEvent) and happening.event.caused_by_pool:
            return  # no bot asked for it, and none is to act on it
        dispatch = getattr(self.client, "dispatch", None)
        if callable(dispatch):
            try:
                told = happening.event if isinstance(happening, NodeEvent) else happening
                dispatch(f"revvlink_{name_of(type(told))}", happening)
            except Exception:  # the bot's code: its defects must not take a connection along
                log.exception("the client's dispatch failed")

    def note_ready(self, node: Node, session_id: str, *, resumed: bool) -> None:
        """A node is connected."""
        self.tell(NodeReady(node=node.identifier, session_id=session_id, resumed=resumed))
        self.care_for(node)

    def note_lost(self, node: Node, reason: RevvlinkException) -> None:
        """A node that was connected is not any more."""
        for player in node.players.values():
            player.hold()
        self.tell(NodeLost(node=node.identifier, reason=reason, players=len(node.players)))
        self.care_for(node)

    def note_hanging(self, node: Node, reason: RevvlinkException | None) -> None:
        """A connected node answers no request any more, or with None does so again. Its players stay: they play."""
        if reason is None:
            self.tell(NodeAnswering(node=node.identifier))
            if node.node_players.orphans:  # players that left it meanwhile
                self.care_for(node)
        else:
            self.tell(NodeHanging(node=node.identifier, reason=reason, players=len(node.players)))

    def note_failed(self, node: Node, reason: RevvlinkException, attempts: int) -> None:
        """An attempt to connect a node has failed."""
        self.tell(NodeFailed(node=node.identifier, reason=reason, attempts=attempts))

    def note_closed(self, node: Node) -> None:
        """A node is not tried any more."""
        self.tell(NodeClosed(node=node.identifier))

    def note_stats(self, node: Node, stats: NodeStats) -> None:
        """A node sent its statistics."""
        self.tell(StatsReceived(node=node.identifier, stats=stats))

    def note_event(self, node: Node, event: Event) -> None:
        """A node sent an event."""
        player = self._players.get(event.guild_id or 0)
        if player is not None and player.bound_for not in (None, node) and isinstance(event, TrackEnd):
            player.held_events.append((node, event))  # whether it counts shows when the move has ended
            return
        if isinstance(event, TrackStart) and player is not None and node is (player.bound_for or player.node):
            player.note_started(event.track)
        is_ours = is_effect(event, player, node)
        if player is not None and not is_ours and isinstance(event, TrackEnd):
            is_ours = self._track_ended(player, node, event)
        self.tell(NodeEvent(node=node.identifier, event=replace(event, caused_by_pool=True) if is_ours else event))

    def note_held_events(self, player: Player) -> None:
        """A move has ended, well or not: now the ends of tracks that came meanwhile can be judged."""
        held, player.held_events = player.held_events, []
        for node, event in held:
            self.note_event(node, event)

    def _track_ended(self, player: Player, node: Node, event: TrackEnd) -> bool:
        """A track is over, or failed: lavaplayer cannot begin in the middle of some containers, Ogg among them.

        Returns:
            Whether it is played from its beginning; then the end is none for the bot.
        """
        track = player.to_start_over(event.track, event.reason)
        if track is not None and self.is_open:
            player.effects.expect_end()  # a NodeLink ends a track that fails twice
            self.spawn(self._start_over(player, node, track, event), name=f"start over {player.guild_id}")
            return True
        self._end_track(player, event)
        return False

    @staticmethod
    def _end_track(player: Player, event: TrackEnd) -> None:
        player.effects.ended()
        if event.reason != "replaced":
            player.forget_track(event.track)

    async def _start_over(self, player: Player, node: Node, track: Playable, event: TrackEnd) -> None:
        """Play a track from its beginning; where no node takes it the bot gets the end that was kept from it."""
        for pause in START_OVER_PAUSES:
            try:
                await player.start_over(track)
            except PlayerDestroyedException:
                return
            except RevvlinkException as error:
                log.info("guild %s: its track could not be started over: %s", player.guild_id, error)
                await asyncio.sleep(pause)
            else:
                return
        if player.track is track:
            self._end_track(player, event)
            self.tell(NodeEvent(node=node.identifier, event=event))

    def care_for(self, node: Node) -> None:
        """See to the players of a node, if there is need and a pool that is open; one task a node does."""
        if node.identifier in self._rescues or not self.is_open or not self.failover.needs_care(node):
            return

        async def care() -> None:
            try:
                await self.failover.care(node)
            finally:
                self._rescues.pop(node.identifier, None)  # at once: what comes next may need another

        self._rescues[node.identifier] = self.spawn(care(), name=f"care for {node.identifier}")

    async def drain(self, node: Node) -> DrainReport:
        """See `Pool.drain`."""
        check_type("node", node, Node, "a Node")
        if node.fleet is not None:  # one that has left has no players here any more
            self._check_member(node)
        self.check_loop()
        async with node.closing, self._instead_of_rescue(node):  # a second drain finds what the first has left
            if node.fleet is not self:  # it left before, or while this waited
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
            if node.players:
                await self.drain(node)
            await self._shut(node, eject=eject)
        finally:
            if not was_cordoned:
                node.uncordon()  # it takes players again when it is connected again

    async def _shut(self, node: Node, *, eject: bool) -> None:
        """Close a node. Players that are still there have no node from then on; a voice update places them again."""
        async with node.closing, self._instead_of_rescue(node):
            if node.fleet is not self:
                return
            for player in node.players.values():
                async with player.turn:
                    if player.node is node:
                        player.hold()
                        player.detach()
            await node.shut()
            if eject and node.fleet is self:
                self.forget(node)

    @asynccontextmanager
    async def _instead_of_rescue(self, node: Node) -> AsyncIterator[None]:
        """Act on a node's players while nothing waits for it to come back; what is left then is cared for again."""
        rescue = self._rescues.get(node.identifier)
        if rescue is not None:
            rescue.cancel()
            await asyncio.wait([rescue])
        try:
            yield
        finally:
            if node.fleet is self:
                self.care_for(node)

    # What is known, and what follows from it.

    def note_change(self) -> None:
        """Something about a node has changed: what was worked out from it counts no more."""
        self._rankings.clear()
        self._costs = None
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    async def changed(self) -> None:
        """Wait until something about a node changes."""
        self.check_loop()
        if self._change is None or self._change.done():
            self._change = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._change)

    async def changed_within(self, seconds: float) -> None:
        """Wait until something about a node changes, but no longer than so long."""
        try:
            async with asyncio.timeout(seconds):
                await self.changed()
        except TimeoutError:
            return

    def snapshot(self) -> FleetSnapshot:
        """All nodes as they are now."""
        now = time.monotonic()
        nodes = tuple(node.snapshot() for node in self._nodes.values())
        return FleetSnapshot(now, nodes, ranking.penalties(nodes, now), dict(self._unknown_regions))

    def penalty_of(self, node: Node) -> Penalty | None:
        """The penalty of one node among the others."""
        now = time.monotonic()
        if self._costs is None or now >= self._costs[1]:
            nodes = [member.snapshot() for member in self._nodes.values()]
            expiries = [n.timed_stats.expires for n in nodes if n.timed_stats and now < n.timed_stats.expires]
            self._costs = (ranking.penalties(nodes, now), min(expiries, default=float("inf")))
        return self._costs[0].get(node.identifier)

    def rank(self, region: str | None = None, *, exclude: Collection[str] = ()) -> Ranking:
        """All nodes, ranked for `region`; worked out again only when something has changed or grown too old."""
        now = time.monotonic()
        known = None if exclude else self._rankings.get(region)
        if known is None or now >= known.expires:
            nodes = [node.snapshot() for node in self._nodes.values()]
            known = ranking.rank(nodes, now, region=region, neighbours=self._regions is None, exclude=exclude)
            if not exclude:
                self._rankings[region] = known
        return known

    def best(self, region: str | None = None, *, exclude: Collection[str] = ()) -> Node:
        """The best node for `region`.

        Raises:
            InvalidNodeException: None can serve; the message says why each was left out.
        """
        ranked = self.rank(region, exclude=exclude)
        if ranked.candidates:
            return self._nodes[ranked.candidates[0].node.identifier]
        why = "; ".join(f"{left.node.identifier}: {left.reason}" for left in ranked.excluded[:5])
        more = f"; and {len(ranked.excluded) - 5} more" if len(ranked.excluded) > 5 else ""
        raise InvalidNodeException(
            f"no node can serve: {why}{more}" if why else "the pool has no nodes",
            code=Code.NO_NODE,
            hint="connect a node" if not why else "start one of them, or correct the configuration",
        )

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
        if node is None or not node.was_connected:
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
        region = region_from_endpoint(endpoint, self._regions)
        if endpoint is not None and region == GLOBAL:
            count_unknown_place(endpoint, self._unknown_regions)
        return region

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
        """See `Pool.fetch_tracks`; `on_failure` is told of every node that failed on the way."""
        check_text("query", query)
        self._drop_dead()
        self.check_loop()
        if node is not None:
            check_type("node", node, Node, "a Node or None")
        try:
            mode = CacheMode(cache_mode)
        except ValueError:
            told = f"cache_mode is one of {', '.join(CacheMode)}, not {cache_mode!r:.60}"
            raise ValueError(told) from None
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
        self._drop_dead()
        self._searches.resize(capacity)

    def has_cache(self) -> bool:
        """See `Pool.has_cache`."""
        return self._searches.has_memory

    def use_store(self, store: Store | None, *, ttl: float = DEFAULT_TTL) -> None:
        """See `Pool.use_store`."""
        self._drop_dead()
        self._searches.use_store(store, ttl)
