"""Mistakes in a configuration, with line and column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli._record import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Problem(NamedTuple):
    """One mistake or warning.

    Attributes:
        message: What is wrong.
        path: The file; None for the environment.
        line: Line in it, from 1, or None.
        column: Column in it, from 1, or None.
        key: The key concerned, as ``nodes[0].uri``, or None.
        hint: What to do, or None.
    """

    message: str
    path: Path | None = None
    line: int | None = None
    column: int | None = None
    key: str | None = None
    hint: str | None = None

    @property
    def without_file(self) -> str:
        """``line 6: key: message``, for a reader who knows the file."""
        line = f"line {self.line}" if self.line is not None else ""
        return ": ".join(part for part in (line, self.key or "", self.message) if part)

    def __str__(self) -> str:
        """``file:line:column: key: message``, as far as each is known."""
        place = str(self.path) if self.path is not None else ""
        for number in (self.line, self.column):
            place += f":{number}" if place and number is not None else ""
        return ": ".join(part for part in (place, self.key or "", self.message) if part)


class ConfigError(Exception):
    """A configuration that cannot be used.

    Attributes:
        problems: All mistakes; at least one.
        is_missing: Whether there is no configuration at all.
    """

    def __init__(self, problems: Iterable[Problem], *, is_missing: bool = False) -> None:
        self.problems = tuple(problems)
        self.is_missing = is_missing
        super().__init__("; ".join(map(str, self.problems)))
