"""The snapshots of nodes and fleets that everything above the client reads.

Snapshots are frozen values: ranking, status tables, health checks and exporters work from them and from nothing else,
so they all agree, and each can be tested with a literal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from revvlink_cli.client.routing.penalty import Penalty, compute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.client.errors import RevvlinkException, Stage
    from revvlink_cli.client.protocol.dialects import Dialect
    from revvlink_cli.client.protocol.models import NodeInfo, NodeStats


class NodeStatus(StrEnum):
    """The state of a node's connection."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"


class StatsOrigin(StrEnum):
    """The route by which statistics came."""

    WEBSOCKET = "websocket"
    REST = "rest"


@dataclass(frozen=True, slots=True)
class TimedStats:
    """Statistics with the moment they came in.

    Attributes:
        stats: The figures.
        origin: How they came. The two have separate CPU figures on Lavalink; the websocket's are the better ones.
        at: Seconds on the monotonic clock.
        expires: Seconds on the same clock after which they are too old.
        penalty: The penalty of these figures alone, computed once.
    """

    stats: NodeStats
    origin: StatsOrigin
    at: float
    expires: float
    penalty: Penalty = field(init=False)

    def __post_init__(self) -> None:
        """Compute the penalty."""
        object.__setattr__(self, "penalty", compute(self.stats))


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSnapshot:
    """The state of one node at one moment.

    Attributes:
        identifier: Its name in the pool.
        uri: Its address.
        region: Its region label, or None.
        tags: Its tags.
        status: The state of the connection.
        stage: How far the attempt under way has come, None when there is none.
        error: Why it is not connected, or the last failure on a connected node; None when there is none.
        dialect: Kind of server, None while unknown.
        info: The node's ``/v4/info``, None before its answer.
        timed_stats: Its last statistics of any age, None if it sent none.
        earlier_stats: The statistics before those, None if they are the first since the node was connected.
        session_id: The websocket session, None unless connected.
        resumed: Whether that session was resumed.
        ready_ms: Milliseconds from the first packet to ``ready``, None unless connected.
        latency_ms: Milliseconds of the last websocket round trip, None if none was measured.
        attempts: Attempts to connect since the last connection.
        retry_at: Monotonic second of the next attempt, None when none is planned.
        unparsed: Messages that could not be parsed, since the start.
        unexpected_fields: Fields of answers that fit neither Lavalink nor NodeLink.
        unknown: By name, how often the node sent a message or event that this client lacks (``event FooEvent``).
        reserved: Players assigned to it that its statistics do not show.
        is_cordoned: Whether it gets no new players.
        tripped_until: Monotonic second until which it is out of routing because requests to it failed, or None.
        held: Players of this pool that it serves, or that are on their way to it.
        stats_error: Why a request for its statistics failed, or None.
        certificate_expires: Monotonic second at which the certificate that it showed ends, None where it showed none.
        hanging: Why a connected node is considered hanging: it answers no request over REST. Otherwise None.
        refusal: Why requests to a connected node fail although it does not hang: a proxy refuses them, say. Else None.
            Both have the same effects: see `rest_failure`.
        rest_latency_s: Seconds that the last answer over REST took, without connecting and without loads; or None.
    """

    identifier: str
    uri: str
    region: str | None
    tags: tuple[str, ...] = ()
    status: NodeStatus
    stage: Stage | None = None
    error: RevvlinkException | None = None
    dialect: Dialect | None = None
    info: NodeInfo | None = None
    timed_stats: TimedStats | None = None
    earlier_stats: TimedStats | None = None
    session_id: str | None = None
    resumed: bool = False
    ready_ms: float | None = None
    latency_ms: float | None = None
    attempts: int = 0
    retry_at: float | None = None
    unparsed: int = 0
    unexpected_fields: tuple[str, ...] = ()
    unknown: Mapping[str, int] = field(default_factory=dict, hash=False)
    reserved: int = 0
    is_cordoned: bool = False
    tripped_until: float | None = None
    held: int = 0
    stats_error: RevvlinkException | None = None
    certificate_expires: float | None = None
    hanging: RevvlinkException | None = None
    refusal: RevvlinkException | None = None
    rest_latency_s: float | None = None

    @property
    def is_tried(self) -> bool:
        """Whether an attempt to connect has ended, with success or without."""
        return self.ready_ms is not None or bool(self.error or self.rest_failure) or self.attempts > 1

    @property
    def rest_failure(self) -> RevvlinkException | None:
        """Why a connected node serves no request, None if it does: it hangs, or something refuses them in its place."""
        return self.hanging or self.refusal

    def condition(self, now: float) -> str:
        """Its status at `now` (monotonic seconds), or the reason why a connected node gets no players."""
        if self.status is not NodeStatus.CONNECTED:
            return str(self.status)
        if self.hanging is not None:
            return "hanging"
        if self.refusal is not None:
            return "refusing"
        if self.is_cordoned:
            return "cordoned"
        if self.tripped_until is not None and now < self.tripped_until:
            return "tripped"
        return str(self.status)

    def stats(self, now: float) -> NodeStats | None:
        """The statistics if they are not too old at `now` (monotonic seconds)."""
        timed = self.timed_stats
        return timed.stats if timed is not None and now < timed.expires else None


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """All nodes of a pool at one moment, in the order they were given.

    Attributes:
        at: Seconds on the monotonic clock.
        nodes: One entry a node.
        penalties: By identifier, the penalty of each node whose statistics are known and young enough.
        unknown_regions: By name, how often an endpoint had an airport code or a name that the region table lacks.
    """

    at: float
    nodes: tuple[NodeSnapshot, ...]
    penalties: dict[str, Penalty]
    unknown_regions: Mapping[str, int] = field(default_factory=dict, hash=False)
