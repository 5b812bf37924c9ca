"""Answers with tracks: they are read item by item, and the event loop goes on meanwhile."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from revvlink_cli.client.protocol.load_answers import LARGE, Turns, read_playlist, read_search
from revvlink_cli.client.protocol.models import UndecodableError
from revvlink_cli.client.protocol.tracks import Playable, Playlist
from revvlink_cli.simulator.music import TRACKS

SENT: list[Any] = [{**TRACKS[number % len(TRACKS)].to_payload(), "userData": {"n": number}} for number in range(2000)]


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def test_large_answers_are_read_while_other_tasks_run() -> None:
    """Searches and playlists give the same as their plain values, without what cannot be read, and let others run."""
    rounds = 0

    async def count() -> None:
        nonlocal rounds
        while True:
            await asyncio.sleep(0)
            rounds += 1

    async def read() -> None:
        counting = asyncio.create_task(count())
        broken = [*SENT[:3], {"encoded": ""}, {**SENT[3], "more": 1}, None, *SENT[4:]]
        search = await read_search(_raw(broken), Turns(b" " * LARGE))
        assert rounds > 1
        assert search.has_left_out
        assert search.tracks() == [Playable.from_payload(track) for track in broken if track and track["encoded"]]
        whole = {"info": {"name": "p", "selectedTrack": 4}, "pluginInfo": {"url": "u"}, "tracks": broken}
        playlist, reader = await read_playlist(_raw(whole), Turns(b""))
        assert reader.has_left_out
        assert playlist == Playlist.from_payload(whole)
        assert playlist[playlist.selected].extra == {"more": 1}
        counting.cancel()

    asyncio.run(read())


@pytest.mark.parametrize("tracks", [b'[{"encoded":"\xff","info":{}}]', b'[{"encoded":"a","info":{"length":1e999}}]'])
def test_fault_within_an_item_is_found(tracks: bytes) -> None:
    """Splitting an answer does not check everything; what it leaves is found when the item is read."""
    with pytest.raises(UndecodableError):
        asyncio.run(read_search(msgspec.Raw(tracks), Turns(b"")))
    with pytest.raises(UndecodableError):
        asyncio.run(read_playlist(msgspec.Raw(b'{"tracks":' + tracks + b"}"), Turns(b"")))


@pytest.mark.parametrize("data", [b"{}", b"null", b"7", b'"text"', b'{"a":1}'])
def test_data_without_a_list_of_tracks(data: bytes) -> None:
    """A playlist needs a list of tracks; a search without any value there has found nothing."""
    with pytest.raises(ValueError, match="without a list of tracks"):
        asyncio.run(read_playlist(msgspec.Raw(data), Turns(b"")))
    if json.loads(data):
        with pytest.raises(ValueError, match="no list of tracks"):
            asyncio.run(read_search(msgspec.Raw(data), Turns(b"")))
    else:
        assert asyncio.run(read_search(msgspec.Raw(data), Turns(b""))).tracks() == []
