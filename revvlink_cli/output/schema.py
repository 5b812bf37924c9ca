"""Makes JSON Schemas of the output of commands from their row types."""

from __future__ import annotations

import dataclasses
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from revvlink_cli.output.envelope import ENVELOPE_VERSION
from revvlink_cli.output.result import Failure

_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def envelope_schema(command: str, data: dict[str, Any]) -> dict[str, Any]:
    """The schema of one command's envelope, draft 2020-12.

    Args:
        command: Its name in the envelope.
        data: Schema of the data, which may also be null.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"revvlink {command} --output json",
        "type": "object",
        "additionalProperties": False,
        "required": ["revvlink", "command", "status", "exit_code", "data", "errors"],
        "properties": {
            "revvlink": {"const": ENVELOPE_VERSION},
            "command": {"const": command},
            "status": {"enum": ["ok", "empty", "partial", "error"]},
            "exit_code": {"type": "integer"},
            "data": {"anyOf": [data, {"type": "null"}]},
            "errors": {"type": "array", "items": failure_schema()},
        },
    }


def rows_schema(row: type) -> dict[str, Any]:
    """Schema of a list of rows."""
    return {"type": "array", "items": record_schema(row)}


def record_schema(row: type) -> dict[str, Any]:
    """Schema of one row: every key is present, unknown values are null."""
    hints = get_type_hints(row)
    names = [entry.name for entry in dataclasses.fields(row)]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": names,
        "properties": {name: _value_schema(hints[name]) for name in names},
    }


def failure_schema() -> dict[str, Any]:
    """Schema of one entry of ``errors``; keys without a value are left out."""
    names = [entry.name for entry in dataclasses.fields(Failure)]
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["code", "message"],
        "properties": {name: {"type": "string"} for name in names},
    }


def _value_schema(annotation: Any) -> dict[str, Any]:
    if annotation in _SIMPLE:
        return {"type": _SIMPLE[annotation]}
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        options = [_value_schema(option) for option in get_args(annotation)]
        if all(set(option) == {"type"} for option in options):
            return {"type": [option["type"] for option in options]}
        return {"anyOf": options}
    if origin is tuple:
        return {"type": "array", "items": _value_schema(get_args(annotation)[0])}
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return record_schema(annotation)
    return {}
