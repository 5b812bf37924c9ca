"""Budgets: what is bounded, and by what."""

from __future__ import annotations

import asyncio
import time

import pytest

from revvlink_cli.client.connection.rate_limits import Purpose, RateLimiter
from revvlink_cli.client.protocol.dialects import Dialect


@pytest.mark.parametrize("purpose", [Purpose.LOAD, Purpose.PLAYER])
def test_work_is_bounded_by_what_is_under_way(purpose: Purpose) -> None:
    """Thirty requests at once: never more than eight are under way."""

    async def work() -> None:
        rate_limiter, under_way, most = RateLimiter(), 0, 0

        async def one() -> None:
            nonlocal under_way, most
            async with rate_limiter.acquire(purpose):
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(0)
                under_way -= 1

        await asyncio.gather(*(one() for _ in range(30)))
        assert most == 8

    asyncio.run(work())


def test_an_observer_is_kept_to_two_a_second() -> None:
    """Four at once, then one each half second; players do not wait behind it."""

    async def work() -> None:
        rate_limiter = RateLimiter()

        async def ask(purpose: Purpose) -> float:
            async with rate_limiter.acquire(purpose):
                return time.monotonic()

        asked = await asyncio.gather(*(ask(Purpose.OBSERVER) for _ in range(6)), ask(Purpose.PLAYER))
        assert asked[4] - asked[0] >= 0.45
        assert asked[5] - asked[0] >= 0.95
        assert asked[6] < asked[4]

    asyncio.run(work())


def test_a_checker_is_kept_to_so_many_within_any_second() -> None:
    """Whatever they are for, and though their answers take their time: never more than two in one second."""

    async def work() -> None:
        rate_limiter = RateLimiter(per_second=2)
        sent: list[float] = []

        async def ask(purpose: Purpose) -> None:
            async with rate_limiter.acquire(purpose):
                sent.append(time.monotonic())
                await asyncio.sleep(0.05)

        await asyncio.gather(*(ask(purpose) for purpose in (*Purpose, Purpose.OBSERVER, Purpose.LOAD)))
        assert len(sent) == 5
        assert all(third - first >= 1.05 for first, third in zip(sent, sent[2:], strict=False))
        assert sent[4] - sent[0] < 10

    asyncio.run(work())


def test_a_connection_that_takes_long_is_counted_from_its_end() -> None:
    """Whoever has waited for a name server sends when that has answered: what follows keeps its distance from then."""

    async def work() -> None:
        rate_limiter = RateLimiter(per_second=1)
        async with rate_limiter.acquire(Purpose.OBSERVER):
            await asyncio.sleep(2.5)
        ended = time.monotonic()
        async with rate_limiter.acquire(Purpose.LOAD):
            assert time.monotonic() - ended >= 1.0

    asyncio.run(work())


def test_a_request_that_gets_no_answer_holds_up_no_checker_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has surely arrived after a while, and a second later its place is free."""
    monkeypatch.setattr(RateLimiter, "ARRIVED", 1.0)

    async def work() -> None:
        rate_limiter = RateLimiter(per_second=1)
        async with rate_limiter.acquire(Purpose.OBSERVER):
            began = time.monotonic()
            async with rate_limiter.acquire(Purpose.LOAD):
                assert 1.9 <= time.monotonic() - began < 10

    asyncio.run(work())


def test_nodelink_is_kept_under_its_guard() -> None:
    """Whatever it is for, the twenty-fifth request in ten seconds to a NodeLink waits."""

    async def work() -> None:
        rate_limiter = RateLimiter()
        rate_limiter.dialect = Dialect.NODELINK
        for _ in range(24):
            async with rate_limiter.acquire(Purpose.LOAD):
                pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), rate_limiter.acquire(Purpose.PLAYER):
                pytest.fail("the guard would have delayed this one")

    asyncio.run(work())
