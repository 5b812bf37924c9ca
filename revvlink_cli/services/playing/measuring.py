"""Measures what a node plays to our voice server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code, LavalinkException, RevvlinkException
from revvlink_cli.health.failure_codes import EXPLANATIONS, FailureCode
from revvlink_cli.services.playing.report import PlayError, PlayVerdict

if TYPE_CHECKING:
    from revvlink_cli.client.node import Node
    from revvlink_cli.services.playing.player_watch import PlayerWatch
    from revvlink_cli.services.playing.report import PlayReport, ReportBuilder
    from revvlink_cli.services.voice.call import VoiceCall
    from revvlink_cli.services.voice.rtp import RtpFigures
    from revvlink_cli.services.voice.server import VoiceServer

HANDSHAKE_TIME = 5.0
"""Seconds that the voice handshake may take after the node has accepted the voice update."""

FIRST_PACKET_TIME = 10.0
"""Seconds that the first packet of sound may take."""

LONGEST_PAUSE = 2.0
"""Seconds without a packet after which a track that has not ended is taken to have stopped."""


async def connect_voice(node: Node, session: str, guild: str, voice: VoiceServer, report: ReportBuilder) -> VoiceCall:
    """Let a player connect to the voice server.

    A request that a node never answers keeps its slot of the budget (see `revvlink_cli.client.connection`).

    Raises:
        PlayError: The node cannot reach the voice server.
        LavalinkException: The node refused the voice update.
    """
    call = report.call = voice.expect(guild, str(node.settings.user_id or ""))
    advice = "check --listen and --advertise from the node's machine, its trust store and the firewall"
    try:
        await node.rest.update_player(session, guild, {"voice": call.voice_state(voice.endpoint)})
    except RevvlinkException as error:
        if isinstance(error, LavalinkException):
            raise
        why = voice.why_unreached(call) if error.code in (Code.SILENT, Code.TIMEOUT) else error.message
        raise _unreachable(why, advice) from error
    if not await call.until(lambda: call.selected_at is not None, HANDSHAKE_TIME):
        raise _unreachable(voice.why_unreached(call), advice)
    dave = f"DAVE version {call.dave_version}" if call.dave_version else "no end-to-end encryption"
    report.step("connected", f"the node connected to the voice server and offers {dave}")
    return call


async def measure(call: VoiceCall, watch: PlayerWatch, seconds: float, report: ReportBuilder) -> PlayReport:
    """Wait for the first sound of the track, then measure.

    Raises:
        PlayError: No sound came, or it stopped.
    """
    await watch.beside(
        call.until(lambda: call.statistics.first_sound_at is not None, FIRST_PACKET_TIME), FIRST_PACKET_TIME * 2
    )
    watch.raise_failure()
    report.started(watch.started_at)
    if call.statistics.first_sound_at is None:
        raise _nothing_heard(call)
    report.step("heard", "the first packet of sound")
    await watch.until(seconds, watch.has_ended)
    watch.raise_failure()
    statistics = call.statistics
    now = time.monotonic()
    figures = statistics.figures(until=None if watch.has_ended() else now)
    report.add(figures=figures)
    if not watch.has_ended() and now - statistics.last_at > min(LONGEST_PAUSE, seconds / 2):
        lasted = statistics.last_at - (statistics.first_at or 0.0)
        raise PlayError(
            PlayVerdict.FAILS,
            f"the sound stopped after {lasted:.1f} s, and no packet came for {now - statistics.last_at:.1f} s",
            code="audio_stopped",
            advice="the source stalls, or the node hangs: see its log, and try another track",
        )
    if call.dave_version == 0:
        dave = EXPLANATIONS[FailureCode.VOICE_DAVE_REQUIRED]
        what = f"{_sentence(figures)}; but not on Discord, which closes its voice with 4017: it offers no DAVE"
        return report.build(PlayVerdict.HEARD, what, code=str(dave.code), advice=dave.next_step)
    return report.build(PlayVerdict.HEARD, _sentence(figures), advice=_advice(figures))


def _unreachable(why: str, advice: str) -> PlayError:
    message = f"the node could not reach the voice server: {why}"
    return PlayError(PlayVerdict.FAILS, message, code="voice_unreachable", advice=advice)


def _nothing_heard(call: VoiceCall) -> PlayError:
    packets = call.statistics.figures().packets
    if packets:
        what, code = f"{packets} packets came, all of silence", "silence"
    elif call.foreign:
        what, code = f"{call.foreign} packets came under another player's number", "foreign_audio"
    else:
        what, code = f"connected, but no packet came within {FIRST_PACKET_TIME:g} s", "no_audio"
    return PlayError(PlayVerdict.FAILS, what, code=code, advice="see the node's log, and its UDP route to here")


def _sentence(figures: RtpFigures) -> str:
    """What was measured, in a sentence."""
    rate = f"{figures.packet_rate:.1f}" if figures.packet_rate is not None else "?"
    parts = [f"{figures.sound_packets} packets of sound, {rate}/s of 50", f"{figures.lost} lost"]
    if figures.reordered:
        parts.append(f"{figures.reordered} reordered")
    if figures.silence_ratio:
        parts.append(f"{figures.silence_ratio:.0%} silence")
    if figures.longest_gap_ms is not None:
        parts.append(f"longest gap {figures.longest_gap_ms:.0f} ms")
    return ", ".join(parts)


def _advice(figures: RtpFigures) -> str | None:
    """What to look at if the sound has holes."""
    has_holes = figures.lost > figures.packets // 50 or (figures.longest_gap_ms or 0) > 300
    is_slow = figures.packet_rate is not None and figures.packet_rate < 47
    return "it sounds choppy: look at the node's CPU, and at its network to here" if has_holes or is_slow else None
