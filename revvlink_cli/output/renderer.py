"""How a result becomes output: one renderer a format, all with the same three steps."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, assert_never

from revvlink_cli.config.secrets_in_use import redacted
from revvlink_cli.output.streams import is_terminal

if TYPE_CHECKING:
    from revvlink_cli.output.result import Result


class Format(StrEnum):
    """The output formats."""

    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"
    JSONL = "jsonl"
    NAGIOS = "nagios"
    PROMETHEUS = "prometheus"
    JUNIT = "junit"
    GITHUB = "github"
    MARKDOWN = "markdown"


class CommonFormat(StrEnum):
    """Those that every command has; `check` has all."""

    TABLE = "table"
    PLAIN = "plain"
    JSON = "json"
    JSONL = "jsonl"


COMMON = tuple(map(Format, CommonFormat))
"""The same among all."""

REPORTS = tuple(kind for kind in Format if kind not in COMMON)
"""Those of monitoring systems, which carry what went wrong."""


class Writer(Protocol):
    """Where a renderer's text goes."""

    def write(self, text: str) -> None:
        """Take it."""


class Renderer(Protocol):
    """Writes one command's result.

    `begin` is called once, `item` for every row as it is known, `end` once with what the command came to.
    """

    def begin(self, row: type | None) -> None:
        """Rows of this type follow; None when there will be none."""

    def item(self, row: Any) -> None:
        """One row of a stream."""

    def end(self, result: Result) -> None:
        """The outcome. Its data, unless None, has not been passed to `item`."""


class WholeRenderer:
    """What formats of monitoring systems share: they are written as a whole, in the end."""

    def __init__(self, output: Writer) -> None:
        self._output = output

    def begin(self, row: type | None) -> None:
        """Nothing is known yet."""

    def item(self, row: Any) -> None:
        """Checks are no stream."""


def default_format() -> Format:
    """A table for people, plain text for programs."""
    return Format.TABLE if is_terminal(sys.stdout) else Format.PLAIN


class RedactingRenderer:
    """Masks the secrets in use in what another renderer writes: before that lays it out, cuts it, or escapes it."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def begin(self, row: type | None) -> None:
        """See `Renderer.begin`."""
        self._renderer.begin(row)

    def item(self, row: Any) -> None:
        """See `Renderer.item`."""
        self._renderer.item(redacted(row))

    def end(self, result: Result) -> None:
        """See `Renderer.end`."""
        self._renderer.end(redacted(result))


def renderer(kind: Format, command: str, output: Writer, *, no_color: bool) -> Renderer:
    """The renderer of a format, which shows no secret."""
    return RedactingRenderer(_renderer(kind, command, output, no_color=no_color))


def _renderer(kind: Format, command: str, output: Writer, *, no_color: bool) -> Renderer:
    match kind:
        case Format.TABLE:
            from revvlink_cli.output.table import TableRenderer

            return TableRenderer(output, no_color=no_color)
        case Format.PLAIN:
            from revvlink_cli.output.plain import PlainRenderer

            return PlainRenderer(output)
        case Format.JSON:
            from revvlink_cli.output.json_format import JsonRenderer

            return JsonRenderer(output, command)
        case Format.JSONL:
            from revvlink_cli.output.json_format import JsonLinesRenderer

            return JsonLinesRenderer(output)
        case Format.NAGIOS:
            from revvlink_cli.output.nagios import NagiosRenderer

            return NagiosRenderer(output)
        case Format.PROMETHEUS:
            from revvlink_cli.output.prometheus import PrometheusRenderer

            return PrometheusRenderer(output)
        case Format.JUNIT:
            from revvlink_cli.output.junit import JUnitRenderer

            return JUnitRenderer(output)
        case Format.GITHUB:
            from revvlink_cli.output.github import GitHubRenderer

            return GitHubRenderer(output)
        case Format.MARKDOWN:
            from revvlink_cli.output.markdown import MarkdownRenderer

            return MarkdownRenderer(output)
        case _:
            assert_never(kind)
