"""Every key a configuration may have, once.

Validation, the JSON Schema, the reference in the documentation and ``config show`` all come from `SECTIONS`; a new key
is a new row.
"""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, assert_never

from revvlink_cli.client.settings import is_proxy, normalise_uri

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """What a value is."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DURATION = "duration"
    TEXTS = "list of texts"
    HEADERS = "table of texts"
    URI = "address"


class Key(NamedTuple):
    """One key.

    Attributes:
        name: As it is written.
        kind: What its value is.
        help: What it means, one sentence.
        default: What counts when it is left out.
        minimum: Smallest value, None for no bound.
        maximum: Largest value, None for no bound.
        above: Bound that the value must exceed, None for no bound.
        choices: The only values, none for any.
        secret: Whether its value is never shown.
        required: Whether it may not be left out.
        reaches_out: Whether it draws on the environment or on other files, which takes trust.
        example: A value for the documentation, in TOML.
    """

    name: str
    kind: Kind
    help: str
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    required: bool = False
    reaches_out: bool = False
    example: str = ""


COMMON = (
    Key(name="user_id", kind=Kind.INTEGER, minimum=10**16, maximum=10**20 - 1, example="170939974227541168",
        help="The bot's id, 17 to 20 digits, sent as User-Id; NodeLink takes 18 or 19 digits only"),
    Key(name="timeout", kind=Kind.NUMBER, default=5.0, above=0, maximum=3600, example="5.0",
        help="Seconds that one request may take"),
    Key(name="heartbeat", kind=Kind.NUMBER, default=15.0, above=0, maximum=3600, example="15.0",
        help="Seconds of silence before the websocket is pinged"),
    Key(name="retries", kind=Kind.INTEGER, minimum=0, maximum=1_000_000, example="2",
        help="Attempts to reconnect; left out, there is no bound"),
    Key(name="ca_file", reaches_out=True, kind=Kind.TEXT, example='"ca.pem"',
        help="PEM file of a private certificate authority; a relative path counts from this file's folder"),
    Key(name="headers", kind=Kind.HEADERS, secret=True, example='{ "CF-Access-Client-Id" = "id" }',
        help="Extra request headers, for proxies before the node"),
    Key(name="proxy", kind=Kind.TEXT, secret=True, example='"http://127.0.0.1:3128"',
        help="Address of an HTTP proxy"),
    Key(name="trust_env", reaches_out=True, kind=Kind.BOOLEAN, default=False, example="false",
        help="Whether HTTP_PROXY and its kin count"),
)  # fmt: skip
"""Keys of ``[defaults]`` that a node may set for itself."""

PASSWORDS = ("password", "password_env", "password_file")
"""Of these a node has exactly one."""

NODE = (
    Key(name="identifier", kind=Kind.TEXT, required=True, example='"us-1"', help="Name of the node, unique"),
    Key(name="uri", kind=Kind.URI, required=True, example='"http://127.0.0.1:2333"', help="Address of the node"),
    Key(name="password_env", reaches_out=True, kind=Kind.TEXT, example='"LAVALINK_PASSWORD"',
        help="Environment variable that holds the password"),
    Key(name="password_file", reaches_out=True, kind=Kind.TEXT, example='"/run/secrets/us-1"',
        help="File whose first line is the password; a relative path counts from this file's folder"),
    Key(name="password", kind=Kind.TEXT, secret=True, example='"youshallnotpass"',
        help="The password itself; keep the file to yourself then (chmod 600)"),
    Key(name="region", kind=Kind.TEXT, example='"us"', help="Label of the region it serves"),
    Key(name="tags", kind=Kind.TEXTS, default=(), example='["prod"]', help="Free labels to select nodes by"),
    *COMMON,
)  # fmt: skip

SECTIONS: Mapping[str, tuple[Key, ...]] = {
    "defaults": COMMON,
    "search": (
        Key(name="source", kind=Kind.TEXT, default="ytsearch", example='"ytsearch"', help="Prefix for plain words"),
    ),
    "cache": (
        Key(name="capacity", kind=Kind.INTEGER, default=512, minimum=0, maximum=10**9, example="512",
            help="Entries to keep; 0 turns the cache off"),
        Key(name="ttl", kind=Kind.DURATION, default="1h", example='"1h"',
            help="How long an entry counts: 90s, 15m, 1h, 1d3h, or a number of seconds"),
        Key(name="backend", kind=Kind.TEXT, default="sqlite", choices=("memory", "sqlite", "redis"),
            example='"sqlite"', help="Where entries are kept"),
        Key(name="path", reaches_out=True, kind=Kind.TEXT, example='"cache.sqlite3"',
            help="Database of the sqlite backend, in the user's cache folder if left out; a relative path counts from "
            "this file's folder"),
        Key(name="url", reaches_out=True, secret=True, kind=Kind.TEXT, example='"redis://127.0.0.1:6379/0"',
            help="Address of the Redis server of the redis backend"),
    ),
    "nodes": NODE,
}  # fmt: skip
"""Section -> its keys. ``nodes`` is an array of tables; ``regions``, a table of lists, has keys of the user's own."""

