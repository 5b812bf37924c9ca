"""The file of the history: times by node and quarter of an hour, incidents, and the last verdicts, in SQLite.

All of it may wait for the disk, so it runs in a thread of its own. A file that is damaged, or that a newer version
made, is set aside, never deleted, and a new one takes its place.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from contextlib import ExitStack
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from revvlink_cli._renaming import replace
from revvlink_cli.config.locking import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import date
    from pathlib import Path

T = TypeVar("T")

QUARTER = 900
"""Seconds of a bucket. Every zone differs from UTC by whole quarters of an hour: a bucket is part of one local day."""

DAYS = 90
"""Days that the history keeps."""

BUCKETS = DAYS * 86_400 // QUARTER
"""Buckets that the history keeps. They are counted, and not compared with a clock, which may be wrong."""

MOST_INCIDENTS = 500
"""Incidents that the history keeps, the newest."""

APPLICATION_ID = 0x7276_6C68
"""``rvlh``: marks a database as a history, see https://sqlite.org/fileformat2.html#application_id."""

SCHEMA_VERSION = 1

BUSY_TIMEOUT = 5.0
"""Seconds to wait for a program that reads or copies the file."""

_MOST_ASIDE = 3
"""Files that are kept aside; more would fill the disk of a machine whose disk is broken."""

_SCHEMA = f"""
BEGIN;
CREATE TABLE node (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, verdict INTEGER, since_ms INTEGER, seen_ms INTEGER
);
CREATE TABLE quarter (
    bucket INTEGER NOT NULL, node INTEGER NOT NULL, up_ms INTEGER NOT NULL, down_ms INTEGER NOT NULL,
    PRIMARY KEY (bucket, node)
) WITHOUT ROWID;
CREATE TABLE incident (
    node INTEGER NOT NULL, begun_ms INTEGER NOT NULL, ended_ms INTEGER, seen_ms INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (node, begun_ms)
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


class Times(NamedTuple):
    """Observed time.

    Attributes:
        up_ms: Milliseconds in which a node was connected.
        down_ms: Milliseconds in which it was not.
    """

    up_ms: int
    down_ms: int


ByNode: TypeAlias = "dict[str, Times]"

Buckets: TypeAlias = "dict[int, ByNode]"
"""Bucket -> node -> its times."""


class Mark(NamedTuple):
    """The last verdict on a node.

    Attributes:
        verdict: The verdict, as a number.
        since_ms: Since when, in milliseconds since the epoch.
        seen_ms: When a sample last showed it.
    """

    verdict: int
    since_ms: int
    seen_ms: int


class Incident(NamedTuple):
    """A stretch of time in which a node was not connected.

    Attributes:
        node: Its name.
        begun_ms: The first sample without a connection, in milliseconds since the epoch.
        ended_ms: The first sample with one again; None while it lasts.
        seen_ms: The last sample without one.
        reason: Code of the reason.
    """

    node: str
    begun_ms: int
    ended_ms: int | None
    seen_ms: int
    reason: str


class Loaded(NamedTuple):
    """What a file holds of the time until now.

    Attributes:
        last: Its last bucket, which is behind now where the clock was set back; 0 for none.
    """

    last: int
    windows: tuple[ByNode, ...]
    days: dict[date, ByNode]
    marks: dict[str, Mark]
    incidents: list[Incident]


class Slide(NamedTuple):
    """How windows move: for each one, the first bucket that leaves it and the first that stays; and those that come."""

    leaving: tuple[tuple[int, int], ...]
    entering: tuple[int, int]


class HistoryUnavailable(Exception):  # noqa: N818 - a state, which may end
    """The file cannot be used at the moment."""


class _Damaged(Exception):  # noqa: N818 - a state of the file, which is set aside
    """The file is not a history that this version can use."""


class HistoryStore:
    """The file. Each method raises `HistoryUnavailable` when it cannot be used, and may be called again."""

    def __init__(self, path: Path, on_notice: Callable[[str], None]) -> None:
        """Name the file; the first use opens or makes it.

        Args:
            path: The file.
            on_notice: Receives a notice when a file was set aside; called in the thread of the method.
        """
        self.path = path
        self._on_notice = on_notice
        self._connection: sqlite3.Connection | None = None
        self._lock = ExitStack()

    def load(self, windows: Iterable[int], quarter: int, runs: Iterable[tuple[date, int, int]]) -> Loaded:
        """Read the sums up to a bucket.

        Args:
            windows: Lengths of windows, in buckets.
            quarter: The bucket in which all windows end.
            runs: Days, each with its first bucket and the one behind its last; a day may have several runs.
        """
        ranges = [(quarter - length + 1, quarter + 1) for length in windows]
        return self._do(lambda connection: _load(connection, ranges, list(runs)))

    def save(
        self, buckets: Buckets, marks: Mapping[str, Mark], incidents: Iterable[Incident], slide: Slide | None
    ) -> tuple[list[ByNode], ByNode]:
        """Add times, and replace marks and incidents, in one transaction.

        Returns:
            For each window the times of the buckets that leave it, and the times of those that enter all.
        """
        return self._do(lambda connection: _save(connection, buckets, marks, list(incidents), slide))

    def trim(self) -> None:
        """Delete what is beyond the bounds of the history."""
        self._do(_trim)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        self._lock.close()

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do work on the open file; a damaged one is set aside first, once."""
        for is_second in (False, True):
            try:
                return _in_transaction(self._attempt(), work)
            except (_Damaged, sqlite3.DatabaseError) as error:
                if not _is_damage(error):  # a full disk: the next attempt goes on with this connection
                    raise HistoryUnavailable(_reason(error, self.path)) from error
                self.close()
                if is_second:
                    raise HistoryUnavailable(str(error)) from error
                self._set_aside(str(error))
            except OSError as error:
                self.close()
                raise HistoryUnavailable(error.strerror or type(error).__name__) from error
        raise AssertionError("the second attempt returns or raises")

    def _attempt(self) -> sqlite3.Connection:
        """The open file, which this process holds alone: two exporters that add to it would count the time twice."""
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with ExitStack() as stack:
                if not stack.enter_context(locked(self.path.with_name(f"{self.path.name}.lock"))):
                    raise HistoryUnavailable("another exporter keeps it")
                self._connection = _open(self.path)
                self._lock = stack.pop_all()
        return self._connection

    def _set_aside(self, reason: str) -> None:
        """Rename the damaged file.

        Raises:
            HistoryUnavailable: It cannot be renamed.
        """
        path = self.path
        try:
            aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}")
            replace(path, aside)
            for ending in ("-wal", "-shm"):  # else SQLite would read the log of this database into the new one
                with contextlib.suppress(FileNotFoundError):
                    replace(path.with_name(path.name + ending), aside.with_name(aside.name + ending))
            _forget_oldest(path)
        except OSError as error:
            raise HistoryUnavailable(f"{reason}; {error.strerror or type(error).__name__}") from error
        self._on_notice(
            f"the history of the status page was unusable ({reason}): it is kept as {aside}, and a new one was made"
        )


