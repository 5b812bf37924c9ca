"""Runs the changes of one guild's player one after the other, and completes each of them."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from revvlink_cli.client import clock
from revvlink_cli.client.errors import Code, NodeException, RevvlinkException

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


T = TypeVar("T")


class TaskOwner(Protocol):
    """What owns the tasks of turns: the fleet, which imports players and so cannot be imported here."""

    def check_loop(self) -> None:
        """Check that the caller runs on its event loop."""

    def spawn(
        self, work: Coroutine[Any, Any, T], *, name: str, on_end: Callable[[asyncio.Task[T]], object] | None = None
    ) -> asyncio.Task[T]:
        """Start a task of its own; `on_end` is called with it when it has ended in any way."""


log = logging.getLogger(__name__)


class Turn(asyncio.Lock):
    """The lock of one guild, and the request that is under way for it.

    A caller holds the lock while it decides and sends. A request that was sent completes even when its caller is
    cancelled, and the next caller waits for it. Otherwise a server that still works on the first request could undo
    the second one.

    Attributes:
        doubtful_until: Monotonic second until which a server may still carry out a request that it did not answer.
    """

    def __init__(self, guild_id: int, fleet: TaskOwner) -> None:
        super().__init__()
        self._guild_id = guild_id
        self._fleet = fleet
        self._step: asyncio.Task[Any] | None = None  # None again when it has ended: thousands of players are idle
        self.doubtful_until = 0.0

    async def __aenter__(self) -> None:
        """Wait for the lock, and for a request whose caller was cancelled.

        Raises:
            RuntimeError: The pool belongs to another event loop.
        """
        self._fleet.check_loop()
        await self.acquire()
        if self._step is not None:
            try:
                await asyncio.wait([self._step])
            except BaseException:
                self.release()
                raise

    async def finish(self, step: Coroutine[Any, Any, T]) -> T:
        """Complete a step even if the caller, who holds the lock, is cancelled meanwhile.

        Raises:
            NodeException: The pool was closed before the step had ended; or the exception of the step.
        """
        return await self.begin(step)

    def begin(self, step: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Begin a step, as `finish` does; the future has its outcome.

        Raises:
            NodeException: The pool is closed: the step was not begun.
        """
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        ended = partial(self._ended, outcome)
        self._step = self._fleet.spawn(step, name=f"player {self._guild_id}", on_end=ended)
        return outcome

    def _ended(self, outcome: asyncio.Future[T], step: asyncio.Task[T]) -> None:
        """Give the outcome of a step to its caller, or log why it failed if the caller was cancelled."""
        if self._step is step:  # otherwise the next one has begun
            self._step = None
        error: BaseException | None
        if step.cancelled():
            message = f"the pool was closed while the player of guild {self._guild_id} was changed"
            error = NodeException(message, code=Code.NOT_CONNECTED, hint="connect the pool again")
        else:
            error = step.exception()
        if outcome.done():
            if isinstance(error, RevvlinkException):
                log.info("guild %s: a change whose caller was cancelled: %s", self._guild_id, error)
            elif error is not None:
                log.error("defect in: %s", step.get_name(), exc_info=error)
        elif error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(step.result())

    def doubt(self, seconds: float) -> None:
        """Note that a request got no answer: the server may still carry it out within so many seconds."""
        self.doubtful_until = clock.monotonic() + seconds
