"""Applies a PATCH to a player of a simulated NodeLink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from revvlink_cli.simulator.bodies import ABSENT
from revvlink_cli.simulator.filters import tempo
from revvlink_cli.simulator.nodelink.answers import Refused, decoded, is_number

if TYPE_CHECKING:
    from revvlink_cli.client.protocol.tracks import Playable
    from revvlink_cli.simulator.nodelink.session import NodeLinkPlayer, NodeLinkSession


def check(body: Any) -> Playable | None:
    """Check a body and read its track; None when it has no track to play.

    Raises:
        Refused: The genuine server would refuse it.
    """
    if not isinstance(body, dict) or not _is_valid(body):
        raise Refused(400, "Invalid payload")
    if body.get("encodedTrack") is not None:
        raise Refused(500, "The `encodedTrack` field is deprecated. Use `track.encoded` instead.", traced=True)
    track = body.get("track") or {}
    if isinstance(track.get("encoded"), str):
        return decoded(track["encoded"])
    if "identifier" in track:
        raise Refused(500, "Track identifier loading is not supported.", traced=True)
    return None


def _is_valid(body: dict[str, Any]) -> bool:
    """Whether every field has its type and is in its range."""
    voice = body.get("voice", {})
    return (
        all(is_number(body[key]) and body[key] >= 0 for key in ("volume", "position") if key in body)
        and body.get("volume", 0) <= 1000
        and isinstance(body.get("paused", False), bool)
        and (body.get("endTime") is None or is_number(body["endTime"]))
        and isinstance(body.get("filters", {}), dict)
        and isinstance(body.get("track") or {}, dict)
        and isinstance(voice, dict)
        and (
            not voice
            or (
                all(isinstance(voice.get(key), str) and voice[key] for key in ("token", "endpoint", "sessionId"))
                and isinstance(voice.get("channelId", ""), str)
            )
        )
    )


async def apply(
    session: NodeLinkSession, player: NodeLinkPlayer, body: dict[str, Any], track: Playable | None, *, no_replace: bool
) -> None:
    """Apply the changes to the player, and send an event for each."""
    if "volume" in body:
        player.volume = body["volume"]
        await session.event(player, "VolumeChangedEvent", volume=player.volume)
    if "filters" in body and player.track is not None:  # a NodeLink discards filters of a player without a track
        filters = {name: value if isinstance(value, dict) else {} for name, value in body["filters"].items()}
        player.set_filters({"filters": filters}, tempo(filters))
        await session.event(player, "FiltersChangedEvent", filters={"filters": filters})
    if "paused" in body:
        await _pause(session, player, body["paused"])
    if "position" in body and player.track is not None and track is None:
        await _seek(session, player, body["position"])
    if body.get("endTime"):
        player.end_at(body["endTime"])
    if "track" in body:
        position = body.get("position", 0) if player.is_connected or body.get("voice") else 0  # lost without voice
        await _change_track(session, player, body["track"] or {}, track, position, no_replace=no_replace)
    if body.get("voice"):
        await _change_voice(session, player, body["voice"])


async def _pause(session: NodeLinkSession, player: NodeLinkPlayer, paused: bool) -> None:
    """Pause or resume; a NodeLink with a voice connection fails to resume without a track."""
    if paused == player.paused:
        return
    player.pause(paused)
    if not paused and player.is_connected and player.track is None:
        raise Refused(500, "Cannot read properties of null (reading 'canStop')", traced=True)
    await session.event(player, "PauseEvent", paused=paused)


async def _seek(session: NodeLinkSession, player: NodeLinkPlayer, position: int) -> None:
    if not player.is_sending:
        message = f"Event stateChange timed out after 15000ms for guild {player.guild_id}"
        raise Refused(500, message, traced=True)
    player.seek(position)
    length = player.track.length if player.track else 0
    await session.filters_changed(player)
    await session.event(player, "SeekEvent", position=position, duration=length)


async def _change_track(
    session: NodeLinkSession,
    player: NodeLinkPlayer,
    given: dict[str, Any],
    track: Playable | None,
    position: int,
    *,
    no_replace: bool,
) -> None:
    if track is None:
        if given.get("encoded", ABSENT) is None or not given:
            await session.end(player, "stopped")
        return
    if no_replace and player.track is not None:
        player.user_data = given.get("userData") or {}
        return
    await session.end(player, "replaced")
    player.begin(track, given.get("userData") or {}, position, None)
    player.starts_next = player.is_connected and not player.fails_at_once


async def _change_voice(session: NodeLinkSession, player: NodeLinkPlayer, voice: dict[str, Any]) -> None:
    if player.is_connected:  # the server closes the old connection, but reports that Discord closed it
        await session.lose_voice(player, 4014)
    player.voice = {"channelId": None, **voice}
    await session.update(player)
    player.pending_voice = voice
    player.starts_next = False  # the track starts with the new connection
