"""Which nodes are silenced, and what silences change in a report."""

from __future__ import annotations

import time
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.health.silences import SKEW, Silence, SilenceState, silenced_nodes

NAMES = ("us-1", "us-2", "eu-1", "[::1]:2333")
TAGS = ("prod", "test")
REGIONS = ("us", "EU")


class Place(NamedTuple):
    """A node."""

    identifier: str
    region: str | None
    tags: tuple[str, ...]


places = st.builds(
    Place, st.sampled_from(NAMES), st.none() | st.sampled_from(REGIONS), st.lists(st.sampled_from(TAGS)).map(tuple)
)
made = st.builds(
    Silence,
    id=st.uuids().map(str),
    nodes=st.lists(st.sampled_from((*NAMES, "us-*", "nobody", "*")), max_size=2).map(tuple),
    tags=st.lists(st.sampled_from(TAGS), max_size=2).map(tuple),
    region=st.none() | st.sampled_from(("us", "eu", "asia")),
    is_for_all=st.just(False),
    reason=st.just("work"),
    created_by=st.just("ann@host"),
    created_at=st.floats(0, 1000),
    until=st.floats(0, 2000),
)


@given(st.lists(places, max_size=5), st.lists(made, max_size=5), st.floats(-1000, 3000))
def test_a_node_is_silenced_by_a_silence_in_force_that_fits_it(
    nodes: list[Place], silences: list[Silence], now: float
) -> None:
    """No silence acts before its time, after its end, or on a node that one of its selectors does not fit."""
    found = silenced_nodes(nodes, silences, now)

    by_name = {node.identifier: node for node in nodes}
    for node in by_name.values():
        acting = [each for each in silences if each.state_at(now) is SilenceState.ACTIVE and each.fits(node)]
        if [each.identifier for each in nodes].count(node.identifier) == 1:
            assert (node.identifier in found) == bool(acting)
    for name, silence in found.items():
        assert silence.created_at - SKEW <= now < silence.until
        assert silence.nodes or silence.tags or silence.region
        assert all(other.until <= silence.until for other in silences if other == silence)
        fitting = [node for node in nodes if node.identifier == name and silence.fits(node)]
        assert all(set(silence.tags) <= set(node.tags) for node in fitting)
        assert fitting
    assert silenced_nodes(nodes, silences, now) == found
    ended = max((each.until for each in silences), default=0.0)
    assert silenced_nodes(nodes, silences, ended) == {}


def test_clock_that_is_set_back_ends_a_silence() -> None:
    """A silence of one hour does not last for days because the clock was wrong when it was made."""
    silence = Silence(id="a", is_for_all=True, reason="x", created_by="x", created_at=10_000.0, until=13_600.0)

    states = [silence.state_at(now) for now in (0.0, 10_000.0 - SKEW - 1, 10_000.0 - SKEW, 13_599.9, 13_600.0)]
    assert states == ["pending", "pending", "active", "active", "expired"]
    assert Silence(id="b", reason="x", created_by="x", created_at=0.0, until=9.0).fits(Place("us-1", None, ())) is False


def test_names_of_a_large_maintenance_take_no_time() -> None:
    """A thousand names on 500 nodes stall no exporter: only patterns are compared as patterns."""
    nodes = [Place(f"node-{number}", "us", ()) for number in range(500)]
    silences = [
        Silence(
            id=str(part),
            nodes=tuple(f"node-{number}" for number in range(part, 10_000, 10)),
            reason="work",
            created_by="ann@host",
            created_at=0.0,
            until=100.0,
        )
        for part in range(10)
    ]
    begun = time.process_time()
    assert len(silenced_nodes(nodes, silences, 1.0)) == 500
    assert time.process_time() - begun < 0.5
