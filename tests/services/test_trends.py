"""Trends: ten minutes of figures in few numbers."""

from __future__ import annotations

import pytest

from revvlink_cli.services.trends import MARKS, Trends


@pytest.mark.parametrize("interval", [0.1, 1.0, 2.0, 5.0, 29.0, 60.0])
def test_a_trend_covers_ten_minutes(interval: float) -> None:
    """It begins with short steps, doubles them, and in the end keeps ten minutes of the newest figures."""
    trends = Trends(interval)
    at = 100.0
    trends.add(at, [("a", 1, 0.5, 3.0)])
    assert trends.span <= max(2 * interval, 30.0)
    assert trends.of("a").cpu == [0.5]
    while at < 2000:
        at += interval
        trends.add(at, [("a", at, 0.5, 3.0)])
    players = [value for value in trends.of("a").players if value is not None]

    assert len(trends.of("a").players) <= MARKS
    assert trends.span >= 300
    assert players == sorted(players)
    assert players[-1] == at
    if interval <= 30:
        assert 300 <= trends.span <= 600
        assert players[0] >= at - trends.span - interval


def test_peaks_and_gaps() -> None:
    """A step has the highest figure of its time; one without any is None, and a lost node keeps its former ones."""
    trends = Trends(30.0)
    for second, figure in ((0, 1), (10, 9), (20, 2), (40, None), (70, 4)):
        trends.add(float(second), [("a", figure, None, None), ("b", 5, 0.1, 1.0)])

    assert trends.of("a").players == [9, None, 4]
    assert trends.of("a").cpu == [None, None, None]
    assert trends.of("b").cpu == [0.1, 0.1, 0.1]


def test_nodes_come_and_go() -> None:
    """A new node has gaps before it came; one that has left is forgotten; a long pause leaves a gap."""
    trends = Trends(30.0)
    trends.add(0.0, [("a", 1, 0.1, 1.0)])
    trends.add(30.0, [("a", 1, 0.1, 1.0), ("b", 2, 0.2, 2.0)])
    assert trends.of("b").players == [None, 2]
    trends.add(60.0, [("b", 2, 0.2, 2.0)])
    assert trends.of("a").players == []
    trends.add(180.0, [("b", 3, 0.2, 2.0)])
    assert trends.of("b").players == [None, 2, 2, None, None, None, 3]
    trends.add(99_999.0, [("b", 4, 0.2, 2.0)])
    assert trends.of("b").players == [*[None] * (MARKS - 1), 4]
