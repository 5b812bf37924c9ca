"""The events of a pool as streams: each reader has a bounded queue, so a slow one does not delay the others."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.client.errors import RevvlinkException
    from revvlink_cli.client.protocol.messages import Event
    from revvlink_cli.client.protocol.models import NodeStats

CAPACITY = 1000
"""Events that wait for a reader; older ones are dropped and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReady:
    """A node is connected.

    Attributes:
        node: Its identifier.
        session_id: The session.
        resumed: Whether the session was resumed.
    """

    node: str
    session_id: str
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLost:
    """A node lost its connection; the client reconnects it.

    Attributes:
        node: Its identifier.
        reason: Why.
        players: How many players of this pool it served.
    """

    node: str
    reason: RevvlinkException
    players: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFailed:
    """An attempt to connect a node has failed; the client tries again unless `NodeClosed` follows.

    Attributes:
        node: Its identifier.
        reason: Why.
        attempts: Attempts that have failed since it was last connected for long.
    """

    node: str
    reason: RevvlinkException
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeHanging:
    """A connected node stopped answering requests: it gets no new players, and keeps those that play.

    Attributes:
        node: Its identifier.
        reason: The failure that shows it.
        players: How many players of this pool it serves.
    """

    node: str
    reason: RevvlinkException
    players: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRefusing:
    """Requests to a connected node are refused, by a proxy perhaps: it gets no new players, and keeps those that play.

    Attributes:
        node: Its identifier.
        reason: The failure that shows it.
        players: How many players of this pool it serves.
    """

    node: str
    reason: RevvlinkException
    players: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswering:
    """A node that was hanging answers requests again, or one that was refusing them serves them again.

    Attributes:
        node: Its identifier.
    """

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeClosed:
    """A node was closed by the program, or the client has given it up.

    Attributes:
        node: Its identifier.
    """

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsReceived:
    """A node sent its statistics.

    Attributes:
        node: Its identifier.
        stats: The statistics.
    """

    node: str
    stats: NodeStats


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerMoved:
    """A player is served by another node now.

    Attributes:
        guild_id: Its guild.
        origin: The node before, None for a first placement.
        target: The node now.
        refused: The nodes that were tried before, with their reasons.
    """

    guild_id: int
    origin: str | None
    target: str
    refused: tuple[tuple[str, RevvlinkException], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerLost:
    """A player could not be placed; it is kept, and goes on with its next voice update.

    Attributes:
        guild_id: Its guild.
        origin: The node it was on, if any.
        reason: Why no node took it.
    """

    guild_id: int
    origin: str | None
    reason: RevvlinkException


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDrained:
    """A drain has ended, or was given up.

    Attributes:
        node: Its identifier.
        moved: Guild -> the node that serves it now.
        failed: Guild -> why it is still where it was.
    """

    node: str
    moved: Mapping[int, str]
    failed: Mapping[int, RevvlinkException]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent:
    """An event that a node sent.

    Attributes:
        node: Its identifier.
        event: The event: `TrackStart`, `TrackEnd`, `TrackException`, `TrackStuck`, `VoiceClosed` or `OtherEvent`.
    """

    node: str
    event: Event


PoolEvent: TypeAlias = (
    NodeReady
    | NodeLost
    | NodeFailed
    | NodeHanging
    | NodeRefusing
    | NodeAnswering
    | NodeClosed
    | NodeDrained
    | StatsReceived
    | PlayerMoved
    | PlayerLost
    | NodeEvent
)


_NAMES = {"StatsReceived": "stats", "VoiceClosed": "websocket_closed", "OtherEvent": "unknown"}
"""Names in the field's terms, where they are not the type's."""


def name_of(kind: type) -> str:
    """The name of a pool's or a server's event from its type: ``NodeReady`` is ``node_ready``."""
    return _name(kind.__name__)


@lru_cache(maxsize=64)  # there are fewer types of events
def _name(name: str) -> str:
    return _NAMES.get(name) or "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")


class Subscription:
    """One reader's queue.

    Attributes:
        dropped: How many events were dropped because this reader was too slow.
    """

    def __init__(self) -> None:
        self._waiting: deque[PoolEvent] = deque()
        self._news = asyncio.Event()
        self._is_over = False
        self.dropped = 0

    def put(self, event: PoolEvent) -> None:
        """Add an event; a full queue drops the oldest."""
        if len(self._waiting) == CAPACITY:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(event)
        self._news.set()

    def end(self) -> None:
        """End the stream after the waiting events."""
        self._is_over = True
        self._news.set()

    def waiting(self) -> list[PoolEvent]:
        """Return the waiting events at once."""
        found = list(self._waiting)
        self._waiting.clear()
        return found

    async def next(self) -> PoolEvent | None:
        """Wait for the next event; None after the last."""
        while not self._waiting:
            if self._is_over:
                return None
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()


class EventFeed:
    """Sends every event to every reader."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def publish(self, event: PoolEvent) -> None:
        """Send an event to every reader."""
        for subscription in self._subscriptions:
            subscription.put(event)

    @property
    def has_readers(self) -> bool:
        """Whether there are readers."""
        return bool(self._subscriptions)

    def end(self) -> None:
        """End every reader's stream: the pool is closed."""
        for subscription in self._subscriptions:
            subscription.end()

    def subscribe(self) -> Subscription:
        """Return a queue for the events from now on; `leave` ends it."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Remove a reader's queue."""
        self._subscriptions.discard(subscription)
