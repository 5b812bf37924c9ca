"""What is demanded of nodes and of the fleet."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from revvlink_cli._suggestions import nearest
from revvlink_cli.health.catalogue import BY_CODE, CHECKS, JUDGED, codes_of
from revvlink_cli.health.versions import Version

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from revvlink_cli.health.ranges import Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What is demanded of one node.

    Attributes:
        bounds: By code of the check, thresholds in place of its own.
        min_version: Oldest version a Lavalink may have; None for any.
        sources: Source managers that must be on.
        plugins: Plugins that must be loaded.
        filters: Filters that must be on.
        canaries: What must load, sent as it is.
        skip: Codes of checks that are not made.
        unknown_on_timeout: Whether a node that does not answer is UNKNOWN, and not CRITICAL.
    """

    bounds: Mapping[str, Bounds] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    min_version: Version | None = None
    sources: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    canaries: tuple[str, ...] = ()
    skip: frozenset[str] = frozenset()
    unknown_on_timeout: bool = False

    def bounds_of(self, code: str) -> Bounds:
        """The thresholds of a check."""
        return self.bounds.get(code, BY_CODE[code].bounds)


NO_REQUIREMENTS = Requirements()
"""Nothing beyond what every check looks at by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is demanded altogether.

    Attributes:
        common: Of every node that has no demands of its own.
        nodes: By identifier, of single nodes.
        min_healthy: How many nodes must be healthy: a number, or a share of them as text (``50%``); None for no quorum.
        only: Codes of the only checks to report; empty for all.
        elsewhere: Regions of nodes that are not checked at all: nobody can say that they have none.
    """

    common: Requirements = field(default_factory=Requirements)
    nodes: Mapping[str, Requirements] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    min_healthy: int | str | None = None
    only: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()

    def of(self, node: str) -> Requirements:
        """The demands on a node."""
        return self.nodes.get(node, self.common)

    def wants(self, code: str) -> bool:
        """Whether a check of the fleet is to be reported."""
        return (not self.only or code in self.only) and code not in self.common.skip

    def canaries(self, node: str) -> tuple[str, ...]:
        """What a node has to load: also where only the fleet is reported, which is as healthy as its nodes."""
        requirements = self.of(node)
        is_needed = not self.only or "load" in self.only or any(BY_CODE[code].stage == "fleet" for code in self.only)
        return requirements.canaries if is_needed and "load" not in requirements.skip else ()

    def out_of_reach(self, nodes: int) -> tuple[str, str] | None:
        """Which key demands more healthy nodes than so many can be, and what it demands; None where none does."""
        if isinstance(self.min_healthy, int) and self.min_healthy > nodes:
            return "min_healthy", str(self.min_healthy)
        limit = self.common.bounds_of("quorum").critical
        if limit is not None and all(map(limit.alerts, range(nodes + 1))):
            return "critical", limit.shown
        return None

    def quorum(self, nodes: int) -> int | None:
        """How many of so many nodes must be healthy; a share is rounded up."""
        if self.min_healthy is None:
            return None
        if isinstance(self.min_healthy, int):
            return self.min_healthy
        return math.ceil(nodes * read_share(self.min_healthy) - 1e-9)


def read_codes(names: Collection[str]) -> frozenset[str]:
    """The codes that names of checks and stages mean.

    Raises:
        ValueError: One of them is none; the text names it, and the nearest.
    """
    found: set[str] = set()
    for name in names:
        codes = codes_of(name)
        if not codes:
            known = dict.fromkeys([*(check.code for check in CHECKS), *(check.stage for check in CHECKS)])
            raise ValueError(f"{name!r} is no check, nor a stage: {nearest(name, list(known))}")
        found.update(codes)
    return frozenset(found)


def read_judged(name: str) -> str:
    """The code of a check that has a figure.

    Raises:
        ValueError: There is no such check, or it has none.
    """
    if name in JUDGED:
        return name
    if name in BY_CODE:
        raise ValueError(f"{name} has no figure that a threshold could judge; these have: {', '.join(JUDGED)}")
    raise ValueError(f"{name!r} is no check: {nearest(name, JUDGED)}")


def read_version(text: str) -> Version:
    """A version such as ``4.2.0``.

    Raises:
        ValueError: It is none.
    """
    return Version(text)


def read_share(text: str) -> float:
    """A share of the nodes, ``1%`` to ``100%``, as 0..1.

    Raises:
        ValueError: It is none.
    """
    digits = text.strip().removesuffix("%")
    if (
        not text.strip().endswith("%")
        or not digits.isascii()
        or not digits.isdecimal()
        or len(digits) > 3
        or not 1 <= int(digits) <= 100
    ):
        raise ValueError(f"{text!r} is no share of the nodes: write 1% to 100%, or a number of nodes")
    return int(digits) / 100


def read_min_healthy(text: str) -> int | str:
    """A number of nodes, or a share of them.

    Raises:
        ValueError: It is neither.
    """
    stripped = text.strip()
    if stripped.isascii() and stripped.isdecimal() and len(stripped) < 10 and int(stripped) > 0:
        return int(stripped)
    read_share(stripped)
    return stripped
