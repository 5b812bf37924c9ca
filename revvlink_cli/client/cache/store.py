"""The interfaces of stores for search results: `Store` for searches, `OpenStore` also for inspection."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from revvlink_cli._record import NamedTuple
from revvlink_cli.client import clock
from revvlink_cli.client.errors import StoreException

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from logging import Logger

    from revvlink_cli.client.cache.entries import Entry, Key

RETRY_AFTER = 30.0
"""Seconds for which a store that failed is not used."""


class Store(Protocol):
    """Keeps results beyond one process. A method fails soon when the store cannot be reached."""

    async def get(self, key: Key) -> Entry | None:
        """The entry under `key`, or None; counts as a use.

        Raises:
            StoreException: The store cannot be used.
        """

    async def put(self, entry: Entry) -> None:
        """Keep an entry under its key, and replace the one that is there.

        Raises:
            StoreException: The store cannot be used.
        """

    async def close(self) -> None:
        """Close files and connections; the store may be used again."""


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
        uses: How often it was used, None where the store does not count; old uses weigh less.
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
        capacity: The most entries that it keeps, None where it has no such limit.
        entries: Valid entries.
        expired: Expired entries that are not deleted yet.
        size: Bytes of all results.
        hits: How often `Store.get` found something.
        misses: How often it did not.
        evictions: How many entries were deleted to make room; on Redis, all keys that the server has evicted.
        oldest: Seconds since the epoch at which the oldest valid entry was stored, None when there is none.
        remark: A warning about the store's settings, or None.
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
    """A store that can be inspected. Every method raises `StoreException` when the store cannot be used.

    Other programs may write to it too: `get` takes a damaged entry for a miss; lists, figures and copies leave it out.
    """

    async def peek(self, key: Key) -> tuple[Entry, Listed] | None:
        """The entry under `key`, or None; does not count as a use.

        Raises:
            ValueError: The entry is damaged.
        """

    async def listing(self, order: Order, limit: int | None = None) -> Sequence[Listed]:
        """Valid entries, at most `limit`."""

    async def stats(self) -> StoreStats:
        """The store in figures."""

    async def clear(self, key: Key | None = None, *, expired_only: bool = False) -> int:
        """Delete the entry under `key`, or all entries, or the expired ones; returns the number."""

    async def put_all(self, entries: Sequence[tuple[Entry, int]]) -> None:
        """Keep entries with the uses that they had elsewhere; an entry here that was stored later stays."""

    def entries(self) -> AsyncGenerator[tuple[Entry, int], None]:
        """All valid entries with their uses."""


def report_damaged(damaged: int, on_notice: Callable[[str], None]) -> None:
    """Send a notice with the number of damaged entries, which were neither listed nor counted; none when it is 0."""
    if not damaged:
        return
    which = "1 damaged entry of the cache was" if damaged == 1 else f"{damaged} damaged entries of the cache were"
    on_notice(f"{which} left out; a search for the same takes its place, and `revvlink cache clear` forgets it")


def log_notice(notice: str) -> None:
    """Log a notice."""
    _log().warning(notice)


class FallbackStore:
    """A store whose failure never fails a search: it is reported once, and followed by a pause of `RETRY_AFTER`."""

    def __init__(self, store: Store, on_failure: Callable[[StoreException], None] | None = None) -> None:
        """Wrap a store.

        Args:
            store: The store.
            on_failure: Called with the failure; None logs it.
        """
        self._store = store
        self._on_failure = on_failure or _log_failure
        self._down_until = 0.0
        self._is_reported = False

    @property
    def is_down(self) -> bool:
        """Whether the store has failed and is not used for now."""
        return clock.monotonic() < self._down_until

    async def get(self, key: Key) -> Entry | None:
        """As `Store.get`; None when the store cannot be used."""
        if self.is_down:
            return None
        try:
            found = await self._store.get(key)
        except Exception as error:  # noqa: BLE001 - a bot may bring its own store: no defect of it may fail a search
            self._failed(error)
            return None
        self._is_reported = False
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
        self._down_until = clock.monotonic() + RETRY_AFTER
        if not isinstance(error, StoreException):
            _log().debug("defect in %s", type(self._store).__name__, exc_info=error)
            error = StoreException(f"{type(self._store).__name__} failed: {type(error).__name__}: {error}")
        if not self._is_reported:
            self._is_reported = True
            self._on_failure(error)


def _log_failure(error: StoreException) -> None:
    _log().warning("searches go on without their store: %s", error)


def _log() -> Logger:
    import logging  # loaded late: a command that finds its entry needs no log

    return logging.getLogger(__name__)
