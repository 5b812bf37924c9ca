"""Works out from recordings when each node was connected, when it was not, and when no recording observed it.

A sample counts until the next one. Where the next one is missing, it counts for the usual time between two samples;
the time after that is not observed, and counts neither as up nor as down. Where several recordings overlap, the time
counts once, and where they contradict each other it counts as not observed.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from math import isnan
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.services.recording import FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from revvlink_cli.services.recording import Cause, Recording, Track

_MISSED = 3
"""A pause of more than this many usual intervals is a gap: one or two late samples are none."""

_SHORTEST_GAP = 5.0
"""Seconds of a gap at least: a busy machine may be late by so much."""

_NEIGHBOURS = 5
"""Intervals before and after a pause that show what is usual there: a file may hold several recordings."""

_ONLY_SAMPLE = 1.0
"""Seconds that a sample without any other counts for."""


class Span(NamedTuple):
    """A stretch of time without a change.

    Attributes:
        start: Its begin, in seconds since the epoch.
        end: Its end.
        is_up: Whether the node was connected; None where that was not observed.
    """

    start: float
    end: float
    is_up: bool | None


class Outage(NamedTuple):
    """A stretch of time in which a node was not connected.

    Attributes:
        start: The first sample without a connection, in seconds since the epoch.
        end: The first sample with one again, or the end of what was observed.
        is_start_seen: Whether the node was connected just before; otherwise the outage may have begun earlier.
        is_end_seen: Whether the node was connected just after; otherwise the outage may have lasted longer.
        causes: Why, the first cause and then the most frequent one if that is another.
    """

    start: float
    end: float
    is_start_seen: bool
    is_end_seen: bool
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class NodeHistory:
    """One node over the whole time.

    Attributes:
        node: Its name.
        region: Its region, or None.
        samples: Number of its samples.
        spans: What happened, without a gap: what was not observed has spans too.
        outages: When it was not connected.
        losses: How often it was connected and then not.
        restarts: How often its uptime fell, which means that the server has restarted.
        times: The time of each sample.
        figures: The values of each figure by sample, NaN where unknown.
    """

    node: str
    region: str | None
    samples: int
    spans: tuple[Span, ...]
    outages: tuple[Outage, ...]
    losses: int
    restarts: int
    times: array[float]
    figures: dict[str, array[float]]
    _sorted: dict[str, list[float]] = field(default_factory=dict)

    @property
    def up_s(self) -> float:
        """Seconds in which it was connected."""
        return sum(span.end - span.start for span in self.spans if span.is_up)

    @property
    def down_s(self) -> float:
        """Seconds in which it was not connected."""
        return sum(span.end - span.start for span in self.spans if span.is_up is False)

    @property
    def observed_s(self) -> float:
        """Seconds in which it was observed."""
        return self.up_s + self.down_s

    @property
    def availability(self) -> float | None:
        """The share of the observed time in which it was connected; None if it was never observed."""
        if not self.outages:
            return 1.0 if self.observed_s else None  # not a sum of fractions, which may miss 1 by a little
        return self.up_s / self.observed_s if self.observed_s else None

    @property
    def observed_share(self) -> float:
        """The share of the whole time in which it was observed."""
        if all(span.is_up is not None for span in self.spans):
            return 1.0
        return self.observed_s / (self.spans[-1].end - self.spans[0].start)

    def percentile(self, figure: str, percent: int) -> float | None:
        """The lowest known value that at least this percentage of the known values do not exceed."""
        if figure not in self._sorted:
            self._sorted[figure] = sorted(value for value in self.figures[figure] if not isnan(value))
        known = self._sorted[figure]
        rank = -(-percent * len(known) // 100)  # rounded up in integers, because 0.07 * 100 is more than 7
        return known[max(rank, 1) - 1] if known else None


@dataclass(frozen=True, slots=True)
class History:
    """A fleet over time.

    Attributes:
        start: Begin of the time, in seconds since the epoch.
        end: Its end.
        samples: Number of samples in it.
        first: Time of the first of them.
        last: Time of the last of them.
        nodes: The nodes, in the order in which the recordings name them.
    """

    start: float
    end: float
    samples: int
    first: float
    last: float
    nodes: tuple[NodeHistory, ...]

    @property
    def availability(self) -> float | None:
        """The share of all nodes' observed time in which they were connected."""
        observed = sum(node.observed_s for node in self.nodes)
        if not any(node.outages for node in self.nodes):
            return 1.0 if observed else None
        return sum(node.up_s for node in self.nodes) / observed if observed else None


def extent(recordings: Iterable[Recording]) -> tuple[float, float] | None:
    """The time of the first and of the last sample; None if there is none."""
    times = [
        moment for recording in recordings if recording.times for moment in (recording.times[0], recording.times[-1])
    ]
    return (min(times), max(times)) if times else None


def history_of(
    recordings: Sequence[Recording], since: float | None = None, until: float | None = None
) -> History | None:
    """Merge recordings by node and in time.

    Args:
        recordings: In any order.
        since: Begin of the time to look at; that of the recordings if None.
        until: Its end; that of the recordings if None.

    Returns:
        None if no sample is in that time.
    """
    found = [(recording, _usual_intervals(recording.times)) for recording in recordings if recording.times]
    if not found:
        return None
    start = min(recording.times[0] for recording, _ in found) if since is None else since
    end = max(recording.times[-1] + usual[-1] for recording, usual in found) if until is None else until
    moments = sorted(
        moment
        for recording, _ in found
        for moment in recording.times[bisect_left(recording.times, start) : bisect_right(recording.times, end)]
    )
    if not moments or end <= start:
        return None
    names = dict.fromkeys(name for recording, _ in found for name in recording.tracks)
    nodes = (_node(name, [part for part in found if name in part[0].tracks], start, end) for name in names)
    return History(start, end, len(moments), moments[0], moments[-1], tuple(nodes))


