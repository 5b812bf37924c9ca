"""Text in the columns of a terminal. A character as people see it (a grapheme cluster) is never taken apart.

All functions take cleaned text: characters that would turn the direction of a line, or are not seen, are escaped
already.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from revvlink_cli.output.text import EMOJI

if TYPE_CHECKING:
    from collections.abc import Iterator

ELLIPSIS = "…"


@cache
def _pieces() -> re.Pattern[str]:
    """A flag, an emoji, or any other character."""
    return re.compile(f"[\U0001f1e6-\U0001f1ff]{{2}}|(?:{EMOJI})|.", re.DOTALL)


def clusters(text: str) -> Iterator[str]:
    """The characters of a text as people see them: marks and joined emoji belong to what they stand on."""
    import unicodedata  # most text is ASCII, and needs no table of characters

    held = ""
    for found in _pieces().finditer(text):
        piece = found.group()
        if held and not piece.isascii() and (unicodedata.category(piece[0]) in ("Mn", "Me") or cells(piece) == 0):
            held += piece
            continue
        if held:
            yield held
        held = piece
    if held:
        yield held


def cells(text: str) -> int:
    """Columns that a text takes: two for wide characters and emoji, none for marks on others."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def first(text: str, width: int) -> str:
    """The beginning of a text, in exactly so many columns if it is that long; a space stands for half a character."""
    if text.isascii():
        return text[: max(width, 0)]
    left, kept = width, ""
    for cluster in clusters(text):
        if (count := cells(cluster)) > left:
            return kept + " " * max(left, 0)
        left -= count
        kept += cluster
    return kept


def cut(text: str, width: int) -> str:
    """A text cut to so many columns; an ellipsis stands for what is missing."""
    if cells(text) <= width:
        return text
    return first(text, width - 1) + ELLIPSIS if width > 1 else first(text, width)


def padded(text: str, width: int, *, is_right: bool = False) -> str:
    """A text with spaces to make it so many columns wide; a longer one stays."""
    pad = " " * (width - cells(text))
    return pad + text if is_right else text + pad


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """A text in lines of so many columns, broken at spaces, or anywhere in longer words.

    Args:
        text: The text.
        width: Columns of a line, at least.
        indent: Written before each line but the first.
    """
    room = max(width, 1)
    start = text[: len(text) - len(text.lstrip(" "))]
    lines = [start if len(start) < room else ""]
    for word in text.lstrip(" ").split(" "):
        line = lines[-1]
        joined = f"{line} {word}" if line.strip() else line + word
        if cells(joined) <= room:
            lines[-1] = joined
            continue
        if line.strip():
            lines[-1] = line.rstrip()
            lines.append(indent if len(indent) < room else "")
        rest = word
        while rest and cells(lines[-1] + rest) > room:
            head = first(rest, room - cells(lines[-1])).rstrip(" ") or next(clusters(rest))
            lines[-1] += head
            rest = rest[len(head) :]
            if rest:
                lines.append(indent if len(indent) < room else "")
        lines[-1] += rest
    return [line.rstrip() for line in lines]
