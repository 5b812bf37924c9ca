"""Silences: announced maintenance, during which the problems of some nodes raise no alarm.

Everything here is pure: the silences and the time go in, the silence of each node comes out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

SKEW = 300.0
"""Seconds by which the clocks of two machines that share a file may differ.

A silence that begins later than that is not in force: the clock was set back, and the silence would last too long.
"""


class SilenceState(StrEnum):
    """Whether a silence is in force."""

    ACTIVE = "active"
    PENDING = "pending"
    """It begins in the future, because the clock was set back since."""

    EXPIRED = "expired"


class Silenceable(Protocol):
    """A node, as silences select it: one of a configuration or of a snapshot."""

    @property
    def identifier(self) -> str:
        """Name of the node."""

    @property
    def region(self) -> str | None:
        """Region label."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Free labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """A silence. It is for the nodes that fit all of its selectors.

    Attributes:
        id: Its short name, unique in its file.
        nodes: Names or patterns, of which a node fits one; empty for every name.
        tags: Tags, all of which a node has.
        region: Region of the nodes; None for every region.
        is_for_all: Whether it is for every node; it then has no other selector.
        reason: Why, one line.
        created_by: Who made it: ``user@host``.
        created_at: When it was made, in seconds since the epoch.
        until: When it ends, in seconds since the epoch.
    """

    id: str
    nodes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    region: str | None = None
    is_for_all: bool = False
    reason: str
    created_by: str
    created_at: float
    until: float
    _patterns: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find the patterns once: an exporter compares hundreds of names with hundreds of nodes at each scrape."""
        object.__setattr__(self, "_patterns", tuple(filter(is_pattern, self.nodes)))

    def state_at(self, now: float) -> SilenceState:
        """Whether it is in force at a time, in seconds since the epoch."""
        if now >= self.until:
            return SilenceState.EXPIRED
        return SilenceState.PENDING if now < self.created_at - SKEW else SilenceState.ACTIVE

    def fits(self, node: Silenceable) -> bool:
        """Whether it is for this node. A silence without any selector is for no node."""
        if not (self.is_for_all or self.nodes or self.tags or self.region is not None):
            return False
        return (
            (
                not self.nodes
                or node.identifier in self.nodes
                or any(fnmatchcase(node.identifier, pattern) for pattern in self._patterns)
            )
            and all(tag in node.tags for tag in self.tags)
            and (self.region is None or (node.region or "").casefold() == self.region.casefold())
        )

    @property
    def shown(self) -> str:
        """Its end and its reason: ``until 2026-11-29 22:00: new disk``."""
        return f"until {local_time(self.until)}: {self.reason}"

    @property
    def target(self) -> str:
        """Its selectors in words: ``us-1, us-2``, ``tag prod, region eu``, ``all nodes``."""
        if self.is_for_all:
            return "all nodes"
        region = (f"region {self.region}",) if self.region is not None else ()
        return ", ".join((*self.nodes, *(f"tag {tag}" for tag in self.tags), *region))


def is_pattern(name: str) -> bool:
    """Whether a name of a silence may fit nodes of other names."""
    return not _WILDCARDS.isdisjoint(name)


_WILDCARDS = frozenset("*?[")


def local_time(at: float) -> str:
    """A time in seconds since the epoch, as people of this machine's zone write it: ``2026-11-29 22:00``."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def silenced_nodes(nodes: Iterable[Silenceable], silences: Iterable[Silence], now: float) -> dict[str, Silence]:
    """The nodes that are silenced at a time, each with its silence; of several, the one that ends last.

    Args:
        nodes: The nodes.
        silences: All silences, also those that are not in force.
        now: Seconds since the epoch.
    """
    active = sorted(
        (silence for silence in silences if silence.state_at(now) is SilenceState.ACTIVE),
        key=lambda silence: -silence.until,
    )
    found = ((node, next((silence for silence in active if silence.fits(node)), None)) for node in nodes)
    return {node.identifier: silence for node, silence in found if silence is not None}
