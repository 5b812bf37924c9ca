"""Names only, one on a line: the arguments of another command, for ``xargs``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from revvlink_cli.output.renderer import BaseRenderer
from revvlink_cli.output.result import columns_of
from revvlink_cli.output.text import plain

if TYPE_CHECKING:
    from revvlink_cli.output.renderer import Writer
    from revvlink_cli.output.result import Result
    from revvlink_cli.output.view import View

_NAMES = ("node", "guild_id", "name", "identifier", "key")
"""Fields that name a row, the best first; else its first column does."""


def name_field(kind: type) -> str | None:
    """The field that names a row."""
    fields = [entry.name for entry in dataclasses.fields(kind)]
    return next((name for name in _NAMES if name in fields), None) or next((name for name, _ in columns_of(kind)), None)


class NameRenderer(BaseRenderer):
    """Writes the name of each row, once: a check has several rows for a node, and none for the fleet."""

    def __init__(self, output: Writer, *, command: str = "", no_color: bool = False, view: View | None = None) -> None:
        super().__init__(output, command=command, no_color=no_color, view=view)
        self._written: set[str] = set()

    def item(self, row: Any) -> None:
        """Write its name, unless it is written already."""
        field = name_field(type(row)) if dataclasses.is_dataclass(row) else None
        name = plain(getattr(row, field)) if field is not None else ""
        if name and name not in self._written:
            self._written.add(name)
            self._output.write(f"{name}\n")

    def end(self, result: Result) -> None:
        """Write the names of the data."""
        for row in result.data if isinstance(result.data, tuple) else () if result.data is None else (result.data,):
            self.item(row)
