"""The clock of simulated nodes: real, fast or manual."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from revvlink_cli.simulator.control_errors import ClockError

FAST = 20.0
"""Seconds on a fast clock in each second."""

SETTLING = 1.0
"""Real seconds that `Clock.advance` waits at most for a task that it has woken."""


@dataclass(slots=True, order=True)
class _Waiter:
    """A task that waits for a moment of a manual clock."""

    moment: float
    number: int
    timeout: asyncio.Timeout = field(compare=False)
    event: asyncio.Event = field(compare=False)
    task: asyncio.Task[object] | None = field(compare=False)


class Clock:
    """The time of simulated nodes, in seconds since their start.

    Every wait of a node is a wait on its clock. The clock takes its time from the event loop in which it starts, so a
    loop with a time of its own is enough to simulate hours in a moment:

        async def drill() -> None:
            async with Simulation([NodeProfile(identifier="us-1")]) as nodes:
                await nodes.clock.sleep(3600)  # an hour of the loop's time
                await nodes["us-1"].kill()

    A fast clock runs tracks, updates, statistics and faults at its speed, and leaves what the time-outs of clients
    depend on at real speed: windows for a resume, delays of answers, limits of requests. On a manual clock nothing
    happens until `advance`.
    """

    def __init__(self, speed: float = 1.0, *, with_timeouts: bool = False) -> None:
        """Make a clock that is real, or fast.

        Args:
            speed: Seconds on this clock in each second of the loop.
            with_timeouts: Whether time-outs of clients run at this speed too, as for a client that plays a recording.

        Raises:
            ValueError: The speed is not above zero.
        """
        if not 0 < speed < math.inf:
            raise ValueError("the speed of a clock must be above zero")
        self.speed = speed
        self.is_manual = False
        self._timeout_speed = speed if with_timeouts else 1.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._began = 0.0
        self._advanced = 0.0
        self._numbers = count()
        self._waiting: dict[int, _Waiter] = {}
        self._busy: set[asyncio.Task[object]] = set()
        self._idle = asyncio.Event()
        self._turn = asyncio.Lock()

    @classmethod
    def manual(cls) -> Clock:
        """Make a clock that only `advance` moves."""
        clock = cls()
        clock.is_manual = True
        return clock

    @classmethod
    def named(cls, name: str) -> Clock:
        """Make the clock of a name: ``real``, ``fast``, ``manual``, or a speed such as ``60x``.

        Raises:
            ValueError: It is none of these.
        """
        match name:
            case "real":
                return cls()
            case "fast":
                return cls(FAST)
            case "manual":
                return cls.manual()
        try:
            return cls(float(name.removesuffix("x")) if name.endswith("x") else math.nan)
        except ValueError:
            raise ValueError(f"{name!r} is not real, fast, manual or a speed such as 60x") from None

    @property
    def kind(self) -> str:
        """``real``, ``fast`` or ``manual``."""
        return "manual" if self.is_manual else "real" if self.speed == 1 else "fast"

    def start(self) -> None:
        """Begin at zero, with the time of the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._began, self._advanced = self._loop.time(), 0.0

    def now(self) -> float:
        """Seconds on this clock since `start`.

        Raises:
            RuntimeError: It has not started.
        """
        if self._loop is None:
            raise RuntimeError("the clock has not started")
        return self._advanced if self.is_manual else (self._loop.time() - self._began) * self.speed

    def of_client(self, seconds: float) -> float:
        """The seconds on this clock in which a client's time-out of so many seconds passes."""
        return seconds * self.speed / self._timeout_speed

    def real(self, seconds: float) -> float:
        """The seconds of the loop in which so many seconds on this clock pass."""
        return seconds / self.speed

    async def wait(self, moment: float, event: asyncio.Event | None = None) -> None:
        """Wait until a moment, or until an event is set. For a task that acts, and then waits again or ends.

        `advance` continues once the task has done either.
        """
        task = asyncio.current_task()
        if task is not None:
            self._rest(task)
        await self._wait(moment, event or asyncio.Event(), task)

    async def sleep(self, seconds: float) -> None:
        """Wait for a time on this clock."""
        await self._wait(self.now() + seconds, asyncio.Event(), None)

    async def advance(self, seconds: float) -> None:
        """Move a manual clock on. What is due meanwhile happens in its order, each at its moment.

        Raises:
            ClockError: The clock is not manual, or the time is negative or no number.
        """
        if not self.is_manual:
            raise ClockError(f"the clock is {self.kind}; only a manual clock can be advanced")
        if not 0 <= seconds < math.inf:
            raise ClockError("a clock advances by a time above zero")
        async with self._turn:
            await asyncio.sleep(0)  # a task that was only just created begins to wait
            end = self._advanced + seconds
            while (waiter := self._next()) is not None and (waiter.moment <= end or waiter.event.is_set()):
                if not waiter.event.is_set():
                    self._advanced = max(self._advanced, waiter.moment)
                    waiter.timeout.reschedule(asyncio.get_running_loop().time())
                await self._settle(waiter)
            self._advanced = end

    def _next(self) -> _Waiter | None:
        """The task that continues next: one whose event is set, else the one with the first moment."""
        waiting = self._waiting.values()
        return next((waiter for waiter in waiting if waiter.event.is_set()), min(waiting, default=None))

    async def _settle(self, waiter: _Waiter) -> None:
        """Let a task continue, and wait until it waits again or has ended."""
        del self._waiting[waiter.number]
        if waiter.task is None:
            return
        self._idle.clear()
        self._busy.add(waiter.task)
        waiter.task.add_done_callback(self._rest)
        with suppress(TimeoutError):  # it waits for a client that does not read
            async with asyncio.timeout(SETTLING):
                await self._idle.wait()
        waiter.task.remove_done_callback(self._rest)
        self._busy.discard(waiter.task)

    def _rest(self, task: asyncio.Task[object]) -> None:
        self._busy.discard(task)
        if not self._busy:
            self._idle.set()

    async def _wait(self, moment: float, event: asyncio.Event, task: asyncio.Task[object] | None) -> None:
        left = moment - self.now()
        waits_by_hand = self.is_manual and left > 0
        delay = None if waits_by_hand or left == math.inf else max(left, 0.0) / self.speed
        number = next(self._numbers)
        with suppress(TimeoutError):
            async with asyncio.timeout(delay) as timeout:
                if waits_by_hand:
                    self._waiting[number] = _Waiter(moment, number, timeout, event, task)
                try:
                    await event.wait()
                finally:
                    self._waiting.pop(number, None)