def _load(connection: sqlite3.Connection, ranges: list[tuple[int, int]], runs: list[tuple[date, int, int]]) -> Loaded:
    days: dict[date, ByNode] = {}
    for day, some in groupby(runs, key=lambda run: run[0]):
        for _, first, behind in some:
            merge(days.setdefault(day, {}), _sums(connection, first, behind))
    names = {number: name for name, number in _ids(connection).items()}
    marks = {
        name: Mark(int(verdict), int(since), int(seen))
        for name, verdict, since, seen in connection.execute(
            "SELECT name, verdict, since_ms, seen_ms FROM node WHERE verdict IS NOT NULL"
        )
    }
    incidents = [
        Incident(names[node], begun, ended, seen, reason)
        for node, begun, ended, seen, reason in connection.execute(
            "SELECT node, begun_ms, ended_ms, seen_ms, reason FROM incident ORDER BY begun_ms"
        )
        if node in names
    ]
    (last,) = connection.execute("SELECT max(bucket) FROM quarter").fetchone()
    return Loaded(last or 0, tuple(_sums(connection, *bounds) for bounds in ranges), days, marks, incidents)


def _save(
    connection: sqlite3.Connection,
    buckets: Buckets,
    marks: Mapping[str, Mark],
    incidents: list[Incident],
    slide: Slide | None,
) -> tuple[list[ByNode], ByNode]:
    ids = _known(connection, {*marks, *(name for nodes in buckets.values() for name in nodes)})
    connection.executemany(
        "INSERT INTO quarter VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "up_ms = up_ms + excluded.up_ms, down_ms = down_ms + excluded.down_ms",
        [(bucket, ids[name], *times) for bucket, nodes in buckets.items() for name, times in nodes.items()],
    )
    connection.executemany(
        "UPDATE node SET verdict = ?, since_ms = ?, seen_ms = ? WHERE id = ?",
        [(*mark, ids[name]) for name, mark in marks.items()],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO incident VALUES (?, ?, ?, ?, ?)",
        [(ids[node], *rest) for node, *rest in incidents if node in ids],
    )
    if slide is None:
        return [], {}
    return [_sums(connection, *bounds) for bounds in slide.leaving], _sums(connection, *slide.entering)


