"""The database file of the SQLite store: made, opened, judged, and set aside when it is not ours.

A file that cannot be read is moved out of the way, never deleted, and a new one takes its place. New files appear
whole: they are made under another name. Whoever makes or moves one holds a lock on the folder, so that of many
processes that find the same damage one repairs it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import time
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from revvlink_cli.client.errors import Code, StoreException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

APPLICATION_ID = 0x7276_6C6B
"""``rvlk``: marks a database as ours, see https://sqlite.org/fileformat2.html#application_id."""

SCHEMA_VERSION = 1

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process that holds the database, and at most for a crowd that takes turns with it."""

SEARCH_TIMEOUT = 1.0
"""Seconds that a search waits for another, to read or to keep what was found; it can do without."""

COUNT_TIMEOUT = 0.1
"""Seconds to wait for another to count a use; one that is not counted is no loss."""

_PAUSE = 0.002
"""Seconds after which what is held by others is tried again."""

_TRIES = 30
"""Times that are tried at least: on a busy machine the seconds may pass while this process has no turn."""

_TABLES = ("bodies", "entries", "fleets")

_SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
BEGIN;
CREATE TABLE fleets (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    hits INTEGER NOT NULL DEFAULT 0,
    misses INTEGER NOT NULL DEFAULT 0,
    evictions INTEGER NOT NULL DEFAULT 0,
    uses_left INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    fleet INTEGER NOT NULL,
    node TEXT NOT NULL,
    identifier TEXT NOT NULL,
    kind TEXT NOT NULL,
    tracks INTEGER NOT NULL,
    size INTEGER NOT NULL,
    stored_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    uses INTEGER NOT NULL,
    used_at REAL NOT NULL,
    UNIQUE (fleet, node, identifier)
);
CREATE INDEX by_uses ON entries (fleet, uses, used_at);
CREATE INDEX by_expiry ON entries (expires_at);
CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TRIGGER entry_gone AFTER DELETE ON entries BEGIN DELETE FROM bodies WHERE id = old.id; END;
COMMIT;
"""
# Bodies lie apart, so that counting a use does not write a whole result again, nor a listing read them all.

_COMPANIONS = ("-wal", "-shm", "-journal")


class DamagedDatabase(Exception):  # noqa: N818 - a state of the file, which is repaired
    """The file is no database of ours, or not any more."""


class DatabaseLocked(StoreException):
    """Others hold it; it may be free in a moment."""


def patiently(work: Callable[[], T], seconds: float, version: Callable[[], int | None]) -> T:
    """The outcome of `work`, tried again and again while another holds the database, for so many seconds.

    SQLite can wait itself, but no Ctrl-C ends that, and it looks so rarely that a crowd keeps some out for long. The
    seconds begin anew whenever others have had their turn.

    Args:
        work: Raises `DatabaseLocked` when another holds it.
        seconds: How long to wait for one other.
        version: A number that changes when others have written.

    Raises:
        DatabaseLocked: The other still holds it.
    """
    begun = since = time.monotonic()
    seen, tries = None, 0
    while True:
        try:
            return work()
        except DatabaseLocked:
            now, tries = time.monotonic(), tries + 1
            if (changed := version()) != seen:
                seen, since, tries = changed, now, 0
            is_over = now - since > seconds and tries >= _TRIES
            if is_over or now - begun > max(seconds, BUSY_TIMEOUT):
                raise
        time.sleep(_PAUSE)


def version(connection: sqlite3.Connection | None) -> int | None:
    """A number that changes when other connections have written, None where there is no telling."""
    if connection is None:
        return None
    try:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
    except sqlite3.Error:  # held so firmly that it cannot even be read
        return None


def connect(path: Path, on_notice: Callable[[str], None]) -> sqlite3.Connection:
    """Open the database, made first where there is none.

    Args:
        path: The file; its folder is made too.
        on_notice: Told when what was there has been set aside.

    Raises:
        StoreException: It cannot be had.
    """
    with told(path):
        for _ in range(3):
            if _size(path):
                try:
                    return _opened(path)
                except DamagedDatabase as damage:
                    set_aside(path, str(damage), on_notice)
            else:
                _make(path)
        raise StoreException(f"the cache {path} is damaged again and again", hint="look at who else writes to it")


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Errors of the system and of SQLite as a `StoreException`, or as `DamagedDatabase`."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, path) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreException(f"the cache {path} cannot be used: {reason}", hint=_HINT) from error


