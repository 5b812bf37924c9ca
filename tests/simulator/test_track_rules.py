"""What nodes find by rules."""

from __future__ import annotations

import pytest

from revvlink_cli.client.protocol.encoded_tracks import decode_track
from revvlink_cli.simulator.track_rules import ALL_SOURCES, ANY_WORDS, TrackRule, load


@pytest.mark.parametrize(
    ("identifier", "kind", "uri"),
    [
        ("ytsearch:summer rain", "search", "https://www.youtube.com/watch?v="),
        ("scsearch:summer rain", "search", "https://soundcloud.com/"),
        ("spsearch:summer rain", "search", "https://open.spotify.com/track/"),
        ("https://youtu.be/dQw4w9WgXcQ?t=4", "track", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
        ("https://music.youtube.com/watch?v=dQw4w9WgXcQ", "track", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
        ("https://www.youtube.com/playlist?list=PL123", "playlist", "https://www.youtube.com/watch?v="),
        ("https://soundcloud.com/some-one/a-song", "track", "https://soundcloud.com/some-one/a-song"),
        ("https://soundcloud.com/some-one/sets/all", "playlist", "https://soundcloud.com/"),
        ("https://open.spotify.com/intl-de/track/abc1", "track", "https://open.spotify.com/track/abc1"),
        ("https://open.spotify.com/album/abc1", "playlist", "https://open.spotify.com/track/"),
    ],
)
def test_words_and_addresses_find_what_their_source_gives(identifier: str, kind: str, uri: str) -> None:
    """With the rule for any words; each track can be decoded, and the same identifier gives the same tracks."""
    found = load(identifier, ALL_SOURCES, ANY_WORDS)

    assert found.kind == kind
    assert found == load(identifier, ALL_SOURCES, ANY_WORDS)
    assert len({track.identifier for track in found.tracks}) == len(found.tracks) == (1 if kind == "track" else 5)
    for track in found.tracks:
        assert track.uri is not None
        assert track.uri.startswith(uri)
        assert decode_track(track.encoded).title == track.title
    assert (found.name != "") == (kind == "playlist")


@pytest.mark.parametrize("identifier", ["ytsearch:", "nothing", "sim:playlist", "ytsearch:night"])
def test_sources_and_empty_searches(identifier: str) -> None:
    """A search for nothing is empty; without its source, or without a place, the simulator's own music answers."""
    assert load("ytsearch:", ALL_SOURCES, ANY_WORDS).kind == "empty"
    assert load(identifier, ("sim",), ANY_WORDS) == load(identifier, ("sim",), ())


def test_the_first_rule_that_takes_it_decides() -> None:
    """Before any words, one search fails with the words of the rule, and another finds nothing."""
    rules = (
        TrackRule(match="ytsearch:broken*", result="error", message="gone", severity="common", cause="X: y"),
        TrackRule(regex=r"ytsearch:(none|nothing)", result="empty"),
        TrackRule(match="ytsearch:one", result="track", title="A", author="B", length_s=61.5),
        *ANY_WORDS,
    )
    broken = load("ytsearch:broken thing", ALL_SOURCES, rules)
    (one,) = load("ytsearch:one", ALL_SOURCES, rules).tracks

    assert (broken.kind, broken.message, broken.severity, broken.reason) == ("error", "gone", "common", "X: y")
    assert load("ytsearch:nothing", ALL_SOURCES, rules).kind == "empty"
    assert (one.title, one.author, one.length) == ("A", "B", 61_500)
    assert load("ytsearch:nothing else", ALL_SOURCES, rules).kind == "search"


def test_an_address_that_is_none_finds_nothing() -> None:
    """What looks like an address and cannot be read as one is answered like an unknown one, not with a defect."""
    unknown = load("http://unknown.invalid", ALL_SOURCES, ANY_WORDS)

    assert load("http://[", ALL_SOURCES, ANY_WORDS).kind == unknown.kind
