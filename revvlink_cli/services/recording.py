"""Recordings of a fleet: what `nodes status --watch` writes, read again and summed up."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FIGURES = ("penalty", "playing", "cpu_load_ratio", "latency_ms")
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
        restarts: How often its uptime began anew.
    """

    node: str
    region: str | None = None
    times: list[float] = field(default_factory=list)
    present: list[bool] = field(default_factory=list)
    figures: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in FIGURES})
    restarts: int = 0
    uptime: float | None = None

    @property
    def availability(self) -> float | None:
        """The share of looks at which it was connected."""
        return sum(self.present) / len(self.present) if self.present else None

    @property
    def losses(self) -> int:
        """How often it was connected at one look and not at the next."""
        return sum(before and not after for before, after in zip(self.present, self.present[1:], strict=False))

    def percentile(self, figure: str, share: float) -> float | None:
        """The value that `share` of the known ones do not exceed."""
        known = sorted(value for value in self.figures[figure] if value is not None)
        return known[min(int(share * len(known)), len(known) - 1)] if known else None


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


def read(lines: Iterable[str]) -> Recording:
    """A recording from its lines; those that are no looks are told, and the rest is used."""
    recording = Recording()
    for number, line in enumerate(lines, start=1):
        try:
            told = json.loads(line)
            if isinstance(told, dict) and "error" in told and "nodes" not in told:
                continue  # how the recording ended
            _add(recording, told)
        except RecursionError:
            recording.problems.append(f"line {number} is nested too deep")
        except ValueError as error:
            why = "is not JSON, perhaps cut off" if isinstance(error, json.JSONDecodeError) else str(error)
            recording.problems.append(f"line {number} {why}")
    return recording


def _add(recording: Recording, told: Any) -> None:
    """One look.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(told, Mapping) or not isinstance(told.get("nodes"), list):
        raise ValueError("is no look at a fleet")
    try:
        moment = datetime.fromisoformat(told["time"])
        at = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError("has no time") from None
    rows = [row for row in told["nodes"] if isinstance(row, Mapping) and isinstance(row.get("node"), str)]
    if len(rows) < len(told["nodes"]):
        raise ValueError("has nodes without a name")
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
        uptime = None if is_stale else _number(row.get("uptime_ms"))
        if uptime is not None:
            if track.uptime is not None and uptime < track.uptime:
                track.restarts += 1
            track.uptime = uptime


def _number(value: Any) -> float | None:
    """A figure; nothing else is one."""
    is_one = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15
    return float(value) if is_one else None


class Writer:
    """Appends looks to a file, each there at once."""

    def __init__(self, path: Path, *, append: bool) -> None:
        """Open the file.

        Raises:
            FileExistsError: There is one already, and it is not to be added to.
            OSError: It cannot be written.
        """
        self._file = path.open("a" if append else "x", encoding="utf-8")
        self.looks = 0

    def write(self, look: Mapping[str, Any]) -> None:
        """One look.

        Raises:
            OSError: The disk takes no more.
        """
        self._file.write(json.dumps(look, ensure_ascii=True, separators=(",", ":")) + "\n")
        self._file.flush()
        self.looks += 1

    def close(self) -> None:
        """Close the file; what could not be written has been told already."""
        with contextlib.suppress(OSError):
            self._file.close()
