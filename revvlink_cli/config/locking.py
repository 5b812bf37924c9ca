"""Locks between runs of the program, so that two which change one file at the same time lose nothing."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from revvlink_cli.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 10.0
"""Seconds to wait for another run that changes the same file."""


@contextmanager
def locked(lock: Path, *, patience: float = 0.0) -> Iterator[bool]:
    """Whether this run has the lock; for the time of the block no other run has it then.

    Args:
        lock: A file that exists for nothing else. It stays, and the system frees it when a run dies.
        patience: Seconds to wait for another run.

    Raises:
        OSError: There can be no lock.
    """
    from filelock import FileLock, Timeout  # most commands change no file, and start faster without

    held = FileLock(lock, mode=0o600)
    try:
        held.acquire(timeout=patience, poll_interval=0.02)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        held.release()


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Let no other run change a file from here, where it is read, to the end of the block, where it has been written.

    Where no folder for the lock can be written, as in a container without a home, there is no lock.

    Raises:
        ConfigError: Another run has been at it for too long.
    """
    import hashlib

    import platformdirs

    folder = Path(platformdirs.user_state_path("revvlink")) / "locks"
    name = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            is_ours = stack.enter_context(locked(folder / f"{name}.lock", patience=PATIENCE))
        except OSError:
            is_ours = True
        if not is_ours:
            told = f"another run has been changing it for {PATIENCE:g} s"
            raise ConfigError([Problem(told, path, hint="wait for that run, or end it")])
        yield
