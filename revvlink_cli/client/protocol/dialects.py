"""The differences between the servers that speak the v4 protocol, as one table.

Lavalink 4 and NodeLink 3 share routes and messages. They differ in headers, units and behaviour. The rest of the client
reads `NodeInfo` and `NodeStats`, which mean the same for both. The version number never decides: a NodeLink 3.x speaks
v4, and a development build of Lavalink calls itself 0.0.0. Headers and ``/v4/info`` do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli.client.protocol.models import (
    NOTHING,
    Frames,
    NodeInfo,
    NodeStats,
    Plugin,
    WireFrames,
    WireInfo,
    WireStats,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Dialect(StrEnum):
    """The kind of server."""

    LAVALINK = "Lavalink"
    NODELINK = "NodeLink"


@dataclass(frozen=True, slots=True)
class Traits:
    """How one kind of server behaves.

    Attributes:
        stats_interval: Seconds between two ``stats`` messages.
        stats_at_connect: Whether a ``stats`` message comes together with ``ready``.
        empty_403_is_password: Whether a 403 without a body means a wrong password.
        load_is_average: Whether ``systemLoad`` is a load average, to be divided by the cores.
        zero_own_load_is_untold: Whether the server's own load of exactly 0 means that it does not measure it, as a
            NodeLink in a single process.
        frames_are_totals: Whether ``frameStats`` has totals since the server's start instead of the last minute.
        requests_per_10s: Requests allowed in ten seconds before the server slows down or bans, None if unlimited.
        players_at_once: Requests for players that may be under way together.
    """

    stats_interval: float
    stats_at_connect: bool
    empty_403_is_password: bool
    load_is_average: bool
    zero_own_load_is_untold: bool
    frames_are_totals: bool
    requests_per_10s: int | None
    players_at_once: int


TRAITS: Mapping[Dialect, Traits] = {
    Dialect.LAVALINK: Traits(
        stats_interval=60.0,
        stats_at_connect=True,
        empty_403_is_password=True,
        load_is_average=False,
        zero_own_load_is_untold=False,
        frames_are_totals=False,
        requests_per_10s=None,
        players_at_once=8,
    ),
    Dialect.NODELINK: Traits(
        stats_interval=30.0,
        stats_at_connect=False,
        empty_403_is_password=False,
        load_is_average=True,
        zero_own_load_is_untold=True,
        frames_are_totals=True,
        requests_per_10s=24,
        players_at_once=8,
    ),
}


def from_headers(headers: Mapping[str, str]) -> Dialect | None:
    """The kind of server that sends these response headers, or None when they do not show it."""
    if "Nodelink-Api-Version" in headers or "IamNodelink" in headers:
        return Dialect.NODELINK
    if "Lavalink-Api-Version" in headers:
        return Dialect.LAVALINK
    return None


def read_info(wire: WireInfo, extra: Mapping[str, Any] = NOTHING, mask: Callable[[str], str] = str) -> NodeInfo:
    """``/v4/info`` of either kind of server; `mask` is applied to every text, since a server may echo the password."""
    return NodeInfo(
        version=mask(wire.version.semver) if wire.version else "",
        build_time=wire.build_time,
        branch=mask(wire.git.branch) if wire.git else "",
        commit=mask(wire.git.commit) if wire.git else "",
        runtime=mask(wire.jvm or wire.node or "") or None,
        lavaplayer=mask(wire.lavaplayer or "") or None,
        sources=None if wire.source_managers is None else tuple(map(mask, wire.source_managers)),
        filters=None if wire.filters is None else tuple(map(mask, wire.filters)),
        plugins=tuple(Plugin(mask(plugin.name), mask(plugin.version)) for plugin in wire.plugins or ()),
        commit_time=_moment(wire.git.commit_time if wire.git else None),
        extra=extra,
    )


class _Totals(NamedTuple):
    """A complete ``frameStats``."""

    sent: int
    nulled: int
    lost: int
    expected: int


def _totals(wire: WireFrames | None) -> _Totals | None:
    """The frame statistics if all their fields are there: a missing one is not zero."""
    if wire is None or wire.sent is None or wire.nulled is None or wire.deficit is None:
        return None
    return _Totals(wire.sent, wire.nulled, wire.deficit, wire.expected or 0)


class StatsReader:
    """Turns the statistics of one node into `NodeStats`; remembers NodeLink's totals to make rates of them."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before: _Totals | None = None

    def read(self, wire: WireStats, dialect: Dialect, extra: Mapping[str, Any] = NOTHING) -> NodeStats:
        """Normalise one statistics message of a server of that kind."""
        traits = TRAITS[dialect]
        cpu, memory = wire.cpu, wire.memory
        system = cpu.system_load if cpu else None
        server = None
        if cpu:
            server = cpu.lavalink_load if cpu.lavalink_load is not None else cpu.nodelink_load
        has_baseline = not (system == 0.0 and not server)
        if traits.zero_own_load_is_untold:
            server = server or None
        if system is not None and traits.load_is_average:
            system = system / cpu.cores if cpu and cpu.cores else None
        return NodeStats(
            players=_count(wire.players),
            playing=_count(wire.playing_players),
            uptime_ms=_count(wire.uptime),
            memory_free=_count(memory.free) if memory else None,
            memory_used=_count(memory.used) if memory else None,
            memory_allocated=_count(memory.allocated) if memory else None,
            memory_reservable=_count(memory.reservable) if memory else None,
            cores=_count(cpu.cores) if cpu else None,
            system_load=min(max(system, 0.0), 1.0) if system is not None and has_baseline else None,
            server_load=min(max(server, 0.0), 1.0) if server is not None and has_baseline else None,
            frames=self._frames(wire.frame_stats, traits),
            has_cpu_baseline=has_baseline,
            extra=extra,
        )

    def _frames(self, wire: WireFrames | None, traits: Traits) -> Frames | None:
        now = _totals(wire)
        if not traits.frames_are_totals:
            # A negative deficit means more frames than needed, to catch up: nothing was lost.
            return Frames(now.sent, max(now.nulled, 0), max(now.lost, 0)) if now else None
        before, self._before = self._before, now
        if now is None or before is None:
            return None
        expected = now.expected - before.expected
        lost, nulled, sent = now.lost - before.lost, now.nulled - before.nulled, now.sent - before.sent
        if expected <= 0 or min(lost, nulled, sent) < 0:
            return None  # the totals restarted: a new track or voice connection resets them
        scale = 3000.0 / expected
        return Frames(sent * scale, nulled * scale, lost * scale)


def _moment(value: int | None) -> int | None:
    """Milliseconds since 1970: none before anything of this was written, nor beyond what a calendar has."""
    return value if value is not None and 0 < value < 2**42 else None


def _count(value: int | None) -> int | None:
    """A count, None when it is negative and so meaningless."""
    return value if value is not None and value >= 0 else None
