"""Writes recordings of a fleet, and reads what `record` and `nodes status --watch` have written."""

from __future__ import annotations

import contextlib
import json
import os
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli.config.secrets_in_use import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

FIGURES = ("penalty", "playing", "cpu_load_ratio", "latency_ms", "uptime_ms")
"""The figures that a recording follows over time."""

CONNECTED = ("connected", "cordoned", "tripped")
"""States in which a node has a connection."""

_HIGHEST = 1e15
"""No figure of a node is as high."""

_MOST_CAUSES = 10_000
"""Different causes that are kept, because some contain a figure that changes with each sample."""


class Cause(NamedTuple):
    """Why a node was not connected.

    Attributes:
        state: Its state.
        reason: The code of the error, or None.
        message: The error as a sentence, or None.
    """

    state: str
    reason: str | None = None
    message: str | None = None


@dataclass(slots=True)
class Track:
    """The samples of one node. A day at five seconds has 17 280, so that figures are kept in arrays.

    Attributes:
        node: Its name.
        context: The context that it is in, or None.
        region: Its region, or None.
        numbers: The number of each sample, an index of `Recording.times`.
        present: Whether it was connected, by sample: 1 or 0.
        causes: Why it was not connected, by sample: an index of `Recording.causes`, 0 where it was.
        figures: The values of each of `FIGURES` by sample, NaN where unknown or stale.
    """

    node: str
    context: str | None = None
    region: str | None = None
    numbers: array[int] = field(default_factory=lambda: array("L"))
    present: bytearray = field(default_factory=bytearray)
    causes: array[int] = field(default_factory=lambda: array("L"))
    figures: dict[str, array[float]] = field(default_factory=lambda: {name: array("d") for name in FIGURES})


@dataclass(slots=True)
class Recording:
    """The readable part of a file.

    Attributes:
        tracks: The samples of each node.
        contexts: The contexts of the samples; None is a configuration that is not a context.
        times: The time of each sample of the fleet in seconds since the epoch, sorted.
        causes: The different causes of lost connections; the first one stands for none.
        problems: Why lines could not be read, each with its line number.
    """

    tracks: dict[str, Track] = field(default_factory=dict)
    contexts: set[str | None] = field(default_factory=set)
    times: array[float] = field(default_factory=lambda: array("d"))
    causes: list[Cause] = field(default_factory=lambda: [Cause("")])
    problems: list[str] = field(default_factory=list)

    @property
    def samples(self) -> int:
        """Number of samples of the fleet."""
        return len(self.times)


class _Row(NamedTuple):
    """The part of a row that a recording is read for."""

    node: str
    state: Any
    region: Any
    reason: Any
    message: Any
    is_stale: Any
    figures: tuple[Any, ...]


def read(lines: Iterable[tuple[int, str | None]]) -> Recording:
    """Read a recording from numbered lines, where None stands for a line that is too long.

    A line that is not a sample becomes a problem; the others are used. Samples are sorted by time, because a file may
    be a concatenation of several. Nodes have their own names, see `distinguish_contexts`.
    """
    recording = Recording()
    decode = _decoder()
    known: dict[Cause, int] = {}
    for number, line in lines:
        try:
            found = decode(line) if line is not None else None
            found = found if found is not None else _parse(line)
            if found is not None:
                _add(recording, *found, known)
                recording.contexts.add(found[2])
        except ValueError as error:
            recording.problems.append(f"line {number} {error}")
    distinguish_contexts([recording])
    _sort(recording)
    return recording


def distinguish_contexts(recordings: Sequence[Recording]) -> None:
    """Name nodes so that those of two contexts are never one: ``prod/us-1`` if there are several, else ``us-1``."""
    contexts = {context for recording in recordings for context in recording.contexts}
    for recording in recordings:
        named: dict[str, Track] = {}
        for track in recording.tracks.values():
            name = track.node if track.context is None or len(contexts) == 1 else f"{track.context}/{track.node}"
            named[name] = track
        recording.tracks = named


def _decoder() -> Callable[[str], tuple[str, list[_Row], str | None] | None]:
    """Make a function that reads a usual line several times faster than `_parse`, and returns None for any other."""
    import msgspec

    figures = [(name, float | None, None) for name in FIGURES]
    texts = [(name, str | None, None) for name in ("state", "region", "reason", "message")]
    row: Any = msgspec.defstruct("Row", [("node", str), *texts, ("is_stale", bool, False), *figures], gc=False)
    sample: Any = msgspec.defstruct("Sample", [("time", str), ("nodes", list[row]), ("context", str | None, None)])
    decoder = msgspec.json.Decoder(sample)

    def decode(line: str) -> tuple[str, list[_Row], str | None] | None:
        try:
            found = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        return (
            found.time,
            [
                _Row(
                    row.node,
                    row.state,
                    row.region,
                    row.reason,
                    row.message,
                    row.is_stale,
                    (row.penalty, row.playing, row.cpu_load_ratio, row.latency_ms, row.uptime_ms),
                )
                for row in found.nodes
            ],
            found.context,
        )

    return decode


