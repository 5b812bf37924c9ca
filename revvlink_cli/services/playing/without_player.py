"""What a node shows without a player: NodeLink decodes a track on request, the YouTube plugin streams one."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import LavalinkException, LavalinkLoadException
from revvlink_cli.health.failure_codes import FailureCode
from revvlink_cli.health.known_failures import explain_load
from revvlink_cli.services.playing.report import PlayError, PlayVerdict

if TYPE_CHECKING:
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.protocol.tracks import Playable
    from revvlink_cli.services.playing.report import PlayReport, ReportBuilder

SAMPLE_TIME = 10.0
"""Seconds that an answer and its bytes may take."""

SAMPLE_BYTES = 48_000 * 2 * 2
"""Bytes of a second of decoded sound: 48 kHz, two channels, 16 bits."""

SILENCE_LEVEL = 8
"""Samples up to this value are silence: they come from rounding in the decoder."""

YOUTUBE_BYTES = 65_536
"""Bytes of a YouTube track that are fetched."""


async def decode_on_node(node: Node, track: Playable, seconds: float, report: ReportBuilder) -> PlayReport:
    """Let a NodeLink decode the track, if it has that endpoint.

    Raises:
        PlayError: It decodes to nothing, or to silence.
        RevvlinkException: The node did not answer, or refused.
    """
    most = int(min(max(seconds, 1.0), 30.0) * SAMPLE_BYTES)
    try:
        sample = await node.rest.sample(
            "POST", "/v4/loadstream", data={"encodedTrack": track.encoded}, most=most, timeout=SAMPLE_TIME
        )
    except LavalinkException as error:
        if error.status != 404:
            raise
        return report.build(
            PlayVerdict.UNPROVEN,
            "the track loads; a NodeLink does not begin to play without voice",
            advice="measure it with --listen, or set enableLoadStreamEndpoint on the node",
        )
    report.add(pcm_bytes=len(sample))
    report.step("streamed", f"{len(sample)} bytes of decoded sound")
    decoded = len(sample) / SAMPLE_BYTES
    if not sample:
        raise PlayError(
            PlayVerdict.FAILS, "the node decodes nothing of the track", code="no_audio", advice="see the node's log"
        )
    if not is_sound(sample):
        raise PlayError(
            PlayVerdict.FAILS, f"the first {decoded:.1f} s are silence", code="silence",
            advice="try a track that begins with sound",
        )  # fmt: skip
    report.step("heard", "sound, decoded by the node")
    return report.build(PlayVerdict.HEARD, f"the node decodes it to sound ({decoded:.1f} s); voice was not tried")


async def fetch_from_youtube(node: Node, track: Playable, report: ReportBuilder) -> None:
    """Fetch some bytes of a YouTube track through the YouTube plugin, if the node has it.

    It shows whether YouTube serves the track to the node's address.

    Raises:
        PlayError: The plugin cannot stream the track.
        RevvlinkException: The node did not answer.
    """
    plugins = node.info.plugins if node.info is not None else ()
    if track.source != "youtube" or not any("youtube" in plugin.name.lower() for plugin in plugins):
        return
    try:
        sample = await node.rest.sample(
            "GET", f"/youtube/stream/{track.identifier}", most=YOUTUBE_BYTES, timeout=SAMPLE_TIME
        )
    except LavalinkException as error:
        if error.status == 404:
            return
        words = error.reason or error.message
        known = explain_load(LavalinkLoadException(words))
        code = known.code if known.is_known else FailureCode.YOUTUBE_CLIENT_BROKEN
        advice = known.next_step or "configure other clients in the YouTube plugin, and update it"
        what = f"the YouTube plugin cannot stream it: {known.sentence(words)}"
        raise PlayError(PlayVerdict.FAILS, what, code=str(code), advice=advice) from error
    report.step("streamed", f"{len(sample)} bytes from YouTube")


def is_sound(sample: bytes) -> bool:
    """Whether decoded sound (16 bits, little endian) has anything to hear."""
    values = array("h", sample[: len(sample) // 2 * 2])
    return bool(values) and max(*values, -min(values)) > SILENCE_LEVEL
