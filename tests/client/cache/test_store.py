"""What every store does, tried on all of them: SQLite with and without a thread, and a genuine Redis."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from revvlink_cli import RedisStore, SQLiteStore
from revvlink_cli.client.cache.entries import Key, entry_for
from revvlink_cli.client.cache.store import Order
from tests.client.cache.redis_server import entry, playlist, redis_server

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from revvlink_cli.client.cache.store import OpenStore

T = TypeVar("T")


@pytest.fixture(params=["sqlite", "sqlite in a thread", "redis"])
def use(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Does work on a store of each kind, in an event loop of its own each time; the store is closed afterwards."""

    def on(make: Callable[[], OpenStore]) -> Callable[..., Any]:
        def work_on(job: Callable[[OpenStore], Coroutine[Any, Any, T]]) -> T:
            async def work() -> T:
                store = make()
                try:
                    return await job(store)
                finally:
                    await store.close()

            return asyncio.run(work())

        return work_on

    if request.param != "redis":
        in_thread = request.param != "sqlite"
        yield on(lambda: SQLiteStore(tmp_path / "folder" / "cache.db", capacity=100, in_thread=in_thread))
        return
    with redis_server(tmp_path, "--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lfu") as server:
        yield on(lambda: RedisStore(server.url))


def test_what_is_put_is_there(use: Callable[..., Any]) -> None:
    """In this run and in the next one, under its key and no other."""
    kept = entry("ytsearch:night", "Night", "Day")

    async def put(store: OpenStore) -> None:
        await store.put(kept)
        assert await store.get(kept.key) == kept
        assert await store.get(Key.of("ytsearch:day")) is None
        assert await store.get(Key.of("ytsearch:night", "us-1")) is None

    async def again(store: OpenStore) -> None:
        found = await store.get(kept.key)
        assert found is not None
        assert found.loaded() == kept.loaded()

    use(put)
    use(again)


def test_playlists_and_named_nodes(use: Callable[..., Any]) -> None:
    """A playlist comes back as it was; a node's name may hold what separates keys."""

    async def work(store: OpenStore) -> None:
        for node in (None, "a:b", "*?[x]", "ü"):
            key = Key.of("https://example.invalid/list:1?a=*", node)
            kept = entry_for(key, playlist(), now=time.time())
            assert kept is not None
            await store.put(kept)
            found = await store.get(key)
            assert found is not None
            assert found.loaded() == playlist()
        listed = await store.listing(Order.AGE)
        assert {one.key.node for one in listed} == {None, "a:b", "*?[x]", "ü"}
        assert {one.key.identifier for one in listed} == {"https://example.invalid/list:1?a=*"}

    use(work)


def test_what_is_too_old_is_gone(use: Callable[..., Any]) -> None:
    """It is neither given nor listed; nor is what comes from the future."""

    async def work(store: OpenStore) -> None:
        await store.put(entry("old", age=120, ttl=60))
        await store.put(entry("future", age=-7200, ttl=60))
        await store.put(entry("new"))
        assert await store.get(Key.of("old")) is None
        assert await store.get(Key.of("future")) is None
        assert await store.peek(Key.of("old")) is None
        assert "old" not in [listed.key.identifier for listed in await store.listing(Order.USES)]

    use(work)


def test_replacing(use: Callable[..., Any]) -> None:
    """There is one entry a key, the last one."""

    async def work(store: OpenStore) -> None:
        await store.put(entry("q", "First"))
        await store.put(entry("q", "Second", "Third"))
        found = await store.get(Key.of("q"))
        assert found is not None
        assert [track.title for track in found.loaded()] == ["Second", "Third"]
        assert [(listed.key.identifier, listed.tracks) for listed in await store.listing(Order.USES)] == [("q", 2)]

    use(work)


def test_orders(use: Callable[..., Any]) -> None:
    """By uses, by age and by size, and no more than asked for."""

    async def work(store: OpenStore) -> None:
        await store.put(entry("often", age=20))
        await store.put(entry("large", *map(str, range(50)), age=10))
        await store.put(entry("new"))
        for _ in range(60):  # Redis counts on a logarithmic scale
            await store.get(Key.of("often"))
        orders = {order: [one.key.identifier for one in await store.listing(order)] for order in Order}
        assert orders[Order.USES][0] == "often"
        assert orders[Order.AGE] == ["new", "large", "often"]
        assert orders[Order.SIZE][0] == "large"
        assert len(await store.listing(Order.AGE, 2)) == 2

    use(work)


def test_figures(use: Callable[..., Any]) -> None:
    """Entries, bytes, hits, misses and the oldest are what they should be; a look inside counts as neither."""

    async def work(store: OpenStore) -> None:
        assert (await store.stats())[:8] == ((await store.stats()).capacity, 0, 0, 0, 0, 0, 0, None)
        first = entry("a", age=30)
        await store.put(first)
        await store.put(entry("b"))
        for query in ("a", "a", "b", "c"):
            await store.get(Key.of(query))
        await store.peek(Key.of("a"))
        await store.peek(Key.of("c"))
        stats = await store.stats()
        assert (stats.entries, stats.hits, stats.misses, stats.expired) == (2, 3, 1, 0)
        assert stats.size >= 2 * len(first.body)
        assert stats.oldest == pytest.approx(first.stored_at)

    use(work)


def test_clearing(use: Callable[..., Any]) -> None:
    """One entry, or all."""

    async def work(store: OpenStore) -> None:
        for query in ("a", "b", "c"):
            await store.put(entry(query))
        assert await store.clear(Key.of("a")) == 1
        assert await store.clear(Key.of("a")) == 0
        assert await store.clear(expired_only=True) == 0
        assert await store.clear() == 2
        assert await store.listing(Order.AGE) == []

    use(work)


def test_what_was_stored_later_stays(use: Callable[..., Any]) -> None:
    """Of two entries under one key the newer stays, whichever comes in last."""

    async def work(store: OpenStore) -> None:
        newer, older = entry("q", "New", "Newer", age=5), entry("q", "Old", age=50)
        for order in ((newer, older), (older, newer)):
            await store.clear()
            for kept in order:
                await store.put_all([(kept, 3)])
            found = await store.get(newer.key)
            assert found == newer

    use(work)


def test_more_uses_elsewhere(tmp_path: Path) -> None:
    """Of two numbers of uses the higher one stays, also where the entry itself does not."""

    async def work() -> None:
        store = SQLiteStore(tmp_path / "cache.db", in_thread=False)
        await store.put_all([(entry("q", "New"), 3)])
        await store.put_all([(entry("q", "Old", age=50), 9), (entry("q", "Old", age=50), 4)])
        (listed,) = await store.listing(Order.AGE)
        assert (listed.uses, listed.stored_at > time.time() - 40) == (9, True)
        await store.close()

    asyncio.run(work())


def test_many_at_once(use: Callable[..., Any]) -> None:
    """Many entries go in together and come out one by one, each once."""

    async def work(store: OpenStore) -> None:
        wanted = {f"q{number}" for number in range(90)}
        await store.put_all([(entry(query), 3) for query in wanted])
        found = [(kept.key.identifier, uses) async for kept, uses in store.entries()]
        assert sorted(query for query, _ in found) == sorted(wanted)
        assert all(uses > 0 for _, uses in found)

    use(work)
