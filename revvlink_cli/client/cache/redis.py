"""The Redis store: one for a fleet of bots and the people who run them. Needs the extra ``redis``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from revvlink_cli.client.cache.addresses import address_of
from revvlink_cli.client.cache.entries import SKEW, Entry, Key
from revvlink_cli.client.cache.store import Listed, Order, StoreStats
from revvlink_cli.client.errors import StoreException

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Sequence

    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

T = TypeVar("T")

TIMEOUT = 1.0
"""Seconds that one step may take, connecting included."""

SCHEMA_VERSION = 1
"""Part of every key: versions that differ do not see each other's entries."""

_BATCH = 500
"""Keys that are asked about at a time."""

_WRITTEN = 50
"""Entries that are written at a time."""

_HEAD = 4096
"""Bytes that are read of an entry to list it; its first line, which describes it, is rarely longer."""


class RedisStore:
    """An `OpenStore` in a Redis server, version 4 or newer.

    An entry is one string under ``PREFIX:1:entry:NODE:IDENTIFIER``: a line of JSON that describes it, then the result.
    Redis forgets it when it is too old, and what to evict when memory is short is left to its ``maxmemory-policy``,
    which should be ``allkeys-lfu`` or ``volatile-lfu``.
    """

    def __init__(self, url: str, *, prefix: str = "revvlink", timeout: float = TIMEOUT) -> None:
        """Name the server; it is connected when it is first used.

        Args:
            url: ``redis://``, ``rediss://`` or ``unix://`` address, which may carry user, password and database.
            prefix: Begins every key.
            timeout: Seconds that one step may take.

        Raises:
            ValueError: The address is none.
            StoreException: The extra is not installed.
        """
        try:
            from redis.asyncio import Redis
        except ImportError as error:
            raise StoreException(
                "the redis cache needs the package redis", hint="pip install 'revvlink-cli[redis]'"
            ) from error
        Redis.from_url(url)  # raises for an address that is none; opens nothing yet
        self._url = url
        self._timeout = timeout
        self._entries = f"{prefix}:{SCHEMA_VERSION}:entry:"
        self._counts = f"{prefix}:{SCHEMA_VERSION}:counts"
        self._client: Redis | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def address(self) -> str:
        """The server's address, without user and password."""
        return address_of(self._url)

    async def get(self, key: Key) -> Entry | None:
        """See `Store.get`."""
        return await self._do(self._read(self._redis(), key))

    async def put(self, entry: Entry) -> None:
        """See `Store.put`."""
        await self.put_all([(entry, 1)])

    async def put_all(self, entries: Sequence[tuple[Entry, int]]) -> None:
        """See `OpenStore.put_all`; Redis counts uses itself, so those of elsewhere are not carried over."""
        for start in range(0, len(entries), _WRITTEN):
            batch = self._redis().pipeline(transaction=False)
            for entry, _ in entries[start : start + _WRITTEN]:
                left = int((entry.expires_at - time.time()) * 1000)
                if left > 0:
                    batch.set(self._name(entry.key), _head(entry) + b"\n" + entry.body, px=left)
            await self._do(_executed(batch))

    async def peek(self, key: Key) -> tuple[Entry, Listed] | None:
        """See `OpenStore.peek`; Redis counts it as a use."""
        found = await self._do(self._read(self._redis(), key, counted=False))
        if found is None:
            return None
        listed = await self._described([self._name(key)])
        return (found, listed[0]) if listed else None

    async def listing(self, order: Order, limit: int | None = None) -> Sequence[Listed]:
        """See `OpenStore.listing`."""
        found = [listed async for batch in self._names() for listed in await self._described(batch)]
        match order:
            case Order.USES:
                found.sort(key=lambda listed: (-(listed.uses or 0), -listed.stored_at))
            case Order.AGE:
                found.sort(key=lambda listed: -listed.stored_at)
            case Order.SIZE:
                found.sort(key=lambda listed: -listed.size)
        return found[:limit]

    async def stats(self) -> StoreStats:
        """See `OpenStore.stats`."""
        listed = await self.listing(Order.AGE)
        counts, info = await self._do(self._figures(self._redis()))
        policy = str(info.get("maxmemory_policy", ""))
        remark = None
        if policy and not policy.endswith("-lfu"):
            remark = f"maxmemory-policy is {policy}: allkeys-lfu or volatile-lfu keeps what is used most"
        return StoreStats(
            capacity=None,
            entries=len(listed),
            expired=0,
            size=sum(entry.size for entry in listed),
            hits=int(counts.get(b"hits", 0)),
            misses=int(counts.get(b"misses", 0)),
            evictions=int(info.get("evicted_keys", 0)),
            oldest=min((entry.stored_at for entry in listed), default=None),
            remark=remark,
        )

    async def clear(self, key: Key | None = None, *, expired_only: bool = False) -> int:
        """See `OpenStore.clear`; what is too old is gone already."""
        if expired_only:
            return 0
        if key is not None:
            return int(await self._do(self._redis().unlink(self._name(key))))
        gone = 0
        async for batch in self._names():
            gone += int(await self._do(self._redis().unlink(*batch)))
        return gone

    async def entries(self) -> AsyncGenerator[tuple[Entry, int], None]:
        """See `OpenStore.entries`."""
        async for batch in self._names():
            described = {listed.key: listed for listed in await self._described(batch)}
            for key, listed in described.items():
                found = await self._do(self._read(self._redis(), key, counted=False))
                if found is not None:
                    yield found, listed.uses or 1

    async def close(self) -> None:
        """See `Store.close`."""
        client, loop, self._client = self._client, self._loop, None
        if client is not None and loop is asyncio.get_running_loop():
            await client.aclose()

    def _redis(self) -> Redis:
        """The client of the running event loop; connections do not outlive theirs."""
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._loop = loop
            self._client = Redis.from_url(
                self._url,
                socket_timeout=self._timeout,
                socket_connect_timeout=self._timeout,
                retry=Retry(NoBackoff(), 1),  # a connection kept from before the server was restarted
            )
        return self._client

    async def _do(self, work: Awaitable[T]) -> T:
        """One step, within its time."""
        from redis.exceptions import AuthenticationError, RedisError

        try:
            async with asyncio.timeout(self._timeout):
                return await work
        except TimeoutError:
            raise StoreException(
                f"the cache at {self.address} did not answer within {self._timeout:g} s", hint=_HINT
            ) from None
        except AuthenticationError as error:
            raise StoreException(
                f"the cache at {self.address} refused the user or password", hint="correct cache.url"
            ) from error
        except (RedisError, OSError) as error:
            reason = _reason(error)
            raise StoreException(f"the cache at {self.address} cannot be used: {reason}", hint=_HINT) from error

    def _name(self, key: Key) -> bytes:
        node = quote(key.node, safe="") if key.node is not None else ""
        return f"{self._entries}{node}:{key.identifier}".encode()

    def _key(self, name: bytes) -> Key:
        node, _, identifier = name.decode("utf-8", "replace").removeprefix(self._entries).partition(":")
        return Key(identifier, unquote(node) or None)

    async def _read(self, redis: Redis, key: Key, *, counted: bool = True) -> Entry | None:
        """An entry, None when there is none that counts."""
        from redis.exceptions import ResponseError

        found = await redis.get(self._name(key))
        read = _entry(key, found) if isinstance(found, bytes) else None
        if read is not None and not read.counts(time.time()):
            read = None
        if counted:
            with contextlib.suppress(ResponseError):  # a server that takes no writes may well be read
                await redis.hincrby(self._counts, "misses" if read is None else "hits", 1)
        return read

    async def _figures(self, redis: Redis) -> tuple[dict[Any, Any], dict[str, Any]]:
        return await redis.hgetall(self._counts), await redis.info()

    async def _names(self) -> AsyncGenerator[list[bytes], None]:
        """Names of all entries, some at a time; the server may tell one twice."""
        pattern = "".join(f"[{char}]" if char in "*?[" else char for char in self._entries).replace("\\", "\\\\")
        cursor, seen = 0, set[bytes]()
        while True:
            cursor, names = await self._do(self._redis().scan(cursor, match=pattern + "*", count=_BATCH))
            fresh = [name for name in dict.fromkeys(names) if isinstance(name, bytes) and name not in seen]
            seen.update(fresh)
            if fresh:
                yield fresh
            if cursor == 0:
                return

    async def _described(self, names: Sequence[bytes]) -> list[Listed]:
        """What the first lines of entries say, as far as they are entries that count."""
        batch = self._redis().pipeline(transaction=False)
        for name in names:
            batch.object("FREQ", name)  # first: Redis takes the other two for uses
            batch.getrange(name, 0, _HEAD - 1)
            batch.strlen(name)
        answers = await self._do(batch.execute(raise_on_error=False))
        now = time.time()
        found: list[Listed] = []
        for index, name in enumerate(names):
            uses, head, size = answers[3 * index : 3 * index + 3]
            if not isinstance(head, bytes) or not isinstance(size, int):
                continue
            try:
                told = json.loads(head.partition(b"\n")[0])
                listed = Listed(
                    key=self._key(name),
                    kind=str(told["kind"]),
                    tracks=int(told["tracks"]),
                    uses=uses if isinstance(uses, int) else None,  # only an LFU policy counts them
                    size=size,
                    stored_at=float(told["stored_at"]),
                    expires_at=float(told["expires_at"]),
                )
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # somebody else's
            if listed.stored_at - SKEW <= now < listed.expires_at:
                found.append(listed)
        return found


_HINT = "start it, correct cache.url, or use --cache-mode bypass"


async def _executed(batch: Pipeline) -> None:
    """Send commands together; the first error is raised as the server told it."""
    for answer in await batch.execute(raise_on_error=False):
        if isinstance(answer, Exception):
            raise answer


def _reason(error: Exception) -> str:
    """What went wrong, in the words of the system or of the server."""
    cause = error.__cause__ or error.__context__
    number = cause.errno if isinstance(cause, OSError) else None
    told = os.strerror(number) if number is not None and number > 0 else str(error)
    return " ".join(told.split()).rstrip(".") or type(error).__name__


def _head(entry: Entry) -> bytes:
    """The line that describes an entry."""
    told = {
        "kind": entry.kind,
        "tracks": entry.tracks,
        "stored_at": entry.stored_at,
        "expires_at": entry.expires_at,
    }
    return json.dumps(told, separators=(",", ":")).encode()


def _entry(key: Key, value: bytes) -> Entry | None:
    """The entry that was found; None when somebody else wrote it."""
    head, _, body = value.partition(b"\n")
    try:
        told = json.loads(head)
        return Entry(
            key, str(told["kind"]), int(told["tracks"]), body, float(told["stored_at"]), float(told["expires_at"])
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
