"""A genuine Redis that is down, frozen, restarted, full, locked, shared with others, or not installed."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import RedisStore
from revvlink_cli.client.cache.entries import Key
from revvlink_cli.client.cache.store import Order
from revvlink_cli.client.errors import StoreException
from tests.client.cache.redis_server import entry, redis_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.client.cache.redis_server import RedisServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server with the settings it comes with."""
    with redis_server(tmp_path) as running:
        yield running


async def refused(store: RedisStore) -> StoreException:
    """Why the store cannot be used, which takes no longer than one time-out."""
    begun = time.monotonic()
    with pytest.raises(StoreException) as caught:
        await store.get(Key.of("q"))
    assert time.monotonic() - begun < 2
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_server_that_is_down_and_comes_back(server: RedisServer) -> None:
    """It is told at once; when it is back, the same store works, on a new connection."""

    async def work() -> None:
        store = RedisStore(server.url)
        await store.put(entry("q"))
        server.stop()
        assert f"127.0.0.1:{server.port}" in str(await refused(store))
        server.start()
        await store.put(entry("q"))
        assert await store.get(Key.of("q")) is not None
        server.stop()
        server.start()  # between two requests: nobody notices
        assert await store.get(Key.of("q")) is None
        await store.close()

    asyncio.run(work())


def test_a_server_that_is_frozen(server: RedisServer) -> None:
    """It costs one short time-out, whether it was connected before or not."""

    async def work() -> None:
        for warm in (True, False):
            store = RedisStore(server.url, timeout=0.5)
            if warm:
                await store.put(entry("q"))
            server.send(signal.SIGSTOP)
            try:
                assert "did not answer within 0.5 s" in str(await refused(store))
            finally:
                server.send(signal.SIGCONT)
            await store.put(entry("q"))
            assert await store.get(Key.of("q")) is not None
            await store.close()

    asyncio.run(work())


def test_an_address_that_swallows_everything() -> None:
    """A listener that takes connections and says nothing costs one short time-out."""

    async def work() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            store = RedisStore(f"redis://127.0.0.1:{listener.getsockname()[1]}", timeout=0.5)
            assert "did not answer" in str(await refused(store))
            await store.close()

    asyncio.run(work())


