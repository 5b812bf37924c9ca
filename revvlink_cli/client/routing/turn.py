"""Runs the changes of one guild's player one after the other, and completes each of them."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from revvlink_cli.client.errors import Code, NodeException, RevvlinkException

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

T = TypeVar("T")

log = logging.getLogger(__name__)


class Turn:
    """The lock of one guild, and the request that is under way for it.

    A caller holds the lock while it decides and sends. A request that was sent completes even when its caller is
    cancelled, and the next caller waits for it. Otherwise a server that still works on the first request could undo
    the second one.

    Attributes:
        doubtful_until: Monotonic second until which a server may still carry out a request that it did not answer.
    """

    def __init__(self, guild_id: int, spawn: Callable[..., asyncio.Task[None]], check_loop: Callable[[], None]) -> None:
        self._guild_id = guild_id
        self._spawn = spawn
        self._check_loop = check_loop
        self._lock = asyncio.Lock()
        self._step: asyncio.Task[None] | None = None
        self.doubtful_until = 0.0

    def locked(self) -> bool:
        """Whether a caller holds the lock."""
        return self._lock.locked()

    async def __aenter__(self) -> Self:
        """Wait for the lock, and for a request whose caller was cancelled.

        Raises:
            RuntimeError: The pool belongs to another event loop.
        """
        self._check_loop()
        await self._lock.acquire()
        try:
            if self._step is not None:
                await asyncio.wait([self._step])
        except BaseException:
            self._lock.release()
            raise
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Release the lock."""
        self._lock.release()

    async def finish(self, step: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Complete a step even if the caller, who holds the lock, is cancelled meanwhile.

        Raises:
            NodeException: The pool was closed before the step had ended; or the exception of the step.
        """
        return await self.begin(step)

    def begin(
        self, step: Callable[[], Coroutine[Any, Any, T]], *, on_end: Callable[[], object] | None = None
    ) -> asyncio.Future[T]:
        """Begin a step, as `finish` does; the future has its outcome.

        Args:
            step: Makes the step.
            on_end: Called when the step has ended in any way.

        Raises:
            NodeException: The pool is closed: the step was not begun.
        """
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        ended = partial(self._ended, outcome, on_end)
        self._step = self._spawn(self._run(step, outcome), name=f"player {self._guild_id}", on_end=ended)
        return outcome

    async def _run(self, step: Callable[[], Coroutine[Any, Any, T]], outcome: asyncio.Future[T]) -> None:
        try:
            result = await step()
        except Exception as error:
            if not outcome.done():
                outcome.set_exception(error)
            elif isinstance(error, RevvlinkException):
                log.info("guild %s: a change whose caller was cancelled: %s", self._guild_id, error)
            else:
                raise  # a defect: the fleet logs it
        else:
            if not outcome.done():
                outcome.set_result(result)

    def _ended(self, outcome: asyncio.Future[Any], on_end: Callable[[], object] | None) -> None:
        if on_end is not None:
            on_end()
        if not outcome.done():
            message = f"the pool was closed while the player of guild {self._guild_id} was changed"
            outcome.set_exception(NodeException(message, code=Code.NOT_CONNECTED, hint="connect the pool again"))

    def doubt(self, seconds: float) -> None:
        """Note that a request got no answer: the server may still carry it out within so many seconds."""
        self.doubtful_until = time.monotonic() + seconds
