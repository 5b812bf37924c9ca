"""Tables for people. This is the only module that loads Rich."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from revvlink_cli.output.result import Kind, columns_of
from revvlink_cli.output.screen import terminal_size
from revvlink_cli.output.streams import is_terminal, wants_colour
from revvlink_cli.output.text import clean, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.output.renderer import Writer
    from revvlink_cli.output.result import Column, Result

_NUMBERS = {Kind.COUNT, Kind.BYTES, Kind.RATIO, Kind.DURATION_MS, Kind.LATENCY_MS, Kind.SCORE}

_STATES = {
    "connected": "green", "ok": "green", "ready": "green", "chosen": "green",
    "warning": "yellow", "connecting": "yellow", "unknown": "yellow",
    "failed": "red", "disconnected": "red", "lost": "red", "hanging": "red", "critical": "red",
    "healthy": "green", "unhealthy": "red", "fixed": "green", "crashed": "red",
    "excluded": "dim", "skipped": "dim",
}  # fmt: skip

_UNLIMITED = 10_000
"""Columns to assume where nobody looks: a pipe or a file has no edge."""

_GAP = 3
"""Columns between two cells."""


class TableRenderer:
    """A table as wide as its content and no wider than the terminal; the least important columns go first."""

    def __init__(self, output: Writer, *, no_color: bool) -> None:
        self._output = output
        self._page = io.StringIO()
        colour = wants_colour(sys.stdout, no_color=no_color)
        self._console = Console(
            file=self._page,
            width=_width(),
            force_terminal=colour,
            no_color=not colour,
            color_system="auto" if colour and is_terminal(sys.stdout) else "standard" if colour else None,
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
        )

    def begin(self, row: type | None) -> None:
        """A table is laid out when all its rows are known."""

    def item(self, row: Any) -> None:
        """One row of a stream, a line at once."""
        line = "  ".join(shown(row, name, column).ljust(_minimum(column)) for name, column in columns_of(type(row)))
        self._console.print(Text(line.rstrip()), soft_wrap=True)
        self._turn_out()

    def end(self, result: Result) -> None:
        """The data."""
        self._lay_out(result)
        self._turn_out()

    def _turn_out(self) -> None:
        """Write what has been laid out."""
        self._output.write(self._page.getvalue())
        self._page.seek(0)
        self._page.truncate()

    def _lay_out(self, result: Result) -> None:
        if result.text is not None:
            text = "\n".join(map(clean, result.text.rstrip("\n").split("\n")))  # a folder's name may hold anything
            self._console.print(Text(text), soft_wrap=True)
            return
        if result.title is not None:
            self._console.print(Text(clean(result.title), style="bold"), soft_wrap=True)
        if isinstance(result.data, tuple):
            kind = result.row_type
            rows = result.view if result.view is not None else result.data
            if rows and kind is not None:
                self._rows(rows, columns_of(kind))
        elif result.data is not None:
            self._record(result.data)

    def _rows(self, rows: Sequence[Any], columns: Sequence[tuple[str, Column]]) -> None:
        columns = [(name, column) for name, column in columns if column.title]  # the rest is for programs
        cells = [[shown(row, name, column) for name, column in columns] for row in rows]
        widths = [
            max(cell_len(column.title), *(cell_len(line[i]) for line in cells)) for i, (_, column) in enumerate(columns)
        ]
        kept = _fit(columns, widths, self._console.width)
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 1))
        for index, limit in kept:
            column = columns[index][1]
            table.add_column(
                column.title,
                justify="right" if column.kind in _NUMBERS else "left",
                no_wrap=True,
                overflow="ellipsis",
                width=limit,
            )
        for row, line in zip(rows, cells, strict=True):
            marks = (("reverse", "is_selected"), ("dim", "is_stale"))
            style = " ".join(style for style, mark in marks if getattr(row, mark, False)) or None
            table.add_row(*(_styled(line[index], columns[index][1]) for index, _ in kept), style=style)
        self._console.print(table)

    def _record(self, record: Any) -> None:
        entries = [(column, shown(record, name, column)) for name, column in columns_of(type(record))]
        left = max((cell_len(column.title) for column, _ in entries), default=0)
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="bold", width=left, no_wrap=True)
        grid.add_column(overflow="fold")
        for column, text in entries:
            grid.add_row(column.title, _styled(text, column))
        self._console.print(grid)


def _styled(text: str, column: Column) -> Text:
    return Text(text, style=_STATES.get(text.split(" ", 1)[0], "") if column.kind is Kind.STATE else "")


def _fit(columns: Sequence[tuple[str, Column]], widths: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Which columns to show and how wide, within `room`."""
    kept = list(range(len(columns)))
    while True:
        over = sum(widths[i] for i in kept) + _GAP * (len(kept) - 1) - room
        flexible = [i for i in kept if columns[i][1].flexible]
        give = sum(max(widths[i] - columns[i][1].narrowest, 0) for i in flexible)
        worst = max(columns[i][1].rank for i in kept)
        if over <= give or worst == 0 or len(kept) == 1:
            return _shrink(kept, widths, flexible, max(over, 0))
        kept.remove(next(i for i in reversed(kept) if columns[i][1].rank == worst))


def _shrink(kept: Sequence[int], widths: Sequence[int], flexible: Sequence[int], over: int) -> list[tuple[int, int]]:
    """Take `over` columns from the widest flexible ones."""
    now = {i: widths[i] for i in kept}
    while over > 0 and flexible:
        widest = max(flexible, key=lambda i: now[i])
        if now[widest] <= 1:
            break
        now[widest] -= 1
        over -= 1
    return [(i, now[i]) for i in kept]


def _minimum(column: Column) -> int:
    return {Kind.STATE: 12, Kind.TEXT: 8}.get(column.kind, 6)


def _width() -> int:
    if is_terminal(sys.stdout):
        return terminal_size()[0]
    asked = os.environ.get("COLUMNS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else _UNLIMITED
