"""Budgets: what is bounded, and by what."""

from __future__ import annotations

import asyncio
import time

import pytest

from revvlink_cli.client.budget import Budget, Purpose
from revvlink_cli.client.dialect import Dialect


@pytest.mark.parametrize("purpose", [Purpose.LOAD, Purpose.PLAYER])
def test_work_is_bounded_by_what_is_under_way(purpose: Purpose) -> None:
    """Thirty requests at once: never more than eight are under way."""

    async def work() -> None:
        budget, under_way, most = Budget(), 0, 0

        async def one() -> None:
            nonlocal under_way, most
            async with budget.draw(purpose):
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
        budget = Budget()

        async def ask(purpose: Purpose) -> float:
            async with budget.draw(purpose):
                return time.monotonic()

        asked = await asyncio.gather(*(ask(Purpose.OBSERVER) for _ in range(6)), ask(Purpose.PLAYER))
        assert asked[4] - asked[0] >= 0.45
        assert asked[5] - asked[0] >= 0.95
        assert asked[6] < asked[4]

    asyncio.run(work())


def test_nodelink_is_kept_under_its_guard() -> None:
    """Whatever it is for, the twenty-fifth request in ten seconds to a NodeLink waits."""

    async def work() -> None:
        budget = Budget()
        budget.dialect = Dialect.NODELINK
        for _ in range(24):
            async with budget.draw(Purpose.LOAD):
                pass
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), budget.draw(Purpose.PLAYER):
                pytest.fail("the guard would have delayed this one")

    asyncio.run(work())
