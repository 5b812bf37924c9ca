"""Measures two programs by turns, and compares them: what a row of the benchmarks is made of.

A row is measured on machines that do other work too. Ours and the other alternate in one run, so that both meet the
same disturbances, and the ratio of their typical times is compared with the target.
"""

from __future__ import annotations

import enum
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Unit(enum.Enum):
    """What a row counts."""

    SECONDS = enum.auto()
    BYTES = enum.auto()
    SHARE_OF_A_CORE = enum.auto()
    PER_SECOND = enum.auto()
    SHARE_OF_HITS = enum.auto()
    EXPONENT = enum.auto()
    NODES = enum.auto()

    @property
    def is_less_better(self) -> bool:
        """Whether a smaller figure is the better one."""
        return self not in (Unit.PER_SECOND, Unit.SHARE_OF_HITS, Unit.NODES)

    def text(self, value: float) -> str:
        """A figure with its unit, scaled to be read by people."""
        match self:
            case Unit.SECONDS:
                return _scaled(value, (("s", 1.0), ("ms", 1e3), ("us", 1e6), ("ns", 1e9)))
            case Unit.BYTES:
                return _scaled(value, (("MiB", 2**-20), ("KiB", 2**-10), ("B", 1.0)))
            case Unit.SHARE_OF_A_CORE:
                return f"{value:.1%} core"
            case Unit.PER_SECOND:
                return f"{value:,.0f}/s"
            case Unit.SHARE_OF_HITS:
                return f"{value:.1%}"
            case Unit.NODES:
                return f"{value:,.0f} nodes"
            case Unit.EXPONENT:
                return f"size^{value:.2f}"


def _scaled(value: float, scales: Sequence[tuple[str, float]]) -> str:
    for unit, scale in scales:
        if value * scale >= 1:
            return f"{value * scale:.{2 if value * scale < 100 else 0}f} {unit}"
    unit, scale = scales[-1]
    return f"{value * scale:.2f} {unit}"


class Centre(enum.Enum):
    """Which of the repeated times is compared.

    The median is what a user sees, and one slow moment of the machine hardly moves it. The minimum is for work that is
    the same each time: other programs make it longer and nothing makes it shorter, so the least is the work alone.
    """

    MEDIAN = "median"
    MINIMUM = "minimum"

    def of(self, samples: Sequence[float]) -> float:
        """The figure that stands for the samples."""
        return statistics.median(samples) if self is Centre.MEDIAN else min(samples)


@dataclass(frozen=True, slots=True)
class Demand:
    """A further demand of a row, beside that on its ratio.

    Attributes:
        text: What is demanded and what was measured, for the column of the target.
        is_met: Whether it holds.
    """

    text: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class Samples:
    """What one row has measured.

    Attributes:
        ours: Our figures, one a repetition.
        beside: Those of the other, measured by turns with ours; or a single limit.
        unit: What both count.
        centre: Which of the repetitions are compared.
        demands: Further demands.
        notes: What else was seen, such as what gives first.
        points: Size -> cost in seconds, of a row that measures growth.
        points_of: What the sizes count, such as ``nodes``.
        spread: The ratios of the repetitions where `ours` is made of all of them.
    """

    ours: Sequence[float]
    beside: Sequence[float]
    unit: Unit = Unit.SECONDS
    centre: Centre = Centre.MEDIAN
    demands: Sequence[Demand] = ()
    notes: Sequence[str] = ()
    points: Sequence[tuple[int, float]] = ()
    points_of: str = ""
    spread: Sequence[float] = ()


class Direction(enum.Enum):
    """What a target says about the ratio."""

    AT_MOST = "at most"
    AT_LEAST = "at least"
    SHOWN = "shown"


@dataclass(frozen=True, slots=True)
class Target:
    """What is promised of a ratio; made by `at_most`, `at_least` and `SHOWN`."""

    direction: Direction
    limit: float = 0.0

    def is_met(self, ratio: float) -> bool:
        """Whether the ratio keeps the promise."""
        match self.direction:
            case Direction.AT_MOST:
                return ratio <= self.limit
            case Direction.AT_LEAST:
                return ratio >= self.limit
            case Direction.SHOWN:
                return True


A_LIMIT = "a limit"
"""What a row stands beside whose samples have a limit for the other's figure; its target is 1."""

SHOWN = Target(Direction.SHOWN)
"""No promise; the row informs."""


def at_most(times: float) -> Target:
    """Ours is at most so many times the other; 1 where the other is a limit."""
    return Target(Direction.AT_MOST, times)


