"""Plain output: one record a line, fields separated by tabs, nothing cut, no heading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from revvlink_cli.output.result import columns_of
from revvlink_cli.output.text import clean, plain

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
        self._output.write("\t".join(plain(getattr(row, name)) for name, _ in columns_of(type(row))) + "\n")

    def end(self, result: Result) -> None:
        """The data."""
        if result.line is not None:
            self._output.write(f"{clean(result.line)}\n")
        elif result.text is not None:
            self._output.write(result.text if result.text.endswith("\n") or not result.text else f"{result.text}\n")
        elif isinstance(result.data, tuple):
            for row in result.data:
                self.item(row)
        elif result.data is not None:
            for name, _ in columns_of(type(result.data)):
                self._output.write(f"{name}\t{plain(getattr(result.data, name))}\n")
