"""Measures what a node plays to our voice server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code, LavalinkException, RevvlinkException
from revvlink_cli.health.failure_codes import EXPLANATIONS, FailureCode
from revvlink_cli.health.voice import advice_without_dave, voice_ability
from revvlink_cli.services.playing.report import PlayError, PlayVerdict
from revvlink_cli.services.voice.rtp import FRAME_MS

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

LATE_EVENT_TIME = 0.5
"""Seconds that the event of a failure may come after the last packet."""

LEAST_PLAYED = 0.5
"""Share of the measured time for which there must be audio."""

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
        # A Lavalink answers 500 when the TLS handshake fails; what our side saw of it says more.
        if isinstance(error, LavalinkException) and (error.status or 0) < 500:
            raise
        is_seen = isinstance(error, LavalinkException) or error.code in (Code.SILENT, Code.TIMEOUT)
        raise _unreachable(voice.why_unreached(call) if is_seen else error.message, advice) from error
    if not await call.until(lambda: call.selected_at is not None, HANDSHAKE_TIME):
        raise _unreachable(voice.why_unreached(call), advice)
    dave = f"DAVE version {call.dave_version}" if call.dave_version else "no end-to-end encryption"
    report.step("connected", f"the node connected to the voice server and offers {dave}")
    return call


async def measure(node: Node, call: VoiceCall, watch: PlayerWatch, seconds: float, report: ReportBuilder) -> PlayReport:
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
        await watch.until(LATE_EVENT_TIME, watch.has_ended)  # the reason may come after the silence
        watch.raise_failure()
        raise _nothing_heard(call, watch)
    report.step("heard", "the first packet of sound", at=call.statistics.first_sound_at)
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
    played = figures.packets * FRAME_MS / 1000
    if not watch.has_ended() and played < seconds * LEAST_PLAYED:
        raise PlayError(
            PlayVerdict.FAILS,
            f"only {played:.1f} s of audio came in {seconds:g} s: the track pauses in between",
            code="audio_interrupted",
            advice="the source is too slow, or the node is overloaded: see its log, and try another track",
        )
    if call.dave_version == 0:
        dave = EXPLANATIONS[FailureCode.VOICE_DAVE_REQUIRED]
        what = f"{_sentence(figures)}; but not on Discord, which closes its voice with 4017: it offers no DAVE"
        advice = advice_without_dave(voice_ability(node.info, node.rest.dialect))
        return report.build(PlayVerdict.HEARD, what, code=str(dave.code), advice=advice)
    return report.build(PlayVerdict.HEARD, _sentence(figures), advice=_advice(figures))


def _unreachable(why: str, advice: str) -> PlayError:
    message = f"the node could not reach the voice server: {why}"
    return PlayError(PlayVerdict.FAILS, message, code="voice_unreachable", advice=advice)


def _nothing_heard(call: VoiceCall, watch: PlayerWatch) -> PlayError:
    packets = call.statistics.figures().packets
    advice = "see the node's log"
    if call.foreign:
        what, code = f"{call.foreign} packets came under another player's number", "foreign_audio"
    elif watch.ended is not None:
        what, code = f"the track ended ({watch.ended}) without any sound: it cannot be decoded", "no_audio"
        advice = "see the node's log, and try the track in another player: it may be empty, silent or damaged"
    elif packets:
        what, code = f"{packets} packets came, all of silence", "silence"
        advice = "try a track that begins with sound; if it stays, see the node's log"
    else:
        what, code = f"connected, but no packet came within {FIRST_PACKET_TIME:g} s", "no_audio"
        advice = "see the node's log, and its UDP route to here"
    return PlayError(PlayVerdict.FAILS, what, code=code, advice=advice)


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
