"""The clock of a simulated node."""

from __future__ import annotations

import time


class Clock:
    """A monotonic clock that may run faster than real time.

    Attributes:
        speed: Seconds on this clock for each real second.
    """

    def __init__(self, speed: float) -> None:
        self.speed = speed

    def now(self) -> float:
        """Seconds on this clock."""
        return time.monotonic() * self.speed

    def real_until(self, moment: float) -> float:
        """Real seconds until a moment on this clock, 0 when it has passed."""
        return max(moment - self.now(), 0.0) / self.speed
