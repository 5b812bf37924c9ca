"""The figures of a voice stream: what was recorded from genuine nodes, and any order of packets there can be."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revvlink_cli.services.voice.rtp import HEADER, SILENCE_BYTES, RtpHeader, RtpStatistics, read_header

if TYPE_CHECKING:
    from collections.abc import Iterable

VOICE = Path(__file__).parents[2] / "data" / "recordings" / "voice"

STARTS = st.integers(min_value=0, max_value=0xFFFF)


def packet(number: int, *, length: int = 280, ssrc: int = 7) -> RtpHeader:
    """The packet with this number, counted without end."""
    return RtpHeader(length, number % 0x10000, number * 960 % 2**32, ssrc)


def counted(numbers: Iterable[int], *, start: int = 0) -> RtpStatistics:
    """Statistics of packets that come every 20 ms in this order."""
    statistics = RtpStatistics()
    for turn, number in enumerate(numbers):
        statistics.add(turn * 0.02, packet(start + number))
    return statistics


@settings(max_examples=200, deadline=None)
@given(start=STARTS, total=st.integers(2, 400), data=st.data())
def test_lost_packets_are_counted_wherever_numbers_wrap(start: int, total: int, data: st.DataObject) -> None:
    """Whatever is left out between the first and the last packet is lost, also over 65535."""
    missing = data.draw(st.sets(st.integers(1, total - 2), max_size=total - 2)) if total > 2 else set()
    figures = counted([number for number in range(total) if number not in missing], start=start).figures()
    assert figures.packets == total - len(missing)
    assert figures.lost == len(missing)
    assert (figures.duplicates, figures.reordered) == (0, 0)


@settings(max_examples=200, deadline=None)
@given(start=STARTS, total=st.integers(2, 300), seed=st.integers(0, 2**32), reach=st.integers(1, 50))
def test_reordered_packets_are_not_lost(start: int, total: int, seed: int, reach: int) -> None:
    """Packets that change places with near ones all arrive; those behind a later one count as reordered."""
    shuffle = random.Random(seed)
    order = sorted(range(total), key=lambda number: number + shuffle.random() * reach)
    figures = counted(order, start=start).figures()
    late = sum(number < max(order[:turn]) for turn, number in enumerate(order) if turn)
    assert (figures.packets, figures.lost, figures.duplicates) == (total, 0, 0)
    assert figures.reordered == late


@settings(max_examples=100, deadline=None)
@given(start=STARTS, total=st.integers(1, 200), again=st.lists(st.integers(0, 199), max_size=50))
def test_duplicates_count_once(start: int, total: int, again: list[int]) -> None:
    """A packet that comes again is neither lost nor one more."""
    again = [number for number in again if number < total and total - number < 100]
    figures = counted([*range(total), *again], start=start).figures()
    assert (figures.packets, figures.lost, figures.duplicates) == (total, 0, len(again))


@given(st.binary(max_size=400))
def test_any_datagram_can_be_read(datagram: bytes) -> None:
    """What is not an audio packet is none, and nothing is raised."""
    header = read_header(datagram)
    if header is not None:
        assert header.length == len(datagram)
        assert datagram[0] >> 6 == 2


def test_numbers_that_begin_anew_are_no_loss() -> None:
    """A stream that starts over elsewhere does not count all numbers between as lost."""
    statistics = counted([0, 1, 3])
    statistics.add(1.0, packet(40_000))
    statistics.add(1.02, packet(40_002))
    figures = statistics.figures()
    assert (figures.packets, figures.lost) == (5, 2)


def test_perfect_stream() -> None:
    """Fifty packets a second, no jitter, a gap of one frame."""
    figures = counted(range(500)).figures()
    assert figures.packet_rate == pytest.approx(50)
    assert figures.jitter_ms == pytest.approx(0, abs=1e-6)
    assert figures.longest_gap_ms == pytest.approx(20)
    assert figures.silence_ratio == 0


def test_pause_behind_silence_is_no_gap() -> None:
    """A node sends five packets of silence and then nothing while it is paused."""
    statistics = counted(range(100))
    for number in range(100, 105):
        statistics.add(number * 0.02, packet(number, length=SILENCE_BYTES))
    statistics.add(10.0, packet(105))
    figures = statistics.figures()
    assert figures.longest_gap_ms == pytest.approx(20)
    assert figures.packet_rate == pytest.approx(50)
    assert figures.silence_ratio == pytest.approx(5 / 106)


def test_stream_that_stops_leaves_a_gap_until_the_end() -> None:
    """Audio that dies in mid-play shows as a gap; what ended with silence does not."""
    statistics = counted(range(100))
    assert statistics.figures(until=5.0).longest_gap_ms == pytest.approx((5.0 - 99 * 0.02) * 1000)
    statistics.add(2.0, packet(100, length=SILENCE_BYTES))
    assert statistics.figures(until=5.0).longest_gap_ms == pytest.approx(20)


def test_nothing_received() -> None:
    """Figures of no packets are unknown, not zero."""
    figures = RtpStatistics().figures(until=3.0)
    assert (figures.packets, figures.lost) == (0, 0)
    assert figures.packet_rate is figures.jitter_ms is figures.silence_ratio is figures.longest_gap_ms is None


@pytest.mark.parametrize(("name", "first_ms"), [("lavalink-4.2.2", 205), ("nodelink-3.7.0", 292)])
def test_recording_of_a_genuine_node(name: str, first_ms: int) -> None:
    """6 s of music, a pause of 2 s, 2 s of music: nothing lost, 50 packets a second, short gaps."""
    statistics = RtpStatistics()
    played_at = None
    for line in (VOICE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        if told.get("step") == "play":
            played_at = told["t"] / 1000
        if told.get("type") == "rtp":
            raw = HEADER.pack(told["first"], told["payload_type"], told["seq"], told["timestamp"], told["ssrc"])
            header = read_header(raw.ljust(told["bytes"], b"\0"))
            assert header is not None
            statistics.add(told["t"] / 1000, header)
    figures = statistics.figures()
    assert played_at is not None
    assert statistics.first_at is not None
    assert round((statistics.first_at - played_at) * 1000) == pytest.approx(first_ms, abs=2)
    assert (figures.lost, figures.duplicates, figures.reordered) == (0, 0, 0)
    assert figures.packets > 380
    assert figures.packet_rate == pytest.approx(50, abs=0.5)
    assert figures.longest_gap_ms is not None
    assert figures.longest_gap_ms < 80
    assert figures.jitter_ms is not None
    assert figures.jitter_ms < 10
    assert figures.silence_ratio is not None
    assert 0 < figures.silence_ratio < 0.05
