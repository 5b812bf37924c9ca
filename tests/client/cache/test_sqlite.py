"""The SQLite store: which entries it keeps, and for how long."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revvlink_cli import SQLiteStore
from revvlink_cli.client.cache.entries import Key
from revvlink_cli.client.cache.store import Order
from tests.client.cache.redis_server import entry
from tests.client.cache.sqlite_stores import kept, put, use

if TYPE_CHECKING:
    from pathlib import Path


def test_the_least_used_goes(path: Path) -> None:
    """Not the one just stored; of equally used ones the one used longest ago."""

    async def work(store: SQLiteStore) -> None:
        for query in ("a", "b", "c"):
            await store.put(entry(query))
        for query in ("a", "c", "c"):
            await store.get(Key.of(query))
        await store.put(entry("d"))
        assert {one.key.identifier for one in await store.listing(Order.USES)} == {"a", "c", "d"}
        await store.put(entry("e"))
        assert {one.key.identifier for one in await store.listing(Order.USES)} == {"a", "c", "e"}
        assert (await store.stats()).evictions == 2

    use(path, work, capacity=3)


def test_old_uses_count_for_less(path: Path) -> None:
    """What was used a lot once makes room for what is used now."""

    async def work(store: SQLiteStore) -> None:
        await store.put(entry("yesterday"))
        for _ in range(600):
            await store.get(Key.of("yesterday"))
        await store.put(entry("today"))
        for _ in range(2000):
            await store.get(Key.of("today"))
        uses = {one.key.identifier: one.uses or 0 for one in await store.listing(Order.USES)}
        assert uses["today"] > 3 * uses["yesterday"]

    use(path, work, capacity=2)


def test_a_smaller_capacity_keeps_the_most_used(path: Path) -> None:
    """From the next entry on."""
    put(path, "a", "b", "c", "d", capacity=10)

    async def work(store: SQLiteStore) -> None:
        await store.get(Key.of("a"))
        await store.put(entry("e"))

    use(path, work, capacity=2)

    assert kept(path, capacity=2) == {"a", "e"}


def test_fleets_keep_apart(path: Path) -> None:
    """What one finds is nothing to another, nor does it take its room or its figures."""
    put(path, "a", "b", fleet="one", capacity=2)
    put(path, "c", "d", "e", fleet="two", capacity=2)

    assert kept(path, fleet="one") == {"a", "b"}
    assert kept(path, fleet="two") == {"d", "e"}

    async def clear(store: SQLiteStore) -> int:
        return await store.clear()

    assert use(path, clear, fleet="two") == 2
    assert kept(path, fleet="one") == {"a", "b"}


def test_nothing_is_left_of_what_is_too_old(path: Path) -> None:
    """Storing drops what is too old, of fleets that are gone too, bodies included."""

    async def old(store: SQLiteStore) -> None:
        await store.put_all([(entry(str(number), age=100, ttl=50), 1) for number in range(20)])

    use(path, old, fleet="gone for good")
    put(path, "new")

    with contextlib.closing(sqlite3.connect(path)) as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("entries", "bodies")]
    assert counts == [(1,), (1,)]


def test_clearing_gives_the_room_back(path: Path) -> None:
    """The file of an emptied cache is small again."""

    async def fill(store: SQLiteStore) -> None:
        await store.put_all([(entry(str(number), "x" * 5000), 1) for number in range(200)])

    async def clear(store: SQLiteStore) -> None:
        await store.clear()

    use(path, fill, capacity=1000)
    full = path.stat().st_size
    use(path, clear)

    assert path.stat().st_size < full / 10


OPERATIONS = st.lists(st.tuples(st.sampled_from(["get", "put"]), st.integers(0, 9)), max_size=60)


@settings(max_examples=30, deadline=None)
@given(OPERATIONS, st.integers(1, 6))
def test_any_sequence_keeps_its_promises(tmp_path_factory: pytest.TempPathFactory, operations: Any, size: int) -> None:
    """Never more than the capacity; what was just stored is there; what is found is what was stored last."""

    async def work(store: SQLiteStore) -> None:
        last: dict[str, bytes] = {}
        for number, (what, name) in enumerate(operations):
            query = str(name)
            if what == "put":
                made = entry(query, f"v{number}")
                last[query] = made.body
                await store.put(made)
                there = await store.peek(made.key)
                assert there is not None
                assert there[0].body == made.body
            else:
                found = await store.get(Key.of(query))
                assert found is None or found.body == last[query]
            assert len(await store.listing(Order.USES)) <= size

    use(tmp_path_factory.mktemp("model") / "c.db", work, capacity=size)


def test_capacity() -> None:
    """A cache without room is a mistake."""
    with pytest.raises(ValueError, match="at least one"):
        SQLiteStore("c.db", capacity=0)
