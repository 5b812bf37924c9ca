"""Searches of one fleet: looks in memory and in the store, then asks a node; shares searches under way."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from revvlink_cli.client.arguments import check_seconds, wrong_type
from revvlink_cli.client.cache.entries import DEFAULT_TTL, Key, entry_for, lifetime
from revvlink_cli.client.cache.memory import LFUCache
from revvlink_cli.client.cache.store import FallbackStore
from revvlink_cli.client.errors import Code, LavalinkLoadException, NodeException
from revvlink_cli.client.protocol.tracks import Playlist

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from revvlink_cli.client.cache.entries import Loaded
    from revvlink_cli.client.cache.modes import CacheMode
    from revvlink_cli.client.cache.store import Store
    from revvlink_cli.client.protocol.tracks import Playable

log = logging.getLogger(__name__)

DEFAULT_CAPACITY = 512
"""Entries kept in memory when the cache is switched on without saying how many."""


class TrackSearch:
    """The cache in memory, the store below it, and the searches that are under way.

    A search looks in memory, then in the store, then asks a node. Equal searches under way share one request. An entry
    that memory has from the store expires when it does in the store.
    """

    def __init__(self) -> None:
        self._memory: LFUCache[Key, Loaded] | None = None
        self._store: FallbackStore | None = None
        self._ttl = DEFAULT_TTL
        self._loads: dict[tuple[Key, CacheMode], asyncio.Task[Loaded]] = {}

    @property
    def has_memory(self) -> bool:
        """Whether entries are kept in memory."""
        return self._memory is not None

    def resize(self, capacity: int | bool | None, name: str = "capacity") -> None:
        """See `Pool.cache`."""
        if capacity is not None and not isinstance(capacity, int):
            raise ValueError(f"{name} is a number of entries, True, False or None, not {capacity!r:.60}")
        if capacity is True:
            capacity = DEFAULT_CAPACITY
        if not capacity or capacity <= 0:
            self._memory = None
        elif self._memory is None:
            self._memory = LFUCache(capacity)
        else:
            self._memory.resize(capacity)

    def use_store(self, store: Store | None, ttl: float) -> None:
        """See `Pool.use_store`."""
        for method in ("get", "put", "close") if store is not None else ():
            if not callable(getattr(store, method, None)) or isinstance(store, type):
                raise wrong_type("store", "a RedisStore, an SQLiteStore, another Store, or None", store)
        check_seconds("ttl", ttl)
        self._store = FallbackStore(store) if store is not None else None
        self._ttl = ttl

    async def fetch(
        self, query: str, node: str | None, mode: CacheMode, load: Callable[[], Awaitable[list[Playable] | Playlist]]
    ) -> list[Playable] | Playlist:
        """The result of a search; `mode` decides where it may come from.

        Args:
            query: The identifier.
            node: Name of the only node to ask, None for any.
            mode: How to use the cache.
            load: Asks a node.

        Raises:
            LavalinkLoadException: It is not in the cache, and `mode` asks no node.
            RevvlinkException: As `load` raises.
        """
        key = Key.of(query, node)
        if mode.reads and self._memory is not None:
            kept = self._memory.get(key)
            if kept is not None:
                return _for_caller(kept)
        task = self._loads.get((key, mode))
        if task is not None and (loop := task.get_loop()) is not asyncio.get_running_loop():
            if not loop.is_closed():
                raise RuntimeError(
                    f"{key.identifier:.40} is being loaded on another event loop: give each its own Pool"
                )
            task = None
        if task is None:
            task = asyncio.create_task(self._find(key, mode, load), name=f"load {key.identifier[:40]}")
            self._loads[key, mode] = task
            task.add_done_callback(lambda done: self._done(key, mode, done))
        return _for_caller(await _follow(task))

    def _done(self, key: Key, mode: CacheMode, task: asyncio.Task[Loaded]) -> None:
        self._loads.pop((key, mode), None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("load of %r failed: %s", key.identifier, error)  # raised to each caller that still waits

    async def _find(
        self, key: Key, mode: CacheMode, load: Callable[[], Awaitable[list[Playable] | Playlist]]
    ) -> Loaded:
        if mode.reads and self._store is not None:
            kept = await self._stored(key, self._store)
            if kept is not None:
                return kept
        if not mode.asks_nodes:
            raise LavalinkLoadException(
                f"{key.identifier} is not in the cache", code=Code.NOT_CACHED, hint="let a node be asked"
            )
        found = await load()
        loaded: Loaded = found if isinstance(found, Playlist) else tuple(found)
        if mode.writes:
            self._remember(key, loaded, lifetime(loaded, self._ttl))
            if self._store is not None and not self._store.is_down:
                entry = entry_for(key, loaded, now=time.time(), ttl=self._ttl)
                if entry is not None:
                    await self._store.put(entry)
        return loaded

    async def _stored(self, key: Key, store: FallbackStore) -> Loaded | None:
        """The valid result in the store, or None."""
        entry = await store.get(key)
        now = time.time()
        if entry is None or not entry.is_valid(now):
            return None
        try:
            loaded = entry.loaded()
        except ValueError as error:
            log.warning("the store's entry for %r cannot be read: %s", key.identifier, error)
            return None
        self._remember(key, loaded, entry.expires_at - now)
        return loaded

    def _remember(self, key: Key, loaded: Loaded, seconds: float) -> None:
        if self._memory is not None and seconds > 0:
            self._memory.put(key, loaded, ttl=seconds)

    async def end(self) -> None:
        """Cancel the searches under way."""
        tasks = tuple(self._loads.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def forget_loads(self) -> None:
        """Forget searches of an event loop that has ended."""
        self._loads.clear()


async def _follow(task: asyncio.Task[Loaded]) -> Loaded:
    """Wait for a load that other callers may wait for too; a cancelled caller does not cancel it.

    Raises:
        NodeException: The pool was closed meanwhile.
    """
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        here = asyncio.current_task()
        if task.cancelled() and (here is None or not here.cancelling()):
            raise NodeException(
                "the pool was closed before the node answered", code=Code.NOT_CONNECTED, hint="connect the pool again"
            ) from None
        raise


def _for_caller(loaded: Loaded) -> list[Playable] | Playlist:
    """The result for one caller: a list of its own, of tracks that are immutable, or the immutable playlist."""
    return loaded if isinstance(loaded, Playlist) else list(loaded)
