"""The loop in simulated time: hours pass in a moment, and the client is in the same time."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from revvlink_cli.client import clock
from revvlink_cli.services.drill.virtual_loop import StalledError, StoppedError, VirtualLoop, run


def test_time_jumps_to_the_next_timer() -> None:
    """Timers run in their order and at their moments, without the wait."""

    async def work(loop: VirtualLoop) -> list[float]:
        seen: list[float] = []

        async def after(seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append(round(loop.time(), 3))

        await asyncio.gather(after(7200), after(0.5), after(60))
        return seen

    assert run(work) == [0.5, 60, 7200]


def test_client_has_the_time_of_the_loop() -> None:
    """Its clock is the loop's during the run, and the real one again afterwards."""

    async def work(loop: VirtualLoop) -> None:
        await asyncio.sleep(100)
        assert clock.monotonic() == loop.time()

    run(work)
    assert clock.monotonic is time.monotonic


def test_a_run_that_waits_for_nothing_fails() -> None:
    """Where no timer is left, an error says so: the run would never end."""

    async def work(loop: VirtualLoop) -> None:
        await loop.create_future()

    with pytest.raises(StalledError):
        run(work)


def test_another_thread_ends_a_run() -> None:
    """A run that was stopped ends its tasks in order, and raises."""
    stop, has_ended = threading.Event(), threading.Event()

    async def work(_loop: VirtualLoop) -> None:
        try:
            stop.set()
            while True:
                await asyncio.sleep(1)
        finally:
            has_ended.set()

    with pytest.raises(StoppedError):
        run(work, stop)
    assert has_ended.is_set()


def test_moments_that_rounding_puts_before_now_are_reached() -> None:
    """A task that waits until the loop's time is at a moment gets there, however small the rest is."""

    async def work(loop: VirtualLoop) -> None:
        await asyncio.sleep(1e6)
        due = loop.time() + 1e-12
        while loop.time() < due:
            await asyncio.sleep(due - loop.time())

    run(work)
