"""What is played, and what playing has shown."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from revvlink_cli.services.voice.call import VoiceCall
    from revvlink_cli.services.voice.rtp import RtpFigures
    from revvlink_cli.services.voice.server import VoiceServer


class PlayVerdict(StrEnum):
    """Whether music plays."""

    HEARD = "heard"
    STARTS = "starts"
    UNPROVEN = "unproven"
    FAILS = "fails"
    NOT_LOADED = "not_loaded"

    @property
    def is_good(self) -> bool:
        """Whether no failure was seen."""
        return self in (PlayVerdict.HEARD, PlayVerdict.STARTS, PlayVerdict.UNPROVEN)


@dataclass(frozen=True, slots=True)
class PlayPlan:
    """What is played, and how.

    Attributes:
        identifier: What nodes are asked to load.
        seconds: Seconds that a track is watched after its start, or measured after its first packet.
        voice: The voice server that nodes play to; None plays without voice.
    """

    identifier: str
    seconds: float = 5.0
    voice: VoiceServer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayStep:
    """One step on the way from a query to sound.

    Attributes:
        step: ``searched``, ``loaded``, ``connected``, ``accepted``, ``started``, ``streamed``, ``heard`` or ``failed``.
        after_ms: Milliseconds since the step before it.
        detail: What happened, in a few words.
    """

    step: str
    after_ms: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayReport:
    """What playing on one node has shown.

    Attributes:
        node: Its identifier.
        verdict: Whether it plays.
        message: Why, in a sentence.
        code: Code of the failure, None without one.
        advice: What to do next, or None.
        title: The track's title, None if none was loaded.
        steps: What happened, in order.
        load_ms: Milliseconds that the load took.
        start_ms: Milliseconds from the request to play to the start of the track.
        first_packet_ms: Milliseconds from the request to play to the first packet of sound.
        figures: What the voice server measured, None without one.
        foreign_packets: Packets that the node sent with the SSRC of another player.
        dave_version: Version of end-to-end encryption that the node offers: 0 is none; None if it did not connect.
        pcm_bytes: Bytes of decoded sound that a NodeLink returned, None if it was not asked.
        is_unanswered: Whether a request to the node failed or got no answer in time.
        packets: Each packet with its time, if they were kept.
    """

    node: str
    verdict: PlayVerdict
    message: str
    code: str | None = None
    advice: str | None = None
    title: str | None = None
    steps: tuple[PlayStep, ...] = ()
    load_ms: float | None = None
    start_ms: float | None = None
    first_packet_ms: float | None = None
    figures: RtpFigures | None = None
    foreign_packets: int = 0
    dave_version: int | None = None
    pcm_bytes: int | None = None
    is_unanswered: bool = False
    packets: tuple[Any, ...] = field(default=(), repr=False)


class PlayError(Exception):
    """Playing has failed; the report says how."""

    def __init__(self, verdict: PlayVerdict, message: str, *, code: str, advice: str | None = None) -> None:
        super().__init__(message)
        self.verdict = verdict
        self.message = message
        self.code = code
        self.advice = advice


class ReportBuilder:
    """Collects what happens on one node, and makes the report of it.

    Attributes:
        call: The voice connection, None without one.
        requested_at: When the track was sent to the player, on `time.monotonic`; 0 before.
    """

    def __init__(self, node: str) -> None:
        self._node = node
        self._steps: list[PlayStep] = []
        self._since = time.monotonic()
        self._fields: dict[str, Any] = {}
        self.call: VoiceCall | None = None
        self.requested_at = 0.0

    def add(self, **fields: Any) -> None:
        """Set fields of the report."""
        self._fields |= fields

    def request(self) -> None:
        """Note that the track is sent now: start and first packet are measured from here."""
        self.requested_at = self._since = time.monotonic()

    def step(self, step: str, detail: str, *, at: float | None = None) -> float:
        """Note a step, which happened at a time (default: now); returns the milliseconds since the one before."""
        when = max(self._since, at if at is not None else time.monotonic())
        after_ms = (when - self._since) * 1000
        self._since = when
        self._steps.append(PlayStep(step=step, after_ms=after_ms, detail=detail))
        return after_ms

    def started(self, at: float | None) -> None:
        """Note when the track started; None is ignored."""
        if at is not None:
            self.add(start_ms=(at - self.requested_at) * 1000)
            self.step("started", "the node reports that the track started", at=at)

    def build(
        self, verdict: PlayVerdict, message: str, *, code: str | None = None, advice: str | None = None
    ) -> PlayReport:
        """The report as things stand."""
        if not verdict.is_good:
            self.step("failed", message)
        return PlayReport(
            node=self._node, verdict=verdict, message=message, code=code, advice=advice, steps=tuple(self._steps),
            **(self._measured() | self._fields),
        )  # fmt: skip

    def _measured(self) -> dict[str, Any]:
        """What the voice server has measured so far."""
        if (call := self.call) is None:
            return {}
        first = call.statistics.first_sound_at
        return {
            "figures": call.statistics.figures(),
            "dave_version": call.dave_version,
            "foreign_packets": call.foreign,
            "first_packet_ms": (first - self.requested_at) * 1000 if first is not None and self.requested_at else None,
            "packets": tuple(call.packets or ()),
        }
