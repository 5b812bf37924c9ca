"""Writes a table to an SVG, HTML, Markdown or CSV file, chosen by its extension."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from revvlink_cli.config.secrets_in_use import redact, redacted
from revvlink_cli.output.csv_format import csv_text
from revvlink_cli.output.heading import heading
from revvlink_cli.output.result import columns_of
from revvlink_cli.output.streams import OutputError, write_file
from revvlink_cli.output.text import clean, shown

FORMATS = (".svg", ".html", ".md", ".csv")
"""Extensions of the files that can be written."""

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.output.result import Column, Result
    from revvlink_cli.output.view import View


def ending_of(name: str) -> str:
    """The extension of a file to export to.

    Raises:
        ValueError: It is not one of `FORMATS`.
    """
    ending = Path(name).suffix.lower()
    if ending not in FORMATS:
        raise ValueError(f"{name!r} does not end in one of {', '.join(FORMATS)}")
    return ending


def export_table(
    result: Result,
    name: str,
    *,
    command: str = "",
    context: str | None = None,
    no_color: bool = False,
    view: View | None = None,
) -> None:
    """Write a result's table to a file.

    Args:
        result: The result.
        name: Path of the file.
        command: The command, for the title of pictures and pages.
        context: The context, for the same title.
        no_color: Whether to draw pictures without colours.
        view: The columns to show.

    Raises:
        OutputError: There is no table, or the file cannot be written.
    """
    result = redacted(result)
    kind = result.row_type
    if kind is None or not columns_of(kind) or result.data is None:
        raise OutputError(f"there is no table to write to {name}")
    rows = result.data if isinstance(result.data, tuple) else (result.data,)
    columns = view.columns_of(kind) if view is not None else columns_of(kind)
    title = redact(heading(command, context))
    match ending_of(name):
        case ".csv":
            text = csv_text(columns, rows)
        case ".md":
            text = "\n".join([markdown_table(columns, rows, result.title or ""), *document_notes(result)])
        case ".html":
            from revvlink_cli.output.page import table_page

            text = table_page(result, columns, title, notes_of(result, view))
        case _:
            from revvlink_cli.output.svg import draw_svg

            text = draw_svg(result, title, notes_of(result, view), no_color=no_color, view=view)
    try:
        write_file(name, text)
    except OSError as error:
        raise OutputError(f"{name} cannot be written: {error.strerror or error}") from None


def notes_of(result: Result, view: View | None = None) -> tuple[str, ...]:
    """The lines below a table on the terminal, because a picture has no second stream; not those that a row has too."""
    rows = result.data if isinstance(result.data, tuple) else ()
    notes = view.notes_of(result) if view is not None else result.notes
    shown_already = {getattr(row, "message", None) for row in rows}
    errors = (
        f"{failure.node}: {failure.message}" if failure.node else failure.message
        for failure in result.errors
        if failure.message not in shown_already
    )
    return (*(f"error: {error}" for error in errors), *result.warnings, *notes)


def markdown_table(columns: Sequence[tuple[str, Column]], rows: Sequence[Any], title: str) -> str:
    """A Markdown table with the cells of a terminal."""
    lines = [f"**{markdown_cell(clean(title))}**", ""] if title else []
    columns = [(name, column) for name, column in columns if column.title]
    lines += [f"| {' | '.join(column.title for _, column in columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(markdown_cell(shown(row, name, column)) for name, column in columns)} |" for row in rows]
    return "\n".join(lines) + "\n"


def document_notes(result: Result) -> tuple[str, ...]:
    """The notes of a result as a Markdown list, for results whose rows mislead without them; each ends its line."""
    if not result.has_notes_in_documents or not result.notes:
        return ()
    return ("\n".join(f"- {markdown_cell(clean(note))}" for note in result.notes) + "\n",)


def markdown_cell(text: str) -> str:
    """Text escaped for a cell of a Markdown table."""
    escaped = "".join(f"\\{char}" if char in "\\`*_{}[]<>|#~&" else char for char in text)
    return escaped.replace("\n", "<br>")
