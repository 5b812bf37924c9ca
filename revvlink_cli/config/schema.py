"""Every key a configuration may have, once.

Validation, the JSON Schema, the reference in the documentation and ``config show`` all come from `SECTIONS`; a new key
is a new row.
"""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli.client.cache.backends import BACKENDS, DEFAULT_BACKEND
from revvlink_cli.client.settings import is_proxy, normalise_uri
from revvlink_cli.health.catalogue import CHECKS, JUDGED, read_range
from revvlink_cli.health.versions import PATTERN as VERSION_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from revvlink_cli.health.versions import Version


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
    VERSION = "version"
    CODES = "list of checks"
    QUORUM = "number or share"
    RANGES = "table of ranges"
    DEMANDS = "table"
    TAGS = "table of tables"


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
        names_file: Whether its value is the path of a file.
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
    names_file: bool = False
    example: str = ""


COMMON = (
    Key(name="user_id", kind=Kind.INTEGER, minimum=10**16, maximum=2**64 - 1, example="170939974227541168",
        help="The bot's id, 17 to 20 digits, sent as User-Id; NodeLink takes 18 or 19 digits only"),
    Key(name="timeout", kind=Kind.NUMBER, default=5.0, above=0, maximum=3600, example="5.0",
        help="Seconds that one request may take"),
    Key(name="heartbeat", kind=Kind.NUMBER, default=15.0, above=0, maximum=3600, example="15.0",
        help="Seconds of silence before the websocket is pinged"),
    Key(name="retries", kind=Kind.INTEGER, minimum=0, maximum=1_000_000, example="2",
        help="Attempts to reconnect; left out, there is no bound"),
    Key(name="ca_file", reaches_out=True, names_file=True, kind=Kind.TEXT, example='"ca.pem"',
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

WEBHOOKS = ("webhook", "webhook_env", "webhook_file")
"""Of these ``[discord]`` has one."""

DEMANDS = (
    Key(name="warning", kind=Kind.RANGES, example='{ cpu = "85%", memory = "95%" }',
        help="Check -> range of its figure that is fine; outside it is a WARNING. See `revvlink check --list`"),
    Key(name="critical", kind=Kind.RANGES, example='{ cpu = "98%" }',
        help="Check -> range of its figure outside of which it is CRITICAL"),
    Key(name="min_version", kind=Kind.VERSION, example='"4.2.0"', help="Oldest version that a Lavalink may have"),
    Key(name="sources", kind=Kind.TEXTS, default=(), example='["youtube"]', help="Source managers that must be on"),
    Key(name="plugins", kind=Kind.TEXTS, default=(), example='["lavasrc-plugin"]', help="Plugins that must be loaded"),
    Key(name="filters", kind=Kind.TEXTS, default=(), example='["timescale"]', help="Filters that must be on"),
    Key(name="canaries", kind=Kind.TEXTS, default=(), example='["ytsearch:night"]',
        help="Queries that must load, each sent as it is"),
    Key(name="skip", kind=Kind.CODES, default=(), example='["penalty"]', help="Checks, or stages, that are not made"),
    Key(name="unknown_on_timeout", kind=Kind.BOOLEAN, default=False, example="true",
        help="Whether a node that does not answer in time is UNKNOWN, and not CRITICAL"),
)  # fmt: skip
"""Keys of ``[check]`` that tags and nodes may set for themselves."""

NODE = (
    Key(name="identifier", kind=Kind.TEXT, required=True, example='"us-1"', help="Name of the node, unique"),
    Key(name="uri", kind=Kind.URI, required=True, example='"http://127.0.0.1:2333"', help="Address of the node"),
    Key(name="password_env", reaches_out=True, kind=Kind.TEXT, example='"LAVALINK_PASSWORD"',
        help="Environment variable that holds the password"),
    Key(name="password_file", reaches_out=True, names_file=True, kind=Kind.TEXT, example='"/run/secrets/us-1"',
        help="File whose first line is the password; a relative path counts from this file's folder"),
    Key(name="password", kind=Kind.TEXT, secret=True, example='"youshallnotpass"',
        help="The password itself; keep the file to yourself then (chmod 600)"),
    Key(name="region", kind=Kind.TEXT, example='"us"', help="Label of the region it serves"),
    Key(name="tags", kind=Kind.TEXTS, default=(), example='["prod"]', help="Free labels to select nodes by"),
    Key(name="check", kind=Kind.DEMANDS, example='{ warning = { cpu = "95%" } }',
        help="What checks demand of this node; keys as in [check], and they win over it"),
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
        Key(name="backend", kind=Kind.TEXT, default=DEFAULT_BACKEND, choices=tuple(BACKENDS),
            example=f'"{DEFAULT_BACKEND}"', help="Where entries are kept"),
        Key(name="path", reaches_out=True, names_file=True, kind=Kind.TEXT, example='"cache.sqlite3"',
            help="Database of the sqlite backend, in the user's cache folder if left out; a relative path counts from "
            "this file's folder"),
        Key(name="url", reaches_out=True, secret=True, kind=Kind.TEXT, example='"redis://127.0.0.1:6379/0"',
            help="Address of the Redis server of the redis backend"),
    ),
    "check": (
        *DEMANDS,
        Key(name="min_healthy", kind=Kind.QUORUM, example='"50%"',
            help="Nodes that must be healthy, a number or a share; while they are, whatever fails on another is a "
            "WARNING"),
        Key(name="tags", kind=Kind.TAGS, example='{ canary = { skip = ["uptime"] } }',
            help="Tag -> what is demanded of nodes that have it, written [check.tags.NAME]; keys as in [check]"),
    ),
    "discord": (
        Key(name="webhook_env", reaches_out=True, kind=Kind.TEXT, example='"DISCORD_WEBHOOK"',
            help="Environment variable that holds the address of the webhook for `check --notify discord`"),
        Key(name="webhook_file", reaches_out=True, names_file=True, kind=Kind.TEXT, example='"/run/secrets/webhook"',
            help="File whose first line is that address; a relative path counts from this file's folder"),
        Key(name="webhook", kind=Kind.TEXT, secret=True,
            help="The address itself, which is a secret: keep the file to yourself then (chmod 600)"),
        Key(name="remind", kind=Kind.DURATION, example='"1h"',
            help="Time after which trouble that goes on is told again; never if left out"),
    ),
    "nodes": NODE,
}  # fmt: skip
"""Section -> its keys. ``nodes`` is an array of tables; ``regions``, a table of lists, has keys of the user's own."""

REGIONS_HELP = "Label -> parts of the endpoint's first host label; replaces the built-in map"

_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?")
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
    return _READERS[key.kind](key, value)


def range_of(code: str, value: Any) -> Any:
    """The range that a key of a table of ranges has; None for "", which switches a threshold off.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError('must be a range in quotes, such as "90%"')
    text = str(value)
    return read_range(code, text) if text.strip() else None


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
    if key.name == "identifier" and not value.isprintable():
        raise ValueError("must be visible text")
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


def _boolean(_: Key, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _table(key: Key, value: Any) -> dict[str, Any]:
    """What is in it is checked key by key."""
    if not isinstance(value, dict):
        raise ValueError(f"must be a table{f', such as {key.example}' if key.example else ''}")
    return value


def _version(key: Key, value: Any) -> Version:
    from revvlink_cli.health.policy import read_version  # most files demand nothing, and start faster without

    return read_version(_text(key, value))


def _codes(_: Key, value: Any) -> frozenset[str]:
    from revvlink_cli.health.policy import read_codes

    return read_codes(texts(value))


def _quorum(key: Key, value: Any) -> int | str:
    from revvlink_cli.health.policy import read_min_healthy

    return read_min_healthy(str(value) if type(value) is int else _text(key, value))


_READERS: Mapping[Kind, Callable[[Key, Any], Any]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _number,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.DURATION: lambda _, value: duration(value),
    Kind.TEXTS: lambda _, value: texts(value),
    Kind.HEADERS: lambda _, value: _headers(value),
    Kind.URI: lambda key, value: normalise_uri(_text(key, value)),
    Kind.VERSION: _version,
    Kind.CODES: _codes,
    Kind.QUORUM: _quorum,
    Kind.RANGES: _table,
    Kind.DEMANDS: _table,
    Kind.TAGS: _table,
}
"""Kind -> what makes of a value what the settings want."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a configuration file."""
    properties: dict[str, Any] = {}
    for section, keys in SECTIONS.items():
        table = _table_schema(keys)
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


def _table_schema(keys: tuple[Key, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {key.name: _key_schema(key) for key in keys},
    }


def _key_schema(key: Key) -> dict[str, Any]:
    found: dict[str, Any] = {"description": key.help, **_SCHEMAS[key.kind]}
    if key.choices:
        found["enum"] = list(key.choices)
    bounds = {"minimum": key.minimum, "maximum": key.maximum, "exclusiveMinimum": key.above}
    found |= {name: bound for name, bound in bounds.items() if bound is not None}
    if key.default not in (None, ()):
        found["default"] = key.default
    return found


_SCHEMAS: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string", "pattern": r"\S"},
    Kind.URI: {"type": "string", "pattern": "^https?://"},
    Kind.INTEGER: {"type": "integer"},
    Kind.NUMBER: {"type": "number"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.DURATION: {
        "type": ["string", "number"],
        "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$",
        "exclusiveMinimum": 0,
    },
    Kind.TEXTS: {"type": "array", "items": {"type": "string", "pattern": r"\S"}},
    Kind.HEADERS: {"type": "object", "additionalProperties": {"type": "string"}},
    Kind.VERSION: {"type": "string", "pattern": VERSION_PATTERN},
    Kind.CODES: {
        "type": "array",
        "items": {"enum": list(dict.fromkeys(name for check in CHECKS for name in (check.code, check.stage)))},
    },
    Kind.QUORUM: {"type": ["string", "integer"], "pattern": r"^\d+%?$", "minimum": 1},
    Kind.RANGES: {
        "type": "object",
        "additionalProperties": False,
        "properties": {code: {"type": ["string", "number"]} for code in JUDGED},
    },
}
_SCHEMAS[Kind.DEMANDS] = _table_schema(DEMANDS)
_SCHEMAS[Kind.TAGS] = {"type": "object", "additionalProperties": _SCHEMAS[Kind.DEMANDS]}
"""Kind -> what JSON Schema says of it."""
