"""The database file of the SQLite store: makes, opens and checks it, and sets it aside when it is not ours.

A file that cannot be read is renamed, never deleted, and a new one replaces it. A new file is made under another name
and then renamed, so that it appears complete. A process that makes or renames a file locks the folder, so that of many
processes that find the same damage only one repairs it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import sys
import time
from typing import TYPE_CHECKING, TypeVar

from revvlink_cli._renaming import replace
from revvlink_cli.client.errors import Code, StoreException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

APPLICATION_ID = 0x7276_6C6B
"""``rvlk``: marks a database as ours, see https://sqlite.org/fileformat2.html#application_id."""

SCHEMA_VERSION = 1

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process that holds the database, and the limit for many that hold it in turn."""

SEARCH_TIMEOUT = 1.0
"""Seconds that a search waits for another process, to read or to keep a result; it can go on without the cache."""

COUNT_TIMEOUT = 0.1
"""Seconds to wait for another process in order to count a use; it may be counted later."""

_PAUSE = 0.002
"""Seconds between tries while another process holds the database."""

_TRIES = 30
"""The least number of tries: on a busy machine the time may pass before this process runs again."""

_TABLES = ("bodies", "entries", "fleets")

_DECLARATIONS = (
    """CREATE TABLE fleets (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    hits INTEGER NOT NULL DEFAULT 0,
    misses INTEGER NOT NULL DEFAULT 0,
    evictions INTEGER NOT NULL DEFAULT 0,
    uses_left INTEGER NOT NULL DEFAULT 0
)""",
    """CREATE TABLE entries (
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
)""",
    "CREATE INDEX by_uses ON entries (fleet, uses, used_at)",
    "CREATE INDEX by_expiry ON entries (expires_at)",
    "CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    "CREATE TRIGGER entry_gone AFTER DELETE ON entries BEGIN DELETE FROM bodies WHERE id = old.id; END",
)
"""The tables, indexes and triggers of a database of ours. SQLite keeps the text of each as it stands here."""
# Bodies have a table of their own, so that counting a use writes no body and a listing reads none.

_SCHEMA = f"PRAGMA auto_vacuum = INCREMENTAL; BEGIN; {'; '.join(_DECLARATIONS)}; COMMIT;"

_COMPANIONS = ("-wal", "-shm", "-journal")


class DamagedDatabase(Exception):  # noqa: N818 - a state of the file, which is repaired
    """The file is not a database of ours, or is damaged."""


class DatabaseLocked(StoreException):
    """Another process holds the database; it may be free in a moment."""


def retry_while_locked(work: Callable[[], T], seconds: float, version: Callable[[], int | None]) -> T:
    """Do `work`, and try again while another process holds the database.

    SQLite can wait itself, but Ctrl-C does not end that wait, and it tries so rarely that some of many processes wait
    for long. The time starts again whenever another process has written.

    Args:
        work: Raises `DatabaseLocked` when another process holds the database.
        seconds: How long to wait for one other process.
        version: A number that changes when others have written.

    Raises:
        DatabaseLocked: The time is over, and another process still holds the database.
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
    """A number that changes when other connections have written, None where it is unknown."""
    if connection is None:
        return None
    try:
        return int(connection.execute("PRAGMA data_version").fetchone()[0])
    except sqlite3.Error:  # locked exclusively, so that it cannot be read either
        return None


def connect(path: Path, on_notice: Callable[[str], None]) -> sqlite3.Connection:
    """Open the database; make it if there is none.

    Args:
        path: The file; its folder is made too.
        on_notice: Receives a notice when a damaged file has been set aside.

    Raises:
        StoreException: It can be neither opened nor made.
    """
    with explained_errors(path):
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
def explained_errors(path: Path) -> Iterator[None]:
    """Raise errors of the system and of SQLite as `StoreException` or `DamagedDatabase`."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreException(f"the cache {path} cannot be used: {reason}", hint=_HINT) from error


def explain(error: sqlite3.Error, path: Path) -> StoreException | DamagedDatabase:
    """The exception that explains an error of SQLite."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH):
        return DamagedDatabase(str(error))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseLocked(f"the cache {path} is locked by another program", hint="end the program that holds it")
    if code == sqlite3.SQLITE_FULL or _is_full(path):
        return StoreException(f"the cache {path} cannot be used: no space is left on its disk", hint="make room")
    reason = f"{error} (read-only file system)" if _is_read_only(path) else str(error)
    return StoreException(f"the cache {path} cannot be used: {reason}", hint=_HINT)


