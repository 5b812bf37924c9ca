"""Binds a pool to one event loop, and rejects its use from another."""

from __future__ import annotations

import asyncio
import threading


class LoopBinding:
    """The one event loop of a pool, from its first use to its release.

    Without it, a second thread would wait for ever, because only the loop of the first one can wake it.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = ""
        self._lock = threading.Lock()  # two threads may connect at the same moment

    @property
    def is_dead(self) -> bool:
        """Whether the loop has ended without a release."""
        return self._loop is not None and self._loop.is_closed()

    def bind(self) -> None:
        """Bind to the running loop.

        Raises:
            RuntimeError: It is bound to another loop.
        """
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                self._loop = asyncio.get_running_loop()
                self._thread = threading.current_thread().name
        self.check()

    def release(self) -> None:
        """End the binding."""
        self._loop = None

    def check(self) -> None:
        """Check that the caller runs on the bound loop, or that this loop does not run.

        Raises:
            RuntimeError: The caller runs on another loop, or in another thread.
        """
        bound = self._loop
        if bound is None:
            return
        here = running_loop()
        if bound is here or bound.is_closed():
            return
        if here is not None or bound.is_running():
            raise RuntimeError(
                f"this pool belongs to another event loop, that of thread {self._thread}: call it there (see"
                " asyncio.run_coroutine_threadsafe), or give every event loop a subclass of Pool"
            )


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread, None when there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
