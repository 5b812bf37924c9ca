"""The guards of a NodeLink: one delays and bans floods of requests, the other refuses requests above its limits."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from revvlink_cli.simulator.clock import Clock

FLOOD_WINDOW = 10.0
"""Seconds of the flood guard's window."""

FLOOD_DELAYED, FLOOD_BANNED = 25, 50
"""Number of requests in the window from which each one is delayed, and above which the address is banned."""

FLOOD_DELAY = 0.5
"""Seconds of the delay."""

BAN = 300.0
"""Seconds of the ban."""

ADDRESS, USER, GUILD = (100, 10.0), (50, 5.0), (20, 5.0)
"""Allowed requests and their window in seconds, for an address, for a User-Id and for a guild."""


@dataclass
class Window:
    """A window of requests, which starts with its first request.

    Attributes:
        limit: Number of allowed requests.
        seconds: Length of the window.
        count: Number of requests so far.
        ends: The end of the window on the node's clock.
    """

    limit: int
    seconds: float
    count: int = 0
    ends: float = -math.inf

    def take(self, now: float) -> None:
        """Count a request."""
        if now >= self.ends:
            self.count, self.ends = 0, now + self.seconds
        self.count += 1


@dataclass(frozen=True)
class Counted:
    """The result of the limits for a request.

    Attributes:
        headers: The response's ``X-RateLimit-…``, and ``Retry-After`` when it is refused.
        is_refused: Whether it is above a limit.
    """

    headers: dict[str, str] = field(default_factory=dict)
    is_refused: bool = False


class RateLimits:
    """Requests in fixed windows, by address, user and guild; every simulated client has the same address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[str, Window] = {}

    def count(self, user: str | None, guild: str | None) -> Counted:
        """Count a request; the headers show the first exceeded limit, or the narrowest one."""
        names = [("address", ADDRESS)]
        names += [(f"user {user}", USER)] if user else []
        names += [(f"guild {guild}", GUILD)] if guild else []
        now = self._clock.now()
        window = None
        for name, (limit, seconds) in names:
            window = self._windows.setdefault(name, Window(limit, self._clock.of_client(seconds)))
            window.take(now)
            if window.count > limit:
                break
        if window is None:
            raise AssertionError("every request has an address")
        left = max(window.ends - now, 0.0)
        headers = {
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Remaining": str(max(window.limit - window.count, 0)),
            "X-RateLimit-Reset": str(math.ceil(time.time() + self._clock.real(left))),
        }
        if window.count <= window.limit:
            return Counted(headers)
        return Counted({**headers, "Retry-After": str(math.ceil(left))}, is_refused=True)


class FloodGuard:
    """Counts requests over a sliding window."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: deque[float] = deque()
        self._banned_until = -math.inf

    def delay(self) -> float | None:
        """Seconds by which the request is delayed; None when the address is banned."""
        now = self._clock.now()
        if now < self._banned_until:
            return None
        while self._times and self._times[0] <= now - self._clock.of_client(FLOOD_WINDOW):
            self._times.popleft()
        self._times.append(now)
        if len(self._times) > FLOOD_BANNED:
            self._banned_until = now + self._clock.of_client(BAN)
            return None
        return FLOOD_DELAY if len(self._times) >= FLOOD_DELAYED else 0.0
