"""The status page for programs: its JSON and the schema of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from revvlink_cli.output.schema import record_schema
from revvlink_cli.output.text import clean_json

if TYPE_CHECKING:
    from revvlink_cli.services.status_view import StatusView


def status_json(view: StatusView) -> bytes:
    """The view as JSON, with control characters escaped."""
    import msgspec

    return clean_json(msgspec.json.encode(view).decode()).encode() + b"\n"


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