def _known(connection: sqlite3.Connection, names: set[str]) -> dict[str, int]:
    """The number of each node; new ones get one."""
    connection.executemany("INSERT OR IGNORE INTO node (name) VALUES (?)", [(name,) for name in sorted(names)])
    return _ids(connection)


def _ids(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT name, id FROM node"))


def merge(into: ByNode, more: Mapping[str, Times], sign: int = 1) -> None:
    """Add times, or subtract them with a sign of -1."""
    for name, (up, down) in more.items():
        before = into.get(name, _NONE)
        into[name] = Times(before.up_ms + sign * up, before.down_ms + sign * down)


_NONE = Times(0, 0)


def _sums(connection: sqlite3.Connection, first: int, behind: int) -> ByNode:
    """The times of each node in some buckets."""
    return {
        name: Times(up, down)
        for name, up, down in connection.execute(
            "SELECT name, up, down FROM (SELECT node, sum(up_ms) AS up, sum(down_ms) AS down FROM quarter "
            "WHERE bucket >= ? AND bucket < ? GROUP BY node) JOIN node ON node.id = node",
            (first, behind),
        )
    }


def _trim(connection: sqlite3.Connection) -> None:
    last = connection.execute(
        # Jumps from bucket to bucket in the index: DISTINCT would read every row.
        "WITH RECURSIVE known(bucket) AS (SELECT max(bucket) FROM quarter UNION ALL "
        "SELECT (SELECT max(bucket) FROM quarter WHERE bucket < known.bucket) FROM known "
        "WHERE known.bucket IS NOT NULL) SELECT bucket FROM known LIMIT 1 OFFSET ?",
        (BUCKETS,),
    ).fetchone()
    if last is not None and last[0] is not None:
        connection.execute("DELETE FROM quarter WHERE bucket <= ?", last)
    connection.execute(
        "DELETE FROM incident WHERE begun_ms < (SELECT min(begun_ms) FROM "
        "(SELECT begun_ms FROM incident ORDER BY begun_ms DESC LIMIT ?))",
        (MOST_INCIDENTS,),
    )
    connection.execute(
        "DELETE FROM node WHERE id NOT IN (SELECT node FROM quarter) AND id NOT IN (SELECT node FROM incident)"
    )


def _open(path: Path) -> sqlite3.Connection:
    """Open the file, or make it.

    Raises:
        _Damaged: It is not a history of this version.
        sqlite3.Error: It is damaged, or cannot be used.
        OSError: It cannot be made.
    """
    is_new = not path.exists() or not path.stat().st_size
    if is_new:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        if not is_new:
            _check(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if is_new or not connection.execute("PRAGMA user_version").fetchone()[0]:
            connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    """Refuse a file that is no sound history of this version."""
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if found == 0 and version == 0 and not tables:
        return  # it was being made when the machine stopped
    if found != APPLICATION_ID:
        raise _Damaged("it is another program's database")
    if version > SCHEMA_VERSION:
        raise _Damaged("a newer revvlink made it")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _Damaged("it is damaged")


def _in_transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return done


_DAMAGE = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH,
     sqlite3.SQLITE_CONSTRAINT}
)  # fmt: skip
"""Errors of a file that has another content than ours."""


def _is_damage(error: Exception) -> bool:
    if isinstance(error, _Damaged):
        return True
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _DAMAGE


def _reason(error: Exception, path: Path) -> str:
    """Why the file cannot be used, in a few words."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or _is_full(path):
        return "no space is left on its disk"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another program holds it"
    return str(error)


def _is_full(path: Path) -> bool:
    """Whether the disk is full: SQLite reports some of that as an I/O error."""
    import shutil

    try:
        return shutil.disk_usage(path.parent).free == 0
    except OSError:
        return False


def _forget_oldest(path: Path) -> None:
    """Delete files that were set aside before the last few."""
    for old in sorted(_aside(path), key=lambda each: each.stat().st_mtime)[:-_MOST_ASIDE]:
        for ending in ("", "-wal", "-shm"):
            old.with_name(old.name + ending).unlink(missing_ok=True)


def _aside(path: Path) -> Iterator[Path]:
    return (each for each in path.parent.glob(f"{path.name}.damaged-*") if not each.name.endswith(("-wal", "-shm")))
