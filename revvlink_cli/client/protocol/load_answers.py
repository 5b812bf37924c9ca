"""Reads the tracks of an answer, which may be large, in slices: the event loop goes on between them.

A playlist may have ten thousand tracks and more, and making objects of them takes a second. The JSON is split into its
items first, which is fast, and each item is decoded and becomes a track before the next: the plain values of all of
them never stand in memory at once.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from revvlink_cli.client import clock
from revvlink_cli.client.protocol.models import WireTrack, decode_json, split_array, split_object
from revvlink_cli.client.protocol.tracks import Playlist, TrackReader, playlist_info

SLICE = 0.01
"""Seconds of reading after which the event loop gets its turn."""

LARGE = 1_000_000
"""Bytes of an answer that has taken time when it was received."""

PAUSE = 0.001
"""Seconds of such a turn: a task that waits for a timer or a socket needs some rounds of the loop to go on."""


class Turns:
    """Gives the event loop its turn when the running task has worked for a while."""

    def __init__(self, received: bytes) -> None:
        """Begin to work on an answer; one of a megabyte or more has taken time already."""
        self._until = clock.monotonic() + (SLICE if len(received) < LARGE else 0.0)

    async def pause(self) -> None:
        """Pause if it is time."""
        if clock.monotonic() >= self._until:
            await asyncio.sleep(PAUSE)
            self._until = clock.monotonic() + SLICE


async def read_search(data: msgspec.Raw, turns: Turns) -> TrackReader:
    """The tracks of ``data`` of a search.

    Args:
        data: The JSON.
        turns: When to pause.

    Raises:
        UndecodableError: A track is not JSON.
        ValueError: It is not a list.
    """
    reader = TrackReader()
    items = split_array(data)
    if items is None and value_of(data):
        raise ValueError("no list of tracks")
    await _read(items or [], reader, turns)
    return reader


async def read_playlist(data: msgspec.Raw, turns: Turns) -> tuple[Playlist, TrackReader]:
    """The playlist of ``data``, and the reader of its tracks.

    Args:
        data: The JSON.
        turns: When to pause.

    Raises:
        UndecodableError: Something in it is not JSON.
        ValueError: It is not a playlist, see `Playlist.from_payload`.
    """
    parts = split_object(data) or {}
    await turns.pause()
    items = split_array(parts.pop("tracks")) if "tracks" in parts else None
    if items is None:
        raise ValueError("a playlist without a list of tracks")
    head = {key: value_of(part) for key, part in parts.items()}
    reader = TrackReader(playlist_info(head))
    await _read(items, reader, turns)
    return Playlist.from_parts(head, reader), reader


def value_of(data: msgspec.Raw) -> Any:
    """The plain values of JSON that was split off.

    Raises:
        UndecodableError: It is none after all: splitting does not check everything.
    """
    return decode_json(bytes(data))


async def _read(items: list[msgspec.Raw], reader: TrackReader, turns: Turns) -> None:
    for item in items:
        await turns.pause()
        try:
            track = _decode_track(item)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            reader.add(value_of(item))
        else:
            reader.add_wire(track)


_decode_track = msgspec.json.Decoder(WireTrack).decode
