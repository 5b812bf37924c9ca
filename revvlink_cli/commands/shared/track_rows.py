"""Tracks as commands show them.

They are made from the form of the protocol, in which nodes send them and the cache keeps them: a result that is kept is
shown without the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from revvlink_cli._record import NamedTuple, record
from revvlink_cli.client.protocol.durations import known_duration
from revvlink_cli.output.result import Kind, column
from revvlink_cli.output.text import MISSING, clock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import UnionType


def _length(row: TrackRow) -> str:
    if row.is_stream:
        return "live"
    return MISSING if row.length_ms is None else clock(row.length_ms)


def _plain_length(row: TrackRow) -> int | str | None:
    return "live" if row.is_stream else row.length_ms


@record(frozen=True, kw_only=True)
class TrackRow:
    """A track. `length_ms` is null for a live stream and where the length is unknown."""

    title: str = column("TITLE", flexible=True)
    author: str = column("AUTHOR", flexible=True, rank=2)
    length_ms: int | None = column("LENGTH", Kind.DURATION_MS, cell=_length, plain=_plain_length)
    source: str = column("SOURCE", rank=4)
    uri: str | None = column("URI", flexible=True, rank=3)
    identifier: str
    is_stream: bool
    is_seekable: bool
    isrc: str | None
    artwork: str | None
    is_selected: bool
    encoded: str
    playlist: str | None = column("")


_FORM: Mapping[str, type | UnionType] = {
    "title": str,
    "author": str,
    "length": int | float,
    "isStream": bool,
    "sourceName": str,
    "uri": str | None,
    "identifier": str,
    "isSeekable": bool,
    "isrc": str | None,
    "artworkUrl": str | None,
}
"""The fields of a track that are shown, with their types. A stored track may come from another program."""


def track_row(
    track: Mapping[str, Any], *, selected: bool = False, playlist: str | None = None, kind: type[TrackRow] = TrackRow
) -> TrackRow:
    """A track, in the form of the protocol, as a row of the type `kind`.

    Raises:
        KeyError: Something is missing.
        TypeError: Something is of another type.
    """
    info = track["info"]
    if not isinstance(track["encoded"], str) or not all(isinstance(info[name], form) for name, form in _FORM.items()):
        raise TypeError("it is not a track")
    return kind(
        title=info["title"],
        author=info["author"],
        length_ms=known_duration(info["length"], is_stream=info["isStream"]),
        source=info["sourceName"],
        uri=info["uri"],
        identifier=info["identifier"],
        is_stream=info["isStream"],
        is_seekable=info["isSeekable"],
        isrc=info["isrc"],
        artwork=info["artworkUrl"],
        is_selected=selected,
        playlist=playlist,
        encoded=track["encoded"],
    )


class FoundTracks(NamedTuple):
    """The result of a search, for people.

    Attributes:
        rows: The tracks.
        playlist: The playlist's name, None when it is none.
        selected: Title of the track that was asked for, None when it was the whole playlist.
    """

    rows: tuple[TrackRow, ...]
    playlist: str | None = None
    selected: str | None = None


def read_result(payload: Mapping[str, Any], *, kind: type[TrackRow] = TrackRow) -> FoundTracks:
    """What a result in the form of the protocol holds, as rows of the type `kind`.

    See `client.cache.entries.result_payload` for that form.

    Raises:
        ValueError: It is not such a result.
    """
    try:
        if payload["loadType"] != "playlist":
            return FoundTracks(tuple(track_row(track, kind=kind) for track in payload["data"] or ()))
        data, info = payload["data"], payload["data"]["info"]
        name, selected = str(info["name"]), info["selectedTrack"]
        rows = tuple(
            track_row(track, selected=index == selected, playlist=name, kind=kind)
            for index, track in enumerate(data["tracks"])
        )
        return FoundTracks(rows, name, rows[selected].title if 0 <= selected < len(rows) else None)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("it is not a result of a search") from error
