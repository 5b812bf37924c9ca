"""The players of one session as the node reports them in REST answers, updates and events.

This is what a node says, not what a bot wants: after a resume the two are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import structs

from revvlink_cli.client import clock
from revvlink_cli.client.protocol.guild_ids import MAX_DIGITS, guild_id_in, read_guild_id
from revvlink_cli.client.protocol.messages import (
    Event,
    OtherEvent,
    TrackEnd,
    TrackException,
    TrackStart,
    TrackStuck,
    VoiceClosed,
    WireTrackEvent,
    read_guild,
)
from revvlink_cli.client.protocol.models import NOTHING, WireTrack, may_be_deep
from revvlink_cli.client.protocol.tracks import Playable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_Natural = Annotated[int, msgspec.Meta(ge=0)]

_KEYS = frozenset({"guildId", "track", "volume", "paused", "state", "voice", "filters"})


class PlayerState(msgspec.Struct, frozen=True, kw_only=True, gc=False):  # it can be in no cycle
    """``state`` of a player, as in ``playerUpdate``.

    Attributes:
        time: The time of this state, milliseconds since 1970 by the node's clock.
        position: Milliseconds into the track; without voice it stands still on Lavalink.
        connected: Whether the voice connection is open.
        ping: Milliseconds of the voice connection's last heartbeat, -1 without one, 0 before the first.
    """

    time: _Natural = 0
    position: _Natural = 0
    connected: bool = False
    ping: int = -1


class _Update(msgspec.Struct, frozen=True, tag_field="op", tag="playerUpdate", rename="camel", gc=False):
    """A ``playerUpdate`` as every known server sends it."""

    guild_id: Annotated[str, msgspec.Meta(max_length=MAX_DIGITS)]
    state: PlayerState


_decode_frequent: Callable[[str], _Update | WireTrackEvent] = msgspec.json.Decoder(_Update | WireTrackEvent).decode


def read_frequent(text: str) -> tuple[int, PlayerState] | TrackStart | TrackEnd | None:
    """A frequent message, in one pass: guild and state of a ``playerUpdate``, or the beginning or end of a track.

    None for another message, or one with an unusual form.
    """
    try:
        message = _decode_frequent(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if isinstance(message, _Update):
        guild = guild_id_in(message.guild_id)
        return (guild, message.state) if guild is not None else None
    return message.event()


class RemotePlayer(msgspec.Struct, frozen=True, kw_only=True, gc=False):  # it can be in no cycle
    """A player as a node has it.

    Attributes:
        guild_id: Its guild.
        track: What it plays, or None.
        volume: Per cent, 0..1000.
        paused: Whether it is paused.
        state: Where it is.
        voice: Its voice state as sent; a player without one has empty texts there on Lavalink, nulls on NodeLink.
        filters: Its filters as sent.
        extra: What the node says beyond that, as sent (NodeLink: ``fading``, ``loudnessNormalizer``); a ``track``
            stands here when it cannot be read.
    """

    guild_id: int
    track: Playable | None = None
    volume: int = 100
    paused: bool = False
    state: PlayerState = PlayerState()
    voice: Mapping[str, Any] = NOTHING
    filters: Mapping[str, Any] = NOTHING
    extra: Mapping[str, Any] = NOTHING

    @classmethod
    def from_payload(cls, raw: Any) -> RemotePlayer:
        """A player as sent; what is missing or of another type gets a neutral value.

        Raises:
            ValueError: It is not a player: no object, or without a guild.
        """
        if not isinstance(raw, dict):
            raise ValueError("a player that is not an object")
        guild = read_guild(raw)
        if guild is None:
            raise ValueError("a player without its guild")
        volume = raw.get("volume")
        extra = {key: value for key, value in raw.items() if key not in _KEYS}
        track = None
        if raw.get("track") is not None:
            try:
                track = Playable.from_payload(raw["track"])
            except ValueError:
                extra["track"] = raw["track"]
        return cls(
            guild_id=guild,
            track=track,
            volume=volume if isinstance(volume, int) and not isinstance(volume, bool) else 100,
            paused=raw.get("paused") is True,
            state=read_state(raw.get("state")),
            voice=_object(raw, "voice"),
            filters=_object(raw, "filters"),
            extra=extra,
        )


class _WirePlayer(msgspec.Struct, forbid_unknown_fields=True, frozen=True, rename="camel", gc=False):
    """A player as a Lavalink sends it; one with any other field or type is read from its plain values."""

    guild_id: Annotated[str, msgspec.Meta(max_length=MAX_DIGITS)]
    track: WireTrack | None
    volume: int
    paused: bool
    state: PlayerState
    voice: dict[str, Any]
    filters: dict[str, Any]


_decode_player: Callable[[bytes], _WirePlayer] = msgspec.json.Decoder(_WirePlayer).decode


def read_player(answer: bytes) -> RemotePlayer | None:
    """The player in an answer, in one pass: the same as `from_payload` gives. None for an answer of unusual form."""
    if may_be_deep(answer):
        return None
    try:
        wire = _decode_player(answer)
        track = Playable.from_wire(wire.track) if wire.track is not None else None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    guild = guild_id_in(wire.guild_id)
    if guild is None:
        return None
    return RemotePlayer(
        guild_id=guild,
        track=track,
        volume=wire.volume,
        paused=wire.paused,
        state=wire.state,
        voice=wire.voice,
        filters=wire.filters,
    )


def read_state(raw: Any) -> PlayerState:
    """A player's ``state`` as sent; what is missing or of another type gets a neutral value."""
    raw = raw if isinstance(raw, dict) else NOTHING
    return PlayerState(
        time=max(_integer(raw, "time", 0), 0),
        position=max(_integer(raw, "position", 0), 0),
        connected=raw.get("connected") is True,
        ping=_integer(raw, "ping", -1),
    )


