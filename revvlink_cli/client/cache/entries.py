"""What a cache keeps: results of searches, under what they were searched by."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from revvlink_cli.client.search.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.client.protocol.tracks import Playable, Playlist

DEFAULT_TTL = 3600.0
"""Seconds for which tracks found are kept."""

EMPTY_TTL = 30.0
"""Seconds for which it is remembered that nothing was found: long enough for a crowd that asks the same."""

MAX_BODY = 8 * 1024 * 1024
"""Bytes of the largest result that a store takes: a playlist of some ten thousand tracks."""

SKEW = 60.0
"""Seconds by which the clocks of those that share a store may differ; an entry from further in the future is none."""

LAST = 253_402_300_799.0
"""Seconds since the epoch of the last moment that a calendar has: the end of the year 9999."""

Loaded: TypeAlias = "tuple[Playable, ...] | Playlist"
"""The result of a search as it is kept: tracks, none when nothing was found, or a playlist."""


class Key(NamedTuple):
    """What was searched, and on which node if one was named; made with `of`.

    Attributes:
        identifier: Normalised, see `normalised`.
        node: The node that was named, or None.
    """

    identifier: str
    node: str | None = None

    @classmethod
    def of(cls, query: str, node: str | None = None) -> Key:
        """The key of a query."""
        return cls(normalised(query), node)


def normalised(query: str) -> str:
    """What counts as the same query.

    White space around it never counts. In words behind a search prefix (``ytsearch:``) neither its amount nor upper and
    lower case do, since no search engine heeds them; addresses and everything else stay as they are.
    """
    text = query.strip().encode("utf-8", "backslashreplace").decode()  # no store can hold half a surrogate pair
    prefix, colon, words = text.partition(":")
    if colon and prefix in SOURCES and prefix.endswith("search"):
        return f"{prefix}:{' '.join(unicodedata.normalize('NFC', words).casefold().split())}"
    return text


class Entry(NamedTuple):
    """A result as stores keep it.

    Attributes:
        key: What was searched.
        kind: ``tracks``, ``playlist`` or ``empty``.
        tracks: How many were found.
        body: The result as JSON, in the form of a node's answer to ``/v4/loadtracks``.
        stored_at: Seconds since the epoch.
        expires_at: Seconds since the epoch.
    """

    key: Key
    kind: str
    tracks: int
    body: bytes
    stored_at: float
    expires_at: float

    def counts(self, now: float) -> bool:
        """Whether it may still be used."""
        return self.stored_at - SKEW <= now < self.expires_at

    def payload(self) -> dict[str, Any]:
        """The result as JSON.

        Raises:
            ValueError: It is none; somebody else may have written it.
        """
        try:
            payload: dict[str, Any] = json.loads(self.body.decode("utf-8", "surrogatepass"))
        except RecursionError:
            raise ValueError("it is nested too deep") from None
        match payload:
            case {"loadType": "search", "data": list()} | {"loadType": "playlist", "data": dict()}:
                return payload
            case {"loadType": "empty"}:
                return payload
        raise ValueError("it is no result of a search")

    def loaded(self) -> Loaded:
        """The result.

        Raises:
            ValueError: It is none.
        """
        return result_from(self.payload())


def lifetime(loaded: Loaded, ttl: float) -> float:
    """Seconds for which a result counts: none with a stream, whose address may not last; few when nothing was found."""
    if not loaded_tracks(loaded):
        return min(ttl, EMPTY_TTL)
    return 0 if any(track.is_stream for track in loaded_tracks(loaded)) else ttl


def loaded_tracks(loaded: Loaded) -> Sequence[Playable]:
    """The tracks of a result."""
    return loaded if isinstance(loaded, tuple) else loaded.tracks


def entry_for(key: Key, loaded: Loaded, *, now: float, ttl: float = DEFAULT_TTL) -> Entry | None:
    """The entry to keep for a result, None where it is not to be kept.

    Args:
        key: What was searched.
        loaded: What was found.
        now: Seconds since the epoch.
        ttl: Seconds for which it counts at most, see `lifetime`.
    """
    seconds = lifetime(loaded, ttl)
    payload = result_payload(loaded)
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if not seconds or len(body) > MAX_BODY:
        return None
    count = len(loaded_tracks(loaded))
    kind = "tracks" if payload["loadType"] == "search" else payload["loadType"]
    return Entry(key, kind, count, body, now, min(now + seconds, LAST))


def result_payload(loaded: Loaded) -> dict[str, Any]:
    """A result in the form of a node's answer to ``/v4/loadtracks``."""
    if not isinstance(loaded, tuple):
        return {"loadType": "playlist", "data": loaded.to_payload()}
    if not loaded:
        return {"loadType": "empty", "data": None}
    return {"loadType": "search", "data": [track.to_payload() for track in loaded]}


def result_from(payload: Any) -> Loaded:
    """What `result_payload` was made from.

    Raises:
        ValueError: It is no such answer.
    """
    from revvlink_cli.client.protocol.tracks import (  # what only looks at the JSON starts faster without
        Playlist,
        readable,
    )

    match payload:
        case {"loadType": "search", "data": data}:
            return tuple(readable(data).values())
        case {"loadType": "playlist", "data": data}:
            return Playlist.from_payload(data)
        case {"loadType": "empty"}:
            return ()
    raise ValueError("it is no result of a search")
