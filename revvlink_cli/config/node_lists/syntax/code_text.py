"""Reads the literals in code: JSON, and the objects, lists and calls of JavaScript, TypeScript, Python and C#.

The code is never executed, and need not be correct: brackets, names and texts are enough to find a list of nodes. What
has a value only when the code runs is `Computed`; what comes from the environment is a `Variable`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from revvlink_cli.config.node_lists.syntax.tree import (
    DEEPEST,
    MOST_VALUES,
    Computed,
    Document,
    Items,
    ListSyntaxError,
    ListTooLargeError,
    Nothing,
    Syntax,
    Table,
    Text,
    Value,
    Variable,
    text_or_variable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
      (?P<space>\s++)
    | (?P<comment>//[^\n]*+ | /\*(?:.*?\*/|.*) | \#[^\n]*+)
    | (?P<long>\"\"\"(?:.*?\"\"\"|.*) | '''(?:.*?'''|.*))
    | (?P<text>[bfruBFRU@$]?\"(?:[^\"\\\n]|\\.)*+\"? | [bfruBFRU]?'(?:[^'\\\n]|\\.)*+'?)
    | (?P<template>`(?:[^`\\]|\\.)*+`?)
    | (?P<number>\d[\w.]*+)
    | (?P<name>[^\W\d][\w$]*+(?:\??\.[^\W\d][\w$]*+)*+ | \$[\w$]*+)
    | (?P<sign>=> | ===? | !==? | <= | >= | := | \|\| | && | \?\? | .)
    """,
    re.VERBOSE | re.DOTALL,
)

_CLOSING = {"(": ")", "[": "]", "{": "}"}

_NOTHING = frozenset({"null", "None", "undefined"})

_GETTERS = re.compile(
    r"(?:os\.)?getenv|(?:os\.)?environ\.get|(?:process|import\.meta|Bun|Deno)\.env(?:\.get)?|env|config"
    r"|(?:System\.)?Environment\.GetEnvironmentVariable|(?:os\.)?environ"
)
"""What is called, or has an index, to read a variable of the environment."""

_VARIABLE = re.compile(r"(?:process|import\.meta|Bun)\.env\.(\w+)")

_WRAPPERS = frozenset(
    {"Uri", "URL", "System.Uri", "String", "Number", "Boolean", "parseInt", "str", "int", "int.Parse"}
)
"""Calls whose value is that of their first argument, as far as a node is concerned."""

_LISTS = re.compile(r"(?:ImmutableArray|ImmutableList)\.Create(?:Range)?|list|tuple|set|List|Array\.of|Object\.freeze")
"""Calls that make a list of their arguments."""


class Token(NamedTuple):
    """A name, a text, a number or a sign."""

    kind: str
    text: str
    line: int


@dataclass(slots=True, eq=False)
class Group:
    """Everything within a pair of brackets."""

    opening: str
    line: int
    parts: list[Part] = field(default_factory=list)


Part: TypeAlias = Token | Group


def read_code(text: str) -> Document:
    """The literals of a text.

    Raises:
        ListSyntaxError: It is nested too deep, or ends within brackets.
    """
    outside = Group("", 1)
    stack = [outside]
    for token in _tokens(text):
        if token.kind != "sign" or token.text not in "()[]{}":
            stack[-1].parts.append(token)
        elif token.text in _CLOSING:
            if len(stack) > DEEPEST:
                raise ListSyntaxError("is nested too deep", token.line)
            group = Group(token.text, token.line)
            stack[-1].parts.append(group)
            stack.append(group)
        elif any(_CLOSING.get(group.opening) == token.text for group in stack):
            while _CLOSING.get(stack.pop().opening) != token.text:
                pass  # an inner bracket has no end: that of the outer one is its end, too
    if len(stack) > 1:
        opened = stack[-1]
        raise ListSyntaxError(f"has no {_CLOSING[opened.opening]} for the {opened.opening} of this line", opened.line)
    root = _table(outside, "")
    if not root.entries and len(root.positional) == 1:
        return Document(root.positional[0], Syntax.CODE)
    return Document(root, Syntax.CODE)


