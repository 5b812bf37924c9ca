"""The events of a node's websocket, in one form for every kind of server.

Plugins and NodeLink add event types of their own, so an unknown type is normal: it becomes an `OtherEvent` with all
that was sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import msgspec

from revvlink_cli.client.protocol.guild_ids import MAX_DIGITS, guild_id_in, read_guild_id
from revvlink_cli.client.protocol.models import NOTHING, UndecodableError, WireTrack
from revvlink_cli.client.protocol.tracks import Playable
from revvlink_cli.client.protocol.voice_codes import explain_close

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackStart:
    """A track begins.

    Attributes:
        guild_id: The player's guild.
        track: The track, or None when it could not be read.
        caused_by_pool: Whether the pool itself brought it about, see `revvlink_cli.client.routing.effects`.
    """

    guild_id: int
    track: Playable | None
    caused_by_pool: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackEnd:
    """A track has ended.

    Attributes:
        guild_id: The player's guild.
        track: The track, or None when it could not be read.
        reason: ``finished``, ``loadFailed``, ``stopped``, ``replaced`` or ``cleanup``, as sent.
        caused_by_pool: Whether the pool itself brought it about, see `revvlink_cli.client.routing.effects`.
    """

    guild_id: int
    track: Playable | None
    reason: str
    caused_by_pool: bool = False

    @property
    def may_start_next(self) -> bool:
        """Whether the protocol lets a bot play its next track after this: it has finished, or could not be loaded.

        Not of an end that was `caused_by_pool`: the track goes on elsewhere, or is about to be tried again.
        """
        return self.reason in ("finished", "loadFailed")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackException:
    """A track cannot be played, or not any further. A `TrackEnd` follows, on NodeLink two.

    Attributes:
        guild_id: The player's guild.
        track: The track, or None when it could not be read.
        message: What went wrong, "" if untold.
        severity: ``common``, ``suspicious`` or ``fault``, "" if untold.
        cause: The exception's class and message, "" if untold.
        stack_trace: Where it was thrown, "" if untold: with its causes the only place of some reasons.
        caused_by_pool: Whether the pool itself brought it about, see `revvlink_cli.client.routing.effects`.
    """

    guild_id: int
    track: Playable | None
    message: str
    severity: str
    cause: str
    stack_trace: str = field(default="", repr=False)
    caused_by_pool: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackStuck:
    """A track gives no audio; it may still go on.

    Attributes:
        guild_id: The player's guild.
        track: The track, or None when it could not be read.
        threshold_ms: Milliseconds without audio, None if untold.
        caused_by_pool: Whether the pool itself brought it about, see `revvlink_cli.client.routing.effects`.
    """

    guild_id: int
    track: Playable | None
    threshold_ms: int | None
    caused_by_pool: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceClosed:
    """A player's voice connection has ended (``WebSocketClosedEvent``): no failure of the node.

    Attributes:
        guild_id: The player's guild.
        code: Discord's close code; None where a NodeLink could not connect at all.
        reason: What Discord said, "" if nothing.
        by_remote: Whether Discord closed it. NodeLink says so of changes it made itself, too.
        caused_by_pool: Whether the pool itself brought it about, see `revvlink_cli.client.routing.effects`.
    """

    guild_id: int
    code: int | None
    reason: str
    by_remote: bool
    caused_by_pool: bool = False

    @property
    def explanation(self) -> str | None:
        """What the code means and what to do about it; None for a code without a known meaning."""
        return explain_close(self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherEvent:
    """An event of a plugin, or one that only NodeLink has.

    Attributes:
        type: Its type.
        guild_id: The player's guild, None when it is about no player.
        data: All of it, as sent.
        caused_by_pool: Whether the pool itself brought it about, see `revvlink_cli.client.routing.effects`.
    """

    type: str
    guild_id: int | None
    data: Mapping[str, Any] = field(hash=False)
    caused_by_pool: bool = False


Event: TypeAlias = TrackStart | TrackEnd | TrackException | TrackStuck | VoiceClosed | OtherEvent


class WireTrackEvent(
    msgspec.Struct, forbid_unknown_fields=True, frozen=True, tag_field="op", tag="event", rename="camel", gc=False
):
    """The beginning or the end of a track as every known server sends it; other events are read from plain values."""

    type: Literal["TrackStartEvent", "TrackEndEvent"]
    guild_id: Annotated[str, msgspec.Meta(max_length=MAX_DIGITS)]
    track: WireTrack
    reason: str | None = None

    def event(self) -> TrackStart | TrackEnd | None:
        """The event; None if it has an unusual form after all."""
        guild = guild_id_in(self.guild_id)
        if guild is None or (self.type == "TrackEndEvent") != (self.reason is not None):
            return None
        try:
            track = Playable.from_wire(self.track)
        except ValueError:
            return None
        if self.reason is None:
            return TrackStart(guild_id=guild, track=track)
        return TrackEnd(guild_id=guild, track=track, reason=self.reason)


def read_event(raw: Any) -> tuple[Event, tuple[str, ...]]:
    """An event as sent.

    Returns:
        The event, and the fields (``TrackEndEvent track``) that were not what they should be.

    Raises:
        UndecodableError: It is not an object, or has no type.
    """
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
        raise UndecodableError("an event without a type")
    kind, guild = raw["type"], read_guild(raw)
    reader = _Reader(raw, kind)
    if guild is None or kind not in _KNOWN:
        if kind in _KNOWN:
            reader.odd.append(f"{kind} guildId")
        return OtherEvent(type=kind, guild_id=guild, data=raw), tuple(reader.odd)
    event: Event
    match kind:
        case "TrackStartEvent":
            event = TrackStart(guild_id=guild, track=reader.track())
        case "TrackEndEvent":
            event = TrackEnd(guild_id=guild, track=reader.track(), reason=reader.text("reason"))
        case "TrackExceptionEvent":
            exception = reader.object("exception")
            event = TrackException(
                guild_id=guild,
                track=reader.track(),
                message=_text_of(exception, "message"),
                severity=_text_of(exception, "severity"),
                cause=_text_of(exception, "cause"),
                stack_trace=_text_of(exception, "causeStackTrace"),
            )
        case "TrackStuckEvent":
            event = TrackStuck(guild_id=guild, track=reader.track(), threshold_ms=reader.integer("thresholdMs"))
        case _:
            by_remote = raw.get("byRemote") is True
            # NodeLink leaves code and reason out when there was no connection to close.
            code = reader.integer("code") if "code" in raw else None
            reason = reader.text("reason") if raw.get("reason") is not None else ""
            event = VoiceClosed(guild_id=guild, code=code, reason=reason, by_remote=by_remote)
    return event, tuple(reader.odd)


_KNOWN = ("TrackStartEvent", "TrackEndEvent", "TrackExceptionEvent", "TrackStuckEvent", "WebSocketClosedEvent")


def read_guild(raw: Mapping[str, Any]) -> int | None:
    """``guildId``: a text on every server known; a number is as good."""
    return read_guild_id(raw.get("guildId"))


class _Reader:
    """The fields of one event; remembers those of a wrong type."""

    def __init__(self, raw: Mapping[str, Any], kind: str) -> None:
        self._raw = raw
        self._kind = kind
        self.odd: list[str] = []

    def _odd(self, key: str) -> None:
        self.odd.append(f"{self._kind} {key}")

    def track(self) -> Playable | None:
        try:
            return Playable.from_payload(self._raw.get("track"))
        except ValueError:
            self._odd("track")
            return None

    def text(self, key: str) -> str:
        value = self._raw.get(key)
        if isinstance(value, str):
            return value
        self._odd(key)
        return ""

    def integer(self, key: str) -> int | None:
        value = self._raw.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self._odd(key)
        return None

    def object(self, key: str) -> Mapping[str, Any]:
        value = self._raw.get(key)
        if isinstance(value, dict):
            return value
        self._odd(key)
        return NOTHING


def _text_of(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""
