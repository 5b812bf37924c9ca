"""Reads and writes small files: atomically, and with secrets readable by their owner only."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import stat
import sys
from typing import TYPE_CHECKING

from revvlink_cli._renaming import replace
from revvlink_cli.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

MAX_SIZE = 1024 * 1024
"""Bytes of the largest file that is read as a configuration."""


def read_text(path: Path) -> str:
    """The text of a configuration file.

    Raises:
        ConfigError: The file cannot be read, is not text, or is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except FileNotFoundError:
        raise ConfigError(
            [Problem("there is no such file", path, hint="run `revvlink init` to write one, or correct the path")],
            is_missing=True,
        ) from None
    except OSError as error:
        raise ConfigError([Problem(f"cannot be read: {error.strerror or error}", path)]) from None
    if len(data) > MAX_SIZE:
        raise ConfigError([Problem(f"is larger than {MAX_SIZE} bytes, which is too large for a configuration", path)])
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()  # "utf-8-sig" would load another module
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem("is not UTF-8 text", path, line=line, hint="save the file as UTF-8")]) from None


def write_atomically(path: Path, text: str, *, mode: int = 0o600, keeps_mode: bool = False) -> None:
    """Writes a file atomically. A link is followed and its target replaced; a missing folder is created.

    Args:
        path: The file.
        text: The whole text.
        mode: Its mode.
        keeps_mode: Whether an existing file keeps its mode.

    Raises:
        ConfigError: The file cannot be written; it is then unchanged.
    """
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_whole(target, text, mode=mode, keeps_mode=keeps_mode)
    except OSError as error:
        raise ConfigError([Problem(f"cannot be written: {error.strerror or error}", path)]) from None


_CANNOT_REPLACE = frozenset({errno.EBUSY, errno.EROFS, errno.EACCES, errno.EPERM, errno.EXDEV})
"""Errors for a file that can be written but not replaced: a container mounts it alone, or its folder is read-only."""


def replace_whole(target: Path, text: str, *, mode: int | None = None, keeps_mode: bool = True) -> None:
    """Replaces `target` once the new file is on the disk; the owner stays the same.

    A file that cannot be replaced is overwritten in place; its old content is restored if that fails.

    Args:
        target: The file, links resolved.
        text: The whole text.
        mode: Its mode; None leaves that to the umask.
        keeps_mode: Whether an existing file keeps its mode.

    Raises:
        OSError: The file cannot be written; it is then unchanged.
    """
    data = text.encode("utf-8", "backslashreplace")
    try:
        before = target.stat()
    except FileNotFoundError:
        before = None
    if before is not None and keeps_mode:
        mode = stat.S_IMODE(before.st_mode)
    new = target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}")
    try:
        number = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if mode is not None else 0o666)
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            if mode is not None:
                new.chmod(_with_owner(file.fileno(), before, mode) if before is not None else mode)
            os.fsync(file.fileno())
        replace(new, target)  # closed by now: Windows neither renames nor deletes an open file
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        if not isinstance(error, OSError) or before is None or error.errno not in _CANNOT_REPLACE:
            raise
        _overwrite(target, data)


def _with_owner(number: int, before: os.stat_result, mode: int) -> int:
    """Gives a new file the owner and group of the old one, and returns the mode it may have.

    Only root can change the owner. Where the group cannot be kept, the rights of the group are removed.
    """
    if sys.platform == "win32":
        return mode
    now = os.fstat(number)
    if now.st_uid != before.st_uid:
        with contextlib.suppress(PermissionError):
            os.fchown(number, before.st_uid, -1)
    if now.st_gid != before.st_gid:
        try:
            os.fchown(number, -1, before.st_gid)
        except PermissionError:
            return mode & ~0o070
    return mode


def _overwrite(target: Path, data: bytes) -> None:
    """Overwrites a file in place, once space for all of it is reserved; restores its content if that fails."""
    with target.open("r+b") as file:
        before = file.read()
        try:
            if hasattr(os, "posix_fallocate") and data:
                os.posix_fallocate(file.fileno(), 0, len(data))
            _fill(file, data)
        except BaseException:
            with contextlib.suppress(OSError):
                _fill(file, before)
            raise


def _fill(file: BinaryIO, data: bytes) -> None:
    file.seek(0)
    file.write(data)
    file.truncate()
    file.flush()
    os.fsync(file.fileno())


def read_line(path: Path) -> str:
    """Reads the first line of a file, without its line end. Waiting for a pipe has a time limit.

    Raises:
        OSError: The file cannot be read.
        UnicodeDecodeError: The line is not UTF-8 text.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if sys.platform != "win32" and stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):  # Windows waits for no pipe
            import select

            if not select.select([file], [], [], PIPE_PATIENCE)[0]:
                raise TimeoutError(errno.ETIMEDOUT, f"nothing came through this pipe within {PIPE_PATIENCE:g} s")
            os.set_blocking(file.fileno(), True)
        return file.readline(65_536).decode().rstrip("\r\n")


PIPE_PATIENCE = 5.0
"""Seconds to wait for a secret that comes through a pipe."""


def _open_at_once(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def unreadable(path: Path) -> str | None:
    """The reason why a file cannot be read; None when it can."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            # Reading a pipe later would have no time limit.
            return None if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else "it is not a file"
    except OSError as error:
        return error.strerror or str(error)


def readable_by_others(path: Path) -> bool:
    """Whether the group or others may read the file; False on systems without such modes."""
    try:
        return sys.platform != "win32" and bool(path.stat().st_mode & 0o077)
    except OSError:
        return False
