"""Writes recordings of a fleet, and reads and summarises what `record` and `nodes status --watch` have written."""

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
"""The figures that a recording follows over time."""

CONNECTED = ("connected", "cordoned", "tripped")
"""States in which a node has a connection."""


@dataclass(slots=True)
class Track:
    """The samples of one node.

    Attributes:
        node: Its name.
        region: Its region, or None.
        times: The time of each sample, in seconds since the epoch.
        present: Whether it was connected, by sample.
        figures: The values of each of `FIGURES` by sample, None where unknown or stale.
    """

    node: str
    region: str | None = None
    times: list[float] = field(default_factory=list)
    present: list[bool] = field(default_factory=list)
    figures: dict[str, list[float | None]] = field(default_factory=lambda: {name: [] for name in FIGURES})

    @property
    def availability(self) -> float | None:
        """The share of samples in which it was connected."""
        return sum(self.present) / len(self.present) if self.present else None

    @property
    def losses(self) -> int:
        """How often it was connected in one sample and not in the next."""
        return sum(before and not after for before, after in pairwise(self.present))

    @property
    def restarts(self) -> int:
        """How often its uptime fell, which means that the server has restarted."""
        return sum(after < before for before, after in pairwise(self._known("uptime_ms")))

    def percentile(self, figure: str, percent: int) -> float | None:
        """The lowest known value that at least this percentage of the known values do not exceed."""
        known = sorted(self._known(figure))
        rank = -(-percent * len(known) // 100)  # rounded up in integers, because 0.07 * 100 is more than 7
        return known[max(rank, 1) - 1] if known else None

    def sort(self) -> None:
        """Sort the samples by time: a file may be a concatenation of several."""
        order = sorted(range(len(self.times)), key=self.times.__getitem__)
        lists: list[list[Any]] = [self.times, self.present, *self.figures.values()]
        for values in lists:
            values[:] = [values[place] for place in order]

    def _known(self, figure: str) -> list[float]:
        return [value for value in self.figures[figure] if value is not None]


@dataclass(slots=True)
class Recording:
    """The readable part of a file.

    Attributes:
        tracks: The samples of each node.
        samples: Number of samples of the fleet.
        problems: Why lines could not be read, each with its line number.
        begun: The time of the first sample, in seconds since the epoch.
        ended: The time of the last sample.
    """

    tracks: dict[str, Track] = field(default_factory=dict)
    samples: int = 0
    problems: list[str] = field(default_factory=list)
    begun: float | None = None
    ended: float | None = None


def read(lines: Iterable[tuple[int, str | None]]) -> Recording:
    """Read a recording from numbered lines, where None stands for a line that is too long.

    A line that is not a sample becomes a problem; the others are used.
    """
    recording = Recording()
    for number, line in lines:
        try:
            _add(recording, _parse(line))
        except ValueError as error:
            recording.problems.append(f"line {number} {error}")
    for track in recording.tracks.values():
        track.sort()
    return recording


def _parse(line: str | None) -> Any:
    """Parse a line.

    Raises:
        ValueError: The line is too long or is not JSON.
    """
    if line is None:
        raise ValueError("is too long")
    try:
        return json.loads(line)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except ValueError:
        raise ValueError("is not JSON, perhaps cut off") from None


def _add(recording: Recording, entry: Any) -> None:
    """Add a sample to a recording; the error with which a recording ended is skipped.

    Raises:
        ValueError: The entry is neither a sample nor an error.
    """
    if isinstance(entry, Mapping) and "error" in entry and "nodes" not in entry:
        return
    if not isinstance(entry, Mapping) or not isinstance(entry.get("nodes"), list):
        raise ValueError("is not a sample of a fleet")
    try:
        moment = datetime.fromisoformat(entry["time"])
    except (KeyError, TypeError, ValueError):
        raise ValueError("has no time") from None
    if not MINYEAR < moment.year < MAXYEAR:  # another time zone may have no such year
        raise ValueError("has a time that some zones cannot express")
    at = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    rows = [row for row in entry["nodes"] if isinstance(row, Mapping) and isinstance(row.get("node"), str)]
    if len(rows) < len(entry["nodes"]):
        raise ValueError("has nodes without a name")
    if len({row["node"] for row in rows}) < len(rows):
        raise ValueError("names a node twice")
    recording.samples += 1
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
    """The value if it is a plausible figure, none of which can be negative; None otherwise."""
    is_valid = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15
    return float(value) if is_valid else None


class Writer:
    """Appends samples to a file and flushes each one at once."""

    def __init__(self, path: Path, *, append: bool) -> None:
        """Open the file.

        Raises:
            FileExistsError: The file exists, and `append` is not set.
            OSError: The file cannot be written.
        """
        is_cut_off = append and path.is_file() and _is_cut_off(path)
        self._file = path.open("a" if append else "x", encoding="utf-8")
        if is_cut_off:
            self._file.write("\n")
        self.samples = 0

    def write(self, sample: Mapping[str, Any]) -> None:
        """Write one sample.

        Raises:
            OSError: The file cannot be written, for example because the disk is full.
        """
        self._file.write(json.dumps(redacted(sample), ensure_ascii=True, separators=(",", ":")) + "\n")
        self._file.flush()
        self.samples += 1

    def close(self) -> None:
        """Close the file; `write` has already raised an error if a sample could not be written."""
        with contextlib.suppress(OSError):
            self._file.close()


def _is_cut_off(path: Path) -> bool:
    """Whether a file's last line has no line end, so that the next sample would continue it."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"
