"""Finds keys by the names that people type, such as ``nodes.us-1.region``, and reads their values from text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli._suggestions import closest, nearest
from revvlink_cli.config import schema
from revvlink_cli.config.schema import Key, Kind
from revvlink_cli.config.values import read_threshold, read_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from revvlink_cli.config.locate import Path

_PART = re.compile(r"""\.?(?:\[(?P<bracket>[^]]*)\]|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^.\[\]"']+))""")
_TABLES = frozenset({Kind.HEADERS, Kind.RANGES, Kind.REQUIREMENTS, Kind.TAGS})
_LISTS = frozenset({Kind.TEXTS, Kind.PLUGINS, Kind.CODES})
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class UnknownKeyError(ValueError):
    """Raised for a name that is not a key.

    Attributes:
        hint: What may have been meant.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class NamedKey(NamedTuple):
    """A key that a name stands for.

    Attributes:
        name: The name, with nodes by identifier.
        path: Where it is in the document.
        key: Its entry in the table of keys; None for a whole section or node.
        check: The check whose threshold it is, or None.
    """

    name: str
    path: Path
    key: Key | None
    check: str | None = None

    @property
    def is_table(self) -> bool:
        """Whether it holds keys instead of a value."""
        return self.key is None or (self.key.kind in _TABLES and self.check is None)

    @property
    def inner(self) -> tuple[str, ...]:
        """The names of the keys that it holds, as far as they are known."""
        match self.key:
            case None:
                return tuple(key.name for key in schema.SECTIONS.get(str(self.path[0]), ()))
            case Key(kind=Kind.REQUIREMENTS):
                return tuple(key.name for key in schema.REQUIREMENTS)
            case Key(kind=Kind.RANGES):
                return _judged()
        return ()

    def read(self, text: str) -> Any:
        """The value that a text stands for, as it is written in the file.

        Raises:
            ValueError: The key does not take this value.
        """
        if self.key is None:
            raise ValueError(f"is a table; set one of its keys, such as {self.name}.{(*self.inner, 'NAME')[0]}")
        if self.check is not None:
            read_threshold(self.check, text)
            return text
        return read_text(self.key, text)


def find_key(name: str, document: Mapping[str, Any]) -> NamedKey:
    """The key that a name stands for: a section and a key, or ``nodes``, a node and a key.

    Nodes are named by identifier, ``nodes.us-1.region`` or ``nodes[us-1].region``, or by position from 0,
    ``nodes[0].region``. Parts with dots are written in quotes.

    Args:
        name: The name.
        document: The configuration, which has the names of nodes.

    Raises:
        UnknownKeyError: There is no such key, or the name stands for several nodes.
    """
    parts = _parts(name)
    section, *rest = parts
    if section == "nodes":
        return _node_key(name, rest, document)
    if section == "regions":
        return _region_key(rest)
    if section not in schema.SECTIONS:
        known = [*schema.SECTIONS, "regions"]
        raise UnknownKeyError(f"{name}: there is no section {section}", nearest(section, known))
    return _below(section, (section,), schema.SECTIONS[section], rest)


def read_text(key: Key, text: str) -> Any:
    """The value of a key that a text stands for. Lists are separated by commas, or written as in TOML.

    Raises:
        ValueError: The key does not take this value.
    """
    value: Any = text
    match key.kind:
        case Kind.INTEGER | Kind.NUMBER | Kind.DURATION | Kind.QUORUM | Kind.HOLD if (
            number := _number(text)
        ) is not None:
            value = number
        case Kind.BOOLEAN:
            value = _TRUTH.get(text.strip().casefold(), text)
        case kind if kind in _LISTS:
            is_toml = text.lstrip().startswith("[")
            value = _toml(text) if is_toml else [item.strip() for item in text.split(",") if item.strip()]
        case kind if kind in _TABLES:
            if not text.lstrip().startswith("{"):
                raise ValueError("is a table; set its keys one by one, or write it as in TOML: { NAME = VALUE }")
            value = _toml(text)
    read_value(key, value)
    return value


def key_names(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The name of every key that can be set, each with its meaning."""
    for section, keys in schema.SECTIONS.items():
        if section != "nodes":
            yield from _names(f"{section}.", keys)
    for node in _nodes(document):
        name = str(node.get("identifier", ""))
        if name:
            yield from _names(f"nodes[{name}]." if "." in name else f"nodes.{name}.", schema.NODE)


def node_positions(document: Mapping[str, Any], name: str) -> list[int]:
    """The positions of the nodes with this identifier: several where the configuration is wrong."""
    return [index for index, node in enumerate(_nodes(document)) if node.get("identifier") == name]


def node_names(document: Mapping[str, Any]) -> list[str]:
    """The identifiers of the nodes, also in a configuration with mistakes."""
    return [str(node["identifier"]) for node in _nodes(document) if "identifier" in node]


