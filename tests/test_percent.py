"""Percentages: 100% and 0% are said only where they are exact, whichever command says them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli._percent import availability, percent
from revvlink_cli.health.ranges import Unit
from revvlink_cli.output.result import Kind
from revvlink_cli.output.text import human
from tests.conftest import run_cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0, "0%"), (1, "100%"), (0.5, "50%"), (0.472, "47%"), (0.975, "97.5%"), (0.97, "97%"), (0.9958, "99.58%"),
        (0.99958, "99.958%"), (0.9999999, "99.999%"), (1e-9, "0.001%"), (0.0042, "0.42%"), (0.05, "5%"), (1.5, "150%"),
        (1.0000001, "100.001%"),
    ],
)  # fmt: skip
def test_shares(share: float, shown: str) -> None:
    """The nearer to an end, the more digits."""
    assert percent(share) == shown


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_neither_end_is_reached(share: float) -> None:
    """Whatever is between them is shown between them, and near to what it is, in tables and in findings."""
    for text in (percent(share), human(share, Kind.RATIO), Unit.RATIO.show(share)):
        assert re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,3})?%", text)
        assert 0 < float(text[:-1]) < 100
        assert abs(float(text[:-1]) - share * 100) <= 0.5


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (1, "100%"), (0, "0%"), (0.9995, "99.95%"), (0.999, "99.9%"), (0.998999, "99.89%"), (0.9999999, "99.999%"),
        (0.99999, "99.999%"), (0.84084, "84.08%"), (0.995833, "99.58%"), (0.00417, "0.42%"), (0.8, "80%"),
    ],
)  # fmt: skip
def test_availabilities(share: float, shown: str) -> None:
    """Each has the decimals of a service level."""
    assert availability(share) == shown


@given(st.floats(0.5, 1), st.sampled_from([99.0, 99.5, 99.9, 99.95, 99.99, 99.999]))
def test_an_availability_is_never_rounded_up(share: float, level: float) -> None:
    """What misses a level is not shown as that level, and what holds it is not shown as less."""
    shown = float(availability(share)[:-1])

    assert shown <= share * 100 + 1e-6
    if share < level / 100 - 1e-7:
        assert shown < level or share * 100 > level - 0.001
    if share >= level / 100 and round(level, 2) == level:
        assert shown >= level


@given(st.floats(0.9, 1), st.floats(0.9, 1))
def test_better_is_never_shown_as_worse(one: float, other: float) -> None:
    """The order of two shares is that of what is shown."""
    low, high = sorted((one, other))

    assert float(percent(low)[:-1]) <= float(percent(high)[:-1])


@pytest.mark.parametrize(("lost", "shown"), [(1, "99.58%"), (0, "100%"), (239, "0.42%"), (240, "0%")])
def test_an_availability(tmp_path: Path, lost: int, shown: str) -> None:
    """One look of 240 without the node is no 100 %, and one with it no 0 %: in the table, the page and Markdown."""
    recording = tmp_path / "looks.jsonl"
    recording.write_text("".join(
        json.dumps({"time": f"2030-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}+00:00", "nodes": [
            {"node": "n", "state": "failed" if number < lost else "connected"}
        ]}) + "\n"
        for number, second in enumerate(range(0, 2400, 10))
    ), encoding="utf-8")  # fmt: skip
    page, table = tmp_path / "page.html", tmp_path / "table.md"

    ran = run_cli("report", str(recording), "--html", str(page), "--export", str(table), "-o", "table")

    assert ran.code == 0
    for text in (ran.out, page.read_text(encoding="utf-8"), table.read_text(encoding="utf-8")):
        assert re.search(rf"(?<![0-9.]){re.escape(shown)}", text)
