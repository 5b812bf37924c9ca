"""Writes a table to an SVG, HTML, Markdown or CSV file, chosen by its extension."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revvlink_cli.config.secrets_in_use import redacted
from revvlink_cli.output.csv_format import csv_text
from revvlink_cli.output.result import columns_of
from revvlink_cli.output.streams import OutputError, write_file
from revvlink_cli.output.text import clean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from revvlink_cli.output.result import Result

PICTURE_WIDTH = 160
"""Characters of a line in an SVG."""


def ending_of(name: str) -> str:
    """The extension of a file to export to.

    Raises:
        ValueError: It is not one of `FORMATS`.
    """
    ending = Path(name).suffix.lower()
    if ending not in FORMATS:
        raise ValueError(f"{name!r} does not end in one of {', '.join(FORMATS)}")
    return ending


def export_table(result: Result, name: str) -> None:
    """Write a result's table to a file.

    Raises:
        OutputError: There is no table, or the file cannot be written.
    """
    result = redacted(result)
    kind = result.row_type
    if kind is None or not columns_of(kind) or result.data is None:
        raise OutputError(f"there is no table to write to {name}")
    rows = result.data if isinstance(result.data, tuple) else (result.data,)
    text = FORMATS[ending_of(name)](kind, rows, result.title or "")
    try:
        write_file(name, text)
    except OSError as error:
        raise OutputError(f"{name} cannot be written: {error.strerror or error}") from None


def _csv(kind: type, rows: Sequence[Any], title: str) -> str:  # noqa: ARG001 - the signature of all formats
    """CSV with the names of the fields, also without rows, and numbers in full."""
    return csv_text(columns_of(kind), rows)


def markdown_table(kind: type, rows: Sequence[Any], title: str) -> str:
    """A Markdown table with the cells of a terminal."""
    lines = [f"**{markdown_cell(clean(title))}**", ""] if title else []
    columns = [(name, column) for name, column in columns_of(kind) if column.title]
    lines += [f"| {' | '.join(column.title for _, column in columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(markdown_cell(shown(row, name, column)) for name, column in columns)} |" for row in rows]
    return "\n".join(lines) + "\n"


def markdown_cell(text: str) -> str:
    """Text escaped for a cell of a Markdown table."""
    escaped = "".join(f"\\{char}" if char in "\\`*_{}[]<>|#~&" else char for char in text)
    return escaped.replace("\n", "<br>")


def _html(kind: type, rows: Sequence[Any], title: str) -> str:  # noqa: ARG001 - the signature of all formats
    """An HTML page with the table."""
    from revvlink_cli.output.page import page

    return page(title or "revvlink", "", rows)


def _svg(kind: type, rows: Sequence[Any], title: str) -> str:  # noqa: ARG001 - the signature of all formats
    """A picture of the table on a terminal."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.text import Text

    from revvlink_cli.output.result import Result
    from revvlink_cli.output.screen import Page
    from revvlink_cli.output.table import TableRenderer

    drawn = Page()
    TableRenderer(drawn, no_color=True).end(Result(tuple(rows), title=title or None))
    lines = drawn.text.rstrip("\n").split("\n")
    console = Console(record=True, file=io.StringIO(), width=max(map(cell_len, lines), default=PICTURE_WIDTH))
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    picture = console.export_svg(title=clean(title) or "revvlink", font_aspect_ratio=0.61)
    return re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # a font from the network


FORMATS: dict[str, Callable[[type, Sequence[Any], str], str]] = {
    ".svg": _svg,
    ".html": _html,
    ".md": markdown_table,
    ".csv": _csv,
}
"""Extension -> function that makes the text of the file."""
