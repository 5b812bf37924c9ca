"""Golden output: what each format looks like, to the byte.

``REVVLINK_TEST_GOLDEN=write`` writes the files anew, for a person to read the difference.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli._sizes import size
from revvlink_cli.commands.nodes.info import InfoRecord
from revvlink_cli.commands.nodes.status_rows import MessageCount, PenaltyTerms, StatusRow
from revvlink_cli.output.formats import COMMON, Format
from revvlink_cli.output.renderers import create_renderer
from revvlink_cli.output.result import ExitCode, Failure, Kind, Result
from revvlink_cli.output.streams import Output
from revvlink_cli.output.text import clean, clean_json, clock, duration, human, plain

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "golden"

WELL = StatusRow(
    node="us-1", state="connected", region="us", server="Lavalink", version="4.2.2", speaks_dave=True,
    playing=41, players=64,
    cpu_load_ratio=0.34, cpu_has_baseline=True, memory_used_bytes=188743680, memory_reservable_bytes=536870912,
    uptime_ms=93784072, penalty=104.0331, penalty_is_lower_bound=True, penalty_cpu_is_assumed=False,
    penalty_terms=PenaltyTerms(42.5331, 0.0, 0.0, 61.5, 0.0), latency_ms=1.03, reason=None, message=None,
    stats_age_s=0.012, stats_origin="websocket", is_stale=False, unexpected_fields=(), unparsed_messages=0,
    unknown_messages=(), tags=("prod",), uri="http://h:2333",
)  # fmt: skip
FRESH = StatusRow(
    node="eu-1", state="connected", region="eu", server="NodeLink", version="3.7.0", speaks_dave=True,
    playing=0, players=0,
    cpu_load_ratio=None, cpu_has_baseline=False, memory_used_bytes=12272328, memory_reservable_bytes=25276510208,
    uptime_ms=1021, penalty=42.5331, penalty_is_lower_bound=False, penalty_cpu_is_assumed=True,
    penalty_terms=PenaltyTerms(42.5331, 0.0, 0.0, 0.0, 0.0), latency_ms=131.7, reason=None, message=None,
    stats_age_s=0.5, stats_origin="rest", is_stale=False, unexpected_fields=("stats players",), unparsed_messages=2,
    unknown_messages=(MessageCount("event LyricsFoundEvent", 3),), tags=(), uri="http://h:2334",
)  # fmt: skip
DEAD = StatusRow(
    node="asia\x1b[31m-1", state="failed", region=None, server=None, version=None, speaks_dave=None,
    playing=None, players=None,
    cpu_load_ratio=None, cpu_has_baseline=None, memory_used_bytes=None, memory_reservable_bytes=None, uptime_ms=None,
    penalty=None, penalty_is_lower_bound=None, penalty_cpu_is_assumed=None, penalty_terms=None, latency_ms=None,
    reason="connection_refused", message="nothing listens on h:2335", stats_age_s=None, stats_origin=None,
    is_stale=False, unexpected_fields=(), unparsed_messages=0, unknown_messages=(), tags=(), uri="http://h:2335",
)  # fmt: skip
STATUS = Result(
    (WELL, FRESH, DEAD),
    StatusRow,
    ExitCode.PARTIAL,
    (Failure("connection_refused", "nothing listens on h:2335", "asia-1", "connect", "start the node"),),
)
INFO = Result(
    InfoRecord(
        node="us-1", uri="http://h:2333", server="Lavalink", version="4.2.2",
        speaks_dave=True, voice="Lavalink 4.2.2 speaks DAVE", build_time="2026-11-23T13:11:10+00:00",
        commit="e8503fd", branch="HEAD", runtime="17.0.15", lavaplayer="2.2.6", sources=("local", "http"), filters=(),
        plugins=("demo-plugin 1.2.3",),
    )
)  # fmt: skip
EMPTY = Result((), StatusRow, ExitCode.FAILED)


@pytest.mark.parametrize("kind", COMMON)
@pytest.mark.parametrize(("name", "result"), [("status", STATUS), ("info", INFO), ("empty", EMPTY)])
def test_golden(kind: Format, name: str, result: Result, capsys: pytest.CaptureFixture[str]) -> None:
    """A table, a record and an empty answer are written as the files say."""
    writer = create_renderer(kind, "nodes status", Output(), no_color=True)
    writer.begin(result.row_type)
    writer.end(result)

    written = capsys.readouterr().out
    path = GOLDEN / f"{name}.{kind}"
    if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
        path.write_text(written, encoding="utf-8", newline="\n")
    assert written.encode() == path.read_bytes()


@given(st.text(st.characters()))
def test_clean_text_is_visible_text(text: str) -> None:
    """Nothing that a terminal acts on is left, whatever came in; the rest is left alone."""
    safe = clean(text)

    assert all(char.isprintable() or char in " \u3000\xa0" or not char.isascii() for char in safe)
    assert not set(safe) & set("\x1b\x9b\n\r\t\u202e\u2066\u200b\ufeff")
    if text.isalnum():
        assert safe == text
    safe.encode()


@given(st.recursive(st.none() | st.integers() | st.text(st.characters()), st.lists, max_leaves=5))
def test_clean_json_means_the_same(value: object) -> None:
    """Escaping for the terminal's sake changes nothing for a parser."""
    safe = clean_json(json.dumps(value, ensure_ascii=False))

    assert json.loads(safe) == value
    safe.encode()


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters()), st.lists(st.text())))
def test_plain_values_hold_no_tab_and_no_line(value: object) -> None:
    """A field of the plain output can neither begin another field nor another line."""
    assert not set(plain(value)) & set("\t\n\r")


@given(st.floats(0, 1e18), st.sampled_from(Kind))
def test_figures_are_short(value: float, kind: Kind) -> None:
    """Every figure for people fits a column."""
    if kind in (Kind.COUNT, Kind.DURATION_MS):
        value = int(value)
    if kind is not Kind.RATIO:
        assert len(human(value, kind)) <= 28


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (size(0), "0 B"), (size(999), "999 B"), (size(1024), "1.0 KiB"), (size(188743680), "180 MiB"),
        (size(2**40), "1.0 TiB"), (duration(0), "0s"), (duration(59_999), "59s"), (duration(3_600_000), "1h 0m"),
        (duration(90_061_000), "1d 1h"), (clock(0), "0:00"), (clock(187_000), "3:07"), (clock(3_723_000), "1:02:03"),
        (human(0.5, Kind.RATIO), "50%"), (human(0.004, Kind.RATIO), "0.4%"), (human(0.0, Kind.RATIO), "0%"),
        (human(None, Kind.COUNT), "-"), (human(12345, Kind.COUNT), "12 345"), (human(0.64, Kind.LATENCY_MS), "0.6 ms"),
        (human((), Kind.TEXT), "-"), (human(("a", "b"), Kind.TEXT), "a, b"), (human(True, Kind.TEXT), "yes"),
    ],
)  # fmt: skip
def test_figures(shown: str, expected: str) -> None:
    """Figures as people read them."""
    assert shown == expected
