"""The SQL of the SQLite store: reads and writes the entries of one fleet on an open connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.cache.ageing import uses_between_halvings
from revvlink_cli.client.cache.entries import LAST, SKEW, Entry, Key
from revvlink_cli.client.cache.store import Listed, Order, StoreStats, report_damaged

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

_LISTED = "kind, tracks, uses, size, stored_at, expires_at, node, identifier"

_SOUND = (
    "typeof(kind) = 'text' AND typeof(node) = 'text' AND typeof(identifier) = 'text' AND typeof(tracks) = 'integer'"
    " AND typeof(size) = 'integer' AND typeof(uses) = 'integer'"
    f" AND stored_at BETWEEN 0 AND {LAST} AND expires_at BETWEEN 0 AND {LAST}"
)
"""Whether a row is an entry: any program can write to the file, and a column takes values of any type."""

_KEPT = f"{_SOUND}, kind, tracks, body, stored_at, expires_at, node, identifier"

_LIVE = f"stored_at <= :now + {SKEW} AND expires_at > :now"
"""Whether an entry is valid, see `Entry.is_valid`."""

_ORDERS = {
    Order.USES: "uses DESC, used_at DESC",
    Order.AGE: "stored_at DESC",
    Order.SIZE: "size DESC",
}

_MAX_INTEGER = 2**63 - 1
"""The largest number SQLite takes."""

BATCH = 200
"""Entries that `EntryTables.batch` reads at a time."""


class EntryTables:
    """The entries of one fleet. Every method needs an open connection, and may raise errors of SQLite."""

    def __init__(self, fleet_name: str, capacity: int, on_notice: Callable[[str], None]) -> None:
        self._fleet_name = fleet_name
        self._capacity = capacity
        self._on_notice = on_notice

    def _row(self, connection: sqlite3.Connection, more: str, key: Key) -> Any:
        """The columns of an entry, then those in `more`; None when there is no entry under the key."""
        return connection.execute(
            f"SELECT {_KEPT}, {more} FROM entries JOIN bodies USING (id)"  # noqa: S608 - names of columns
            " WHERE fleet = (SELECT id FROM fleets WHERE name = ?) AND node = ? AND identifier = ?",
            (self._fleet_name, key.node or "", key.identifier),
        ).fetchone()

    def find(self, connection: sqlite3.Connection, key: Key) -> tuple[Entry, int] | None:
        """The valid entry under a key and its number, None when there is none; does not count a use."""
        found = self._row(connection, "id", key)
        if found is None:
            return None
        try:
            entry = entry_from(found)
        except ValueError:
            return None  # the next put replaces it
        return (entry, found[-1]) if entry.is_valid(time.time()) else None

    def count_uses(self, connection: sqlite3.Connection, uses: Iterable[tuple[int | None, float]]) -> None:
        """Count hits and misses.

        Args:
            connection: An open connection.
            uses: The number of the entry that was used, None for a miss, and the time of each.
        """
        connection.execute("BEGIN IMMEDIATE")
        fleet = self._fleet_number(connection)
        for number, moment in uses:
            if number is None:
                connection.execute("UPDATE fleets SET misses = misses + 1 WHERE id = ?", (fleet,))
            else:
                connection.execute("UPDATE entries SET uses = uses + 1, used_at = ? WHERE id = ?", (moment, number))
                connection.execute("UPDATE fleets SET hits = hits + 1 WHERE id = ?", (fleet,))
                self._grow_older(connection, fleet)
        connection.execute("COMMIT")

    def _fleet_number(self, connection: sqlite3.Connection) -> int:
        """The number of the fleet's row, which is made if there is none; needs a transaction that writes."""
        found = connection.execute("SELECT id FROM fleets WHERE name = ?", (self._fleet_name,)).fetchone()
        if found is not None:
            return int(found[0])
        made = connection.execute(
            "INSERT INTO fleets (name, uses_left) VALUES (?, ?)",
            (self._fleet_name, uses_between_halvings(self._capacity)),
        )
        return int(made.lastrowid or 0)

    def _grow_older(self, connection: sqlite3.Connection, fleet: int) -> None:
        """Count one use of any entry, and halve all numbers of uses when enough have been counted."""
        connection.execute("UPDATE fleets SET uses_left = uses_left - 1 WHERE id = ?", (fleet,))
        (left,) = connection.execute("SELECT uses_left FROM fleets WHERE id = ?", (fleet,)).fetchone()
        if left <= 0:
            connection.execute("UPDATE entries SET uses = uses / 2 WHERE fleet = ? AND uses > 1", (fleet,))
            connection.execute(
                "UPDATE fleets SET uses_left = ? WHERE id = ?", (uses_between_halvings(self._capacity), fleet)
            )

    def put(self, connection: sqlite3.Connection, entry: Entry) -> None:
        """Keep an entry, in place of the one that there is."""
        now = time.time()
        connection.execute("BEGIN IMMEDIATE")
        fleet = self._fleet_number(connection)
        self._drop_expired(connection, now)
        number = self._insert(connection, fleet, entry, uses=1, more=1, now=now)
        self._grow_older(connection, fleet)
        self._trim(connection, fleet, sparing=number)
        connection.execute("COMMIT")

    def put_all(self, connection: sqlite3.Connection, entries: Sequence[tuple[Entry, int]]) -> None:
        """Keep entries with their uses; an entry that was stored later stays."""
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
        """Whether there is an entry that was stored later; that entry gets the higher number of uses."""
        values = {"fleet": fleet, "node": entry.key.node or "", "identifier": entry.key.identifier, "now": now}
        newer = connection.execute(
            "UPDATE entries SET uses = max(uses, :uses)"  # noqa: S608 - as above
            " WHERE fleet = :fleet AND node = :node AND identifier = :identifier AND stored_at > :stored_at"
            f" AND {_SOUND} AND {_LIVE}",
            {**values, "uses": uses, "stored_at": entry.stored_at},
        )
        return newer.rowcount > 0

    @staticmethod
    def _insert(connection: sqlite3.Connection, fleet: int, entry: Entry, *, uses: int, more: int, now: float) -> int:
        """Write an entry, in place of the one that there is; returns its number.

        Args:
            connection: Within a transaction.
            fleet: The fleet's number.
            entry: What to write.
            uses: The least number of uses that it gets.
            more: Uses to add to those of the entry that it replaces.
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
        """Delete the expired entries of every fleet, so that those of a fleet that no longer runs go too."""
        return connection.execute("DELETE FROM entries WHERE expires_at <= ?", (now,)).rowcount

    def _trim(self, connection: sqlite3.Connection, fleet: int, *, sparing: int) -> None:
        """Delete the least used entries beyond the capacity, but not the entry `sparing`."""
        (count,) = connection.execute("SELECT count(*) FROM entries WHERE fleet = ?", (fleet,)).fetchone()
        if count <= self._capacity:
            return
        gone = connection.execute(
            "DELETE FROM entries WHERE id IN"
            " (SELECT id FROM entries WHERE fleet = ? AND id != ? ORDER BY uses, used_at LIMIT ?)",
            (fleet, sparing, count - self._capacity),
        ).rowcount
        connection.execute("UPDATE fleets SET evictions = evictions + ? WHERE id = ?", (gone, fleet))

    def peek(self, connection: sqlite3.Connection, key: Key) -> tuple[Entry, Listed] | None:
        """The entry under a key without counting a use, None when there is none."""
        found = self._row(connection, "uses, size", key)
        if found is None:
            return None
        entry = entry_from(found)
        uses, size = found[-2:]
        listed = Listed(key, entry.kind, entry.tracks, uses, size, entry.stored_at, entry.expires_at)
        return (entry, listed) if entry.is_valid(time.time()) else None

    def listing(self, connection: sqlite3.Connection, order: Order, limit: int | None) -> Sequence[Listed]:
        """The entries that are valid, without their results."""
        rows = connection.execute(
            f"SELECT {_LISTED} FROM entries WHERE fleet = (SELECT id FROM fleets WHERE name = :fleet)"  # noqa: S608 - as above
            f" AND {_SOUND} AND {_LIVE} ORDER BY {_ORDERS[order]} LIMIT :limit",
            {
                "fleet": self._fleet_name,
                "now": time.time(),
                "limit": _MAX_INTEGER if limit is None else min(limit, _MAX_INTEGER),
            },
        )
        found = [_listed_from(row) for row in rows]
        (damaged,) = connection.execute(
            "SELECT count(*) FROM entries"  # noqa: S608 - as above
            f" WHERE fleet = (SELECT id FROM fleets WHERE name = ?) AND NOT ({_SOUND})",
            (self._fleet_name,),
        ).fetchone()
        report_damaged(damaged, self._on_notice)
        return found

    def stats(self, connection: sqlite3.Connection) -> StoreStats:
        """The fleet's entries in figures."""
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
        report_damaged(count - sound, self._on_notice)
        return StoreStats(
            capacity=self._capacity,
            entries=live,
            expired=expired,
            size=size,
            hits=hits,
            misses=misses,
            evictions=evictions,
            oldest=oldest,
        )

    def clear(self, connection: sqlite3.Connection, key: Key | None, *, expired_only: bool) -> int:
        """Delete a key's entry, all entries of the fleet, or the expired ones of all fleets; returns the number."""
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
    def give_room_back(connection: sqlite3.Connection) -> None:
        """Give the space of deleted entries back to the file system."""
        connection.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page

    def batch(self, connection: sqlite3.Connection, after: int) -> list[tuple[Any, ...]]:
        """The next rows of valid or damaged entries: the columns `_KEPT`, uses, number."""
        return connection.execute(
            f"SELECT {_KEPT}, uses, id FROM entries JOIN bodies USING (id)"  # noqa: S608 - as above
            " WHERE fleet = (SELECT id FROM fleets WHERE name = :fleet) AND id > :after"
            f" AND (NOT ({_SOUND}) OR {_LIVE}) ORDER BY id LIMIT :limit",
            {"fleet": self._fleet_name, "after": after, "now": time.time(), "limit": BATCH},
        ).fetchall()


def entry_from(row: Sequence[Any]) -> Entry:
    """An entry from the columns `_KEPT`.

    Raises:
        ValueError: The row is damaged.
    """
    is_sound, kind, tracks, body, stored_at, expires_at, node, identifier = row[:8]
    if not is_sound or not isinstance(body, bytes):
        raise ValueError("it is not an entry")
    return Entry(Key(identifier, node or None), kind, tracks, body, stored_at, expires_at)


def _listed_from(row: Any) -> Listed:
    """A listed entry from the columns `_LISTED`."""
    *described, node, identifier = row
    return Listed(Key(identifier, node or None), *described)
