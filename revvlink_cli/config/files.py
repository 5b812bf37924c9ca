"""Reading and writing small files so that nothing is lost half-way and no secret is readable by others."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from revvlink_cli.config.problems import ConfigError, Problem

MAX_SIZE = 1024 * 1024
"""Bytes of the largest file that is read as a configuration."""


def read_text(path: Path) -> str:
    """The text of a configuration file.

    Raises:
        ConfigError: It cannot be read, is no text, or is far too large; one line says which.
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
        raise ConfigError([Problem(f"is larger than {MAX_SIZE} bytes, which no configuration is", path)])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem("is not UTF-8 text", path, line=line, hint="save the file as UTF-8")]) from None


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file as a whole or not at all; a link is followed, its target replaced, its folder made.

    Raises:
        ConfigError: It cannot be written; what was there is untouched.
    """
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_whole(target, text, mode=mode)
    except OSError as error:
        raise ConfigError([Problem(f"cannot be written: {error.strerror or error}", path)]) from None


def replace_whole(target: Path, text: str, *, mode: int) -> None:
    """Put a file where `target` is, when all of it is on the disk.

    Raises:
        OSError: It cannot be written; what was there is untouched.
    """
    import tempfile  # what only reads starts faster without

    number, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def unreadable(path: Path) -> str | None:
    """Why a file cannot be read, None when it can."""
    try:
        with path.open("rb"):
            return None
    except OSError as error:
        return error.strerror or str(error)


def readable_by_others(path: Path) -> bool:
    """Whether the group or everybody may read the file; never so where files have no such modes."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & 0o077)
    except OSError:
        return False
