"""Draws what a terminal would show of a result as an SVG: the same rows, the same colours, a width of its own."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from revvlink_cli.output.screen import Page
from revvlink_cli.output.sizes import wrapped
from revvlink_cli.output.table import TableRenderer
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.output.result import Result
    from revvlink_cli.output.view import View

WIDEST = 120
"""Columns of a picture at most, unless a text that users copy is longer: a chat would show more too small to read."""

NARROWEST = 40
"""Columns of a picture at least."""

_FORMAT = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<style>
.{unique_id}-matrix {{ font-family: monospace; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: sans-serif; font-size: 16px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
"""The frame of a picture: the reader's own monospace font, because a picture loads nothing."""


def draw_svg(
    result: Result, title: str, notes: Sequence[str] = (), *, no_color: bool = False, view: View | None = None
) -> str:
    """The picture of a result.

    Args:
        result: Its table or record.
        title: The line at the top of the window.
        notes: Lines below the table.
        no_color: Whether to draw without colours.
        view: The columns to show.
    """
    title = clean(title)
    drawn = Page()
    TableRenderer(drawn, view=view, width=WIDEST, colour=not no_color).end(result)
    lines = [Text.from_ansi(line) for line in drawn.text.rstrip("\n").split("\n")]
    lines += [Text()] if notes else []
    for note in notes:
        style = "red" if note.startswith("error: ") and not no_color else "dim"
        lines += [Text(line, style=style) for line in wrapped(note, WIDEST, "  ")]
    for line in lines:
        line.rstrip()  # padding would make the picture as wide as the widest
    frame = cell_len(title) * 16 // 20 + 12  # the title's letters are smaller; three buttons stand beside it
    width = max(NARROWEST, frame, *(line.cell_len for line in lines))
    console = Console(record=True, file=io.StringIO(), width=width, color_system="truecolor", legacy_windows=False)
    for line in lines:
        console.print(line, soft_wrap=True)
    return console.export_svg(title=title, code_format=_FORMAT)
