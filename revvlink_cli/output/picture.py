"""Lines of styled text for a full screen, and what is needed to make them fit it."""

from __future__ import annotations

from typing import NamedTuple

from revvlink_cli.output.cells import cells, cut, first, padded
from revvlink_cli.output.text import clean

_CODES = {"bold": "1", "dim": "2", "reverse": "7", "red": "31", "green": "32", "yellow": "33"}
"""Word of a style -> its number in an escape sequence."""

_COLOURS = ("red", "green", "yellow")


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


def fitted(text: str, width: int, *, is_right: bool = False) -> str:
    """A text of exactly so many columns: cleaned, then cut or padded."""
    text = cut(clean(text), width)
    return padded(text, width, is_right=is_right)


def text_of(line: Line) -> str:
    """The text of a line, without styles."""
    return "".join(span.text for span in line)


def painted(line: Line, width: int, *, has_colour: bool, has_styles: bool = True) -> str:
    """A line as a terminal takes it: cleaned, no wider than `width`, with escape sequences for its styles."""
    parts: list[str] = []
    left = width
    for span in line:
        if left <= 0:
            break
        text = clean(span.text)
        count = cells(text)
        if count > left:
            text, count = first(text, left), left
        left -= count
        codes = ";".join(_CODES[word] for word in span.style.split() if has_colour or word not in _COLOURS)
        parts.append(f"\x1b[{codes}m{text}\x1b[0m" if codes and has_styles else text)
    return "".join(parts)
