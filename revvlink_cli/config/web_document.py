"""Reads a web configuration as entries with their lines, and collects every mistake of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli._suggestions import nearest
from revvlink_cli.config.files import read_text
from revvlink_cli.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class Entry(NamedTuple):
    """A value of the file.

    Attributes:
        value: A text, a list, a table of entries, or None.
        line: Its line, from 1.
        is_text: Whether it is a scalar that YAML does not read as a number, a boolean or null.
    """

    value: Any
    line: int
    is_text: bool = False


class Reader:
    """Reads values and collects the mistakes.

    Attributes:
        path: The file.
        problems: The mistakes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def refuse(self, line: int, key: str, message: str, hint: str | None = None) -> None:
        """Add a mistake."""
        problem = Problem(message, self.path, line=line, key=key or None, hint=hint)
        if problem not in self.problems:  # a value may be read twice
            self.problems.append(problem)

    def table(self, entry: Entry | None, key: str, known: Iterable[str] | None) -> dict[str, Entry]:
        """The entries of a table; keys other than the known ones are mistakes."""
        if entry is None or entry.value is None:
            return {}
        if not isinstance(entry.value, dict):
            self.refuse(entry.line, key, "must have keys with values below it, each as KEY: VALUE")
            return {}
        if known is None:
            return entry.value
        names = list(known)
        for name, inner in entry.value.items():
            if name not in names and name not in _REFUSED:
                self.refuse(inner.line, join_key(key, name), "unknown key", nearest(name, names))
            elif name not in names:
                self.refuse(inner.line, join_key(key, name), _REFUSED[name])
        return {name: inner for name, inner in entry.value.items() if name in names}

    def text(self, table: Mapping[str, Entry], name: str, key: str) -> str | None:
        """The text of a key; None where the key is missing or wrong."""
        entry = table.get(name)
        if entry is None or entry.value in (None, ""):
            return None
        if not isinstance(entry.value, str):
            self.refuse(entry.line, join_key(key, name), "must be a text")
            return None
        return entry.value

    def choice(self, table: Mapping[str, Entry], name: str, key: str, values: Iterable[str]) -> str | None:
        """One of these texts; None where the key is missing or wrong."""
        found, known = self.text(table, name, key), list(values)
        if found is not None and found not in known:
            self.refuse(table[name].line, join_key(key, name), f"{found[:60]!r} is not possible", nearest(found, known))
            return None
        return found

    def flag(self, table: Mapping[str, Entry], name: str, key: str, *, default: bool) -> bool:
        """True or false."""
        entry = table.get(name)
        if entry is None or entry.value is None:
            return default
        word = str(entry.value).lower()
        if entry.is_text or word not in ("true", "false", "yes", "no", "on", "off"):
            self.refuse(entry.line, join_key(key, name), "must be true or false")
            return default
        return word in ("true", "yes", "on")

    def texts(self, table: Mapping[str, Entry], name: str, key: str) -> list[tuple[str, int]]:
        """A list of texts, each with its line."""
        entry = table.get(name)
        if entry is None or entry.value is None:
            return []
        if not isinstance(entry.value, list) or not all(isinstance(each.value, str) for each in entry.value):
            self.refuse(entry.line, join_key(key, name), "must be a list of texts")
            return []
        return [(each.value, each.line) for each in entry.value]


_REFUSED = {
    "rate_limit": "is not supported: the exporter limits connections itself; leave it out",
    "cert": "is not supported: Python reads certificates from files only; use cert_file",
    "key": "is not supported: Python reads keys from files only; use key_file",
    "client_ca": "is not supported: use client_ca_file",
    "curve_preferences": "is not supported: Python cannot order curves; leave it out",
}
"""Keys of the toolkit that are refused, with the reason."""


def join_key(key: str, name: str) -> str:
    """A key with its table before it, cut to a length that fits a message."""
    return f"{key}.{name[:60]}" if key else name[:60]


def parsed(path: Path, reader: Reader) -> Entry | None:
    """The values of the file.

    Raises:
        ConfigError: It cannot be read, or is not YAML.
    """
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _entry(yaml.compose(_text(path), Loader=loader), reader, "", ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "a character that YAML does not allow"
        line = mark.line + 1 if mark is not None else None
        raise ConfigError([Problem(f"is not valid YAML: {reason}", path, line=line)]) from None
    except (RecursionError, ValueError):
        raise ConfigError([Problem("is not valid YAML", path)]) from None


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except ConfigError as error:
        raise ConfigError(problem._replace(hint=None) for problem in error.problems) from None


def _entry(node: Any, reader: Reader, key: str, outer: tuple[int, ...]) -> Entry | None:
    """A node of YAML as an entry; a key that occurs twice is a mistake."""
    if node is None:
        return None
    line = node.start_mark.line + 1
    if id(node) in outer or len(outer) > 8:
        reader.refuse(line, key, "is nested too deep")
        return Entry(None, line)
    within = (*outer, id(node))
    if node.id == "scalar":
        kind = str(node.tag).rpartition(":")[2]
        return Entry(None if kind == "null" else node.value, line, is_text=kind == "str")
    if node.id == "sequence":
        return Entry([_entry(each, reader, key, within) for each in node.value], line)
    table: dict[str, Entry] = {}
    for name, value in node.value:
        if name.id != "scalar":
            reader.refuse(name.start_mark.line + 1, key, "a key must be a text")
            continue
        place = join_key(key, name.value)
        inner = _entry(value, reader, place, within) or Entry(None, line)
        if name.value in table:
            reader.refuse(name.start_mark.line + 1, place, "occurs twice")
        table[name.value] = inner._replace(line=name.start_mark.line + 1)
    return Entry(table, line)
