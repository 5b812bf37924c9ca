"""The conditions of ``--filter`` over the JSON fields of a row. `filter_syntax` reads them.

A field of a list stands for each of its items. `Condition.bound_to` checks the names and the values.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from revvlink_cli._suggestions import nearest
from revvlink_cli.health.ranges import Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WORD = re.compile(r"[^\s()'\"=!<>~&|]+")

_NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)([A-Za-z%]*)")

KEYWORDS = ("and", "or", "not")
"""Words that are not values without quotes."""

_ORDERS = (">", ">=", "<", "<=")


class FilterError(ValueError):
    """Raised if a condition cannot be read, or names what a row does not have.

    Attributes:
        at: Index in the text where the mistake is.
    """

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True)
class Value:
    """The right side of a comparison.

    Attributes:
        text: The text, without quotes.
        is_quoted: Whether it was quoted: then it is text, also if it looks like a number.
        at: Where it stands.
    """

    text: str
    is_quoted: bool = False
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        """As it can be read again."""
        if not self.is_quoted:
            return self.text
        escaped = self.text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'

    @property
    def is_null(self) -> bool:
        """Whether it is the word null."""
        return not self.is_quoted and self.text == "null"

    @property
    def truth(self) -> bool | None:
        """The boolean that it is, or None."""
        return None if self.is_quoted else {"true": True, "false": False}.get(self.text)

    def number(self, name: str) -> float | None:
        """The number that it is, in the unit of the field `name`: ``2GiB`` of ``memory_used_bytes``; else None."""
        found = None if self.is_quoted else _NUMBER.fullmatch(self.text)
        if found is None:
            return None
        factor = _factors(name).get(found[2])
        return None if factor is None else float(found[1]) * factor


def _factors(name: str) -> Mapping[str, float]:
    """Unit of a number -> factor to the unit of a field, which the end of its name states."""
    if name.endswith("_ms"):
        return {unit: factor * 1000 if unit else 1.0 for unit, factor in Unit.SECONDS.suffixes.items()}
    for ending, unit in (("_bytes", Unit.BYTES), ("_ratio", Unit.RATIO), ("_s", Unit.SECONDS)):
        if name.endswith(ending):
            return {**unit.suffixes, "": 1.0}
    return {"": 1.0}


@dataclass(frozen=True)
class Condition(ABC):
    """A condition on a row. Its text can be read again."""

    @abstractmethod
    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether it holds for a row, given as its JSON object."""

    @abstractmethod
    def bound_to(self, kind: type) -> Condition:
        """The condition with the names of fields as `kind` has them.

        Raises:
            FilterError: There is no such field, or the value cannot be one of it.
        """


@dataclass(frozen=True)
class Comparison(Condition):
    """``FIELD OPERATOR VALUE``. An unknown value is equal to null only, and neither greater nor less than another.

    Attributes:
        path: The field, from the outermost name.
        operator: One of ``==``, ``!=``, ``>``, ``>=``, ``<``, ``<=``, ``~``.
        value: What it is compared with.
        at: Where the field stands.
    """

    path: tuple[str, ...]
    operator: str
    value: Value
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        """As it can be read again."""
        return f"{'.'.join(self.path)} {self.operator} {self.value}"

    def holds(self, row: Mapping[str, Any]) -> bool:
        """See `Condition.holds`."""
        found = list(_values(row, self.path))
        if self.operator == "!=":
            return not any(map(self._is_equal, found))
        return any(map(self._compares, found))

    def bound_to(self, kind: type) -> Condition:
        """See `Condition.bound_to`."""
        path, types = _resolve(kind, self.path, self.at)
        known = types - {NoneType}
        value, name = self.value, path[-1]
        if known and self.operator != "~" and not value.is_null:
            if known <= {int, float} and value.number(name) is None:
                units = ", ".join(filter(None, _factors(name)))
                hint = f" (units: {units})" if units else ""
                raise FilterError(f"{name} is a number, {value} is none{hint}", value.at)
            if known <= {bool} and value.truth is None:
                raise FilterError(f"{name} is true or false, not {value}", value.at)
        if self.operator in _ORDERS and (value.is_null or value.truth is not None):
            raise FilterError(f"{value} is neither greater nor less than anything: use == or !=", value.at)
        return replace(self, path=path)

    @cached_property
    def _number(self) -> float | None:
        return self.value.number(self.path[-1])

    @cached_property
    def _order(self) -> Any:
        return _natural(self.value.text)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return compiled(self.value)

    def _is_equal(self, found: Any) -> bool:
        match found:
            case None:
                return self.value.is_null
            case bool():
                return found is self.value.truth
            case int() | float():
                return found == self._number
            case str():
                return found == self.value.text and not self.value.is_null
        return False

    def _compares(self, found: Any) -> bool:
        if self.operator == "==":
            return self._is_equal(found)
        if self.operator == "~":
            return found is not None and self._pattern.search(_text(found)) is not None
        left: Any
        right: Any
        match found:
            case bool() | None:
                return False
            case int() | float():
                left, right = found, self._number
                if right is None:
                    return False
            case str():
                left, right = _natural(found), self._order
            case _:
                return False
        match self.operator:
            case ">":
                return bool(left > right)
            case ">=":
                return bool(left >= right)
            case "<":
                return bool(left < right)
        return bool(left <= right)


