"""Tables whose rows arrive one by one: a heading, aligned columns, and repeated rows folded into one."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rich.text import Text

from revvlink_cli.output import streams
from revvlink_cli.output.cells import cells as cells_of
from revvlink_cli.output.cells import cut, wrapped
from revvlink_cli.output.result import Kind
from revvlink_cli.output.sizes import terminal_size
from revvlink_cli.output.text import MISSING, moment, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.output.result import Column

_MOST_COUNTED = 2000
"""Different rows whose repetitions are counted."""

_GAP = " " * 3
"""Between two cells, as in other tables."""

_USUAL = {Kind.STATE: 12, Kind.TEXT: 8, Kind.TIME: 8}
"""Columns that a cell of a kind takes at least, so that the first rows are aligned with later ones."""


class Drawing(Protocol):
    """How tables look, see `table.TableRenderer`."""

    @property
    def width(self) -> int:
        """Columns that there are now."""

    def columns_beside(self, columns: Sequence[Column], widths: Sequence[int], room: int) -> list[tuple[int, int]]:
        """The columns to show beside each other, and their widths."""

    def columns_of(self, row: type) -> Sequence[tuple[str, Column]]:
        """The columns of a row type that are shown."""

    def is_number(self, column: Column) -> bool:
        """Whether a column is aligned to the right."""

    def styled(self, text: str, column: Column) -> Text:
        """A cell with its colour."""

    def row_style(self, row: Any) -> str:
        """The style of a whole row."""

    def below(self, column: Column, text: str) -> list[str]:
        """The lines below a row for a column that has no room beside the others."""

    def heading(self, title: str) -> list[str]:
        """The lines of a title."""

    def lines(self, thing: Any) -> list[str]:
        """The lines that a thing of Rich takes, styled."""


class _Entry(NamedTuple):
    """A row that has been written.

    Attributes:
        row: The row, or None for the heading.
        cells: Its texts, column by column.
        height: Lines that it takes.
    """

    row: Any
    cells: tuple[str, ...]
    height: int


class _Repeats(NamedTuple):
    """How often a row has come.

    Attributes:
        times: The number, the first one included.
        since: The time of the first one, or None where rows have no time.
    """

    times: int
    since: datetime | None


class StreamTable:
    """Lays out the rows of a stream.

    On a terminal that can move its cursor, a row that repeats an earlier one (its `repeat_key` is equal) takes the
    place of it, at the end, with the number of repetitions. The rows in sight are aligned again when a column becomes
    wider. Elsewhere each row stays as it was written.
    """

    def __init__(self, renderer: Drawing) -> None:
        self._renderer = renderer
        self._redraws = streams.can_redraw()
        self._columns: tuple[tuple[str, Column], ...] = ()
        self._widths: list[int] = []
        self._room = 0
        self._beside: list[tuple[int, int]] = []
        self._in_sight: list[_Entry] = []
        self._repeats: OrderedDict[object, _Repeats] = OrderedDict()
        self._messages = streams.message_count()
        self._date = datetime.now().astimezone().date()

    def item(self, row: Any) -> str:
        """The text that adds a row to what has been written."""
        if not self._columns:
            self._columns = tuple(
                (name, column) for name, column in self._renderer.columns_of(type(row)) if column.title
            )
            self._widths = [
                max(cells_of(column.title), 0 if column.wraps else _USUAL.get(column.kind, 6))
                for _, column in self._columns
            ]
        at = self._time_of(row)
        key = _key(row) if self._redraws else None
        repeats = self._count(key, at) if key is not None else None
        cells = self._cells(row, repeats, at)
        for index, (_, column) in enumerate(self._columns):
            if not column.wraps:
                self._widths[index] = max(self._widths[index], cells_of(cells[index]))
        return self._written(row, cells, key, at)

    def _written(self, row: Any, cells: tuple[str, ...], key: object, at: datetime | None) -> str:
        """The text that writes a row below the others, and those in sight again if they have to move."""
        room = self._renderer.width
        beside = self._renderer.columns_beside([column for _, column in self._columns], self._wanted(room), room)
        is_aligned = beside == self._beside
        self._beside = beside
        messages = streams.message_count()
        if room != self._room or messages != self._messages:  # the terminal has wrapped old lines, or shows others
            self._in_sight.clear()
        if day := self._new_day(at):
            self._in_sight.clear()  # the rows of another day stay as they are
        keep = len(self._in_sight)
        if key is not None:
            keep = next((i for i, entry in enumerate(self._in_sight) if _key(entry.row) == key), keep)
        moved = self._in_sight[0 if not is_aligned else keep :]
        up = sum(entry.height for entry in moved)
        del self._in_sight[len(self._in_sight) - len(moved) :]
        text = f"\x1b[{up}A\r\x1b[J" if up else ""
        if room != self._room:
            text += self._add(None, tuple(column.title for _, column in self._columns))
        if day:
            self._in_sight.clear()
            text += day
        self._room, self._messages = room, messages
        for entry in moved:
            if key is None or _key(entry.row) != key:
                text += self._add(entry.row, entry.cells)
        text += self._add(row, cells)
        self._forget_rows_out_of_sight()
        return text

    def _wanted(self, room: int) -> list[int]:
        return [room if column.wraps else width for (_, column), width in zip(self._columns, self._widths, strict=True)]

    def _add(self, row: Any, cells: tuple[str, ...]) -> str:
        """The lines of a row, or with None as the row those of the heading."""
        lines = self._lines(row, cells) if row is not None else self._heading(cells)
        if self._redraws:
            self._in_sight.append(_Entry(row, cells, len(lines)))
        return "".join(f"{line}\n" for line in lines)

    def _forget_rows_out_of_sight(self) -> None:
        """Keep the rows that the terminal shows: only those can be written again. Its last line has the cursor."""
        room = terminal_size()[1] - 1
        while sum(entry.height for entry in self._in_sight) > room:
            del self._in_sight[0]

    def _count(self, key: object, at: datetime | None) -> _Repeats:
        before = self._repeats.pop(key, None)
        found = _Repeats(before.times + 1, before.since) if before is not None else _Repeats(1, at)
        self._repeats[key] = found
        if len(self._repeats) > _MOST_COUNTED:
            self._repeats.popitem(last=False)
        return found

    def _cells(self, row: Any, repeats: _Repeats | None, at: datetime | None) -> tuple[str, ...]:
        cells = [shown(row, name, column).replace("\n", " ") for name, column in self._columns]
        if repeats is not None and repeats.times > 1:
            more = f"x{repeats.times}{_since(repeats.since, at)}"
            places = [i for i, (_, column) in enumerate(self._columns) if column.wraps] or [len(cells) - 1]
            cells[places[-1]] = more if cells[places[-1]] == MISSING else f"{cells[places[-1]]} ({more})"
        return tuple(cells)

    def _time_of(self, row: Any) -> datetime | None:
        name = next((name for name, column in self._columns if column.kind is Kind.TIME), None)
        return moment(getattr(row, name)) if name is not None else None

    def _new_day(self, at: datetime | None) -> str:
        """A line with the date where it changes: the times of rows are within one day."""
        if at is None or at.date() == self._date:
            return ""
        self._date = at.date()
        return "".join(f"{line}\n" for line in self._renderer.heading(self._date.isoformat()))

    def _heading(self, titles: Sequence[str]) -> list[str]:
        line = Text(style="bold")
        self._fill(line, [[titles[i]] for i, _ in self._beside], 0)
        return self._renderer.lines(line)

    def _lines(self, row: Any, cells: Sequence[str]) -> list[str]:
        """The lines of a row: its cells beside each other, then what has no room there."""
        parts = [wrapped(cells[i], width) if self._columns[i][1].wraps else [cells[i]] for i, width in self._beside]
        lines: list[str] = []
        for number in range(max(map(len, parts), default=1)):
            line = Text(style=self._renderer.row_style(row))
            self._fill(line, parts, number)
            lines += self._renderer.lines(line)
        places = {i for i, _ in self._beside}
        for i, (_, column) in enumerate(self._columns):
            if column.wraps and i not in places:
                lines += self._renderer.below(column, cells[i])
        return lines

    def _fill(self, line: Text, parts: Sequence[Sequence[str]], number: int) -> None:
        """Add one line of each cell."""
        for place, (i, width) in enumerate(self._beside):
            column = self._columns[i][1]
            text = self._renderer.styled(cut(parts[place][number], width) if number < len(parts[place]) else "", column)
            gap = " " * (width - text.cell_len)
            is_last = place == len(self._beside) - 1
            if self._renderer.is_number(column):
                line.append(gap)
                line.append_text(text)
            else:
                line.append_text(text)
                line.append("" if is_last else gap)
            line.append("" if is_last else _GAP)
        line.rstrip()


def _since(since: datetime | None, now: datetime | None) -> str:
    if since is None:
        return ""
    form = "%H:%M" if now is None or since.date() == now.date() else "%Y-%m-%d %H:%M"
    return f" since {since.strftime(form)}"


def _key(row: Any) -> object:
    """What is equal for a row and its repetitions; None for a row that has none."""
    return getattr(row, "repeat_key", None)
