"""The wanted state of one player, as a frozen record that can be stored, sent and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from revvlink_cli.client.protocol.models import NOTHING
from revvlink_cli.client.protocol.tracks import Playable

if TYPE_CHECKING:
    from collections.abc import Collection

TRACK_FIELDS = ("track", "position", "end_time", "paused")
"""The fields that are sent together with a track."""


class VoiceState(msgspec.Struct, frozen=True, kw_only=True, gc=False):  # it can be in no cycle
    """The data that a node needs to connect to a guild's voice channel.

    Attributes:
        token: From Discord's VOICE_SERVER_UPDATE.
        endpoint: From Discord's VOICE_SERVER_UPDATE.
        session_id: From VOICE_STATE_UPDATE.
        channel_id: From VOICE_STATE_UPDATE; Lavalink 4.2 needs it.

    Raises:
        TypeError: A value has another type.
        ValueError: A value is missing; the message names each one.
    """

    token: str
    endpoint: str
    session_id: str
    channel_id: str

    def __post_init__(self) -> None:
        """Refuse values that a server would refuse."""
        missing: list[str] = []
        for name in ("token", "endpoint", "session_id", "channel_id"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{name} must be a str, not {type(value).__name__}")
            if not value or value.isspace():
                missing.append(name)
        if missing:
            raise ValueError(f"the voice state has no {' and no '.join(missing)}")
        if not self.channel_id.isascii() or not self.channel_id.isdigit():
            raise ValueError(f"channel_id is a channel's number, not {self.channel_id!r}")

    def payload(self) -> dict[str, str]:
        """The voice state as the protocol names its fields."""
        return {
            "token": self.token,
            "endpoint": self.endpoint,
            "sessionId": self.session_id,
            "channelId": self.channel_id,
        }


class Wishes(msgspec.Struct, frozen=True, kw_only=True, gc=False):  # it can be in no cycle
    """The wanted state of a player.

    Attributes:
        voice: Its voice state, or None.
        track: The track, or None.
        position: Milliseconds at which the track continues; None is the position on the node.
        end_time: Milliseconds at which the track ends; None is its own end.
        paused: Whether it is paused.
        volume: The volume in per cent, 0..1000.
        filters: Its filters, as in the protocol.
    """

    voice: VoiceState | None = None
    track: Playable | None = None
    position: int | None = 0
    end_time: int | None = None
    paused: bool = False
    volume: int = 100
    filters: Mapping[str, Any] = NOTHING

    def payload(self) -> dict[str, Any]:
        """All fields, for a node that does not have the player."""
        names = ["volume", "voice"]
        if self.filters:
            names.append("filters")
        if self.track is not None:
            names.append("track")
        return self.changes(names)

    def changes(self, names: Collection[str]) -> dict[str, Any]:
        """The named fields, for a node that has the others; a track comes with its position, end and pause."""
        data: dict[str, Any] = {}
        if "volume" in names:
            data["volume"] = self.volume
        if "voice" in names and self.voice is not None:
            data["voice"] = self.voice.payload()
        if "filters" in names:
            data["filters"] = dict(self.filters)
        if "track" in names:
            return data | self._track()
        if "paused" in names:
            data["paused"] = self.paused
        if "position" in names and self.position is not None:
            data["position"] = self.position
        return data

    def _track(self) -> dict[str, Any]:
        if self.track is None:
            return {"track": {"encoded": None}}
        track: dict[str, Any] = {"encoded": self.track.encoded} if self.track.encoded else {}
        if self.track.user_data:
            track["userData"] = self.track.to_payload()["userData"]
        data: dict[str, Any] = {"track": track, "paused": self.paused}
        if self.position:
            data["position"] = self.position
        if self.end_time is not None:
            data["endTime"] = self.end_time
        return data

    def differing(self, other: Wishes) -> set[str]:
        """The names of the fields in which the two differ."""
        return {name for name in self.__struct_fields__ if getattr(self, name) != getattr(other, name)}

    def without(self, accepted: Wishes, *, voice: bool) -> list[Wishes]:
        """The states that leave out changes which may have been refused, from few left out to all.

        Args:
            accepted: The state before the changes.
            voice: Whether a new voice state may be left out too.
        """
        groups = [("filters",), TRACK_FIELDS, ("filters", *TRACK_FIELDS)]
        groups += [("filters", *TRACK_FIELDS, "volume", "voice")] if voice else []
        found: list[Wishes] = []
        for names in groups:
            left = replace(self, **{name: getattr(accepted, name) for name in names})
            if left not in (self, *found):
                found.append(left)
        return found

    def idle(self) -> Wishes:
        """The same without a track."""
        return replace(self, track=None, end_time=None, position=0)


NO_WISHES = Wishes()
"""The state of a new player."""


def check_track(track: object) -> None:
    """Check that a value is a track.

    Raises:
        TypeError: It is not; the message names the type that is needed.
        ValueError: Its `user_data` cannot be sent as JSON.
    """
    if not isinstance(track, Playable):
        wanted = "a Playable, such as Pool.fetch_tracks gives"
        raise TypeError(f"track must be {wanted}, not {type(track).__name__}")
    if track.user_data:
        plain(track.to_payload()["userData"], "the track's user_data")


def check_number(name: str, value: object) -> None:
    """Check that a value is an int.

    Raises:
        TypeError: It is not.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")


def check_flag(name: str, value: object) -> None:
    """Check that a value is True or False.

    Raises:
        TypeError: It is neither.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}")


def checked_filters(filters: object) -> Any:
    """Return a checked copy of a player's filters.

    Raises:
        TypeError: They are not a mapping of names, or a value has a type that JSON lacks.
        ValueError: JSON cannot express them for another reason.
    """
    if not isinstance(filters, Mapping) or not all(isinstance(name, str) for name in filters):
        raise TypeError(f"filters must be a mapping of names to settings, not {type(filters).__name__}")
    return plain(filters, "filters")


def plain(value: Any, name: str) -> Any:
    """Return a copy of JSON values, as a server gets them.

    Raises:
        TypeError: A value has a type that JSON lacks.
        ValueError: JSON cannot express it for another reason.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(value, enc_hook=_as_dict))
    except TypeError as error:
        raise TypeError(f"{name} cannot be sent as JSON: {error}") from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{name} cannot be sent as JSON: {error}") from None


def _as_dict(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no place there")