REGIONS_HELP = "Label -> parts of the endpoint's first host label; replaces the built-in map"

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def duration(value: Any) -> float:
    """Seconds of ``1d3h``, ``90s``, ``500ms`` or a plain number.

    Raises:
        ValueError: It is none of these.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        found = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
        if found is None:
            raise ValueError('must be a duration such as "90s", "1h" or "1d3h"')
        seconds = sum(int(count) * unit for count, unit in zip(found.groups(), _UNITS, strict=True) if count)
    if not (0 < seconds < math.inf):
        raise ValueError("must be longer than nothing")
    return seconds


def check(key: Key, value: Any) -> Any:
    """`value` as the settings want it.

    Raises:
        ValueError: It is not what the key takes; the text says what would be.
    """
    match key.kind:
        case Kind.TEXT:
            return _text(key, value)
        case Kind.INTEGER | Kind.NUMBER:
            return _number(key, value)
        case Kind.BOOLEAN:
            if not isinstance(value, bool):
                raise ValueError("must be true or false")
            return value
        case Kind.DURATION:
            return duration(value)
        case Kind.TEXTS:
            return texts(value)
        case Kind.HEADERS:
            return _headers(value)
        case Kind.URI:
            return normalise_uri(_text(key, value))
        case _:
            assert_never(key.kind)


def _text(key: Key, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text in quotes{f', such as {key.example}' if key.example else ''}")
    if not value.strip():
        raise ValueError("must not be empty")
    if _CONTROL.search(value):
        raise ValueError("must not have control characters or line breaks")
    if key.choices and value not in key.choices:
        raise ValueError(f"must be one of {', '.join(key.choices)}")
    if key.name == "identifier" and re.search(r"[*?\[\],\s]", value):
        raise ValueError("must not have spaces, commas, or the pattern characters * ? [ ]")
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


def texts(value: Any) -> tuple[str, ...]:
    """A list of texts that are not empty.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise ValueError('must be a list of texts, such as ["prod"]')
    return tuple(value)


def _headers(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ValueError('must be a table of texts, such as { "X-Name" = "value" }')
    for name, item in value.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError("has a name that no HTTP header can have")
        if _CONTROL.search(item):
            raise ValueError(f"has control characters in {name}")
        if name.lower() in ("authorization", "user-id", "client-name", "session-id", "host"):
            raise ValueError(f"must not set {name}, the client does")
    return tuple(value.items())


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a configuration file."""
    properties: dict[str, Any] = {}
    for section, keys in SECTIONS.items():
        table = {
            "type": "object",
            "additionalProperties": False,
            "properties": {key.name: _key_schema(key) for key in keys},
        }
        if section == "nodes":
            table["required"] = [key.name for key in keys if key.required]
            table["oneOf"] = [{"required": [name]} for name in PASSWORDS]
            properties[section] = {"type": "array", "minItems": 1, "items": table}
        else:
            properties[section] = table
    properties["regions"] = {
        "type": "object",
        "description": REGIONS_HELP,
        "additionalProperties": {"type": "array", "items": {"type": "string", "pattern": r"\S"}},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "revvlink configuration",
        "type": "object",
        "additionalProperties": False,
        "required": ["nodes"],
        "properties": properties,
    }


def _key_schema(key: Key) -> dict[str, Any]:
    found: dict[str, Any] = {"description": key.help}
    match key.kind:
        case Kind.TEXT:
            found |= {"type": "string", "pattern": r"\S"}
        case Kind.URI:
            found |= {"type": "string", "pattern": "^https?://"}
        case Kind.INTEGER | Kind.NUMBER:
            found["type"] = "integer" if key.kind is Kind.INTEGER else "number"
        case Kind.BOOLEAN:
            found["type"] = "boolean"
        case Kind.DURATION:
            found |= {"type": ["string", "number"], "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$"}
            found["exclusiveMinimum"] = 0
        case Kind.TEXTS:
            found |= {"type": "array", "items": {"type": "string", "pattern": r"\S"}}
        case Kind.HEADERS:
            found |= {"type": "object", "additionalProperties": {"type": "string"}}
        case _:
            assert_never(key.kind)
    if key.choices:
        found["enum"] = list(key.choices)
    for name, bound in (("minimum", key.minimum), ("maximum", key.maximum), ("exclusiveMinimum", key.above)):
        if bound is not None:
            found[name] = bound
    if key.default not in (None, ()):
        found["default"] = key.default
    return found
