"""Thresholds: the range syntax of the Monitoring Plugins, with units.

A range gives the values that are fine, or with ``@`` those that are not; both ends are included::

    10       alert below 0 and above 10       ~:10     alert above 10
    10:      alert below 10                   10:20    alert below 10 and above 20
                                              @10:20   alert from 10 to 20

Source: Monitoring Plugins Development Guidelines, "Threshold and Ranges". Units are an addition: ``90%``,
``500ms``, ``2GiB``. A unit at one end applies to both.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from revvlink_cli._percent import percent
from revvlink_cli._sizes import size, span

_TIMES = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_SIZES = {"B": 1.0} | {
    f"{prefix}{ending}": float(base**power)
    for ending, base in (("B", 1000), ("iB", 1024))
    for power, prefixes in enumerate(("kK", "M", "G", "T") if ending == "B" else ("K", "M", "G", "T"), start=1)
    for prefix in prefixes
}


class Unit(Enum):
    """What a figure is measured in. Figures are kept in the base unit: 0 to 1, seconds, bytes."""

    RATIO = "ratio"
    SECONDS = "seconds"
    DAYS = "days"
    BYTES = "bytes"
    COUNT = "count"

    @property
    def suffixes(self) -> dict[str, float]:
        """The suffixes of numbers, and their factors to the base unit; "" is a number without a suffix."""
        return _SUFFIXES[self]

    @property
    def base(self) -> str:
        """The base unit: ``ratio``, ``seconds``, ``bytes`` or ``count``."""
        return "seconds" if self is Unit.DAYS else self.value

    def show(self, value: float) -> str:
        """A value for people."""
        match self:
            case Unit.RATIO:
                return percent(value, 1)
            case Unit.DAYS:
                days = number(round(value / 86_400, 1))
                return f"{days} day{'' if days == '1' else 's'}"
            case Unit.SECONDS if abs(value) < 1:
                return f"{number(round(value * 1000, 1))} ms"
            case Unit.SECONDS:
                return _span(value)
            case Unit.BYTES:
                return size(value)
            case _:
                return number(round(value, 2))


_SUFFIXES: dict[Unit, dict[str, float]] = {
    Unit.RATIO: {"": 0.01, "%": 0.01},
    Unit.SECONDS: {"": 1.0, **_TIMES},
    Unit.DAYS: {"": 86_400.0, **_TIMES},
    Unit.BYTES: {"": 1.0, **_SIZES},
    Unit.COUNT: {"": 1.0},
}

FORMS = "10, 10:, ~:10, 10:20 or @10:20"
"""The accepted forms, for messages."""


_HAS_UNIT = re.compile(r"[A-Za-z%]")

_SIGNS = {Unit.RATIO: "%", Unit.SECONDS: " s", Unit.DAYS: " days", Unit.BYTES: " B"}
"""The unit shown after a range whose numbers have none."""


@dataclass(frozen=True, slots=True)
class Range:
    """The values from `start` to `end`, in base units.

    Attributes:
        start: Lowest value in it.
        end: Highest value in it.
        inside: Whether to alert inside, and not outside.
        unit: Unit of the values.
        text: The text it was read from, or ""; it is not compared.
    """

    start: float
    end: float
    inside: bool = False
    unit: Unit = Unit.COUNT
    text: str = field(default="", compare=False, repr=False)

    def alerts(self, value: float) -> bool:
        """Whether to alert for a value."""
        return (self.start <= value <= self.end) is self.inside

    def written(self, factor: float | None = None) -> str:
        """The range as `parse` reads it, without units: in the usual unit, or in the base unit times `factor`."""
        scale = factor if factor is not None else 1 / self.unit.suffixes[""]
        start = "" if self.start == 0 and self.end != math.inf else f"{_end(self.start * scale)}:"
        return f"{'@' if self.inside else ''}{start}{_end(self.end * scale)}"

    @property
    def shown(self) -> str:
        """The range for people: its original text; numbers without a unit get their usual one."""
        text = self.text or self.written()
        return text if _HAS_UNIT.search(text) else f"{text}{_SIGNS.get(self.unit, '')}"

    @property
    def alerting(self) -> tuple[tuple[float, bool, float, bool], ...]:
        """The values to alert for, as intervals: lower end, whether included, upper end, whether included."""
        if self.inside:
            return ((self.start, self.start > -math.inf, self.end, self.end < math.inf),)
        below = ((-math.inf, False, self.start, False),) if self.start > -math.inf else ()
        above = ((self.end, False, math.inf, False),) if self.end < math.inf else ()
        return (*below, *above)


class Bounds(NamedTuple):
    """The ranges for WARNING and CRITICAL; None never alerts."""

    warning: Range | None = None
    critical: Range | None = None

    @property
    def are_swapped(self) -> bool:
        """Whether the warning can never occur, on one side or at all, because every value outside it is critical.

        Ranges in different units are not compared, and neither are sides with only one limit. A start of 0 is no
        limit, because figures are not negative.
        """
        warning, critical = self
        if warning is None or critical is None or warning.unit is not critical.unit:
            return False
        if not warning.inside and not critical.inside:
            is_low = 0 < warning.start < critical.start
            return is_low or critical.end < warning.end < math.inf
        mild, grave = warning.alerting, critical.alerting
        return bool(mild) and mild != grave and all(any(_within(part, whole) for whole in grave) for part in mild)

    def of(self, unit: Unit) -> Bounds:
        """Only the ranges in this unit."""
        warning, critical = self
        if (warning is None or warning.unit is unit) and (critical is None or critical.unit is unit):
            return self
        return Bounds(*(limit if limit is not None and limit.unit is unit else None for limit in self))


NO_BOUNDS = Bounds()
"""Thresholds that never alert."""


def _within(part: tuple[float, bool, float, bool], whole: tuple[float, bool, float, bool]) -> bool:
    low = part[0] > whole[0] or (part[0] == whole[0] and (whole[1] or not part[1]))
    high = part[2] < whole[2] or (part[2] == whole[2] and (whole[3] or not part[3]))
    return low and high


_RANGE = re.compile(r"(?P<inside>@?)(?:(?P<start>~|[^:~@]+)(?P<colon>:))?(?P<end>[^:~@]*)")
_NUMBER = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))\s*([A-Za-z%]*)")


def parse(text: str, unit: Unit) -> Range:
    """Reads a range.

    Args:
        text: In one of `FORMS`, each number with or without a unit.
        unit: What the figure is measured in.

    Raises:
        ValueError: The text is not a range; the message says what to write.
    """
    found = _RANGE.fullmatch(text.strip())
    if found is None or (found["colon"] is None and not found["end"]):
        raise ValueError(f"{text!r} is not a range: write {FORMS}")
    start, start_unit = _read(found["start"], text, unit)
    end, end_unit = _read(found["end"], text, unit)
    factor = unit.suffixes[start_unit or end_unit]
    low = -math.inf if found["start"] == "~" else start * (unit.suffixes[start_unit] if start_unit else factor)
    high = math.inf if not found["end"] else end * (unit.suffixes[end_unit] if end_unit else factor)
    if low > high:
        raise ValueError(f"{text!r} begins above its end: write {FORMS}")
    return Range(low, high, bool(found["inside"]), unit, text.strip())


def _read(text: str | None, whole: str, unit: Unit) -> tuple[float, str]:
    """A number and its unit; 0 where there is no number."""
    if text is None or text in ("", "~"):
        return 0.0, ""
    found = _NUMBER.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text.strip()!r} in {whole!r} is not a number: write {FORMS}")
    if found[2] not in unit.suffixes:
        known = ", ".join(suffix for suffix in unit.suffixes if suffix)
        raise ValueError(f"{whole!r}: unknown unit {found[2]!r} (use {known or 'a number alone'})")
    return float(found[1]), found[2]


def _end(value: float) -> str:
    if value == math.inf:
        return ""
    return "~" if value == -math.inf else number(value)


def number(value: float) -> str:
    """A number without exponent and trailing zeros, with at most nine decimals."""
    text = f"{value:.9f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _span(seconds: float) -> str:
    """A span of a second or more in its two largest units."""
    whole = round(seconds)
    return span(whole) if whole >= 60 else f"{number(round(seconds, 1))} s"
