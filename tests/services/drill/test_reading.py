"""The copy of a fleet from a recording: percentiles of what was seen."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.services.drill.reading import ROUND_TRIPS, at_share, models_of
from revvlink_cli.services.recording import Recording, read


def recorded(*samples: tuple[int | None, float | None]) -> Recording:
    """A recording of one node with these playing players and loads."""
    lines = [
        json.dumps(
            {
                "time": f"2026-01-01T00:{second // 60:02}:{second % 60:02}+00:00",
                "nodes": [
                    {"node": "us-1", "state": "connected", "region": "us", "playing": playing, "cpu_load_ratio": load,
                     "latency_ms": 12.0}
                ],
            }
        )
        for second, (playing, load) in enumerate(samples)
    ]  # fmt: skip
    return read(list(enumerate(lines, start=1)))


def test_percentile_of_players_and_load() -> None:
    """The node has the players and the load that 90 of 100 samples do not exceed, and its round trip rounded up."""
    (found,) = models_of(recorded(*((number, number / 200) for number in range(1, 101))), 0.9, {})

    assert (found.playing, found.load) == (90, 0.45)
    assert found.round_trip == 0.03
    assert found.region == "us"
    assert not found.has_cores


def test_cost_is_how_the_load_grew() -> None:
    """With players that came and went, the growth of the load gives the cost of one."""
    (found,) = models_of(recorded(*((number, 0.1 + number * 0.004) for number in range(100))), 0.95, {})

    assert found.cost == pytest.approx(0.004)
    assert found.is_cost_measured
    assert found.idle_load == pytest.approx(0.1, abs=0.01)


def test_constant_load_is_that_of_the_players() -> None:
    """Where nothing changed, the whole load counts as that of the players, which is the most that it can be."""
    (found,) = models_of(recorded(*[(50, 0.5)] * 20), 0.95, {})

    assert found.cost == pytest.approx(0.01)
    assert found.idle_load == pytest.approx(0.0)


def test_node_that_was_never_read_is_left_out() -> None:
    """Without any number of players a node has no figures."""
    assert models_of(recorded((None, None)), 0.95, {}) == ()


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_share_of_the_values(values: list[float], share: float) -> None:
    """At least that share of the values is not above the one given, and it is the smallest such value."""
    ordered = sorted(values)
    found = at_share(ordered, share)

    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-9
    assert sum(value < found for value in ordered) < share * len(ordered) + 1e-9
    assert list(ROUND_TRIPS) == sorted(ROUND_TRIPS)
