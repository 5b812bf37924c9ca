"""Checks of what a program passes in: a wrong type is refused at once, by the parameter's name and what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

MAX_SECONDS = 2**53
"""Seconds of the longest time: larger integers are no longer exact as the event loop's own numbers."""


def wrong_type(name: str, wanted: str, value: object, *, is_secret: bool = False) -> TypeError:
    """The error for an argument of a wrong type; one that may hold a secret is named by its type only."""
    kind = type(value).__name__
    is_short = isinstance(value, str | int | float) and not is_secret
    return TypeError(f"{name} must be {wanted}, not {f'{value!r:.60} ({kind})' if is_short else kind}")


def check_type(name: str, value: object, kind: type | tuple[type, ...], wanted: str) -> None:
    """Refuse a value of another type; True and False are no numbers.

    Raises:
        TypeError: It is of another type.
    """
    if not isinstance(value, kind) or (isinstance(value, bool) and not _takes_bool(kind)):
        raise wrong_type(name, wanted, value)


def _takes_bool(kind: type | tuple[type, ...]) -> bool:
    return bool in (kind if isinstance(kind, tuple) else (kind,))


def check_text(name: str, value: object, *, optional: bool = False, is_secret: bool = False) -> None:
    """Refuse what is no text.

    Raises:
        TypeError: It is no str, nor None where that is allowed.
    """
    if not isinstance(value, str) and not (optional and value is None):
        raise wrong_type(name, "a str or None" if optional else "a str", value, is_secret=is_secret)


def check_seconds(name: str, value: Any) -> None:
    """Refuse what is no time to wait for.

    Raises:
        TypeError: It is no number.
        ValueError: It is not above 0, not a number, or beyond all bounds.
    """
    check_type(name, value, (int, float), "a number of seconds")
    if not 0 < value <= MAX_SECONDS:
        raise ValueError(f"{name} is a number of seconds above 0, at most {MAX_SECONDS}, not {_number(value)}")


def check_whole(name: str, value: Any, least: int, most: int, what: str) -> None:
    """Refuse what is no whole number within bounds.

    Args:
        name: The parameter.
        value: What was passed.
        least: The least number.
        most: The largest.
        what: What is wanted, in words.

    Raises:
        TypeError: It is no int.
        ValueError: It is out of bounds.
    """
    check_type(name, value, int, f"an int: {what}")
    if not least <= value <= most:
        raise ValueError(f"{name} is {what}, not {_number(value)}")


def _number(value: Any) -> str:
    """A number in a message; Python refuses to write integers of thousands of digits."""
    return repr(value) if isinstance(value, float) or value.bit_length() <= 128 else "a larger one"


def texts(name: str, value: object) -> tuple[str, ...]:
    """The texts of an iterable.

    Raises:
        TypeError: It is none: a single text, a mapping, or something else is in it.
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
    """The objects of one type in an iterable.

    Raises:
        TypeError: It is no iterable, or something else is in it.
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
    """Refuse what is no mapping with texts as keys.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(value, Mapping):
        raise wrong_type(name, wanted, value, is_secret=is_secret)
    for key in value:
        if not isinstance(key, str):
            raise wrong_type(f"every key of {name}", "a str", key)
