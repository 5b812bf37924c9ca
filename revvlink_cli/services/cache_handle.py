"""Opens the configured cache for one command.

This module is cheap to import: a search whose result is in the database needs neither an event loop nor a node.
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
    """A store and its settings.

    Attributes:
        store: The store.
        fallback: The same store, but a failure becomes a warning.
        is_synchronous: Whether its methods never wait for an event loop; see `run_synchronously`.
        ttl: Seconds for which results are valid.
        warnings: Failures that did not stop the command.
    """

    def __init__(self, store: S, warnings: list[str], *, is_synchronous: bool, ttl: float) -> None:
        self.store = store
        self.fallback = FallbackStore(store, lambda error: warnings.append(unavailable(error)))
        self.is_synchronous = is_synchronous
        self.ttl = ttl
        self.warnings = warnings

    async def keep(self, key: Key, found: Loaded) -> None:
        """Store a result if results of its kind are stored."""
        if not self.fallback.is_down:
            entry = entry_for(key, found, now=time.time(), ttl=self.ttl)
            if entry is not None:
                await self.fallback.put(entry)


def open_cache(settings: Settings) -> CacheHandle[OpenStore] | None:
    """Open the configured store; gives None when the configuration keeps nothing between runs.

    Raises:
        StoreException: The backend is not installed.
        ValueError: The address of the server is not valid.
    """
    backend = backend_of(settings)
    if settings.cache.capacity == 0 or backend.open is None:
        return None
    settings.mask_passwords()  # a stored title may hold the password that a node put there
    warnings: list[str] = []
    store = backend.open(settings.cache, fleet_name(settings), warnings.append)
    return CacheHandle(store, warnings, is_synchronous=backend.is_synchronous, ttl=settings.cache.ttl_s)


def backend_of(settings: Settings) -> CacheBackend:
    """The configured backend."""
    return BACKENDS[settings.cache.backend]


def keeps_nothing(settings: Settings) -> bool:
    """Whether nothing is kept between runs."""
    return settings.cache.capacity == 0 or backend_of(settings).open is None


class _NullStore:
    """A store that keeps nothing."""

    async def get(self, key: Key) -> Entry | None:
        """Return None: the store is always empty."""

    async def put(self, entry: Entry) -> None:
        """Discard the entry."""

    async def close(self) -> None:
        """Do nothing: no resource is open."""


def open_for_search(settings: Settings, mode: CacheMode) -> CacheHandle[Any]:
    """Open the store for one search; gives a store that keeps nothing when there is no usable one."""
    warnings: list[str] = []
    try:
        cache = open_cache(settings) if mode.reads or mode.writes else None
    except StoreException as error:
        cache = None
        warnings.append(unavailable(error))
    return cache or CacheHandle(_NullStore(), warnings, is_synchronous=True, ttl=settings.cache.ttl_s)


def unavailable(error: StoreException) -> str:
    """The warning that a command continues without its cache."""
    hint = f" ({error.hint})" if error.hint is not None else ""
    return f"{error}; continuing without the cache{hint}"


def fleet_name(settings: Settings) -> str:
    """The name under which a fleet's results are stored: the addresses of its nodes, and its context.

    A configuration that is not trusted shares its results with no other one: it may send requests for another fleet's
    nodes through a proxy.
    """
    addresses = sorted(entry.uri for entry in settings.nodes)
    if not settings.source.trusted:
        addresses.append(f"untrusted {settings.source.path}")
    if settings.context is not None:  # two contexts may name one database
        addresses.append(f"context {settings.context}")
    return "\n".join(addresses)


def run_synchronously(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits for an event loop, without one.

    Raises:
        RuntimeError: The coroutine waits for an event loop.
    """
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    work.close()
    raise RuntimeError("a coroutine that was to run synchronously waits for an event loop")


def on_store(
    cache: CacheHandle[OpenStore], job: Callable[[OpenStore], Coroutine[Any, Any, T]]
) -> T | Coroutine[Any, Any, T]:
    """Run a job on a store and close the store; gives the result at once where the store is synchronous."""

    async def work() -> T:
        try:
            return await job(cache.store)
        finally:
            await cache.store.close()

    return run_synchronously(work()) if cache.is_synchronous else work()
