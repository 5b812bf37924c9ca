"""The JSON Schema of what JSON webhooks get. `make schemas` writes it into the package as ``schemas/alert.json``."""

from __future__ import annotations

from typing import Any

from revvlink_cli.health.damping import ChangeKind
from revvlink_cli.health.findings import Verdict
from revvlink_cli.services.alerting.message import MOST_CHANGES, PAYLOAD_VERSION

_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_COUNT = {"type": "integer", "minimum": 0}
_MOMENT = {"type": "string", "format": "date-time"}
_VERDICT = {"enum": [verdict.name for verdict in Verdict]}

FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "version": ("Version of this form", {"const": PAYLOAD_VERSION}),
    "kind": ("`test` from `revvlink alert test`, else `alert`", {"enum": ["alert", "test"]}),
    "at": ("When the alert was made", _MOMENT),
    "host": ("The machine that ran the check", _TEXT),
    "fleet": ("The context, null without one", _TEXT_OR_NULL),
    "verdict": ("The verdict on all nodes of the run", _VERDICT),
    "nodes": ("Number of checked nodes", _COUNT),
    "healthy": ("Number of healthy nodes among them", _COUNT),
    "headline": ("The verdict in a few words", _TEXT),
    "text": ("The whole message for people, changes with one cause as one entry", _TEXT),
    "omitted": (f"Number of changes beyond the first {MOST_CHANGES}, which are left out", _COUNT),
}
"""Field -> its meaning and its schema, without `changes`."""

CHANGE_FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "change": ("What happened", {"enum": [kind.value for kind in ChangeKind]}),
    "node": ("The node, null for the whole fleet", _TEXT_OR_NULL),
    "check": ("Code of the check", _TEXT),
    "subject": ("Which of several things was checked, such as a canary; else null", _TEXT_OR_NULL),
    "verdict": ("The verdict now", _VERDICT),
    "before": ("The verdict that was reported before", _VERDICT),
    "code": ("Stable name of the failure, or null", _TEXT_OR_NULL),
    "message": ("What was found; null when the check is OK", _TEXT_OR_NULL),
    "hint": ("What to do, or null", _TEXT_OR_NULL),
    "since": ("When the problem, or what else is reported, began", _MOMENT),
    "lasted_s": ("Seconds that it lasted, when it is over; else null", {"type": ["number", "null"], "minimum": 0}),
}
"""Field of a change -> its meaning and its schema."""


def payload_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the payload."""
    changes = {"description": "The changes", "type": "array", "items": _record(CHANGE_FIELDS)}
    record = _record(FIELDS)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "revvlink alert",
        **record,
        "properties": {**record["properties"], "changes": changes},
        "required": [*record["required"], "changes"],
    }


def _record(fields: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    properties = {name: {"description": meaning, **schema} for name, (meaning, schema) in fields.items()}
    return {"type": "object", "properties": properties, "required": list(fields)}
