"""Charts of the report: what they draw from data, as text; a browser is not needed."""

from __future__ import annotations

import os
import re
import time
import xml.etree.ElementTree as ET
from array import array
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.output.charts import BUCKETS, Chart, Limit, Series, Strip, line_chart, strips
from revvlink_cli.output.downsample import downsample, stretches

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "golden"

START = 1_795_903_200.0  # 2026-11-28T22:00:00Z
TIMES = array("d", [START + 60 * number for number in range(31)])


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local zone is UTC."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def chart(*lines: Series, others: tuple[Series, ...] = (), limits: tuple[Limit, ...] = ()) -> Chart:
    """A chart of half an hour."""
    return Chart("CPU", "%", START, START + 1800, lines, others, limits)


def test_a_chart_to_the_byte() -> None:
    """Two lines with a gap and a dot, a range of others, thresholds, hover texts, and an axis; names are text."""
    wave = [0.2 + 0.02 * (number % 7) for number in range(31)]
    gap = [nan if 10 <= number <= 15 or number in (17, 18) else value for number, value in enumerate(wave)]
    peak = [0.95 if number == 20 else 0.1 for number in range(31)]
    drawn = line_chart(
        chart(
            Series("<b>us-1", TIMES, array("d", gap)),
            Series("eu\x1b-1", TIMES, array("d", peak)),
            others=(Series("x", TIMES, array("d", wave)), Series("y", TIMES, array("d", peak))),
            limits=(Limit(0.8, False, "warning: 80%"), Limit(0.9, True, "critical: 90%"), Limit(50, True, "never: 50")),
        )
    )

    ET.fromstring(drawn)
    _compare("chart.svg", drawn)


def test_strips_to_the_byte() -> None:
    """Up is thin, down is high and says why, what was not observed is left open."""
    spans = [(START, START + 600, True), (START + 600, START + 900, False), (START + 900, START + 1800, None)]
    rows = [
        Strip("us-1", "66.66%", spans, lambda start, end: f"<refused>\n{end - start:.0f} s"),
        Strip("eu-1", "100%", [(START, START + 1800, True)], lambda _, __: ""),
    ]

    drawn = strips(rows, START, START + 1800)

    ET.fromstring(drawn)
    _compare("strips.svg", drawn)


def _compare(name: str, drawn: str) -> None:
    text = drawn.replace("><", ">\n<") + "\n"
    path = GOLDEN / name
    if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_a_day_keeps_its_peaks_and_stays_small() -> None:
    """17 280 samples become a line of a few hundred points, in which the one second of trouble is still to be seen."""
    times = array("d", [START + 5 * number for number in range(17_280)])
    values = array("d", [1.0 + number % 3 for number in range(17_280)])
    values[9_999] = 99.0

    drawn = line_chart(Chart("Penalty", "", START, START + 86_400, [Series("a", times, values)]))

    (points,) = re.findall(r'points="(.*?)"', drawn)
    heights = [float(point.partition(",")[2]) for point in points.split()]
    assert len(heights) <= 2 * BUCKETS
    assert min(heights) == pytest.approx(8, abs=3)
    assert "a: 1 to 99" in drawn
    assert len(drawn) < 40_000


def test_flapping_is_drawn_in_bounds() -> None:
    """Thousands of outages are as many bars as can be told apart."""
    spans = [(START + number, START + number + 1, bool(number % 2)) for number in range(20_000)]

    drawn = strips([Strip("a", "50%", spans, lambda _, __: "flapping")], START, START + 20_000)

    assert drawn.count("<rect") < 2000


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1e6) | st.just(nan)), max_size=50),
    st.integers(1, 60),
)
def test_extremes_are_kept(samples: list[tuple[float, float]], count: int) -> None:
    """The lowest and the highest figure are among the points, whose times are in order."""
    samples.sort()
    times, values = array("d", [at for at, _ in samples]), array("d", [value for _, value in samples])
    known = [value for value in values if value == value]  # noqa: PLR0124 - NaN is not itself

    points = [point for stretch in stretches(downsample(times, values, (), 0.0, 100.0, count)) for point in stretch]

    assert [at for at, _ in points] == sorted(at for at, _ in points)
    assert len(points) <= 2 * count
    if known:
        assert min(value for _, value in points) == min(known)
        assert max(value for _, value in points) == max(known)
