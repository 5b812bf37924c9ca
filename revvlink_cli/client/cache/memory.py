"""The in-memory cache: it evicts the least frequently used entry, and old uses weigh less."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

from revvlink_cli.client import clock as client_clock
from revvlink_cli.client.cache.ageing import uses_between_halvings

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")
V = TypeVar("V")


class _Entry(Generic[V]):
    """A value, the number of its uses, and when it expires."""

    __slots__ = ("expires", "uses", "value")

    def __init__(self, value: V, expires: float) -> None:
        self.value = value
        self.uses = 1
        self.expires = expires


class LFUCache(Generic[K, V]):
    """Keeps the `capacity` most used entries; among equally used ones the one used longest ago goes first.

    Every operation takes constant time: keys lie in one ordered bucket for each number of uses, and the lowest bucket
    in use is remembered. From time to time all numbers are halved, so that what was used a lot yesterday does not stay
    for ever. Expired entries are deleted before others are evicted. Both take constant time per use on average.

    Attributes:
        hits: How often `get` found something.
        misses: How often it did not.
        evictions: How many entries were deleted to make room.
        expirations: How many expired entries were deleted.
    """

    def __init__(self, capacity: int, *, clock: Callable[[], float] | None = None) -> None:
        """Make an empty cache.

        Args:
            capacity: Entries to keep, at least 1.
            clock: Seconds that never go back; None is the clock of the client.

        Raises:
            ValueError: `capacity` is below 1.
        """
        self._clock = clock or (lambda: client_clock.monotonic())  # noqa: PLW0108 - it may be replaced later
        self._entries: dict[K, _Entry[V]] = {}
        self._by_uses: dict[int, OrderedDict[K, None]] = {}
        self._oldest = _NEVER  # nothing expires before that
        self._until_sweep = 0
        self._fewest = 1
        self._uses_left = 0
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        self.expirations = 0
        self.resize(capacity)

    def __len__(self) -> int:
        """The number of entries, expired ones that are not deleted yet included."""
        return len(self._entries)

    @property
    def capacity(self) -> int:
        """The largest number of entries."""
        return self._capacity

    def get(self, key: K) -> V | None:
        """The value kept under `key`, or None; counts as a use."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        if entry.expires != _NEVER and self._clock() >= entry.expires:
            self._drop(key, entry.uses)
            self.expirations += 1
            self.misses += 1
            return None
        self.hits += 1
        uses = entry.uses
        entry.uses = now = uses + 1
        by_uses = self._by_uses
        bucket = by_uses[uses]
        del bucket[key]
        if not bucket:
            del by_uses[uses]
            if self._fewest == uses:
                self._fewest = now
        higher = by_uses.get(now)
        if higher is None:
            higher = by_uses[now] = OrderedDict()
        higher[key] = None
        self._uses_left -= 1
        if self._uses_left == 0:
            self._age()
        return entry.value

    def put(self, key: K, value: V, *, ttl: float | None = None) -> None:
        """Keep `value` under `key`; a full cache deletes expired entries or the least used one. Replacing is a use.

        Args:
            key: Where to find it again.
            value: What to keep.
            ttl: Seconds after which it is forgotten; None is never.
        """
        expires = _NEVER
        if ttl is not None:
            expires = self._clock() + ttl
            if expires < self._oldest:  # noqa: PLR1730 - a call takes longer than the rest of it
                self._oldest = expires
        entries = self._entries
        entry = entries.get(key)
        if entry is not None:
            entry.value, entry.expires = value, _NEVER  # a use, expired or not
            self.hits -= 1  # but no hit
            self.get(key)
            entry.expires = expires
            return
        if len(entries) >= self._capacity and not self._sweep():
            entry = self._evict()  # reused: making an object takes longer than all the rest
            entry.value, entry.expires, entry.uses = value, expires, 1
            entries[key] = entry
        else:
            entries[key] = _Entry(value, expires)
        bucket = self._by_uses.get(1)
        if bucket is None:
            bucket = self._by_uses[1] = OrderedDict()
        bucket[key] = None
        self._fewest = 1
        self._uses_left -= 1
        if self._uses_left == 0:
            self._age()

    def resize(self, capacity: int) -> None:
        """Keep `capacity` entries from now on; the most used of those kept stay.

        Raises:
            ValueError: `capacity` is below 1.
        """
        if capacity < 1:
            raise ValueError("a cache keeps at least one entry")
        self._capacity = capacity
        self._uses_left = uses_between_halvings(capacity)
        self._until_sweep = 0
        while len(self._entries) > capacity:
            if not self._sweep():
                self._evict()

    def _age(self) -> None:
        """Halve all numbers of uses; the order among those that become equal is that of the numbers before."""
        halved: dict[int, OrderedDict[K, None]] = {}
        for uses in sorted(self._by_uses):
            half = max(uses // 2, 1)
            bucket = halved.setdefault(half, OrderedDict())
            for key in self._by_uses[uses]:
                bucket[key] = None
                self._entries[key].uses = half
        self._by_uses = halved
        self._fewest = min(halved, default=1)
        self._uses_left = uses_between_halvings(self._capacity)

    def _drop(self, key: K, uses: int) -> None:
        bucket = self._by_uses[uses]
        del bucket[key]
        if not bucket:
            del self._by_uses[uses]
        del self._entries[key]

    def _sweep(self) -> bool:
        """Delete expired entries unless that was done a short while ago; returns whether there were any."""
        if self._until_sweep > 0:
            self._until_sweep -= 1
            return False
        if self._oldest == _NEVER or (now := self._clock()) < self._oldest:
            return False
        entries = self._entries
        gone = [(key, entry.uses) for key, entry in entries.items() if entry.expires <= now]
        for key, uses in gone:
            self._drop(key, uses)
        self.expirations += len(gone)
        self._oldest = min((entry.expires for entry in entries.values()), default=_NEVER)
        self._until_sweep = self._capacity // 8
        return bool(gone)

    def _evict(self) -> _Entry[V]:
        """Delete the least used entry; returns its `_Entry` for reuse."""
        by_uses, fewest = self._by_uses, self._fewest
        bucket = by_uses.get(fewest)
        if bucket is None:  # only after several removals in a row without a put
            fewest = self._fewest = min(by_uses)
            bucket = by_uses[fewest]
        key, _ = bucket.popitem(last=False)
        if not bucket:
            del by_uses[fewest]
        self.evictions += 1
        return self._entries.pop(key)


_NEVER = float("inf")
