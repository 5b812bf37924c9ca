"""The time on a simulated node."""

from __future__ import annotations

import time


class Clock:
    """Seconds that may pass faster than real ones.

    Attributes:
        speed: How many pass in a real second.
    """

    def __init__(self, speed: float) -> None:
        self.speed = speed

    def now(self) -> float:
        """Seconds on the node's monotonic clock."""
        return time.monotonic() * self.speed

    def real_until(self, moment: float) -> float:
        """Real seconds until that moment of the node's clock, 0 when it has passed."""
        return max(moment - self.now(), 0.0) / self.speed
