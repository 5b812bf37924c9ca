"""The in-memory cache keeps what is used most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.client.cache.memory import LFUCache


def test_least_used_goes_first() -> None:
    """When it is full the entry with the fewest uses makes room."""
    cache: LFUCache[str, int] = LFUCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1

    cache.put("c", 3)

    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)
    assert (cache.hits, cache.misses, cache.evictions) == (3, 1, 1)


def test_ties_are_broken_by_age() -> None:
    """Among equally used entries the one used longest ago goes."""
    cache: LFUCache[str, int] = LFUCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("c", 3)

    assert (cache.get("a"), cache.get("b")) == (None, 2)


def test_resize_keeps_the_most_used() -> None:
    """A smaller cache keeps what was used most, a larger one everything."""
    cache: LFUCache[str, int] = LFUCache(3)
    for key, uses in (("a", 3), ("b", 1), ("c", 2)):
        cache.put(key, uses)
        for _ in range(uses):
            cache.get(key)

    cache.resize(1)

    assert (len(cache), cache.get("a")) == (1, 3)
    cache.resize(5)
    assert (cache.capacity, cache.get("a")) == (5, 3)


def test_a_cache_of_nothing_is_refused() -> None:
    """A capacity below one is a ValueError, when made and when resized."""
    with pytest.raises(ValueError, match="at least one"):
        LFUCache(0)
    with pytest.raises(ValueError, match="at least one"):
        LFUCache(1).resize(0)


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["get", "put", "resize"]), st.integers(1, 6), st.integers(0, 9))),
)
def test_agrees_with_a_simple_model(capacity: int, steps: list[tuple[str, int, int]]) -> None:
    """Whatever is done, it holds what a plain list of (uses, time) would."""
    cache: LFUCache[int, int] = LFUCache(capacity)
    model: dict[int, list[int]] = {}  # key -> value, uses, time of last use
    for time, (step, key, value) in enumerate(steps):
        if step == "get":
            found = cache.get(key)
            assert found == (model[key][0] if key in model else None)
            if key in model:
                model[key][1:] = [model[key][1] + 1, time]
        elif step == "put":
            if key not in model and len(model) >= capacity:
                del model[min(model, key=lambda k: model[k][1:])]
            model[key] = [value, model[key][1] + 1 if key in model else 1, time]
            cache.put(key, value)
        else:
            capacity = key
            cache.resize(capacity)
            while len(model) > capacity:
                del model[min(model, key=lambda k: model[k][1:])]
        assert len(cache) == len(model)


def test_entries_grow_too_old() -> None:
    """After its time an entry is a miss, and makes room; without a time it stays."""
    now = 0.0
    cache: LFUCache[str, int] = LFUCache(2, clock=lambda: now)
    cache.put("short", 1, ttl=10.0)
    cache.put("kept", 2)
    now = 9.9
    assert cache.get("short") == 1
    now = 10.0
    assert (cache.get("short"), cache.get("kept"), len(cache)) == (None, 2, 1)
    assert (cache.expirations, cache.evictions) == (1, 0)
    cache.put("short", 3, ttl=10.0)
    now = 19.9
    assert cache.get("short") == 3


def test_yesterdays_favourite_goes() -> None:
    """An entry that was used ten thousand times and is not any more makes room for those that are."""
    cache: LFUCache[int, int] = LFUCache(10)
    cache.put(-1, -1)
    for _ in range(10_000):
        cache.get(-1)
    for turn in range(100_000):
        key = turn % 11
        if cache.get(key) is None:
            cache.put(key, key)
        if turn % 11 == 0:
            for _ in range(3):
                cache.get(0)
    assert cache.get(-1) is None
    assert cache.get(0) == 0
