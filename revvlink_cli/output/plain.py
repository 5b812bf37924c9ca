"""Plain output: one record a line, fields separated by tabs, nothing cut, no heading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from revvlink_cli.output.result import columns_of
from revvlink_cli.output.text import bare, clean, clean_lines

if TYPE_CHECKING:
    from revvlink_cli.output.renderer import Writer
    from revvlink_cli.output.result import Result


class PlainRenderer:
    """For ``cut``, ``awk`` and ``while read``. A single record is written one field a line, name first."""

    def __init__(self, output: Writer) -> None:
        self._output = output

    def begin(self, row: type | None) -> None:
        """Nothing stands above the data."""

    def item(self, row: Any) -> None:
        """One line."""
        self._output.write("\t".join(bare(row, name, column) for name, column in columns_of(type(row))) + "\n")

    def end(self, result: Result) -> None:
        """The data."""
        if result.line is not None:
            self._output.write(f"{clean(result.line)}\n")
        elif result.text is not None:
            text = clean_lines(result.text)
            self._output.write(text if text.endswith("\n") or not text else f"{text}\n")
        elif isinstance(result.data, tuple):
            for row in result.data:
                self.item(row)
        elif result.data is not None:
            for name, column in columns_of(type(result.data)):
                self._output.write(f"{name}\t{bare(result.data, name, column)}\n")
