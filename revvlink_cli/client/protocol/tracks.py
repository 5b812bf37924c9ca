"""Tracks and playlists as nodes send them.

Everything here is immutable all the way down: the cache keeps an object and gives the same one to every caller.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, field, fields
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from revvlink_cli.client.protocol.durations import known_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from revvlink_cli.client.protocol.models import WireTrack

T = TypeVar("T")

_TRACK = frozenset({"encoded", "info", "pluginInfo", "userData"})
_INFO = frozenset(
    {
        "identifier",
        "isSeekable",
        "author",
        "length",
        "isStream",
        "position",
        "title",
        "uri",
        "sourceName",
        "artworkUrl",
        "isrc",
    }
)
_PLAYLIST = frozenset({"info", "pluginInfo", "tracks"})
_PLAYLIST_INFO = frozenset({"name", "selectedTrack"})


MAX_DEPTH = 64
"""Levels of data a plugin may nest in a track; JSON of some hundred can be neither copied nor written everywhere."""


class Frozen(dict[str, Any]):
    """A dict that cannot be changed: readable by everything that takes a dict, `json.dumps` among them."""

    __slots__ = ()

    def _refuse(self, *_arguments: object, **_more: object) -> NoReturn:
        """Refuse a change.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "data of a track or playlist cannot be changed, since the cache shares it: make a changed copy of the whole"
            " with dataclasses.replace, as in replace(track, user_data={**track.user_data, 'key': value})"
        )

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        """Support `copy` and `pickle`: the dict is filled when it is made."""
        return type(self), (dict(self),)


_NO_DATA = Frozen()


def _immutable(kind: type[T]) -> type[T]:
    """Let a frozen dataclass say what to do instead when a field of it is set."""
    names = {entry.name for entry in fields(kind)}  # type: ignore[arg-type]  # a dataclass, which mypy cannot know

    def refuse(self: object, name: str, *_value: object) -> NoReturn:
        what = type(self).__name__
        hint = f"make a changed copy with dataclasses.replace(…, {name}=…)"
        if name not in names:
            hint = f"it has no field {name!r}"
            if "user_data" in names:
                hint += "; keep data of your own with dataclasses.replace(…, user_data={…})"
        raise FrozenInstanceError(f"a {what} cannot be changed, since the cache shares it: {hint}")

    for method in ("__setattr__", "__delattr__"):
        setattr(kind, method, refuse)
    return kind


@_immutable
@dataclass(frozen=True, slots=True)
class PlaylistInfo:
    """The playlist a track came with.

    Attributes:
        name: Its name.
        url: Its address, or None.
    """

    name: str
    url: str | None = None


