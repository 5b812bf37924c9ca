"""Ranges: the syntax of the Monitoring Plugins, with units."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.health.ranges import Bounds, Range, Unit, number, parse


@pytest.mark.parametrize(
    ("text", "fine", "alerting"),
    [
        ("10", (0, 5, 10), (-0.1, 10.1)),
        ("10:", (10, 1e12), (-1, 9.9)),
        ("~:10", (-1e12, 10), (10.1,)),
        ("10:20", (10, 15, 20), (9.9, 20.1)),
        ("@10:20", (9.9, 20.1), (10, 15, 20)),
        ("@10", (-1, 11), (0, 10)),
        ("0", (0,), (-1, 1)),
        ("-5:-1", (-3,), (-6, 0)),
        ("~:", (-1e12, 1e12), ()),
        (" 10:20 ", (15,), (25,)),
        ("1.5:", (1.5,), (1.4,)),
    ],
)
def test_what_alerts(text: str, fine: tuple[float, ...], alerting: tuple[float, ...]) -> None:
    """The guidelines' own examples, ends included."""
    found = parse(text, Unit.COUNT)

    assert not any(map(found.alerts, fine))
    assert all(map(found.alerts, alerting))


@pytest.mark.parametrize(
    ("text", "unit", "start", "end"),
    [
        ("90%", Unit.RATIO, 0, 0.9),
        ("90", Unit.RATIO, 0, 0.9),
        ("80:90%", Unit.RATIO, 0.8, 0.9),
        ("500ms", Unit.SECONDS, 0, 0.5),
        ("10:20ms", Unit.SECONDS, 0.01, 0.02),
        ("100ms:2s", Unit.SECONDS, 0.1, 2),
        ("5m:", Unit.SECONDS, 300, math.inf),
        ("2", Unit.SECONDS, 0, 2),
        ("14:", Unit.DAYS, 14 * 86_400, math.inf),
        ("36h:", Unit.DAYS, 36 * 3600, math.inf),
        ("2GiB", Unit.BYTES, 0, 2 * 2**30),
        ("2GB", Unit.BYTES, 0, 2e9),
        ("1024", Unit.BYTES, 0, 1024),
        ("~:1.5 KiB", Unit.BYTES, -math.inf, 1536),
    ],
)
def test_units(text: str, unit: Unit, start: float, end: float) -> None:
    """A number alone is what people mean by it; a unit at one end holds for both."""
    found = parse(text, unit)

    assert (found.start, found.end) == pytest.approx((start, end))
    assert (found.inside, found.unit) == (False, unit)


@pytest.mark.parametrize(
    "text",
    ["", " ", ":", "@", "~", "10:5", "a", "1e5", "nan", "inf", "10::20", ":20", "10;20", "--5", "@@5", "1:2:3",
     "\u0663", "10%", "5 apples", "10:~", "~10"],
)  # fmt: skip
def test_what_is_no_range(text: str) -> None:
    """It is refused, and the accepted forms are named."""
    with pytest.raises(ValueError, match=r"write|use"):
        parse(text, Unit.COUNT)


NUMBERS = st.decimals(-(10**9), 10**9, places=3, allow_nan=False).map(float)


@given(NUMBERS, NUMBERS, st.booleans(), st.sampled_from(list(Unit)), st.booleans(), st.booleans())
def test_a_range_reads_back_as_it_is_written(
    one: float, other: float, inside: bool, unit: Unit, open_start: bool, open_end: bool
) -> None:
    """Whatever it is, what is written for people, and for machines, means the same again."""
    scale = unit.suffixes[""]
    start = -math.inf if open_start else min(one, other) * scale
    end = math.inf if open_end else max(one, other) * scale
    kept = Range(start, end, inside, unit)

    read = parse(kept.written(), unit)
    assert (read.start, read.end) == pytest.approx((start, end), rel=1e-9, abs=1e-9)
    assert read.inside is inside
    assert "e" not in kept.written(1.0)


@given(st.text(max_size=20), st.sampled_from(list(Unit)))
def test_any_text_is_a_range_or_is_refused(text: str, unit: Unit) -> None:
    """Nothing else is raised, and what is accepted is a range."""
    try:
        found = parse(text, unit)
    except ValueError:
        return
    assert found.start <= found.end


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_numbers_are_written_in_full(value: float) -> None:
    """Never with an exponent, which monitoring systems do not read."""
    text = number(value)

    assert set(text) <= set("-.0123456789")
    assert float(text) == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("warning", "critical", "swapped"),
    [
        ("80", "90", False),
        ("90", "80", True),
        ("10:", "5:", False),
        ("5:", "10:", True),
        ("10:20", "5:25", False),
        ("5:25", "10:20", True),
        ("@10:20", "@12:18", False),
        ("@12:18", "@10:20", True),
        ("@5:6", "4", True),
        ("@20:", "~:19", True),
        ("80", "80", False),
        ("~:10", "5:", False),
        ("~:", "10", False),
        ("10:200", "20:300", True),
        ("10:200", "5:150", True),
        ("10", "5:", False),
    ],
)
def test_swapped_pairs(warning: str, critical: str, swapped: bool) -> None:
    """A pair is swapped when every warning would be critical already."""
    assert Bounds(parse(warning, Unit.COUNT), parse(critical, Unit.COUNT)).are_swapped is swapped


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.booleans(), st.booleans(), st.lists(NUMBERS, min_size=5))
def test_no_warning_comes_of_a_swapped_pair(
    a: float, b: float, c: float, d: float, inside: bool, inside_too: bool, values: list[float]
) -> None:
    """Where a pair counts as swapped, on one side at least no value is a warning and not critical."""
    warning = Range(min(a, b), max(a, b), inside)
    critical = Range(min(c, d), max(c, d), inside_too)
    if Bounds(warning, critical).are_swapped:
        tried = (*values, a, b, c, d, -1e12, 1e12)
        low = [value for value in tried if warning.inside or critical.inside or value < warning.start]
        high = [value for value in tried if warning.inside or critical.inside or value > warning.end]
        assert any(all(not warning.alerts(v) or critical.alerts(v) for v in side) for side in (low, high))