def _usual_intervals(times: Sequence[float]) -> list[float]:
    """For each sample, the seconds that usually pass until the next one, by those around it."""
    pauses = [after - before for before, after in pairwise(times)]
    if not any(pauses):
        return [_ONLY_SAMPLE] * len(times)
    usual = []
    for number, pause in enumerate([*pauses, None]):
        around = (pauses[max(number - _NEIGHBOURS, 0) : number], pauses[number + 1 : number + 1 + _NEIGHBOURS])
        usual.append(max((median(some) for some in around if some), default=pause or _ONLY_SAMPLE) or _ONLY_SAMPLE)
    return usual


def _node(name: str, parts: Sequence[tuple[Recording, Sequence[float]]], start: float, end: float) -> NodeHistory:
    """The history of one node, from the recordings that have it."""
    tracks = [recording.tracks[name] for recording, _ in parts]
    observed = [_observed(recording.times, usual, recording.tracks[name]) for recording, usual in parts]
    spans = _within(observed[0] if len(observed) == 1 else _merged(observed), start, end)
    samples: list[tuple[float, int, Recording, int]] = []
    for number, (recording, _) in enumerate(parts):
        track, times = tracks[number], recording.times
        first = bisect_left(track.numbers, bisect_left(times, start))
        last = bisect_left(track.numbers, bisect_right(times, end))
        samples += [(times[track.numbers[place]], number, recording, place) for place in range(first, last)]
    if len(parts) > 1:
        samples.sort(key=lambda sample: sample[:2])
    figures = {
        figure: array("d", [tracks[number].figures[figure][place] for _, number, _, place in samples])
        for figure in FIGURES
    }
    uptimes = [value for value in figures["uptime_ms"] if not isnan(value)]
    known = [span for span in spans if span.is_up is not None]
    causes = [
        (at, recording.causes[track.causes[place]])
        for at, number, recording, place in samples
        if not (track := tracks[number]).present[place]
    ]
    return NodeHistory(
        node=name,
        region=next((track.region for track in reversed(tracks) if track.region is not None), None),
        samples=len(samples),
        spans=tuple(spans),
        outages=tuple(_outages(spans, causes)),
        losses=sum(bool(before.is_up) and not after.is_up for before, after in pairwise(known)),
        restarts=sum(after < before for before, after in pairwise(uptimes)),
        times=array("d", [sample[0] for sample in samples]),
        figures=figures,
    )


def _observed(times: Sequence[float], usual: Sequence[float], track: Track) -> list[Span]:
    """What one recording observed of a node; there are no spans for what it did not."""
    found: list[Span] = []
    start: float | None = None
    numbers, present = track.numbers, track.present
    for place, number in enumerate(numbers):
        at = times[number]
        start = at if start is None else start
        following = times[numbers[place + 1]] if place + 1 < len(numbers) else None
        is_gap = following is None or following - at > max(_MISSED * usual[number], _SHORTEST_GAP)
        if not is_gap and present[place] == present[place + 1]:
            continue
        end = at + usual[number] if following is None or is_gap else following
        if end > start:
            found.append(Span(start, end, bool(present[place])))
        start = None if is_gap else following
    return found


def _merged(observed: Sequence[Sequence[Span]]) -> list[Span]:
    """What several recordings observed together; what they contradict each other about is left out."""
    changes = sorted(
        (moment, step, span.is_up)
        for spans in observed
        for span in spans
        for moment, step in ((span.start, 1), (span.end, -1))
    )
    found: list[Span] = []
    counts = {True: 0, False: 0}
    before: float | None = None
    for moment, step, is_up in changes:
        if before is not None and moment > before and bool(counts[True]) is not bool(counts[False]):
            _append(found, Span(before, moment, bool(counts[True])))
        counts[bool(is_up)] += step
        before = moment
    return found


def _within(spans: Iterable[Span], start: float, end: float) -> list[Span]:
    """The spans from `start` to `end`, with others for what was not observed."""
    found: list[Span] = []
    at = start
    for span in spans:
        low, high = max(span.start, at), min(span.end, end)
        if high <= low:
            continue
        if low > at:
            found.append(Span(at, low, None))
        _append(found, Span(low, high, span.is_up))
        at = high
    if at < end:
        found.append(Span(at, end, None))
    return found


def _append(spans: list[Span], span: Span) -> None:
    """Add a span; one that goes on with the last one extends it."""
    if spans and spans[-1].end == span.start and spans[-1].is_up is span.is_up:
        span = Span(spans.pop().start, span.end, span.is_up)
    spans.append(span)


def _outages(spans: Sequence[Span], causes: Sequence[tuple[float, Cause]]) -> Iterable[Outage]:
    moments = [at for at, _ in causes]
    for number, span in enumerate(spans):
        if span.is_up is not False:
            continue
        # Before the first sample of a span, the one that it goes on from may be outside of the time to look at.
        within = [cause for _, cause in causes[bisect_left(moments, span.start) : bisect_left(moments, span.end)]]
        counted = Counter(within).most_common(1)
        yield Outage(
            span.start,
            span.end,
            is_start_seen=number > 0 and spans[number - 1].is_up is True,
            is_end_seen=number + 1 < len(spans) and spans[number + 1].is_up is True,
            causes=tuple(dict.fromkeys([*within[:1], *(cause for cause, _ in counted)])),
        )
