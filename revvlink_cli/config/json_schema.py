"""The JSON Schema of a configuration file, derived from the table of keys."""

from __future__ import annotations

from typing import Any

from revvlink_cli.config.schema import PASSWORDS, REGIONS_HELP, REQUIREMENTS, SECTIONS, Key, Kind
from revvlink_cli.health.catalogue import CHECKS, JUDGED
from revvlink_cli.health.versions import PATTERN as VERSION_PATTERN


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a configuration file."""
    properties: dict[str, Any] = {}
    for section, keys in SECTIONS.items():
        table = table_schema(keys)
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


def table_schema(keys: tuple[Key, ...]) -> dict[str, Any]:
    """The JSON Schema of one table."""
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
    Kind.ENDPOINT: {"type": "string", "pattern": r"^(\[.+\]|[^:]+):\d{1,5}$"},
    Kind.INTEGER: {"type": "integer"},
    Kind.NUMBER: {"type": "number"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.DURATION: {
        "type": ["string", "number"],
        "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$",
        "exclusiveMinimum": 0,
    },
    Kind.TEXTS: {"type": "array", "items": {"type": "string", "pattern": r"\S"}},
    Kind.PLUGINS: {"type": "array", "items": {"type": "string", "pattern": r"^\s*[^<>=!~\s]"}},
    Kind.HEADERS: {"type": "object", "additionalProperties": {"type": "string"}},
    Kind.VERSION: {"type": "string", "pattern": VERSION_PATTERN},
    Kind.CODES: {
        "type": "array",
        "items": {"enum": list(dict.fromkeys(name for check in CHECKS for name in (check.code, check.stage)))},
    },
    Kind.HOLD: {
        "type": ["string", "integer"],
        "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$",
        "minimum": 1,
        "maximum": 1000,
    },
    Kind.QUORUM: {"type": ["string", "integer"], "pattern": r"^\d+%?$", "minimum": 1},
    Kind.RANGES: {
        "type": "object",
        "additionalProperties": False,
        "properties": {code: {"type": ["string", "number"]} for code in JUDGED},
    },
}
_SCHEMAS[Kind.REQUIREMENTS] = table_schema(REQUIREMENTS)
_SCHEMAS[Kind.TAGS] = {"type": "object", "additionalProperties": _SCHEMAS[Kind.REQUIREMENTS]}
"""Kind -> its JSON Schema."""
