"""JSON output: one envelope, or one object per line."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from revvlink_cli.output.envelope import envelope, failure_object, to_json
from revvlink_cli.output.renderer import BaseRenderer
from revvlink_cli.output.text import clean_json

if TYPE_CHECKING:
    from revvlink_cli.output.renderer import Writer
    from revvlink_cli.output.result import Result
    from revvlink_cli.output.view import View


class JsonRenderer(BaseRenderer):
    """Writes one envelope, indented."""

    def __init__(self, output: Writer, *, command: str = "", no_color: bool = False, view: View | None = None) -> None:
        super().__init__(output, command=command, no_color=no_color, view=view)
        self._rows: list[Any] = []

    def item(self, row: Any) -> None:
        """Keep the row for the envelope."""
        self._rows.append(row)

    def end(self, result: Result) -> None:
        """Write the envelope."""
        if self._rows and result.data is None:
            result = dataclasses.replace(result, data=tuple(self._rows))
        self.write_document(envelope(self._command, result))

    def write_document(self, document: dict[str, Any]) -> None:
        """Write the envelope as text."""
        self._output.write(clean_json(json.dumps(document, indent=2, ensure_ascii=False)) + "\n")


class JsonLinesRenderer(BaseRenderer):
    """Writes one object per line; an error is an object with the single key ``error``."""

    def item(self, row: Any) -> None:
        """Write one line."""
        self.write_object(to_json(row))

    def end(self, result: Result) -> None:
        """Write the data, then the errors."""
        if isinstance(result.data, tuple):
            for row in result.data:
                self.item(row)
        elif result.data is not None:
            self.item(result.data)
        for failure in result.errors:
            self.write_object({"error": failure_object(failure)})

    def write_object(self, value: Any) -> None:
        """Write one object as a line."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._output.write(clean_json(text) + "\n")
