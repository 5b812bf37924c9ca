"""The course of each node's figures over the last ten minutes, in few numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

MARKS = 20
"""Steps of a trend at most."""

LONGEST = 30.0
"""Seconds of a step in the end: all steps together are ten minutes then."""


class Trend(NamedTuple):
    """The highest figure of a node in each step, the oldest first; None where it was unknown.

    Attributes:
        players: Playing players.
        cpu: Load of the machine, 0 to 1.
        penalty: The penalty.
    """

    players: list[float | None]
    cpu: list[float | None]
    penalty: list[float | None]


NO_TREND = Trend([], [], [])


class Trends:
    """Trends of all nodes over the same steps.

    The first steps are short, so that a trend shows something at once. When there are too many, two neighbours become
    one, until a step has its final length. From then on, the oldest step is dropped.

    Attributes:
        step: Seconds of one step.
    """

    def __init__(self, interval: float) -> None:
        """Begin a trend; `interval` is the time between two samples in seconds, the shortest step."""
        self.step = LONGEST
        while self.step / 2 >= interval:
            self.step /= 2
        self.step = max(self.step, interval)
        self._trends: dict[str, Trend] = {}
        self._count = 0
        self._begun = 0.0

    @property
    def span(self) -> float:
        """Seconds that the trends cover."""
        return self._count * self.step

    def of(self, node: str) -> Trend:
        """The trend of a node, empty for one that is unknown."""
        return self._trends.get(node, NO_TREND)

    def add(self, at: float, figures: Iterable[tuple[str, float | None, float | None, float | None]]) -> None:
        """Add a sample: the monotonic time, and the name, players, CPU and penalty of each node that there is."""
        missed = int((at - self._begun) / self.step) if self._count else 1
        if missed > 0:
            self._begun = self._begun + missed * self.step if self._count else at
            self._open(min(missed, MARKS))
        known = self._trends
        self._trends = {}
        for name, *values in figures:
            trend = known.get(name)
            if trend is None:
                trend = Trend([None] * self._count, [None] * self._count, [None] * self._count)
            self._trends[name] = trend
            for series, value in zip(trend, values, strict=True):
                if value is not None and (series[-1] is None or value > series[-1]):
                    series[-1] = value

    def _open(self, steps: int) -> None:
        """Begin new steps, and make room for them."""
        for series in self._every():
            series.extend([None] * steps)
        self._count += steps
        while self._count > MARKS and self.step * 2 <= LONGEST:
            for series in self._every():
                series[:] = [_highest(series[at : at + 2]) for at in range(0, len(series), 2)]
            self._begun -= self.step * ((self._count - 1) % 2)
            self._count = (self._count + 1) // 2
            self.step *= 2
        if self._count > MARKS:
            for series in self._every():
                del series[:-MARKS]
            self._count = MARKS

    def _every(self) -> Iterable[list[float | None]]:
        return (series for trend in self._trends.values() for series in trend)


def _highest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
