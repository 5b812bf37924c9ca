"""Reads TOML: configurations of this program, from another machine or context."""

from __future__ import annotations

import re
from typing import Any

from revvlink_cli.config.documents import read_toml
from revvlink_cli.config.node_lists.syntax.tree import (
    DEEPEST,
    Document,
    Items,
    ListSyntaxError,
    Syntax,
    Table,
    Value,
    text_or_variable,
)
from revvlink_cli.config.problems import ConfigError

_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*([\w-]+)[ \t]*\]\]", re.MULTILINE)


def is_toml(text: str) -> bool:
    """Whether a text has arrays of tables, as TOML writes them."""
    return _HEADER.search(text) is not None


def read_toml_list(text: str) -> Document:
    """The values of a TOML document; a table of an array has the line of its header.

    Raises:
        ListSyntaxError: It is not TOML.
    """
    try:
        found = read_toml(text)
    except ConfigError as error:
        problem = error.problems[0]
        raise ListSyntaxError(problem.message, problem.line) from None
    lines: dict[str, list[int]] = {}
    for header in _HEADER.finditer(text):
        lines.setdefault(header[1], []).append(text.count("\n", 0, header.end()) + 1)
    return Document(_value(found, 1, lines, 0), Syntax.TOML)


def _value(value: Any, line: int, lines: dict[str, list[int]], depth: int) -> Value:
    if depth > DEEPEST:
        raise ListSyntaxError("is nested too deep", line)
    if isinstance(value, dict):
        return Table({key: _named(key, item, line, lines, depth + 1) for key, item in value.items()}, line)
    if isinstance(value, list):
        return Items(tuple(_value(item, line, lines, depth + 1) for item in value), line)
    return text_or_variable(str(value).lower() if isinstance(value, bool) else str(value), line)


def _named(key: str, value: Any, line: int, lines: dict[str, list[int]], depth: int) -> Value:
    """A value with a key: the tables of an array each begin at a header of their own."""
    if isinstance(value, list) and len(headers := lines.get(key, [])) == len(value):
        tables = zip(value, headers, strict=True)
        return Items(tuple(_value(item, header, {}, depth) for item, header in tables), headers[0])
    return _value(value, line, {}, depth)
