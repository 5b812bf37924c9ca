"""The thread that computes beside the event loop."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time

import pytest

from revvlink_cli.services.worker import TURN, Worker, run_beside_loop


def test_the_loop_gets_its_turn_often_and_no_collection_stops_it() -> None:
    """While the thread works, turns are short and nothing is collected; afterwards all is as before."""
    before = sys.getswitchinterval()
    steps = 0

    def work() -> tuple[float, bool]:
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            pass
        return sys.getswitchinterval(), gc.isenabled()

    async def step() -> None:
        nonlocal steps
        while True:
            await asyncio.sleep(0.001)
            steps += 1

    async def main() -> tuple[float, bool]:
        worker = Worker("test")
        stepping = asyncio.create_task(step())
        found = await worker.run(work)
        stepping.cancel()
        await asyncio.wait([stepping])
        worker.close()
        return found

    interval, is_collecting = asyncio.run(main())
    assert (round(interval, 6), is_collecting) == (TURN, False)
    assert (sys.getswitchinterval(), gc.isenabled()) == (before, True)
    assert steps > 5


def test_work_that_fails_restores_everything() -> None:
    """The caller gets the exception, and the next work is done."""
    before = sys.getswitchinterval()

    async def main() -> int:
        worker = Worker("test")
        with pytest.raises(ZeroDivisionError):
            await worker.run(lambda: 1 // 0)
        found = await worker.run(lambda: 7)
        worker.close()
        return found

    assert asyncio.run(main()) == 7
    assert (sys.getswitchinterval(), gc.isenabled()) == (before, True)


def test_settings_last_until_the_last_of_several_is_done() -> None:
    """What ends first does not end the short turns of the others, and the order of the ends does not matter."""
    before = sys.getswitchinterval()
    may_end = threading.Event()

    def short() -> None:
        pass

    def long() -> tuple[float, bool]:
        assert may_end.wait(10)
        return sys.getswitchinterval(), gc.isenabled()

    async def main() -> tuple[float, bool]:
        waiting = asyncio.create_task(run_beside_loop(long))
        await run_beside_loop(short)
        may_end.set()
        return await waiting

    interval, is_collecting = asyncio.run(main())
    assert (round(interval, 6), is_collecting) == (TURN, False)
    assert (sys.getswitchinterval(), gc.isenabled()) == (before, True)
