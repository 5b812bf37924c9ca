"""Which rows and columns of its output a command line asks for: ``--filter``, ``--problems``, ``--columns``, ``--jq``.

Commands return all their rows. A `View` chooses among them in the renderer, for every command and format alike.
"""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from revvlink_cli._record import record
from revvlink_cli.output.formats import TABLES, Format
from revvlink_cli.output.result import CheckResult, Column, Result, all_columns_of, columns_of, plain_column

if TYPE_CHECKING:
    from revvlink_cli.output.filtering import Condition

R = TypeVar("R", bound=Result)


@record(frozen=True)
class View:
    """A choice of rows and columns.

    Attributes:
        kind: Type of the rows that it chooses from; None for rows of any type.
        condition: Only rows for which it holds, None for all.
        problems: Whether only rows with a problem are shown.
        columns: Names of the fields to show, in order; None for those of the format.
        wide: Whether to show every column, also those that the usual table leaves out.
        program: The jq program that makes the output from the JSON, or None.
    """

    kind: type | None = None
    condition: Condition | None = None
    problems: bool = False
    columns: tuple[str, ...] | None = None
    wide: bool = False
    program: str | None = None

    @property
    def chooses(self) -> bool:
        """Whether it leaves out rows or columns."""
        return self.condition is not None or self.problems or self.columns is not None

    def columns_of(self, kind: type) -> tuple[tuple[str, Column], ...]:
        """Field names and columns to show of a row type."""
        if self.columns is None or (self.kind is not None and kind is not self.kind):
            return all_columns_of(kind) if self.wide else columns_of(kind)
        known = dict(all_columns_of(kind))
        fields = {entry.name for entry in dataclasses.fields(kind)}
        return tuple(
            (name, _asked_for(name, known.get(name) or plain_column(name))) for name in self.columns if name in fields
        )

    def shows(self, row: Any) -> bool:
        """Whether a row is shown."""
        if self.kind is not None and not isinstance(row, self.kind):
            return True
        if self.problems:
            from revvlink_cli.output.problems import gravity

            if not gravity(row):
                return False
        if self.condition is None:
            return True
        from revvlink_cli.output.envelope import to_json

        return self.condition.holds(to_json(row))

    def chosen(self, row: Any) -> Any:
        """A row of a stream as it is shown; None if it is not. A row that holds rows is shown with fewer of them."""
        if self.kind is None or isinstance(row, self.kind) or not dataclasses.is_dataclass(row):
            return row if self.shows(row) else None
        inner = {
            entry.name: tuple(filter(self.shows, value))
            for entry in dataclasses.fields(row)
            if isinstance(value := getattr(row, entry.name), tuple) and value and isinstance(value[0], self.kind)
        }
        return replace(row, **inner) if inner else row  # type: ignore[type-var] # an instance, not a class

    def applied(self, result: R, chosen: Format) -> R:
        """A result with the rows that are shown; in a table those with a problem first."""
        if not isinstance(result.data, tuple):
            return result
        changes: dict[str, Any] = {}
        rows = result.data
        if self.chooses:
            changes |= {"data": tuple(filter(self.shows, rows)), "row": result.row_type, "text": None}
            changes["table_rows"] = self._short(result)
            if isinstance(result, CheckResult):
                changes["line"] = None
        if chosen in TABLES and not result.is_ordered:
            from revvlink_cli.output.problems import problems_first

            changes["data"] = problems_first(changes.get("data", rows))
            if (short := changes.get("table_rows", result.table_rows)) is not None:
                changes["table_rows"] = problems_first(short)
        return replace(result, **changes) if changes else result

    def _short(self, result: Result) -> tuple[Any, ...] | None:
        """The short rows of a check; a condition is on single checks, not on their summary."""
        if self.condition is not None or result.table_rows is None:
            return None
        return tuple(filter(self.shows, result.table_rows))

    def notes_of(self, result: Result) -> tuple[str, ...]:
        """The notes below a table, first those that explain the rows and columns that are shown."""
        rows = tuple(filter(self.shows, result.data)) if isinstance(result.data, tuple) else ()
        known = [each for each in result.legends if self.columns is None or self._has_one_of(each.fields)]
        return (*(note for each in known if rows and (note := each.explain(rows)) is not None), *result.notes)

    def _has_one_of(self, fields: tuple[str, ...]) -> bool:
        """Whether one of the columns is among those that are asked for."""
        return not fields or not set(fields).isdisjoint(self.columns or ())

    def remark(self, result: Result) -> str | None:
        """How many rows are not shown, or why there are none; None if there is nothing to say."""
        if not isinstance(result.data, tuple):
            return None
        return self.remark_on(len(result.data), sum(map(self.shows, result.data)))

    def remark_on(self, total: int, shown: int) -> str | None:
        """The same for so many rows, of which so many are shown."""
        if not total or not (self.problems or self.condition is not None):
            return None
        left_out = total - shown
        what = f"row{'' if left_out == 1 else 's'}"
        if self.condition is None:
            if not shown:
                return f"no problem found in {total} {what}"
            return f"{left_out} {what} without a problem left out" if left_out else None
        if not shown:
            return f"none of {total} {what} fits --filter{' and has a problem' if self.problems else ''}"
        return f"{left_out} {what} left out by --filter and --problems" if self.problems and left_out else None


def _asked_for(name: str, column: Column) -> Column:
    """A column that is asked for by name: it has a title, and stays on a narrow terminal."""
    return column._replace(title=column.title or plain_column(name).title, rank=0)
