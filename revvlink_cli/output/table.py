"""Tables for people. This is the only module that loads Rich."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from revvlink_cli.output.cells import cells as measured
from revvlink_cli.output.cells import cut, wrapped
from revvlink_cli.output.renderer import BaseRenderer
from revvlink_cli.output.result import Kind
from revvlink_cli.output.sizes import HEAD, terminal_size
from revvlink_cli.output.stream_table import StreamTable
from revvlink_cli.output.streams import is_terminal, wants_colour
from revvlink_cli.output.text import MISSING, clean, clean_lines, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.output.renderer import Writer
    from revvlink_cli.output.result import Column, Result
    from revvlink_cli.output.view import View

_NUMBERS = {Kind.COUNT, Kind.BYTES, Kind.RATIO, Kind.DURATION_MS, Kind.LATENCY_MS, Kind.SCORE}

_STATES = {
    "connected": "green", "ok": "green", "ready": "green", "chosen": "green",
    "warning": "yellow", "connecting": "yellow", "unknown": "yellow",
    "failed": "red", "disconnected": "red", "tripped": "red", "lost": "red", "hanging": "red", "refusing": "red",
    "critical": "red",
    "node_ready": "green", "node_failed": "red", "node_lost": "red", "node_hanging": "red", "node_refusing": "red",
    "player_lost": "red",
    "track_exception": "red", "track_stuck": "red", "websocket_closed": "red",
    "healthy": "green", "unhealthy": "red", "fixed": "green", "crashed": "red",
    "excluded": "dim", "skipped": "dim", "silenced": "dim",
}  # fmt: skip

_UNLIMITED = 10_000
"""Columns of a pipe or a file, which has no edge."""

_GAP = 3
"""Columns between two cells."""

_SHORTEST = 8
"""Columns that every text keeps before a column is left out."""


class Layout(NamedTuple):
    """How rows are laid out in the available width.

    Attributes:
        rows: The rows.
        cells: Their texts, column by column.
        columns: The columns beside each other: title, kind, index of its texts, width.
        below: Lines below each row, for texts that found no room beside it.
        heights: Lines that each row takes, those below it too.
    """

    rows: Sequence[Any]
    cells: Sequence[Sequence[str]]
    columns: Sequence[tuple[Column, int, int]]
    below: Sequence[Sequence[str]]
    heights: Sequence[int]


class TableRenderer(BaseRenderer):
    """Writes a table as wide as its content and no wider than the terminal; the least important columns are left out.

    Text that explains a row stays: it takes several lines, or stands below its row.
    """

    def __init__(
        self,
        output: Writer,
        *,
        command: str = "",
        no_color: bool = False,
        view: View | None = None,
        width: int | None = None,
        colour: bool | None = None,
    ) -> None:
        """Make a renderer. `width` and `colour` replace what stdout has: a picture has its own."""
        super().__init__(output, command=command, no_color=no_color, view=view)
        self._page = io.StringIO()
        self._stream: StreamTable | None = None
        colour = wants_colour(sys.stdout, no_color=no_color) if colour is None else colour
        self._console = Console(
            file=self._page,
            width=self._width() if width is None else width,
            force_terminal=colour,
            no_color=not colour,
            color_system="auto" if colour and is_terminal(sys.stdout) else "standard" if colour else None,
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
        )

    def _width(self) -> int:
        """Columns that a table may take."""
        return _width()

    def item(self, row: Any) -> None:
        """Write one row of a stream."""
        if self._stream is None:
            self._stream = StreamTable(self)
        self._output.write(self._stream.item(row))

    @property
    def width(self) -> int:
        """Columns that there are now."""
        self._console.width = self._width()  # the terminal may have been resized
        return self._console.width

    def end(self, result: Result) -> None:
        """Write the data, or the text that stands for it."""
        self._lay_out(result)
        self._flush()

    def _flush(self) -> None:
        """Write the text that has been laid out."""
        self._output.write(self._page.getvalue())
        self._page.seek(0)
        self._page.truncate()

    def _lay_out(self, result: Result) -> None:
        if result.text is not None:
            self._console.print(Text(clean_lines(result.text.rstrip("\n"))), soft_wrap=True)
            return
        if result.title is not None:
            self._page.writelines(f"{line}\n" for line in self.heading(result.title))
        if isinstance(result.data, tuple):
            kind = result.row_type
            rows = result.table_rows if result.table_rows is not None else result.data
            if rows and kind is not None:
                layout = self.layout(rows, kind)
                self._page.writelines(f"{line}\n" for line in self.drawn(layout, range(len(rows))))
        elif result.data is not None:
            self._record(result.data)

    def layout(self, rows: Sequence[Any], kind: type) -> Layout:
        """Decide which columns are shown, and where."""
        columns = [(name, column) for name, column in self.columns_of(kind) if column.title]  # others are for programs
        cells = [[shown(row, name, column).replace("\n", " ") for name, column in columns] for row in rows]
        widths = [
            max(measured(column.title), *(measured(line[i]) for line in cells)) for i, (_, column) in enumerate(columns)
        ]
        beside = self._fit_filled([column for _, column in columns], cells, widths)
        places = {index for index, _ in beside}
        under = [i for i, (_, column) in enumerate(columns) if column.wraps and i not in places]
        wrapping = [(i, width) for i, width in beside if columns[i][1].wraps]
        below = [[part for i in under for part in self.below(columns[i][1], line[i])] for line in cells]
        heights = [
            max((len(wrapped(line[i], width)) for i, width in wrapping), default=1) + len(more)
            for line, more in zip(cells, below, strict=True)
        ]
        return Layout(rows, cells, [(columns[i][1], i, width) for i, width in beside], below, heights)

    def _fit_filled(
        self, columns: Sequence[Column], cells: Sequence[Sequence[str]], widths: Sequence[int]
    ) -> list[tuple[int, int]]:
        """The columns to show beside each other, and their widths; columns without any value give way first."""
        room = self._console.width
        kept = list(range(len(columns)))
        if self._view is None or self._view.columns is None:
            empty = [i for i in kept if columns[i].rank and not any(line[i] != MISSING for line in cells)]
            while empty and sum(widths[i] for i in kept) + _GAP * (len(kept) - 1) > room and len(kept) > 1:
                kept.remove(empty.pop())
        fit = _fit([columns[i] for i in kept], [widths[i] for i in kept], room)
        return [(kept[index], width) for index, width in fit]

    def drawn(self, layout: Layout, chosen: Sequence[int]) -> list[str]:
        """The lines of the table's head and of these rows."""
        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold", padding=(0, 1))
        for column, _, width in layout.columns:
            table.add_column(
                column.title,
                justify="right" if column.kind in _NUMBERS else "left",
                no_wrap=True,
                overflow="ellipsis",
                width=width,
            )
        for index in chosen:
            texts = layout.cells[index]
            table.add_row(
                *(
                    _styled("\n".join(wrapped(texts[i], width)) if column.wraps else cut(texts[i], width), column)
                    for column, i, width in layout.columns
                ),
                style=_style_of(layout.rows[index]),
            )
        lines = self.lines(table)
        drawn, lines = lines[:HEAD], lines[HEAD:]
        for index in chosen:
            more = layout.below[index]
            count = layout.heights[index] - len(more)
            drawn += lines[:count]
            lines = lines[count:]
            style = _style_of(layout.rows[index]) or ""
            drawn += [line for text in more for line in self.lines(Text(text, style=style))]
        return drawn

    def heading(self, title: str) -> list[str]:
        """The line above a table."""
        return self.lines(Text(clean(title), style="bold"))

    def lines(self, thing: Any) -> list[str]:
        """The lines that a thing of Rich takes, styled."""
        with self._console.capture() as captured:
            self._console.print(thing, soft_wrap=isinstance(thing, Text))
        return captured.get().removesuffix("\n").split("\n")

    @staticmethod
    def columns_beside(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[tuple[int, int]]:
        """The columns to show beside each other, and their widths, see `_fit`."""
        return _fit(columns, widths, room)

    @staticmethod
    def styled(text: str, column: Column) -> Text:
        """A cell with its colour."""
        return _styled(text, column)

    @staticmethod
    def row_style(row: Any) -> str:
        """The style of a whole row."""
        return _style_of(row) or ""

    @staticmethod
    def is_number(column: Column) -> bool:
        """Whether a column is aligned to the right."""
        return column.kind in _NUMBERS

    def below(self, column: Column, text: str) -> list[str]:
        """The lines below a row for a column that has no room beside the others."""
        if text == MISSING:
            return []
        if column.unbroken:
            return [text]
        indent = "  "
        lines = wrapped(f"{column.title.lower()}: {text}", max(self._console.width - len(indent), 1))
        return [indent + line for line in lines]

    def _record(self, record: Any) -> None:
        entries = [(column, shown(record, name, column)) for name, column in self.columns_of(type(record))]
        left = max((measured(column.title) for column, _ in entries), default=0)
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="bold", width=left, no_wrap=True)
        grid.add_column(overflow="fold")
        for column, text in entries:
            grid.add_row(column.title, _styled(text, column))
        self._console.print(grid)


