"""The figures of a copy: its load follows its players."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.services.drill.model import FleetModel, cost_of_player
from tests.services.drill.copies import fleet, fleets, node


@given(fleets(), st.integers(1, 5000))
def test_players_in_place_of_those_read(copy: FleetModel, total: int) -> None:
    """Exactly as many play, in proportion to those read: no node is off by a whole player."""
    changed = copy.with_total(total)

    assert changed.playing == total
    if copy.playing:
        for before, after in zip(copy.nodes, changed.nodes, strict=True):
            assert abs(after.playing - total * before.playing / copy.playing) < 1


def test_load_follows_players() -> None:
    """The load without players stays; the rest is in proportion to the players; it never exceeds 1."""
    here = node("us-1", playing=20, load=0.3, cost=0.02, cores=4)

    assert here.idle_load == pytest.approx(0.2)
    assert here.with_playing(0).load == pytest.approx(0.2)
    assert here.with_playing(60).load == pytest.approx(0.5)
    assert here.with_playing(10_000).load == 1.0
    assert node("us-1", load=None).with_playing(50).load is None


def test_cost_of_a_player_is_from_the_load_of_the_server() -> None:
    """Without a baseline or players nothing is known, and a cost that no player can have is not believed."""
    assert cost_of_player(0.1, 4, 20) == pytest.approx(0.02)
    assert cost_of_player(None, 4, 20) is None
    assert cost_of_player(0.1, 4, 0) is None
    assert cost_of_player(0.9, 64, 1) is None


def test_names_find_nodes() -> None:
    """A copy gives its nodes by name, and its regions in the order of the nodes, without regard to case."""
    copy = fleet(node("a", "US"), node("b", "us"), node("c", None))

    assert copy["b"].identifier == "b"
    assert copy.regions == ("us", None)
