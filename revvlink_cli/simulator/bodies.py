"""Request bodies, read as strictly as the genuine server reads them.

Kotlin's decoder accepts numbers and booleans in quotes, ignores unknown keys, and does not say which value is wrong.
"""

from __future__ import annotations

import binascii
import json
import re
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal

from revvlink_cli.client.protocol.encoded_tracks import TrackDecodeError, decode_track
from revvlink_cli.simulator.answers import BadRequest, InternalError, Refusal

if TYPE_CHECKING:
    from aiohttp import web

    from revvlink_cli.client.protocol.tracks import Playable


class Absent(Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
"""Stands for a missing value; null is a value."""

_BOOLEANS = {"true": True, "false": False, True: True, False: False}

_FLAGS = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}


async def json_body(request: web.Request) -> Any:
    """The request's JSON.

    Raises:
        Refusal: The content type is not JSON, or the body is not valid JSON.
    """
    data = await request.read()
    if data and not re.fullmatch(r"application/(.+\+)?json", request.content_type):
        kind = request.headers.get("Content-Type")
        if kind is None:
            kind = request.content_type
        else:
            kind = kind.replace("; ", ";") if "charset" in kind else f"{kind};charset=UTF-8"
        accepted = {"Accept": "application/json, application/*+json"}
        if request.method == "PATCH":
            accepted["Accept-Patch"] = accepted["Accept"]
        raise Refusal(415, f"Content-Type '{kind}' is not supported.", headers=accepted)
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise BadRequest from None


def mapping(value: Any) -> dict[str, Any]:
    """The value as an object."""
    if not isinstance(value, dict):
        raise BadRequest
    return value


def strings(value: Any) -> list[str]:
    """The value as a list of texts."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadRequest
    return value


def text(body: dict[str, Any], key: str) -> str | Literal[Absent.ABSENT]:
    """Read a text that may be absent but not null."""
    value = body.get(key, ABSENT)
    if value is not ABSENT and not isinstance(value, str):
        raise BadRequest
    return value


def boolean(body: dict[str, Any], key: str) -> bool | Literal[Absent.ABSENT]:
    """Read a boolean that may be absent but not null."""
    if key not in body:
        return ABSENT
    value = body[key]
    if not isinstance(value, (bool, str)) or value not in _BOOLEANS:
        raise BadRequest
    return _BOOLEANS[value]


def integer(body: dict[str, Any], key: str, bits: int = 64) -> int | Literal[Absent.ABSENT]:
    """Read an integer of this many bits that may be absent but not null."""
    if key not in body:
        return ABSENT
    value = body[key]
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise BadRequest
    return value


def number(value: Any) -> float:
    """The value as a number."""
    try:
        return float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else _refused()
    except (ValueError, OverflowError):
        raise BadRequest from None


def _refused() -> float:
    raise BadRequest


def flag(value: str) -> bool:
    """A query parameter as a boolean."""
    if value.lower() not in _FLAGS:
        raise BadRequest
    return _FLAGS[value.lower()]


def is_long(value: str) -> bool:
    """Whether Java reads the text as a ``long``."""
    return re.fullmatch(r"[+-]?[0-9]{1,40}", value) is not None and -(2**63) <= int(value) < 2**63


def snowflake(value: str) -> str:
    """A guild's id from a path, in the form of the responses."""
    if not is_long(value):
        raise BadRequest
    return str(int(value))


def decoded(encoded: str, sources: tuple[str, ...]) -> Playable:
    """Decode a track on a node with these sources.

    Raises:
        Refusal: The genuine server cannot decode it.
    """
    _check_base64(encoded)
    try:
        track = decode_track(encoded)
    except TrackDecodeError:
        raise Refusal(500, "No message available", is_defect=True) from None
    if track.source not in sources:
        reason = "Failed to decode track due to a mismatching version or missing source manager"
        raise InternalError(f"IllegalStateException: {reason}")
    return track


def _check_base64(encoded: str) -> None:
    """Check base64 as Java's decoder does: one alphabet, no white space, optional padding."""
    if len(encoded) == 1:
        raise InternalError("IllegalArgumentException: Input byte[] should at least have 2 bytes for base64 bytes")
    if stranger := re.search(r"[^A-Za-z0-9+/=]", encoded):
        raise InternalError(f"IllegalArgumentException: Illegal base64 character {ord(stranger[0]):x}")
    bare = encoded.rstrip("=")
    if encoded != bare and len(encoded) % 4:
        raise InternalError("IllegalArgumentException: Input byte array has wrong 4-byte ending unit")
    try:
        binascii.a2b_base64(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        raise InternalError("IllegalArgumentException: Last unit does not have enough valid bits") from None
