"""Reads events from files: those that `events -o jsonl` has written, and changes between the samples of a recording."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli.services.recording import Recording, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from revvlink_cli.services.recording import Track


class RecordedEvent(NamedTuple):
    """One event of the past.

    Attributes:
        at: Its time in seconds since the epoch; for a change, that of the first sample with the new state.
        node: The node.
        event: The name of the event.
        detail: What happened, or None.
        guild_id: The guild, or None.
        code: The code of a failure, or None.
        advice: What to do about a failure, or None.
        lost_s: Seconds that a node was not connected before it came back, or None.
    """

    at: float
    node: str
    event: str
    detail: str | None = None
    guild_id: str | None = None
    code: str | None = None
    advice: str | None = None
    lost_s: float | None = None


def read_events(lines: Iterable[tuple[int, str | None]]) -> tuple[list[RecordedEvent], list[str]]:
    """Read the events of a file from numbered lines, where None stands for a line that is too long.

    Returns:
        The events in the order of their times, and why lines could not be read.
    """
    events: list[RecordedEvent] = []

    def samples() -> Iterator[tuple[int, str | None]]:
        for number, line in lines:
            event = _event(line) if line is not None and '"event"' in line else None
            if event is not None:
                events.append(event)
            else:
                yield number, line

    recording = read(samples())
    for track in recording.tracks.values():
        events += _changes(recording, track)
    return sorted(events, key=lambda event: event.at), recording.problems


def _event(line: str) -> RecordedEvent | None:
    """The event of a line that `events -o jsonl` has written; None for another line."""
    try:
        fields: Any = json.loads(line)
        moment = datetime.fromisoformat(fields["time"])
        node, event = fields["node"], fields["event"]
        at = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    if not isinstance(node, str) or not isinstance(event, str):
        return None
    found = (fields.get(name) for name in ("detail", "guild_id", "code", "advice"))
    detail, guild_id, code, advice = (value if isinstance(value, str) else None for value in found)
    return RecordedEvent(at, node, event, detail, guild_id, code, advice)


def _changes(recording: Recording, track: Track) -> Iterator[RecordedEvent]:
    """The changes of one node, its first state included."""
    before: tuple[bool, int] | None = None
    lost_at: float | None = None
    for index, number in enumerate(track.numbers):
        at = recording.times[number]
        now = bool(track.present[index]), track.causes[index]
        if now == before:
            continue
        is_present, cause = now
        if is_present:
            yield RecordedEvent(at, track.node, "node_ready", lost_s=at - lost_at if lost_at is not None else None)
            lost_at = None
        else:
            why = recording.causes[cause]
            event = "node_lost" if before is not None and before[0] else "node_failed"
            yield RecordedEvent(at, track.node, event, why.message or why.state or None, code=why.reason)
            lost_at = at if lost_at is None else lost_at
        before = now
