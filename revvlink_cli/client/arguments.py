"""Checks the arguments of a program: the message names the parameter and the type that is needed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

MAX_SECONDS = 2**53
"""Seconds of the longest time: the event loop's floats are not exact above it."""


def wrong_type(name: str, wanted: str, value: object, *, is_secret: bool = False) -> TypeError:
    """The error for an argument of a wrong type; one that may hold a secret is named by its type only."""
    kind = type(value).__name__
    is_short = isinstance(value, str | int | float) and not is_secret
    return TypeError(f"{name} must be {wanted}, not {f'{value!r:.60} ({kind})' if is_short else kind}")


def check_type(name: str, value: object, kind: type | tuple[type, ...], wanted: str) -> None:
    """Check the type of a value; True and False are not numbers.

    Raises:
        TypeError: It has another type.
    """
    if not isinstance(value, kind) or (isinstance(value, bool) and not _takes_bool(kind)):
        raise wrong_type(name, wanted, value)


def _takes_bool(kind: type | tuple[type, ...]) -> bool:
    return bool in (kind if isinstance(kind, tuple) else (kind,))


def check_text(name: str, value: object, *, optional: bool = False, is_secret: bool = False) -> None:
    """Check that a value is a str.

    Raises:
        TypeError: It is neither a str nor an allowed None.
    """
    if not isinstance(value, str) and not (optional and value is None):
        raise wrong_type(name, "a str or None" if optional else "a str", value, is_secret=is_secret)


def check_seconds(name: str, value: Any) -> None:
    """Check that a value is a number of seconds.

    Raises:
        TypeError: It is not a number.
        ValueError: It is not above 0, NaN, or too large.
    """
    check_type(name, value, (int, float), "a number of seconds")
    if not 0 < value <= MAX_SECONDS:
        raise ValueError(f"{name} is a number of seconds above 0, at most {MAX_SECONDS}, not {_number(value)}")


def check_whole(name: str, value: Any, least: int, most: int, what: str) -> None:
    """Check that a value is a whole number within bounds.

    Args:
        name: The parameter.
        value: What was passed.
        least: The least number.
        most: The largest.
        what: A description of the allowed values.

    Raises:
        TypeError: It is not an int.
        ValueError: It is out of bounds.
    """
    check_type(name, value, int, f"an int: {what}")
    if not least <= value <= most:
        raise ValueError(f"{name} is {what}, not {_number(value)}")


def _number(value: Any) -> str:
    """A number in a message; Python refuses to write integers of thousands of digits."""
    return repr(value) if isinstance(value, float) or value.bit_length() <= 128 else "a larger one"


def texts(name: str, value: object) -> tuple[str, ...]:
    """Return the items of an iterable of str.

    Raises:
        TypeError: It is a single str, a mapping, not an iterable, or has an item of another type.
    """
    wanted = "a list or other iterable of str"
    if isinstance(value, str | bytes | Mapping):
        raise wrong_type(name, wanted, value)
    found = tuple(_iterated(name, wanted, value))
    for item in found:
        if not isinstance(item, str):
            raise wrong_type(f"every one of {name}", "a str", item)
    return found


def items_of(name: str, value: object, kind: type[T]) -> list[T]:
    """Return the items of an iterable of one type.

    Raises:
        TypeError: It is not an iterable, or has an item of another type.
    """
    wanted = f"a list or other iterable of {kind.__name__}"
    if isinstance(value, kind):
        raise TypeError(f"{name} must be {wanted}, not a single one: write {name}=[...]")
    if isinstance(value, str | bytes | Mapping):
        raise wrong_type(name, wanted, value)
    found: list[T] = []
    for item in _iterated(name, wanted, value):
        if not isinstance(item, kind):
            raise wrong_type(f"every one of {name}", f"a {kind.__name__}", item)
        found.append(item)
    return found


def _iterated(name: str, wanted: str, value: Any) -> Iterator[Any]:
    try:
        found: Iterator[Any] = iter(value)
    except TypeError:
        raise wrong_type(name, wanted, value) from None
    return found


def check_mapping(name: str, value: object, wanted: str, *, is_secret: bool = False) -> None:
    """Check that a value is a mapping with str keys.

    Raises:
        TypeError: It is not.
    """
    if not isinstance(value, Mapping):
        raise wrong_type(name, wanted, value, is_secret=is_secret)
    for key in value:
        if not isinstance(key, str):
            raise wrong_type(f"every key of {name}", "a str", key)
