"""The clock of simulated nodes: what waits for what, on each kind of clock."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.simulator import Clock


def test_each_kind_of_clock() -> None:
    """A clock begins at zero when it starts; a fast one is ahead of the loop, and its time-outs of clients are not."""

    async def work() -> None:
        real, fast, hurried, manual = Clock(), Clock(1000.0), Clock(1000.0, with_timeouts=True), Clock.manual()
        assert [clock.kind for clock in (real, fast, manual)] == ["real", "fast", "manual"]
        with pytest.raises(RuntimeError, match="not started"):
            fast.now()
        for clock in (real, fast, hurried, manual):
            clock.start()
        began = asyncio.get_running_loop().time()
        await fast.sleep(20)
        took = asyncio.get_running_loop().time() - began
        assert fast.now() >= 20 > took >= 0.02
        assert (fast.of_client(60), hurried.of_client(60), manual.of_client(60)) == (60_000, 60, 60)
        assert fast.real(fast.of_client(60)) == 60
        assert manual.now() == 0

    asyncio.run(work())


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_impossible_speeds(speed: float) -> None:
    """A clock that stands still is a manual one."""
    with pytest.raises(ValueError, match="above zero"):
        Clock(speed)


def test_only_a_manual_clock_advances() -> None:
    """And never backwards."""

    async def work() -> None:
        for clock, seconds in ((Clock(), 1.0), (Clock(2.0), 1.0), (Clock.manual(), -1.0), (Clock.manual(), math_inf)):
            clock.start()
            with pytest.raises(ValueError, match=r"only a manual clock|above zero"):
                await clock.advance(seconds)

    math_inf = float("inf")
    asyncio.run(work())


@given(
    intervals=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    steps=st.lists(st.integers(0, 25), min_size=1, max_size=5),
)
def test_advancing_is_the_same_in_one_step_and_in_many(intervals: list[int], steps: list[int]) -> None:
    """Every task that waits acts at its moments, in their order, before `advance` returns."""

    async def seen(parts: list[int]) -> list[tuple[float, int]]:
        clock = Clock.manual()
        clock.start()
        acted: list[tuple[float, int]] = []

        async def act(number: int, interval: int) -> None:
            due = 0.0
            while True:
                due += interval
                await clock.wait(due)
                await asyncio.sleep(0)  # some work, in which others could overtake it
                acted.append((clock.now(), number))

        tasks = [asyncio.create_task(act(number, interval)) for number, interval in enumerate(intervals)]
        await asyncio.sleep(0)
        for part in parts:
            await clock.advance(part)
        assert clock.now() == sum(parts)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return acted

    once, often = asyncio.run(seen([sum(steps)])), asyncio.run(seen(steps))

    assert once == often
    assert [moment for moment, _ in once] == sorted(moment for moment, _ in once)
    assert len(once) == sum(sum(steps) // interval for interval in intervals)


def test_an_event_ends_a_wait() -> None:
    """Before its moment, and on a manual clock without any advance."""

    async def work(clock: Clock) -> None:
        clock.start()
        event = asyncio.Event()
        waiting = asyncio.create_task(clock.wait(3600.0, event))
        await asyncio.sleep(0)
        event.set()
        await waiting
        await clock.wait(-1.0)
        await clock.wait(float("inf"), event)
        assert clock.now() < 60

    for clock in (Clock(), Clock.manual()):
        asyncio.run(work(clock))
