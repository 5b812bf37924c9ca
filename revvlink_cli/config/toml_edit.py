"""Changes single keys and tables in the text of a TOML document, and leaves every other byte as it is.

Statements (lines of keys, and headers of tables) are found by `revvlink_cli.config.locate` and changed in place.
tomlkit changes a value that holds the changed key inside it, such as an inline table. Each result is compared with
what the same change makes of the parsed document, so that no change does more or less than it says.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, assert_never

from revvlink_cli.config.locate import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from revvlink_cli.config.locate import Path, Statement


class Set(NamedTuple):
    """Gives a key this value, whether it is there or not."""

    path: Path
    value: Any


class Remove(NamedTuple):
    """Removes a key or a table, if it is there."""

    path: Path


class Append(NamedTuple):
    """Adds a table to an array of tables, at the end of the document."""

    name: str
    table: dict[str, Any]


Change: TypeAlias = Set | Remove | Append
"""One change of a document."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK_LINES = re.compile(r"(?:[ \t]*\r?\n)+")


class CannotEditError(ValueError):
    """Raised when the text is written in a way in which a change has no safe place."""


def edit(text: str, changes: Iterable[Change]) -> str:
    """The text with these changes made, one after the other.

    Args:
        text: A valid TOML document.
        changes: The changes; indices in their paths count at the moment of the change.

    Raises:
        CannotEditError: A change cannot be made without rewriting other parts of the document.
    """
    import tomllib

    expected = tomllib.loads(text)
    for group in _groups(changes):
        try:
            for change in group:
                _apply(expected, change)
        except (AttributeError, LookupError, TypeError):
            raise CannotEditError("a key on the way is not a table") from None
        text = _edited(text, group)
    try:
        found = tomllib.loads(text)
    except ValueError as error:
        raise CannotEditError(str(error)) from None
    if _without_empty(found) != _without_empty(expected):
        raise CannotEditError("other keys would change")
    return text


def _without_empty(value: Any) -> Any:
    """A document without its empty tables: one that exists only through its last key disappears with it."""
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item != {}}
    return [_without_empty(item) for item in value] if isinstance(value, list) else value


def _apply(document: dict[str, Any], change: Change) -> None:
    """Make the change in the parsed document."""
    match change:
        case Set(path, value):
            _table_at(document, path[:-1])[path[-1]] = copy.deepcopy(value)
        case Remove(path):
            found: Any = document
            for part in path[:-1]:
                found = found.get(part, {}) if isinstance(found, dict) else found[part]
            last: Any = path[-1]
            if isinstance(found, list) or last in found:
                del found[last]
        case Append(name, table):
            document.setdefault(name, []).append(copy.deepcopy(table))
        case _:
            assert_never(change)


def _table_at(document: dict[str, Any], path: Path) -> Any:
    """The table at a path; missing ones are made."""
    found: Any = document
    for part in path:
        found = found.setdefault(part, {}) if isinstance(found, dict) else found[part]
    return found


