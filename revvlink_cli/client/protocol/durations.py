"""The duration of a track from its length."""

from __future__ import annotations

STREAM_LENGTH = 2**63 - 1
"""What lavaplayer writes as the length of a live stream: ``Long.MAX_VALUE``."""


def known_duration(length: int, *, is_stream: bool) -> int | None:
    """Milliseconds a track lasts, None for a stream and when unknown."""
    return None if is_stream or not 0 <= length < STREAM_LENGTH else length
