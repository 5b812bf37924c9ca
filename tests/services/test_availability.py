"""Availability over time: what was up, what was down, and what nobody observed."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.services.availability import History, history_of
from revvlink_cli.services.recording import Recording, read

START = datetime(2026, 11, 28, 22, tzinfo=UTC).timestamp()


def recording(*states: tuple[float, str], node: str = "a", **row: object) -> Recording:
    """A recording of one node: seconds since the start, and ``up``, ``down`` or a state."""
    lines = [
        json.dumps({
            "time": datetime.fromtimestamp(START + at, UTC).isoformat(),
            "nodes": [{"node": node, "state": {"up": "connected", "down": "lost"}.get(state, state), **row}],
        })
        for at, state in states
    ]  # fmt: skip
    return read(enumerate(lines, start=1))


def every(step: float, states: str, first: float = 0.0) -> list[tuple[float, str]]:
    """Samples in regular steps: ``u`` is up, ``d`` is down, a space is a missing one."""
    names = {"u": "up", "d": "down"}
    return [(first + number * step, names[state]) for number, state in enumerate(states) if state != " "]


def seen(history: History | None) -> str:
    """The spans of the only node: ``u10 d5 ?60``."""
    assert history is not None
    (node,) = history.nodes
    signs = {True: "u", False: "d", None: "?"}
    return " ".join(f"{signs[span.is_up]}{span.end - span.start:g}" for span in node.spans)


@pytest.mark.parametrize(
    ("states", "spans", "availability"),
    [
        (every(10, "uuuu"), "u40", 1.0),
        (every(10, "udud"), "u10 d10 u10 d10", 0.5),
        (every(10, "dddd"), "d40", 0.0),
        (every(10, "uuuuu        uuuuu"), "u50 ?80 u50", 1.0),
        (every(10, "uuuuu  uuuuu"), "u120", 1.0),
        (every(10, "uuuud        duuuu"), "u40 d10 ?80 d10 u40", 0.8),
        (every(1, "uuuu    uuuu"), "u12", 1.0),
        ([*every(10, "uuuuuu"), *every(60, "uuuuuu", first=60)], "u420", 1.0),
        ([*every(60, "uuuuuu"), *every(10, "uuuuuu", first=360)], "u420", 1.0),
        ([(0, "up")], "u1", 1.0),
        ([(0, "up"), (3600, "up")], "u7200", 1.0),
        ([(0, "cordoned"), (10, "tripped"), (20, "hanging"), (30, "failed")], "u20 d20", 0.5),
    ],
)
def test_samples_count_until_the_next_one(states: list[tuple[float, str]], spans: str, availability: float) -> None:
    """A late sample is not a gap; a pause of more than three intervals, whichever these are, is not observed."""
    history = history_of([recording(*states)])

    assert seen(history) == spans
    assert history is not None
    assert history.nodes[0].availability == pytest.approx(availability)


@pytest.mark.parametrize(
    ("one", "other", "spans"),
    [
        (every(10, "uuuuuu"), every(10, "uuuuuu"), "u60"),
        (every(10, "uuuuuu"), every(10, "uuuuuu", first=30), "u90"),
        (every(10, "uuuuuu"), every(10, "uuuuuu", first=300), "u60 ?240 u60"),
        (every(10, "uuuuuu"), every(10, "dddddd", first=30), "u30 ?30 d30"),
        (every(10, "uudduu"), every(10, "uudduu"), "u20 d20 u20"),
        (every(10, "uudduu"), every(10, "uudduu", first=3), "u20 ?3 d17 ?3 u20"),
    ],
)
def test_several_recordings(one: list[tuple[float, str]], other: list[tuple[float, str]], spans: str) -> None:
    """Time counts once, in whichever order the files stand; what they contradict each other about is not observed."""
    for files in ((one, other), (other, one)):
        found = seen(history_of([recording(*states) for states in files]))
        assert found.removesuffix(" u3") == spans


def test_a_part_of_the_time() -> None:
    """Spans and outages end at the bounds; what is outside of the recordings is not observed."""
    file = recording(*every(10, "uuuddddduu"), message="refused")

    history = history_of([file], START + 45, START + 120)

    assert seen(history) == "d35 u20 ?20"
    assert history is not None
    (outage,) = history.nodes[0].outages
    assert (outage.is_start_seen, outage.is_end_seen) == (False, True)
    assert [cause.message for cause in outage.causes] == ["refused"]
    assert history.nodes[0].observed_share == pytest.approx(55 / 75)
    assert history_of([file], START + 1000) is None
    assert history_of([file], START + 120, START + 45) is None


def test_outages_say_why() -> None:
    """An outage has its first cause, and the most frequent one; a state of its own where there is no more."""
    rows = [
        ("up", None),
        ("lost", "closed"),
        ("failed", "refused"),
        ("failed", "refused"),
        ("up", None),
        ("down", None),
    ]
    lines = [
        json.dumps({
            "time": datetime.fromtimestamp(START + 10 * number, UTC).isoformat(),
            "nodes": [{"node": "a", "state": "connected" if state == "up" else state, "message": message}],
        })
        for number, (state, message) in enumerate(rows)
    ]  # fmt: skip

    history = history_of([read(enumerate(lines, start=1))])

    assert history is not None
    first, second = history.nodes[0].outages
    assert [cause.message for cause in first.causes] == ["closed", "refused"]
    assert (first.start - START, first.end - START) == (10, 40)
    assert [cause.state for cause in second.causes] == ["down"]
    assert not second.is_end_seen
    assert history.nodes[0].losses == 2


def test_one_node_in_one_file_only() -> None:
    """A node that was added later is not observed before, and counts for the time since then."""
    history = history_of([recording(*every(10, "uuuu")), recording(*every(10, "udud", first=40), node="b")])

    assert history is not None
    a, b = history.nodes
    assert (a.availability, b.availability) == (1.0, 0.5)
    assert (a.observed_share, b.observed_share) == (0.5, 0.5)
    assert history.availability == 0.75


SAMPLES = st.lists(st.tuples(st.integers(0, 500), st.sampled_from(["up", "down"])), max_size=30)


@given(st.lists(SAMPLES, min_size=1, max_size=3), st.none() | st.integers(-50, 300), st.none() | st.integers(301, 900))
def test_time_is_never_lost_or_counted_twice(
    files: list[list[tuple[int, str]]], since: int | None, until: int | None
) -> None:
    """The spans of a node fill the whole time without a gap or an overlap, whatever the samples are."""
    start, end = (None if bound is None else START + bound for bound in (since, until))
    history = history_of([recording(*states) for states in files], start, end)
    if history is None:
        return
    for node in history.nodes:
        assert node.spans[0].start == history.start
        assert node.spans[-1].end == history.end
        for before, after in zip(node.spans, node.spans[1:], strict=False):
            assert before.end == after.start
            assert before.is_up is not after.is_up
        assert sum(span.end - span.start for span in node.spans) == pytest.approx(history.end - history.start)
        assert node.availability is None or 0 <= node.availability <= 1
        assert 0 <= node.observed_share <= 1
