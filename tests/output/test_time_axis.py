"""Times in the local zone: round marks on days of 23, 24 and 25 hours, and names of zones."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.output.heading import heading
from revvlink_cli.output.time_axis import local, marks, moment_text, zones_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the local zone."""

    def use(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield use
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> float:
    """A moment given in UTC."""
    return datetime.fromisoformat(f"{text}+00:00").timestamp()


@pytest.mark.parametrize(
    ("name", "start", "end", "labels"),
    [
        (
            "Europe/Berlin", "2026-11-28T21:00", "2026-11-29T05:00",
            "22:00 23:00 Sun 29 Nov 01:00 02:00 03:00 04:00 05:00 06:00",
        ),
        (
            "Europe/Berlin", "2026-10-24T22:00", "2026-10-25T05:00",
            "Sun 25 Oct 01:00 02:00 02:00 03:00 04:00 05:00 06:00",
        ),
        (
            "Europe/Berlin", "2026-03-28T23:00", "2026-03-29T06:00",
            "Sun 29 Mar 01:00 03:00 04:00 05:00 06:00 07:00 08:00",
        ),
        ("Asia/Kathmandu", "2026-11-28T20:00", "2026-11-28T23:00", "02:00 02:30 03:00 03:30 04:00 04:30"),
        ("UTC", "2026-11-28T21:00:00", "2026-11-28T21:00:04", "21:00:00 21:00:01 21:00:02 21:00:03 21:00:04"),
        ("America/New_York", "2026-10-28T12:00", "2026-11-04T12:00", "29 Oct 30 Oct 31 Oct 1 Nov 2 Nov 3 Nov 4 Nov"),
        (
            "Asia/Beirut", "2026-03-27T12:00", "2026-03-31T08:00",
            "Sat 28 Mar 12:00 Sun 29 Mar 12:00 Mon 30 Mar 12:00 Tue 31 Mar",
        ),
    ],
)  # fmt: skip
def test_marks_are_round_on_the_local_clock(
    name: str, start: str, end: str, labels: str, zone: Callable[[str], None]
) -> None:
    """An hour that is repeated has two marks, one that is left out has none, and midnight shows the day."""
    zone(name)

    found = [mark.label for mark in marks(at(start), at(end))]

    assert " ".join(found) == labels


@given(st.floats(0, 4e9), st.floats(0.1, 4e8))
def test_marks_lie_within_and_are_few(start: float, span: float) -> None:
    """Whatever the stretch of time is: in order, within it, at most a dozen."""
    found = [mark.at for mark in marks(start, start + span)]

    assert len(found) <= 12
    assert found == sorted(found)
    assert all(start - 1e-6 <= moment <= start + span + 1e-6 for moment in found)


def test_zones_are_named(zone: Callable[[str], None]) -> None:
    """A change of the clock has both names; a zone without a name has its difference from UTC."""
    zone("Europe/Berlin")
    assert zones_text(at("2026-10-25T00:00"), at("2026-10-25T00:30")) == "CEST"
    assert zones_text(at("2026-10-24T12:00"), at("2026-10-25T12:00")) == "CEST, then CET"
    assert moment_text(at("2026-11-01T05:06:07"), zone=True) == "Sun 1 Nov 06:06:07 CET"
    assert heading("nodes status", "prod", local(at("2026-11-28T21:00"))) == (
        "revvlink nodes status · prod · 2026-11-28 22:00 CET"
    )
    zone("America/Sao_Paulo")
    assert zones_text(at("2026-11-28T21:00"), at("2026-11-28T22:00")) == "UTC-03:00"
