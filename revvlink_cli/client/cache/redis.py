"""The Redis store: bots and operators of a fleet share it. Needs the extra ``redis``."""

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
from revvlink_cli.client.cache.store import Listed, Order, StoreStats, log_notice, report_damaged
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
"""Part of every key, so that versions with different schemas do not read each other's entries."""

_BATCH = 500
"""Keys that are read at a time."""

_WRITTEN = 50
"""Entries that are written at a time."""

_HEAD = 4096
"""Bytes of an entry that are read to list it; its first line, which describes it, is rarely longer."""


class RedisStore:
    """An `OpenStore` in a Redis server, version 4 or newer.

    An entry is one string under ``PREFIX:1:entry:NODE:IDENTIFIER``: a line of JSON that describes it, then the result.
    Redis deletes expired entries. When memory is short, its ``maxmemory-policy`` decides which entries it evicts; that
    should be ``allkeys-lfu`` or ``volatile-lfu``.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "revvlink",
        timeout: float = TIMEOUT,
        on_notice: Callable[[str], None] | None = None,
    ) -> None:
        """Name the server; the first use connects to it.

        Args:
            url: ``redis://``, ``rediss://`` or ``unix://`` address, which may carry user, password and database.
            prefix: Begins every key.
            timeout: Seconds that one step may take.
            on_notice: Receives notices about damaged entries. None logs them.

        Raises:
            TypeError: An argument is of another type.
            ValueError: The address is not valid, or has options that `check_options` refuses.
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
        Redis.from_url(url)  # raises for an invalid address; opens nothing yet
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
        """See `OpenStore.put_all`; Redis counts uses itself, so `uses` is ignored."""
        for start in range(0, len(entries), _WRITTEN):
            batch = [entry for entry, _ in entries[start : start + _WRITTEN]]
            described, _ = await self._described([self._name(entry.key) for entry in batch])
            later = {listed.key: listed.stored_at for listed in described}
            # An entry that a search puts in between is lost; the next search finds it again.
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
        report_damaged(damaged, self._on_notice)
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
        """See `OpenStore.clear`; Redis has deleted expired entries itself."""
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
        report_damaged(damaged, self._on_notice)

    async def close(self) -> None:
        """See `Store.close`."""
        client, loop, self._client = self._client, self._loop, None
        if client is not None and loop is asyncio.get_running_loop():
            await client.aclose()

    def _redis(self) -> Redis:
        """The client of the running event loop; connections cannot be used on another."""
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
        """Do one step within its time limit."""
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
            # Without the cause, which holds the server's text unmasked.
            raise StoreException(f"the cache at {self.address} cannot be used: {reason}", hint=_HINT) from None

    def _reason(self, error: Exception) -> str:
        """The reason that the system or the server gives, with secrets masked: a server may echo what it received."""
        cause = error.__cause__ or error.__context__
        number = cause.errno if isinstance(cause, OSError) else None
        text = os.strerror(number) if number is not None and number > 0 else self._redact(str(error))
        return " ".join(text.split())[:300].rstrip(".") or type(error).__name__

    def _name(self, key: Key) -> bytes:
        node = quote(key.node, safe="") if key.node is not None else ""
        return f"{self._entries}{node}:{key.identifier}".encode()

    def _key(self, name: bytes) -> Key:
        node, _, identifier = name.decode("utf-8", "replace").removeprefix(self._entries).partition(":")
        return Key(identifier, unquote(node) or None)

    async def _write(self, entries: Sequence[Entry]) -> None:
        """Write entries, in place of values of any type."""
        batch = self._redis().pipeline(transaction=False)
        for entry in entries:
            left = int((entry.expires_at - time.time()) * 1000)
            if left > 0:
                batch.set(self._name(entry.key), _head(entry) + b"\n" + entry.body, px=left)
        await self._do(_executed(batch))

    async def _used(self, redis: Redis, key: Key) -> Entry | None:
        """The valid entry under a key, None when there is none or it is damaged; counts a hit or a miss."""
        from redis.exceptions import ResponseError

        try:
            read = await self._read(redis, key)
        except ValueError:
            read = None  # the next put replaces it
        with contextlib.suppress(ResponseError):  # a read-only server can still be read
            await redis.hincrby(self._counts, "misses" if read is None else "hits", 1)
        return read

    async def _read(self, redis: Redis, key: Key) -> Entry | None:
        """The valid entry under a key, None when there is none.

        Raises:
            ValueError: The value is not an entry; another program wrote it.
        """
        from redis.exceptions import ResponseError

        try:
            found: Any = await redis.get(self._name(key))
        except ResponseError as error:
            if not _is_wrong_type(error):
                raise
            raise ValueError("it is not a string") from None
        if found is None:
            return None
        read = Entry(key=key, body=found.partition(b"\n")[2], **_head_of(found)._asdict())
        return read if read.is_valid(time.time()) else None

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
        """The names of all entries in batches, each name once."""
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
        """The valid entries of these names, and the number of damaged ones."""
        batch = self._redis().pipeline(transaction=False)
        for name in names:
            batch.object("FREQ", name)  # first: Redis counts the other two as uses
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
                continue  # deleted meanwhile
            try:
                head = _head_of(start)
            except ValueError:
                damaged += 1
                continue
            if head.stored_at - SKEW <= now < head.expires_at:
                counted = uses if isinstance(uses, int) else None  # only an LFU policy counts them
                found.append(Listed(key=self._key(name), uses=counted, size=size, **head._asdict()))
        return found, damaged


_HINT = "start it, correct cache.url, or use --cache-mode bypass"


async def _executed(batch: Pipeline) -> None:
    """Send commands together; raise the first error of the server."""
    for answer in await batch.execute(raise_on_error=False):
        if isinstance(answer, Exception):
            raise answer


def _head(entry: Entry) -> bytes:
    """The line that describes an entry."""
    described = {
        "kind": entry.kind,
        "tracks": entry.tracks,
        "stored_at": entry.stored_at,
        "expires_at": entry.expires_at,
    }
    return json.dumps(described, separators=(",", ":")).encode()


class _Head(NamedTuple):
    """The description of an entry, see `Entry`."""

    kind: str
    tracks: int
    stored_at: float
    expires_at: float


def _head_of(value: Any) -> _Head:
    """The description of an entry from the first line of a value.

    Raises:
        ValueError: The value is not an entry; another program wrote it.
    """
    try:
        described = json.loads(value.partition(b"\n")[0])
        kind, tracks, *moments = (described[name] for name in _Head._fields)
        is_one = isinstance(kind, str) and isinstance(tracks, int) and all(0 <= moment <= LAST for moment in moments)
    except (AttributeError, KeyError, TypeError, RecursionError):
        is_one = False
    if not is_one:
        raise ValueError("it is not an entry")
    return _Head(kind, tracks, *map(float, moments))


def _number(value: Any) -> int:
    """A number of the server, 0 for a value that is not a number."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _is_wrong_type(error: Exception) -> bool:
    """Whether the server refused a command because the key holds another type."""
    return str(error).startswith("WRONGTYPE")