def _tokens(text: str) -> Iterator[Token]:
    line, count = 1, 0
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        if kind not in ("space", "comment"):
            count += 1
            if count > MOST_VALUES:
                raise ListTooLargeError(line)
            yield Token("text" if kind == "long" else kind, found[0], line)
        line += found[0].count("\n")


def _table(group: Group, name: str) -> Table:
    """The values of a group, by name and by position."""
    entries: dict[str, Value] = {}
    positional: list[Value] = []
    for item in _items(group):
        key, parts = _split(item)
        value, rest = _value(parts)
        if key is not None and value is not None and key not in entries:
            entries[key] = value
        elif key is not None:
            positional += [value] if isinstance(value, (Items, Table)) else []  # code sets a name again
        elif value is not None and not isinstance(value, Computed):
            positional.append(value)
        elif value is not None and group.opening in ("(", "[") and not _is_spread(parts[0]):
            positional.append(value)  # an argument keeps the place of the next ones
        positional += rest
    return Table(entries, group.line, name, tuple(positional))


def _is_spread(part: Part) -> bool:
    """Whether a part stands for the items of another list: ``*more``, ``...more``."""
    return isinstance(part, Token) and part.text in ("*", ".")


def _items(group: Group) -> Iterator[list[Part]]:
    """The items of a group: between commas, semicolons, and lines where code is not within round or square brackets."""
    item: list[Part] = []
    by_line = group.opening in ("", "{")
    for part in group.parts:
        if isinstance(part, Token) and part.kind == "sign" and part.text in ",;":
            if item:
                yield item
            item = []
            continue
        if by_line and item and part.line > _last_line(item[-1]) and _begins(part, item[-1]):
            yield item
            item = []
        item.append(part)
    if item:
        yield item


def _last_line(part: Part) -> int:
    while isinstance(part, Group):
        if not part.parts:
            return part.line
        part = part.parts[-1]
    return part.line + part.text.count("\n")


def _begins(part: Part, before: Part) -> bool:
    """Whether a part at the beginning of a line begins an item, because the one before is complete."""
    if isinstance(part, Group) or part.kind == "sign":
        return False
    return isinstance(before, Group) or before.kind != "sign" or before.text == "!"


def _split(item: list[Part]) -> tuple[str | None, list[Part]]:
    """The key of an item and the parts of its value.

    The key is the name before the first ``:`` or ``=``; a type may stand between: ``nodes: Options[] = [...]``.
    """
    for index, part in enumerate(item):
        if isinstance(part, Token) and part.kind == "sign" and part.text in (":", "="):
            before = item[index - 1] if index else None
            if not isinstance(before, Token) or before.kind not in ("name", "text", "number"):
                return None, item
            rest = item[index + 1 :]
            if part.text == ":":
                for later, sign in enumerate(rest):
                    if isinstance(sign, Token) and sign.text == "=":
                        rest = rest[later + 1 :]
                        break
            key = _unquoted(before.text) if before.kind == "text" else before.text.rpartition(".")[2]
            return key, rest
        if isinstance(part, Token) and part.kind == "sign" and part.text in ("=>", "==", "==="):
            return None, item
    return None, item


def _value(parts: list[Part]) -> tuple[Value | None, list[Value]]:
    """The value of an expression, and the groups in it that are not part of the value."""
    is_new = False
    while parts and isinstance(parts[0], Token) and parts[0].text in ("new", "await", "export", "default", "return"):
        is_new = parts[0].text == "new"
        parts = parts[1:]
    if not parts:
        return None, []
    first = parts[0]
    groups = [part for part in parts if isinstance(part, Group)]
    if isinstance(first, Group):
        if is_new and first.opening == "[" and not first.parts and len(groups) > 1:  # C#: new[] { "a" }
            return Items(_table(groups[1], "").positional, first.line), [_bracket(group) for group in groups[2:]]
        value = _bracket(first)
        if is_new and isinstance(value, Items) and len(value.values) == 1:  # C#: new("http://localhost:2333")
            value = value.values[0]
        return value, [_bracket(group) for group in groups[1:]]
    if first.kind in ("text", "template", "number"):
        is_alone = not any(isinstance(part, Token) and part.text in ("+", "%", ".") for part in parts[1:])
        return (_literal(first) if is_alone else Computed(first.line)), [_bracket(group) for group in groups]
    if first.kind == "name":
        return _named(first, parts, groups)
    return Computed(first.line), [_bracket(group) for group in groups]


