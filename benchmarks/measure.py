"""Measures alternately, and compares medians."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Figure:
    """The result of one benchmark.

    Attributes:
        ours: Our figure with its unit.
        beside: What it stands beside.
        ratio: The one to the other, whichever way round `target` says.
        target: What was promised of the ratio.
        is_met: Whether it is kept.
    """

    ours: str
    beside: str
    ratio: float
    target: str
    is_met: bool


def turn_by_turn(ours: Callable[[], object], other: Callable[[], object], *, repeats: int) -> tuple[float, float]:
    """The median seconds of each call, measured alternately after one call to warm up."""
    ours()
    other()
    mine, theirs = [], []
    for _ in range(repeats):
        mine.append(seconds(ours))
        theirs.append(seconds(other))
    return statistics.median(mine), statistics.median(theirs)


def seconds(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def shown(value: float) -> str:
    """A time as text, with a suitable unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if value * scale >= 1:
            return f"{value * scale:.2f} {unit}"
    return f"{value * 1e9:.0f} ns"
