"""Recorded JSON with one thing changed at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

REPLACEMENTS: tuple[Any, ...] = (
    None, True, False, "", "text", "\U0001f3b5" * 40, 0, -1, 7, 1.5, -0.5, 1e308, 2**53 + 1, 2**63 - 1, 2**63, -(2**64),
    10**400, [], [None], [1, "a", {}], [[[[]]]], {}, {"a": 1}, {"": None},
)  # fmt: skip
"""What a field becomes: every type of JSON, and the figures at which types end."""

DROPPED = object()


def mutations(value: Any, path: str = "") -> Iterator[tuple[str, bytes]]:
    """JSON with one field dropped, doubled, or of another type or size, with the name of the change.

    Of a list the first element stands for all.
    """
    for where, place in _places(value):
        name = path + ".".join(map(str, place)) or "all"
        for replacement in (DROPPED, *REPLACEMENTS) if place else REPLACEMENTS:
            yield f"{name} = {_word(replacement)}", json.dumps(_changed(value, place, replacement)).encode()
        if isinstance(where, dict):
            yield f"{name} + unknown", json.dumps(_changed(value, (*place, "unheardOf"), {"of": [1]})).encode()


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    yield value, place
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, (*place, key))
    elif isinstance(value, list) and value:
        yield from _places(value[0], (*place, 0))


def _changed(value: Any, place: tuple[Any, ...], replacement: Any) -> Any:
    if not place:
        return replacement
    head, *rest = place
    if isinstance(value, dict):
        changed = dict(value)
        if rest:
            changed[head] = _changed(value[head], tuple(rest), replacement)
        elif replacement is DROPPED:
            del changed[head]
        else:
            changed[head] = replacement
        return changed
    items = list(value)
    if rest:
        items[head] = _changed(value[head], tuple(rest), replacement)
    elif replacement is DROPPED:
        del items[head]
    else:
        items[head] = replacement
    return items


def _word(replacement: Any) -> str:
    return "gone" if replacement is DROPPED else json.dumps(replacement)[:40]


def shape(value: Any) -> Any:
    """The keys and types of JSON: recordings of the same shape are mutated once."""
    if isinstance(value, dict):
        return tuple(sorted((key, shape(inner)) for key, inner in value.items()))
    if isinstance(value, list):
        return ("list", shape(value[0])) if value else "list"
    return type(value).__name__
