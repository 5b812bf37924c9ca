"""The requirements that checks judge nodes and the fleet by."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from revvlink_cli._suggestions import nearest
from revvlink_cli.health.catalogue import BY_CODE, CHECKS, JUDGED, ON_DEMAND, codes_of
from revvlink_cli.health.ranges import NO_BOUNDS
from revvlink_cli.health.versions import Version

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from revvlink_cli.health.plugin_requirements import PluginRequirement
    from revvlink_cli.health.ranges import Bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """The requirements of one node.

    Attributes:
        bounds: By code of a check, thresholds that replace its default ones.
        min_version: Oldest allowed version of a Lavalink; None for any.
        sources: Source managers that must be on.
        plugins: Plugins that must be loaded.
        filters: Filters that must be on.
        youtube_oauth: Whether the YouTube plugin must have an OAuth token, on nodes that have the plugin.
        canaries: Queries that must load tracks, sent unchanged.
        plays: Queries whose first track must play, sent unchanged.
        skip: Codes of the checks to skip.
        unknown_on_timeout: Whether a node that does not answer is UNKNOWN instead of CRITICAL.
        has_defaults: Whether the default thresholds of `revvlink_cli.health.catalogue` apply where `bounds` has none.
    """

    bounds: Mapping[str, Bounds] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    min_version: Version | None = None
    sources: tuple[str, ...] = ()
    plugins: tuple[PluginRequirement, ...] = ()
    filters: tuple[str, ...] = ()
    youtube_oauth: bool = False
    canaries: tuple[str, ...] = ()
    plays: tuple[str, ...] = ()
    skip: frozenset[str] = frozenset()
    unknown_on_timeout: bool = False
    has_defaults: bool = True

    def bounds_of(self, code: str) -> Bounds:
        """The thresholds of a check."""
        return self.bounds.get(code, BY_CODE[code].bounds if self.has_defaults else NO_BOUNDS)

    def asks_for(self, code: str) -> bool:
        """Whether a check that runs on demand has a threshold, or a requirement of its own."""
        return self.bounds_of(code) != NO_BOUNDS or (code == "youtube" and self.youtube_oauth)


NO_REQUIREMENTS = Requirements()
"""No requirement beyond the default thresholds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The requirements of all nodes and of the fleet.

    Attributes:
        common: Those of the fleet, and of every node without its own.
        nodes: By identifier, those of single nodes.
        min_healthy: How many nodes must be healthy: a number, or a share of them as text (``50%``); None for no quorum.
        only: Codes of the only checks to report; empty for all.
        elsewhere: Regions of configured nodes that this run does not check; whether they are served is unknown.
    """

    common: Requirements = field(default_factory=Requirements)
    nodes: Mapping[str, Requirements] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    min_healthy: int | str | None = None
    only: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()

    def of(self, node: str) -> Requirements:
        """The requirements of a node."""
        return self.nodes.get(node, self.common)

    def wants(self, code: str) -> bool:
        """Whether a check of the fleet is to be reported."""
        return (not self.only or code in self.only) and code not in self.common.skip

    def on_demand(self, node: str) -> frozenset[str]:
        """The checks on demand to run on a node; fleet checks need them too, because they judge the health of nodes."""
        requirements = self.of(node)
        judges_health = not self.only or any(BY_CODE[code].stage == "fleet" for code in self.only)
        return frozenset(
            code
            for code in ON_DEMAND
            if code in self.only or (judges_health and requirements.asks_for(code))
            if code not in requirements.skip
        )

    def canaries(self, node: str) -> tuple[str, ...]:
        """The canaries that a node has to load; fleet checks need them too, because they judge the health of nodes."""
        requirements = self.of(node)
        is_needed = not self.only or "load" in self.only or any(BY_CODE[code].stage == "fleet" for code in self.only)
        return requirements.canaries if is_needed and "load" not in requirements.skip else ()

    def plays(self, node: str) -> tuple[str, ...]:
        """What a node has to play: also where only the fleet is reported."""
        requirements = self.of(node)
        checks = {"play", "packets", "silence"}
        is_needed = not self.only or checks & self.only or any(BY_CODE[code].stage == "fleet" for code in self.only)
        return requirements.plays if is_needed and not checks <= requirements.skip else ()

    def out_of_reach(self, nodes: int) -> tuple[str, str] | None:
        """The key that requires more than this number of healthy nodes, and its value; None if no key does."""
        if isinstance(self.min_healthy, int) and self.min_healthy > nodes:
            return "min_healthy", str(self.min_healthy)
        limit = self.common.bounds_of("quorum").critical
        if limit is not None and all(map(limit.alerts, range(nodes + 1))):
            return "critical", limit.shown
        return None

    def quorum(self, nodes: int) -> int | None:
        """How many of this number of nodes must be healthy; a share is rounded up."""
        if self.min_healthy is None:
            return None
        if isinstance(self.min_healthy, int):
            return self.min_healthy
        return math.ceil(nodes * read_share(self.min_healthy) - 1e-9)


def read_codes(names: Collection[str]) -> frozenset[str]:
    """Reads names of checks and stages as codes of checks.

    Raises:
        ValueError: A name is unknown; the message suggests the nearest.
    """
    found: set[str] = set()
    for name in names:
        codes = codes_of(name)
        if not codes:
            known = dict.fromkeys([*(check.code for check in CHECKS), *(check.stage for check in CHECKS)])
            raise ValueError(f"{name!r} is not a check or a stage: {nearest(name, list(known))}")
        found.update(codes)
    return frozenset(found)


def read_judged(name: str) -> str:
    """Reads the code of a check that has a figure.

    Raises:
        ValueError: There is no such check, or it has no figure.
    """
    if name in JUDGED:
        return name
    if name in BY_CODE:
        raise ValueError(f"{name} has no figure for a threshold; these checks have one: {', '.join(JUDGED)}")
    raise ValueError(f"{name!r} is not a check: {nearest(name, JUDGED)}")


def read_version(text: str) -> Version:
    """Reads a version such as ``4.2.0``.

    Raises:
        ValueError: The text is not a version.
    """
    return Version(text)


def read_share(text: str) -> float:
    """Reads a share of the nodes, ``1%`` to ``100%``, as 0 to 1.

    Raises:
        ValueError: The text is not a share.
    """
    digits = text.strip().removesuffix("%")
    if (
        not text.strip().endswith("%")
        or not digits.isascii()
        or not digits.isdecimal()
        or len(digits) > 3
        or not 1 <= int(digits) <= 100
    ):
        raise ValueError(f"{text!r} is not a share of the nodes: write 1% to 100%, or a number of nodes")
    return int(digits) / 100


def read_min_healthy(text: str) -> int | str:
    """Reads a number of nodes, or a share of them.

    Raises:
        ValueError: The text is neither.
    """
    stripped = text.strip()
    if stripped.isascii() and stripped.isdecimal() and len(stripped) < 10 and int(stripped) > 0:
        return int(stripped)
    read_share(stripped)
    return stripped
