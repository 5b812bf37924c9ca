"""A pool with a store below its memory: who is asked, who is not, and what a store may do to a search (nothing)."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import LavalinkLoadException, Node, Playlist, Pool, RedisStore, SQLiteStore, StoreException
from revvlink_cli.client.cache.entries import Key, entry_for
from revvlink_cli.client.errors import Code
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.client.cache.redis_server import entry, redis_server

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from revvlink_cli.client.cache.entries import Entry


@pytest.fixture
def fleet() -> Iterator[Simulator]:
    """Two simulated nodes."""
    with Simulator([NodeProfile(identifier="us"), NodeProfile(identifier="eu")]) as simulator:
        yield simulator


@pytest.fixture
def pool() -> type[Pool]:
    """A pool of one's own."""

    class Mine(Pool):
        """Shares nothing with other tests."""

    return Mine


def loads(simulator: Simulator) -> int:
    """How many loads were asked of all nodes."""
    return sum(path.startswith("/v4/loadtracks") for simulated in simulator for _, path in simulated.requests)


def run(fleet: Simulator, pool: type[Pool], work: Callable[[], Awaitable[None]], *, connected: bool = True) -> None:
    """Run `work` in a loop of its own with the pool connected to all nodes."""

    async def whole() -> None:
        nodes = [Node(identifier=one.profile.identifier, uri=one.uri, password=one.password) for one in fleet]
        try:
            async with asyncio.timeout(30):
                if connected:
                    await pool.connect(nodes=nodes)
                await work()
        finally:
            await pool.close()

    asyncio.run(whole())


class Faulty:
    """A store of somebody's own that fails in a way of its own."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.asked = 0
        self.kept: dict[Key, Entry] = {}

    async def get(self, key: Key) -> Entry | None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.kept.get(key)

    async def put(self, entry: Entry) -> None:
        if self.error is not None:
            raise self.error
        self.kept[entry.key] = entry

    async def close(self) -> None:
        self.kept.clear()


def test_bots_share_what_they_find(fleet: Simulator, tmp_path: Path) -> None:
    """What one pool has found another gives without asking a node, playlists as they are, through a genuine Redis."""

    async def work() -> None:
        pools: list[type[Pool]] = [type(f"Bot{number}", (Pool,), {}) for number in range(2)]
        store = RedisStore(server.url)
        results = []
        for bot in pools:
            one = fleet["us"]
            await bot.connect(nodes=[Node(identifier="us", uri=one.uri, password=one.password)])
            bot.use_store(store)
            results.append([await bot.fetch_tracks("ytsearch:night"), await bot.fetch_tracks("sim:playlist")])
        assert results[0] == results[1]
        assert isinstance(results[1][1], Playlist)
        assert loads(fleet) == 2
        for bot in pools:
            await bot.close()
        await store.close()

    with redis_server(tmp_path) as server:
        asyncio.run(work())


def test_memory_over_a_store(fleet: Simulator, pool: type[Pool]) -> None:
    """The store is asked once, memory from then on; and an equal crowd asks it once, too."""
    store = Faulty(None)

    async def work() -> None:
        pool.use_store(store)
        pool.cache(10)
        await asyncio.gather(*(pool.fetch_tracks("ytsearch:night") for _ in range(50)))
        await pool.fetch_tracks("ytsearch:NIGHT ")
        assert (store.asked, loads(fleet), len(store.kept)) == (1, 1, 1)

    run(fleet, pool, work)


def test_modes(fleet: Simulator, pool: type[Pool]) -> None:
    """prefer, refresh, bypass and only do what they say; another word is a ValueError."""
    store = Faulty(None)

    async def work() -> None:
        pool.use_store(store)
        with pytest.raises(LavalinkLoadException) as caught:
            await pool.fetch_tracks("ytsearch:night", cache_mode="only")
        assert caught.value.code is Code.NOT_CACHED
        await pool.fetch_tracks("ytsearch:night", cache_mode="bypass")
        assert (loads(fleet), store.kept) == (1, {})
        first = await pool.fetch_tracks("ytsearch:night")
        assert loads(fleet) == 2
        assert await pool.fetch_tracks("ytsearch:night", cache_mode="only") == first
        await pool.fetch_tracks("ytsearch:night", cache_mode="refresh")
        assert loads(fleet) == 3
        await pool.fetch_tracks("ytsearch:night")
        assert loads(fleet) == 3
        with pytest.raises(ValueError, match="sometimes"):
            await pool.fetch_tracks("ytsearch:night", cache_mode="sometimes")

    run(fleet, pool, work)


def test_only_asks_no_node(fleet: Simulator, pool: type[Pool]) -> None:
    """It works before the pool is connected."""
    store = Faulty(None)
    kept = entry("ytsearch:night", "Night")
    store.kept[kept.key] = kept

    async def work() -> None:
        pool.use_store(store)
        assert [track.title for track in await pool.fetch_tracks("ytsearch:night", cache_mode="only")] == ["Night"]
        assert [track.title for track in await pool.fetch_tracks("ytsearch:night")] == ["Night"]

    run(fleet, pool, work, connected=False)


def test_named_nodes_have_entries_of_their_own(fleet: Simulator, pool: type[Pool]) -> None:
    """What a node was asked for by name says nothing of another."""

    async def work() -> None:
        pool.cache(10)
        for _ in range(2):
            for name in (None, "us", "eu"):
                await pool.fetch_tracks("ytsearch:night", node=pool.get_node(name) if name else None)
        assert loads(fleet) == 3

    run(fleet, pool, work)


def test_what_is_not_kept(fleet: Simulator, pool: type[Pool]) -> None:
    """Streams and errors go into no store; nothing found does, for a short while."""
    store = Faulty(None)

    async def work() -> None:
        pool.use_store(store, ttl=100)
        await pool.fetch_tracks("sim:stream")
        with pytest.raises(LavalinkLoadException):
            await pool.fetch_tracks("sim:fails")
        assert store.kept == {}
        assert await pool.fetch_tracks("ytsearch:nothing of the kind") == []
        (nothing,) = store.kept.values()
        assert nothing.expires_at - nothing.stored_at == pytest.approx(30)
        await pool.fetch_tracks("ytsearch:night")
        assert {round(kept.expires_at - kept.stored_at) for kept in store.kept.values()} == {30, 100}

    run(fleet, pool, work)


@pytest.mark.parametrize("error", [StoreException("it is down"), ConnectionError("gone"), RuntimeError("a defect")])
def test_a_store_that_fails(
    fleet: Simulator, pool: type[Pool], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once and left alone; searches go on."""
    store = Faulty(error)

    async def work() -> None:
        pool.use_store(store)
        for number in range(5):
            await pool.fetch_tracks(f"ytsearch:night {number}")
        assert store.asked == 1

    with caplog.at_level(logging.WARNING):
        run(fleet, pool, work)
    assert [record.message for record in caplog.records if "without their store" in record.message] != []
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1


