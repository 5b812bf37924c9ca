"""NodeLink's guards: it counts requests, slows down who asks often, bans who floods, and refuses above its limits."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from revvlink_cli.simulator.clock import Clock

FLOOD_WINDOW = 10.0
"""Seconds over which the flood guard counts."""

FLOOD_DELAYED, FLOOD_BANNED = 25, 50
"""Requests in that time from which each is delayed, and above which the address is banned."""

FLOOD_DELAY = 0.5
"""Seconds of the delay."""

BAN = 300.0
"""Seconds of the ban."""

ADDRESS, USER, GUILD = (100, 10.0), (50, 5.0), (20, 5.0)
"""Requests allowed in so many seconds to an address, a User-Id, and about one guild."""


@dataclass
class Window:
    """Requests in a window that begins with the first of them.

    Attributes:
        limit: How many are allowed.
        seconds: How long it lasts.
        count: How many there were.
        ends: When it ends.
    """

    limit: int
    seconds: float
    count: int = 0
    ends: float = -math.inf

    def take(self, now: float) -> None:
        """One more request."""
        if now >= self.ends:
            self.count, self.ends = 0, now + self.seconds
        self.count += 1


@dataclass(frozen=True)
class Counted:
    """What the limits say to a request.

    Attributes:
        headers: The answer's ``X-RateLimit-…``, and ``Retry-After`` when it is refused.
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
        """Count a request; the narrowest limit that it falls under is the one told."""
        names = [("address", ADDRESS)]
        names += [(f"user {user}", USER)] if user else []
        names += [(f"guild {guild}", GUILD)] if guild else []
        now = self._clock.now()
        told = None
        for name, (limit, seconds) in names:
            told = self._windows.setdefault(name, Window(limit, seconds))
            told.take(now)
            if told.count > limit:
                break
        if told is None:
            raise AssertionError("every request has an address")
        left = max(told.ends - now, 0.0)
        headers = {
            "X-RateLimit-Limit": str(told.limit),
            "X-RateLimit-Remaining": str(max(told.limit - told.count, 0)),
            "X-RateLimit-Reset": str(math.ceil(time.time() + left / self._clock.speed)),
        }
        if told.count <= told.limit:
            return Counted(headers)
        return Counted({**headers, "Retry-After": str(math.ceil(left))}, is_refused=True)


class FloodGuard:
    """Counts requests over a sliding window."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: deque[float] = deque()
        self._banned_until = -math.inf

    def delay(self) -> float | None:
        """Seconds of the node's clock by which the request is delayed; None when the address is banned."""
        now = self._clock.now()
        if now < self._banned_until:
            return None
        while self._times and self._times[0] <= now - FLOOD_WINDOW:
            self._times.popleft()
        self._times.append(now)
        if len(self._times) > FLOOD_BANNED:
            self._banned_until = now + BAN
            return None
        return FLOOD_DELAY if len(self._times) >= FLOOD_DELAYED else 0.0
