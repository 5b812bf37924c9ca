"""Moments that people type, in the local zone."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.commands.shared.moments import read_moment

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 3, 29, 12, tzinfo=UTC)
"""Berlin left out an hour of this day."""


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The local zone is that of Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", "2026-03-29T12:00:00+00:00"),
        ("24h", "2026-03-28T12:00:00+00:00"),
        ("1h30m ago", "2026-03-29T10:30:00+00:00"),
        ("today", "2026-03-28T23:00:00+00:00"),
        ("Yesterday", "2026-03-27T23:00:00+00:00"),
        ("06:00", "2026-03-29T04:00:00+00:00"),
        ("22:00", "2026-03-28T21:00:00+00:00"),
        ("yesterday 22:00", "2026-03-28T21:00:00+00:00"),
        ("2026-01-31", "2026-01-30T23:00:00+00:00"),
        ("2026-11-28T22:00", "2026-11-28T21:00:00+00:00"),
        ("2026-11-28 22:00:30", "2026-11-28T21:00:30+00:00"),
        ("2026-11-28T22:00Z", "2026-11-28T22:00:00+00:00"),
        ("2026-11-28T22:00+05:30", "2026-11-28T16:30:00+00:00"),
    ],
)
def test_moments(text: str, moment: str) -> None:
    """Durations go back from now; days and times are those of the local clock, also where it changes."""
    assert read_moment(text, NOW.astimezone()).astimezone(UTC) == datetime.fromisoformat(moment)


@pytest.mark.parametrize("text", ["", "soon", "25:00", "yesterday 24:61", "0h", "2026-13-01", "0001-01-01", "24"])
def test_what_is_no_moment(text: str) -> None:
    """The message says what to write."""
    with pytest.raises(ValueError, match=r"is not a moment: write 24h, today, yesterday"):
        read_moment(text, NOW)


@given(st.text(max_size=20))
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    """Nothing else happens."""
    with contextlib.suppress(ValueError):
        assert read_moment(text, NOW).tzinfo is not None