def _parse(line: str | None) -> tuple[Any, list[_Row], str | None] | None:
    """Read any line; None for the error with which a recording ended.

    Raises:
        ValueError: The line is too long, is not JSON, or is neither a sample nor an error.
    """
    if line is None:
        raise ValueError("is too long")
    try:
        entry = json.loads(line)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except ValueError:
        raise ValueError("is not JSON, perhaps cut off") from None
    if isinstance(entry, Mapping) and "error" in entry and "nodes" not in entry:
        return None
    if not isinstance(entry, Mapping) or not isinstance(entry.get("nodes"), list):
        raise ValueError("is not a sample of a fleet")
    rows = [row for row in entry["nodes"] if isinstance(row, Mapping) and isinstance(row.get("node"), str)]
    if len(rows) < len(entry["nodes"]):
        _moment(entry.get("time"))
        raise ValueError("has nodes without a name")
    context = entry.get("context")
    return (
        entry.get("time"),
        [
            _Row(
                row["node"],
                row.get("state"),
                row.get("region"),
                row.get("reason"),
                row.get("message"),
                row.get("is_stale"),
                tuple(row.get(name) for name in FIGURES),
            )
            for row in rows
        ],
        context if isinstance(context, str) else None,
    )


def _moment(text: Any) -> float:
    """The time of a sample in seconds since the epoch.

    Raises:
        ValueError: It is none, or no time that each zone can express.
    """
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError("has no time") from None
    if not MINYEAR < moment.year < MAXYEAR:  # another time zone may have no such year
        raise ValueError("has a time that some zones cannot express")
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _add(recording: Recording, time: Any, rows: list[_Row], context: str | None, known: dict[Cause, int]) -> None:
    """Add a sample to a recording; its tracks are found by the context and the node.

    Raises:
        ValueError: It has no time, or names a node twice.
    """
    at = _moment(time)
    if len({row.node for row in rows}) < len(rows):
        raise ValueError("names a node twice")
    number = len(recording.times)
    recording.times.append(at)
    tracks = recording.tracks
    for row in rows:
        name = row.node if context is None else f"{context}/{row.node}"
        track = tracks.get(name)
        if track is None:
            track = tracks[name] = Track(row.node, context)
        if isinstance(row.region, str):
            track.region = row.region
        is_present = row.state in CONNECTED
        track.numbers.append(number)
        track.present.append(is_present)
        track.causes.append(0 if is_present else _cause(recording, row, known))
        if row.is_stale is True:
            for values in track.figures.values():
                values.append(nan)
        else:
            for values, value in zip(track.figures.values(), row.figures, strict=True):
                # A day of fifty nodes comes here four million times: the usual values need no call.
                values.append(value if value.__class__ is float and 0.0 <= value < _HIGHEST else _number(value))


def _cause(recording: Recording, row: _Row, known: dict[Cause, int]) -> int:
    """The index of the cause in a row."""
    reason, message = (text if isinstance(text, str) else None for text in (row.reason, row.message))
    cause = Cause(row.state if isinstance(row.state, str) else "unknown", reason, message)
    if len(known) >= _MOST_CAUSES and cause not in known:
        cause = Cause(cause.state, cause.reason)
    if cause not in known:
        known[cause] = len(recording.causes)
        recording.causes.append(cause)
    return known[cause]


def _number(value: Any) -> float:
    """The value if it is a plausible figure, none of which can be negative; NaN otherwise."""
    if value is None:
        return nan
    is_valid = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _HIGHEST
    return float(value) if is_valid else nan


def _sort(recording: Recording) -> None:
    """Sort the samples by time."""
    times = recording.times
    order = sorted(range(len(times)), key=times.__getitem__)
    if order == list(range(len(times))):
        return
    recording.times = array("d", (times[place] for place in order))
    place_of = [0] * len(times)
    for place, number in enumerate(order):
        place_of[number] = place
    for track in recording.tracks.values():
        places = [place_of[number] for number in track.numbers]
        order = sorted(range(len(places)), key=places.__getitem__)
        track.numbers = array("L", (places[place] for place in order))
        track.present = bytearray(track.present[place] for place in order)
        track.causes = array("L", (track.causes[place] for place in order))
        for name, values in track.figures.items():
            track.figures[name] = array("d", (values[place] for place in order))


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
