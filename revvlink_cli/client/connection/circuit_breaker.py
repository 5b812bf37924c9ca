"""The circuit breaker: a node whose requests fail again and again is left alone for a growing while."""

from __future__ import annotations

import random
import time

TRIPS_AFTER = 5
"""Failures in a row that take a node out of routing."""

BASE, CAP = 5.0, 120.0
"""Seconds of the first such time at most, and of any."""


class CircuitBreaker:
    """Counts failures of one node's requests. A success forgets them, and how often it tripped."""

    def __init__(self) -> None:
        self._failures = 0
        self._trips = 0
        self._until: float | None = None

    @property
    def tripped_until(self) -> float | None:
        """Monotonic second until which the node is out of routing, None when it is not."""
        return self._until if self._until is not None and time.monotonic() < self._until else None

    def succeeded(self) -> bool:
        """A request was answered; True when that changes something."""
        changed = self._failures > 0 or self._until is not None
        self._failures, self._trips, self._until = 0, 0, None
        return changed

    def failed(self) -> bool:
        """A request failed for the node's own reasons; True when that took it out of routing."""
        self._failures += 1
        if self._failures < TRIPS_AFTER or self.tripped_until is not None:
            return False
        limit = min(CAP, BASE * 2.0 ** min(self._trips, 16))
        self._trips += 1
        # Half of it at least, or the jitter would undo the waiting.
        self._until = time.monotonic() + random.uniform(limit / 2, limit)  # noqa: S311 - no secret
        return True
