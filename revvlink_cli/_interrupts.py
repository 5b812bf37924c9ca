"""Ctrl-C from the first moment: a process that has done nothing yet ends at once, without a word.

This is the first module that a command line loads, so it loads nothing itself: `typing` and `signal`, which brings
`enum`, take longer than a quick Ctrl-C.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

EXIT_CODE = 130


def end_at_once() -> None:
    """From here on Ctrl-C ends the process on the spot, unless its parent process ignores Ctrl-C.

    While modules are loaded an exception could come out anywhere, also where Python can only print it.
    """
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _end)


def raise_again() -> None:
    """From here on there is something to put in order: Ctrl-C raises KeyboardInterrupt, as usual.

    On Windows Ctrl-Break does the same from here on. It also comes when the console closes or the user logs off.
    """
    if _signal.getsignal(_signal.SIGINT) is _end:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    if sys.platform == "win32":
        _signal.signal(_signal.SIGBREAK, _interrupt)


def _interrupt(_number: int, _frame: object) -> None:
    _signal.raise_signal(_signal.SIGINT)


def _end(_number: int, _frame: object) -> None:
    os._exit(EXIT_CODE)
