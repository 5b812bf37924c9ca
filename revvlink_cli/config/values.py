"""Reads the values of configuration keys, each by the type that the table of keys gives it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.settings import is_proxy, normalise_uri
from revvlink_cli.config.address import Address
from revvlink_cli.config.schema import Kind
from revvlink_cli.health.hold import Hold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from revvlink_cli.config.schema import Key
    from revvlink_cli.health.plugin_requirements import PluginRequirement
    from revvlink_cli.health.versions import Version

_DURATION = r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?"
_UNITS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CONTROL = r"[\x00-\x1f\x7f]"


MOST_RUNS = 1000
"""Largest number of runs in a row that a key takes."""


def read_duration(value: Any) -> float:
    """Reads a duration as seconds: ``1d3h``, ``90s``, ``500ms`` or a plain number.

    Raises:
        ValueError: The value is not a duration.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        found = re.fullmatch(_DURATION, value) if isinstance(value, str) and value else None
        if found is None:
            raise ValueError('must be a duration such as "90s", "1h" or "1d3h"')
        seconds = sum(int(count) * unit for count, unit in zip(found.groups(), _UNITS, strict=True) if count)
    if not (0 < seconds < math.inf):
        raise ValueError("must be longer than 0 s")
    return seconds


def read_value(key: Key, value: Any) -> Any:
    """Reads the value of a key as the settings need it.

    Raises:
        ValueError: The key does not take this value; the message says what it takes.
    """
    return _READERS[key.kind](key, value)


def read_threshold(code: str, value: Any) -> Any:
    """Reads a threshold of a check; None for "", which switches the threshold off.

    Raises:
        ValueError: The value is not a range.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError('must be a range in quotes, such as "90%"')
    from revvlink_cli.health.catalogue import read_range  # most files set no threshold, and start faster without

    text = str(value)
    return read_range(code, text) if text.strip() else None


def _text(key: Key, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text in quotes{f', such as {key.example}' if key.example else ''}")
    if not value.strip():
        raise ValueError("must not be empty")
    if re.search(_CONTROL, value):
        raise ValueError("must not have control characters or line breaks")
    if key.choices and value not in key.choices:
        raise ValueError(f"must be one of {', '.join(key.choices)}")
    if key.name == "identifier" and re.search(r"[*?\[\],\s]", value):
        raise ValueError("must not have spaces, commas, or the pattern characters * ? [ ]")
    if key.name == "identifier" and not value.isprintable():
        raise ValueError("must be visible text")
    if key.name in ("mention", "thread") and not re.fullmatch(r"\d{17,20}", value):
        raise ValueError("must be a Discord id of 17 to 20 digits")
    if key.name == "proxy" and not is_proxy(value):
        raise ValueError(f"must be the address of an HTTP proxy, such as {key.example}")
    return value


def _number(key: Key, value: Any) -> float | int:
    whole = key.kind is Kind.INTEGER
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise ValueError(
            f"must be a {'whole ' if whole else ''}number{f', such as {key.example}' if key.example else ''}"
        )
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    if key.above is not None and value <= key.above:
        raise ValueError(f"must be above {key.above:g}")
    if (key.minimum is not None and value < key.minimum) or (key.maximum is not None and value > key.maximum):
        if key.name == "user_id":
            raise ValueError("must be a Discord id of 17 to 20 digits")
        raise ValueError(f"must be from {key.minimum or 0:g} to {key.maximum:g}")
    return value if whole else float(value)


def read_texts(value: Any) -> tuple[str, ...]:
    """Reads a list of texts that are not empty.

    Raises:
        ValueError: The value is not such a list.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise ValueError('must be a list of texts, such as ["prod"]')
    return tuple(value)


def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ValueError('must be a table of texts, such as { "X-Name" = "value" }')
    for name, item in value.items():
        if not re.fullmatch(_HEADER_NAME, name):
            raise ValueError("has a name that is not valid for an HTTP header")
        if re.search(_CONTROL, item):
            raise ValueError(f"has control characters in {name}")
        if name.lower() in ("authorization", "user-id", "client-name", "session-id", "host"):
            raise ValueError(f"must not set {name}: the client sets it")
    return tuple(value.items())


def _boolean(_: Key, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _table(key: Key, value: Any) -> dict[str, Any]:
    """A table; its content is checked key by key."""
    if not isinstance(value, dict):
        raise ValueError(f"must be a table{f', such as {key.example}' if key.example else ''}")
    return value


def _version(key: Key, value: Any) -> Version:
    from revvlink_cli.health.policy import read_version  # most files require nothing, and start faster without

    return read_version(_text(key, value))


def _plugins(_: Key, value: Any) -> tuple[PluginRequirement, ...]:
    from revvlink_cli.health.plugin_requirements import read_plugins  # most files require none, and start faster

    return read_plugins(read_texts(value))


def _codes(_: Key, value: Any) -> frozenset[str]:
    from revvlink_cli.health.policy import read_codes

    return read_codes(read_texts(value))


def _quorum(key: Key, value: Any) -> int | str:
    from revvlink_cli.health.policy import read_min_healthy

    return read_min_healthy(str(value) if type(value) is int else _text(key, value))


def _hold(_: Key, value: Any) -> Hold:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MOST_RUNS:
            raise ValueError(f'must be from 1 to {MOST_RUNS} runs, or a time such as "5m"')
        return Hold(value)
    if not isinstance(value, str):
        raise ValueError('must be a number of runs, such as 2, or a time such as "5m"')
    return Hold(seconds=read_duration(value))


_READERS: Mapping[Kind, Callable[[Key, Any], Any]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _number,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.DURATION: lambda _, value: read_duration(value),
    Kind.TEXTS: lambda _, value: read_texts(value),
    Kind.PLUGINS: _plugins,
    Kind.HEADERS: lambda _, value: _headers(value),
    Kind.URI: lambda key, value: normalise_uri(_text(key, value)),
    Kind.ENDPOINT: lambda key, value: Address.parse(_text(key, value)),
    Kind.VERSION: _version,
    Kind.CODES: _codes,
    Kind.QUORUM: _quorum,
    Kind.HOLD: _hold,
    Kind.RANGES: _table,
    Kind.REQUIREMENTS: _table,
    Kind.TAGS: _table,
}
"""Kind -> the function that reads its values."""