@dataclass(frozen=True)
class Truth(Condition):
    """A field alone: whether it is neither unknown, false, 0 nor empty."""

    path: tuple[str, ...]
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        """As it can be read again."""
        return ".".join(self.path)

    def holds(self, row: Mapping[str, Any]) -> bool:
        """See `Condition.holds`."""
        return any(map(bool, _values(row, self.path)))

    def bound_to(self, kind: type) -> Condition:
        """See `Condition.bound_to`."""
        return replace(self, path=_resolve(kind, self.path, self.at)[0])


@dataclass(frozen=True)
class Not(Condition):
    """The opposite of a condition."""

    inner: Condition

    def __str__(self) -> str:
        """As it can be read again."""
        return f"not {_nested(self.inner)}"

    def holds(self, row: Mapping[str, Any]) -> bool:
        """See `Condition.holds`."""
        return not self.inner.holds(row)

    def bound_to(self, kind: type) -> Condition:
        """See `Condition.bound_to`."""
        return Not(self.inner.bound_to(kind))


@dataclass(frozen=True)
class And(Condition):
    """All of several conditions."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        """As it can be read again."""
        return " and ".join(map(_nested, self.parts))

    def holds(self, row: Mapping[str, Any]) -> bool:
        """See `Condition.holds`."""
        return all(part.holds(row) for part in self.parts)

    def bound_to(self, kind: type) -> Condition:
        """See `Condition.bound_to`."""
        return And(tuple(part.bound_to(kind) for part in self.parts))


@dataclass(frozen=True)
class Or(Condition):
    """At least one of several conditions."""

    parts: tuple[Condition, ...]

    def __str__(self) -> str:
        """As it can be read again."""
        return " or ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)

    def holds(self, row: Mapping[str, Any]) -> bool:
        """See `Condition.holds`."""
        return any(part.holds(row) for part in self.parts)

    def bound_to(self, kind: type) -> Condition:
        """See `Condition.bound_to`."""
        return Or(tuple(part.bound_to(kind) for part in self.parts))


def _nested(inner: Condition) -> str:
    return f"({inner})" if isinstance(inner, (And, Or)) else str(inner)


def compiled(value: Value) -> re.Pattern[str]:
    """The regular expression of ``~``, in any case of letters."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sets that a later Python reads differently
            return re.compile(value.text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        message = f"not a regular expression: {error}; write \\ before a character that stands for itself"
        raise FilterError(message, value.at) from None


def _values(found: Any, path: Sequence[str]) -> Iterator[Any]:
    """The values of a field: one, or one for each item of the lists on the way."""
    if isinstance(found, (list, tuple)):
        for item in found:
            yield from _values(item, path)
    elif not path:
        yield found
    elif isinstance(found, dict):
        name, *rest = path
        yield from _values(found.get(name), rest)
    else:
        yield None


def _text(found: Any) -> str:
    match found:
        case bool():
            return "true" if found else "false"
        case float():
            return f"{found:g}"
    return str(found)


def _natural(text: str) -> tuple[Any, ...]:
    """A key that orders the numbers in texts by value: 4.10.0 is greater than 4.9.1."""
    parts = re.split("([0-9]+)", text.casefold())
    return tuple((len(part.lstrip("0")), part.lstrip("0")) if i % 2 else part for i, part in enumerate(parts))


def _resolve(kind: Any, path: Sequence[str], at: int) -> tuple[tuple[str, ...], set[Any]]:
    """The names of a field as they are written in `kind`, and the types of its values; an empty set for any type."""
    names: list[str] = []
    types = _types(kind)
    for position, name in enumerate(path):
        records = [found for found in types if is_dataclass(found)]
        if not types or dict in types:  # anything may be in there
            return (*names, *path[position:]), set()
        known = [entry.name for record in records for entry in fields(record)]
        if not known:
            raise FilterError(f"{'.'.join(names)} has no fields in it", at + len(".".join(names)))
        match = next((entry for entry in known if entry.casefold() == name.casefold()), None)
        if match is None:
            place = f" in {'.'.join(names)}" if names else ""
            raise FilterError(
                f"there is no field {name}{place}: {nearest(name, known)}", at + len("".join(f"{n}." for n in names))
            )
        names.append(match)
        owner = next(record for record in records if any(entry.name == match for entry in fields(record)))
        types = _types(get_type_hints(owner)[match])
    return tuple(names), types


def _types(annotation: Any) -> set[Any]:
    """The types that values of an annotation have, those of lists by their items; an empty set for any type."""
    origin = get_origin(annotation)
    if annotation is Any or annotation is object:
        return set()
    if origin in (Union, UnionType):
        return {kind for option in get_args(annotation) for kind in _types(option)}
    if origin is tuple or origin is list:
        return _types(get_args(annotation)[0])
    return {origin or annotation}
