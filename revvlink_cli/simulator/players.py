"""What a PATCH does to a simulated player."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.tracks import TrackDecodeError, decode_track
from revvlink_cli.simulator.answers import Refusal
from revvlink_cli.simulator.catalogue import look_up
from revvlink_cli.simulator.session import Player

if TYPE_CHECKING:
    from revvlink_cli.client.tracks import Playable
    from revvlink_cli.simulator.session import Session

_MISSING = object()

_NUMBERS = {"volume": int, "position": int, "paused": bool}


async def update_player(session: Session, guild: str, body: Any, *, no_replace: bool) -> Player:
    """Apply the body of a PATCH, making the player if there is none.

    Raises:
        Refusal: The genuine server would refuse it.
    """
    if not isinstance(body, dict):
        raise Refusal(400, "Bad Request")
    _check_types(body)
    chosen, user_data = _wanted_track(body)
    voice = _wanted_voice(body)
    player = session.players.setdefault(guild, Player(guild))
    player.hold()
    if "volume" in body:
        player.volume = min(max(body["volume"], 0), 1000)
    if "filters" in body and isinstance(body["filters"], dict):
        player.filters = body["filters"]
    if voice is not None:
        player.voice = voice
    if chosen is not _MISSING and not (no_replace and player.track is not None and chosen is not None):
        await _start(session, player, chosen, user_data)
    elif user_data is not None and player.track is not None:
        player.user_data = user_data
    if "paused" in body:
        player.paused = body["paused"]
    if "position" in body and player.track is not None:
        player.seek(body["position"])
    if "endTime" in body:
        player.end_time = body["endTime"]
    if voice is not None or player.track is not None:
        await session.update(player)
    return player


def _check_types(body: dict[str, Any]) -> None:
    for key, kind in _NUMBERS.items():
        if key in body and (not isinstance(body[key], kind) or (kind is int and isinstance(body[key], bool))):
            raise Refusal(400, "Bad Request")
    end = body.get("endTime")
    if end is not None and (not isinstance(end, int) or end <= 0):
        raise Refusal(400, "End time must be greater than 0")
    if "track" in body and ("encodedTrack" in body or "identifier" in body):
        raise Refusal(400, "Cannot specify both track and encodedTrack/identifier")


def _wanted_track(body: dict[str, Any]) -> tuple[Any, dict[str, Any] | None]:
    """The track to play (None stops, `_MISSING` changes nothing) and the data to attach."""
    track = body.get("track", {})
    if not isinstance(track, dict):
        raise Refusal(400, "Bad Request")
    user_data = track.get("userData")
    encoded = track.get("encoded", body.get("encodedTrack", _MISSING))
    identifier = track.get("identifier", body.get("identifier", _MISSING))
    if encoded is not _MISSING and identifier is not _MISSING:
        raise Refusal(400, "Cannot specify both encodedTrack and identifier")
    if identifier is not _MISSING:
        return _resolved(identifier), user_data
    if encoded is _MISSING or encoded is None:
        return encoded, user_data
    if not isinstance(encoded, str):
        raise Refusal(400, "Bad Request")
    try:
        return decode_track(encoded), user_data
    except TrackDecodeError as error:
        message = f"Request processing failed: java.lang.IllegalArgumentException: {error}"
        raise Refusal(500, message, is_defect=True) from None


def _resolved(identifier: Any) -> Playable:
    if not isinstance(identifier, str):
        raise Refusal(400, "Bad Request")
    found = look_up(identifier)
    match found.kind:
        case "track":
            return found.tracks[0]
        case "playlist":
            raise Refusal(400, "Cannot play a playlist")
        case "search":
            raise Refusal(400, "Cannot play a search result")
        case "error":
            raise Refusal(400, "Something went wrong while looking up the track.")
    raise Refusal(400, "No matches found for identifier")


def _wanted_voice(body: dict[str, Any]) -> dict[str, Any] | None:
    if "voice" not in body:
        return None
    voice, keys = body["voice"], ("token", "endpoint", "sessionId", "channelId")
    if not isinstance(voice, dict) or any(key not in voice for key in keys) or voice["endpoint"] is None:
        raise Refusal(400, "Bad Request")
    if not all(isinstance(voice[key], str) and voice[key].strip() for key in keys):
        raise Refusal(400, "Partial voice state update. token, endpoint, sessionId and channelId must be provided.")
    return {key: voice[key] for key in keys}


async def _start(session: Session, player: Player, track: Playable | None, user_data: dict[str, Any] | None) -> None:
    """Play a track in place of another, or stop."""
    if player.track is not None:
        await session.end(player, "stopped" if track is None else "replaced")
    player.paused = False
    player.seek(0)
    if track is not None:
        player.track, player.user_data = replace(track, position=0), user_data or {}
        await session.event(player, "TrackStartEvent", track=player.track_payload())
