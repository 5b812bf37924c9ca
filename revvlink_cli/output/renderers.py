"""Creates the renderer of a format."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from revvlink_cli.config.secrets_in_use import redacted
from revvlink_cli.output.formats import Format, Layout
from revvlink_cli.output.view import View

if TYPE_CHECKING:
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


class ViewRenderer:
    """Passes on to another renderer the rows that the command line asks for."""

    def __init__(self, renderer: Renderer, view: View, chosen: Format) -> None:
        self._renderer = renderer
        self._view = view
        self._chosen = chosen

    def begin(self, row: type | None) -> None:
        """See `Renderer.begin`."""
        self._renderer.begin(row)

    def item(self, row: Any) -> None:
        """See `Renderer.item`."""
        if (shown := self._view.chosen(row)) is not None:
            self._renderer.item(shown)

    def end(self, result: Result) -> None:
        """See `Renderer.end`."""
        self._renderer.end(self._view.applied(result, self._chosen))


def create_renderer(
    chosen: Format, command: str, output: Writer, *, no_color: bool, view: View | None = None
) -> Renderer:
    """Create the renderer of a format. It masks all secrets in use.

    Args:
        chosen: The format.
        command: The command that runs, for the JSON envelope.
        output: Where to write.
        no_color: Whether to write without colours.
        view: Which rows and columns to show.
    """
    view = replace(view or View(), wide=chosen is Format.WIDE)
    place, kind = chosen.module, chosen.renderer
    if view.program is not None:
        place, kind = "jq_format", "JqRenderer" if chosen.layout is Layout.DOCUMENT else "JqLinesRenderer"
    module = import_module(f"revvlink_cli.output.{place}")
    made: Renderer = getattr(module, kind)(output, command=command, no_color=no_color, view=view)
    return RedactingRenderer(ViewRenderer(made, view, chosen))
