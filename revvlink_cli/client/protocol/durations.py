"""What the length of a track says."""

from __future__ import annotations

STREAM_LENGTH = 2**63 - 1
"""What lavaplayer writes as the length of a live stream: ``Long.MAX_VALUE``."""


def known_duration(length: int, *, is_stream: bool) -> int | None:
    """Milliseconds a track lasts, None for a stream and where nobody knows."""
    return None if is_stream or not 0 <= length < STREAM_LENGTH else length
