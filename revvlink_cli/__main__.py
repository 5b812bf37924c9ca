"""``python -m revvlink_cli``, and the console script."""

from __future__ import annotations

import gc
import os
import sys

from revvlink_cli import _interrupts


def main() -> None:
    """Run the command line and end the process with its exit code."""
    _interrupts.end_at_once()
    gc.disable()  # what is loaded stays: looking for garbage in it takes a tenth of the time to start
    try:
        if shell := os.environ.get("_REVVLINK_COMPLETE"):
            from revvlink_cli.cli.completion import answer

            answer(shell, sys.argv[1:])
            code = 0
        else:
            from revvlink_cli.cli.app import run

            code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = _interrupts.EXIT_CODE
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # what was done is done, and its exit code stands
    sys.exit(code)


if __name__ == "__main__":
    main()
