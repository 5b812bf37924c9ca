"""The rows of `revvlink report`: nodes with their availability and figures, and incidents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from revvlink_cli._percent import availability, percent
from revvlink_cli.output.result import Kind, column
from revvlink_cli.output.text import MISSING, duration
from revvlink_cli.output.time_axis import local, moment_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from revvlink_cli.services.availability import History, NodeHistory, Outage
    from revvlink_cli.services.recording import Cause

_NEARLY = 1e-9
"""Tolerance of a share, for what binary fractions lose."""


def _from(row: IncidentRow) -> str:
    return moment_text(_seconds(row.started_at)) + ("" if row.start_is_seen else " or earlier")


def _to(row: IncidentRow) -> str:
    """The end, without its day if that is the day of the begin."""
    start, end = _seconds(row.started_at), _seconds(row.ended_at)
    is_same_day = local(start).date() == local(end).date()
    return moment_text(end, day=not is_same_day) + ("" if row.end_is_seen else " or later")


def _lasted(row: IncidentRow) -> str:
    text = duration(row.lasted_ms)
    return text if row.start_is_seen and row.end_is_seen else f">= {text}"


def _why(row: IncidentRow) -> str:
    first = row.message or row.reason or row.state or MISSING
    return first if row.then is None else f"{first}; then {row.then}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRow:
    """A time in which a node was not connected.

    `start_is_seen` and `end_is_seen` state whether the node was connected just before and after: otherwise the incident
    may have lasted longer than was observed. `then` is the most frequent cause, if that is not the first one.
    """

    node: str = column("NODE", rank=0)
    started_at: str = column("FROM", cell=_from, rank=0)
    ended_at: str = column("TO", cell=_to, rank=0)
    lasted_ms: int = column("LASTED", Kind.DURATION_MS, cell=_lasted, rank=0)
    start_is_seen: bool
    end_is_seen: bool
    state: str | None
    reason: str | None = column("WHY", cell=_why, wraps=True)
    message: str | None
    then: str | None


def _available(row: ReportRow) -> str:
    return MISSING if row.availability_ratio is None else availability(row.availability_ratio)


def _down(row: ReportRow) -> str:
    return MISSING if row.downtime_ms is None else duration(row.downtime_ms) if row.downtime_ms else "0s"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One node over the whole time. Null is unknown, never zero.

    `availability_ratio` is a share of the observed time. `holds` states whether it is at least that of
    --min-availability, and is null without that option.
    """

    node: str = column("NODE", rank=0)
    region: str | None = column("REGION", rank=5)
    samples: int = column("SAMPLES", Kind.COUNT, rank=8)
    availability_ratio: float | None = column("AVAILABLE", Kind.RATIO, cell=_available, rank=0)
    losses: int = column("LOST", Kind.COUNT)
    restarts: int = column("RESTARTS", Kind.COUNT, rank=3)
    penalty_p50: float | None = column("PENALTY P50", Kind.SCORE, rank=2)
    penalty_p95: float | None = column("P95", Kind.SCORE, rank=2)
    penalty_max: float | None = column("MAX", Kind.SCORE, rank=4)
    cpu_p50_ratio: float | None = column("CPU P50", Kind.RATIO, rank=3)
    cpu_p95_ratio: float | None = column("P95", Kind.RATIO, rank=3)
    playing_p50: int | None = column("PLAYING P50", Kind.COUNT, rank=3)
    playing_max: int | None = column("MAX", Kind.COUNT, rank=3)
    latency_p50_ms: float | None = column("LATENCY P50", Kind.LATENCY_MS, rank=4)
    latency_p95_ms: float | None = column("P95", Kind.LATENCY_MS, rank=4)
    downtime_ms: int | None = column("DOWN", Kind.DURATION_MS, cell=_down, rank=1)
    observed_ratio: float = column("OBSERVED", Kind.RATIO, cell=lambda row: percent(row.observed_ratio), rank=6)
    holds: bool | None
    incidents: tuple[IncidentRow, ...]

    @property
    def problem_gravity(self) -> int:
        """How bad the availability is, for the order of tables; 0 if the node was always connected."""
        if self.availability_ratio is None:
            return 1
        lost = round((1 - self.availability_ratio) * 1_000_000)
        return 2 + lost if self.incidents else 0


def node_rows(history: History, least: float | None) -> tuple[ReportRow, ...]:
    """The rows of all nodes, in the order of the recordings; `least` is the share of ``--min-availability``."""
    return tuple(_node_row(node, least) for node in history.nodes)


def _node_row(node: NodeHistory, least: float | None) -> ReportRow:
    share = node.availability
    return ReportRow(
        node=node.node,
        region=node.region,
        samples=node.samples,
        availability_ratio=share,
        losses=node.losses,
        restarts=node.restarts,
        penalty_p50=node.percentile("penalty", 50),
        penalty_p95=node.percentile("penalty", 95),
        penalty_max=node.percentile("penalty", 100),
        cpu_p50_ratio=node.percentile("cpu_load_ratio", 50),
        cpu_p95_ratio=node.percentile("cpu_load_ratio", 95),
        playing_p50=_whole(node.percentile("playing", 50)),
        playing_max=_whole(node.percentile("playing", 100)),
        latency_p50_ms=node.percentile("latency_ms", 50),
        latency_p95_ms=node.percentile("latency_ms", 95),
        downtime_ms=None if share is None else round(node.down_s * 1000),
        observed_ratio=node.observed_share,
        holds=None if least is None else share is not None and share >= least - _NEARLY,
        incidents=tuple(_incident(node.node, outage) for outage in node.outages),
    )


def incidents_of(rows: Iterable[ReportRow]) -> tuple[IncidentRow, ...]:
    """All incidents, in order of time."""
    found = [incident for row in rows for incident in row.incidents]
    return tuple(sorted(found, key=lambda incident: _seconds(incident.started_at)))


def _incident(node: str, outage: Outage) -> IncidentRow:
    first = outage.causes[0] if outage.causes else None
    return IncidentRow(
        node=node,
        started_at=_iso(outage.start),
        ended_at=_iso(outage.end),
        lasted_ms=round((outage.end - outage.start) * 1000),
        start_is_seen=outage.is_start_seen,
        end_is_seen=outage.is_end_seen,
        state=first.state if first is not None else None,
        reason=first.reason if first is not None else None,
        message=first.message if first is not None else None,
        then=text_of(outage.causes[1]) if len(outage.causes) > 1 else None,
    )


def text_of(cause: Cause) -> str:
    """A cause for people."""
    return cause.message or cause.reason or cause.state


def _iso(at: float) -> str:
    return local(at).isoformat(timespec="milliseconds")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
