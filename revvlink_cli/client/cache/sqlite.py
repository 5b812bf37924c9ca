"""The SQLite store: survives the process, shared by all of one machine."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from revvlink_cli.client.arguments import check_text, check_type
from revvlink_cli.client.cache import database
from revvlink_cli.client.cache.ageing import uses_between_halvings
from revvlink_cli.client.cache.entries import LAST, SKEW, Entry, Key
from revvlink_cli.client.cache.store import Listed, Order, StoreStats, log_notice, tell_left_out
from revvlink_cli.client.errors import StoreException

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Callable, Sequence

T = TypeVar("T")

_LISTED = "kind, tracks, uses, size, stored_at, expires_at, node, identifier"

_SOUND = (
    "typeof(kind) = 'text' AND typeof(node) = 'text' AND typeof(identifier) = 'text' AND typeof(tracks) = 'integer'"
    " AND typeof(size) = 'integer' AND typeof(uses) = 'integer'"
    f" AND stored_at BETWEEN 0 AND {LAST} AND expires_at BETWEEN 0 AND {LAST}"
)
"""Whether an entry is one: any program can write to the file, and a column takes what is not of its type."""

_KEPT = f"{_SOUND}, kind, tracks, body, stored_at, expires_at, node, identifier"

_LIVE = f"stored_at <= :now + {SKEW} AND expires_at > :now"
"""Whether an entry that is one counts, see `Entry.counts`."""

_ORDERS = {
    Order.USES: "uses DESC, used_at DESC",
    Order.AGE: "stored_at DESC",
    Order.SIZE: "size DESC",
}

_MOST = 2**63 - 1
"""The largest number SQLite takes."""

_BATCH = 200
"""Entries that are read at a time when all are wanted, and uses that may wait to be counted."""


class SQLiteStore:
    """An `OpenStore` in a database file that many processes may use at once.

    When it is full the least used entry goes, of equally used ones the one used longest ago; all numbers of uses are
    halved from time to time, as in the memory cache. A file that is damaged or not ours is set aside and replaced.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        capacity: int = 512,
        fleet: str = "",
        in_thread: bool = True,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        """Name the file; it is opened, or made, when it is first used.

        Args:
            path: The database file. It is made readable by its owner only.
            capacity: Entries to keep for this fleet.
            fleet: Results are shared by those who say the same.
            in_thread: Whether to leave the event loop free while the disk works. Without it no method ever waits for
                one, and none is needed.
            on_notice: Told when the file was set aside, or cannot count uses; the log is, if None.

        Raises:
            TypeError: An argument is of another type.
            ValueError: `capacity` is below 1.
        """
        check_type("path", path, (str, os.PathLike), "a str or a path")
        check_type("capacity", capacity, int, "an int")
        check_text("fleet", fleet)
        if capacity < 1:
            raise ValueError("a cache keeps at least one entry")
        self.path = Path(path)
        self.capacity = capacity
        self._fleet_name = fleet
        self._fleet = 0
        self._in_thread = in_thread
        self._on_notice = on_notice or log_notice
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._uncounted: deque[tuple[int | None, float]] = deque(maxlen=_BATCH)  # number of an entry or None, and when

    async def get(self, key: Key) -> Entry | None:
        """See `Store.get`."""
        return await self._do(lambda connection: self._get(connection, key), database.SEARCH_TIMEOUT)

    async def put(self, entry: Entry) -> None:
        """See `Store.put`."""
        await self._do(lambda connection: self._put(connection, entry), database.SEARCH_TIMEOUT)

    async def put_all(self, entries: Sequence[tuple[Entry, int]]) -> None:
        """See `OpenStore.put_all`."""
        await self._do(lambda connection: self._put_all(connection, entries))

    async def peek(self, key: Key) -> tuple[Entry, Listed] | None:
        """See `OpenStore.peek`."""
        return await self._do(lambda connection: self._peek(connection, key))

    async def listing(self, order: Order, limit: int | None = None) -> Sequence[Listed]:
        """See `OpenStore.listing`."""
        return await self._do(lambda connection: self._listing(connection, order, limit))

    async def stats(self) -> StoreStats:
        """See `OpenStore.stats`."""
        return await self._do(self._stats)

    async def clear(self, key: Key | None = None, *, expired_only: bool = False) -> int:
        """See `OpenStore.clear`."""
        gone = await self._do(lambda connection: self._clear(connection, key, expired_only=expired_only))
        await self._do(self._give_room_back)
        return gone

    async def entries(self) -> AsyncGenerator[tuple[Entry, int], None]:
        """See `OpenStore.entries`."""
        last = damaged = 0
        while batch := await self._do(partial(self._batch, after=last)):
            last = batch[-1][-1]
            for *row, uses, _ in batch:
                try:
                    entry = _entry(row)
                    entry.loaded()
                except ValueError:
                    damaged += 1
                else:
                    yield entry, uses
        tell_left_out(damaged, self._on_notice)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._run(self._close)

    async def _do(self, work: Callable[[sqlite3.Connection], T], seconds: float | None = None) -> T:
        """Work on the database, for which others are waited for so many seconds."""
        return await self._run(lambda: self._on_connection(work, database.BUSY_TIMEOUT if seconds is None else seconds))

    async def _run(self, work: Callable[[], T]) -> T:
        """Work that may wait for the disk, or for another thread."""
        if not self._in_thread:
            return work()
        import asyncio

        return await asyncio.to_thread(work)

    def _close(self) -> None:
        with self._lock:
            if self._connection is not None and self._uncounted:
                try:
                    self._count_uses(self._connection)
                except (StoreException, database.DamagedDatabase) as problem:
                    if any(number is not None for number, _ in self._uncounted):  # of others, what put said is enough
                        self._on_notice(str(problem))
                    self._uncounted.clear()
            self._drop()

    def _on_connection(self, work: Callable[[sqlite3.Connection], T], seconds: float) -> T:
        """Do `work`, once more on a new file when the file turns out to be damaged."""
        with self._lock:
            try:
                return self._patiently(lambda: self._attempt(work), seconds)
            except database.DamagedDatabase as damage:
                self._drop()
                reason = str(damage)
            self._patiently(lambda: self._set_aside(reason), seconds)
            try:
                return self._patiently(lambda: self._attempt(work), seconds)
            except database.DamagedDatabase as damage:
                self._drop()
                raise StoreException(f"the cache {self.path} cannot be used: {damage}") from damage

    def _patiently(self, work: Callable[[], T], seconds: float) -> T:
        return database.patiently(work, seconds, lambda: database.version(self._connection))

    def _set_aside(self, reason: str) -> None:
        with database.told(self.path):
            database.set_aside(self.path, reason, self._on_notice)

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self.path = Path(os.path.realpath(self.path))  # what a link points to is made or moved, not the link
            self._connection = database.connect(self.path, self._on_notice)
        return self._whole(self._connection, work)

    def _whole(self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        """All of `work`, or nothing of it."""
        import sqlite3

        try:
            return work(connection)
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.rollback()
            raise database.translated(error, self.path) from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # What is done on a connection, in a thread or not.

    def _get(self, connection: sqlite3.Connection, key: Key) -> Entry | None:
        found = connection.execute(
            f"SELECT {_KEPT}, id FROM entries JOIN bodies USING (id)"  # noqa: S608 - names of columns
            " WHERE fleet = (SELECT id FROM fleets WHERE name = ?) AND node = ? AND identifier = ?",
            (self._fleet_name, key.node or "", key.identifier),
        ).fetchone()
        now = time.time()
        try:
            entry = _entry(found) if found is not None else None
        except ValueError:
            entry = None  # what is put next takes its place
        if entry is not None and not entry.counts(now):
            entry = None
        self._uncounted.append((found[-1] if entry is not None else None, now))
        try:
            self._count_uses(connection)
        except database.DatabaseLocked:
            pass  # they are counted with the next one, or on closing
        except (StoreException, database.DamagedDatabase) as problem:
            self._uncounted.clear()
            if entry is None or isinstance(problem, database.DamagedDatabase):
                raise
            self._on_notice(str(problem))  # what was found counts all the same
        return entry

    def _count_uses(self, connection: sqlite3.Connection) -> None:
        """Count what has not been counted yet; one that holds the database for long is not waited for.

        Raises:
            StoreException: It cannot be done.
        """

        def count(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            fleet = self._fleet_number(connection)
            for number, moment in self._uncounted:
                if number is None:
                    connection.execute("UPDATE fleets SET misses = misses + 1 WHERE id = ?", (fleet,))
                else:
                    connection.execute("UPDATE entries SET uses = uses + 1, used_at = ? WHERE id = ?", (moment, number))
                    connection.execute("UPDATE fleets SET hits = hits + 1 WHERE id = ?", (fleet,))
                    self._grow_older(connection, fleet)
            connection.execute("COMMIT")

        self._patiently(lambda: self._whole(connection, count), database.COUNT_TIMEOUT)
        self._uncounted.clear()

    def _fleet_number(self, connection: sqlite3.Connection) -> int:
        """The fleet's row, made if there is none; within a transaction that writes."""
        found = connection.execute("SELECT id FROM fleets WHERE name = ?", (self._fleet_name,)).fetchone()
        if found is not None:
            return int(found[0])
        made = connection.execute(
            "INSERT INTO fleets (name, uses_left) VALUES (?, ?)",
            (self._fleet_name, uses_between_halvings(self.capacity)),
        )
        return int(made.lastrowid or 0)

    def _grow_older(self, connection: sqlite3.Connection, fleet: int) -> None:
        """Count one use of any entry, and halve all numbers when enough have been counted."""
        connection.execute("UPDATE fleets SET uses_left = uses_left - 1 WHERE id = ?", (fleet,))
        (left,) = connection.execute("SELECT uses_left FROM fleets WHERE id = ?", (fleet,)).fetchone()
        if left <= 0:
            connection.execute("UPDATE entries SET uses = uses / 2 WHERE fleet = ? AND uses > 1", (fleet,))
            connection.execute(
                "UPDATE fleets SET uses_left = ? WHERE id = ?", (uses_between_halvings(self.capacity), fleet)
            )

    def _put(self, connection: sqlite3.Connection, entry: Entry) -> None:
        now = time.time()
        connection.execute("BEGIN IMMEDIATE")
        fleet = self._fleet_number(connection)
        self._drop_expired(connection, now)
        number = self._insert(connection, fleet, entry, uses=1, more=1, now=now)
        self._grow_older(connection, fleet)
        self._trim(connection, fleet, sparing=number)
        connection.execute("COMMIT")

    def _put_all(self, connection: sqlite3.Connection, entries: Sequence[tuple[Entry, int]]) -> None:
        now = time.time()
        connection.execute("BEGIN IMMEDIATE")
        fleet = self._fleet_number(connection)
        self._drop_expired(connection, now)
        for entry, uses in entries:
            if not self._is_outdated(connection, fleet, entry, uses=uses, now=now):
                self._insert(connection, fleet, entry, uses=uses, more=0, now=now)
        self._trim(connection, fleet, sparing=0)
        connection.execute("COMMIT")

    @staticmethod
    def _is_outdated(connection: sqlite3.Connection, fleet: int, entry: Entry, *, uses: int, now: float) -> bool:
        """Whether there is an entry that was stored later; it keeps the higher number of uses."""
        told = {"fleet": fleet, "node": entry.key.node or "", "identifier": entry.key.identifier, "now": now}
        newer = connection.execute(
            "UPDATE entries SET uses = max(uses, :uses)"  # noqa: S608 - as above
            " WHERE fleet = :fleet AND node = :node AND identifier = :identifier AND stored_at > :stored_at"
            f" AND {_SOUND} AND {_LIVE}",
            {**told, "uses": uses, "stored_at": entry.stored_at},
        )
        return newer.rowcount > 0

    @staticmethod
    def _insert(connection: sqlite3.Connection, fleet: int, entry: Entry, *, uses: int, more: int, now: float) -> int:
        """Write an entry, in place of the one that there is. Gives its number.

        Args:
            connection: Within a transaction.
            fleet: The fleet's number.
            entry: What to write.
            uses: How often it was used, at least.
            more: Uses to count on top of those of the one that there is.
            now: Seconds since the epoch.
        """
        where = (fleet, entry.key.node or "", entry.key.identifier)
        connection.execute(
            "INSERT INTO entries (fleet, node, identifier, kind, tracks, size, stored_at, expires_at, uses, used_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (fleet, node, identifier) DO UPDATE SET"
            " kind = excluded.kind, tracks = excluded.tracks, size = excluded.size, stored_at = excluded.stored_at,"
            " expires_at = excluded.expires_at, used_at = excluded.used_at, uses ="
            " CASE typeof(uses) WHEN 'integer' THEN max(uses + ?, excluded.uses) ELSE excluded.uses END",
            (*where, entry.kind, entry.tracks, len(entry.body), entry.stored_at, entry.expires_at, uses, now, more),
        )
        (number,) = connection.execute(
            "SELECT id FROM entries WHERE fleet = ? AND node = ? AND identifier = ?", where
        ).fetchone()
        connection.execute("INSERT OR REPLACE INTO bodies (id, body) VALUES (?, ?)", (number, entry.body))
        return int(number)

    @staticmethod
    def _drop_expired(connection: sqlite3.Connection, now: float) -> int:
        """Forget what is too old, of every fleet: one that is gone for good leaves nothing behind."""
        return connection.execute("DELETE FROM entries WHERE expires_at <= ?", (now,)).rowcount

    def _trim(self, connection: sqlite3.Connection, fleet: int, *, sparing: int) -> None:
        """Forget the least used entries beyond the capacity, but not the one just stored."""
        (count,) = connection.execute("SELECT count(*) FROM entries WHERE fleet = ?", (fleet,)).fetchone()
        if count <= self.capacity:
            return
        gone = connection.execute(
            "DELETE FROM entries WHERE id IN"
            " (SELECT id FROM entries WHERE fleet = ? AND id != ? ORDER BY uses, used_at LIMIT ?)",
            (fleet, sparing, count - self.capacity),
        ).rowcount
        connection.execute("UPDATE fleets SET evictions = evictions + ? WHERE id = ?", (gone, fleet))

    def _peek(self, connection: sqlite3.Connection, key: Key) -> tuple[Entry, Listed] | None:
        found = connection.execute(
            f"SELECT {_KEPT}, uses, size FROM entries JOIN bodies USING (id)"  # noqa: S608 - names of columns
            " WHERE fleet = (SELECT id FROM fleets WHERE name = ?) AND node = ? AND identifier = ?",
            (self._fleet_name, key.node or "", key.identifier),
        ).fetchone()
        if found is None:
            return None
        entry = _entry(found)
        uses, size = found[-2:]
        listed = Listed(key, entry.kind, entry.tracks, uses, size, entry.stored_at, entry.expires_at)
        return (entry, listed) if entry.counts(time.time()) else None

    def _listing(self, connection: sqlite3.Connection, order: Order, limit: int | None) -> Sequence[Listed]:
        rows = connection.execute(
            f"SELECT {_LISTED} FROM entries WHERE fleet = (SELECT id FROM fleets WHERE name = :fleet)"  # noqa: S608 - as above
            f" AND {_SOUND} AND {_LIVE} ORDER BY {_ORDERS[order]} LIMIT :limit",
            {
                "fleet": self._fleet_name,
                "now": time.time(),
                "limit": _MOST if limit is None else min(limit, _MOST),
            },
        )
        found = [_listed(row) for row in rows]
        (damaged,) = connection.execute(
            "SELECT count(*) FROM entries"  # noqa: S608 - as above
            f" WHERE fleet = (SELECT id FROM fleets WHERE name = ?) AND NOT ({_SOUND})",
            (self._fleet_name,),
        ).fetchone()
        tell_left_out(damaged, self._on_notice)
        return found

    def _stats(self, connection: sqlite3.Connection) -> StoreStats:
        found = connection.execute(
            "SELECT id, CAST(hits AS INTEGER), CAST(misses AS INTEGER), CAST(evictions AS INTEGER)"
            " FROM fleets WHERE name = ?",
            (self._fleet_name,),
        ).fetchone()
        fleet, hits, misses, evictions = found if found is not None else (0, 0, 0, 0)
        sound, live, expired, size, oldest = connection.execute(
            f"SELECT count(*), count(CASE WHEN {_LIVE} THEN 1 END), count(CASE WHEN expires_at <= :now THEN 1 END),"  # noqa: S608 - as above
            f" coalesce(sum(size), 0), min(CASE WHEN {_LIVE} THEN stored_at END)"
            f" FROM entries WHERE fleet = :fleet AND {_SOUND}",
            {"now": time.time(), "fleet": fleet},
        ).fetchone()
        (count,) = connection.execute("SELECT count(*) FROM entries WHERE fleet = ?", (fleet,)).fetchone()
        tell_left_out(count - sound, self._on_notice)
        return StoreStats(
            capacity=self.capacity,
            entries=live,
            expired=expired,
            size=size,
            hits=hits,
            misses=misses,
            evictions=evictions,
            oldest=oldest,
        )

    def _clear(self, connection: sqlite3.Connection, key: Key | None, *, expired_only: bool) -> int:
        connection.execute("BEGIN IMMEDIATE")
        fleet = self._fleet_number(connection)
        if expired_only:
            gone = self._drop_expired(connection, time.time())
        elif key is None:
            gone = connection.execute("DELETE FROM entries WHERE fleet = ?", (fleet,)).rowcount
        else:
            gone = connection.execute(
                "DELETE FROM entries WHERE fleet = ? AND node = ? AND identifier = ?",
                (fleet, key.node or "", key.identifier),
            ).rowcount
        connection.execute("COMMIT")
        return gone

    @staticmethod
    def _give_room_back(connection: sqlite3.Connection) -> None:
        connection.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page

    def _batch(self, connection: sqlite3.Connection, after: int) -> list[tuple[Any, ...]]:
        """The next rows, of entries that count or are damaged: the columns `_KEPT`, uses, number."""
        return connection.execute(
            f"SELECT {_KEPT}, uses, id FROM entries JOIN bodies USING (id)"  # noqa: S608 - as above
            " WHERE fleet = (SELECT id FROM fleets WHERE name = :fleet) AND id > :after"
            f" AND (NOT ({_SOUND}) OR {_LIVE}) ORDER BY id LIMIT :limit",
            {"fleet": self._fleet_name, "after": after, "now": time.time(), "limit": _BATCH},
        ).fetchall()


def _entry(row: Sequence[Any]) -> Entry:
    """An entry from the columns `_KEPT`.

    Raises:
        ValueError: It is none.
    """
    is_sound, kind, tracks, body, stored_at, expires_at, node, identifier = row[:8]
    if not is_sound or not isinstance(body, bytes):
        raise ValueError("it is not written as an entry is")
    return Entry(Key(identifier, node or None), kind, tracks, body, stored_at, expires_at)


def _listed(row: Any) -> Listed:
    """What the columns `_LISTED` say."""
    *told, node, identifier = row
    return Listed(Key(identifier, node or None), *told)
