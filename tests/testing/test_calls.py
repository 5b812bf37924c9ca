"""Requests that a test expects."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.testing.calls import different

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("expected", "found", "differences"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": {"b": ANY}}, {"a": {"b": [1], "c": 2}}, []),
        ({"a": {"b": 1}}, {"a": {}}, ["body.a.b is missing"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2, "c": 3}]}, ["body.a[0].b is 2, not 1"]),
        ([1], [1, 2], ["body is [1, 2], not [1]"]),
        (1, True, ["body is true, not 1"]),
        ({"a": 1}, None, ['body is null, not {"a": 1}']),
        ("x" * 300, "", [f'body is "", not "{"x" * 199}...']),
    ],
)
def test_differences(expected: Any, found: Any, differences: list[str]) -> None:
    """Objects may have more keys than expected, and everything else is equal; each difference has its place."""
    assert list(different(expected, found)) == differences


@given(JSON, JSON)
def test_a_value_contains_itself(value: Any, other: Any) -> None:
    """And what has two different values is different from one of them."""
    assert list(different(value, value)) == []
    both_ways = [*different(value, other), *different(other, value)]
    assert (value == other) == (both_ways == []) or _has_numbers_of_two_types(value, other)


def _has_numbers_of_two_types(value: Any, other: Any) -> bool:
    return str(value) != str(other) and value == other
