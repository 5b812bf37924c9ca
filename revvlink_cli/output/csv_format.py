"""CSV output, as RFC 4180 has it: a head with the names of the fields, then one record for each row."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from revvlink_cli.output.renderer import BaseRenderer
from revvlink_cli.output.text import bare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.output.renderer import Writer
    from revvlink_cli.output.result import Column, Result
    from revvlink_cli.output.view import View

_FORMULA = "=@+-\uff1d\uff20\uff0b\uff0d"
"""Characters that begin a formula, wide ones included. A tab, which does so too, is escaped already."""


class CsvRenderer(BaseRenderer):
    """Writes a head and the rows; a single record is one row. Lines end with CR LF, as RFC 4180 has it."""

    def __init__(self, output: Writer, *, command: str = "", no_color: bool = False, view: View | None = None) -> None:
        super().__init__(output, command=command, no_color=no_color, view=view)
        self._has_head = False

    def item(self, row: Any) -> None:
        """Write one row, below the head."""
        self._write(type(row), (row,), None)

    def end(self, result: Result) -> None:
        """Write the data."""
        rows = result.data if isinstance(result.data, tuple) else () if result.data is None else (result.data,)
        if result.row_type is not None:
            self._write(result.row_type, rows, result.time)

    def _write(self, kind: type, rows: Sequence[Any], time: str | None) -> None:
        self._output.write(csv_text(self.columns_of(kind), rows, time=time, has_head=not self._has_head))
        self._has_head = True


def csv_text(
    columns: Sequence[tuple[str, Column]], rows: Sequence[Any], *, time: str | None = None, has_head: bool = True
) -> str:
    """Rows as CSV: numbers in full, nothing for an unknown value.

    Text that a spreadsheet would run as a formula gets an apostrophe before it: a server chooses titles and messages.
    """
    page = io.StringIO()
    writer = csv.writer(page)
    first = [] if time is None else [time]
    if has_head:
        writer.writerow([*(["time"] if first else []), *(name for name, _ in columns)])
    writer.writerows([*first, *(_harmless(bare(row, name, column)) for name, column in columns)] for row in rows)
    return page.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.lstrip()[:1] in _FORMULA and text.strip() and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
