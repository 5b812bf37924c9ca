"""A penalty in tables: its terms as columns, its mark, its rank, and notes that explain the marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import typer

from revvlink_cli.client.routing.penalty import TERMS, mark_of
from revvlink_cli.output.result import Kind, column
from revvlink_cli.output.text import MISSING, duration, human

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from revvlink_cli.client.routing.penalty import Penalty

R = TypeVar("R")

_LABELS = {entry.name: entry.label for entry in TERMS}

LOWER_BOUND = ">= marks a lower bound: a node shows its frame statistics only to the session whose players they are"
SPOILT_CPU = "before Lavalink 4.1.0 every request for statistics spoils the CPU figures, whoever makes it; ours is one"
ASSUMED = "~"
ASSUMED_CPU = f"{ASSUMED} marks what counts the fleet's median CPU: the node has not measured its own yet"
STALE = "grey figures are the last ones of a node that tells none now, as old as it says beside its state"


class Scored(Protocol):
    """A row with a penalty."""

    @property
    def penalty(self) -> float | None:
        """The total, None where it is unknown."""

    @property
    def penalty_is_lower_bound(self) -> bool | None:
        """Whether the truth may be higher."""

    @property
    def penalty_cpu_is_assumed(self) -> bool | None:
        """Whether the CPU is that of the others."""


class Explained(Protocol):
    """A row that says why its node is not as it should be."""

    @property
    def state(self) -> str:
        """State of the node."""

    @property
    def reason(self) -> str | None:
        """The code of what is wrong; None where nothing is."""

    @property
    def message(self) -> str | None:
        """The same as a sentence."""


class Dated(Protocol):
    """A row whose figures may be those of another time."""

    @property
    def state(self) -> str:
        """State of the node."""

    @property
    def stats_age_s(self) -> float | None:
        """Seconds since the figures came; None where there are none."""

    @property
    def is_stale(self) -> bool:
        """Whether they are the last ones of a node that tells none now."""


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
    """The state, and where figures are those of another time, how old they are."""
    age = f" {duration(row.stats_age_s * 1000)}" if row.is_stale and row.stats_age_s is not None else ""
    return f"{row.state}{age}"


def reason_of(row: Explained) -> str:
    """The sentence that says what is wrong; a node that is left alone for a while says how long, too."""
    told = (row.reason, row.message) if row.state == "tripped" else (row.message or row.reason,)
    return ": ".join(filter(None, told)) or MISSING


def rank_of(row: Ranked) -> str:
    """The place, as it is counted."""
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
    """Whether a server measures its CPU between any two requests, and not between two messages."""
    parts = (version or "").split(".")
    return server == "Lavalink" and len(parts) > 1 and parts[0] == "4" and parts[1] == "0"


def marks(rows: Iterable[Scored], spoilt: Sequence[str] = ()) -> list[str]:
    """What the marks mean, as far as there are any, and which nodes' CPU is spoilt."""
    kept = list(rows)
    notes = []
    if any(row.penalty_is_lower_bound for row in kept):
        notes.append(LOWER_BOUND)
    if any(row.penalty_cpu_is_assumed for row in kept):
        notes.append(ASSUMED_CPU)
    if spoilt:
        notes.append(f"{', '.join(spoilt)}: {SPOILT_CPU}")
    return notes


def checked_sort(sort: str, sorts: Mapping[str, object]) -> str:
    """What ``--sort`` says.

    Raises:
        typer.BadParameter: There is no such order.
    """
    if sort not in sorts:
        raise typer.BadParameter(f"{sort!r} is not one of {', '.join(sorts)}", param_hint="--sort")
    return sort


def in_order(rows: Iterable[R], key: Callable[[R], Any]) -> tuple[R, ...]:
    """Rows by a key; those whose key is None come last, as they were."""
    return tuple(sorted(rows, key=lambda row: (key(row) is None, key(row) if key(row) is not None else 0)))
