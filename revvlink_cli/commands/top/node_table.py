"""The table of `top`: broken nodes stay above the others, and every sentence that explains one is whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.commands.shared.penalty_columns import reason_of
from revvlink_cli.commands.top.columns import (
    GAP,
    Placed,
    has_figures,
    head_cells,
    place_columns,
    row_cells,
    used_width,
)
from revvlink_cli.config.secrets_in_use import redact
from revvlink_cli.output.cells import cut
from revvlink_cli.output.fitting import name_troubled
from revvlink_cli.output.picture import Line, Span, line_of, text_of
from revvlink_cli.output.problems import is_troubled
from revvlink_cli.output.sizes import wrapped
from revvlink_cli.output.text import MISSING, clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.commands.nodes.status_rows import StatusRow
    from revvlink_cli.commands.top.model import Fleet
    from revvlink_cli.commands.top.state import ScreenState

BESIDE = 40
"""Columns from which a reason stands beside its row, not below it."""


class Table(NamedTuple):
    """The table as drawn.

    Attributes:
        lines: Its lines.
        state: The state with the scrolling that was drawn.
        page: Rows that "page down" moves by.
    """

    lines: list[Line]
    state: ScreenState
    page: int


class _Block(NamedTuple):
    """Successive rows: their lines, the number of rows above them, and their number."""

    lines: list[Line]
    first: int
    number: int


def draw_table(fleet: Fleet, state: ScreenState, listed: Sequence[StatusRow], width: int, room: int) -> Table:
    """The head and the rows that fit into `room` lines. Broken nodes come first in `listed`."""
    if not listed:
        hint = f"no node matches {state.filter!r}; escape shows all {len(fleet.rows)}" if state.filter else "no nodes"
        return Table([line_of(line) for line in wrapped(hint, width)][:room], state, 1)
    count = count_troubled(listed)
    at = next((index for index, row in enumerate(listed) if row.node == state.selected), 0)
    in_trouble, beyond = (at, None) if at < count else (None, at - count)
    places = {*range(min(count, room)), *range(count, count + room), *range(max(at - room, 0), at + room)}
    near = [listed[index] for index in places if index < len(listed)]
    drawing = _Drawing(fleet, listed[at].node, place_columns(fleet, near, width), width)
    free = max(room - 1, 1)
    spared = min(len(listed) - count, free // 4) if in_trouble is not None else free - free // 2
    above = drawing.fill(listed[:count], state.first_troubled, in_trouble, free - spared)
    title: list[Line] = []
    if above.number < count and free > 2:
        above = drawing.fill(listed[:count], state.first_troubled, in_trouble, free - spared - 1)
        hidden = [*listed[: above.first], *listed[above.first + above.number : count]]
        title = [line_of(name_troubled(listed, hidden, width), "bold red")]
    left = free - len(title) - len(above.lines)
    under = drawing.fill(listed[count:], state.first, beyond, left)
    state = replace(state, first_troubled=above.first, first=under.first)
    lines = [*title, head_cells(drawing.placed, state), *above.lines, *under.lines]
    page = under.number if in_trouble is None else above.number + under.number
    return Table(lines[:room], state, max(page, 1))


def count_troubled(listed: Sequence[StatusRow]) -> int:
    """The number of broken nodes, which are the first ones."""
    return next((index for index, row in enumerate(listed) if not is_troubled(row)), len(listed))


class _Drawing:
    """Draws rows in the same columns."""

    def __init__(self, fleet: Fleet, selected: str, placed: list[Placed], width: int) -> None:
        self.placed = placed
        self._fleet = fleet
        self._selected = selected
        self._width = width

    def fill(self, rows: Sequence[StatusRow], first: int, selected: int | None, room: int) -> _Block:
        """The rows that fit into `room` lines, from `first` on, or moved so that the selected one is among them."""
        if not rows or room <= 0:
            return _Block([], 0, 0)
        first = max(min(first, len(rows) - 1), 0)
        if selected is not None:
            first = min(max(first, selected - room + 1), selected)
        lines, end = self._from(rows, first, room)
        while selected is not None and end <= selected:
            first += 1
            lines, end = self._from(rows, first, room)
        start = max(first - (room - len(lines)), 0)
        while end == len(rows) and start < first:  # no gap below the last row
            more, reached = self._from(rows, start, room)
            if reached == len(rows):
                return _Block(more, start, reached - start)
            start += 1
        return _Block(lines, first, end - first)

    def _from(self, rows: Sequence[StatusRow], first: int, room: int) -> tuple[list[Line], int]:
        """The lines from a row on, and the index of the first row that has no room."""
        lines: list[Line] = []
        explained: set[str] = set()
        for index in range(first, len(rows)):
            drawn = self._row(rows[index], explained)
            if lines and len(lines) + len(drawn) > room:
                return lines, index
            lines += drawn[: room - len(lines)]
        return lines, len(rows)

    def _row(self, row: StatusRow, explained: set[str]) -> list[Line]:
        """The lines of a row. A reason that a row above has is cut to one line."""
        reason = clean(redact(reason_of(row)))
        is_explained = reason in explained
        explained.add(reason)
        has_reason = reason != MISSING
        placed = self._placed_for(row) if has_reason else self.placed
        spans = row_cells(self._fleet, row, placed)
        below: list[str] = []
        if has_reason:
            at = used_width(placed)
            room = self._width - at
            if room >= BESIDE:
                first, *rest = [cut(reason, room)] if is_explained else wrapped(reason, room)
                spans += [Span(GAP), Span(first)]
                below = [" " * at + line for line in rest]
            elif not is_explained:
                below = ["  " + line for line in wrapped(reason, max(self._width - 2, 1))]
        lines = [tuple(spans), *map(line_of, below)]
        if row.node == self._selected:
            return [line_of(text_of(line).ljust(self._width), "reverse") for line in lines]
        if row.is_stale:
            return [tuple(Span(span.text, span.style or "dim") for span in line) for line in lines]
        return lines

    def _placed_for(self, row: StatusRow) -> list[Placed]:
        """The columns of a row with a reason. Of a broken node, the reason is more important than its last load."""
        choices = [self.placed] if has_figures(row) else []
        if is_troubled(row) and has_figures(row):
            titles = [column.title for column, _ in self.placed]
            choices.append(self.placed[: titles.index("PLAYERS") + 1] if "PLAYERS" in titles else self.placed)
        if not has_figures(row):
            choices.append(self.placed[:2])
        return next((each for each in choices if self._width - used_width(each) >= BESIDE), choices[0])