def translated(error: sqlite3.Error, path: Path) -> StoreException | DamagedDatabase:
    """What an error of SQLite means."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH):
        return DamagedDatabase(str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseLocked(f"the cache {path} is locked by another program", hint="end whatever holds it")
    if code == sqlite3.SQLITE_FULL or _is_full(path):
        return StoreException(f"the cache {path} cannot be used: no space is left on its disk", hint="make room")
    reason = f"{error} (read-only file system)" if _is_read_only(path) else str(error)
    return StoreException(f"the cache {path} cannot be used: {reason}", hint=_HINT)


def _is_full(path: Path) -> bool:
    """Whether the disk has no room; SQLite calls that an I/O error where it maps files into memory."""
    try:
        return shutil.disk_usage(path.parent).free == 0
    except OSError:
        return False


def _is_read_only(path: Path) -> bool:
    """Whether nothing on the disk can be written, as far as the system tells."""
    try:
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except (OSError, AttributeError):
        return False


_HINT = "make its folder writable, name another with cache.path, or use --cache-mode bypass"


def _size(path: Path) -> int:
    """Bytes of the file, 0 when there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0
    if not stat.S_ISREG(status.st_mode):
        raise StoreException(f"the cache {path} is no file", hint="name another with cache.path")
    return status.st_size


def _opened(path: Path) -> sqlite3.Connection:
    """An open connection to a database of ours.

    Raises:
        DamagedDatabase: It is none.
        StoreException: It is from the future, or others hold it.
    """
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    connection.text_factory = _text
    try:
        with told(path):
            connection.execute("PRAGMA trusted_schema = OFF")
            _judge(connection, path)
            connection.execute("PRAGMA synchronous = NORMAL")  # WAL survives a crash; the last uses may be lost
    except BaseException:
        connection.close()
        raise
    return connection


def _text(data: bytes) -> str:
    """Text from the database, which others may have written in any encoding."""
    return data.decode("utf-8", "replace")


def _judge(connection: sqlite3.Connection, path: Path) -> None:
    """See that a database is ours, and of this version."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise DamagedDatabase("it is a database of another program")
    if version > SCHEMA_VERSION:
        raise StoreException(
            f"the cache {path} was made by a newer revvlink (schema {version}, this one knows {SCHEMA_VERSION})",
            hint="update revvlink, or name another file with cache.path",
            code=Code.CACHE_NEWER,
        )
    declared = connection.execute(_DECLARED).fetchall()
    if version != SCHEMA_VERSION or not {name for kind, name, _ in declared if kind == "table"}.issuperset(_TABLES):
        raise DamagedDatabase("its tables are not all there")
    if declared != _own_declarations():  # a trigger of somebody else's would act for this program
        raise DamagedDatabase("it holds what revvlink did not put there")


def _make(path: Path) -> None:
    """Make an empty database, unless another process was faster."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.new")
    with _locked(path.parent):
        if _size(path):
            return
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        try:
            with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as connection:
                connection.executescript(_SCHEMA)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                # Last: on a full disk closing would lose what is in the log, and not say so.
                connection.execute("PRAGMA journal_mode = WAL")
            _move_companions(path, _aside(path))  # what a deleted database left behind would be read into this one
            new.replace(path)
        finally:
            for left in (new, *_companions(new)):
                left.unlink(missing_ok=True)


def set_aside(path: Path, reason: str, on_notice: Callable[[str], None]) -> None:
    """Move a database that is none of ours out of the way, unless another process did so already."""
    with _locked(path.parent):
        if not _size(path) or _is_sound(path):
            return
        aside = _aside(path)
        path.rename(aside)
        _move_companions(path, aside)
    on_notice(f"the cache {path} was unusable ({reason}): it is kept as {aside.name}, and a new one was made")


def _is_sound(path: Path) -> bool:
    """Whether the file is a database of ours without any damage."""
    try:
        with contextlib.closing(_opened(path)) as connection, told(path):
            return connection.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
    except DamagedDatabase:
        return False


@cache
def _own_declarations() -> list[tuple[str, str, str]]:
    """What a database of ours is made of."""
    with contextlib.closing(sqlite3.connect(":memory:")) as model:
        model.executescript(_SCHEMA)
        return model.execute(_DECLARED).fetchall()


_DECLARED = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"


def _aside(path: Path) -> Path:
    """A name that nothing has."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    name = path.with_name(f"{path.name}.aside-{stamp}")
    count = 1
    while name.exists():
        count += 1
        name = path.with_name(f"{path.name}.aside-{stamp}-{count}")
    return name


def _companions(path: Path) -> tuple[Path, ...]:
    return tuple(path.with_name(path.name + suffix) for suffix in _COMPANIONS)


def _move_companions(path: Path, aside: Path) -> None:
    for companion, new in zip(_companions(path), _companions(aside), strict=True):
        with contextlib.suppress(FileNotFoundError):
            companion.rename(new)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes of this kind; where there are no such locks, hope for the best."""
    try:
        import fcntl
    except ImportError:  # Windows, where an open file cannot be moved either
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + BUSY_TIMEOUT
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreException(f"the folder {folder} is locked", hint="end whatever holds it") from None
                time.sleep(0.02)  # flock knows no time limit of its own
        yield
    finally:
        os.close(handle)
