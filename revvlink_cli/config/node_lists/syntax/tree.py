"""The values of a text that is not executed: texts, names of variables, lists and tables, each with its line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEEPEST = 64
"""Levels of nesting that are read."""


MOST_VALUES = 400_000
"""Names, texts, numbers and signs of one text. A list of 8,000 nodes has about 150,000."""


class Syntax(Enum):
    """What a text is written in."""

    CODE = "code"
    YAML = "YAML"
    TOML = "TOML"
    VARIABLES = "variables"


class ListSyntaxError(Exception):
    """A text that cannot be read.

    Attributes:
        message: What is wrong, without a value of the text.
        line: Its line, from 1, or None.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class ListTooLargeError(ListSyntaxError):
    """A text with more values than a list of nodes has."""

    def __init__(self, line: int) -> None:
        super().__init__("is too large for a list of nodes", line)


@dataclass(frozen=True, slots=True)
class Text:
    """A text, a number or a word such as ``true``, as written."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that is in an environment variable, and the value that stands for it if the variable is not set."""

    name: str
    default: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Computed:
    """A value that only running the code would show, or a text that contains a variable."""

    line: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No value: ``null``, ``None``."""

    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """A list."""

    values: tuple[Value, ...]
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Values by name, and those without a name: an object, or a call with its arguments.

    Attributes:
        entries: The values with a name.
        line: Where it begins.
        name: What is called or created, such as ``wavelink.Node``; "" for an object.
        positional: The values without a name.
    """

    entries: Mapping[str, Value]
    line: int
    name: str = ""
    positional: tuple[Value, ...] = ()
    by_plain_key: Mapping[str, tuple[str, Value]] = field(init=False, repr=False)
    """The entries by `plain_key`, each with its key."""

    def __post_init__(self) -> None:
        """Compare the keys once: every format does it."""
        object.__setattr__(self, "by_plain_key", {plain_key(key): (key, value) for key, value in self.entries.items()})


Value: TypeAlias = Text | Variable | Computed | Nothing | Items | Table


@dataclass(frozen=True, slots=True)
class Document:
    """A text that was read."""

    root: Value
    syntax: Syntax


def plain_key(name: str) -> str:
    """A key as it is compared: without case, ``_`` and ``-``, and without what stands before a dot."""
    return name.rpartition(".")[2].replace("_", "").replace("-", "").casefold()


def child(value: Value | None, *path: str) -> Value | None:
    """The value below a table, by keys; a key may also be written with dots, as in ``server.port``."""
    if not path:
        return value
    if not isinstance(value, Table):
        return None
    for count in range(len(path), 0, -1):
        wanted = [part.replace("-", "").casefold() for part in path[:count]]
        for key, inner in value.entries.items():
            if key.replace("-", "").casefold().split(".") == wanted:
                found = child(inner, *path[count:])
                if found is not None:
                    return found
    return None


def walk(root: Value) -> Iterator[tuple[str, Value]]:
    """Every list and table with its key, from the outside to the inside; what several places share comes once."""
    seen: set[int] = set()
    waiting: list[tuple[str, Value]] = [("", root)]
    while waiting:
        key, value = waiting.pop()
        if not isinstance(value, (Items, Table)) or id(value) in seen:
            continue
        seen.add(id(value))
        yield key, value
        if isinstance(value, Items):
            waiting += [(key, item) for item in reversed(value.values)]
        else:
            inner = [*value.entries.items(), *((value.name or key, item) for item in value.positional)]
            waiting += reversed(inner)


_PLACEHOLDER = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*(?::[-=]?([^{}]*))?\}")


def text_or_variable(text: str, line: int) -> Text | Variable | Computed:
    """A text, or the variable that it stands for: ``${NAME}``, ``${NAME:default}``, ``${NAME:-default}``.

    A text that only contains a variable has to be computed. Spring's ``${lavalink.password}`` is the variable
    ``LAVALINK_PASSWORD``.
    """
    found = _PLACEHOLDER.fullmatch(text.strip())
    if found is not None:
        name = found[1].replace(".", "_").upper() if "." in found[1] else found[1]
        return Variable(name, found[2] or None, line)
    return Computed(line, text) if re.search(r"\$\{[A-Za-z_]", text) else Text(text, line)
