"""Reduces the samples of a series to what a chart can show, and keeps the extremes: a peak of one sample stays."""

from __future__ import annotations

from bisect import bisect_left
from math import isnan
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Bucket(NamedTuple):
    """The known figures in a part of the time.

    Attributes:
        points: The lowest and the highest one in order of time, or the only one: time and figure.
    """

    points: tuple[tuple[float, float], ...]

    @property
    def low(self) -> float:
        """The lowest figure."""
        return min(self.points[0][1], self.points[-1][1])

    @property
    def high(self) -> float:
        """The highest figure."""
        return max(self.points[0][1], self.points[-1][1])


GAP = Bucket(())
"""A part of the time in which the figure is unknown."""


def downsample(
    times: Sequence[float],
    values: Sequence[float],
    gaps: Iterable[tuple[float, float]],
    low: float,
    high: float,
    count: int,
) -> list[Bucket | None]:
    """Reduce a series.

    Args:
        times: The time of each sample, sorted.
        values: The figures, NaN where unknown.
        gaps: Begin and end of each stretch of time without samples.
        low: Begin of the chart.
        high: Its end.
        count: Number of buckets.

    Returns:
        By bucket its figures, `GAP` where they are unknown, None where no sample is due: a line goes on there.
    """
    step = (high - low) / count
    edges = [bisect_left(times, low + step * number) for number in range(count)] + [len(times)]
    unobserved = bytearray(count)
    for start, end in gaps:
        first, last = int((start - low) / step) + 1, int((end - low) / step)
        for number in range(max(first, 0), min(last, count)):
            unobserved[number] = 1
    found: list[Bucket | None] = []
    for number in range(count):
        part = [
            (times[place], values[place])
            for place in range(edges[number], edges[number + 1])
            if not isnan(values[place])
        ]
        if part:
            least, most = min(part, key=_figure), max(part, key=_figure)
            points = (least,) if least[1] == most[1] else tuple(sorted((least, most)))
            found.append(Bucket(points))
        else:
            found.append(GAP if unobserved[number] or edges[number + 1] > edges[number] else None)
    return found


def _figure(point: tuple[float, float]) -> float:
    return point[1]


def stretches(buckets: Iterable[Bucket | None]) -> list[list[tuple[float, float]]]:
    """The points of the lines: one for each stretch without a gap."""
    found: list[list[tuple[float, float]]] = [[]]
    for bucket in buckets:
        if bucket is not None:
            if bucket.points:
                found[-1] += bucket.points
            elif found[-1]:
                found.append([])
    return [stretch for stretch in found if stretch]


def envelope(series: Sequence[Sequence[Bucket | None]]) -> list[list[tuple[int, float, float]]]:
    """The range of several series: stretches of the number of a bucket, its lowest and its highest figure."""
    found: list[list[tuple[int, float, float]]] = [[]]
    for number, buckets in enumerate(zip(*series, strict=True)):
        known = [bucket for bucket in buckets if bucket is not None and bucket.points]
        if known:
            found[-1].append((number, min(bucket.low for bucket in known), max(bucket.high for bucket in known)))
        elif found[-1] and all(bucket is not None for bucket in buckets):
            found.append([])
    return [stretch for stretch in found if stretch]
