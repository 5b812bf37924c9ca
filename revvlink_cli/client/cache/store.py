"""What a place for search results has to offer: `Store` to searches, `OpenStore` also to those who look inside."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from revvlink_cli.client.errors import StoreException

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from logging import Logger

    from revvlink_cli.client.cache.entries import Entry, Key
RETRY_AFTER = 30.0
"""Seconds for which a store that failed is left alone."""


class Store(Protocol):
    """Where results are kept beyond one process. No method may take long: a store that is not there says so soon."""

    async def get(self, key: Key) -> Entry | None:
        """The entry kept under `key`, or None; counts as a use.

        Raises:
            StoreException: The store cannot be used.
        """

    async def put(self, entry: Entry) -> None:
        """Keep an entry under its key, in place of what there is.

        Raises:
            StoreException: The store cannot be used.
        """

    async def close(self) -> None:
        """Let go of what is open; the store may be used again."""


class Order(StrEnum):
    """How entries are listed."""

    USES = "uses"
    """The most used first."""

    AGE = "age"
    """The newest first."""

    SIZE = "size"
    """The largest first."""


class Listed(NamedTuple):
    """An entry without its result.

    Attributes:
        key: What was searched.
        kind: ``tracks``, ``playlist`` or ``empty``.
        tracks: How many were found.
        uses: How often it was used, None where the store does not tell; old uses count for less.
        size: Bytes of its result.
        stored_at: Seconds since the epoch.
        expires_at: Seconds since the epoch.
    """

    key: Key
    kind: str
    tracks: int
    uses: int | None
    size: int
    stored_at: float
    expires_at: float


class StoreStats(NamedTuple):
    """A store in figures.

    Attributes:
        capacity: Entries it keeps at most, None where the store decides otherwise.
        entries: Entries that count.
        expired: Entries that are too old and not gone yet.
        size: Bytes of all results.
        hits: How often `Store.get` found something.
        misses: How often it did not.
        evictions: How many entries had to go for others; on Redis, for anything else that the server holds too.
        oldest: Seconds since the epoch at which the oldest entry that counts was stored, None when there is none.
        remark: What is unwise about the store, or None.
    """

    capacity: int | None
    entries: int
    expired: int
    size: int
    hits: int
    misses: int
    evictions: int
    oldest: float | None
    remark: str | None = None


class OpenStore(Store, Protocol):
    """A store that one can look into. Every method raises `StoreException` when it cannot be used.

    Others may write to it, too: what is no entry is a miss for `get`, and lists, figures and copies leave it out.
    """

    async def peek(self, key: Key) -> tuple[Entry, Listed] | None:
        """The entry kept under `key`, or None; does not count as a use.

        Raises:
            ValueError: What is kept is no entry.
        """

    async def listing(self, order: Order, limit: int | None = None) -> Sequence[Listed]:
        """Entries that count, at most `limit`."""

    async def stats(self) -> StoreStats:
        """The store in figures."""

    async def clear(self, key: Key | None = None, *, expired_only: bool = False) -> int:
        """Forget what is kept under `key`, or everything, or what is too old; gives the number of entries."""

    async def put_all(self, entries: Sequence[tuple[Entry, int]]) -> None:
        """Keep entries with the uses they had elsewhere; where there is one that was stored later, that stays."""

    def entries(self) -> AsyncGenerator[tuple[Entry, int], None]:
        """All entries that count, with their uses."""


def tell_left_out(damaged: int, on_notice: Callable[[str], None]) -> None:
    """Say, if there are any, how many entries are damaged, and therefore neither listed nor counted."""
    if not damaged:
        return
    which = "1 damaged entry of the cache was" if damaged == 1 else f"{damaged} damaged entries of the cache were"
    on_notice(f"{which} left out; a search for the same takes its place, and `revvlink cache clear` forgets it")


def log_notice(notice: str) -> None:
    """Where notices go when nobody else wants them."""
    _log().warning(notice)


class FallbackStore:
    """A store whose failure is told once and costs no search more than once in `RETRY_AFTER` seconds."""

    def __init__(self, store: Store, on_failure: Callable[[StoreException], None] | None = None) -> None:
        """Guard a store.

        Args:
            store: The store.
            on_failure: Told when it fails; the log is, if None.
        """
        self._store = store
        self._on_failure = on_failure or _log_failure
        self._down_until = 0.0
        self._told = False

    @property
    def is_down(self) -> bool:
        """Whether it is left alone for the time being."""
        return time.monotonic() < self._down_until

    async def get(self, key: Key) -> Entry | None:
        """As `Store.get`; None when the store cannot be used."""
        if self.is_down:
            return None
        try:
            found = await self._store.get(key)
        except Exception as error:  # noqa: BLE001 - a store may be anybody's: no defect of it may cost a search
            self._failed(error)
            return None
        self._told = False
        return found

    async def put(self, entry: Entry) -> None:
        """As `Store.put`; nothing happens when the store cannot be used."""
        if self.is_down:
            return
        try:
            await self._store.put(entry)
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._down_until = time.monotonic() + RETRY_AFTER
        if not isinstance(error, StoreException):
            _log().debug("defect in %s", type(self._store).__name__, exc_info=error)
            error = StoreException(f"{type(self._store).__name__} failed: {type(error).__name__}: {error}")
        if not self._told:
            self._told = True
            self._on_failure(error)


def _log_failure(error: StoreException) -> None:
    _log().warning("searches go on without their store: %s", error)


def _log() -> Logger:
    import logging  # a command that finds what it looks for does without

    return logging.getLogger(__name__)
