"""``--jq``: what a jq program makes of the JSON output. The extra `jq` brings the language."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from revvlink_cli.config.secrets_in_use import redact
from revvlink_cli.output.json_format import JsonLinesRenderer, JsonRenderer
from revvlink_cli.output.streams import OutputError
from revvlink_cli.output.text import clean_json

if TYPE_CHECKING:
    from revvlink_cli.output.renderer import Writer
    from revvlink_cli.output.result import Result
    from revvlink_cli.output.view import View

INSTALL = "install it with `pip install 'revvlink-cli[jq]'`"


class JqError(OutputError):
    """Raised if a program is wrong, or fails on the output."""

    def __init__(self, message: str) -> None:
        super().__init__(f"--jq: {message}", hint="see https://jqlang.org/manual", is_usage=True)


def compiled(program: str) -> Any:
    """A program, ready to run.

    Raises:
        ModuleNotFoundError: The extra is not installed.
        JqError: It is wrong.
    """
    import jq

    try:
        return jq.compile(program)
    except ValueError as error:
        raise JqError(_one_line(error)) from None


def _one_line(error: Exception) -> str:
    """The first line of what jq says, which names the mistake and its place."""
    first = str(error).strip().partition("\n")[0]
    return first.removeprefix("jq: error: ").strip().rstrip(":") or "it failed"


def _write_values(program: Any, document: Any, output: Writer) -> None:
    """Write each value that a program makes on a line: strings as they are, else JSON."""
    values = iter(program.input_value(document))
    while True:
        try:
            value = next(values)
        except StopIteration:
            return
        except ValueError as error:
            raise JqError(_one_line(error)) from None
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        output.write("\t".join(map(clean_json, redact(text).split("\t"))) + "\n")


class JqRenderer(JsonRenderer):
    """Writes what the program makes of the envelope."""

    def __init__(self, output: Writer, *, view: View, command: str = "", no_color: bool = False) -> None:
        super().__init__(output, command=command, no_color=no_color, view=view)
        self._program = compiled(view.program or ".")

    def write_document(self, document: dict[str, Any]) -> None:
        """Write the values that the program makes of it."""
        _write_values(self._program, document, self._output)


class JqLinesRenderer(JsonLinesRenderer):
    """Writes what the program makes of each object of `jsonl`."""

    def __init__(self, output: Writer, *, view: View, command: str = "", no_color: bool = False) -> None:
        super().__init__(output, command=command, no_color=no_color, view=view)
        self._program = compiled(view.program or ".")

    def end(self, result: Result) -> None:
        """Write the data; errors are not objects that a program for rows expects, and are on stderr."""
        super().end(replace(result, errors=()))

    def write_object(self, value: Any) -> None:
        """Write the values that the program makes of it."""
        _write_values(self._program, value, self._output)
