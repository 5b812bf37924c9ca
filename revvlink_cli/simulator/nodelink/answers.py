"""Responses and request bodies in the form of a NodeLink 3."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from revvlink_cli.client.protocol.encoded_tracks import TrackDecodeError, decode_track, encode_track
from revvlink_cli.simulator.answers import json_text
from revvlink_cli.simulator.music import file_name

if TYPE_CHECKING:
    from revvlink_cli.client.protocol.tracks import Playable

HEADERS = {"Nodelink-Api-Version": "4", "IamNodelink": "true"}
"""Headers of every response except the 101 of a handshake."""


class Refused(Exception):  # noqa: N818 - it is a response, not an error of this program
    """Ends a request with an error body.

    Attributes:
        status: HTTP status.
        error: The body's ``error``; the phrase of the status by default.
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


def json_response(value: Any, status: int = 200) -> web.Response:
    """A JSON response."""
    return web.Response(
        body=json_text(value).encode("utf-8", "surrogatepass"),
        status=status,
        headers={"Content-Type": "application/json", **HEADERS},
    )


def plain(words: str, status: int, *, chunked: bool = True) -> web.Response:
    """A response of plain text."""
    answer = web.Response(body=words.encode(), status=status, headers={"Content-Type": "text/plain", **HEADERS})
    if chunked:
        answer.enable_chunked_encoding()
    return answer


async def json_body(request: web.Request) -> Any:
    """The request's JSON; None when the body is empty or its content type is not JSON."""
    data = await request.read()
    if not data or request.content_type != "application/json":
        return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        ended = data.strip() in (b"[", b"")
        message = "Unexpected end of JSON input" if ended else "Expected property name or '}' in JSON at position 1"
        raise Refused(400, message, "Invalid JSON") from None


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def load_error(message: str, severity: str = "common") -> dict[str, Any]:
    """The answer to a failed load: unlike Lavalink's, it has no ``data``."""
    return {"loadType": "error", "exception": {"message": message, "severity": severity}}


def loaded_track(track: Playable) -> dict[str, Any]:
    """A track in the answer to a load: with its source's data on the file, without user data."""
    track = _unread(track)
    payload = track.to_payload()
    del payload["userData"]
    if track.source == "local":
        kind = str(track.plugin_info.get("probeInfo"))
        payload["info"]["details"] = []
        payload["pluginInfo"] = {
            "fileType": kind, "streamType": f"audio/{kind}", "bitrateKbps": "unknown", "durationMs": track.length,
        }  # fmt: skip
    elif track.source == "http":
        payload["pluginInfo"] = {
            "bitrate": 0, "genre": "", "stationUrl": track.uri, "artworkUrl": None, "icyBr": "", "audioInfo": "",
        }  # fmt: skip
    return payload


def _unread(track: Playable) -> Playable:
    """A file as a NodeLink knows it before it plays: it reads no tags and no length."""
    if track.source not in ("local", "http") or track.is_stream:
        return track
    is_local = track.source == "local"
    title = file_name(track) if is_local else "Unknown"
    unread = replace(track, title=title, author="unknown", length=-1, isrc=None, is_seekable=not is_local)
    return replace(unread, encoded=encode_track(unread))


def decoded_payload(encoded: str) -> dict[str, Any]:
    """A track in the answers of the decoding routes."""
    return decoded(encoded, "Failed to decode track").to_payload() | {"pluginInfo": {}, "messageFlags": 1}


def decoded(encoded: str, error: str | None = None) -> Playable:
    """Decode a track; NodeLink also accepts the form of Lavalink.

    Raises:
        Refused: The text is not an encoded track.
    """
    try:
        return decode_track(encoded)
    except TrackDecodeError as fault:
        raise Refused(500, f"Decode Error at {_place(encoded) or fault}", error, traced=True) from None


def _place(encoded: str) -> str | None:
    """The place where a message is too short; like the server, it skips characters that are not base64."""
    text = re.sub(r"[^A-Za-z0-9+/_-]", "", encoded)
    data = base64.urlsafe_b64decode(text[: len(text) // 4 * 4].replace("+", "-").replace("/", "_"))
    if len(data) < 4:
        return f"[messageHeader]: Unexpected end of buffer (need 4 bytes) (Buffer pos: 0/{len(data)})"
    size = int.from_bytes(data[:4], "big") & 0x3FFF_FFFF
    if size > len(data) - 4:
        return f"[messageBody]: Unexpected end of buffer (need {size} bytes) (Buffer pos: 4/{len(data)})"
    return None
