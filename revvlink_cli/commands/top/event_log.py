"""The last events of a fleet, repeated ones folded into one entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from revvlink_cli.commands.events import event_row
from revvlink_cli.config.secrets_in_use import redact, redacted

if TYPE_CHECKING:
    from revvlink_cli.client.events import PoolEvent

MOST = 100
"""Entries that are kept."""

MOST_OF_NODE = 8
"""Failures that are kept of each node."""

FORGOTTEN = 900.0
"""Seconds without the same event, after which it is counted from one again."""


_Key = tuple[str, str | None]
"""Name of an event, and what makes two of them equal: the code of a failure, else the text."""


@dataclass(slots=True)
class Entry:
    """Equal events of one or several nodes.

    Attributes:
        event: Name of the event.
        detail: The text of the last one.
        advice: What to do next, None where the event does not say.
        first: Seconds since the epoch of the first one.
        last: Seconds since the epoch of the last one.
        count: How many there were.
        nodes: The nodes that had it, the last one at the end.
    """

    event: str
    detail: str | None
    advice: str | None
    first: float
    last: float
    count: int = 0
    nodes: dict[str, None] = field(default_factory=dict)

    def add(self, node: str, at: float) -> None:
        """Count one more."""
        self.count += 1
        self.last = at
        self.nodes.pop(node, None)
        self.nodes[node] = None


class EventLog:
    """Folds events of the same kind: failures with the same code, and others with the same text."""

    def __init__(self) -> None:
        self._entries: dict[_Key, Entry] = {}
        self._failures: dict[str, dict[_Key, Entry]] = {}

    def add(self, at: float, event: PoolEvent) -> None:
        """Add an event; `at` is its time in seconds since the epoch."""
        row = redacted(event_row(event, at))
        reason = getattr(event, "reason", None)
        advice = redact(reason.hint or "") or None if reason is not None else row.advice
        is_unique = row.event == "node_ready"  # its text is the name of the session
        new = Entry(row.event, None if is_unique else row.detail, advice, at, at)
        _fold(self._entries, MOST, (row.event, str(reason.code) if reason is not None else new.detail), new, row.node)
        if reason is not None:
            failures = self._failures.setdefault(row.node, {})
            new = Entry(row.event, row.detail, advice, at, at)
            _fold(failures, MOST_OF_NODE, (row.event, row.detail), new, row.node)

    def __len__(self) -> int:
        """The number of entries."""
        return len(self._entries)

    def last(self, count: int) -> tuple[Entry, ...]:
        """The entries that had an event last, the newest at the end."""
        return tuple(self._entries.values())[-count:] if count > 0 else ()

    def failures_of(self, node: str) -> tuple[Entry, ...]:
        """The last failures of a node, the newest first."""
        return tuple(reversed(self._failures.get(node, {}).values()))


def _fold(entries: dict[_Key, Entry], most: int, key: _Key, new: Entry, node: str) -> None:
    entry = entries.pop(key, new)
    if new.first - entry.last > FORGOTTEN:
        entry = new
    entry.detail, entry.advice = new.detail, new.advice
    entry.add(node, new.first)
    entries[key] = entry  # at the end: the order is that of the last event
    if len(entries) > most:
        del entries[next(iter(entries))]
