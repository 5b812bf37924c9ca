"""Which rows of a table have a problem, how grave it is, and the order that shows the gravest first."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

UNSERVED = ("hanging", "refusing")
"""States of a connected node that serves no request; see `NodeSnapshot.rest_failure`."""

TROUBLE = ("failed", "lost", "disconnected", "tripped", *UNSERVED)
"""States of a node that should serve players and does not, the gravest first."""

_GRAVITY = {
    **dict.fromkeys((*TROUBLE, "critical", "unhealthy", "crashed", "error", "fails", "not_loaded"), 4),
    "warning": 3,
    "unknown": 2,
    "unproven": 2,
}
"""State or verdict -> gravity."""

_WITH_REASON = 1
"""Gravity of a node that serves players, and has a reason for concern."""

DEGRADED = "degraded"
"""What a summary calls such a node."""

_FIELDS = ("state", "verdict", "outcome")
"""Fields that say how something is."""


def is_troubled(row: Any) -> bool:
    """Whether the node of the row is in trouble."""
    return getattr(row, "state", None) in TROUBLE


def has_problems(kind: type) -> bool:
    """Whether rows of this type say whether they have a problem."""
    names = {entry.name for entry in dataclasses.fields(kind)}
    return hasattr(kind, "problem_gravity") or not names.isdisjoint(_FIELDS)


def gravity(row: Any) -> int:
    """How grave the problem of a row is; 0 without one.

    A row type whose state is not a word that is known here has a property ``problem_gravity``.
    """
    own = getattr(row, "problem_gravity", None)
    if own is not None:
        return int(own)
    word = state_of(row)
    if (known := _GRAVITY.get(word)) is not None:
        return known
    return _WITH_REASON if word == "connected" and getattr(row, "reason", None) else 0


def state_of(row: Any) -> str:
    """The state or verdict of a row."""
    return next((str(getattr(row, name)) for name in _FIELDS if hasattr(row, name)), "")


def trouble_first(rows: Iterable[Any]) -> tuple[Any, ...]:
    """The rows in trouble first (one for each reason, then the others), then the rest in the given order."""
    kept = list(rows)
    seen: set[object] = set()
    examples: list[Any] = []
    more: list[Any] = []
    for row in filter(is_troubled, kept):
        reason = (row.state, getattr(row, "reason", None))
        (more if reason in seen else examples).append(row)
        seen.add(reason)
    return (*examples, *more, *(row for row in kept if not is_troubled(row)))


def summary(rows: Sequence[Any]) -> str | None:
    """How many rows have a problem, and how many of each kind; None if none has.

    ``40 of 200 nodes have a problem: 36 failed, 4 hanging``.
    """
    troubled = [row for row in rows if gravity(row)]
    if not troubled:
        return None
    names = {getattr(row, "node", None) for row in rows}
    what = "nodes" if len(names - {None}) == len(rows) else "rows"
    kinds = Counter(_kind_of(row) for row in troubled)
    ordered = sorted(kinds.items(), key=lambda item: (-_GRAVITY.get(item[0], 0), -item[1]))
    counts = ", ".join(f"{count} {word}" for word, count in ordered)
    verb = "has" if len(troubled) == 1 else "have"
    return f"{len(troubled)} of {len(rows)} {what} {verb} a problem" + (f": {counts}" if set(kinds) - {"other"} else "")


def _kind_of(row: Any) -> str:
    """The state or verdict of a row with a problem; ``degraded`` for a node that serves players all the same."""
    word = state_of(row)
    return word if word in _GRAVITY else DEGRADED if word == "connected" else "other"


def problems_first(rows: Iterable[Any]) -> tuple[Any, ...]:
    """The rows by gravity, those without a problem last; of the same gravity, one for each reason first."""
    kept = trouble_first(rows)
    seen: set[object] = set()
    repeated: dict[int, bool] = {}
    for index, row in enumerate(kept):
        reason = _reason_of(row)
        repeated[index] = reason in seen
        if reason is not None:
            seen.add(reason)
    order = sorted(range(len(kept)), key=lambda index: (-gravity(kept[index]), repeated[index]))
    return tuple(kept[index] for index in order)


def _reason_of(row: Any) -> object:
    """What rows with the same problem have in common; None without a problem, and where there is no telling."""
    if not gravity(row):
        return None
    names = ("reason", "check", "checkup", "code", "fix")
    found = tuple(getattr(row, name, None) for name in names)
    return (state_of(row), *found) if any(found) else None
