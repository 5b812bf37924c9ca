"""Makes styled text fit its place, and writes it as a terminal takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.output.cells import cells, cut, first, padded
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from revvlink_cli.output.picture import Line

_CODES = {"bold": "1", "dim": "2", "reverse": "7", "red": "31", "green": "32", "yellow": "33"}
"""Word of a style -> its number in an escape sequence."""

_COLOURS = ("red", "green", "yellow")


def fitted(text: str, width: int, *, is_right: bool = False) -> str:
    """A text of exactly so many columns: cleaned, then cut or padded."""
    text = cut(clean(text), width)
    return padded(text, width, is_right=is_right)


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
