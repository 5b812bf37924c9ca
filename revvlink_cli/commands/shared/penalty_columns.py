"""A penalty in tables: its terms as columns, its mark, its rank, and notes that explain the marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import typer

from revvlink_cli.client.routing.penalty import TERMS, mark_of
from revvlink_cli.output.result import Kind, Legend, column
from revvlink_cli.output.text import MISSING, duration, human

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from revvlink_cli.client.routing.penalty import Penalty

R = TypeVar("R")

_LABELS = {entry.name: entry.label for entry in TERMS}

LOWER_BOUND = ">= marks a lower bound: a node shows its frame statistics only to the session that owns the players"
SPOILT_CPU = "before Lavalink 4.1.0 every request for statistics distorts the CPU figures, including this one"
ASSUMED = "~"
ASSUMED_CPU = f"{ASSUMED} marks the median CPU of the fleet: the node has not measured its own yet"
_MOST_NAMED = 3
"""Nodes that a note names."""

STALE = "grey figures are the last ones of a node that sends none now; their age is beside its state"


class Scored(Protocol):
    """A row with a penalty."""

    @property
    def penalty(self) -> float | None:
        """The total, None where it is unknown."""

    @property
    def penalty_is_lower_bound(self) -> bool | None:
        """Whether the real penalty may be higher."""

    @property
    def penalty_cpu_is_assumed(self) -> bool | None:
        """Whether the CPU is the median of the other nodes."""


class Explained(Protocol):
    """A row with the reason of a node's trouble."""

    @property
    def state(self) -> str:
        """State of the node."""

    @property
    def reason(self) -> str | None:
        """The code of the trouble, or None."""

    @property
    def message(self) -> str | None:
        """The trouble as a sentence, or None."""


class Dated(Protocol):
    """A row whose figures may be old."""

    @property
    def state(self) -> str:
        """State of the node."""

    @property
    def stats_age_s(self) -> float | None:
        """Seconds since the figures were received; None without figures."""

    @property
    def is_stale(self) -> bool:
        """Whether they are the last ones of a node that sends none now."""


class Ranked(Protocol):
    """A row with a place."""

    @property
    def rank(self) -> int | None:
        """From 1; None where there is none."""


def penalty_of(row: Scored) -> str:
    """The penalty with its mark."""
    mark = mark_of(is_lower_bound=bool(row.penalty_is_lower_bound), cpu_assumed=bool(row.penalty_cpu_is_assumed))
    return f"{mark}{human(row.penalty, Kind.SCORE)}"


def state_of(row: Dated) -> str:
    """The state, with the age of stale figures."""
    age = f" {duration(row.stats_age_s * 1000)}" if row.is_stale and row.stats_age_s is not None else ""
    return f"{row.state}{age}"


def reason_of(row: Explained) -> str:
    """The trouble as a sentence, and what silences it; for a tripped node its code too, which says for how long."""
    parts = (row.reason, row.message) if row.state == "tripped" else (row.message or row.reason,)
    reason = ": ".join(filter(None, parts))
    until, why = getattr(row, "silenced_until", None), getattr(row, "silence_reason", None)
    if until is None:
        return reason or MISSING
    silenced = f"silenced until {_local_time(until)}: {why}"
    return f"{reason} ({silenced})" if reason else silenced


def _local_time(text: str) -> str:
    """A time in ISO 8601 as people of this machine's zone write it."""
    from datetime import datetime

    from revvlink_cli.health.silences import local_time

    return local_time(datetime.fromisoformat(text).timestamp())


def rank_of(row: Ranked) -> str:
    """The rank as text."""
    return str(row.rank) if row.rank is not None else MISSING


def term(name: str, *, rank: int, cell: Callable[[Any], str] | None = None) -> Any:
    """The column of one term of the penalty."""
    return column(_LABELS[name].upper(), Kind.SCORE, cell=cell, rank=rank)


def costs_of(cost: Penalty) -> dict[str, float]:
    """The cost of each term, by name."""
    return {entry.name: getattr(cost, entry.name) for entry in TERMS}


def sum_of(costs: Mapping[str, float]) -> str:
    """The terms as a sum: ``CPU 1.0 + players 3.0``."""
    return " + ".join(f"{_LABELS[name]} {value:.1f}" for name, value in costs.items())


def terms_of(cost: Penalty | None) -> dict[str, Any]:
    """The fields of a row that shows a penalty term by term; all None where it is unknown."""
    return {
        **(costs_of(cost) if cost else {entry.name: None for entry in TERMS}),
        "penalty": cost.total if cost else None,
        "penalty_is_lower_bound": cost.is_lower_bound if cost else None,
        "penalty_cpu_is_assumed": cost.cpu_assumed if cost else None,
    }


def has_spoilt_cpu(server: str | None, version: str | None) -> bool:
    """Whether any request for statistics distorts the server's CPU figures."""
    parts = (version or "").split(".")
    return server == "Lavalink" and len(parts) > 1 and parts[0] == "4" and parts[1] == "0"


def _explain_lower_bound(rows: Sequence[Scored]) -> str | None:
    return LOWER_BOUND if any(row.penalty_is_lower_bound for row in rows) else None


def _explain_assumed_cpu(rows: Sequence[Scored]) -> str | None:
    return ASSUMED_CPU if any(row.penalty_cpu_is_assumed for row in rows) else None


def _explain_stale(rows: Sequence[Dated]) -> str | None:
    return STALE if any(row.is_stale for row in rows) else None


MARKS = (Legend(("penalty",), _explain_lower_bound), Legend(("penalty", "cpu"), _explain_assumed_cpu))
"""Explain the marks of penalties."""

GREY = Legend((), _explain_stale)
"""Explains grey rows."""


def explain_spoilt_cpu(names: Sequence[str]) -> str | None:
    """The note on nodes whose CPU figures are distorted, which names a few of them; None for no nodes."""
    if not names:
        return None
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}: {SPOILT_CPU}"


def check_sort(sort: str, sorts: Mapping[str, object]) -> str:
    """The checked value of ``--sort``.

    Raises:
        typer.BadParameter: There is no such order.
    """
    if sort not in sorts:
        raise typer.BadParameter(f"{sort!r} is not one of {', '.join(sorts)}", param_hint="--sort")
    return sort


def sort_rows(rows: Iterable[R], key: Callable[[R], Any]) -> tuple[R, ...]:
    """Rows sorted by a key; those whose key is None come last, in their order."""
    return tuple(sorted(rows, key=lambda row: (key(row) is None, key(row) if key(row) is not None else 0)))
