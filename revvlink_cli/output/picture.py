"""Lines of styled text, of which a full screen consists."""

from __future__ import annotations

from typing import NamedTuple


class Span(NamedTuple):
    """A piece of a line.

    Attributes:
        text: The text; the screen cleans it.
        style: Words of `bold`, `dim`, `reverse`, `red`, `green`, `yellow`, separated by spaces.
    """

    text: str
    style: str = ""


Line = tuple[Span, ...]
"""A line of a screen, from left to right."""


class Picture(NamedTuple):
    """What a full-screen command shows at one moment.

    Attributes:
        lines: The lines, from the top.
        is_fresh: Whether to draw every line again, because something else may have written to the terminal.
    """

    lines: tuple[Line, ...]
    is_fresh: bool = False


def line_of(text: str, style: str = "") -> Line:
    """A line of one style."""
    return (Span(text, style),)


def text_of(line: Line) -> str:
    """The text of a line, without styles."""
    return "".join(span.text for span in line)
