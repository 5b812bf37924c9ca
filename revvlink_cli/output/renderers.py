"""The renderer of each format: one module a format, loaded when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from revvlink_cli.config.secrets_in_use import redacted
from revvlink_cli.output.formats import Format

if TYPE_CHECKING:
    from revvlink_cli.output.renderer import Renderer, Writer
    from revvlink_cli.output.result import Result


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
