"""Converts results to JSON values, in the envelope of ``--output json``."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from revvlink_cli.output.result import Failure, Result

ENVELOPE_VERSION = 1
"""Value of ``revvlink`` in the envelope. It changes when a field changes its meaning."""


def to_json(value: Any) -> Any:
    """A value as JSON: dataclasses become objects, NaN and infinity become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {entry.name: to_json(getattr(value, entry.name)) for entry in dataclasses.fields(value)}
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, float):
        return round(value, 6)
    return value


def failure_object(failure: Failure) -> dict[str, str]:
    """One entry of ``errors``; keys without a value are left out."""
    return {key: value for key, value in to_json(failure).items() if value is not None}


def envelope(command: str, result: Result) -> dict[str, Any]:
    """The envelope that ``--output json`` prints."""
    return {
        "revvlink": ENVELOPE_VERSION,
        "command": command,
        "status": result.status,
        "exit_code": int(result.exit_code),
        "data": to_json(result.data),
        "errors": [failure_object(failure) for failure in result.errors],
    }
