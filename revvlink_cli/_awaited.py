"""What the running command waits for, in words for the person at the terminal.

What waits says so with `awaiting`; the spinner reads `awaited`. This module loads nothing that a quick command lacks.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_waits: list[Callable[[], str]] = []

_MOST_NAMED = 3
"""Names that are listed in full."""


@contextmanager
def awaiting(describe: Callable[[], str]) -> Iterator[None]:
    """Within the block, the command waits for what the function describes; "" for nothing at the moment."""
    _waits.append(describe)
    try:
        yield
    finally:
        _waits.reverse()  # the same function may be there twice: the last one goes
        _waits.remove(describe)
        _waits.reverse()


def awaited() -> str:
    """What the command waits for now, as the innermost block describes it; "" for nothing."""
    return _waits[-1]() if _waits else ""


def missing(names: Sequence[str], total: int, what: str) -> str:
    """How many are done, and which are missing: ``3 of 5 nodes answered; waiting for eu-1, asia-1``.

    Args:
        names: The missing ones.
        total: Number of all.
        what: What all of them are and do, such as ``nodes answered``.

    Returns:
        The text, "" if none is missing.
    """
    if not names:
        return ""
    some = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    counted = f"{total - len(names)} of {total} {what}; " if total > 1 else ""
    return f"{counted}waiting for {some}{more}"