def _groups(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """The changes, with those together that take one search of the text: large fleets are added and removed at once."""
    group: list[Change] = []
    for change in changes:
        match (group[-1] if group else None), change:
            case Append(name), Append(same) if name == same:
                pass
            case Remove((*table, int(last))), Remove((*same_table, int(index))) if table == same_table and index < last:
                pass  # the indices of those that follow stay as they are
            case _:
                if group:
                    yield group
                group = []
        group.append(change)
    if group:
        yield group


def _edited(text: str, group: Sequence[Change]) -> str:
    """Make the changes of a group in the text."""
    match group[0]:
        case Set(path, value):
            return _set(text, path, value)
        case Remove():
            return _remove(text, [change.path for change in group if isinstance(change, Remove)])
        case Append(name):
            tables = [change.table for change in group if isinstance(change, Append)]
            holder = _holder(statements(text), (name,))
            if holder is not None:
                return _within(text, holder, lambda value: value.extend(map(_item, tables)))
            for table in tables:
                text = _with_table(text, f"[[{_key(name)}]]", table)
            return text
        case _:
            assert_never(group[0])


def _holder(found: Sequence[Statement], path: Path) -> Statement | None:
    """The statement whose value is at this path, or holds it."""
    return next((one for one in found if not one.is_header and one.path == path[: len(one.path)]), None)


def _set(text: str, path: Path, value: Any) -> str:
    found = statements(text)
    holder = _holder(found, path)
    if holder is not None:
        if holder.path == path:
            return f"{text[: holder.value]}{_written(value)}{text[holder.end :]}"
        inner = path[len(holder.path) :]

        def change(whole: Any) -> None:
            for part in inner[:-1]:
                if isinstance(whole, dict) and part not in whole:
                    whole[part] = _item({})
                whole = whole[part]
            whole[inner[-1]] = _item(value)

        return _within(text, holder, change)
    if any(one.path[: len(path)] == path for one in found):  # a table of its own
        text = _remove(text, [path])
        found = statements(text)
    return _insert(text, found, path, value)


def _insert(text: str, found: Sequence[Statement], path: Path, value: Any) -> str:
    """Add a key that is not there."""
    if len(path) == 1:
        if not isinstance(value, dict):
            raise CannotEditError(f"{path[0]} is a table")
        return _with_table(text, f"[{_key(path[0])}]", value)
    headers = {one.path: number for number, one in enumerate(found) if one.is_header}
    for length in range(len(path) - 1, 0, -1):
        if path[:length] in headers:
            first = headers[path[:length]]
            last = first
            while last + 1 < len(found) and not found[last + 1].is_header:
                last += 1
            return _with_line(text, found[last], path[length:], value)
    beside = [one for one in found if not one.is_header and not one.table and one.path[:1] == path[:1]]
    if beside:  # the table is written as dotted keys at the top
        return _with_line(text, beside[-1], path, value)
    return _with_table(text, f"[{'.'.join(map(_key, path[:-1]))}]", {str(path[-1]): value})


def _with_line(text: str, before: Statement, path: Path, value: Any) -> str:
    """Add a key on a line of its own behind a statement, with the same indentation."""
    newline = _newline(text)
    at = _line_end(text, before.end)
    start = text.rfind("\n", 0, before.start) + 1
    line = f"{text[start : before.start]}{'.'.join(map(_key, path))} = {_written(value)}"
    if not text[:at].endswith("\n"):
        return f"{text}{newline}{line}"
    return f"{text[:at]}{line}{newline}{text[at:]}"


def _with_table(text: str, header: str, table: dict[str, Any]) -> str:
    """Add a table to the end, with a blank line before it."""
    newline = _newline(text)
    lines = [header, *(f"{_key(name)} = {_written(value)}" for name, value in table.items())]
    gap = "" if not text else newline if text.endswith("\n") else newline * 2
    return f"{text}{gap}{newline.join(lines)}{newline}"


def _remove(text: str, paths: Sequence[Path]) -> str:
    """Remove keys or tables that are in the same table; of an array, in descending order."""
    found = statements(text)
    holder = _holder(found, paths[0])
    if holder is not None and holder.path not in paths:
        within = holder.path

        def change(whole: Any) -> None:
            for path in paths:
                _delete(whole, path[len(within) :])

        return _within(text, holder, change)
    wanted = set(paths)
    length = len(paths[0])
    spans: list[tuple[Statement, Statement, Path]] = []
    before: Path = ()
    for one in found:
        path = one.path[:length]
        if path in wanted and path == before:
            spans[-1] = (spans[-1][0], one, path)
        elif path in wanted:
            spans.append((one, one, path))
        before = path
    for first, last, _ in reversed(spans):
        start, end = text.rfind("\n", 0, first.start) + 1, _line_end(text, last.end)
        above, below = text[:start], text[end:]
        if first.is_header:
            above, below = _joined(above, below)
        text = above + below
    return text


def _delete(whole: Any, path: Path) -> None:
    """Delete a key or an item inside a value, if it is there."""
    for part in path[:-1]:
        if isinstance(whole, dict) and part not in whole:
            return
        whole = whole[part]
    if not isinstance(whole, dict) or path[-1] in whole:
        del whole[path[-1]]


def _joined(before: str, after: str) -> tuple[str, str]:
    """The texts around a removed table, with no more blank lines between them than there were on one side."""
    if not after.strip():
        kept = before.rstrip()
        return (before[: _line_end(before, len(kept))] if kept else ""), ""
    blank = _BLANK_LINES.match(after)
    if blank is not None and (not before or before.endswith(("\n\n", "\n\r\n"))):
        after = after[blank.end() :]
    return before, after


def _within(text: str, holder: Statement, change: Any) -> str:
    """Change a part of a value that is an inline table or an array."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    document = tomlkit.parse(f"v = {text[holder.value : holder.end]}\n")
    try:
        change(document["v"])
    except (TOMLKitError, TypeError, AttributeError, LookupError) as error:
        raise CannotEditError(str(error)) from None
    written = tomlkit.dumps(document).removeprefix("v = ").removesuffix("\n")
    return f"{text[: holder.value]}{written}{text[holder.end :]}"


def _written(value: Any) -> str:
    """A value in TOML, on one line."""
    return str(_item(value).as_string())


def _item(value: Any) -> Any:
    """A value as tomlkit has it; tables are inline."""
    import tomlkit

    if isinstance(value, dict):
        table = tomlkit.inline_table()
        for name, item in value.items():
            table.append(name, _item(item))
        return table
    if isinstance(value, (list, tuple)):
        array = tomlkit.array()
        for item in value:
            array.append(_item(item))
        return array
    return tomlkit.item(value)


def _key(name: str | int) -> str:
    """A key in TOML, in quotes where it needs them."""
    return str(name) if _BARE.fullmatch(str(name)) else _written(str(name))


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _line_end(text: str, at: int) -> int:
    """The index behind the line end that follows."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1