def colour_of(state: str) -> str:
    """The colour of a state or a verdict: ``green``, ``yellow``, ``red`` or ``dim``, "" for others."""
    return _STATES.get(state.split(" ", 1)[0], "")


class WideTableRenderer(TableRenderer):
    """Writes a table with all columns, as wide as its content."""

    def _width(self) -> int:
        return _UNLIMITED


def _styled(text: str, column: Column) -> Text:
    return Text(text, style=colour_of(text) if column.kind is Kind.STATE else "")


def _style_of(row: Any) -> str | None:
    marks = (("reverse", "is_selected"), ("dim", "is_stale"))
    return " ".join(style for style, mark in marks if getattr(row, mark, False)) or None


def _fit(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[tuple[int, int]]:
    """The columns to show beside each other, and their widths, within `room`.

    A column that wraps has a fair width, or stands below the rows, the last one first, and the others have its room.
    """
    floors = [
        width if column.unbroken or not (column.flexible or column.wraps) else min(width, column.narrowest)
        for column, width in zip(columns, widths, strict=True)
    ]

    def over(now: Sequence[int]) -> int:
        return sum(floors[i] for i in now) + _GAP * (len(now) - 1) - room

    def dropped(now: list[int], least: int) -> list[int]:
        """The columns without the least important ones, of rank `least` or above, that have no room."""
        while over(now) > 0 and len(now) > 1:
            going = [i for i in now if columns[i].rank >= least and not columns[i].wraps]
            if not going:
                break
            now = [i for i in now if i != max(going, key=lambda i: (columns[i].rank, i))]
        return now

    kept = list(range(len(columns)))
    if over(kept) > 0:
        kept = [i for i in kept if not columns[i].unbroken]
    wide = dropped(kept, 2)
    while over(wide) > 0 and (wrapping := [i for i in kept if columns[i].wraps]) and len(kept) > 1:
        kept = [i for i in kept if i != wrapping[-1]]
        wide = dropped(kept, 2)
    return _shrunk(dropped(wide, 1), columns, widths, floors, room)


def _shrunk(
    kept: Sequence[int], columns: Sequence[Column], widths: Sequence[int], floors: Sequence[int], room: int
) -> list[tuple[int, int]]:
    """Narrow the widest columns: first the flexible ones, then texts, then any."""
    now = {i: widths[i] for i in kept}
    over = sum(now.values()) + _GAP * (len(kept) - 1) - room
    texts = [i for i in kept if columns[i].kind is Kind.TEXT]
    for some, least in ((kept, floors), (texts, [_SHORTEST] * len(columns)), (kept, [1] * len(columns))):
        while over > 0 and (giving := [i for i in some if now[i] > least[i]]):
            now[max(giving, key=lambda i: now[i])] -= 1
            over -= 1
    return [(i, now[i]) for i in kept]


def _width() -> int:
    if is_terminal(sys.stdout):
        return terminal_size()[0]
    asked = os.environ.get("COLUMNS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else _UNLIMITED
