"""What is kept, under what, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.client.cache.entries import MAX_BODY, Key, entry_for, lifetime, normalised, result_from
from revvlink_cli.client.protocol.tracks import Playable, Playlist
from tests.client.cache.redis_server import entry, playlist, track

if TYPE_CHECKING:
    from revvlink_cli.client.cache.entries import Loaded

TEXT = st.text(max_size=12)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
TRACKS = st.builds(
    Playable,
    encoded=st.text(min_size=1, max_size=12),
    identifier=TEXT,
    title=TEXT,
    author=TEXT,
    length=st.integers(-1, 2**63 - 1),
    is_seekable=st.booleans(),
    position=st.integers(0, 2**40),
    uri=st.none() | TEXT,
    artwork=st.none() | TEXT,
    isrc=st.none() | TEXT,
    source=TEXT,
    plugin_info=st.dictionaries(TEXT, JSON, max_size=3),
    user_data=st.dictionaries(TEXT, JSON, max_size=3),
)


@given(st.lists(TRACKS, max_size=4).map(tuple))
def test_tracks_come_back_as_they_were(loaded: Loaded) -> None:
    """Whatever a track holds, half a surrogate pair included, an entry gives an equal one back."""
    kept = entry_for(Key("q"), loaded, now=0.0)

    assert kept is not None
    assert kept.loaded() == loaded
    assert (kept.tracks, kept.kind) == (len(loaded), "tracks" if loaded else "empty")


def test_playlists_come_back_as_they_were() -> None:
    """Name, selection, what plugins say and what is beyond the protocol included."""
    kept = entry_for(Key("q"), playlist(), now=0.0)

    assert kept is not None
    assert kept.loaded() == playlist()
    assert (kept.kind, kept.tracks) == ("playlist", 2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ytsearch:Never Gonna", " ytsearch:  never   gonna\t"),
        ("scsearch:Café", "scsearch:CAFE\u0301"),
        ("ytsearch:", "ytsearch: "),
        ("https://example.invalid/A", "https://example.invalid/A\n"),
    ],
)
def test_equal_queries(one: str, other: str) -> None:
    """White space never matters around a query; in words of a search neither do its amount, case and composition."""
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://example.invalid/A", "https://example.invalid/a"),
        ("music/One.wav", "music/one.wav"),
        ("ytsearch:a b", "scsearch:a b"),
        ("YTSEARCH:a", "ytsearch:a"),  # which no server takes for a search
        ("dzisrc:ABC", "dzisrc:abc"),
        ("a  b", "a b"),
    ],
)
def test_different_queries(one: str, other: str) -> None:
    """Everything that a server may tell apart stays apart."""
    assert normalised(one) != normalised(other)


@given(st.text())
def test_normalising_is_done_once(query: str) -> None:
    """A normalised query is its own normal form, and any store can hold it."""
    once = normalised(query)

    assert normalised(once) == once
    once.encode()


def test_lifetimes() -> None:
    """Tracks last as long as was said, nothing found half a minute at most, anything with a stream not at all."""
    stream = track("Radio", is_stream=True)

    assert lifetime((track(),), 100) == 100
    assert lifetime((), 100) == 30
    assert lifetime((), 10) == 10
    assert lifetime(Playlist(name="empty"), 100) == 30
    assert lifetime((track(), stream), 100) == 0
    assert entry_for(Key("q"), (stream,), now=0.0) is None
    assert entry_for(Key("q"), Playlist(name="p", tracks=(stream,)), now=0.0) is None


def test_what_is_out_of_all_proportion_is_not_kept() -> None:
    """A result larger than any store takes."""
    assert entry_for(Key("q"), (track("x" * MAX_BODY),), now=0.0) is None


def test_when_an_entry_counts() -> None:
    """From when it was stored, clocks that differ a little allowed for, until it expires."""
    kept = entry("q", age=0, ttl=60)

    assert kept.is_valid(kept.stored_at)
    assert kept.is_valid(kept.stored_at - 30)
    assert not kept.is_valid(kept.stored_at - 3600)
    assert not kept.is_valid(kept.expires_at)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[]", b"{}", b'{"loadType":"search"}', b'{"loadType":"search","data":[1]}', b"[" * 100_000,
     b'{"loadType":"playlist","data":null}', b'{"loadType":"error","data":{}}'],
)  # fmt: skip
def test_what_somebody_else_wrote(body: bytes) -> None:
    """It is a ValueError, and nothing else."""
    with pytest.raises(ValueError, match=r"."):
        entry("q")._replace(body=body).loaded()


@given(JSON)
def test_any_json_is_a_result_or_none(payload: Any) -> None:
    """Whatever it is, it is understood or refused with a ValueError."""
    try:
        result_from({"loadType": "search", "data": payload})
    except ValueError:
        return
