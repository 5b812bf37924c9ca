"""Applies a PATCH to a simulated player: all checks first, then all changes, in the genuine server's order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from revvlink_cli.simulator.answers import BadRequest, InternalError, Refusal
from revvlink_cli.simulator.bodies import ABSENT, Absent, boolean, decoded, integer, is_long, mapping, text
from revvlink_cli.simulator.filters import read_filters, tempo
from revvlink_cli.simulator.music import MOVED_OGG, failing, is_ogg
from revvlink_cli.simulator.player import Player
from revvlink_cli.simulator.track_rules import load

if TYPE_CHECKING:
    from revvlink_cli.client.protocol.tracks import Playable
    from revvlink_cli.simulator.profile import NodeProfile
    from revvlink_cli.simulator.session import Session

    Missing = Literal[Absent.ABSENT]

VOICE_KEYS = ("token", "endpoint", "sessionId", "channelId")
"""Keys of a voice state; Lavalink before 4.2 does not know the last one."""


@dataclass(frozen=True, slots=True)
class Patch:
    """The body of a PATCH, with checked types.

    Attributes:
        volume: The volume.
        position: The position in milliseconds.
        paused: Whether to pause.
        end_time: The position in milliseconds at which to end; None is the end of the track.
        filters: The filters.
        voice: The voice state.
        encoded: The encoded track; None stops the player.
        identifier: The identifier of the track.
        user_data: The bot's data for the track.
        has_both: Whether it has a track in both the current and the deprecated field.
    """

    volume: int | Missing
    position: int | Missing
    paused: bool | Missing
    end_time: int | Missing | None
    filters: dict[str, Any] | Missing
    voice: dict[str, Any] | None
    encoded: str | Missing | None
    identifier: str | Missing
    user_data: dict[str, Any] | None
    has_both: bool
    needs_channel: bool

    @classmethod
    def read(cls, body: Any, *, needs_channel: bool = True) -> Patch:
        """Read a body; `needs_channel` is whether the server requires ``channelId`` in a voice state.

        Raises:
            Refusal: A value is of the wrong type.
        """
        given = mapping(body)
        track = mapping(given.get("track", {}))
        old, new = (_nullable_text(given, "encodedTrack"), text(given, "identifier")), "track" in given
        return cls(
            volume=integer(given, "volume", 32),
            position=integer(given, "position"),
            paused=boolean(given, "paused"),
            end_time=None if given.get("endTime", ABSENT) is None else integer(given, "endTime"),
            filters=read_filters(given["filters"]) if "filters" in given else ABSENT,
            voice=_voice(given["voice"], needs_channel) if "voice" in given else None,
            encoded=_nullable_text(track, "encoded") if new else old[0],
            identifier=text(track, "identifier") if new else old[1],
            user_data=mapping(track["userData"]) if "userData" in track else None,
            has_both=new and old != (ABSENT, ABSENT),
            needs_channel=needs_channel,
        )

    @property
    def has_track(self) -> bool:
        """Whether it names a track, or stops the player."""
        return self.encoded is not ABSENT or self.identifier is not ABSENT

    def track(self, profile: NodeProfile) -> Playable | None:
        """The track to play on a node, None to stop.

        Raises:
            Refusal: The track cannot be loaded.
        """
        if self.identifier is ABSENT:
            return decoded(self.encoded, profile.sources) if isinstance(self.encoded, str) else None
        found = load(self.identifier, profile.sources, profile.tracks)
        match found.kind:
            case "track":
                return found.tracks[0]
            case "playlist" | "search":
                raise Refusal(400, "Cannot play a playlist or search result")
            case "error":
                raise Refusal(400, "Something went wrong while looking up the track.")
        raise Refusal(400, "No matches found for identifier")

    def check(self, disabled_filters: tuple[str, ...]) -> None:
        """Check that no values contradict each other and no filter is disabled.

        Raises:
            Refusal: A check failed.
        """
        if self.has_both:
            raise Refusal(400, "Cannot specify both track and encodedTrack/identifier")
        if self.encoded is not ABSENT and self.identifier is not ABSENT:
            raise Refusal(400, "Cannot specify both encodedTrack and identifier")
        if isinstance(self.end_time, int) and self.end_time <= 0:
            raise Refusal(400, "End time must be greater than 0")
        if self.filters is not ABSENT and (off := [name for name in self.filters if name in disabled_filters]):
            raise Refusal(400, f"Following filters are disabled in the config: {', '.join(off)}")
        if self.voice is not None and not self.needs_channel:
            if not all(self.voice[key].strip() for key in VOICE_KEYS[:-1]):
                raise Refusal(400, f"Partial Lavalink voice state: {self.voice}")
        elif self.voice is not None:
            if not all((self.voice[key] or "").strip() for key in VOICE_KEYS):
                raise Refusal(400, "token, endpoint, sessionId and channelId must be provided in voice state")
            if not is_long(self.voice["channelId"]):
                raise InternalError(f'NumberFormatException: For input string: "{self.voice["channelId"]}"')


def _nullable_text(body: dict[str, Any], key: str) -> str | Missing | None:
    return None if body.get(key, ABSENT) is None else text(body, key)


def _voice(value: Any, needs_channel: bool) -> dict[str, Any]:
    voice = mapping(value)
    if not needs_channel:
        voice = {**voice, "channelId": None}
    for key in VOICE_KEYS:
        if not isinstance(voice.get(key, ABSENT), str) and (key != "channelId" or voice.get(key, ABSENT) is not None):
            raise BadRequest
    return {key: voice[key] for key in VOICE_KEYS}


async def update_player(session: Session, guild: str, patch: Patch, *, no_replace: bool) -> Player:
    """Apply a patch, and create the player if there is none. With an unreachable voice server it never returns.

    Raises:
        Refusal: The genuine server would refuse it.
    """
    patch.check(session.profile.disabled_filters)
    existing = session.players.get(guild)
    keeps = not patch.has_track or (no_replace and existing is not None and existing.track is not None)
    track = None if keeps else patch.track(session.profile)
    player = session.players.setdefault(guild, Player(guild, session.clock))
    if patch.volume is not ABSENT:
        player.volume = min(max(patch.volume, 0), 1000)
    if not patch.has_track:
        await _adjust(session, player, patch)
    if patch.filters is not ABSENT:
        player.set_filters(patch.filters, tempo(patch.filters))
        await session.update(player)
    session.plan(player)  # the voice server may never answer
    if patch.voice is not None:
        await _connect(session, player, patch.voice)
    if not keeps:
        await _play(session, player, track, patch)
    session.plan(player)
    return player


async def _adjust(session: Session, player: Player, patch: Patch) -> None:
    """Change the state of the current track."""
    if patch.paused is not ABSENT:
        player.pause(patch.paused)
    if player.track is None:
        return
    if patch.user_data is not None:
        player.user_data = patch.user_data
    if patch.end_time is not ABSENT:
        player.end_at(patch.end_time)
    if patch.position is not ABSENT:
        player.seek(patch.position)
        await session.update(player)
        player.report_frames()


async def _connect(session: Session, player: Player, voice: dict[str, Any]) -> None:
    """Connect to another voice server; the same one again changes nothing.

    Names under ``invalid`` never resolve (RFC 2606). A genuine server tries to reach an unreachable voice server for
    ever, and later requests for the same player wait too.
    """
    host = voice["endpoint"].rpartition("://")[2].partition("/")[0].partition(":")[0]
    if player.is_stuck or host.lower().endswith(".invalid"):
        player.is_stuck = True
        await asyncio.get_running_loop().create_future()
    if player.is_connected and voice == player.voice:
        return
    await session.disconnect(player)
    if not await session.reach(player, voice):
        player.is_stuck = True
        await asyncio.get_running_loop().create_future()
    player.connect(voice)
    await session.update(player)
    await session.refuse_without_dave(player)


async def _play(session: Session, player: Player, track: Playable | None, patch: Patch) -> None:
    """Replace the current track, or stop it."""
    await session.end(player, "stopped" if track is None else "replaced")
    player.pause(patch.paused is True)
    if track is None:
        return
    position = 0 if patch.position is ABSENT else patch.position
    is_moved_ogg = session.profile.ogg_breaks_when_moved and position > 0 and is_ogg(track)
    player.start(
        track,
        patch.user_data or {},
        position,
        None if patch.end_time is ABSENT else patch.end_time,
        failure=MOVED_OGG if is_moved_ogg else failing(track),
        stuck_after=session.profile.track_stuck_threshold,
    )
    await session.event(player, "TrackStartEvent", track=player.track_payload())
    await session.update(player)  # a second update follows at once: the first of the regular ones
