"""A thread that computes beside the event loop, and lets the loop run on meanwhile.

A thread alone is not enough. Only one thread runs Python at a time, and by default the loop waits up to 5 ms for its
turn, at each of its steps. A garbage collection stops both, for as long as it takes to look at every object of a large
fleet: tens of milliseconds, often several times in one piece of work that makes 100,000 objects.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

TURN = 0.0005
"""Seconds after which the loop gets its turn while the thread works."""


class Worker:
    """Computes one thing after another in its thread."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)

    async def run(self, work: Callable[[], T]) -> T:
        """Compute something. What is computed must not leave reference cycles behind, because none is collected."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, _considerate, work)

    def close(self) -> None:
        """Start no more work."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _considerate(work: Callable[[], T]) -> T:
    """Run work with short turns, and without a garbage collection in between."""
    interval, is_collecting = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(min(TURN, interval))
    gc.disable()
    try:
        return work()
    finally:
        if is_collecting:
            gc.enable()
        sys.setswitchinterval(interval)
