"""The cache that the configuration names, for the time of one command.

Light to import: a search that is kept in the database needs neither an event loop nor a node.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from revvlink_cli.client.cache.backends import BACKENDS
from revvlink_cli.client.cache.entries import entry_for
from revvlink_cli.client.cache.store import FallbackStore
from revvlink_cli.client.errors import StoreException

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from revvlink_cli.client.cache.backends import CacheBackend
    from revvlink_cli.client.cache.entries import Entry, Key, Loaded
    from revvlink_cli.client.cache.modes import CacheMode
    from revvlink_cli.client.cache.store import OpenStore, Store
    from revvlink_cli.config.settings import Settings

T = TypeVar("T")
S = TypeVar("S", bound="Store")


class CacheHandle(Generic[S]):
    """A store, and how it is used.

    Attributes:
        store: The store.
        guarded: The same, whose failure becomes a warning.
        is_synchronous: Whether nothing it does ever waits for an event loop; see `at_once`.
        ttl: Seconds for which results count.
        warnings: What went wrong with it and did no harm.
    """

    def __init__(self, store: S, warnings: list[str], *, is_synchronous: bool, ttl: float) -> None:
        self.store = store
        self.guarded = FallbackStore(store, lambda error: warnings.append(without(error)))
        self.is_synchronous = is_synchronous
        self.ttl = ttl
        self.warnings = warnings

    async def keep(self, key: Key, found: Loaded) -> None:
        """Keep a result, unless it is not to be kept."""
        if not self.guarded.is_down:
            entry = entry_for(key, found, now=time.time(), ttl=self.ttl)
            if entry is not None:
                await self.guarded.put(entry)


def open_cache(settings: Settings) -> CacheHandle[OpenStore] | None:
    """The store that the configuration names; None when it keeps nothing between runs.

    Raises:
        StoreException: The backend is not installed.
        ValueError: The address of its server is none.
    """
    backend = backend_of(settings)
    if settings.cache.capacity == 0 or backend.open is None:
        return None
    settings.mask_passwords()  # a node may have said its own in a title, and that may be kept
    warnings: list[str] = []
    store = backend.open(settings.cache, fleet_name(settings), warnings.append)
    return CacheHandle(store, warnings, is_synchronous=backend.is_synchronous, ttl=settings.cache.ttl_s)


def backend_of(settings: Settings) -> CacheBackend:
    """The configured backend."""
    return BACKENDS[settings.cache.backend]


def keeps_nothing(settings: Settings) -> bool:
    """Whether nothing is kept between runs."""
    return settings.cache.capacity == 0 or backend_of(settings).open is None


class _Nothing:
    """A store that keeps nothing."""

    async def get(self, key: Key) -> Entry | None:
        """There is nothing."""

    async def put(self, entry: Entry) -> None:
        """Nothing stays."""

    async def close(self) -> None:
        """Nothing is open."""


def opened_for_search(settings: Settings, mode: CacheMode) -> CacheHandle[Any]:
    """The store for one search: one that keeps nothing where there is none, or none that can be used."""
    warnings: list[str] = []
    try:
        cache = open_cache(settings) if mode.reads or mode.writes else None
    except StoreException as error:
        cache = None
        warnings.append(without(error))
    return cache or CacheHandle(_Nothing(), warnings, is_synchronous=True, ttl=settings.cache.ttl_s)


def without(error: StoreException) -> str:
    """The warning when a run goes on without its cache."""
    hint = f" ({error.hint})" if error.hint is not None else ""
    return f"{error}; going on without the cache{hint}"


def fleet_name(settings: Settings) -> str:
    """What tells one fleet's results from another's: the addresses of its nodes.

    A file that is not trusted shares its results with nobody: it may put a proxy before the nodes of another.
    """
    addresses = sorted(entry.uri for entry in settings.nodes)
    if not settings.source.trusted:
        addresses.append(f"untrusted {settings.source.path}")
    return "\n".join(addresses)


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The outcome of work that never waits for an event loop, without one."""
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    work.close()
    raise RuntimeError("work that was to be done at once waits for an event loop")


def on_store(
    cache: CacheHandle[OpenStore], job: Callable[[OpenStore], Coroutine[Any, Any, T]]
) -> T | Coroutine[Any, Any, T]:
    """What comes of a job on a store, at once where that can be; the store is closed in the end."""

    async def work() -> T:
        try:
            return await job(cache.store)
        finally:
            await cache.store.close()

    return at_once(work()) if cache.is_synchronous else work()
