"""Recordings of a fleet: what `nodes status --watch` writes, read again and summed up."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from revvlink_cli.config.secrets_in_use import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FIGURES = ("penalty", "playing", "cpu_load_ratio", "latency_ms", "uptime_ms")
"""What is followed over time."""

CONNECTED = ("connected", "cordoned", "tripped")
"""States of a node that is there."""


@dataclass(slots=True)
class Track:
    """One node over time.

    Attributes:
        node: Its name.
        region: Its region, or None.
        times: Seconds since the epoch of each look at it.
        present: Whether it was connected at each look.
        figures: Each of `FIGURES` at each look, None where it was unknown or out of date.
    """

    node: str
    region: str | None = None
    times: list[float] = field(default_factory=list)
    present: list[bool] = field(default_factory=list)
    figures: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in FIGURES})

    @property
    def availability(self) -> float | None:
        """The share of looks at which it was connected."""
        return sum(self.present) / len(self.present) if self.present else None

    @property
    def losses(self) -> int:
        """How often it was connected at one look and not at the next."""
        return sum(before and not after for before, after in pairwise(self.present))

    @property
    def restarts(self) -> int:
        """How often its uptime began anew."""
        return sum(after < before for before, after in pairwise(self._known("uptime_ms")))

    def percentile(self, figure: str, percent: int) -> float | None:
        """The lowest value that so many in a hundred of the known ones do not exceed."""
        known = sorted(self._known(figure))
        rank = -(-percent * len(known) // 100)  # rounded up, in whole numbers: 0.07 * 100 is more than 7
        return known[max(rank, 1) - 1] if known else None

    def sort(self) -> None:
        """Put the looks in the order of their times; a file may have been put together from several."""
        order = sorted(range(len(self.times)), key=self.times.__getitem__)
        lists: list[list[Any]] = [self.times, self.present, *self.figures.values()]
        for values in lists:
            values[:] = [values[place] for place in order]

    def _known(self, figure: str) -> list[float]:
        return [value for value in self.figures[figure] if value is not None]


@dataclass(slots=True)
class Recording:
    """A file, as far as it could be read.

    Attributes:
        tracks: By node.
        looks: Lines that were looks at the fleet.
        problems: What could not be read, each with its line.
        begun: Seconds since the epoch of the first look.
        ended: Of the last one.
    """

    tracks: dict[str, Track] = field(default_factory=dict)
    looks: int = 0
    problems: list[str] = field(default_factory=list)
    begun: float | None = None
    ended: float | None = None


def read(lines: Iterable[tuple[int, str | None]]) -> Recording:
    """A recording from its numbered lines, None for one that is too long; what is no look is told, the rest is used."""
    recording = Recording()
    for number, line in lines:
        try:
            _add(recording, _told(line))
        except ValueError as error:
            recording.problems.append(f"line {number} {error}")
    for track in recording.tracks.values():
        track.sort()
    return recording


def _told(line: str | None) -> Any:
    """What a line says.

    Raises:
        ValueError: Nothing that can be read.
    """
    if line is None:
        raise ValueError("is too long")
    try:
        return json.loads(line)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except ValueError:
        raise ValueError("is not JSON, perhaps cut off") from None


def _add(recording: Recording, told: Any) -> None:
    """One look, if it is not how the recording ended.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(told, Mapping) and "error" in told and "nodes" not in told:
        return
    if not isinstance(told, Mapping) or not isinstance(told.get("nodes"), list):
        raise ValueError("is no look at a fleet")
    try:
        moment = datetime.fromisoformat(told["time"])
    except (KeyError, TypeError, ValueError):
        raise ValueError("has no time") from None
    if not MINYEAR < moment.year < MAXYEAR:  # in another zone it may be in a year that there is not
        raise ValueError("has no time that can be told in every zone")
    at = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    rows = [row for row in told["nodes"] if isinstance(row, Mapping) and isinstance(row.get("node"), str)]
    if len(rows) < len(told["nodes"]):
        raise ValueError("has nodes without a name")
    if len({row["node"] for row in rows}) < len(rows):
        raise ValueError("names a node twice")
    recording.looks += 1
    recording.begun = at if recording.begun is None else min(recording.begun, at)
    recording.ended = at if recording.ended is None else max(recording.ended, at)
    for row in rows:
        track = recording.tracks.setdefault(row["node"], Track(row["node"]))
        region = row.get("region")
        track.region = region if isinstance(region, str) else track.region
        is_stale = row.get("is_stale") is True
        track.times.append(at)
        track.present.append(row.get("state") in CONNECTED)
        for name in FIGURES:
            track.figures[name].append(None if is_stale else _number(row.get(name)))


def _number(value: Any) -> float | None:
    """A figure, none of which can be below zero; nothing else is one."""
    is_one = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15
    return float(value) if is_one else None


class Writer:
    """Appends looks to a file, each there at once."""

    def __init__(self, path: Path, *, append: bool) -> None:
        """Open the file.

        Raises:
            FileExistsError: There is one already, and it is not to be added to.
            OSError: It cannot be written.
        """
        is_cut_off = append and path.is_file() and _is_cut_off(path)
        self._file = path.open("a" if append else "x", encoding="utf-8")
        if is_cut_off:
            self._file.write("\n")
        self.looks = 0

    def write(self, look: Mapping[str, Any]) -> None:
        """One look.

        Raises:
            OSError: The disk takes no more.
        """
        self._file.write(json.dumps(redacted(look), ensure_ascii=True, separators=(",", ":")) + "\n")
        self._file.flush()
        self.looks += 1

    def close(self) -> None:
        """Close the file; what could not be written has been told already."""
        with contextlib.suppress(OSError):
            self._file.close()


def _is_cut_off(path: Path) -> bool:
    """Whether a file's last line has no end, so that what is added would go on with it."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
