"""The status page for programs: its JSON and the schema of that."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from revvlink_cli.output.schema import record_schema

if TYPE_CHECKING:
    from revvlink_cli.services.status_view import StatusView


def status_json(view: StatusView) -> bytes:
    """The view as JSON in ASCII."""
    import msgspec

    text = msgspec.json.encode(view).decode()
    return _BEYOND_ASCII.sub(_escaped, text).encode() + b"\n"


_BEYOND_ASCII = re.compile("[^\\x00-\\x7e]")
"""What a terminal may act on, and all that is not ASCII; the encoder has escaped the control characters below."""


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found.group())[1:-1] if found.group() != "\x7f" else "\\u007f"


def status_schema() -> dict[str, Any]:
    """The JSON Schema of ``/status.json``, draft 2020-12. A reader accepts keys that it does not know."""
    from revvlink_cli.services.status_view import VERSION, StatusView

    found = _open(record_schema(StatusView))
    found["properties"]["revvlink_status"] = {"const": VERSION}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "revvlink exporter --page, /status.json",
        **found,
    }


def _open(schema: Any) -> Any:
    """The schema without the ban on more keys: a later version may add some."""
    if isinstance(schema, dict):
        return {key: _open(value) for key, value in schema.items() if key != "additionalProperties"}
    return [_open(each) for each in schema] if isinstance(schema, list) else schema
