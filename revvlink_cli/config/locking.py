"""Locks between runs of the program, so that two runs can change one file without losing a change."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from revvlink_cli._folders import user_state_folder
from revvlink_cli.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 10.0
"""Seconds to wait for another run that changes the same file."""

POLL = 0.02
"""Seconds between two attempts to take a lock."""


@contextmanager
def locked(lock: Path, *, patience: float = 0.0) -> Iterator[bool]:
    """Takes a lock for the time of the block, and yields whether this run has it.

    Args:
        lock: The lock file. It stays after the block; the system releases it when a run dies.
        patience: Seconds to wait for another run.

    Raises:
        OSError: The lock file cannot be used.
    """
    from filelock import FileLock, Timeout  # most commands change no file, and start faster without

    held = FileLock(lock, mode=0o600)
    try:
        held.acquire(timeout=patience, poll_interval=POLL)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        held.release()


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Keeps other runs from changing a file during the block, which reads and then writes it.

    There is no lock where its folder cannot be written, as in a container without a home.

    Raises:
        ConfigError: Another run has held the lock for too long.
    """
    import hashlib

    folder = user_state_folder() / "locks"
    name = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            is_ours = stack.enter_context(locked(folder / f"{name}.lock", patience=PATIENCE))
        except OSError:
            is_ours = True
        if not is_ours:
            message = f"another run has been changing it for {PATIENCE:g} s"
            raise ConfigError([Problem(message, path, hint="wait for that run, or end it")])
        yield


@contextmanager
def changing_shared(path: Path) -> Iterator[None]:
    """Like `changing`, for a file that several users change: each user has a state folder, and so locks, of its own.

    It also locks the folder of the file, which needs no further file. Windows and some network file systems have no
    such lock.

    Raises:
        ConfigError: Another run has held a lock for too long.
    """
    with changing(path), ExitStack() as stack:
        if sys.platform != "win32" and not _lock_folder(path.resolve().parent, stack):
            message = f"another user has been changing it for {PATIENCE:g} s"
            raise ConfigError([Problem(message, path, hint="wait for that run, or end it")])
        yield


if sys.platform != "win32":
    import fcntl

    def _lock_folder(folder: Path, stack: ExitStack) -> bool:
        """Lock a folder until the stack ends; False if another run holds the lock for too long."""
        deadline = time.monotonic() + PATIENCE
        try:
            number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, number)  # releases the lock
            while True:
                try:
                    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        return False
                    time.sleep(POLL)
                    continue
                return True
        except OSError:  # there is no such folder yet, or it cannot be locked
            return True