def _is_full(path: Path) -> bool:
    """Whether the disk is full; where SQLite maps files into memory, it reports that as an I/O error."""
    try:
        return shutil.disk_usage(path.parent).free == 0
    except OSError:
        return False


def _is_read_only(path: Path) -> bool:
    """Whether the file system is read-only; False where the system does not report it."""
    if sys.platform == "win32":
        return False
    try:
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False


_HINT = "make its folder writable, name another with cache.path, or use --cache-mode bypass"


def _size(path: Path) -> int:
    """Bytes of the file, 0 when there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0
    if not stat.S_ISREG(status.st_mode):
        raise StoreException(f"the cache {path} is not a file", hint="name another with cache.path")
    return status.st_size


def _opened(path: Path) -> sqlite3.Connection:
    """An open connection to a database of ours.

    Raises:
        DamagedDatabase: The file is not one, or is damaged.
        StoreException: A newer revvlink made it, or another process holds it.
    """
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    connection.text_factory = _text
    try:
        with explained_errors(path):
            connection.execute("PRAGMA trusted_schema = OFF")
            _check(connection, path)
            connection.execute("PRAGMA synchronous = NORMAL")  # WAL survives a crash; the last uses may be lost
    except BaseException:
        connection.close()
        raise
    return connection


def _text(data: bytes) -> str:
    """Text from the database, which others may have written in any encoding."""
    return data.decode("utf-8", "replace")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Check that a database is ours and has this version."""
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
    if declared != _own_declarations():  # a foreign trigger would run in this program
        raise DamagedDatabase("it holds what revvlink did not put there")


def _make(path: Path) -> None:
    """Make an empty database, unless another process has made one."""
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
                # Last: on a full disk, closing would lose the log without an error.
                connection.execute("PRAGMA journal_mode = WAL")
            _move_companions(path, _aside(path))  # else SQLite would read a deleted database's log into this one
            replace(new, path)
        finally:
            for left in (new, *_companions(new)):
                left.unlink(missing_ok=True)


def set_aside(path: Path, reason: str, on_notice: Callable[[str], None]) -> None:
    """Rename a damaged or foreign database, unless another process has done so."""
    with _locked(path.parent):
        if not _size(path) or _is_sound(path):
            return
        aside = _aside(path)
        replace(path, aside)
        _move_companions(path, aside)
    on_notice(f"the cache {path} was unusable ({reason}): it is kept as {aside.name}, and a new one was made")


def _is_sound(path: Path) -> bool:
    """Whether the file is an undamaged database of ours."""
    try:
        with contextlib.closing(_opened(path)) as connection, explained_errors(path):
            return connection.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]
    except DamagedDatabase:
        return False


def _own_declarations() -> list[tuple[str, ...]]:
    """What `_DECLARED` finds in a database of ours."""
    return sorted((kind.lower(), name, sql) for sql in _DECLARATIONS for _, kind, name, _ in [sql.split(maxsplit=3)])


_DECLARED = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"


def _aside(path: Path) -> Path:
    """A free name for a file that is set aside."""
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
            replace(companion, new)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder against other processes of revvlink; do nothing where the system has no such locks."""
    if sys.platform == "win32":  # an open file cannot be moved there
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + BUSY_TIMEOUT
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreException(
                        f"the folder {folder} is locked", hint="end the program that holds it"
                    ) from None
                time.sleep(0.02)  # flock has no time limit of its own
        yield
    finally:
        os.close(handle)
