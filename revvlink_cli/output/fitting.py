"""Chooses the rows to show when a screen has no room for all. Nodes in trouble stay in sight."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from revvlink_cli.output.cells import cells
from revvlink_cli.output.problems import TROUBLE, is_troubled, state_of, trouble_first
from revvlink_cli.output.sizes import FEWEST, HEAD, clipped
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from revvlink_cli.output.table import TableRenderer


def fitted(
    renderer: TableRenderer, rows: Sequence[Any], selected: int | None, notes: Sequence[str], *, room: int, width: int
) -> list[str]:
    """A table and its notes in `room` lines.

    If not all rows fit, rows in trouble come first and leave some room for the rest. A line above the table counts and
    names those in trouble that are not shown. Without a selection, a line below the table counts the missing rows. With
    one, the rows around it are shown, and keys reach the others.
    """
    notes = list(notes)
    while notes and room - HEAD - len(notes) < min(len(rows), FEWEST) + 1:
        notes.pop()  # rows are more important than notes
    free = room - HEAD - len(notes)
    if len(rows) <= free:
        layout = renderer.layout(rows, type(rows[0]))
        if sum(layout.heights) <= free:
            return [*renderer.drawn(layout, range(len(rows))), *notes]
    order = trouble_first(rows)
    troubled = sum(map(is_troubled, order))
    at = order.index(rows[selected]) if selected is not None else None
    near = troubled if at is None else at
    candidates = sorted({*range(min(troubled, room)), *range(max(near - room, 0), min(near + room, len(order)))})
    layout = renderer.layout([order[index] for index in candidates], type(rows[0]))
    heights = dict(zip(candidates, layout.heights, strict=True))
    above: list[str] = []
    below = int(at is None and free > 1)  # lines
    chosen = _chosen(heights, troubled, at, free - below)
    if hidden := [row for index, row in enumerate(order[:troubled]) if index not in set(chosen)]:
        above = [name_troubled(order, hidden, width)]
        below = min(below, max(free - 2, 0))  # on a very low screen one row is more important
        chosen = _chosen(heights, troubled, at, free - below - len(above))
    missing = [_missing(order, len(order) - len(chosen), width)] if below and len(chosen) < len(order) else []
    drawn = renderer.drawn(layout, [candidates.index(index) for index in chosen])
    left = max(room - len(above) - len(missing) - len(notes), 0)  # a single row may be higher than the room
    return [*above, *drawn[:left], *missing, *notes]


def _chosen(heights: Mapping[int, int], troubled: int, at: int | None, free: int) -> list[int]:
    """Indices of the rows that fit into `free` lines, those in trouble first; at least one row."""
    if at is None:
        others = sum(height for index, height in heights.items() if index >= troubled)
        spared = min(FEWEST, free // 2, others)
    else:
        spared = free // 2
    pinned = 0
    while pinned < troubled and pinned in heights:
        is_only = not pinned and at is None  # cut, not left out
        height = min(heights[pinned], free) if is_only else heights[pinned]
        if not is_only and free - height < spared:
            break
        free -= height
        pinned += 1
    while at is not None and at >= pinned > 0 and heights[at] > free:  # the selected row is always shown
        pinned -= 1
        free += heights[pinned]
    if at is not None and at >= pinned and heights[at] > free:
        return [at]
    start = end = max(troubled if at is None else at, pinned)
    is_stuck = False
    while not is_stuck:  # a row below, a row above, and so on
        is_stuck = True
        if heights.get(end, free + 1) <= free:
            free -= heights[end]
            end, is_stuck = end + 1, False
        if at is not None and start > pinned and heights.get(start - 1, free + 1) <= free:
            start -= 1
            free -= heights[start]
            is_stuck = False
    return [*range(pinned), *range(start, end)] or [0 if at is None else at]


def name_troubled(rows: Sequence[Any], hidden: Sequence[Any], width: int) -> str:
    """The number of rows in trouble and as many of their names as fit, hidden ones first."""
    counts = Counter(row.state for row in rows if is_troubled(row))
    (worst, count), *others = sorted(counts.items(), key=lambda item: TROUBLE.index(item[0]))
    counted = ", ".join([f"{count} of {len(rows)} {worst}", *(f"{number} {state}" for state, number in others)])
    names = dict.fromkeys(row.node for row in (*hidden, *filter(is_troubled, rows)))
    line, found = counted, ""
    for number, name in enumerate(names, start=1):
        found = f"{found}, {name}" if found else f"{counted}: {name}"
        whole = found if number == len(names) else f"{found}, and {len(names) - number} more"
        if cells(clean(whole)) > width:
            break
        line = whole
    return clipped(line, width)


def _missing(rows: Sequence[Any], count: int, width: int) -> str:
    """The number of rows that are not shown, and the states of all rows, the worst first."""
    counts = Counter(state_of(row) for row in rows)
    what = "nodes" if hasattr(rows[0], "state") else "rows"
    worst = sorted(counts.items(), key=lambda item: (item[0] not in TROUBLE, -item[1]))
    states = ", ".join(f"{number} {state}".rstrip() for state, number in worst)
    short = f"and {count} more {what}"
    text = f"{short} (of {len(rows)}: {states})"
    texts = (f"{text}; make the terminal higher, or name some", text, f"{short} (of {len(rows)})", short)
    return next((each for each in texts if cells(clean(each)) <= width), clipped(short, width))
