"""The lines around the table of `top`: totals, regions and events."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from revvlink_cli.commands.top.state import SORTS, ScreenState
from revvlink_cli.output.cells import cells, cut
from revvlink_cli.output.picture import Line, Span, line_of
from revvlink_cli.output.problems import TROUBLE, UNSERVED, is_troubled
from revvlink_cli.output.result import Kind
from revvlink_cli.output.text import clean, human

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from revvlink_cli.commands.nodes.status_rows import StatusRow
    from revvlink_cli.commands.top.event_log import Entry
    from revvlink_cli.commands.top.model import Fleet

_GAP = "  "

_DAY = 86400.0


def clock(at: float, form: str = "%H:%M:%S") -> str:
    """A time in the zone of this machine; `at` is seconds since the epoch."""
    return datetime.fromtimestamp(at).astimezone().strftime(form)


def head(fleet: Fleet, listed: Sequence[StatusRow], state: ScreenState, width: int, *, lines: int) -> list[Line]:
    """The context, the time with its zone, and totals, on so many lines at most."""
    states = _states(listed)
    total = f"{len(listed)} nodes ({states})"
    style = "bold red" if listed and is_troubled(listed[0]) else "bold"
    counts = Span(total if cells(total) <= width else states, style)
    time = Span(clock(fleet.time, "%H:%M:%S %Z"))
    context = [Span(fleet.context, "bold")] if fleet.context is not None else []
    playing = sum(row.playing or 0 for row in listed if not row.is_stale)
    players = sum(row.players or 0 for row in listed if not row.is_stale)
    is_usual = state.sort == SORTS[0] and not state.is_reversed
    order = [] if is_usual else [Span(f"by {state.sort}{' reversed' if state.is_reversed else ''}")]
    more = [Span(f"filter {state.filter!r} of {len(fleet.rows)}", "yellow")] if state.filter else []
    more += [Span(f"players {playing}/{players}"), *order]
    paused = [Span("PAUSED", "reverse")] if fleet.is_paused else []
    in_order = [*paused, *context, time, counts, *more]
    if _width([*paused, *context, time, counts]) > width:
        in_order = [*paused, counts, *context, time, *more]
    return _packed(in_order, width)[:lines]


def node_head(fleet: Fleet, row: StatusRow, width: int) -> Line:
    """The context, the time with its zone, and a node."""
    context = [Span(fleet.context, "bold"), Span(_GAP)] if fleet.context is not None else []
    time = Span(f"{clock(fleet.time, '%H:%M:%S %Z')}{_GAP}")
    paused = [Span("PAUSED", "reverse"), Span(_GAP)] if fleet.is_paused else []
    left = width - sum(cells(clean(span.text)) for span in (*paused, *context, time))
    return (*paused, *context, time, Span(cut(clean(row.node), max(left, 1)), "bold"))


def _states(rows: Iterable[StatusRow]) -> str:
    """How many nodes are in which state, trouble first."""
    states: dict[str, int] = {}
    for row in rows:
        states[row.state] = states.get(row.state, 0) + 1
    ordered = sorted(states.items(), key=lambda item: (item[0] not in TROUBLE, item[0]))
    return ", ".join(f"{count} {state}" for state, count in ordered) or "none"


def regions(rows: Sequence[StatusRow], width: int, most: int) -> list[Line]:
    """A few words on each region, those with trouble first, on at most so many lines."""
    if most <= 0:
        return []
    groups: dict[str, list[StatusRow]] = {}
    for row in rows:
        groups.setdefault(row.region or "no region", []).append(row)
    words = []
    for label, members in sorted(groups.items(), key=lambda item: not any(map(is_troubled, item[1]))):
        alive = [row for row in members if not row.is_stale and row.state not in UNSERVED and row.penalty is not None]
        playing = sum(row.playing or 0 for row in alive)
        best = min((row.penalty or 0 for row in alive), default=None)
        lowest = f", lowest penalty {human(best, Kind.SCORE)}" if best is not None else ""
        text = clean(f"{label} {len(alive)}/{len(members)} nodes, {playing} playing{lowest}")
        if cells(text) > width:
            text = cut(text.removesuffix(lowest), width)
        style = "red" if not alive else "yellow" if len(alive) < len(members) else ""
        words.append(Span(text, style))
    lines = _packed(words, width, " | ")
    kept = len(words)
    while len(lines) > most and kept:
        kept = min(kept - 1, most * width // 20)  # the shortest words have twenty characters
        rest = Span(f"and {len(words) - kept} more regions", "dim")
        lines = _packed([*words[:kept], rest], width, " | ")
    return lines[:most]


def event(entry: Entry, width: int) -> Line:
    """Equal events on one line: when the last one was, where, what, and how often since the first one."""
    *others, last = entry.nodes
    who = f"{last} and {len(others)} more" if others else last
    since = f"x{entry.count} since {since_when(entry)}" if entry.count > 1 else None
    parts = [clock(entry.last), who, entry.event, since, entry.detail]
    return line_of(cut(clean(_GAP.join(part for part in parts if part)), width))


def since_when(entry: Entry) -> str:
    """The time of the first of equal events."""
    return clock(entry.first, "%H:%M" if entry.last - entry.first < _DAY else "%d %b %H:%M")


def _width(spans: Sequence[Span]) -> int:
    return sum(cells(clean(span.text)) for span in spans) + len(_GAP) * (len(spans) - 1)


def _packed(spans: Sequence[Span], width: int, gap: str = _GAP) -> list[Line]:
    """Put texts beside each other on as few lines as possible; one that is too long is cut."""
    lines: list[list[Span]] = []
    left = 0
    for span in spans:
        count = cells(clean(span.text))
        if lines and count + len(gap) <= left:
            lines[-1] += [Span(gap, "dim" if gap.strip() else ""), span]
            left -= count + len(gap)
        else:
            lines.append([Span(cut(clean(span.text), width), span.style)])
            left = width - count
    return [tuple(line) for line in lines]
