"""Checks a TOML document by a table of keys, and collects every mistake with its line and column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from revvlink_cli._suggestions import nearest
from revvlink_cli.config.problems import ConfigError, Problem
from revvlink_cli.config.values import read_value

if TYPE_CHECKING:
    from pathlib import Path

    from revvlink_cli.config.locate import Path as KeyPath
    from revvlink_cli.config.schema import Key

MOST_PROBLEMS = 100
"""Most mistakes that are reported one by one."""

LONGEST_KEY = 100
"""Characters of a key in a message."""

LARGEST = 2**63
"""Whole numbers in TOML are below this."""


class DocumentChecker:
    """Checks a document and collects its mistakes."""

    def __init__(self, document: dict[str, Any], text: str, path: Path | None) -> None:
        self.document = document
        self.text = text
        self.path = path
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.places: dict[KeyPath, tuple[int, int]] | None = None

    def numbers(self) -> None:
        """Refuse numbers of more than 64 bits."""
        waiting: list[tuple[KeyPath, Any]] = [((), self.document)]
        while waiting:
            path, value = waiting.pop()
            if isinstance(value, dict):
                waiting += [((*path, name), item) for name, item in value.items()]
            elif isinstance(value, list):
                waiting += [((*path, index), item) for index, item in enumerate(value)]
            elif isinstance(value, int) and not -LARGEST <= value < LARGEST:
                self.problem(path, "must be a number of 64 bits")
        if self.problems:
            raise ConfigError(self.problems)

    def raise_problems(self) -> None:
        """Raise all mistakes found so far, if there are any, in the order of the document."""
        if self.problems:
            raise ConfigError(sorted(self.problems, key=lambda problem: (problem.line or 0, problem.column or 0)))

    def place(self, path: KeyPath) -> tuple[int, int] | tuple[None, None]:
        """Line and column of a key."""
        from revvlink_cli.config.locate import find as find_place
        from revvlink_cli.config.locate import locate

        if self.places is None:
            self.places = locate(self.text)
        return find_place(self.places, path)

    def problem(self, path: KeyPath, message: str, hint: str | None = None) -> None:
        """Collect a mistake."""
        line, column = self.place(path)
        self.problems.append(Problem(message, self.path, line, column, _written(path)[:LONGEST_KEY], hint))
        if len(self.problems) >= MOST_PROBLEMS:
            raise ConfigError([*self.problems, Problem("has more mistakes than these", self.path)])

    def warn(self, path: KeyPath, message: str, hint: str | None) -> None:
        """Collect a warning."""
        line, column = self.place(path)
        self.warnings.append(Problem(message, self.path, line, column, _written(path), hint))

    def values(self, raw: dict[str, Any], path: KeyPath, keys: tuple[Key, ...]) -> dict[str, Any]:
        """The values of a table, each as its key reads it."""
        by_name = {key.name: key for key in keys}
        found: dict[str, Any] = {}
        for name, value in raw.items():
            if name not in by_name:
                self.problem((*path, name), "is not a key", nearest(name, list(by_name)))
                continue
            self.before_reading(by_name[name], value, (*path, name))
            try:
                found[name] = self.within(by_name[name], read_value(by_name[name], value), (*path, name))
            except ValueError as error:
                self.problem((*path, name), str(error))
        return found

    def before_reading(self, key: Key, value: Any, path: KeyPath) -> None:
        """What a kind of document does with a value before it is read; nothing here."""

    def within(self, _key: Key, value: Any, _path: KeyPath) -> Any:
        """A value after it was read; a kind of document may check what is inside of it."""
        return value


def _written(path: KeyPath) -> str:
    """A path as people write it: ``nodes[0].uri``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text
