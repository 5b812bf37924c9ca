"""The Redis store: one for a fleet of bots and the people who run them. Needs the extra ``redis``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote, unquote

from revvlink_cli.client.arguments import check_seconds, check_text
from revvlink_cli.client.cache.addresses import address_of, check_options
from revvlink_cli.client.cache.entries import LAST, SKEW, Entry, Key
from revvlink_cli.client.cache.store import Listed, Order, StoreStats, log_notice, tell_left_out
from revvlink_cli.client.errors import StoreException
from revvlink_cli.client.redaction import Redactor, Secret, secrets_in_url

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

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

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "revvlink",
        timeout: float = TIMEOUT,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        """Name the server; it is connected when it is first used.

        Args:
            url: ``redis://``, ``rediss://`` or ``unix://`` address, which may carry user, password and database.
            prefix: Begins every key.
            timeout: Seconds that one step may take.
            on_notice: Told of what is damaged and left out; the log is, if None.

        Raises:
            TypeError: An argument is of another type.
            ValueError: The address is none, or has options other than those of `check_options`.
            StoreException: The extra is not installed.
        """
        check_text("url", url, is_secret=True)
        check_text("prefix", prefix)
        check_seconds("timeout", timeout)
        try:
            from redis.asyncio import Redis
        except ImportError as error:
            raise StoreException(
                "the redis cache needs the package redis", hint="pip install 'revvlink-cli[redis]'"
            ) from error
        check_options(url)
        Redis.from_url(url)  # raises for an address that is none; opens nothing yet
        self._url = url
        self._redact = Redactor([*secrets_in_url(url), *([Secret(url)] if "@" in url else [])], [self.address])
        self._timeout = timeout
        self._on_notice = on_notice or log_notice
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
        return await self._do(self._used(self._redis(), key))

    async def put(self, entry: Entry) -> None:
        """See `Store.put`."""
        await self._write([entry])

    async def put_all(self, entries: Sequence[tuple[Entry, int]]) -> None:
        """See `OpenStore.put_all`; Redis counts uses itself, so those of elsewhere are not carried over."""
        for start in range(0, len(entries), _WRITTEN):
            batch = [entry for entry, _ in entries[start : start + _WRITTEN]]
            described, _ = await self._described([self._name(entry.key) for entry in batch])
            later = {listed.key: listed.stored_at for listed in described}
            # What a search puts in between is lost; it is found again.
            await self._write([entry for entry in batch if later.get(entry.key, 0) <= entry.stored_at])

    async def peek(self, key: Key) -> tuple[Entry, Listed] | None:
        """See `OpenStore.peek`; Redis counts it as a use."""
        found = await self._do(self._read(self._redis(), key))
        if found is None:
            return None
        listed, _ = await self._described([self._name(key)])
        return (found, listed[0]) if listed else None

    async def listing(self, order: Order, limit: int | None = None) -> Sequence[Listed]:
        """See `OpenStore.listing`."""
        found: list[Listed] = []
        damaged = 0
        async for batch in self._names():
            described, faulty = await self._described(batch)
            found += described
            damaged += faulty
        tell_left_out(damaged, self._on_notice)
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
        policy = self._redact(str(info.get("maxmemory_policy", "")))
        remark = None
        if policy and not policy.endswith("-lfu"):
            remark = f"maxmemory-policy is {policy}: allkeys-lfu or volatile-lfu keeps what is used most"
        return StoreStats(
            capacity=None,
            entries=len(listed),
            expired=0,
            size=sum(entry.size for entry in listed),
            hits=_number(counts.get(b"hits")),
            misses=_number(counts.get(b"misses")),
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
        damaged = 0
        async for batch in self._names():
            described, faulty = await self._described(batch)
            damaged += faulty
            for key, listed in {listed.key: listed for listed in described}.items():
                try:
                    found = await self._do(self._read(self._redis(), key))
                    if found is None:
                        continue
                    found.loaded()
                except ValueError:
                    damaged += 1
                else:
                    yield found, listed.uses or 1
        tell_left_out(damaged, self._on_notice)

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
            reason = self._reason(error)
            # Without its cause, which has the server's words as they are.
            raise StoreException(f"the cache at {self.address} cannot be used: {reason}", hint=_HINT) from None

    def _reason(self, error: Exception) -> str:
        """What went wrong, in the words of the system or of the server, which may echo what it was sent."""
        cause = error.__cause__ or error.__context__
        number = cause.errno if isinstance(cause, OSError) else None
        told = os.strerror(number) if number is not None and number > 0 else self._redact(str(error))
        return " ".join(told.split())[:300].rstrip(".") or type(error).__name__

    def _name(self, key: Key) -> bytes:
        node = quote(key.node, safe="") if key.node is not None else ""
        return f"{self._entries}{node}:{key.identifier}".encode()

    def _key(self, name: bytes) -> Key:
        node, _, identifier = name.decode("utf-8", "replace").removeprefix(self._entries).partition(":")
        return Key(identifier, unquote(node) or None)

    async def _write(self, entries: Sequence[Entry]) -> None:
        """Write entries, in place of what there is, of whatever type."""
        batch = self._redis().pipeline(transaction=False)
        for entry in entries:
            left = int((entry.expires_at - time.time()) * 1000)
            if left > 0:
                batch.set(self._name(entry.key), _head(entry) + b"\n" + entry.body, px=left)
        await self._do(_executed(batch))

    async def _used(self, redis: Redis, key: Key) -> Entry | None:
        """An entry, None when there is none that counts; one that is damaged is none."""
        from redis.exceptions import ResponseError

        try:
            read = await self._read(redis, key)
        except ValueError:
            read = None  # what is put next takes its place
        with contextlib.suppress(ResponseError):  # a server that takes no writes may well be read
            await redis.hincrby(self._counts, "misses" if read is None else "hits", 1)
        return read

    async def _read(self, redis: Redis, key: Key) -> Entry | None:
        """An entry, None when there is none that counts.

        Raises:
            ValueError: Somebody else wrote what there is.
        """
        from redis.exceptions import ResponseError

        try:
            found: Any = await redis.get(self._name(key))
        except ResponseError as error:
            if not _is_wrong_type(error):
                raise
            raise ValueError("it is no string") from None
        if found is None:
            return None
        read = Entry(key=key, body=found.partition(b"\n")[2], **_told(found)._asdict())
        return read if read.counts(time.time()) else None

    async def _figures(self, redis: Redis) -> tuple[dict[Any, Any], dict[str, Any]]:
        from redis.exceptions import ResponseError

        try:
            counts = await redis.hgetall(self._counts)
        except ResponseError as error:
            if not _is_wrong_type(error):
                raise
            counts = {}
        return counts, await redis.info()

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

    async def _described(self, names: Sequence[bytes]) -> tuple[list[Listed], int]:
        """What the first lines of entries that count say, and how many could not be understood."""
        batch = self._redis().pipeline(transaction=False)
        for name in names:
            batch.object("FREQ", name)  # first: Redis takes the other two for uses
            batch.getrange(name, 0, _HEAD - 1)
            batch.strlen(name)
        answers = await self._do(batch.execute(raise_on_error=False))
        for refused in answers[1::3]:
            if isinstance(refused, Exception) and not _is_wrong_type(refused):
                raise StoreException(f"the cache at {self.address} cannot be used: {self._reason(refused)}", hint=_HINT)
        now = time.time()
        found: list[Listed] = []
        damaged = 0
        for index, name in enumerate(names):
            uses, start, size = answers[3 * index : 3 * index + 3]
            if size == 0:
                continue  # gone meanwhile
            try:
                head = _told(start)
            except ValueError:
                damaged += 1
                continue
            if head.stored_at - SKEW <= now < head.expires_at:
                counted = uses if isinstance(uses, int) else None  # only an LFU policy counts them
                found.append(Listed(key=self._key(name), uses=counted, size=size, **head._asdict()))
        return found, damaged


_HINT = "start it, correct cache.url, or use --cache-mode bypass"


async def _executed(batch: Pipeline) -> None:
    """Send commands together; the first error is raised as the server told it."""
    for answer in await batch.execute(raise_on_error=False):
        if isinstance(answer, Exception):
            raise answer


def _head(entry: Entry) -> bytes:
    """The line that describes an entry."""
    told = {
        "kind": entry.kind,
        "tracks": entry.tracks,
        "stored_at": entry.stored_at,
        "expires_at": entry.expires_at,
    }
    return json.dumps(told, separators=(",", ":")).encode()


class _Head(NamedTuple):
    """What describes an entry, see `Entry`."""

    kind: str
    tracks: int
    stored_at: float
    expires_at: float


def _told(value: Any) -> _Head:
    """What the first line of a value says, which describes an entry.

    Raises:
        ValueError: Somebody else wrote it.
    """
    try:
        told = json.loads(value.partition(b"\n")[0])
        kind, tracks, *moments = (told[name] for name in _Head._fields)
        is_one = isinstance(kind, str) and isinstance(tracks, int) and all(0 <= moment <= LAST for moment in moments)
    except (AttributeError, KeyError, TypeError, RecursionError):
        is_one = False
    if not is_one:
        raise ValueError("it is not written as an entry is")
    return _Head(kind, tracks, *map(float, moments))


def _number(value: Any) -> int:
    """A number that the server counted, 0 where there is none, or something else."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _is_wrong_type(error: Exception) -> bool:
    """Whether the server refused because a key holds something else than a string, or than a table."""
    return str(error).startswith("WRONGTYPE")
