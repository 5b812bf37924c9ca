"""Stdout for data, stderr for messages. No other module writes to either."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, TextIO

from revvlink_cli.config.secrets_in_use import redact

if TYPE_CHECKING:
    from collections.abc import Iterator


class OutputError(Exception):
    """Raised if stdout cannot be written, as on a full disk; a closed pipe is not an error.

    Attributes:
        hint: What to do next.
        is_usage: Whether the command line asks for an output that cannot be made.
    """

    def __init__(self, message: str, *, hint: str = "make room, or write elsewhere", is_usage: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.is_usage = is_usage


class Output:
    """Writes to stdout, and silently stops when the reader of a pipe has left.

    Attributes:
        is_closed: Whether the reader has left; later writes are dropped.
        is_dispensable: Whether write errors are ignored, as by a service whose output is only a log.
    """

    def __init__(self) -> None:
        self.is_dispensable = False
        self.is_closed = sys.stdout is None
        if not self.is_closed:
            _never_fail_on_characters(sys.stdout)

    @property
    def pipe(self) -> int | None:
        """File descriptor of stdout if it is a pipe, whose reader may leave between two writes; else None."""
        if self.is_closed:
            return None
        try:
            number = sys.stdout.fileno()
            return number if stat.S_ISFIFO(os.fstat(number).st_mode) else None
        except (OSError, ValueError):
            return None  # a stream without a file, as under a test runner

    def write(self, text: str) -> None:
        """Write `text` and flush, so that it precedes later messages on stderr."""
        self.write_commands(inert(text))

    def write_commands(self, text: str) -> None:
        """Write `text` that may hold workflow commands of a CI system."""
        if self.is_closed:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            self.is_closed = True
            _point_to_nowhere(sys.stdout)
        except OSError as error:
            # On Windows this is the error when the reader of a pipe has left.
            if sys.platform == "win32" and error.errno == errno.EINVAL and self.pipe is not None:
                self.is_closed = True
                _point_to_nowhere(sys.stdout)
                return
            if self.is_dispensable:
                _lose(sys.stdout, error)
                return
            self.is_closed = True
            _point_to_nowhere(sys.stdout)
            raise OutputError(f"cannot write the output: {error.strerror or error}") from None


def write_file(name: str, text: str, *, mode: int | None = None) -> None:
    """Write a file atomically. An existing file keeps its mode; a new one gets `mode`, or the default of the umask.

    Text is appended to what is not a regular file (a pipe, a device) or is already open, such as /dev/stdout; a closed
    pipe is not an error. Missing folders are not created, because a misspelt one would stay.

    Raises:
        OSError: The file cannot be written; its former content is untouched.
    """
    from pathlib import Path

    from revvlink_cli.config.files import replace_whole

    try:
        Path(name).stat()
    except FileNotFoundError:
        pass  # it will be new; links in a circle, and the like, are errors
    except ValueError as error:  # a character that no path can have
        raise OSError(errno.EINVAL, f"no path of a file: {error}") from None
    path = Path(name)
    folder = path.absolute().parent  # /dev/shm has files like any other
    is_open_already = folder in (Path("/dev"), Path("/dev/fd")) or folder.is_relative_to("/proc")
    if path.exists() and (is_open_already or not path.is_file()):
        with (
            contextlib.suppress(BrokenPipeError),
            path.open("a", encoding="utf-8", newline="") as device,  # a pipe behind /dev/stdout has no other name
        ):
            device.write(text)
        return
    replace_whole(path.resolve(), text, mode=mode)


def inert(text: str) -> str:
    """`text` in which a CI system finds no workflow command.

    GitHub reads ``::name::`` at the start of a line, and as Azure does ``##[name]`` and ``##vso[name]`` anywhere. The
    title of a track or the name of a plugin could contain one.
    """
    if not (os.environ.get("GITHUB_ACTIONS") or os.environ.get("TF_BUILD")):
        return text
    return re.sub(r"^(\s*:)(?=:)|(#)(?=#\w*\[)", r"\1\2 ", text, flags=re.MULTILINE)


def write_error_line(text: str) -> None:
    """Write one or more lines to stderr with secrets masked. Errors are ignored: nothing can report them."""
    write_error(f"{redact(text)}\n")


_messages = 0
"""Number of messages that a terminal behind stderr shows."""


def end_line() -> None:
    """Begin a new line on a terminal, where Ctrl-C has left the cursor behind other text."""
    if is_terminal(sys.stderr):
        write_error("\n")


def message_count() -> int:
    """The number of messages so far that stand between the lines of the output, where stderr is a terminal too."""
    return _messages


_held: deque[str] | None = None
"""Messages that wait until a full screen has ended."""

MOST_HELD = 1000
"""Messages that wait at most; the last ones are kept."""


@contextlib.contextmanager
def held_messages() -> Iterator[None]:
    """Keep messages to a terminal until the block ends: they would stand between the lines of a full screen."""
    global _held  # noqa: PLW0603 - the process has one stderr
    if not is_terminal(sys.stderr):
        yield
        return
    waiting: deque[str] = deque(maxlen=MOST_HELD)
    _held = waiting
    try:
        yield
    finally:
        _held = None
        for text in waiting:
            write_error(text)


def write_error(text: str) -> None:
    """Write text to stderr unchanged: a part of a line, or a sequence that moves the cursor."""
    global _messages  # noqa: PLW0603 - the process has one stderr
    if sys.stderr is None:
        return
    if _held is not None:
        _held.append(text)
        return
    _messages += text.endswith("\n")
    _never_fail_on_characters(sys.stderr)
    try:
        sys.stderr.write(inert(text))
        sys.stderr.flush()
    except OSError as error:
        _lose(sys.stderr, error)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether the stream is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def can_redraw() -> bool:
    """Whether stdout is a terminal that can move its cursor."""
    usual = "" if sys.platform == "win32" else "dumb"  # Windows has no such variable, and its consoles can
    return is_terminal(sys.stdout) and os.environ.get("TERM", usual) != "dumb" and acts_on_sequences(sys.stdout)


def acts_on_sequences(stream: TextIO | None) -> bool:
    """Whether the terminal behind stdout or stderr acts on escape sequences: the oldest consoles of Windows print them.

    Newer ones act on them once they are asked to, which this does.
    """
    return sys.platform != "win32" or _enable_sequences(-12 if stream is sys.stderr else -11)


def _enable_sequences(number: int) -> bool:
    """Let a console of Windows act on escape sequences; `number` is the system's for stdout or stderr."""
    import ctypes

    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009 - there on Windows only
    handle, mode = kernel.GetStdHandle(number), ctypes.c_uint32()
    if not kernel.GetConsoleMode(handle, ctypes.byref(mode)):
        return True  # no console of Windows: a terminal of another program, such as mintty
    enabled = mode.value | 0x0004  # ENABLE_VIRTUAL_TERMINAL_PROCESSING
    return enabled == mode.value or bool(kernel.SetConsoleMode(handle, enabled))


def wants_colour(stream: TextIO | None, *, no_color: bool) -> bool:
    """Whether to colour output to `stream`. ``NO_COLOR`` and ``FORCE_COLOR`` apply if they are not empty."""
    if no_color or os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def _never_fail_on_characters(stream: TextIO) -> None:
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a full disk, which may have room later."""


def _lose(stream: TextIO, error: OSError) -> None:
    """Drop the text that could not be written. On a full disk the stream stays open: there may be room later."""
    try:
        kept = os.dup(stream.fileno()) if error.errno in _FULL else None
    except (OSError, ValueError):
        kept = None
    _point_to_nowhere(stream)
    if kept is not None:
        with contextlib.suppress(OSError):
            stream.flush()  # into the null device
        os.dup2(kept, stream.fileno())
        os.close(kept)


def _point_to_nowhere(stream: TextIO) -> None:
    """Redirect the stream to the null device, so that the flush at exit does not fail again."""
    try:
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except (OSError, ValueError):
        return  # a stream without a file, as under a test runner, or no more files can be opened
    os.dup2(nowhere, number)
    os.close(nowhere)
