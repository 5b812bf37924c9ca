"""JSON output: one envelope, or one object a line for streams."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from revvlink_cli.output.envelope import envelope, failure_object, to_json
from revvlink_cli.output.text import clean_json

if TYPE_CHECKING:
    from revvlink_cli.output.renderer import Writer
    from revvlink_cli.output.result import Result


class JsonRenderer:
    """One envelope, indented."""

    def __init__(self, output: Writer, command: str) -> None:
        self._output = output
        self._command = command
        self._rows: list[Any] = []

    def begin(self, row: type | None) -> None:
        """The envelope is written as a whole at the end."""

    def item(self, row: Any) -> None:
        """Kept for the envelope."""
        self._rows.append(row)

    def end(self, result: Result) -> None:
        """The envelope."""
        if self._rows and result.data is None:
            result = dataclasses.replace(result, data=tuple(self._rows))
        text = json.dumps(envelope(self._command, result), indent=2, ensure_ascii=False)
        self._output.write(clean_json(text) + "\n")


class JsonLinesRenderer:
    """One object a line; an error is an object with the one key ``error``."""

    def __init__(self, output: Writer) -> None:
        self._output = output

    def begin(self, row: type | None) -> None:
        """Nothing stands above the data."""

    def item(self, row: Any) -> None:
        """One line."""
        self._line(to_json(row))

    def end(self, result: Result) -> None:
        """The data, and what went wrong."""
        if isinstance(result.data, tuple):
            for row in result.data:
                self.item(row)
        elif result.data is not None:
            self.item(result.data)
        for failure in result.errors:
            self._line({"error": failure_object(failure)})

    def _line(self, value: Any) -> None:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._output.write(clean_json(text) + "\n")