@_immutable
@dataclass(frozen=True, slots=True, kw_only=True)
class Playable:
    """A track that a node can play.

    Attributes:
        encoded: The form in which nodes take it; that of a playing track has its position, so it is not an identity.
        identifier: Its name at the source.
        title: Its title.
        author: Who made it.
        length: Milliseconds; `STREAM_LENGTH` of a stream on Lavalink, -1 where NodeLink does not know. See `duration`.
        is_stream: Whether it is live.
        is_seekable: Whether one can seek in it.
        position: Milliseconds at which it begins.
        uri: Its address, or None.
        artwork: Address of its cover, or None.
        isrc: International Standard Recording Code, or None.
        source: The source manager it came from.
        plugin_info: What plugins say of it.
        user_data: What the bot has attached to it.
        playlist: The playlist it came with, or None.
        extra: What a node says of it beyond the protocol, in the protocol's own places (NodeLink: ``endTime``).
    """

    encoded: str
    identifier: str = ""
    title: str = ""
    author: str = ""
    length: int = -1
    is_stream: bool = False
    is_seekable: bool = False
    position: int = 0
    uri: str | None = None
    artwork: str | None = None
    isrc: str | None = None
    source: str = ""
    plugin_info: Mapping[str, Any] = field(default_factory=lambda: _NO_DATA, hash=False)
    user_data: Mapping[str, Any] = field(default_factory=lambda: _NO_DATA, hash=False)
    playlist: PlaylistInfo | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: _NO_DATA, hash=False)

    def __post_init__(self) -> None:
        """Copy and freeze what might change."""
        if self.plugin_info is not _NO_DATA:
            object.__setattr__(self, "plugin_info", _frozen(self.plugin_info))
        if self.user_data is not _NO_DATA:
            object.__setattr__(self, "user_data", _frozen(self.user_data))
        if self.extra is not _NO_DATA:
            object.__setattr__(self, "extra", _frozen(self.extra))

    def __reduce__(self) -> tuple[Any, ...]:
        """Support `copy` and `pickle`: frozen fields are made again."""
        return _rebuilt, (type(self), _values(self))

    @property
    def duration(self) -> int | None:
        """Milliseconds it lasts, None for a stream and when unknown."""
        return known_duration(self.length, is_stream=self.is_stream)

    @classmethod
    def from_payload(cls, data: Any, playlist: PlaylistInfo | None = None) -> Playable:
        """A track as a node sends it; what is missing or of another type gets a neutral value.

        Raises:
            ValueError: It is not a track: there is no ``encoded`` text, or no ``info`` object; or its ``pluginInfo`` or
                ``userData`` is nested more than `MAX_DEPTH` levels deep.
        """
        if not isinstance(data, Mapping):
            raise ValueError("a track that is not an object")
        encoded, info = data.get("encoded"), data.get("info")
        if not isinstance(encoded, str) or not encoded:
            raise ValueError("a track without its encoded form")
        if not isinstance(info, Mapping):
            raise ValueError("a track without info")
        return cls(
            encoded=encoded,
            identifier=_text(info, "identifier"),
            title=_text(info, "title"),
            author=_text(info, "author"),
            length=_integer(info, "length", -1),
            is_stream=info.get("isStream") is True,
            is_seekable=info.get("isSeekable") is True,
            position=_integer(info, "position", 0),
            uri=_optional(info, "uri"),
            artwork=_optional(info, "artworkUrl"),
            isrc=_optional(info, "isrc"),
            source=_text(info, "sourceName"),
            plugin_info=_object(data, "pluginInfo"),
            user_data=_object(data, "userData"),
            playlist=playlist,
            extra=_extra(data, _TRACK, info, _INFO),
        )

    @classmethod
    def from_wire(cls, wire: WireTrack, playlist: PlaylistInfo | None = None) -> Playable:
        """A track from its decoded structure: the same as `from_payload` gives, in a fifth of the time.

        The fields are set directly, since the constructor of a frozen dataclass takes most of the time otherwise.

        Raises:
            ValueError: Its ``pluginInfo`` or ``userData`` is nested more than `MAX_DEPTH` levels deep.
        """
        info, made = wire.info, object.__new__(cls)
        values = (
            wire.encoded,
            info.identifier,
            info.title,
            info.author,
            info.length,
            info.is_stream,
            info.is_seekable,
            info.position,
            info.uri,
            info.artwork_url,
            info.isrc,
            info.source_name,
            _frozen(wire.plugin_info) if wire.plugin_info else _NO_DATA,
            _frozen(wire.user_data) if wire.user_data else _NO_DATA,
            playlist,
            _NO_DATA,
        )
        for set_field, value in zip(_SETTERS, values, strict=True):
            set_field(made, value)
        return made

    def to_payload(self) -> dict[str, Any]:
        """The track as a node sends it."""
        extra = _thawed(self.extra)
        more = extra.pop("info", {})
        return {
            "encoded": self.encoded,
            "info": {
                "identifier": self.identifier,
                "isSeekable": self.is_seekable,
                "author": self.author,
                "length": self.length,
                "isStream": self.is_stream,
                "position": self.position,
                "title": self.title,
                "uri": self.uri,
                "sourceName": self.source,
                "artworkUrl": self.artwork,
                "isrc": self.isrc,
                **more,
            },
            "pluginInfo": _thawed(self.plugin_info),
            "userData": _thawed(self.user_data),
            **extra,
        }


