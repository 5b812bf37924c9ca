"""Reads lists of variables: ``.env`` files, and what ``export`` takes."""

from __future__ import annotations

import re

from revvlink_cli.config.node_lists.syntax.tree import Document, Syntax, Table, Value, text_or_variable

LONGEST_VALUE = 65_536
"""Characters of a value that names other variables, once they are filled in: some that double each other grow fast."""

_LINE = re.compile(
    r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][\w.]*)[ \t]*=[ \t]*"
    r"(?:'(?P<single>[^']*+)'|\"(?P<double>(?:[^\"\\]|\\.)*+)\"|(?P<bare>[^\n]*+))[ \t]*(?:#[^\n]*+)?(?:\n|\Z)",
    re.DOTALL,
)
_IGNORED = re.compile(r"[ \t]*(?:#[^\n]*+)?(?:\n|\Z)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t"}
_REFERENCE = re.compile(r"\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)")


def read_variables(text: str) -> Document | None:
    """The variables of a text; None if it is not such a list."""
    entries: dict[str, Value] = {}
    known: dict[str, str] = {}
    position, line = 0, 1
    while position < len(text):
        if (ignored := _IGNORED.match(text, position)) and ignored.end() > position:
            line += text.count("\n", position, ignored.end())
            position = ignored.end()
            continue
        found = _LINE.match(text, position)
        if found is None:
            return None
        name, value = found["name"], _value(found)
        if found["single"] is None:
            longer = _REFERENCE.sub(lambda name: known.get(name[1] or name[2], name[0]), value)
            value = longer if len(longer) <= LONGEST_VALUE else value
        known[name] = value
        entries[name] = text_or_variable(value, line)
        line += text.count("\n", position, found.end())
        position = found.end()
    return Document(Table(entries, 1), Syntax.VARIABLES) if entries else None


def _value(found: re.Match[str]) -> str:
    if found["single"] is not None:
        return found["single"]
    if found["double"] is not None:
        return _ESCAPE.sub(lambda escape: _CONTROL.get(escape[1], escape[1]), found["double"])
    return re.sub(r"(?:^|[ \t])#.*", "", found["bare"]).strip()
