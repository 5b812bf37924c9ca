"""A thread that computes beside the event loop, and lets the loop run on meanwhile.

A thread alone is not enough. Only one thread runs Python at a time, and by default the loop waits up to 5 ms for its
turn, at each of its steps. A garbage collection stops both, for as long as it takes to look at every object of a large
fleet: tens of milliseconds, often several times in one piece of work that makes 100,000 objects.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
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

    def run(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Compute something. What is computed must not leave reference cycles behind, because none is collected."""
        return asyncio.get_running_loop().run_in_executor(self._thread, _considerate, work)

    def close(self) -> None:
        """Start no more work."""
        self._thread.shutdown(wait=False, cancel_futures=True)


async def run_beside_loop(work: Callable[[], T]) -> T:
    """Compute something in a thread of its own, like a `Worker` that is needed once in a while."""
    return await asyncio.to_thread(_considerate, work)


class _Turns:
    """Short turns without garbage collections, while anything computes: both are settings of the whole process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._interval = 0.0
        self._is_collecting = False

    def __enter__(self) -> None:
        with self._lock:
            self._running += 1
            if self._running == 1:
                self._interval, self._is_collecting = sys.getswitchinterval(), gc.isenabled()
                sys.setswitchinterval(min(TURN, self._interval))
                gc.disable()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0:
                sys.setswitchinterval(self._interval)
                if self._is_collecting:
                    gc.enable()


_turns = _Turns()


def _considerate(work: Callable[[], T]) -> T:
    with _turns:
        return work()
