"""What happens to a pool, as a stream: bounded, and nobody waits for a reader who is slow."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.client.errors import RevvlinkException
    from revvlink_cli.client.protocol.messages import Event
    from revvlink_cli.client.protocol.models import NodeStats

CAPACITY = 1000
"""Happenings that wait for a reader; older ones are dropped, and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReady:
    """A node is connected.

    Attributes:
        node: Its identifier.
        session_id: The session.
        resumed: Whether that is one taken up again.
    """

    node: str
    session_id: str
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLost:
    """A node that was connected is not any more; it is tried again.

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
    """An attempt to connect a node has failed; unless it is closed after that, it is tried again.

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
    """A connected node answers no request any more: it gets no new players, those it has stay while they play.

    Attributes:
        node: Its identifier.
        reason: What was seen.
        players: How many players of this pool it serves.
    """

    node: str
    reason: RevvlinkException
    players: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswering:
    """A node that was hanging answers requests again.

    Attributes:
        node: Its identifier.
    """

    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeClosed:
    """A node was closed here, or is not tried any more.

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
    """The name of a happening, or of a server's event, by its type: ``NodeReady`` is ``node_ready``."""
    name = kind.__name__
    return _NAMES.get(name) or "".join(f"_{char.lower()}" if char.isupper() else char for char in name).lstrip("_")


class Subscription:
    """One reader's queue.

    Attributes:
        dropped: Happenings this reader was too slow for.
    """

    def __init__(self) -> None:
        self._waiting: deque[PoolEvent] = deque()
        self._news = asyncio.Event()
        self._is_over = False
        self.dropped = 0

    def put(self, happening: PoolEvent) -> None:
        """Add one; the oldest makes room."""
        if len(self._waiting) == CAPACITY:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(happening)
        self._news.set()

    def end(self) -> None:
        """Nothing more will come."""
        self._is_over = True
        self._news.set()

    def waiting(self) -> list[PoolEvent]:
        """Everything that has come since the last reading, without waiting for more."""
        found = list(self._waiting)
        self._waiting.clear()
        return found

    async def next(self) -> PoolEvent | None:
        """The next one, None after the last."""
        while not self._waiting:
            if self._is_over:
                return None
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()


class EventFeed:
    """Tells every reader what happens."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    def tell(self, happening: PoolEvent) -> None:
        """One more thing has happened."""
        for subscription in self._subscriptions:
            subscription.put(happening)

    @property
    def has_readers(self) -> bool:
        """Whether anybody reads."""
        return bool(self._subscriptions)

    def end(self) -> None:
        """The pool is closed: readers come to their end."""
        for subscription in self._subscriptions:
            subscription.end()

    def subscribe(self) -> Subscription:
        """A queue that fills from now on; `leave` ends it."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """The reader has gone."""
        self._subscriptions.discard(subscription)
