"""The drills: what each does to a fleet, and the report of its runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.health.findings import Verdict, graver
from revvlink_cli.services.drill import plan
from revvlink_cli.services.drill.assumptions import assumptions_of, unobserved_in
from revvlink_cli.services.drill.bottleneck import find_bottleneck
from revvlink_cli.services.drill.mending import mend_regions, mend_silence
from revvlink_cli.services.drill.outcome import (
    DrillOutcome,
    NodeChange,
    NodeState,
    RegionFigures,
    RestartFigures,
    RunFigures,
)
from revvlink_cli.services.drill.reading import at_share
from revvlink_cli.services.drill.rehearsal import Outage, rehearse

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

    from revvlink_cli.services.drill.model import FleetModel
    from revvlink_cli.services.drill.plan import Judged
    from revvlink_cli.services.drill.rehearsal import PlayerOutcome

KINDS = {
    "node-loss": "kill",
    "region-outage": "cut",
    "rolling-restart": "restart",
    "overload": None,
    "resume-lost": "forget",
}
"""Drill -> the outage that it rehearses; None for a drill that is computed alone."""

MOST_NODE_RESTARTS = 2400
"""Nodes of the fleet times restarts that are rehearsed, at most: the restarts of the nodes with the most players."""


class Question(NamedTuple):
    """What a drill is to find out.

    Attributes:
        drill: Its name.
        nodes: The nodes that the user has named; empty for the usual ones.
        seeds: A run is made with each.
        voice: Seconds that a node needs to connect to a voice server.
        most_silence: Longest silence allowed, in seconds; None for any.
    """

    drill: str
    nodes: tuple[str, ...]
    seeds: tuple[int, ...]
    voice: float
    most_silence: float | None = None


def usual_seeds(fleet: FleetModel) -> tuple[int, ...]:
    """The seeds of the runs if the user names none: fewer in a large fleet, whose runs take long."""
    nodes = len(fleet.nodes)
    return tuple(range(1, 6 if nodes <= 50 else 4 if nodes <= 200 else 3))


def hit_by(fleet: FleetModel, drill: str, named: Sequence[str]) -> tuple[str, ...]:
    """The nodes that a drill hits: those named, or where the most players play."""
    fullest = max(fleet.nodes, key=lambda node: node.playing)
    match drill:
        case "overload":
            return ()
        case "region-outage":
            labels = {node.label for node in fleet.nodes if node.identifier in named}
            if not named:
                labels = {max(fleet.regions, key=lambda label: _playing_in(fleet, label))}
            return tuple(node.identifier for node in fleet.nodes if node.label in labels)
        case "rolling-restart":
            return tuple(named) or tuple(node.identifier for node in fleet.nodes)
        case _:
            return tuple(named) or (fullest.identifier,)


def _playing_in(fleet: FleetModel, label: str | None) -> int:
    return sum(node.playing for node in fleet.nodes if node.label == label)


def run_drill(fleet: FleetModel, question: Question, stop: threading.Event | None = None) -> DrillOutcome:
    """Make all runs of a drill, and report them.

    Raises:
        StoppedError: `stop` was set.
    """
    hit = hit_by(fleet, question.drill, question.nodes)
    if question.drill == "overload":
        return _overload(fleet, question)
    kind = KINDS[question.drill] or ""
    steps = plan.safe_order(fleet, hit) if kind == "restart" else ()
    rehearsed = tuple(step.node for step in steps) or hit
    most = max(MOST_NODE_RESTARTS // len(fleet.nodes), 1)
    if len(rehearsed) > most and kind == "restart":
        fullest = sorted(rehearsed, key=lambda name: -fleet[name].playing)[:most]
        rehearsed = tuple(name for name in rehearsed if name in fullest)
    outage = Outage(kind=kind, nodes=rehearsed)
    runs = {seed: rehearse(fleet, outage, seed=seed, voice=question.voice, stop=stop) for seed in question.seeds}
    every = [player for players in runs.values() for player in players]
    figures = tuple(_run_figures(fleet, seed, players) for seed, players in runs.items())
    whole = _run_figures(fleet, 0, every)
    down = set(hit) if kind in ("kill", "cut") else set()
    after = _after(fleet, runs[question.seeds[0]])
    judged = plan.judge_fleet(after, down)
    worst = max(figures, key=lambda run: (run.lost, run.silence_worst_ms or 0))
    bottleneck = find_bottleneck(fleet, outage, runs[worst.seed])
    regions = _regions(fleet)
    return replace(
        _frame(fleet, question, judged, regions),
        hit=hit,
        players=sum(fleet[name].playing for name in rehearsed),
        moved=min(run.moved for run in figures),
        restored=min(run.restored for run in figures),
        lost=max(run.lost for run in figures),
        out_of_region=max(run.out_of_region for run in figures),
        silence_median_ms=whole.silence_median_ms,
        silence_p95_ms=whole.silence_p95_ms,
        silence_worst_ms=whole.silence_worst_ms,
        bottleneck=bottleneck.code if bottleneck is not None else None,
        bottleneck_reason=bottleneck.reason if bottleneck is not None else None,
        mend=mend_silence(fleet, outage, runs[worst.seed], bottleneck, question.most_silence)
        or (mend_regions(regions) if kind in ("kill", "restart") else None),
        nodes=_changes(fleet, judged, hit),
        runs=figures,
        order=tuple(
            RestartFigures(
                node=step.node, players=step.moved, peak_cpu_ratio=_rounded(step.peak), overloaded=step.overloaded
            )
            for step in steps
        ),
        assumptions=assumptions_of(fleet, outage, question.voice, len(hit)),
    )


def _overload(fleet: FleetModel, question: Question) -> DrillOutcome:
    found = plan.overload(fleet)
    judged = plan.judge_fleet(found.fleet)
    regions = _regions(fleet)
    if found.factor is not None:
        code, reason = "threshold", f"{found.node} breaks first, at {found.factor:g} times the players: {found.reason}"
    elif found.is_judged and fleet.playing:
        code, reason = None, f"nothing breaks up to {plan.HIGHEST_FACTOR:g} times the players"
    else:
        why = "no player plays" if found.is_judged else "no node has a CPU baseline"
        code, reason = None, f"{why}, so nothing can be said"
    return replace(
        _frame(fleet, question, judged, regions),
        players=found.fleet.playing - fleet.playing,
        bottleneck=code,
        bottleneck_reason=reason,
        overload_factor=found.factor,
        nodes=_changes(fleet, judged, ()),
        assumptions=assumptions_of(fleet, None, question.voice, 0),
    )


def _frame(
    fleet: FleetModel, question: Question, judged: Mapping[str, Judged], regions: tuple[RegionFigures, ...]
) -> DrillOutcome:
    """What every drill reports."""
    loads = [entry.node.load for entry in judged.values() if entry.node.load is not None and entry.penalty is not None]
    verdicts = [entry.verdict for entry in judged.values() if entry.verdict is not None]
    return DrillOutcome(
        drill=question.drill,
        hit=(),
        players=0,
        moved=0,
        restored=0,
        lost=0,
        out_of_region=0,
        silence_median_ms=None,
        silence_p95_ms=None,
        silence_worst_ms=None,
        peak_cpu_ratio=_rounded(max(loads, default=None)),
        verdict=_word(graver(*verdicts)) if verdicts else None,
        bottleneck=None,
        bottleneck_reason=None,
        overload_factor=None,
        mend=None,
        nodes=(),
        runs=(),
        regions=regions,
        order=(),
        assumptions=(),
        unobserved=unobserved_in(fleet),
    )


def _run_figures(fleet: FleetModel, seed: int, players: Sequence[PlayerOutcome]) -> RunFigures:
    silences = sorted(player.silence for player in players if player.silence is not None for _ in range(player.players))

    def at(share: float) -> int | None:
        return round(at_share(silences, share) * 1000) if silences else None

    served = [player for player in players if player.target is not None]
    return RunFigures(
        seed=seed,
        moved=sum(player.players for player in served if player.has_moved),
        restored=sum(player.players for player in served if not player.has_moved),
        lost=sum(player.players for player in players if player.target is None),
        out_of_region=sum(
            player.players
            for player in served
            if player.target is not None and fleet[player.target].label != fleet[player.origin].label
        ),
        silence_median_ms=at(0.5),
        silence_p95_ms=at(0.95),
        silence_worst_ms=at(1.0),
    )


def _after(fleet: FleetModel, players: Sequence[PlayerOutcome]) -> FleetModel:
    """The fleet with the players where a run has put them."""
    playing = {node.identifier: node.playing for node in fleet.nodes}
    for player in players:
        playing[player.origin] -= player.players
        if player.target is not None:
            playing[player.target] += player.players
    return fleet.with_playing(playing)


def _changes(fleet: FleetModel, judged: Mapping[str, Judged], hit: Sequence[str]) -> tuple[NodeChange, ...]:
    before = plan.judge_fleet(fleet)
    names = set(hit)
    return tuple(
        NodeChange(
            node=node.identifier,
            region=node.region,
            is_hit=node.identifier in names,
            before=_state(before[node.identifier]),
            after=_state(judged[node.identifier]),
        )
        for node in fleet.nodes
    )


def _state(entry: Judged) -> NodeState:
    is_up = entry.penalty is not None
    return NodeState(
        playing=entry.node.playing,
        cpu_load_ratio=_rounded(entry.node.load) if is_up else None,
        penalty=round(entry.penalty.total, 1) if entry.penalty is not None else None,
        verdict=_word(entry.verdict) if entry.verdict is not None else None,
        reason=entry.reason,
    )


def _word(verdict: Verdict) -> str:
    return verdict.name.lower()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _regions(fleet: FleetModel) -> tuple[RegionFigures, ...]:
    found = []
    for label in fleet.regions:
        region = plan.plan_region(fleet, label)
        found.append(
            RegionFigures(
                region=region.region,
                nodes=region.nodes,
                playing=region.playing,
                holds=region.holds,
                worst_loss=region.worst,
                peak_cpu_ratio=_rounded(region.peak),
                short_players=region.short_players,
                short_cores=round(region.short_cores, 1) if fleet[region.worst].has_cores else None,
                nodes_to_add=region.added,
                why=region.why,
            )
        )
    return tuple(found)