def at_least(times: float) -> Target:
    """Ours is at least so many times as good as the other: as fast, as many a second."""
    return Target(Direction.AT_LEAST, times)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the benchmarks, which ``python -m benchmarks`` calls by its name.

    Attributes:
        measure: Does the work and gives the samples.
        beside: What ours stands beside, such as ``revvlink 1.0.5``, or `A_LIMIT`.
        target: What is promised.
        meaning: What the figure means for a user, in one or two sentences; for docs/performance.md.
    """

    measure: Callable[[], Samples]
    beside: str
    target: Target
    meaning: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured row, as it is printed and kept in a file.

    Attributes:
        ours: Our figure with its unit.
        beside: That of the other.
        ratio: Ours by the other where the target says "at most"; how many times as good where it says "at least".
        low: The lower quartile of the ratios of all repetitions; of a single one, its ratio.
        high: The upper quartile.
        repeats: Number of repetitions.
        centre: ``median`` or ``minimum``.
        target: What is promised.
        is_met: Whether everything is kept.
        points: Size -> cost in seconds, of a row that measures growth.
        points_of: What the sizes count.
        notes: What else was seen.
    """

    ours: str
    beside: str
    ratio: float
    low: float
    high: float
    repeats: int
    centre: str
    target: str
    is_met: bool
    points: Sequence[tuple[int, float]] = ()
    points_of: str = ""
    notes: Sequence[str] = ()

    @property
    def spread(self) -> str:
        """The middle half of the repetitions' ratios."""
        return f"{digits(self.low)}-{digits(self.high)}" if self.repeats > 1 else "one run"


def figure_of(row: Row, samples: Samples) -> Figure:
    """The figure of a row from its samples."""
    inverted = row.target.direction is not Direction.AT_MOST and samples.unit.is_less_better

    def ratio_of(ours: float, beside: float) -> float:
        above, below = (beside, ours) if inverted else (ours, beside)
        return above / below if below else float("inf")

    ours, beside = samples.centre.of(samples.ours), samples.centre.of(samples.beside)
    ratio = ratio_of(ours, beside)
    is_paired = len(samples.ours) == len(samples.beside)
    each = list(samples.spread) or [
        ratio_of(one, other)
        for one, other in zip(samples.ours, samples.beside if is_paired else [beside] * len(samples.ours), strict=True)
    ]
    low, _, high = statistics.quantiles(each, n=4, method="inclusive") if len(each) > 1 else each * 3
    return Figure(
        ours=samples.unit.text(ours),
        beside=samples.unit.text(beside),
        ratio=ratio,
        low=low,
        high=high,
        repeats=len(each),
        centre=samples.centre.value,
        target=", ".join([_target_text(row, samples), *(demand.text for demand in samples.demands)]),
        is_met=row.target.is_met(ratio) and all(demand.is_met for demand in samples.demands),
        points=samples.points,
        points_of=samples.points_of,
        notes=samples.notes,
    )


def _target_text(row: Row, samples: Samples) -> str:
    limit = row.target.limit
    match row.target.direction:
        case Direction.AT_MOST | Direction.AT_LEAST if row.beside == A_LIMIT:
            return f"{row.target.direction.value} {samples.unit.text(samples.beside[0])}"
        case Direction.AT_MOST:
            return f"at most {limit:g}x {row.beside}"
        case Direction.AT_LEAST:
            what = "as fast as" if samples.unit in (Unit.SECONDS, Unit.PER_SECOND) else "that of"
            return f"at least {limit:g}x {what} {row.beside}"
        case Direction.SHOWN:
            return "shown, without a target"


def chart(figure: Figure, *, width: int = 40) -> list[str]:
    """Cost against size as lines of text: a bar for each size, in proportion to its cost."""
    most = max(cost for _, cost in figure.points)
    return [
        f"{size:>7,} {figure.points_of} {Unit.SECONDS.text(cost):>9}  {'#' * max(1, round(width * cost / most))}"
        for size, cost in figure.points
    ]


def digits(ratio: float) -> str:
    """A ratio with as many digits as it is worth."""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def by_turns(
    ours: Callable[[], object],
    beside: Callable[[], object],
    *,
    repeats: int,
    calls: int = 1,
    centre: Centre = Centre.MEDIAN,
    clock: Callable[[], float] = time.perf_counter,
) -> Samples:
    """Seconds of each, measured alternately after one call of each to warm up.

    Args:
        ours: Our work.
        beside: The other's.
        repeats: How many times each is measured.
        calls: How many calls one run of the work makes; the figures are seconds of one.
        centre: Which of the times are compared.
        clock: Reads the time; `time.process_time` for the processor's.
    """
    ours()
    beside()
    mine: list[float] = []
    theirs: list[float] = []
    for turn in range(repeats):
        order = ((ours, mine), (beside, theirs))
        for work, samples in order if turn % 2 == 0 else reversed(order):
            samples.append(seconds(work, clock) / calls)
    return Samples(mine, theirs, centre=centre)


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that one call takes."""
    began = clock()
    work()
    return clock() - began
