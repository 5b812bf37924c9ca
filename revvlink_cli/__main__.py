"""``python -m revvlink_cli``, and the console script."""

from __future__ import annotations

import gc
import os
import sys

from revvlink_cli import _interrupts

TYPE_CHECKING = False  # `typing` would be loaded before Ctrl-C is handled, see `_interrupts`
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> None:
    """Run the command line and end the process with its exit code."""
    _interrupts.end_at_once()
    gc.disable()  # loaded modules stay, so the search for garbage among them would only make the start slower
    code = _interrupts.EXIT_CODE
    try:
        try:
            code = _run()
        finally:
            import signal

            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command has ended, and its exit code stands
    except KeyboardInterrupt:  # also one between the end of the command and the line above
        code = _interrupts.EXIT_CODE
    # After a KeyboardInterrupt inside `exec`, which `dataclass` uses, `python -m` ends by SIGINT though it was handled.
    # The next `exec` makes Python forget it.
    exec("")  # noqa: S102 - of nothing
    _end(code)


def _end(code: int) -> NoReturn:
    """End the process with its exit code.

    Python takes its modules apart one by one when it ends, which takes a tenth of the time of a command that asks no
    node. Where nothing is left to close, as nothing has used the network or threads, the system frees them at once.
    """
    threading = sys.modules.get("threading")
    is_alone = threading is None or threading.active_count() == 1
    if is_alone and "asyncio" not in sys.modules and not sys.flags.dev_mode and sys.gettrace() is None:
        import atexit

        atexit._run_exitfuncs()  # noqa: SLF001 - as `multiprocessing` does in processes that end this way
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()  # all is written already, see `Output`
        os._exit(code)
    sys.exit(code)


def _run() -> int:
    if shell := os.environ.get("_REVVLINK_COMPLETE"):
        from revvlink_cli.cli.completion import answer

        answer(shell, sys.argv[1:])
        return 0
    from revvlink_cli.cli.app import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    main()
