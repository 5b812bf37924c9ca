"""The SQLite store: outlives the process, and all processes of a machine share it."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from revvlink_cli.client.arguments import check_text, check_type
from revvlink_cli.client.cache import database
from revvlink_cli.client.cache.entry_tables import EntryTables, entry_from
from revvlink_cli.client.cache.store import log_notice, report_damaged
from revvlink_cli.client.errors import StoreException

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncGenerator, Callable, Sequence

    from revvlink_cli.client.cache.entries import Entry, Key
    from revvlink_cli.client.cache.store import Listed, Order, StoreStats

T = TypeVar("T")

_MAX_UNCOUNTED = 200
"""Uses that may wait to be counted."""


class SQLiteStore:
    """An `OpenStore` in a database file that many processes may use at once.

    When it is full, it deletes the least used entry, and of equally used ones the one used longest ago. All numbers of
    uses are halved from time to time, as in the memory cache. A damaged or foreign file is set aside and replaced.
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
            fleet: Stores with the same name share results.
            in_thread: Whether the disk works in a thread, so that the event loop stays free. Without it no method waits
                for an event loop, and none is needed.
            on_notice: Receives notices: the file was set aside, or cannot count uses. None logs them.

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
        self._in_thread = in_thread
        self._on_notice = on_notice or log_notice
        self._tables = EntryTables(fleet, capacity, self._on_notice)
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._uncounted: deque[tuple[int | None, float]] = deque(
            maxlen=_MAX_UNCOUNTED
        )  # number of an entry or None, and when

    async def get(self, key: Key) -> Entry | None:
        """See `Store.get`."""
        return await self._do(lambda connection: self._get(connection, key), database.SEARCH_TIMEOUT)

    async def put(self, entry: Entry) -> None:
        """See `Store.put`."""
        await self._do(lambda connection: self._tables.put(connection, entry), database.SEARCH_TIMEOUT)

    async def put_all(self, entries: Sequence[tuple[Entry, int]]) -> None:
        """See `OpenStore.put_all`."""
        await self._do(lambda connection: self._tables.put_all(connection, entries))

    async def peek(self, key: Key) -> tuple[Entry, Listed] | None:
        """See `OpenStore.peek`."""
        return await self._do(lambda connection: self._tables.peek(connection, key))

    async def listing(self, order: Order, limit: int | None = None) -> Sequence[Listed]:
        """See `OpenStore.listing`."""
        return await self._do(lambda connection: self._tables.listing(connection, order, limit))

    async def stats(self) -> StoreStats:
        """See `OpenStore.stats`."""
        return await self._do(self._tables.stats)

    async def clear(self, key: Key | None = None, *, expired_only: bool = False) -> int:
        """See `OpenStore.clear`."""
        gone = await self._do(lambda connection: self._tables.clear(connection, key, expired_only=expired_only))
        await self._do(self._tables.give_room_back)
        return gone

    async def entries(self) -> AsyncGenerator[tuple[Entry, int], None]:
        """See `OpenStore.entries`."""
        last = damaged = 0
        while batch := await self._do(partial(self._tables.batch, after=last)):
            last = batch[-1][-1]
            for *row, uses, _ in batch:
                try:
                    entry = entry_from(row)
                    entry.loaded()
                except ValueError:
                    damaged += 1
                else:
                    yield entry, uses
        report_damaged(damaged, self._on_notice)

    async def close(self) -> None:
        """See `Store.close`."""
        await self._run(self._close)

    async def _do(self, work: Callable[[sqlite3.Connection], T], seconds: float | None = None) -> T:
        """Do `work` on the database; wait at most `seconds` for another process that holds it."""
        return await self._run(lambda: self._on_connection(work, database.BUSY_TIMEOUT if seconds is None else seconds))

    async def _run(self, work: Callable[[], T]) -> T:
        """Do work that may wait for the disk or for another thread."""
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
                    if any(number is not None for number, _ in self._uncounted):  # put has reported it for misses
                        self._on_notice(str(problem))
                    self._uncounted.clear()
            self._drop()

    def _on_connection(self, work: Callable[[sqlite3.Connection], T], seconds: float) -> T:
        """Do `work`; if the file is damaged, set it aside and do `work` again on a new one."""
        with self._lock:
            try:
                return self._retry(lambda: self._attempt(work), seconds)
            except database.DamagedDatabase as damage:
                self._drop()
                reason = str(damage)
            self._retry(lambda: self._set_aside(reason), seconds)
            try:
                return self._retry(lambda: self._attempt(work), seconds)
            except database.DamagedDatabase as damage:
                self._drop()
                raise StoreException(f"the cache {self.path} cannot be used: {damage}") from damage

    def _retry(self, work: Callable[[], T], seconds: float) -> T:
        return database.retry_while_locked(work, seconds, lambda: database.version(self._connection))

    def _set_aside(self, reason: str) -> None:
        with database.explained_errors(self.path):
            database.set_aside(self.path, reason, self._on_notice)

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self.path = Path(os.path.realpath(self.path))  # make or move a link's target, not the link
            self._connection = database.connect(self.path, self._on_notice)
        return self._or_roll_back(self._connection, work)

    def _or_roll_back(self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work`; on an error roll its transaction back."""
        import sqlite3

        try:
            return work(connection)
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.rollback()
            raise database.explain(error, self.path) from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _get(self, connection: sqlite3.Connection, key: Key) -> Entry | None:
        found = self._tables.find(connection, key)
        entry, number = found if found is not None else (None, None)
        self._uncounted.append((number, time.time()))
        try:
            self._count_uses(connection)
        except database.DatabaseLocked:
            pass  # they are counted with the next one, or on closing
        except (StoreException, database.DamagedDatabase) as problem:
            self._uncounted.clear()
            if entry is None or isinstance(problem, database.DamagedDatabase):
                raise
            self._on_notice(str(problem))  # the entry is returned nevertheless
        return entry

    def _count_uses(self, connection: sqlite3.Connection) -> None:
        """Count the uses that wait; do not wait long for another process that holds the database.

        Raises:
            StoreException: The database cannot be written.
        """

        def count(connection: sqlite3.Connection) -> None:
            self._tables.count_uses(connection, self._uncounted)

        self._retry(lambda: self._or_roll_back(connection, count), database.COUNT_TIMEOUT)
        self._uncounted.clear()
