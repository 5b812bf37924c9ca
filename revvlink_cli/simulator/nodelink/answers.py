"""Answers as a NodeLink 3 writes them, and the bodies it reads."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from revvlink_cli.client.protocol.encoded_tracks import TrackDecodeError, decode_track
from revvlink_cli.simulator.answers import json_text

if TYPE_CHECKING:
    from revvlink_cli.client.protocol.tracks import Playable

HEADERS = {"Nodelink-Api-Version": "4", "IamNodelink": "true"}
"""On every answer but the 101 of a handshake."""


class Refused(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """Ends a request with an error body.

    Attributes:
        status: HTTP status.
        error: The body's ``error``; the status' phrase unless told.
        message: The body's ``message``.
        traced: Whether the body has a ``trace``.
    """

    def __init__(self, status: int, message: str, error: str | None = None, *, traced: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.error = error or _PHRASES.get(status, "Error")
        self.traced = traced


_PHRASES = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


def tell(value: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(
        body=json_text(value).encode("utf-8", "surrogatepass"),
        status=status,
        headers={"Content-Type": "application/json", **HEADERS},
    )


def plain(words: str, status: int, *, chunked: bool = True) -> web.Response:
    """An answer of plain text."""
    answer = web.Response(body=words.encode(), status=status, headers={"Content-Type": "text/plain", **HEADERS})
    if chunked:
        answer.enable_chunked_encoding()
    return answer


async def json_body(request: web.Request) -> Any:
    """The request's JSON; None when it is not sent as such."""
    data = await request.read()
    if not data or request.content_type != "application/json":
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        ended = data.strip() in (b"[", b"")
        told = "Unexpected end of JSON input" if ended else "Expected property name or '}' in JSON at position 1"
        raise Refused(400, told, "Invalid JSON") from None


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def load_error(message: str) -> dict[str, Any]:
    """A load that failed: unlike Lavalink's there is no ``data``."""
    return {"loadType": "error", "exception": {"message": message, "severity": "common"}}


def loaded_track(track: Playable) -> dict[str, Any]:
    """A track as loading tells it: with what its source knows of the file, without user data."""
    told = track.to_payload()
    del told["userData"]
    if track.source == "local":
        kind = str(track.plugin_info.get("probeInfo"))
        told["info"]["details"] = []
        told["pluginInfo"] = {
            "fileType": kind, "streamType": f"audio/{kind}", "bitrateKbps": "unknown", "durationMs": track.length,
        }  # fmt: skip
    elif track.source == "http":
        told["pluginInfo"] = {
            "bitrate": 0, "genre": "", "stationUrl": track.uri, "artworkUrl": None, "icyBr": "", "audioInfo": "",
        }  # fmt: skip
    return told


def decoded_payload(encoded: str) -> dict[str, Any]:
    """A track as the decoding routes tell it."""
    return decoded(encoded, "Failed to decode track").to_payload() | {"pluginInfo": {}, "messageFlags": 1}


def decoded(encoded: str, error: str | None = None) -> Playable:
    """A track from its encoded form; NodeLink takes what Lavalink encodes, too.

    Raises:
        Refused: It is none.
    """
    try:
        return decode_track(encoded)
    except TrackDecodeError as fault:
        raise Refused(500, f"Decode Error at {_place(encoded) or fault}", error, traced=True) from None


def _place(encoded: str) -> str | None:
    """Where a message is too short; characters that are none of base64 are skipped, as the server does."""
    text = re.sub(r"[^A-Za-z0-9+/_-]", "", encoded)
    data = base64.urlsafe_b64decode(text[: len(text) // 4 * 4].replace("+", "-").replace("/", "_"))
    if len(data) < 4:
        return f"[messageHeader]: Unexpected end of buffer (need 4 bytes) (Buffer pos: 0/{len(data)})"
    size = int.from_bytes(data[:4], "big") & 0x3FFF_FFFF
    if size > len(data) - 4:
        return f"[messageBody]: Unexpected end of buffer (need {size} bytes) (Buffer pos: 4/{len(data)})"
    return None
