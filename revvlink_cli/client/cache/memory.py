"""The in-memory cache: least frequently used goes first."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LFUCache(Generic[K, V]):
    """Keeps the `capacity` most used entries; among equally used ones the one used longest ago goes first.

    Every operation takes constant time: keys lie in one ordered bucket for each number of uses, and the lowest
    bucket in use is remembered.

    Attributes:
        hits: How often `get` found something.
        misses: How often it did not.
        evictions: How many entries had to go for others.
    """

    def __init__(self, capacity: int) -> None:
        """Make an empty cache.

        Args:
            capacity: Entries to keep, at least 1.

        Raises:
            ValueError: `capacity` is below 1.
        """
        if capacity < 1:
            raise ValueError("a cache keeps at least one entry")
        self._capacity = capacity
        self._entries: dict[K, tuple[V, int]] = {}
        self._by_uses: dict[int, OrderedDict[K, None]] = {}
        self._fewest = 1
        self.hits = 0
        self.misses = 0
        self.evictions = 0

    def __len__(self) -> int:
        """Entries kept now."""
        return len(self._entries)

    @property
    def capacity(self) -> int:
        """Entries kept at most."""
        return self._capacity

    def get(self, key: K) -> V | None:
        """The value kept under `key`, or None; counts as a use."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        value, uses = entry
        self._entries[key] = (value, uses + 1)
        self._move(key, uses, uses + 1)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep `value` under `key`; when the cache is full the least used entry goes. Replacing counts as a use."""
        entry = self._entries.get(key)
        if entry is not None:
            uses = entry[1]
            self._entries[key] = (value, uses + 1)
            self._move(key, uses, uses + 1)
            return
        if len(self._entries) >= self._capacity:
            self._evict()
        self._entries[key] = (value, 1)
        self._by_uses.setdefault(1, OrderedDict())[key] = None
        self._fewest = 1

    def resize(self, capacity: int) -> None:
        """Keep `capacity` entries from now on; the most used of those kept stay.

        Raises:
            ValueError: `capacity` is below 1.
        """
        if capacity < 1:
            raise ValueError("a cache keeps at least one entry")
        self._capacity = capacity
        while len(self._entries) > capacity:
            self._evict()

    def _move(self, key: K, uses: int, now: int) -> None:
        bucket = self._by_uses[uses]
        del bucket[key]
        if not bucket:
            del self._by_uses[uses]
            if self._fewest == uses:
                self._fewest = now
        self._by_uses.setdefault(now, OrderedDict())[key] = None

    def _evict(self) -> None:
        if self._fewest not in self._by_uses:  # only after several evictions in a row without a put
            self._fewest = min(self._by_uses)
        bucket = self._by_uses[self._fewest]
        key, _ = bucket.popitem(last=False)
        if not bucket:
            del self._by_uses[self._fewest]
        del self._entries[key]
        self.evictions += 1
