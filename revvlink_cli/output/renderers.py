"""Creates the renderer of a format."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from revvlink_cli.config.secrets_in_use import redacted

if TYPE_CHECKING:
    from revvlink_cli.output.formats import Format
    from revvlink_cli.output.renderer import Renderer, Writer
    from revvlink_cli.output.result import Result


class RedactingRenderer:
    """Masks the secrets in use before another renderer lays out, cuts or escapes the text that holds them."""

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


def create_renderer(chosen: Format, command: str, output: Writer, *, no_color: bool) -> Renderer:
    """Create the renderer of a format. It masks all secrets in use.

    Args:
        chosen: The format.
        command: The command that runs, for the JSON envelope.
        output: Where to write.
        no_color: Whether to write without colours.
    """
    module = import_module(f"revvlink_cli.output.{chosen.module}")
    made: Renderer = getattr(module, chosen.renderer)(output, command=command, no_color=no_color)
    return RedactingRenderer(made)
