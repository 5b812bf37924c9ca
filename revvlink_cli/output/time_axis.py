"""Times in the local zone: round marks of an axis, moments for people, and the names of the zones in a stretch of time.

Daylight saving is right: a mark stands where the wall clock shows it, on days of 23 and 25 hours too.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.output.heading import zone_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)
"""Minutes between two marks, for stretches of up to some days."""

_SECONDS = (1, 2, 5, 10, 15, 30)
"""Seconds between two marks, for stretches of minutes."""

_DAYS = (1, 2, 7, 14, 28, 91, 364, 3640)
"""Days between two marks."""

_MOST = 10
"""Marks of an axis at most."""


class Mark(NamedTuple):
    """A mark of an axis.

    Attributes:
        at: Its time, in seconds since the epoch.
        label: The time of the local clock; at midnight, the day.
        is_minor: Whether a narrow screen leaves its label out.
    """

    at: float
    label: str
    is_minor: bool


def marks(low: float, high: float) -> list[Mark]:
    """Round times of the local clock between two moments."""
    span = high - low
    seconds = next((step for step in _SECONDS if span / step <= _MOST), None)
    minutes = next((step for step in _MINUTES if span / 60 / step <= _MOST), None)
    if seconds is not None:
        found = [float(at) for at in range(int(-(-low // seconds)) * seconds, int(high) + 1, seconds)]
        form = "%H:%M:%S"
    elif minutes is not None:
        found = [at for at in _wall_clock(low, high, minutes) if low <= at <= high]
        form = "%H:%M"
    else:
        days = next((step for step in _DAYS if span / 86_400 / step <= _MOST), _DAYS[-1])
        found = [at for at in _midnights(low, high, days) if low <= at <= high]
        form = "%d %b"
    return [Mark(at, label, is_minor=bool(number % 3)) for number, (at, label) in enumerate(_labelled(found, form))]


def _labelled(found: Iterable[float], form: str) -> Iterator[tuple[float, str]]:
    """Moments with their labels; the first one of a day has the day in place of the time."""
    before = None
    for at in found:
        moment = local(at)
        is_first = (moment.hour, moment.minute) == (0, 0) or before not in (None, moment.date())
        before = moment.date()
        yield at, _without_zeros(f"{moment:%a %d %b}" if form == "%H:%M" and is_first else f"{moment:{form}}")


def _without_zeros(text: str) -> str:
    """A text without the zeros before its days: ``1 Nov``, not ``01 Nov``; times keep theirs."""
    return " ".join(part.lstrip("0") if part.isdecimal() and len(part) == 2 else part for part in text.split(" "))


def _wall_clock(low: float, high: float, minutes: int) -> Iterator[float]:
    """The moments at which the local clock shows a multiple of so many minutes since midnight.

    An hour that a zone leaves out has none, and one that it repeats has its moments twice. Where midnight is left out,
    the first moment of the day stands for it.
    """
    day = local(low).date()
    last = local(high).date()
    while day <= last:
        found = set()
        for minute in range(0, 1440, minutes):
            wall = datetime.combine(day, time(minute // 60, minute % 60))
            for fold in (0, 1):
                at = wall.replace(fold=fold).timestamp()
                if local(at).replace(tzinfo=None, fold=0) == wall or (minute == 0 and local(at).date() == day):
                    found.add(at)
        yield from sorted(found)
        day += timedelta(days=1)


def _midnights(low: float, high: float, days: int) -> Iterator[float]:
    """Every so many days, the first moment of the day: some zones leave midnight out."""
    day = local(low).date()
    last = local(high).date()
    while day <= last:
        if day.toordinal() % days == 0:
            yield datetime.combine(day, time()).timestamp()
        day += timedelta(days=1)


def local(at: float) -> datetime:
    """A moment in the local zone."""
    return datetime.fromtimestamp(at).astimezone()


def moment_text(at: float, *, zone: bool = False, day: bool = True, seconds: bool = True) -> str:
    """A moment for people: ``Sat 28 Nov 22:14:05``, perhaps with its zone, or without day or seconds."""
    moment = local(at)
    form = ("%a %d %b " if day else "") + ("%H:%M:%S" if seconds else "%H:%M")
    return _without_zeros(f"{moment:{form}}") + (f" {zone_of(moment)}" if zone else "")


def zones_text(low: float, high: float) -> str:
    """The zone of a stretch of time, and the one that follows after a change of the clock: ``CEST, then CET``."""
    names: dict[str, float] = {}
    at = low
    while at < high:
        names.setdefault(zone_of(local(at)), at)
        at += 6 * 3600
    names.setdefault(zone_of(local(high)), high)
    return ", then ".join(names)
