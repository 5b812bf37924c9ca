"""The history of a fleet: how long each node was connected and how long it was not, by quarter of an hour.

A sample counts until the next one, as in a recording. After a long pause it counts for the usual time only; the rest is
not observed. Lengths come from the monotonic clock and moments from the wall clock, so a clock that is set neither
loses time nor counts it twice. The event loop keeps what is not in the file yet; a thread writes it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from revvlink_cli.config.contexts import state_folder
from revvlink_cli.services.history_store import (
    DAYS,
    QUARTER,
    HistoryStore,
    HistoryUnavailable,
    Incident,
    Mark,
    Slide,
    Times,
    merge,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from revvlink_cli.services.history_store import Buckets, ByNode

T = TypeVar("T")

WINDOWS = (96, 7 * 96, 30 * 96)
"""Lengths of the windows of which the availability is known, in buckets: 24 hours, 7 and 30 days."""

INTERVAL = 5.0
"""Seconds between two samples."""

_MISSED = 3
"""A pause of more than this many intervals is a gap."""

RESUMED = 900_000
"""Milliseconds without a sample, as during a restart, after which a verdict or an incident is another one."""

_MOST_WAITING = 2 * 96
"""Buckets that wait in memory while the file cannot be written."""

_MOST_DAYS_OF = 20_000
"""Buckets of which the local day is remembered."""

_MOST_INCIDENTS = 200
"""Incidents in memory, the newest."""

_TRIMMED_EVERY = 86_400.0
"""Seconds between two times at which old parts of the file are deleted."""


class Outage(NamedTuple):
    """Whether a node is lost for longer than a moment.

    Attributes:
        lasts: Whether it is.
        turned_s: Seconds before the sample at which it was lost, or came back.
    """

    lasts: bool
    turned_s: float = 0.0


class Sample(NamedTuple):
    """One node at one moment.

    Attributes:
        is_up: Whether it is connected; None while that is not known.
        verdict: The verdict on it, as a number.
        reason: Code of the reason why it is not connected.
        outage: Whether an incident lasts, which short losses do not begin or end; None for what `is_up` says.
    """

    is_up: bool | None
    verdict: int
    reason: str = ""
    outage: Outage | None = None


_NOTHING = Times(0, 0)


class NodePast(NamedTuple):
    """What the history has of one node.

    Attributes:
        since: When its verdict began, in seconds since the epoch; None while there is none.
        windows: Its times in each of `WINDOWS`.
        days: Its times on each day that was observed.
    """

    since: float | None
    windows: tuple[Times, ...]
    days: Mapping[date, Times]


class HistoryView(NamedTuple):
    """The history at one moment. It does not change, so a thread may read it while the history goes on.

    Attributes:
        at: The moment, in seconds since the epoch.
        shown: The days that are shown, the last one today.
        incidents: The newest incidents, those that last first.
        marks: The last verdict on each node.
        windows: The times of each node in each of `WINDOWS`, without what waits.
        days: The times of each node on each day, without what waits.
        waiting: Bucket -> its day, and the times of each node that are not in the file yet.
    """

    at: float
    shown: tuple[date, ...]
    incidents: tuple[Incident, ...]
    marks: Mapping[str, Mark]
    windows: tuple[Mapping[str, Times], ...]
    days: Mapping[str, Mapping[date, Times]]
    waiting: Mapping[int, tuple[date, Mapping[str, Times]]]

    def of_nodes(self, names: Iterable[str]) -> dict[str, NodePast]:
        """The history of nodes, by their names."""
        return {name: self._past(name) for name in names}

    def _past(self, name: str) -> NodePast:
        mark, quarter = self.marks.get(name), int(self.at // QUARTER)
        windows = [window.get(name, _NOTHING) for window in self.windows]
        days = dict(self.days.get(name, {}))
        for bucket, (day, nodes) in self.waiting.items():
            if bucket > quarter or (new := nodes.get(name)) is None:
                continue
            for number, length in enumerate(WINDOWS):
                if quarter - length < bucket:
                    windows[number] = _sum(windows[number], new)
            days[day] = _sum(days.get(day, _NOTHING), new)
        since = min(mark.since_ms / 1000, self.at) if mark is not None else None
        return NodePast(since, tuple(windows), days)


def _sum(first: Times, second: Times) -> Times:
    return Times(first.up_ms + second.up_ms, first.down_ms + second.down_ms)


def history_path(context: str | None, configuration: Path | None) -> Path:
    """The file of a fleet.

    Args:
        context: The context of the fleet, or None.
        configuration: The configuration file, which distinguishes fleets without a context; None for none.
    """
    if context is not None:
        return state_folder(context) / "history.sqlite3"
    name = str(configuration.resolve()) if configuration is not None else ""
    short = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return state_folder(None) / "history" / f"{short}.sqlite3"


class History:
    """The history of a fleet. One task uses it, and `close` ends it."""

    def __init__(
        self, path: Path, complain: Callable[[str], object], *, interval: float = INTERVAL, days: int = DAYS
    ) -> None:
        """Name the file; `open` reads it.

        Args:
            path: The file.
            complain: Receives one message when the file cannot be used, and one when it was set aside.
            interval: Seconds that usually pass between two samples.
            days: Days that are shown.
        """
        self._complain = complain
        self._interval_ms = round(interval * 1000)
        self._shown_days = days
        self._notices: list[str] = []
        self._store = HistoryStore(path, self._notices.append)
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")
        self._has_complained = False
        self._is_loaded = False
        self._before: tuple[int, int, Mapping[str, Sample]] | None = None
        self._waiting: Buckets = {}
        self._quarter = 0
        self._last_loaded = 0
        self._windows: tuple[ByNode, ...] = tuple({} for _ in WINDOWS)
        self._days: dict[str, Mapping[date, Times]] = {}
        self._day_of: dict[int, date] = {}
        self._marks: dict[str, Mark] = {}
        self._open: dict[str, Incident] = {}
        self._ended: list[Incident] = []
        self._unsaved: dict[tuple[str, int], Incident] = {}
        self._trimmed_at = float("-inf")

    async def open(self, at: float) -> None:
        """Read the file. When that fails, the history goes on without it, and `flush` tries again.

        Args:
            at: The time, in seconds since the epoch.
        """
        await self._load(int(at // QUARTER))

    def add(self, at: float, clock: float, samples: Mapping[str, Sample]) -> None:
        """Take a sample of all nodes.

        Args:
            at: Its time, in seconds since the epoch.
            clock: The same moment in seconds of the monotonic clock.
            samples: The nodes.
        """
        at_ms, clock_ms = round(at * 1000), round(clock * 1000)
        if self._before is not None:
            before_at, before_clock, nodes = self._before
            elapsed = clock_ms - before_clock
            if elapsed > _MISSED * self._interval_ms:
                self._count(before_at + self._interval_ms, self._interval_ms, nodes)
            else:
                self._count(at_ms, elapsed, nodes)
        self._before = (at_ms, clock_ms, samples)
        for gone in [incident for name, incident in self._open.items() if name not in samples]:
            self._end(gone, gone.seen_ms)  # the node was removed
        for name, sample in samples.items():
            if sample.is_up is not None:
                self._mark(name, sample, at_ms)

    def view(self, at: float) -> HistoryView:
        """The history as it is now, for another thread. It takes about a millisecond and never waits for the disk.

        Args:
            at: The time, in seconds since the epoch.
        """
        lasting = sorted(self._open.values(), key=lambda each: -each.begun_ms)
        return HistoryView(
            at=at,
            shown=tuple(self.last_days(at)),
            incidents=(*lasting, *reversed(self._ended)),
            marks=dict(self._marks),
            windows=tuple(map(dict, self._windows)),
            days=dict(self._days),
            waiting={bucket: (self._day(bucket), dict(nodes)) for bucket, nodes in self._waiting.items()},
        )

    def last_days(self, at: float) -> list[date]:
        """The days that are shown, the last one today."""
        today = datetime.fromtimestamp(at).date()  # noqa: DTZ006 - days of the local zone
        return [today - timedelta(days=number) for number in reversed(range(self._shown_days))]

    async def flush(self, at: float) -> None:
        """Write what is new to the file. When that fails, it waits in memory, and the next call tries again.

        Args:
            at: The time, in seconds since the epoch.
        """
        quarter = int(at // QUARTER)
        if not self._is_loaded and not await self._load(quarter):
            return
        written, self._waiting = self._waiting, {}
        marks, unsaved = dict(self._marks), dict(self._unsaved)
        ahead = quarter - self._quarter
        can_slide = 0 < ahead <= WINDOWS[0] and self._last_loaded <= self._quarter
        slide = self._slide(quarter) if can_slide else None
        try:
            found = await self._in_thread(partial(self._store.save, written, marks, unsaved.values(), slide))
        except HistoryUnavailable as error:
            meanwhile, self._waiting = self._waiting, written
            for bucket, nodes in meanwhile.items():
                merge(self._waiting.setdefault(bucket, {}), nodes)
            self._refuse(error)
            return
        self._has_complained = False
        for key, incident in unsaved.items():
            if self._unsaved.get(key) == incident:
                del self._unsaved[key]
        self._marks = {name: mark for name, mark in self._marks.items() if at * 1000 - mark.seen_ms <= RESUMED}
        self._apply(written, quarter)
        if not self._is_loaded:  # the old file was set aside
            await self._load(quarter)
        elif slide is not None:
            for window, leaving in zip(self._windows, found[0], strict=True):
                merge(window, found[1])
                merge(window, leaving, -1)
            self._quarter = quarter
            self._forget(at)
        elif ahead:  # the clock was set, or reaches times that were written before it was set back
            await self._load(quarter)
        await self._trim()

    async def close(self, at: float) -> None:
        """Write what is new, and close the file."""
        try:
            await self.flush(at)
            await self._in_thread(self._store.close)
        finally:
            self._thread.shutdown(wait=False)

    def _count(self, end: int, length: int, nodes: Mapping[str, Sample]) -> None:
        """Count this many milliseconds up to a moment, for nodes that were observed."""
        while length > 0:
            bucket = (end - 1) // (QUARTER * 1000)
            part = min(length, end - bucket * QUARTER * 1000)
            for name, sample in nodes.items():
                if sample.is_up is not None:
                    self._put(bucket, name, part if sample.is_up else 0, 0 if sample.is_up else part)
            end -= part
            length -= part

    def _put(self, bucket: int, name: str, up: int, down: int) -> None:
        nodes = self._waiting.setdefault(bucket, {})
        before = nodes.get(name, _NOTHING)
        nodes[name] = Times(before.up_ms + up, before.down_ms + down)

    def _mark(self, name: str, sample: Sample, at_ms: int) -> None:
        """Note since when a verdict holds, and the begin and the end of an incident."""
        mark, lasting = self._marks.get(name), self._open.get(name)
        is_same = mark is not None and mark.verdict == sample.verdict and at_ms - mark.seen_ms <= RESUMED
        self._marks[name] = Mark(sample.verdict, mark.since_ms if mark is not None and is_same else at_ms, at_ms)
        if lasting is not None and at_ms - lasting.seen_ms > RESUMED:
            self._end(lasting, lasting.seen_ms)  # what was in between was not observed
            lasting = None
        outage = sample.outage or Outage(not sample.is_up)
        turned_ms = at_ms - round(outage.turned_s * 1000)
        if not outage.lasts and lasting is not None:
            self._end(lasting, max(turned_ms, lasting.begun_ms))
        elif outage.lasts:
            fresh = lasting or Incident(name, turned_ms, None, at_ms, sample.reason)
            self._open[name] = fresh._replace(seen_ms=at_ms)
            self._unsaved[name, fresh.begun_ms] = self._open[name]

    def _end(self, incident: Incident, at_ms: int) -> None:
        ended = incident._replace(ended_ms=at_ms, seen_ms=at_ms)
        self._open.pop(incident.node, None)
        self._ended = [*self._ended, ended][-_MOST_INCIDENTS:]
        self._unsaved[ended.node, ended.begun_ms] = ended

    def _day(self, bucket: int) -> date:
        """The local day of a bucket."""
        if bucket not in self._day_of:
            self._day_of[bucket] = datetime.fromtimestamp(bucket * QUARTER).date()  # noqa: DTZ006 - local days
        return self._day_of[bucket]

    def _runs(self, quarter: int) -> Iterator[tuple[date, int, int]]:
        """The shown days up to a bucket, as runs of buckets: some zones set their clock back over midnight."""
        first = quarter - (self._shown_days + 1) * 96
        for bucket in range(first, quarter + 2):
            if bucket == quarter + 1 or self._day(bucket) != self._day(first):
                yield self._day(first), first, bucket
                first = bucket

    def _slide(self, quarter: int) -> Slide:
        """How the windows move up to a bucket."""
        leaving = tuple((self._quarter - length + 1, quarter - length + 1) for length in WINDOWS)
        return Slide(leaving, (self._quarter + 1, quarter + 1))

    def _apply(self, written: Buckets, quarter: int) -> None:
        """Add what is in the file now to the sums; what is behind the end of the windows comes when they move.

        A clock that was set back may have written times of the future: they are read once the clock is there.
        """
        self._last_loaded = max(self._last_loaded, *(bucket for bucket in written if bucket > quarter), 0)
        fresh: dict[str, dict[date, Times]] = {}  # copies: a view may have the old ones
        for bucket, nodes in written.items():
            for window, length in zip(self._windows, WINDOWS, strict=True):
                if self._quarter - length < bucket <= self._quarter:
                    merge(window, nodes)
            if bucket > quarter:
                continue
            day = self._day(bucket)
            for name, times in nodes.items():
                if name not in fresh:
                    fresh[name] = dict(self._days.get(name, {}))
                fresh[name][day] = _sum(fresh[name].get(day, _NOTHING), times)
        self._days.update(fresh)

    def _forget(self, at: float) -> None:
        """Forget the days that are no longer shown, and the nodes of which nothing is left."""
        first = self.last_days(at)[0]
        for name, days in tuple(self._days.items()):
            if any(day < first for day in days):
                self._days[name] = {day: times for day, times in days.items() if day >= first}
            if not self._days[name]:
                del self._days[name]
        self._windows = tuple(
            {name: times for name, times in window.items() if times != _NOTHING} for window in self._windows
        )
        if len(self._day_of) > _MOST_DAYS_OF:
            self._day_of = {}

    async def _load(self, quarter: int) -> bool:
        """Read the sums; gives whether that was possible."""
        try:
            found = await self._in_thread(partial(self._store.load, WINDOWS, quarter, list(self._runs(quarter))))
        except HistoryUnavailable as error:
            self._refuse(error)
            return False
        by_node: dict[str, dict[date, Times]] = {}
        for day, nodes in found.days.items():
            for name, times in nodes.items():
                by_node.setdefault(name, {})[day] = times
        self._quarter, self._last_loaded = quarter, found.last
        self._windows, self._days = found.windows, dict(by_node)
        if not self._is_loaded:
            self._marks = {**found.marks, **self._marks}
            known = {(each.node, each.begun_ms) for each in (*self._ended, *self._open.values())}
            old = [each for each in found.incidents if (each.node, each.begun_ms) not in known]
            for each in old:
                if each.ended_ms is None and each.node not in self._open:
                    self._open[each.node] = each
            ended = [each for each in old if each.ended_ms is not None]
            self._ended = [*ended, *self._ended][-_MOST_INCIDENTS:]
        self._is_loaded, self._has_complained = True, False
        return True

    async def _trim(self) -> None:
        """Delete old parts of the file from time to time."""
        if time.monotonic() - self._trimmed_at < _TRIMMED_EVERY:
            return
        self._trimmed_at = time.monotonic()
        try:
            await self._in_thread(self._store.trim)
        except HistoryUnavailable as error:
            self._refuse(error)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            while self._notices:
                self._complain(self._notices.pop(0))
                self._is_loaded = False

    def _refuse(self, error: HistoryUnavailable) -> None:
        """Report once that the file cannot be used, and bound what waits for it."""
        if not self._has_complained:
            self._has_complained = True
            self._complain(
                f"the history of the status page cannot be kept in {self._path}: {error}; "
                "the page goes on, with what is in memory"
            )
        for bucket in sorted(self._waiting)[:-_MOST_WAITING]:
            del self._waiting[bucket]