def _literal(token: Token) -> Value:
    if token.kind == "number":
        return Text(token.text.replace("_", ""), token.line)
    if token.kind == "template":
        found = re.fullmatch(r"`\$\{\s*(?:process|import\.meta|Bun)\.env\.(\w+)\s*\}`?", token.text)
        if found is not None:
            return Variable(found[1], None, token.line)
    if token.text[0] in "fF$" and "{" in token.text:
        return Computed(token.line)
    return text_or_variable(_unquoted(token.text), token.line)


def _named(first: Token, parts: list[Part], groups: list[Group]) -> tuple[Value, list[Value]]:
    """The value of an expression that begins with a name."""
    line, name = first.line, first.text.replace("?.", ".")
    if name in _NOTHING:
        return Nothing(line), []
    if name in ("true", "false", "True", "False"):
        return Text(name, line), []
    if (found := _VARIABLE.fullmatch(name)) is not None:
        return Variable(found[1], _default(parts), line), []
    # The last name before the first bracket: `await wavelink.Pool.connect(`, `new LavalinkClusterNodeOptions {`.
    called = next((index for index, part in enumerate(parts) if isinstance(part, Group)), None)
    if called is None:
        return Computed(line), []
    before = parts[called - 1]
    name = before.text.replace("?.", ".") if isinstance(before, Token) and before.kind == "name" else name
    group, rest = groups[0], groups[1:]
    arguments = _table(group, name)
    if _GETTERS.fullmatch(name) and group.opening in ("(", "["):
        match arguments.positional:
            case (Text(text=variable), *more):
                default = more[0].text if more and isinstance(more[0], Text) else _default(parts)
                return Variable(variable, default, line), []
    if name in _WRAPPERS and group.opening == "(" and arguments.positional:
        return arguments.positional[0], []
    if _LISTS.fullmatch(name.split("<")[0]) and group.opening == "(":
        return Items(arguments.positional, line), [_bracket(inner) for inner in rest]
    if group.opening == "[" and rest and rest[0].opening == "{" and not group.parts:  # C#: new string[] { "a" }
        return Items(_table(rest[0], "").positional, line), []
    if group.opening == "(" and rest and rest[0].opening == "{" and not group.parts:  # C#: new Options() { A = "b" }
        return _table(rest[0], name), [_bracket(inner) for inner in rest[1:]]
    return arguments, [_bracket(inner) for inner in rest]


def _default(parts: list[Part]) -> str | None:
    """The text after ``||``, ``??`` or ``or``."""
    for index, part in enumerate(parts[:-1]):
        following = parts[index + 1]
        if isinstance(part, Token) and part.text in ("||", "??", "or") and isinstance(following, Token):
            return _unquoted(following.text) if following.kind in ("text", "number") else None
    return None


def _bracket(group: Group) -> Value:
    table = _table(group, "")
    if group.opening == "[" or (group.opening == "(" and not table.entries):
        return Items((*table.positional, *table.entries.values()), group.line)
    return table


_ESCAPE = re.compile(
    r"\\(?:u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))", re.DOTALL
)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}


def _unquoted(text: str) -> str:
    """What a text in quotes stands for."""
    prefix = len(text) - len(text.lstrip("bfruBFRU@$")) if text[:1] not in "\"'`" else 0
    is_raw, text = "r" in text[:prefix].lower() or "@" in text[:prefix], text[prefix:]
    quote = text[:3] if text[:3] in ('"""', "'''") and len(text) >= 6 else text[:1]
    if quote not in ('"""', "'''", '"', "'", "`"):
        return text
    text = text[len(quote) :].removesuffix(quote)
    if is_raw:
        return text
    decoded = _ESCAPE.sub(_unescaped, text)
    # Two halves of a character beyond 16 bits are one.
    return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescaped(found: re.Match[str]) -> str:
    digits = found[1] or found[2] or found[3] or found[4]
    if digits is None:
        return _CONTROL.get(found[5], found[5])
    code = int(digits, 16)
    return chr(code) if code < 0x110000 else "\ufffd"
