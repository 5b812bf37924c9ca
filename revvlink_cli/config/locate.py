"""Finds the line and column of each key in a TOML document, which the standard library's parser does not report.

``tomllib`` has accepted the document before, so this scanner need not validate it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TypeAlias

from revvlink_cli._record import NamedTuple

Path: TypeAlias = tuple[str | int, ...]


class Statement(NamedTuple):
    """A table's header, or a key with its value.

    Attributes:
        path: The table or the key. A table of an array has its index: ``("nodes", 1)``.
        table: The table whose header the statement stands under; of a header, the table itself.
        is_header: Whether it is a header.
        start: Index of its first character in the text.
        value: Index of the first character of the value; of a header, that of the header.
        end: Index after its last character.
    """

    path: Path
    table: Path
    is_header: bool
    start: int
    value: int
    end: int


_BARE_END = frozenset(" \t\r\n.=]#")
_VALUE_END = frozenset(",]}\r\n#")


def locate(text: str) -> dict[Path, tuple[int, int]]:
    """Line and column, from 1, of every key and table, by path: ``("nodes", 1, "uri")``."""
    return _Scanner(text).scan()


def statements(text: str) -> list[Statement]:
    """The statements of a document, in order. Keys within inline tables and arrays are not statements."""
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.statements


def find(places: dict[Path, tuple[int, int]], path: Path) -> tuple[int, int] | tuple[None, None]:
    """The place of `path`, or of the nearest table around it."""
    while path:
        if path in places:
            return places[path]
        path = path[:-1]
    return None, None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", " \n")  # columns stay, and a line ends in one character
        self.line_starts = [0, *(found.end() for found in re.finditer("\n", self.text))]
        self.at = 0
        self.places: dict[Path, tuple[int, int]] = {}
        self.tables: dict[Path, int] = {}  # arrays of tables -> index of the last one
        self.statements: list[Statement] = []

    def scan(self) -> dict[Path, tuple[int, int]]:
        current: Path = ()
        while self.skip_blank(lines=True):
            if self.text.startswith("[[", self.at):
                current = self.header(array=True)
            elif self.text[self.at] == "[":
                current = self.header(array=False)
            else:
                path, start, value = self.pair(current)
                self.statements.append(Statement(path, current, False, start, value, self.at))
        return self.places

    def note(self, path: Path, at: int) -> None:
        line = bisect_right(self.line_starts, at)
        self.places.setdefault(path, (line, at - self.line_starts[line - 1] + 1))

    def skip_blank(self, *, lines: bool) -> bool:
        """Go to the next thing; False at the end."""
        blank = " \t\n" if lines else " \t"
        while self.at < len(self.text):
            if self.text[self.at] == "#" and lines:
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at] in blank:
                self.at += 1
            else:
                return True
        return False

    def header(self, *, array: bool) -> Path:
        start = self.at
        self.at += 2 if array else 1
        keys = self.key()
        self.at += 2 if array else 1
        path: Path = ()
        for key in keys[:-1]:
            path = (*path, key)
            self.note(path, start)  # a table that exists only in the names of its subtables
            if path in self.tables:  # the last table of an array is meant
                path = (*path, self.tables[path])
        path = (*path, keys[-1])
        self.note(path, start)
        if array:
            self.tables[path] = self.tables.get(path, -1) + 1
            path = (*path, self.tables[path])
        elif path in self.tables:
            path = (*path, self.tables[path])
        self.note(path, start)
        self.statements.append(Statement(path, path, True, start, start, self.at))
        return path

    def key(self) -> list[str]:
        """A dotted key."""
        parts: list[str] = []
        while True:
            self.skip_blank(lines=False)
            parts.append(self.quoted() if self.text[self.at] in "\"'" else self.bare())
            self.skip_blank(lines=False)
            if self.at < len(self.text) and self.text[self.at] == ".":
                self.at += 1
                continue
            return parts

    def bare(self) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in _BARE_END:
            self.at += 1
        return self.text[start : self.at]

    def quoted(self) -> str:
        """A one-line string; escapes are left to the parser, which reads the key as a document of its own."""
        import tomllib

        start = self.at
        self.string()
        return str(tomllib.loads(f"k = {self.text[start : self.at]}")["k"])

    def string(self) -> None:
        quote = self.text[self.at]
        if self.text.startswith(quote * 3, self.at):
            end = self.at + 3
            while not self.text.startswith(quote * 3, end):
                end += 2 if quote == '"' and self.text[end] == "\\" else 1
            end += 3
            while end < len(self.text) and self.text[end] == quote:
                end += 1  # up to two quotes may stand before the closing three
            self.at = end
            return
        end = self.at + 1
        while self.text[end] != quote:
            end += 2 if quote == '"' and self.text[end] == "\\" else 1
        self.at = end + 1

    def pair(self, current: Path) -> tuple[Path, int, int]:
        """Read a key and its value; returns the path, and where the key and the value begin."""
        start = self.at
        path: Path = current
        for key in self.key():
            path = (*path, key)
            self.note(path, start)
        self.at += 1  # the equals sign
        self.skip_blank(lines=False)
        value = self.at
        self.value(path)
        while self.text[self.at - 1] in " \t":
            self.at -= 1  # what stands between a number and its comment
        return path, start, value

    def value(self, path: Path) -> None:
        self.skip_blank(lines=False)
        char = self.text[self.at]
        if char in "\"'":
            self.string()
        elif char == "[":
            self.at += 1
            index = 0
            while self.skip_blank(lines=True) and self.text[self.at] != "]":
                self.note((*path, index), self.at)
                self.value((*path, index))
                index += 1
                self.comma()
            self.at += 1
        elif char == "{":
            self.at += 1
            while self.skip_blank(lines=True) and self.text[self.at] != "}":
                self.pair(path)
                self.comma()
            self.at += 1
        else:
            while self.at < len(self.text) and self.text[self.at] not in _VALUE_END:
                self.at += 1

    def comma(self) -> None:
        if self.skip_blank(lines=True) and self.text[self.at] == ",":
            self.at += 1
