"""The encoded form of tracks, which nodes play and bots store.

It is lavaplayer's message: base64 over four bytes of flags and size, a version, the fields of the track in Java's
``DataOutput`` encoding, the source's own data, and the position. Versions 1 to 3 differ in what stands between the
``isStream`` flag and the source's name: nothing; the uri; the uri, the artwork and the ISRC.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.protocol.tracks import Playable

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_ENCODED = 64 * 1024
"""Characters of the longest encoded track that is read; genuine ones have a few hundred."""

_VERSIONED = 1
"""Flag of a message that begins with its version."""

_VERSIONS = (1, 2, 3)

_PROBED = ("local", "http")
"""Sources whose own data is the container, as ``container`` or ``container|parameters``."""


class TrackDecodeError(ValueError):
    """Text that is not an encoded track."""


class _Reader:
    """Java's ``DataInput`` over bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, count: int, what: str) -> bytes:
        if self.at + count > len(self._data):
            raise TrackDecodeError(f"it ends at byte {len(self._data)}, in the middle of {what}")
        self.at += count
        return self._data[self.at - count : self.at]

    def number(self, form: str, what: str) -> int:
        return int(struct.unpack(f">{form}", self.take(struct.calcsize(form), what))[0])

    def flag(self, what: str) -> bool:
        return self.number("B", what) != 0

    def text(self, what: str) -> str:
        start = self.at
        data = self.take(self.number("H", what), what)
        try:
            return _from_modified_utf(data)
        except UnicodeDecodeError:
            raise TrackDecodeError(f"{what} at byte {start} is not text") from None

    def optional(self, what: str) -> str | None:
        return self.text(what) if self.flag(what) else None

    @property
    def left(self) -> int:
        return len(self._data) - self.at


def _from_modified_utf(data: bytes) -> str:
    """Java's ``writeUTF``: NUL as two bytes, characters beyond the 16-bit plane as two surrogates of three bytes."""
    halves = data.replace(b"\xc0\x80", b"\x00").decode("utf-8", "surrogatepass")
    return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _to_modified_utf(text: str) -> bytes:
    halves = text.encode("utf-16-le", "surrogatepass")
    units = struct.unpack(f"<{len(halves) // 2}H", halves)
    return "".join(map(chr, units)).encode("utf-8", "surrogatepass").replace(b"\x00", b"\xc0\x80")


def decode_track(encoded: str) -> Playable:
    """Read an encoded track. It corrects white space, missing padding and the URL-safe alphabet.

    The form does not say whether the track is seekable: as on Lavalink, all tracks but streams are.

    What a source adds of its own is kept in `Playable.plugin_info`: ``probeInfo`` (the container) as the servers show
    it for local and http tracks, anything else as base64 under ``sourceData``.

    Raises:
        TrackDecodeError: It is not an encoded track; the text says where reading failed.
    """
    if len(encoded) > MAX_ENCODED:
        raise TrackDecodeError(f"{len(encoded)} characters are too long for a track")
    data = _from_base64(encoded)
    reader = _Reader(data)
    header = reader.number("I", "the header")
    size = header & 0x3FFF_FFFF
    if size > reader.left:
        raise TrackDecodeError(f"its header announces {size} bytes, {reader.left} follow")
    reader = _Reader(data[: 4 + size])
    reader.at = 4
    version = reader.number("B", "the version") if header >> 30 & _VERSIONED else 1
    if version not in _VERSIONS:
        raise TrackDecodeError(f"version {version} is unknown, 1 to 3 are known")
    title, author = reader.text("the title"), reader.text("the author")
    length, identifier = reader.number("q", "the length"), reader.text("the identifier")
    is_stream = reader.flag("the stream flag")
    uri = reader.optional("the uri") if version >= 2 else None
    artwork = reader.optional("the artwork") if version >= 3 else None
    isrc = reader.optional("the ISRC") if version >= 3 else None
    source = reader.text("the source")
    details = reader.take(max(reader.left - 8, 0), "the source's own data")
    return Playable(
        encoded=base64.b64encode(data).decode(),
        identifier=identifier,
        title=title,
        author=author,
        length=length,
        is_stream=is_stream,
        is_seekable=not is_stream,
        position=reader.number("q", "the position"),
        uri=uri,
        artwork=artwork,
        isrc=isrc,
        source=source,
        plugin_info=_details(source, details),
    )


def _from_base64(encoded: str) -> bytes:
    if stranger := re.search(r"[^A-Za-z0-9+/=_\s-]", encoded):
        raise TrackDecodeError(f"it is not base64: character {stranger.start() + 1} is {stranger[0]!a}")
    text = "".join(encoded.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise TrackDecodeError(f"it is not base64: {len(text)} characters are not a whole number of bytes") from None


def _details(source: str, data: bytes) -> Mapping[str, Any]:
    if not data:
        return {}
    if source in _PROBED:
        reader = _Reader(data)
        try:
            probe = reader.text("the probe info")
        except TrackDecodeError:
            probe = None
        if probe is not None and not reader.left:
            return {"probeInfo": probe}
    return {"sourceData": base64.b64encode(data).decode()}


def encode_track(track: Playable, *, version: int = 3) -> str:
    """The encoded form of a track's fields; its own `encoded` is ignored.

    What its source adds comes from `Playable.plugin_info`, as `decode_track` puts it there: a track as a node sent it
    has that for local and http only.

    Raises:
        ValueError: The version is none of 1 to 3, a text is longer than the form can hold (65,535 bytes), a number than
            64 bits, or ``sourceData`` is not base64.
    """
    if version not in _VERSIONS:
        raise ValueError(f"version {version} is unknown, 1 to 3 are known")
    try:
        parts = [
            bytes([version]),
            _utf(track.title),
            _utf(track.author),
            struct.pack(">q", track.length),
            _utf(track.identifier),
            bytes([track.is_stream]),
            _nullable(track.uri) if version >= 2 else b"",
            _nullable(track.artwork) + _nullable(track.isrc) if version >= 3 else b"",
            _utf(track.source),
            _encoded_details(track),
            struct.pack(">q", track.position),
        ]
    except struct.error as error:
        raise ValueError(f"a number does not fit the encoded form: {error}") from None
    body = b"".join(parts)
    return base64.b64encode(struct.pack(">I", _VERSIONED << 30 | len(body)) + body).decode()


def _encoded_details(track: Playable) -> bytes:
    probe, raw = track.plugin_info.get("probeInfo"), track.plugin_info.get("sourceData")
    if isinstance(probe, str) and track.source in _PROBED:
        return _utf(probe)
    return _from_base64(raw) if isinstance(raw, str) else b""


def _utf(text: str) -> bytes:
    data = _to_modified_utf(text)
    if len(data) > 0xFFFF:
        raise ValueError(f"a text of {len(data)} bytes does not fit the encoded form")
    return struct.pack(">H", len(data)) + data


def _nullable(text: str | None) -> bytes:
    return b"\x00" if text is None else b"\x01" + _utf(text)
