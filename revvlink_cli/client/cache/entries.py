"""The entries of a cache: results of searches, under keys made from the queries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

from revvlink_cli._record import NamedTuple
from revvlink_cli.client.search.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.client.protocol.tracks import Playable, Playlist

DEFAULT_TTL = 3600.0
"""Seconds for which tracks found are kept."""

EMPTY_TTL = 30.0
"""Seconds for which an empty result is kept: long enough when many ask for the same."""

MAX_BODY = 8 * 1024 * 1024
"""Bytes of the largest result that a store keeps: a playlist of some ten thousand tracks."""

SKEW = 60.0
"""Seconds by which the clocks of machines that share a store may differ; an entry further in the future is invalid."""

LAST = 253_402_300_799.0
"""Seconds since the epoch of the last moment that `datetime` can hold: the end of the year 9999."""

Loaded: TypeAlias = "tuple[Playable, ...] | Playlist"
"""The result of a search as it is kept: tracks, none when nothing was found, or a playlist."""


class Key(NamedTuple):
    """A query, and the node if one was named; made with `of`.

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
    """The normal form of a query; queries with the same one share an entry.

    It has no white space around it. After a search prefix (``ytsearch:``), case and the amount of white space are
    normalised too, since search engines ignore them. Addresses and everything else stay as they are.
    """
    text = query.strip().encode("utf-8", "backslashreplace").decode()  # no store can keep half a surrogate pair
    prefix, colon, words = text.partition(":")
    if colon and prefix in SOURCES and prefix.endswith("search"):
        if not words.isascii():
            import unicodedata

            words = unicodedata.normalize("NFC", words)
        return f"{prefix}:{' '.join(words.casefold().split())}"
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

    def is_valid(self, now: float) -> bool:
        """Whether the entry is valid at `now`."""
        return self.stored_at - SKEW <= now < self.expires_at

    def payload(self) -> dict[str, Any]:
        """The result as JSON.

        Raises:
            ValueError: The body is not a result; another program may have written it.
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
        raise ValueError("it is not a result of a search")

    def loaded(self) -> Loaded:
        """The result.

        Raises:
            ValueError: It is none.
        """
        return result_from(self.payload())


def lifetime(loaded: Loaded, ttl: float) -> float:
    """Seconds for which a result is valid: 0 with a stream, whose address may not last; few for an empty result."""
    if not loaded_tracks(loaded):
        return min(ttl, EMPTY_TTL)
    return 0 if any(track.is_stream for track in loaded_tracks(loaded)) else ttl


def loaded_tracks(loaded: Loaded) -> Sequence[Playable]:
    """The tracks of a result."""
    return loaded if isinstance(loaded, tuple) else loaded.tracks


def entry_for(key: Key, loaded: Loaded, *, now: float, ttl: float = DEFAULT_TTL) -> Entry | None:
    """The entry for a result, None for a result that is not kept.

    Args:
        key: What was searched.
        loaded: What was found.
        now: Seconds since the epoch.
        ttl: The longest lifetime in seconds, see `lifetime`.
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
    """The result from what `result_payload` returns.

    Raises:
        ValueError: It is not such an answer.
    """
    from revvlink_cli.client.protocol.tracks import (  # imported late: callers that read only the JSON start faster
        Playlist,
        readable,
    )

    match payload:
        case {"loadType": "search", "data": data}:
            return tuple(readable(data))
        case {"loadType": "playlist", "data": data}:
            return Playlist.from_payload(data)
        case {"loadType": "empty"}:
            return ()
    raise ValueError("it is not a result of a search")
