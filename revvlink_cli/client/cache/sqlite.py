"""The SQLite store: survives the process, shared by all of one machine."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from revvlink_cli.client.cache import database
from revvlink_cli.client.cache.ageing import uses_between_halvings
from revvlink_cli.client.cache.entries import Entry, Key
from revvlink_cli.client.cache.store import Listed, Order, StoreStats
from revvlink_cli.client.errors import StoreException

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Callable, Sequence

T = TypeVar("T")

_LISTED = "kind, tracks, uses, size, stored_at, expires_at, node, identifier"

_KEPT = "kind, tracks, body, stored_at, expires_at, node, identifier"

_ORDERS = {
    Order.USES: "uses DESC, used_at DESC",
    Order.AGE: "stored_at DESC",
    Order.SIZE: "size DESC",
}

_BATCH = 200
"""Entries that are read at a time when all are wanted."""


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
            ValueError: `capacity` is below 1.
        """
        if capacity < 1:
            raise ValueError("a cache keeps at least one entry")
        self.path = Path(path)
        self.capacity = capacity
        self._fleet_name = fleet
        self._fleet = 0
        self._in_thread = in_thread
        self._on_notice = on_notice or _log_notice
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    async def get(self, key: Key) -> Entry | None:
        """See `Store.get`."""
        return await self._do(lambda connection: self._get(connection, key))

    async def put(self, entry: Entry) -> None:
        """See `Store.put`."""
        await self._do(lambda connection: self._put(connection, entry))

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
        return await self._do(lambda connection: self._clear(connection, key, expired_only=expired_only))

    async def entries(self) -> AsyncGenerator[tuple[Entry, int], None]:
        """See `OpenStore.entries`."""
        last = 0
        while batch := await self._do(partial(self._batch, after=last)):
            for number, entry, uses in batch:
                last = number
                yield entry, uses

    async def close(self) -> None:
        """See `Store.close`."""
        await self._run(self._close)

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._run(lambda: self._on_connection(work))

    async def _run(self, work: Callable[[], T]) -> T:
        """Work that may wait for the disk, or for another thread."""
        if not self._in_thread:
            return work()
        import asyncio

        return await asyncio.to_thread(work)

    def _close(self) -> None:
        with self._lock:
            self._drop()

    def _on_connection(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work`, once more on a new file when the file turns out to be damaged."""
        with self._lock:
            try:
                return self._attempt(work)
            except database.Damaged as damage:
                self._drop()
                with database.told(self.path):
                    database.set_aside(self.path, str(damage), self._on_notice)
            try:
                return self._attempt(work)
            except database.Damaged as damage:
                self._drop()
                raise StoreException(f"the cache {self.path} cannot be used: {damage}") from damage

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        import sqlite3

        if self._connection is None:
            self.path = Path(self.path).resolve()  # what a link points to is made or moved, not the link
            self._connection = database.connect(self.path, self._on_notice)
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise database.translated(error, self.path) from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # What is done on a connection, in a thread or not.

    def _get(self, connection: sqlite3.Connection, key: Key) -> Entry | None:
        import sqlite3

        found = connection.execute(
            f"SELECT {_KEPT}, id FROM entries JOIN bodies USING (id)"  # noqa: S608 - names of columns
            " WHERE fleet = (SELECT id FROM fleets WHERE name = ?) AND node = ? AND identifier = ?",
            (self._fleet_name, key.node or "", key.identifier),
        ).fetchone()
        now = time.time()
        entry = _entry(found) if found is not None else None
        if entry is not None and not entry.counts(now):
            entry = None
        try:
            self._count_use(connection, found[-1] if entry is not None else None, now)
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.rollback()
            problem = database.translated(error, self.path)
            if entry is None or isinstance(problem, database.Damaged):
                raise
            self._on_notice(str(problem))  # what was found counts all the same
        return entry

    def _count_use(self, connection: sqlite3.Connection, number: int | None, now: float) -> None:
        connection.execute("BEGIN IMMEDIATE")
        fleet = self._fleet_number(connection)
        if number is None:
            connection.execute("UPDATE fleets SET misses = misses + 1 WHERE id = ?", (fleet,))
        else:
            connection.execute("UPDATE entries SET uses = uses + 1, used_at = ? WHERE id = ?", (now, number))
            connection.execute("UPDATE fleets SET hits = hits + 1 WHERE id = ?", (fleet,))
            self._grow_older(connection, fleet)
        connection.execute("COMMIT")

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
        number = self._insert(connection, fleet, entry, uses=1, now=now)
        self._grow_older(connection, fleet)
        self._trim(connection, fleet, sparing=number)
        connection.execute("COMMIT")

    def _put_all(self, connection: sqlite3.Connection, entries: Sequence[tuple[Entry, int]]) -> None:
        now = time.time()
        connection.execute("BEGIN IMMEDIATE")
        fleet = self._fleet_number(connection)
        self._drop_expired(connection, now)
        for entry, uses in entries:
            self._insert(connection, fleet, entry, uses=uses, now=now)
        self._trim(connection, fleet, sparing=0)
        connection.execute("COMMIT")

    @staticmethod
    def _insert(connection: sqlite3.Connection, fleet: int, entry: Entry, *, uses: int, now: float) -> int:
        """Write an entry; what is known of its uses stays when there is one already. Gives its number."""
        where = (fleet, entry.key.node or "", entry.key.identifier)
        connection.execute(
            "INSERT INTO entries (fleet, node, identifier, kind, tracks, size, stored_at, expires_at, uses, used_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (fleet, node, identifier) DO UPDATE SET"
            " kind = excluded.kind, tracks = excluded.tracks, size = excluded.size, stored_at = excluded.stored_at,"
            " expires_at = excluded.expires_at, uses = uses + excluded.uses, used_at = excluded.used_at",
            (*where, entry.kind, entry.tracks, len(entry.body), entry.stored_at, entry.expires_at, uses, now),
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
            f"SELECT body, {_LISTED} FROM entries JOIN bodies USING (id)"  # noqa: S608 - names of columns
            " WHERE fleet = (SELECT id FROM fleets WHERE name = ?) AND node = ? AND identifier = ?",
            (self._fleet_name, key.node or "", key.identifier),
        ).fetchone()
        if found is None:
            return None
        listed = _listed(found[1:])
        entry = Entry(listed.key, listed.kind, listed.tracks, found[0], listed.stored_at, listed.expires_at)
        return (entry, listed) if entry.counts(time.time()) else None

    def _listing(self, connection: sqlite3.Connection, order: Order, limit: int | None) -> Sequence[Listed]:
        rows = connection.execute(
            f"SELECT {_LISTED} FROM entries WHERE fleet = (SELECT id FROM fleets WHERE name = ?)"  # noqa: S608 - as above
            f" AND expires_at > ? ORDER BY {_ORDERS[order]} LIMIT ?",
            (self._fleet_name, time.time(), -1 if limit is None else limit),
        )
        return [_listed(row) for row in rows]

    def _stats(self, connection: sqlite3.Connection) -> StoreStats:
        found = connection.execute(
            "SELECT id, hits, misses, evictions FROM fleets WHERE name = ?", (self._fleet_name,)
        ).fetchone()
        fleet, hits, misses, evictions = found if found is not None else (0, 0, 0, 0)
        now = time.time()
        count, live, size, oldest = connection.execute(
            "SELECT count(*), count(CASE WHEN expires_at > :now THEN 1 END), coalesce(sum(size), 0),"
            " min(CASE WHEN expires_at > :now THEN stored_at END) FROM entries WHERE fleet = :fleet",
            {"now": now, "fleet": fleet},
        ).fetchone()
        return StoreStats(
            capacity=self.capacity,
            entries=live,
            expired=count - live,
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
        connection.executescript("PRAGMA incremental_vacuum")  # gives the room back; `execute` would free one page
        return gone

    def _batch(self, connection: sqlite3.Connection, after: int) -> list[tuple[int, Entry, int]]:
        """The next entries, with their numbers and uses."""
        rows = connection.execute(
            f"SELECT {_KEPT}, id, uses FROM entries JOIN bodies USING (id)"  # noqa: S608 - as above
            " WHERE fleet = (SELECT id FROM fleets WHERE name = ?) AND id > ? AND expires_at > ? ORDER BY id LIMIT ?",
            (self._fleet_name, after, time.time(), _BATCH),
        )
        return [(row[-2], _entry(row), row[-1]) for row in rows]


def _entry(row: Any) -> Entry:
    """An entry from the columns `_KEPT`."""
    kind, tracks, body, stored_at, expires_at, node, identifier = row[:7]
    return Entry(Key(identifier, node or None), kind, tracks, body, stored_at, expires_at)


def _listed(row: Any) -> Listed:
    """What the columns `_LISTED` say."""
    *told, node, identifier = row
    return Listed(Key(identifier, node or None), *told)


def _log_notice(notice: str) -> None:
    import logging  # a command that finds what it looks for does without

    logging.getLogger(__name__).warning(notice)
