"""The changes of one guild's player: one after the other, and each to its end."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from revvlink_cli.client.errors import Code, NodeException, RevvlinkException

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

T = TypeVar("T")

log = logging.getLogger(__name__)


class Turn:
    """The lock of one guild, and the request that is under way for it.

    A caller holds it while it decides and sends. What was sent runs to its end even when the caller is cancelled, and
    the next caller waits for that: a server that still works on an abandoned request would undo what comes next.

    Attributes:
        doubtful_until: Monotonic second until which a server may still do what it never answered.
    """

    def __init__(self, guild_id: int, spawn: Callable[..., asyncio.Task[None]], check_loop: Callable[[], None]) -> None:
        self._guild_id = guild_id
        self._spawn = spawn
        self._check_loop = check_loop
        self._lock = asyncio.Lock()
        self._step: asyncio.Task[None] | None = None
        self.doubtful_until = 0.0

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._lock.locked()

    async def __aenter__(self) -> Self:
        """Wait for one's turn, and for a request whose caller was cancelled.

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
        """Let the next one in."""
        self._lock.release()

    async def finish(self, step: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a step to its end, even if the caller, who holds the turn, is cancelled meanwhile.

        Raises:
            NodeException: The pool was closed before the step had ended; or what the step raises.
        """
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def work() -> None:
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

        def closed(_: asyncio.Task[None]) -> None:
            if not outcome.done():
                told = f"the pool was closed while the player of guild {self._guild_id} was changed"
                outcome.set_exception(NodeException(told, code=Code.NOT_CONNECTED, hint="connect the pool again"))

        self._step = self._spawn(work(), name=f"player {self._guild_id}")
        self._step.add_done_callback(closed)
        return await outcome

    def doubt(self, seconds: float) -> None:
        """A request got no answer: the server may do it all the same, within so many seconds."""
        self.doubtful_until = time.monotonic() + seconds
