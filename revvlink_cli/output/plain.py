"""Plain output: one record per line, fields separated by tabs, nothing cut, no heading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from revvlink_cli.output.help_text import show_help_text
from revvlink_cli.output.renderer import BaseRenderer
from revvlink_cli.output.result import CheckResult
from revvlink_cli.output.text import bare, clean, clean_lines

if TYPE_CHECKING:
    from revvlink_cli.output.result import Result


class PlainRenderer(BaseRenderer):
    """Writes for ``cut``, ``awk`` and ``while read``. A single record is written one field per line, name first."""

    def item(self, row: Any) -> None:
        """Write one line."""
        self._output.write("\t".join(bare(row, name, column) for name, column in self.columns_of(type(row))) + "\n")

    def end(self, result: Result) -> None:
        """Write the data, or the text that stands for it."""
        if isinstance(result, CheckResult) and result.line is not None:
            self._output.write(f"{clean(result.line)}\n")
        elif result.text is not None:
            text = show_help_text(result.text, no_color=self._no_color) if result.is_help else clean_lines(result.text)
            self._output.write(text if text.endswith("\n") or not text else f"{text}\n")
        elif isinstance(result.data, tuple):
            for row in result.data:
                self.item(row)
        elif result.data is not None:
            for name, column in self.columns_of(type(result.data)):
                self._output.write(f"{name}\t{bare(result.data, name, column)}\n")
