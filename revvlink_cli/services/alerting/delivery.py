"""What became of a message that was sent to a channel."""

from __future__ import annotations

from typing import NamedTuple

TOTAL_TIMEOUT = 10.0
"""Seconds that a request, its pause and its repetition may take."""

PERHAPS = "the message may not have arrived"


class Delivery(NamedTuple):
    """What became of a message.

    Attributes:
        failure: Why it did not arrive, for sure or perhaps; None when it did.
        may_have_arrived: Whether sending it again may double it.
    """

    failure: str | None = None
    may_have_arrived: bool = True
