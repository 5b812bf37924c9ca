"""The rows of ``revvlink drill``: drills, and nodes before and after them; and the notes beside the rows."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from revvlink_cli._percent import percent
from revvlink_cli.output.result import Kind, column
from revvlink_cli.output.text import MISSING, human
from revvlink_cli.services.drill.outcome import NodeChange, RegionFigures, RestartFigures, RunFigures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.services.drill.outcome import DrillOutcome


def _hit(row: DrillRow) -> str:
    if not row.hit:
        return MISSING
    return row.hit[0] if len(row.hit) == 1 else f"{len(row.hit)} nodes"


def _silence(row: DrillRow) -> str:
    if row.silence_median_ms is None:
        return MISSING
    figures = (row.silence_median_ms, row.silence_p95_ms, row.silence_worst_ms)
    return " / ".join(f"{figure / 1000:.1f}" for figure in figures if figure is not None) + " s"


def _verdict(row: DrillRow) -> str:
    return row.verdict or "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillRow:
    """What a drill found. Null is unknown, never zero."""

    drill: str = column("DRILL", rank=0)
    hit: tuple[str, ...] = column("NODES", cell=_hit, plain=_hit, rank=2)
    players: int = column("PLAYERS", Kind.COUNT, rank=2)
    moved: int = column("MOVED", Kind.COUNT)
    restored: int
    lost: int = column("LOST", Kind.COUNT, rank=0)
    out_of_region: int = column("OUT", Kind.COUNT)
    silence_median_ms: int | None = column("SILENCE", cell=_silence, rank=0)
    silence_p95_ms: int | None = column("")
    silence_worst_ms: int | None = column("")
    peak_cpu_ratio: float | None = column("PEAK", Kind.RATIO, rank=3)
    verdict: str | None = column("VERDICT", Kind.STATE, cell=_verdict, rank=1)
    bottleneck: str | None
    bottleneck_reason: str | None = column("BOTTLENECK", wraps=True)
    overload_factor: float | None
    mend: str | None = column("MEND", wraps=True)
    nodes: tuple[NodeChange, ...]
    runs: tuple[RunFigures, ...]
    regions: tuple[RegionFigures, ...]
    order: tuple[RestartFigures, ...]
    assumptions: tuple[str, ...]
    unobserved: tuple[str, ...]


def _change(before: Any, after: Any, kind: Kind) -> str:
    first, second = human(before, kind), human(after, kind)
    return first if first == second else f"{first} -> {second}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillNodeRow:
    """A node before and after a drill. Null is unknown, or that the node is down."""

    drill: str = column("DRILL", rank=3)
    node: str = column("NODE", rank=0)
    region: str | None = column("REGION", rank=3)
    is_hit: bool
    playing_before: int = column("", Kind.COUNT)
    playing_after: int = column(
        "PLAYING", cell=lambda row: _change(row.playing_before, row.playing_after, Kind.COUNT), rank=0
    )
    cpu_before_ratio: float | None = column("", Kind.RATIO)
    cpu_after_ratio: float | None = column(
        "CPU", cell=lambda row: _change(row.cpu_before_ratio, row.cpu_after_ratio, Kind.RATIO), rank=1
    )
    penalty_before: float | None = column("", Kind.SCORE)
    penalty_after: float | None = column(
        "PENALTY", cell=lambda row: _change(row.penalty_before, row.penalty_after, Kind.SCORE), rank=2
    )
    verdict_before: str | None = column("", Kind.STATE)
    verdict_after: str | None = column("VERDICT", Kind.STATE, cell=lambda row: row.verdict_after or "none", rank=1)
    reason: str | None = column("REASON", wraps=True)


def summary_row(outcome: DrillOutcome) -> DrillRow:
    """The row of a drill."""
    return DrillRow(**{entry.name: getattr(outcome, entry.name) for entry in fields(outcome)})


def node_row(outcome: DrillOutcome, node: NodeChange) -> DrillNodeRow:
    """The row of a node in a drill."""
    before, after = node.before, node.after
    return DrillNodeRow(
        drill=outcome.drill,
        node=node.node,
        region=node.region,
        is_hit=node.is_hit,
        playing_before=before.playing,
        playing_after=after.playing,
        cpu_before_ratio=before.cpu_load_ratio,
        cpu_after_ratio=after.cpu_load_ratio,
        penalty_before=before.penalty,
        penalty_after=after.penalty,
        verdict_before=before.verdict,
        verdict_after=after.verdict,
        reason=after.reason,
    )


def notes_on(outcomes: Sequence[DrillOutcome]) -> tuple[str, ...]:
    """What a table has no column for."""
    regions = [_region_note(region) for region in outcomes[0].regions]
    orders = [
        f"safest order of a restart: {', '.join(step.node for step in outcome.order)}{_steps_over(outcome)}"
        for outcome in outcomes
        if outcome.order
    ]
    assumed = dict.fromkeys(f"assumed: {text}" for outcome in outcomes for text in outcome.assumptions)
    unseen = dict.fromkeys(f"not observed: {text}" for outcome in outcomes for text in outcome.unobserved)
    return (*regions, *orders, *assumed, *unseen)


def _region_note(region: RegionFigures) -> str:
    name = region.region or "no region"
    if region.holds:
        peak = f", load {percent(region.peak_cpu_ratio)} at most" if region.peak_cpu_ratio is not None else ""
        return f"N+1 in {name}: holds without {region.worst_loss}{peak}"
    if region.holds is None:
        return f"N+1 in {name}: open, because {region.why}"
    cores = f", {region.short_cores:g} cores short" if region.short_cores else ""
    return (
        f"N+1 in {name}: does not hold without {region.worst_loss}: {region.why}; {region.short_players} players{cores}"
    )


def _steps_over(outcome: DrillOutcome) -> str:
    over = [step for step in outcome.order if step.overloaded]
    if not over:
        return ""
    return f"; the step of {over[0].node} overloads {', '.join(over[0].overloaded[:3])}"
