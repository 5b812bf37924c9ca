"""What becomes too old in the memory cache."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.client.cache.memory import LFUCache


def test_what_is_too_old_makes_room_first() -> None:
    """However often it was used, it keeps nothing out that counts."""
    now = 0.0
    cache: LFUCache[int, int] = LFUCache(100, clock=lambda: now)
    for key in range(100):
        cache.put(key, key, ttl=3600)
        for _ in range(10):
            cache.get(key)
    now = 3601.0
    cache.hits = cache.misses = 0
    for _ in range(10):
        for key in range(1000, 1090):
            if cache.get(key) is None:
                cache.put(key, key, ttl=3600)

    assert (cache.hits, cache.misses) == (810, 90)
    assert (cache.expirations, cache.evictions) == (100, 0)


def test_replacing_what_is_too_old() -> None:
    """It is a use, and neither a hit nor a miss, whether the old or the new one is too old."""
    now = 0.0
    cache: LFUCache[str, int] = LFUCache(2, clock=lambda: now)
    cache.put("a", 1, ttl=10)
    now = 20.0
    cache.put("a", 2, ttl=0)
    assert (cache.hits, cache.misses) == (0, 0)
    assert cache.get("a") is None
    assert (cache.hits, cache.misses, cache.expirations) == (0, 1, 1)


STEPS = st.lists(st.tuples(st.sampled_from(["get", "put", "wait"]), st.integers(0, 8), st.integers(1, 9)), max_size=80)


@given(st.integers(1, 4), STEPS)
def test_nothing_that_counts_goes_for_what_does_not(capacity: int, steps: list[tuple[str, int, int]]) -> None:
    """When an entry goes before its time, all that stay count: a cache so small looks at all whenever it is full."""
    now = 0
    cache: LFUCache[int, int] = LFUCache(capacity, clock=lambda: now)
    for step, key, number in steps:
        evictions = cache.evictions
        if step == "wait":
            now += number
        elif step == "get":
            assert cache.get(key) in (None, key)
        else:
            cache.put(key, key, ttl=number)
            assert copy.deepcopy(cache).get(key) == key
        if cache.evictions > evictions:
            same = copy.deepcopy(cache)
            assert sum(same.get(key) is not None for key in range(9)) == capacity
        assert len(cache) <= capacity
