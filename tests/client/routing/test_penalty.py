"""The penalty: the documented formula, and no figure that breaks it."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.client.protocol.models import Frames, NodeStats
from revvlink_cli.client.routing.penalty import PER_PLAYER, TERMS, Penalty, Term, compute


def stats(
    *, playing: int | None = 0, load: float | None = 0.0, frames: Frames | None = None, has_baseline: bool = True
) -> NodeStats:
    """Statistics with these figures."""
    return NodeStats(
        players=playing,
        playing=playing,
        uptime_ms=60_000,
        memory_free=1,
        memory_used=1,
        memory_allocated=2,
        memory_reservable=4,
        cores=8,
        system_load=load if has_baseline else None,
        server_load=load if has_baseline else None,
        frames=frames,
        has_cpu_baseline=has_baseline,
    )


def test_idle_node_costs_nothing() -> None:
    """An idle node has penalty 0, exactly and not as a lower bound."""
    penalty = compute(stats())

    assert penalty.total == 0
    assert penalty.is_lower_bound is False


@pytest.mark.parametrize(
    ("playing", "load", "deficit", "nulled", "expected"),
    [(50, 0.5, 0, 0, 180), (50, 1.0, 0, 0, 1380), (50, 0.1, 100, 0, 272), (50, 0.1, 0, 100, 463)],
)
def test_known_values(playing: int, load: float, deficit: int, nulled: int, expected: int) -> None:
    """Worked examples of the shared formula come out as they should, to the nearest whole."""
    penalty = compute(stats(playing=playing, load=load, frames=Frames(3000, nulled, deficit)))

    assert round(penalty.total) == expected


def test_players_without_frames_are_a_lower_bound() -> None:
    """Somebody plays and the frames are hidden: the truth may be higher, and the penalty says so."""
    assert compute(stats(playing=1)).is_lower_bound is True
    assert compute(stats(playing=1, frames=Frames(3000, 0, 0))).is_lower_bound is False


def test_unmeasured_cpu_counts_as_the_fallback() -> None:
    """A node without a CPU baseline takes the fallback and says that it is assumed."""
    penalty = compute(stats(has_baseline=False), cpu_fallback=12.5)

    assert (penalty.cpu, penalty.cpu_assumed) == (12.5, True)
    assert compute(stats(has_baseline=False)).is_lower_bound is True


@given(
    playing=st.one_of(st.none(), st.integers()),
    load=st.one_of(st.none(), st.floats(allow_nan=False)),
    deficit=st.floats(allow_nan=False),
    nulled=st.floats(allow_nan=False),
)
def test_no_figure_breaks_it(playing: int | None, load: float | None, deficit: float, nulled: float) -> None:
    """Whatever a server sends, the penalty is a finite number that is not negative."""
    if playing is not None:
        playing = min(playing, 10**15)
    penalty = compute(stats(playing=playing, load=load, frames=Frames(3000, nulled, deficit)))

    assert math.isfinite(penalty.total)
    assert penalty.total >= 0


def test_the_table_of_terms_is_complete() -> None:
    """Every cost in a penalty has its entry in the table, in the order of the fields, and is in the total."""
    fields = [entry.name for entry in dataclasses.fields(Penalty) if entry.type == "float"]
    costs = {term.name: 10.0**place for place, term in enumerate(TERMS)}

    assert [term.name for term in TERMS] == fields
    assert Penalty(**costs, is_lower_bound=False, cpu_assumed=False).total == sum(costs.values())


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
@given(value=st.floats(0, 1))
def test_formulas_are_what_is_computed(term: Term, value: float) -> None:
    """The formula that people read gives the cost that the code computes."""
    inputs = {"load": value, "deficit": 3000 * value, "nulled": 3000 * value, "playing": 100}
    frames = Frames(3000, inputs["nulled"], inputs["deficit"])
    computed = compute(stats(playing=100, load=value, frames=frames), reserved=PER_PLAYER * value)

    expected = eval(term.formula.replace("^", "**"), {}, {**inputs, "reserved": value})
    assert getattr(computed, term.name) == pytest.approx(expected)
