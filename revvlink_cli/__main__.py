"""``python -m revvlink_cli``, and the console script."""

from __future__ import annotations

import gc
import os
import sys

from revvlink_cli import _interrupts


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