def test_what_a_store_makes_up(fleet: Simulator, pool: type[Pool]) -> None:
    """An entry that is too old or cannot be read is none: a node is asked, and its answer takes the place."""
    store = Faulty(None)

    async def work() -> None:
        pool.use_store(store)
        for odd in (
            entry("ytsearch:night", age=100, ttl=50),
            entry("ytsearch:night")._replace(body=b"\xff"),
            entry("ytsearch:night")._replace(body=b'{"loadType":"search","data":[{}]}'),
        ):
            before = loads(fleet)
            store.kept[odd.key] = odd
            assert len(await pool.fetch_tracks("ytsearch:night")) == 3
            assert loads(fleet) == before + 1
            assert store.kept[odd.key] is not odd

    run(fleet, pool, work)


def test_memory_does_not_outlive_the_store(fleet: Simulator, pool: type[Pool]) -> None:
    """What comes from a store counts in memory no longer than there."""
    store = Faulty(None)
    short = entry_for(Key.of("ytsearch:night"), (), now=time.time(), ttl=1)
    assert short is not None
    store.kept[short.key] = short

    async def work() -> None:
        pool.use_store(store)
        pool.cache(5)
        assert await pool.fetch_tracks("ytsearch:night") == []
        assert await pool.fetch_tracks("ytsearch:night") == []
        assert store.asked == 1
        await asyncio.sleep(max(short.expires_at - time.time() + 0.05, 0))
        assert len(await pool.fetch_tracks("ytsearch:night")) == 3

    run(fleet, pool, work)


def test_a_database_below_a_pool(fleet: Simulator, pool: type[Pool], tmp_path: Path) -> None:
    """A bot that was restarted finds what it found before."""
    for _ in range(2):

        async def work() -> None:
            store = SQLiteStore(tmp_path / "bot.db")
            pool.use_store(store)
            assert len(await pool.fetch_tracks("ytsearch:night")) == 3
            await store.close()

        run(fleet, pool, work)
    assert loads(fleet) == 1


def test_taking_the_store_away(fleet: Simulator, pool: type[Pool]) -> None:
    """None is not a store any more; a time that is none is a ValueError."""
    store = Faulty(None)

    async def work() -> None:
        pool.use_store(store)
        pool.use_store(None)
        await pool.fetch_tracks("ytsearch:night")
        assert store.asked == 0

    run(fleet, pool, work)
    odd: Any
    for odd in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="ttl"):
            pool.use_store(store, ttl=odd)
