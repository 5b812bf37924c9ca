"""The rate limits for requests to one node, all in one place.

- Observers' requests, handshakes included, use a bucket of four tokens, refilled at two a second.
- NodeLink delays a client that sends 25 requests in ten seconds, and bans one that sends more than 50. All requests to
  one stay below the first number.
- Requests for players and loads of tracks are limited by how many are under way.
- Checks also limit all requests within any one second.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

from revvlink_cli.client import clock
from revvlink_cli.client.protocol.dialects import TRAITS, Dialect
from revvlink_cli.client.protocol.models import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Purpose(Enum):
    """What a request is for: it decides which rate limit applies."""

    OBSERVER = "observer"
    PLAYER = "player"
    LOAD = "load"


class StuckError(Exception):
    """No request can be sent: those under way will never end."""


class Slot:
    """The place of one request among those under way; `RateLimiter.acquire` gives it.

    The block of its ``async with`` is the time that the request is under way. It is a class with slots because each
    connecting node holds two of them: the generators of `asynccontextmanager` take five times the memory.

    Attributes:
        is_kept: Whether it stays taken after the request was given up, because the server is still busy with it.
        purpose: What the request is for.
        permit: Releases the permit of the limit per second at the latest; None without one.
    """

    __slots__ = ("_limiter", "is_kept", "permit", "purpose")

    def __init__(self, limiter: RateLimiter, purpose: Purpose) -> None:
        self._limiter = limiter
        self.is_kept = False
        self.purpose = purpose
        self.permit: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        """Wait until the request may be sent.

        Raises:
            StuckError: Every slot for players is held by a voice request that never ended.
        """
        await self._limiter.begin(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        """The request has ended."""
        self._limiter.end(self)


class RateLimiter:
    """Limits the requests to one node."""

    __slots__ = (
        "_endpoints",
        "_filled_at",
        "_pace",
        "_recent",
        "_slots",
        "_stuck",
        "_tokens",
        "_turns",
        "dialect",
    )

    BURST = 4
    PER_SECOND = 2.0
    WINDOW = 10.0
    LOADS_AT_ONCE = 8
    VOICE_TRIES = 2
    VOICE_PAUSE = 60.0
    ENDPOINTS = 256
    ARRIVED = 10.0

    def __init__(self, per_second: int | None = None, permits: asyncio.Semaphore | None = None) -> None:
        """A fresh rate limiter.

        Args:
            per_second: Requests for all purposes within any one second; None for no such limit.
            permits: A semaphore for this limit that several rate limiters share.
        """
        if permits is None and per_second is not None:
            permits = asyncio.Semaphore(per_second)
        self._pace = permits
        self._tokens = float(self.BURST)
        self._filled_at = clock.monotonic()
        # Most nodes need none of these: an empty list or dictionary each would take memory in a large fleet.
        self._recent: Sequence[float] = ()
        self._turns: Mapping[Any, asyncio.Lock] = NOTHING
        self._slots: Mapping[Any, asyncio.Semaphore] = NOTHING
        self._stuck = 0
        self._endpoints: Mapping[str, tuple[int, float]] = NOTHING
        self.dialect: Dialect | None = None

    def identify(self, dialect: Dialect) -> None:
        """Note what kind of server the node is."""
        self.dialect = dialect
        if dialect is Dialect.LAVALINK:
            self._recent = ()  # a Lavalink has no limit that needs these times

    def acquire(self, purpose: Purpose) -> Slot:
        """A slot for one request; entering it waits until the request may be sent."""
        return Slot(self, purpose)

    async def begin(self, slot: Slot) -> None:
        """Wait until a slot's request may be sent; `Slot` calls it.

        Raises:
            StuckError: Every slot for players is held by a voice request that never ended.
        """
        slots = self._slots_of(slot.purpose)
        if slots is not None:
            await slots.acquire()
        try:
            self._check_stuck(slot.purpose)
            if self._pace is not None:
                slot.permit = await self._permit(self._pace)
            await self._admit(slot.purpose)
        except BaseException:
            self.end(slot)
            raise

    def end(self, slot: Slot) -> None:
        """Note that a slot's request has ended; `Slot` calls it."""
        if slot.permit is not None and self._pace is not None:
            self._release_permit(self._pace, slot.permit)
        slots = self._slots_of(slot.purpose)
        self._stuck += slot.is_kept
        # The last slot is released even if kept: each waiting request gets it in turn, and raises StuckError.
        if slots is not None and (not slot.is_kept or self._are_all_stuck):
            slots.release()

    def _slots_of(self, purpose: Purpose) -> asyncio.Semaphore | None:
        """Its slots, made when they are needed: a large fleet has many nodes without players or loads."""
        if purpose is Purpose.OBSERVER:
            return None
        if purpose not in self._slots:
            # Loads have slots of their own: a slow upstream must not hold up the players.
            is_load = purpose is Purpose.LOAD
            at_once = self.LOADS_AT_ONCE if is_load else TRAITS[Dialect.LAVALINK].players_at_once
            self._slots = {**self._slots, purpose: asyncio.Semaphore(at_once)}
        return self._slots[purpose]

    @property
    def _are_all_stuck(self) -> bool:
        return self._stuck >= TRAITS[Dialect.LAVALINK].players_at_once

    def _check_stuck(self, purpose: Purpose) -> None:
        if purpose is Purpose.PLAYER and self._are_all_stuck:
            raise StuckError("voice requests that never ended hold every slot for players")

    def may_reach(self, endpoint: str) -> bool:
        """Whether a voice server may be tried: after two requests without an answer there is a pause."""
        times, since = self._endpoints.get(endpoint, (0, 0.0))
        if times >= self.VOICE_TRIES and clock.monotonic() - since < self.VOICE_PAUSE:
            return False
        if times >= self.VOICE_TRIES:
            self._endpoints = {name: value for name, value in self._endpoints.items() if name != endpoint}
        return True

    def mark_hung(self, endpoint: str) -> None:
        """Note that a voice request got no answer: Lavalink stays busy with it even after the client has given up."""
        times, _ = self._endpoints.get(endpoint, (0, 0.0))
        noted = {**self._endpoints, endpoint: (times + 1, clock.monotonic())}
        while len(noted) > self.ENDPOINTS:
            del noted[next(iter(noted))]
        self._endpoints = noted

    def reset(self) -> None:
        """Free all slots: the server is another process now, and the hung requests ended with the old one."""
        slots = self._slots_of(Purpose.PLAYER)
        for _ in range(self._stuck - self._are_all_stuck):
            if slots is not None:
                slots.release()
        self._stuck = 0
        self._endpoints = NOTHING

    async def _admit(self, purpose: Purpose) -> None:
        if purpose is not Purpose.OBSERVER and self.dialect is Dialect.LAVALINK:
            return  # only the number of those under way is limited
        if purpose in self._turns or self._wait(purpose) > 0:
            if purpose not in self._turns:
                self._turns = {**self._turns, purpose: asyncio.Lock()}
            async with self._turns[purpose]:  # first come, first served
                while (wait := self._wait(purpose)) > 0:  # noqa: ASYNC110 - it waits for time to pass, not for an event
                    await asyncio.sleep(wait)
                self._note_sent(purpose)
        else:
            self._note_sent(purpose)

    def _note_sent(self, purpose: Purpose) -> None:
        """Count a request. The times are needed of NodeLink only, and of a server of which nothing is known yet."""
        if purpose is Purpose.OBSERVER:
            self._tokens -= 1.0
        if self.dialect is not Dialect.LAVALINK:
            self._recent = [*self._recent[1 - self._most_recent :], clock.monotonic()]

    async def _permit(self, pace: asyncio.Semaphore) -> asyncio.TimerHandle:
        """Take one permit of the limit per second for a request; returns the timer that releases it at the latest.

        A request without an answer is taken to have arrived after `ARRIVED` seconds, connecting included.
        """
        await pace.acquire()
        return asyncio.get_running_loop().call_later(self.ARRIVED + 1.0, pace.release)

    def _release_permit(self, pace: asyncio.Semaphore, latest: asyncio.TimerHandle) -> None:
        """Release a permit one second after the answer, since the request arrived before that."""
        loop = asyncio.get_running_loop()
        if latest.when() > loop.time() + 1.0:
            latest.cancel()
            loop.call_later(1.0, pace.release)

    def _wait(self, purpose: Purpose) -> float:
        """Seconds until the next request fits."""
        now = clock.monotonic()
        self._tokens = min(float(self.BURST), self._tokens + (now - self._filled_at) * self.PER_SECOND)
        self._filled_at = now
        wait = 0.0
        if purpose is Purpose.OBSERVER and self._tokens < 1.0:
            wait = (1.0 - self._tokens) / self.PER_SECOND
        if self.dialect is not None and TRAITS[self.dialect].requests_per_10s and self._is_full():
            wait = max(wait, self._recent[0] + self.WINDOW - now)
        return wait

    @property
    def _most_recent(self) -> int:
        return TRAITS[Dialect.NODELINK].requests_per_10s or 0

    def _is_full(self) -> bool:
        return len(self._recent) == self._most_recent


class SharedPaces:
    """Bounds the requests per second to each server, for several pools together."""

    def __init__(self, per_second: int) -> None:
        self._paces: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(per_second))

    def of(self, uri: str) -> asyncio.Semaphore:
        """The permits of the server at an address, one for each request within a second."""
        return self._paces[uri]