def _nodes(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = document.get("nodes")
    return [node if isinstance(node, dict) else {} for node in found] if isinstance(found, list) else []


def _judged() -> tuple[str, ...]:
    from revvlink_cli.health.catalogue import JUDGED  # few commands need it

    return tuple(JUDGED)


def _names(prefix: str, keys: Sequence[Key]) -> Iterator[tuple[str, str]]:
    for key in keys:
        if key.kind is Kind.RANGES:
            yield from ((f"{prefix}{key.name}.{code}", key.help) for code in _judged())
        elif key.kind is Kind.REQUIREMENTS:
            yield from _names(f"{prefix}{key.name}.", schema.REQUIREMENTS)
        elif key.kind not in _TABLES:
            yield f"{prefix}{key.name}", key.help


def _parts(name: str) -> list[str]:
    """The parts of a dotted name."""
    parts: list[str] = []
    at = 0
    while at < len(name):
        found = _PART.match(name, at)
        if found is None:
            raise UnknownKeyError(f"{name} is not a name of a key", "write SECTION.KEY or nodes.NAME.KEY")
        parts.append(f"[{found['bracket']}" if found["bracket"] is not None else str(found[found.lastgroup or ""]))
        at = found.end()
    if not parts:
        raise UnknownKeyError("the name of the key is empty", "write SECTION.KEY or nodes.NAME.KEY")
    return parts


def _node_key(name: str, rest: list[str], document: Mapping[str, Any]) -> NamedKey:
    known = node_names(document)
    if not rest:
        raise UnknownKeyError(f"{name}: which node?", "write nodes.NAME.KEY")
    label, length = rest[0].removeprefix("["), 1
    if not rest[0].startswith("["):
        for count in range(len(rest), 0, -1):
            if ".".join(rest[:count]) in known:
                label, length = ".".join(rest[:count]), count
                break
    positions = node_positions(document, label)
    count = len(_nodes(document))
    if not positions and rest[0].startswith("[") and label.isdecimal() and int(label) < count:
        positions = [int(label)]
        named = str(_nodes(document)[positions[0]].get("identifier", ""))
        label = named if known.count(named) == 1 else f"[{label}]"
    if len(positions) > 1:
        both = " or ".join(f"nodes[{position}]" for position in positions)
        raise UnknownKeyError(f"{name}: {len(positions)} nodes are named {label}", f"write {both}")
    if not positions:
        near = closest(label, known)
        raise UnknownKeyError(
            f"{name}: no node named {label} is configured",
            f"did you mean nodes.{near}?" if near is not None else "see `revvlink nodes list`",
        )
    shown = f"nodes{label}" if label.startswith("[") else f"nodes.{label}" if "." not in label else f"nodes[{label}]"
    return _below(shown, ("nodes", positions[0]), schema.NODE, rest[length:])


def _region_key(rest: list[str]) -> NamedKey:
    if not rest:
        return NamedKey("regions", ("regions",), None)
    label = ".".join(part.removeprefix("[") for part in rest)
    return NamedKey(f"regions.{label}", ("regions", label), Key(label, Kind.TEXTS, schema.REGIONS_HELP))


def _below(name: str, path: Path, keys: Sequence[Key], rest: Sequence[str]) -> NamedKey:
    """The key that the rest of a name stands for, among the keys of a table."""
    if not rest:
        return NamedKey(name, path, None)
    part, *more = (word.removeprefix("[") for word in rest)
    key = next((key for key in keys if key.name == part), None)
    if key is None:
        hint = nearest(part, [key.name for key in keys])
        raise UnknownKeyError(f"{name} has no key {part}", hint)
    name, path = f"{name}.{part}", (*path, part)
    if not more:
        return NamedKey(name, path, key)
    inner = ".".join(more)
    match key.kind:
        case Kind.HEADERS:
            return NamedKey(f"{name}.{inner}", (*path, inner), Key(inner, Kind.TEXT, key.help, secret=True))
        case Kind.RANGES:
            from revvlink_cli.health.policy import read_judged

            try:
                code = read_judged(inner)
            except ValueError as error:
                raise UnknownKeyError(f"{name}.{inner}: {error}", "see `revvlink check --list`") from None
            return NamedKey(f"{name}.{inner}", (*path, inner), key, check=code)
        case Kind.REQUIREMENTS:
            return _below(name, path, schema.REQUIREMENTS, more)
        case Kind.TAGS:
            return _below(f"{name}.{more[0]}", (*path, more[0]), schema.REQUIREMENTS, more[1:])
    raise UnknownKeyError(f"{name} has no keys of its own", f"write {name}")


def _number(text: str) -> int | float | None:
    """The number that a text is, or None."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _toml(text: str) -> Any:
    """A value written as in TOML.

    Raises:
        ValueError: It is none.
    """
    from revvlink_cli.config.documents import read_toml
    from revvlink_cli.config.problems import ConfigError

    try:
        found = read_toml(f"value = {text}")
    except ConfigError:
        found = {}
    if list(found) != ["value"]:
        raise ValueError('is not a value in TOML, such as ["a", "b"] or { NAME = "value" }')
    return found["value"]
