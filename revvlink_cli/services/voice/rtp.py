"""Statistics of a voice stream, from the headers of its RTP packets: no key is needed to count, or to see silence.

Nodes send one Opus packet of 20 ms at a time. Sequence numbers have 16 bits and wrap; timestamps count samples at
48 kHz.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

EXPECTED_RATE = 50.0
"""Packets a second of a stream that plays."""

PAYLOAD_TYPE = 120
"""Payload type of Opus on Discord's voice servers."""

SILENCE_BYTES = 35
"""Length of a packet of silence: 12 bytes header, a frame of 3, 16 bytes tag, 4 bytes nonce."""

SAMPLES_PER_MS = 48.0
FRAME_MS = 20.0
HEADER = struct.Struct("!BBHII")

MAX_DROPOUT = 3000
"""Packets that may be missing in a row; a larger step means that the numbers began anew (RFC 3550, A.1)."""

MAX_MISORDER = 100
"""Packets by which one may be late."""


class RtpHeader(NamedTuple):
    """What is read of a packet.

    Attributes:
        length: Bytes of the whole datagram.
        sequence: Sequence number, 16 bits.
        timestamp: Samples, 32 bits.
        ssrc: Which stream it belongs to.
    """

    length: int
    sequence: int
    timestamp: int
    ssrc: int

    @property
    def is_silence(self) -> bool:
        """Whether it carries nothing that can be heard."""
        return self.length <= SILENCE_BYTES


def read_header(packet: bytes) -> RtpHeader | None:
    """The header of an audio packet; None for anything else (RTCP, keep-alives, IP discovery)."""
    if len(packet) < HEADER.size:
        return None
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(packet)
    if first >> 6 != 2 or second & 0x7F != PAYLOAD_TYPE:
        return None
    return RtpHeader(len(packet), sequence, timestamp, ssrc)


@dataclass(frozen=True, slots=True)
class RtpFigures:
    """How a stream sounded.

    Attributes:
        packets: Packets received, each counted once.
        lost: Packets that never came.
        duplicates: Packets that came again.
        reordered: Packets that came after a later one.
        packet_rate: Packets a second while it played, None for fewer than two packets.
        jitter_ms: Variation of the distances between packets (RFC 3550), None for fewer than two.
        silence_ratio: Share of packets of silence, None without packets.
        longest_gap_ms: Longest time without a packet while it played, None for fewer than two.
        sound_packets: Packets that can be heard.
    """

    packets: int
    lost: int
    duplicates: int
    reordered: int
    packet_rate: float | None
    jitter_ms: float | None
    silence_ratio: float | None
    longest_gap_ms: float | None
    sound_packets: int


class RtpStatistics:
    """Counts one stream's packets.

    Attributes:
        first_at: When the first packet came, in seconds of the caller's clock; None before.
        first_sound_at: When the first one came that can be heard.
        last_at: When the last packet came; 0 before the first.
    """

    def __init__(self) -> None:
        self.first_at: float | None = None
        self.first_sound_at: float | None = None
        self.last_at = 0.0
        self._last_timestamp = 0
        self._after_silence = False
        self._base = self._highest = 0
        self._seen: set[int] = set()
        self._lost_before = 0
        self._packets = self._silent = self._duplicates = self._reordered = 0
        self._playing = 0.0
        self._intervals = 0
        self._jitter = 0.0
        self._longest = 0.0

    def add(self, at: float, header: RtpHeader) -> None:
        """Count a packet that came at this time, in seconds."""
        if self.first_at is None:
            self.first_at = at
            self._begin(header.sequence)
        elif not self._place(header.sequence):
            self._duplicates += 1
            return
        else:
            self._time(at, header)
        self._packets += 1
        self._silent += header.is_silence
        if not header.is_silence and self.first_sound_at is None:
            self.first_sound_at = at
        self.last_at, self._last_timestamp, self._after_silence = at, header.timestamp, header.is_silence

    def _begin(self, sequence: int) -> None:
        self._base = self._highest = sequence
        self._seen = {sequence}

    def _place(self, sequence: int) -> bool:
        """Find a packet's place among the others; whether it is a new one."""
        step = (sequence - self._highest + 0x8000) % 0x10000 - 0x8000
        if step > MAX_DROPOUT or step < -MAX_MISORDER:
            self._lost_before += self._missing
            self._begin(sequence)
            return True
        number = self._highest + step
        if number in self._seen:
            return False
        self._seen.add(number)
        if step > 0:
            self._highest = number
        else:
            self._reordered += 1
            self._base = min(self._base, number)
        return True

    def _time(self, at: float, header: RtpHeader) -> None:
        """Measure the distance to the packet before; a pause, which follows silence, is not a gap."""
        gap = at - self.last_at
        samples = (header.timestamp - self._last_timestamp + 2**31) % 2**32 - 2**31
        if self._after_silence and gap * 1000 > 2 * FRAME_MS:
            return
        self._playing += gap
        self._intervals += 1
        self._longest = max(self._longest, gap)
        difference = abs(gap * 1000 - samples / SAMPLES_PER_MS)
        self._jitter += (difference - self._jitter) / 16

    @property
    def _missing(self) -> int:
        return self._highest - self._base + 1 - len(self._seen)

    def figures(self, until: float | None = None) -> RtpFigures:
        """The figures so far.

        Args:
            until: When the measurement ended, if the stream should have gone on until then: the time since the last
                packet counts as a gap.
        """
        longest = self._longest
        if until is not None and self._packets and not self._after_silence:
            longest = max(longest, until - self.last_at)
        measured = self._intervals > 0
        return RtpFigures(
            packets=self._packets,
            lost=self._lost_before + self._missing if self._packets else 0,
            duplicates=self._duplicates,
            reordered=self._reordered,
            packet_rate=self._intervals / self._playing if measured and self._playing > 0 else None,
            jitter_ms=self._jitter if measured else None,
            silence_ratio=self._silent / self._packets if self._packets else None,
            longest_gap_ms=longest * 1000 if measured or longest else None,
            sound_packets=self._packets - self._silent,
        )
