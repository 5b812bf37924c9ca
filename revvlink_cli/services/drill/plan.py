"""What follows from the figures alone: where players go, what is too much, and in which order to restart.

All functions are pure. The ranking of the client decides where a player goes, and the checks of `check` what is wrong.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from revvlink_cli.client.routing.penalty import PER_PLAYER
from revvlink_cli.client.routing.ranking import Match, penalties, rank
from revvlink_cli.health.checks.context import CheckContext
from revvlink_cli.health.checks.statistics import CHECKS
from revvlink_cli.health.findings import Finding, Verdict, graver

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.services.drill.model import FleetModel, NodeModel

JUDGED = ("cpu", "players", "penalty")
"""The checks that the number of players changes."""

MOST_ADDED = 64
"""Nodes that a smallest change adds at most."""

MOST_STEPS = 100
"""Steps of a rolling restart whose load is computed."""

HIGHEST_FACTOR = 10.0
"""The largest overload that is tried."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One node with its figures and its verdict.

    Attributes:
        node: The node.
        penalty: Its penalty, None while it is down.
        verdict: The gravest verdict of the checks on it; None where there is no baseline of its CPU.
        reason: What is wrong, or why there is no verdict; None where all is well.
    """

    node: NodeModel
    penalty: Penalty | None
    verdict: Verdict | None
    reason: str | None

    @property
    def is_overloaded(self) -> bool:
        """Whether a threshold is crossed."""
        return self.verdict is not None and self.verdict.gravity > Verdict.OK.gravity


def judge_fleet(fleet: FleetModel, down: Collection[str] = ()) -> dict[str, Judged]:
    """Judge every node by the checks of `check`, by identifier; one that is down has neither penalty nor verdict."""
    snapshots = [node.snapshot() for node in fleet.nodes if node.identifier not in down]
    costs = penalties(snapshots, 0.0)
    found: dict[str, Judged] = {}
    by_name = {snapshot.identifier: snapshot for snapshot in snapshots}
    for node in fleet.nodes:
        snapshot = by_name.get(node.identifier)
        if snapshot is None:
            found[node.identifier] = Judged(node, None, None, "is down")
            continue
        penalty = costs.get(node.identifier)
        context = CheckContext(snapshot, 0.0, 0.0, fleet.policy.of(node.identifier), penalty)
        outcomes = [
            outcome for code in JUDGED if code not in context.requirements.skip for outcome in CHECKS[code].run(context)
        ]
        findings = [outcome for outcome in outcomes if isinstance(outcome, Finding)]
        verdict = graver(Verdict.OK, *(finding.verdict for finding in findings))
        reasons = [_reason(finding) for finding in findings if finding.verdict is not Verdict.OK]
        if node.load is None and verdict is Verdict.OK:
            found[node.identifier] = Judged(node, penalty, None, "no CPU baseline, so no verdict")
        else:
            found[node.identifier] = Judged(node, penalty, verdict, "; ".join(reasons) or None)
    return found


def _reason(finding: Finding) -> str:
    """What a finding on a copy says: the figure and its threshold."""
    for figure in finding.figures[:1]:
        limit = figure.bounds.critical if finding.verdict is Verdict.CRITICAL else figure.bounds.warning
        if limit is not None:
            return f"{finding.check} {figure.unit.show(figure.value)}, threshold {limit.shown}"
    return finding.message


def spread(fleet: FleetModel, region: str | None, count: int, down: Collection[str] = ()) -> dict[str, int]:
    """How many of `count` players of a region each node gets if they come at once; nothing where no node can serve.

    The statistics stay as they are meanwhile, as in the seconds after an outage.
    """
    snapshots = [node.snapshot(is_up=node.identifier not in down) for node in fleet.nodes]
    ranking = rank(snapshots, 0.0, region=region, neighbours=not fleet.has_own_regions)
    if not ranking.candidates or count <= 0:
        return {}
    first = ranking.candidates[0]
    near = [
        candidate
        for candidate in ranking.candidates
        if candidate.match is first.match
        and (first.match is Match.ANY or _label(candidate.node.region) == _label(first.node.region))
    ]
    place_of = {node.identifier: place for place, node in enumerate(fleet.nodes)}
    costs = [(candidate.node.identifier, candidate.penalty) for candidate in near if candidate.penalty is not None]
    waiting = [(cost.total, place_of[identifier], identifier, cost) for identifier, cost in costs]
    heapq.heapify(waiting)
    given = dict.fromkeys((identifier for identifier, _ in costs), 0)
    for _ in range(count):
        _, place, identifier, cost = waiting[0]
        given[identifier] += 1
        total = replace(cost, reserved=PER_PLAYER * given[identifier]).total  # as the pool's reservations count
        heapq.heapreplace(waiting, (total, place, identifier, cost))
    return {identifier: number for identifier, number in given.items() if number}


def _label(region: str | None) -> str | None:
    return region.casefold() if region else None


def after_loss(fleet: FleetModel, lost: Collection[str]) -> tuple[FleetModel, int]:
    """The fleet once the playing players of lost nodes are on others, and the number that no node takes."""
    homeless: dict[str | None, int] = {}
    for node in fleet.nodes:
        if node.identifier in lost:
            homeless[node.label] = homeless.get(node.label, 0) + node.playing
    playing = {node.identifier: 0 if node.identifier in lost else node.playing for node in fleet.nodes}
    unplaced = 0
    for region, count in homeless.items():
        given = spread(fleet.with_playing(playing), region, count, lost)
        unplaced += count - sum(given.values())
        for identifier, number in given.items():
            playing[identifier] += number
    return fleet.with_playing(playing), unplaced


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """Whether a region bears the loss of any one of its nodes.

    Attributes:
        region: The region, None for nodes without one.
        nodes: Number of its nodes.
        playing: Playing players in it.
        holds: Whether it bears the loss; None where a node without a CPU baseline leaves it open.
        worst: The node whose loss is the worst, and is described by the rest.
        peak: The highest load of a node of the region after it, None where it is unknown.
        short_players: Playing players above the thresholds, or out of the region.
        short_cores: Cores that these need.
        added: Nodes like the largest of the region that mend it, 0 where it holds; None where no number does, or it
            is open.
        why: What is short, None where it holds.
    """

    region: str | None
    nodes: int
    playing: int
    holds: bool | None
    worst: str
    peak: float | None
    short_players: int
    short_cores: float
    added: int | None
    why: str | None


def plan_region(fleet: FleetModel, region: str | None) -> RegionPlan:
    """Whether a region bears the loss of any one of its nodes, and the smallest change if it does not."""
    members = [node for node in fleet.nodes if node.label == region]
    worst = min((_loss(fleet, node) for node in _worst_first(members)), key=_order)
    if worst.holds is not False:
        return worst
    largest = max(members, key=lambda node: node.cores)
    low, high = 1, 1
    while not _is_mended(fleet, region, largest, high):
        low, high = high + 1, high * 2
        if high > MOST_ADDED:
            return worst
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _is_mended(fleet, region, largest, middle) else (middle + 1, high)
    return replace(worst, added=low)


def _worst_first(members: Sequence[NodeModel]) -> tuple[NodeModel, ...]:
    """The nodes whose loss can be the worst: the fullest, and the one with the most cores."""
    fullest = max(members, key=lambda node: node.playing)
    largest = max(members, key=lambda node: node.cores)
    return (fullest,) if fullest is largest else (fullest, largest)


def _order(plan: RegionPlan) -> tuple[int, float]:
    return (0 if plan.holds is False else 1 if plan.holds is None else 2, -(plan.peak or 0.0))


def _is_mended(fleet: FleetModel, region: str | None, like: NodeModel, number: int) -> bool:
    new = tuple(
        replace(like, identifier=f"{like.identifier}+{index}", players=0, playing=0, load=like.load and like.idle_load)
        for index in range(1, number + 1)
    )
    grown = replace(fleet, nodes=(*fleet.nodes, *new))
    members = [node for node in grown.nodes if node.label == region]
    return all(_loss(grown, node).holds is True for node in _worst_first(members))


def _loss(fleet: FleetModel, lost: NodeModel) -> RegionPlan:
    """The loss of one node."""
    members = [node for node in fleet.nodes if node.label == lost.label]
    after, unplaced = after_loss(fleet, {lost.identifier})
    judged = judge_fleet(after, {lost.identifier})
    others = [judged[node.identifier] for node in members if node.identifier != lost.identifier]
    is_alone = not others
    outside = lost.playing if is_alone else 0
    over = [entry for entry in others if entry.is_overloaded]
    short = sum(_above(entry.node, after) for entry in over) + outside
    loads = [entry.node.load for entry in others if entry.node.load is not None]
    holds: bool | None = not over and not is_alone
    if holds and any(entry.verdict is None for entry in others):
        holds = None
    if is_alone:
        why: str | None = "no node takes its players" if unplaced else "its only node: the players leave the region"
    elif over:
        entry = max(over, key=lambda entry: entry.node.load or 0.0)
        more = f", and {len(over) - 1} more" if len(over) > 1 else ""
        why = f"{entry.node.identifier}: {entry.reason}{more}"
    else:
        why = "a node has no CPU baseline" if holds is None else None
    return RegionPlan(
        region=lost.region,
        nodes=len(members),
        playing=sum(node.playing for node in members),
        holds=holds,
        worst=lost.identifier,
        peak=max(loads, default=None),
        short_players=short,
        short_cores=short * lost.cost,
        added=0 if holds else None,
        why=why,
    )


def _above(node: NodeModel, fleet: FleetModel) -> int:
    """The number of playing players that a node has above its thresholds."""
    low, high = 0, node.playing  # it is fine with `low`, or nothing makes it so
    while low < high:
        middle = (low + high + 1) // 2
        alone = replace(fleet, nodes=(node.with_playing(middle),))
        is_over = judge_fleet(alone)[node.identifier].is_overloaded
        low, high = (low, middle - 1) if is_over else (middle, high)
    return node.playing - low


@dataclass(frozen=True, slots=True)
class RestartStep:
    """One step of a rolling restart.

    Attributes:
        node: The node that is drained and restarted.
        moved: Its playing players, which move.
        peak: The highest load of another node meanwhile, None where it is unknown.
        overloaded: The nodes that cross a threshold meanwhile.
    """

    node: str
    moved: int
    peak: float | None
    overloaded: tuple[str, ...]


def restart_in(fleet: FleetModel, order: Sequence[str]) -> tuple[RestartStep, ...]:
    """The steps of a restart of nodes in an order; a node that is back is empty, and takes players again.

    The steps after the first `MOST_STEPS` are in order, without the load that they cause.
    """
    steps = []
    for identifier in order[:MOST_STEPS]:
        moved = fleet[identifier].playing
        fleet, _ = after_loss(fleet, {identifier})
        judged = [entry for entry in judge_fleet(fleet, {identifier}).values() if entry.node.identifier != identifier]
        loads = [entry.node.load for entry in judged if entry.node.load is not None]
        over = tuple(entry.node.identifier for entry in judged if entry.is_overloaded)
        steps.append(RestartStep(identifier, moved, max(loads, default=None), over))
    rest = (RestartStep(identifier, fleet[identifier].playing, None, ()) for identifier in order[MOST_STEPS:])
    return (*steps, *rest)


def safe_order(fleet: FleetModel, nodes: Sequence[str]) -> tuple[RestartStep, ...]:
    """The order of a rolling restart with the lowest load on the way, then with the fewest moves.

    Candidates are: as configured, the emptiest first, and the fullest first. The emptiest first moves the fewest
    players in most fleets, because each node that is back takes those of the next one.
    """
    by_playing = sorted(nodes, key=lambda name: fleet[name].playing)
    if len(nodes) > MOST_STEPS:
        return restart_in(fleet, by_playing)
    orders = (by_playing, list(reversed(by_playing)), list(nodes))
    return min((restart_in(fleet, order) for order in orders), key=_strain)


def _strain(steps: Sequence[RestartStep]) -> tuple[int, float, int]:
    return (
        sum(len(step.overloaded) for step in steps),
        max((step.peak or 0.0 for step in steps), default=0.0),
        sum(step.moved for step in steps),
    )


@dataclass(frozen=True, slots=True)
class Overload:
    """The number of players with which a fleet breaks.

    Attributes:
        factor: How many times the players of now; None if nothing breaks up to `HIGHEST_FACTOR`, or nothing can be
            judged.
        node: The node that breaks first, None likewise.
        reason: What is wrong with it.
        fleet: The fleet at that factor, or at the highest one.
        is_judged: Whether any node could be judged.
    """

    factor: float | None
    node: str | None
    reason: str | None
    fleet: FleetModel
    is_judged: bool


def overload(fleet: FleetModel) -> Overload:
    """Let more and more players arrive, in each region in proportion, until a node crosses a threshold."""
    at_first = judge_fleet(fleet)
    already = {name for name, entry in at_first.items() if entry.is_overloaded}
    is_judged = any(entry.verdict is not None for entry in at_first.values())
    share = 0.02 if len(fleet.nodes) <= 100 else 0.1
    regions: dict[str | None, int] = {}
    for node in fleet.nodes:
        regions[node.label] = regions.get(node.label, 0) + node.playing
    grown, factor = fleet, 1.0
    if already:
        name = min(already, key=[node.identifier for node in fleet.nodes].index)
        return Overload(1.0, name, at_first[name].reason, fleet, is_judged)
    arrived = dict.fromkeys(regions, 0)
    while is_judged and fleet.playing and factor < HIGHEST_FACTOR:
        factor += share
        grown = _arrive(grown, regions, arrived, factor)
        over = [entry for entry in judge_fleet(grown).values() if entry.is_overloaded]
        if over:
            return Overload(round(factor, 2), over[0].node.identifier, over[0].reason, grown, is_judged)
    return Overload(None, None, None, grown, is_judged)


def _arrive(
    fleet: FleetModel, regions: Mapping[str | None, int], arrived: dict[str | None, int], factor: float
) -> FleetModel:
    """Let the players come that are missing to a factor; `arrived` counts them by region."""
    playing = {node.identifier: node.playing for node in fleet.nodes}
    for region, count in regions.items():
        more = int(count * (factor - 1.0)) - arrived[region]
        arrived[region] += more
        for identifier, number in spread(fleet, region, more).items():
            playing[identifier] += number
    return fleet.with_playing(playing)
