"""Runs a command's coroutine in an event loop, with a time limit and with signals that end it in order."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from revvlink_cli.output.streams import is_terminal

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from signal import Signals
    from typing import Any

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.output.progress import Spinner

T = TypeVar("T")

CLOSING_TIME = 2.0
"""Seconds after the time limit in which a command still closes its connections and returns its result. A node has a
quarter of a second of it to report the stage at which its time ran out."""


class TimeLimitError(Exception):
    """Raised when a command has not returned within its time limit."""


class TerminatedError(Exception):
    """Raised when a signal has ended a command.

    Attributes:
        signal: SIGTERM or SIGQUIT.
    """

    def __init__(self, signal: Signals) -> None:
        super().__init__(f"ended by {signal.name}")
        self.signal = signal


def run_coroutine(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end.

    Raises:
        KeyboardInterrupt: Ctrl-C; what the coroutine holds open is closed by then.
        TerminatedError: SIGTERM or SIGQUIT, likewise.
    """
    gc.enable()  # `__main__` turns it off for the start-up; a coroutine may run for long
    try:
        return _run_with_signals(work)
    finally:
        work.close()  # Ctrl-C may come before it has begun


def _run_with_signals(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    ended_by: Signals | None = None

    async def cancel_on_signals() -> T:
        task = asyncio.ensure_future(work)

        def end(number: Signals) -> None:
            nonlocal ended_by
            ended_by = number
            task.cancel()

        if sys.platform != "win32":
            for number in _ending_signals():
                asyncio.get_running_loop().add_signal_handler(number, end, number)
        return await task

    try:
        with _handlers_restored(), asyncio.Runner() as runner:
            return runner.run(cancel_on_signals())
    except asyncio.CancelledError:
        if ended_by is None:
            raise
        raise TerminatedError(ended_by) from None


def _ending_signals() -> tuple[Signals, ...]:
    """The signals that end a command in order, as far as this system has them."""
    import signal

    if sys.platform == "win32":  # Ctrl-Break does what Ctrl-C does, see `_interrupts`
        return ()
    return (signal.SIGTERM, signal.SIGQUIT)


@contextmanager
def _handlers_restored() -> Iterator[None]:
    """Restore the handlers of the ending signals, which a closed event loop resets to the default."""
    import signal

    before = {number: signal.getsignal(number) for number in _ending_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def make_spinner(options: Options) -> Spinner | None:
    """The spinner of a command, None where no person would see it or the log shows what happens."""
    if options.quiet or options.verbose or not is_terminal(sys.stderr):
        return None
    from revvlink_cli.output.progress import Spinner

    return Spinner() if Spinner.is_possible() else None


async def with_spinner(work: Coroutine[Any, Any, T], spinner: Spinner | None) -> T:
    """Await a coroutine while the spinner, if there is one, shows what it waits for."""
    import asyncio

    if spinner is None:
        return await work
    task = asyncio.create_task(spinner.run(), name="spinner")
    try:
        return await work
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()  # raises the exception of a defect


@contextmanager
def raise_on_signals() -> Iterator[None]:
    """Raise `TerminatedError` on SIGTERM and SIGQUIT outside an event loop, so that open contexts are left."""
    import signal

    def end(number: int, _frame: object) -> None:
        raise TerminatedError(signal.Signals(number))

    with _handlers_restored():
        for signal_number in _ending_signals():
            signal.signal(signal_number, end)
        yield


async def limit_time(work: Coroutine[Any, Any, T], timeout: float) -> T:
    """Await a coroutine for the time limit of the command and `CLOSING_TIME`.

    A command gives its nodes the whole time limit, and has to close their connections after it. The clock starts when
    the command first waits: modules that load slowly on a busy machine must not shorten the time for closing.

    Raises:
        TimeLimitError: It has not returned by then.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(None) as limit:
            start = loop.call_soon(lambda: limit.reschedule(loop.time() + timeout + CLOSING_TIME))
            try:
                return await work
            finally:
                start.cancel()
    except TimeoutError:
        raise TimeLimitError(f"not done within {timeout:g} s") from None
