"""The circuit breaker: a node whose requests keep failing is out of routing for growing times."""

from __future__ import annotations

import random

from revvlink_cli.client import clock

TRIPS_AFTER = 5
"""Failures in a row after which a node is out of routing."""

BASE, CAP = 5.0, 120.0
"""The longest first time out of routing, and the longest of all, in seconds."""


class CircuitBreaker:
    """Counts failures of one node's requests. A success resets the count and the growth of the times."""

    __slots__ = (
        "_failures",
        "_trips",
        "_until",
    )

    def __init__(self) -> None:
        self._failures = 0
        self._trips = 0
        self._until: float | None = None

    @property
    def tripped_until(self) -> float | None:
        """Monotonic second until which the node is out of routing, None when it is not."""
        return self._until if self._until is not None and clock.monotonic() < self._until else None

    def succeeded(self) -> bool:
        """Note that a request was answered; returns whether that changes anything."""
        changed = self._failures > 0 or self._until is not None
        self._failures, self._trips, self._until = 0, 0, None
        return changed

    def failed(self) -> bool:
        """Note that the node failed a request; returns whether that takes it out of routing."""
        self._failures += 1
        if self._failures < TRIPS_AFTER or self.tripped_until is not None:
            return False
        limit = min(CAP, BASE * 2.0 ** min(self._trips, 16))
        self._trips += 1
        # At least half of it: otherwise the jitter could make the time too short.
        self._until = clock.monotonic() + random.uniform(limit / 2, limit)  # noqa: S311 - no secret
        return True