def test_something_else_that_listens() -> None:
    """A web server in its place is told."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def work() -> None:
        web = await asyncio.start_server(handle, "127.0.0.1", 0)
        store = RedisStore(f"redis://127.0.0.1:{web.sockets[0].getsockname()[1]}")
        await refused(store)
        await store.close()
        web.close()
        await web.wait_closed()

    asyncio.run(work())


def test_passwords(tmp_path: Path) -> None:
    """A wrong one, and none where one is needed, are told; no message and no address has one in it."""

    async def work(server: RedisServer) -> None:
        right = RedisStore(f"redis://:sesame@127.0.0.1:{server.port}/0")
        await right.put(entry("q"))
        await right.close()
        for user in (":wrong@", ""):
            store = RedisStore(f"redis://{user}127.0.0.1:{server.port}/0")
            error = await refused(store)
            assert "wrong" not in str(error).replace("wrong number", "")
            assert "wrong" not in store.address
            await store.close()

    with redis_server(tmp_path, "--requirepass", "sesame") as server:
        asyncio.run(work(server))


def test_a_server_without_room(tmp_path: Path) -> None:
    """A server that evicts nothing refuses new entries; that is told, and what is kept is still found."""

    async def work(server: RedisServer) -> None:
        store = RedisStore(server.url)
        await store.put(entry("first"))
        with pytest.raises(StoreException, match="cannot be used: command not allowed when used memory"):
            await store.put_all([(entry(str(number), "x" * 20_000), 1) for number in range(1000)])
        assert await store.get(Key.of("first")) is not None
        assert "maxmemory-policy is noeviction" in ((await store.stats()).remark or "")
        await store.close()

    with redis_server(tmp_path, "--maxmemory", "8mb", "--maxmemory-policy", "noeviction") as server:
        asyncio.run(work(server))


def test_eviction_is_left_to_the_server(tmp_path: Path) -> None:
    """With an LFU policy what is used stays, as the server decides, and there is nothing to remark."""

    async def work(server: RedisServer) -> None:
        store = RedisStore(server.url)
        await store.put(entry("favourite", "x" * 1000))
        for number in range(800):
            await store.put(entry(str(number), "x" * 20_000))
            assert await store.get(Key.of("favourite")) is not None
        stats = await store.stats()
        assert stats.evictions > 100
        assert stats.remark is None
        await store.close()

    with redis_server(tmp_path, "--maxmemory", "8mb", "--maxmemory-policy", "allkeys-lfu") as server:
        asyncio.run(work(server))


def test_the_server_forgets_by_itself(server: RedisServer) -> None:
    """Entries have an expiry on the server, the figures that say how useful they are have none."""

    async def work() -> None:
        from redis.asyncio import Redis

        store = RedisStore(server.url)
        await store.put(entry("q", ttl=60))
        await store.get(Key.of("q"))
        async with Redis.from_url(server.url) as redis:
            lasting = {key: await redis.pttl(key) async for key in redis.scan_iter()}
        entries = [left for key, left in lasting.items() if b":entry:" in key]
        assert len(entries) == 1
        assert 0 < entries[0] <= 60_000
        await store.close()

    asyncio.run(work())


def test_what_others_keep_there(server: RedisServer) -> None:
    """Foreign keys are left alone, and what others wrote under ours is not an entry."""

    async def work() -> None:
        from redis.asyncio import Redis

        store = RedisStore(server.url)
        await store.put(entry("q"))
        async with Redis.from_url(server.url) as redis:
            await redis.set("theirs", "x")
            for number, value in enumerate((b"", b"\xff\xfe", b"{}\n{}", b"[1]\n", b'{"kind":1,"tracks":"x"}\n')):
                await redis.set(f"revvlink:1:entry::odd{number}", value)
            await redis.lpush("revvlink:1:entry::list", "x")
            for number in range(5):
                assert await store.get(Key.of(f"odd{number}")) is None
            assert await store.get(Key.of("list")) is None
            assert [listed.key.identifier for listed in await store.listing(Order.USES)] == ["q"]
            assert [kept.key.identifier async for kept, _ in store.entries()] == ["q"]
            await store.clear()
            assert [key async for key in redis.scan_iter()] in ([b"theirs"], [b"theirs", b"revvlink:1:counts"],
                                                                 [b"revvlink:1:counts", b"theirs"])  # fmt: skip
        await store.close()

    asyncio.run(work())


def test_prefixes_keep_apart(server: RedisServer) -> None:
    """Two fleets may share a server, also with names that mean something in a pattern."""

    async def work() -> None:
        one, other = RedisStore(server.url, prefix="a*"), RedisStore(server.url, prefix="ab")
        await one.put(entry("q"))
        await other.put(entry("q"))
        assert len(await one.listing(Order.USES)) == 1
        assert await one.clear() == 1
        assert await other.get(Key.of("q")) is not None
        await one.close()
        await other.close()

    asyncio.run(work())


def test_a_replica_that_takes_no_writes(server: RedisServer, tmp_path: Path) -> None:
    """It can be read, though it cannot count."""
    folder = tmp_path / "replica"
    folder.mkdir()

    async def work(replica: RedisServer) -> None:
        writer, reader = RedisStore(server.url), RedisStore(replica.url)
        await writer.put(entry("q"))
        async with asyncio.timeout(20):
            while await reader.get(Key.of("q")) is None:
                await asyncio.sleep(0.05)
        with pytest.raises(StoreException, match="read only"):
            await reader.put(entry("r"))
        await writer.close()
        await reader.close()

    with redis_server(folder, "--replicaof", f"127.0.0.1 {server.port}") as replica:
        asyncio.run(work(replica))


def test_one_store_on_two_event_loops(server: RedisServer) -> None:
    """A store outlives the loop it was used on."""
    store = RedisStore(server.url)

    async def work() -> None:
        await store.put(entry("q"))
        assert await store.get(Key.of("q")) is not None
        await store.close()

    asyncio.run(work())
    asyncio.run(work())


def test_addresses() -> None:
    """What is none is refused; what is shown has no password."""
    for wrong in ("http://127.0.0.1", "127.0.0.1:6379", ""):
        with pytest.raises(ValueError, match=r"."):
            RedisStore(wrong)
    assert (
        RedisStore("rediss://me:secret@example.invalid:7000/3?ssl_ca_certs=/ca.pem").address
        == "rediss://example.invalid:7000/3"
    )
    assert RedisStore("unix:///run/redis.sock?db=1").address == "unix:///run/redis.sock"


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names what to install."""
    broken: Any = None
    monkeypatch.setitem(sys.modules, "redis.asyncio", broken)

    with pytest.raises(StoreException) as caught:
        RedisStore("redis://127.0.0.1")

    assert "revvlink-cli[redis]" in str(caught.value.hint)
