"""Ranks the nodes that can serve: the only code that compares nodes.

The functions are pure: they get snapshots and a region, and return an ordered list with reasons. Routing, explanations
of routing and drills all call `rank`, so they always agree.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.client.routing.penalty import PER_PLAYER, Penalty, compute
from revvlink_cli.client.routing.regions import nearest_regions
from revvlink_cli.client.snapshot import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from revvlink_cli.client.snapshot import NodeSnapshot, TimedStats


class Match(IntEnum):
    """How well a candidate's region fits the region asked for; lower is better."""

    ASKED = 0
    NEAREST = 1
    ANY = 2


class Candidate(NamedTuple):
    """A node that could serve.

    Attributes:
        node: The node.
        penalty: Its penalty, None when its statistics are unknown or too old.
        match: How its region fits the one asked for; `Match.ANY` when none was asked for.
    """

    node: NodeSnapshot
    penalty: Penalty | None
    match: Match


@dataclass(frozen=True, slots=True)
class Excluded:
    """A node that could not serve, and why."""

    node: NodeSnapshot
    reason: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """The nodes in order, for one region or none.

    Attributes:
        region: The region asked for, or None.
        candidates: Best first.
        excluded: The rest, in the order of the configuration.
        expires: Monotonic second after which statistics used here are too old, infinity if none can become so.
    """

    region: str | None
    candidates: tuple[Candidate, ...]
    excluded: tuple[Excluded, ...]
    expires: float

    def explain(self) -> str:
        """Why the first candidate came first, in one sentence."""
        if not self.candidates:
            return "no node can serve"
        best = self.candidates[0]
        if self.region is None:
            place = "no region asked for"
        elif best.match is Match.ASKED:
            place = f"in region {self.region}"
        elif best.match is Match.NEAREST:
            place = f"no node in {self.region}, {best.node.region} is nearest"
        else:
            place = f"no node in or near {self.region}"
        rivals = [c for c in self.candidates if c.match is best.match and c.node.region == best.node.region]
        if best.match is Match.ANY:
            rivals = [c for c in self.candidates if c.match is best.match]
        if len(rivals) == 1:
            return f"{place}; the only one there" if best.match is not Match.ANY else f"{place}; the only one left"
        if best.penalty is None:
            return f"{place}; statistics unknown, first of {len(rivals)}"
        return f"{place}; lowest penalty of {len(rivals)} ({best.penalty.mark}{best.penalty.total:.1f})"


def penalties(nodes: Sequence[NodeSnapshot], now: float) -> dict[str, Penalty]:
    """The penalty of every node whose statistics are known at `now`, by identifier.

    A node that has not measured its CPU yet gets the median CPU term of the others, so that it is neither the best nor
    the worst because it is new.
    """
    costs: dict[str, Penalty] = {}
    unmeasured: list[NodeSnapshot] = []
    for node in nodes:
        timed = node.timed_stats
        if timed is not None and now < timed.expires:
            costs[node.identifier] = penalty(timed, node.reserved, None)
            if timed.stats.system_load is None:
                unmeasured.append(node)
    if unmeasured:
        missing = {node.identifier for node in unmeasured}
        measured = [cost.cpu for identifier, cost in costs.items() if identifier not in missing]
        fallback = median(measured) if measured else None
        for node in unmeasured:
            if node.timed_stats is not None:
                costs[node.identifier] = penalty(node.timed_stats, node.reserved, fallback)
    return costs


def penalty(timed: TimedStats, reserved: int, cpu_fallback: float | None) -> Penalty:
    """The penalty of one node.

    Args:
        timed: Its statistics.
        reserved: Players that they do not show yet.
        cpu_fallback: Cost of the CPU if the node has not measured it: the median of the pool.
    """
    if timed.stats.system_load is None:
        return compute(timed.stats, cpu_fallback=cpu_fallback, reserved=PER_PLAYER * reserved)
    return replace(timed.penalty, reserved=PER_PLAYER * reserved) if reserved else timed.penalty


def rank(
    nodes: Sequence[NodeSnapshot],
    now: float,
    *,
    region: str | None = None,
    neighbours: bool = True,
    exclude: Collection[str] = (),
) -> Ranking:
    """Order the nodes that can serve.

    Nodes of the region asked for come first, then those of the other regions from near to far, then the rest. Within
    a group known statistics come before unknown ones, then the lower penalty (among unknown ones, fewer reservations),
    then fewer players of this pool (`held`), then the order of `nodes`. Nodes that are cordoned or
    tripped, hang, or refuse requests cannot serve.

    Args:
        nodes: All nodes, in the order of the configuration.
        now: Monotonic second for which to decide.
        region: Region to prefer, or None.
        neighbours: Whether to use the distances between the built-in labels; the labels of a custom map have none.
        exclude: Identifiers of nodes to leave out.
    """
    costs = penalties(nodes, now)
    wanted = region.casefold() if region else None
    near = nearest_regions(wanted) if wanted and neighbours else ()
    distance = {label: step for step, label in enumerate(near, start=1)}
    farthest = len(distance) + 1
    excluded: list[Excluded] = []
    found: list[tuple[int, float, int, int, int, Candidate]] = []
    expires = unknown = float("inf")
    for position, node in enumerate(nodes):
        reason = _why_not(node, exclude, now)
        if node.tripped_until is not None and now < node.tripped_until:
            expires = min(expires, node.tripped_until)
        if reason is not None:
            excluded.append(Excluded(node, reason))
            continue
        label = node.region.casefold() if node.region else None
        if wanted is None:
            far, match = farthest, Match.ANY
        elif label == wanted:
            far, match = 0, Match.ASKED
        else:
            far = distance.get(label, farthest) if label else farthest
            match = Match.NEAREST if far < farthest else Match.ANY
        cost = costs.get(node.identifier)
        # No two positions are equal, so the candidates themselves are never compared.
        total = unknown if cost is None else cost.total
        reserved = node.reserved if cost is None else 0
        found.append((far, total, reserved, node.held, position, Candidate(node, cost, match)))
        if cost is not None and node.timed_stats is not None:
            expires = min(expires, node.timed_stats.expires)
    found.sort()
    return Ranking(region, tuple([entry[5] for entry in found]), tuple(excluded), expires)


def _why_not(node: NodeSnapshot, exclude: Collection[str], now: float) -> str | None:
    if node.identifier in exclude:
        return "left out on request"
    condition = node.condition(now)
    if condition == "tripped" and node.tripped_until is not None:
        return f"tripped, retry in {node.tripped_until - now:.0f} s"
    if node.rest_failure is not None:
        return f"{condition}: {node.rest_failure}"
    if node.status is NodeStatus.CONNECTED:
        return None if condition == str(NodeStatus.CONNECTED) else condition
    return f"{condition}: {node.error}" if node.error is not None else condition