_SETTERS = tuple(getattr(Playable, entry.name).__set__ for entry in fields(Playable))


@_immutable
@dataclass(frozen=True, slots=True, kw_only=True)
class Playlist:
    """Tracks that belong together.

    Attributes:
        name: Its name.
        selected: Index of the track that was asked for, -1 when it was the playlist itself.
        tracks: Its tracks.
        type: ``playlist``, ``album``, ``artist`` ... where a plugin says so, or None.
        url: Its address, or None.
        author: Who made it, or None.
        artwork: Address of its cover, or None.
        plugin_info: What plugins say of it.
        extra: What a node says of it beyond the protocol, in the protocol's own places.
    """

    name: str
    selected: int = -1
    tracks: tuple[Playable, ...] = ()
    type: str | None = None
    url: str | None = None
    author: str | None = None
    artwork: str | None = None
    plugin_info: Mapping[str, Any] = field(default_factory=lambda: _NO_DATA, hash=False)
    extra: Mapping[str, Any] = field(default_factory=lambda: _NO_DATA, hash=False)

    def __post_init__(self) -> None:
        """Copy and freeze what might change."""
        object.__setattr__(self, "tracks", tuple(self.tracks))
        object.__setattr__(self, "plugin_info", _frozen(self.plugin_info))
        object.__setattr__(self, "extra", _frozen(self.extra))

    def __reduce__(self) -> tuple[Any, ...]:
        """Support `copy` and `pickle`: frozen fields are made again."""
        return _rebuilt, (type(self), _values(self))

    def __len__(self) -> int:
        """How many tracks it has."""
        return len(self.tracks)

    def __iter__(self) -> Iterator[Playable]:
        """Its tracks in order."""
        return iter(self.tracks)

    @overload
    def __getitem__(self, index: int) -> Playable: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Playable, ...]: ...
    def __getitem__(self, index: int | slice) -> Playable | tuple[Playable, ...]:
        """One of its tracks, or, as of its `tracks`, some of them."""
        return self.tracks[index]

    def __bool__(self) -> bool:
        """An empty playlist is still a playlist."""
        return True

    def to_payload(self) -> dict[str, Any]:
        """The playlist as a node sends it."""
        extra = _thawed(self.extra)
        more = extra.pop("info", {})
        return {
            "info": {"name": self.name, "selectedTrack": self.selected, **more},
            "pluginInfo": _thawed(self.plugin_info),
            "tracks": [track.to_payload() for track in self.tracks],
            **extra,
        }

    @classmethod
    def from_payload(cls, data: Any) -> Playlist:
        """A playlist as a node sends it; tracks that cannot be read are left out.

        Raises:
            ValueError: It is not a playlist: no object, or it has no list of tracks, or not one of them can be read.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("tracks"), (list, tuple)):
            raise ValueError("a playlist without a list of tracks")
        reader = TrackReader(playlist_info(data))
        for track in data["tracks"]:
            reader.add(track)
        return cls.from_parts(data, reader)

    @classmethod
    def from_parts(cls, data: Mapping[str, Any], reader: TrackReader) -> Playlist:
        """A playlist from what a node sends, and the reader that has read its tracks.

        Raises:
            ValueError: Not one of the tracks can be read.
        """
        info, plugin, named = _object(data, "info"), _object(data, "pluginInfo"), playlist_info(data)
        return cls(
            name=named.name,
            selected=reader.place_of(_integer(info, "selectedTrack", -1)),
            tracks=tuple(reader.tracks()),
            type=_optional(plugin, "type"),
            url=named.url,
            author=_optional(plugin, "author"),
            artwork=_optional(plugin, "artworkUrl"),
            plugin_info=plugin,
            extra=_extra(data, _PLAYLIST, info, _PLAYLIST_INFO),
        )


class TrackReader:
    """Reads the tracks of a list, one after the other; those that cannot be read are left out."""

    def __init__(self, playlist: PlaylistInfo | None = None) -> None:
        self._playlist = playlist
        self._tracks: list[Playable] = []
        self._left_out: list[int] = []
        self._fault: ValueError | None = None

    def add(self, track: Any) -> None:
        """Read the next track of the list, as a node sends it."""
        self._add(Playable.from_payload, track)

    def add_wire(self, track: WireTrack) -> None:
        """Read the next track of the list from its decoded structure."""
        self._add(Playable.from_wire, track)

    def _add(self, read: Callable[[Any, PlaylistInfo | None], Playable], track: Any) -> None:
        try:
            self._tracks.append(read(track, self._playlist))
        except ValueError as error:
            self._fault = error
            self._left_out.append(len(self._tracks) + len(self._left_out))

    @property
    def has_left_out(self) -> bool:
        """Whether a track could not be read."""
        return bool(self._left_out)

    def tracks(self) -> list[Playable]:
        """The tracks that could be read.

        Raises:
            ValueError: There are some, and not one could be read.
        """
        if self._fault is not None and not self._tracks:
            raise self._fault
        return self._tracks

    def place_of(self, index: int) -> int:
        """The index among `tracks` of the track at an index of the list; -1 if it is not there."""
        if not 0 <= index < len(self._tracks) + len(self._left_out) or index in self._left_out:
            return -1
        return index - bisect(self._left_out, index)


def readable(data: Any) -> list[Playable]:
    """The tracks of a list as a node sends it; one that cannot be read is left out.

    Raises:
        ValueError: It is not a list, or not one of its tracks can be read.
    """
    if not isinstance(data, (list, tuple)):
        raise ValueError("no list of tracks")
    reader = TrackReader()
    for track in data:
        reader.add(track)
    return reader.tracks()


def playlist_info(data: Mapping[str, Any]) -> PlaylistInfo:
    """What the tracks of a playlist know of it, from the playlist as a node sends it."""
    return PlaylistInfo(_text(_object(data, "info"), "name"), _optional(_object(data, "pluginInfo"), "url"))


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _optional(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) else None


def _integer(data: Mapping[str, Any], key: str, otherwise: int) -> int:
    value = data.get(key)
    if isinstance(value, float) and math.isfinite(value):  # JavaScript has no other numbers
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _object(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def _extra(
    data: Mapping[str, Any], known: frozenset[str], info: Mapping[str, Any], known_info: frozenset[str]
) -> Mapping[str, Any]:
    """What is there beyond the known keys, of the whole and of its ``info``."""
    extra = {key: data[key] for key in data.keys() - known}
    if more := {key: info[key] for key in info.keys() - known_info}:
        extra["info"] = more
    return extra


def _frozen(value: Any) -> Any:
    """A copy with tuples for lists and frozen dicts for mappings, all the way down."""
    if value is _NO_DATA or (type(value) is dict and not value):  # nearly always
        return _NO_DATA
    return _frozen_level(value, MAX_DEPTH)


def _frozen_level(value: Any, levels: int) -> Any:
    if levels == 0:
        raise ValueError(f"a track with data that is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        if not value:
            return _NO_DATA
        return Frozen({key: _frozen_level(item, levels - 1) for key, item in value.items()})
    return tuple(_frozen_level(item, levels - 1) for item in value) if isinstance(value, (list, tuple)) else value


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _thawed(item) for key, item in value.items()}
    return [_thawed(item) for item in value] if isinstance(value, (list, tuple)) else value


def _values(record: Playable | Playlist) -> dict[str, Any]:
    return {entry.name: _thawed(getattr(record, entry.name)) for entry in fields(record)}


def _rebuilt(kind: type[Playable | Playlist], values: dict[str, Any]) -> Playable | Playlist:
    return kind(**values)
