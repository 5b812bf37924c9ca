"""The size of the terminal, and text cut or wrapped to fit it."""

from __future__ import annotations

import os
import shutil
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

from revvlink_cli.output import cells
from revvlink_cli.output.text import clean

if TYPE_CHECKING:
    from typing import TextIO

HEAD = 2
"""Lines above the rows of a table: its head and a rule."""

FEWEST = 5
"""Number of rows that a low screen shows before it shows notes."""


def terminal_size(stream: TextIO | None = None) -> tuple[int, int]:
    """Columns and lines of the terminal behind stdout or `stream`; else those of COLUMNS and LINES, or a default."""
    try:
        columns, lines = os.get_terminal_size((stream or sys.stdout).fileno())
    except (OSError, ValueError):
        columns = lines = 0
    return (columns, lines) if columns and lines else shutil.get_terminal_size()


def clipped(text: str, width: int) -> str:
    """One line cut to so many columns; some characters take two."""
    return cells.first(clean(text), width).rstrip()


@lru_cache(maxsize=1000)
def _wrapped(text: str, width: int, indent: str) -> tuple[str, ...]:
    return tuple(cells.wrapped(clean(text), width, indent))


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Text wrapped into lines of so many columns; some characters take two.

    A screen that is drawn every second shows the same texts again and again.
    """
    return list(_wrapped(text, width, indent))