def _object(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else NOTHING


def _integer(raw: Mapping[str, Any], key: str, otherwise: int) -> int:
    value = raw.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


class _Known(msgspec.Struct, gc=False):  # it can be in no cycle
    """What is known of one player.

    Attributes:
        player: The player as the last answer described it, but for what follows.
        track: What it plays, or None.
        state: Where it is.
        received_at: Monotonic second at which the node sent `state`.
    """

    player: RemotePlayer
    track: Playable | None
    state: PlayerState
    received_at: float


class SessionPlayers:
    """The players of a session, by guild.

    Players come and go by REST answers only. A message about another guild changes nothing: Lavalink sends one more
    update of a player that was just destroyed.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    @property
    def players(self) -> Mapping[int, RemotePlayer]:
        """The players by guild; a copy."""
        return {
            guild: structs.replace(known.player, track=known.track, state=known.state)
            for guild, known in self._known.items()
        }

    def state_of(self, guild_id: int) -> tuple[PlayerState, float] | None:
        """A player's state, and the monotonic second at which the node sent it; None without such a player."""
        known = self._known.get(guild_id)
        return (known.state, known.received_at) if known is not None else None

    def replace(self, players: Iterable[RemotePlayer]) -> None:
        """Replace all players with these."""
        self._known.clear()
        for player in players:
            self.put(player)

    def put(self, player: RemotePlayer) -> None:
        """Add or replace one player."""
        self._known[player.guild_id] = _Known(player, player.track, player.state, clock.monotonic())

    def drop(self, guild_id: int) -> None:
        """Remove a player."""
        self._known.pop(guild_id, None)

    def update(self, guild_id: int, state: PlayerState, now: float) -> None:
        """Apply a ``playerUpdate`` that came at a monotonic second."""
        known = self._known.get(guild_id)
        if known is not None:
            known.state, known.received_at = state, now

    def seek(self, guild_id: int, position: int) -> None:
        """Apply a seek that was accepted: a Lavalink's answer still has the position of the last frame."""
        known = self._known.get(guild_id)
        if known is not None:
            known.state, known.received_at = structs.replace(known.state, position=position), clock.monotonic()

    def apply(self, event: Event) -> bool:
        """Apply an event; returns False when this client does not know its type."""
        match event:
            case TrackStart(guild_id=guild, track=track):
                self._set_track(guild, track)
            case TrackEnd(guild_id=guild, reason=reason):
                if reason != "replaced":  # the next track has begun, or is about to
                    self._set_track(guild, None)
            case VoiceClosed(guild_id=guild):
                known = self._known.get(guild)
                if known is not None:
                    known.state = structs.replace(known.state, connected=False, ping=-1)
            case TrackException() | TrackStuck():
                pass  # neither of them ends a track
            case OtherEvent():
                return self._apply_nodelink(event)
        return True

    def _apply_nodelink(self, event: OtherEvent) -> bool:
        """Apply an event that only NodeLink 3 sends; it sends them also for changes by REST."""
        guild, data = event.guild_id or 0, event.data
        match event.type:
            case "PlayerDestroyedEvent":
                self.drop(guild)
            case "VolumeChangedEvent" if isinstance(volume := data.get("volume"), int):
                self._change(guild, volume=volume)
            case "PauseEvent" if isinstance(paused := data.get("paused"), bool):
                self._change(guild, paused=paused)
            case "WorkerFailedEvent" if isinstance(guilds := data.get("affectedGuilds"), list):
                for lost in guilds:
                    self.drop(read_guild_id(lost) or 0)
            case kind:
                return kind in _QUIET
        return True

    def _set_track(self, guild_id: int, track: Playable | None) -> None:
        known = self._known.get(guild_id)
        if known is not None:
            known.track = track

    def _change(self, guild_id: int, **fields: Any) -> None:
        known = self._known.get(guild_id)
        if known is not None:
            known.player = structs.replace(known.player, **fields)


_QUIET = frozenset(
    {
        "PlayerCreatedEvent",  # the answer to the request that made the player has the same data
        "PlayerConnectedEvent",
        "FiltersChangedEvent",
        "SeekEvent",
        "VolumeChangedEvent",
        "PauseEvent",
        "ConnectionStatusEvent",
        "WorkerFailedEvent",
    }
)
"""Event types of NodeLink 3 that are known and change nothing here."""
