"""The two streams: stdout for data, stderr for talk. Nothing else in the program writes to either."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from typing import TextIO

from revvlink_cli.config.secrets_in_use import redact


class OutputError(Exception):
    """Stdout cannot take what is written (a full disk); a reader who has seen enough is no error."""


class Output:
    """Writes to stdout, and quietly stops when nobody reads any more.

    Attributes:
        is_closed: Whether the reader has gone; what is written from then on is dropped.
        is_dispensable: Whether the program goes on when stdout takes nothing, as a service does whose output is a log.
    """

    def __init__(self) -> None:
        self.is_dispensable = False
        self.is_closed = sys.stdout is None
        if not self.is_closed:
            _never_fail_on_characters(sys.stdout)

    @property
    def pipe(self) -> int | None:
        """File descriptor of stdout when it is a pipe, whose reader may go away between two writes; else None."""
        if self.is_closed:
            return None
        try:
            number = sys.stdout.fileno()
            return number if stat.S_ISFIFO(os.fstat(number).st_mode) else None
        except (OSError, ValueError):
            return None  # a stream without a file, as under a test runner

    def write(self, text: str) -> None:
        """Write `text`, and have it out before anything that follows on stderr."""
        self.write_commands(inert(text))

    def write_commands(self, text: str) -> None:
        """Write `text` that may hold commands for the machine that a workflow runs on."""
        if self.is_closed:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            self.is_closed = True
            _point_to_nowhere(sys.stdout)
        except OSError as error:
            if self.is_dispensable:
                _lose(sys.stdout, error)
                return
            self.is_closed = True
            _point_to_nowhere(sys.stdout)
            raise OutputError(f"cannot write the output: {error.strerror or error}") from None


def write_file(name: str, text: str, *, mode: int | None = None) -> None:
    """Write a file as a whole or not at all; one that is there keeps its mode, a new one gets this, or the umask's.

    What is no plain file (a pipe, a device), or is open already under a name such as /dev/stdout, is added to; a reader
    who has seen enough is no error. Folders are not made: a misspelt one would stay.

    Raises:
        OSError: It cannot be written; what was there is untouched.
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
    """`text` in which nothing is a command where a workflow's machine reads what is printed.

    GitHub's takes ``::name::`` at a line's start, and like Azure's ``##[name]`` and ``##vso[name]`` anywhere: a track
    could be called so, or a plugin.
    """
    if not (os.environ.get("GITHUB_ACTIONS") or os.environ.get("TF_BUILD")):
        return text
    return re.sub(r"^(\s*:)(?=:)|(#)(?=#\w*\[)", r"\1\2 ", text, flags=re.MULTILINE)


def say(text: str) -> None:
    """Write one line to stderr, or several, without any secret; where that cannot be done there is nobody to tell."""
    mark(f"{redact(text)}\n")


def mark(text: str) -> None:
    """Write to stderr as it is: a part of a line, or what moves a terminal's cursor."""
    if sys.stderr is None:
        return
    _never_fail_on_characters(sys.stderr)
    try:
        sys.stderr.write(inert(text))
        sys.stderr.flush()
    except OSError as error:
        _lose(sys.stderr, error)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at the stream."""
    return stream is not None and not stream.closed and stream.isatty()


def wants_colour(stream: TextIO | None, *, no_color: bool) -> bool:
    """Whether to colour what goes to `stream`: ``NO_COLOR`` and ``FORCE_COLOR`` count when they are not empty."""
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
"""What a disk says that has no room now, and may have some later."""


def _lose(stream: TextIO, error: OSError) -> None:
    """Drop what could not be written; the stream itself stays where a disk is full, for there may be room later."""
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
    """Let the flush at the interpreter's end go to the null device instead of failing once more."""
    try:
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except (OSError, ValueError):
        return  # a stream without a file, as under a test runner, or no more files can be opened
    os.dup2(nowhere, number)
    os.close(nowhere)
