"""Tracks: what nodes send, and the encoded form."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import struct
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revvlink_cli.client.connection.session_players import read_frequent
from revvlink_cli.client.protocol.durations import STREAM_LENGTH
from revvlink_cli.client.protocol.encoded_tracks import TrackDecodeError, decode_track, encode_track
from revvlink_cli.client.protocol.messages import read_event
from revvlink_cli.client.protocol.models import WireTrack
from revvlink_cli.client.protocol.tracks import Playable, Playlist
from tests.example_counts import examples

# Recorded from a genuine Lavalink 4.2.2 and a genuine NodeLink 3.7.0.
MP3: dict[str, Any] = {
    "encoded": "QAAAbQMAEVR3byAmIGEgaGFsZiArIMO8AAtUaGUgVGVzdGVycwAAAAAAAB9oAA1tdXNpYy90d28ubXAz"
    "AAEADW11c2ljL3R3by5tcDMAAQAM"
    "UVpBQUEyNDAwMDAxAAVsb2NhbAADbXAzAAAAAAAAAAA=",
    "info": {
        "identifier": "music/two.mp3",
        "isSeekable": True,
        "author": "The Testers",
        "length": 8040,
        "isStream": False,
        "position": 0,
        "title": "Two & a half + ü",
        "uri": "music/two.mp3",
        "sourceName": "local",
        "artworkUrl": None,
        "isrc": "QZAAA2400001",
    },
    "pluginInfo": {"probeInfo": "mp3"},
    "userData": {},
}
STREAM = (
    "QAAAUAMABkRlbW8gMwALRGVtbyBBdXRob3J//////////wAGZGVtby0zAQEAFmh0dHBzOi8vZGVtby5pbnZhbGlkLzMAAAAEZGVtbwAAAAAAAAAA"
)
VERSION_2 = base64.b64encode(
    b"@\x00\x00L\x02\x00\x07one.wav\x00\x07unknown\xff\xff\xff\xff\xff\xff\xff\xff\x00\x0e/media/one.wav\x00\x01"
    b"\x00\x0e/media/one.wav\x00\x05local\x00\x00\x00\x00\x00\x00\x00\x00"
).decode()


def test_recorded_track_decodes_to_what_was_recorded() -> None:
    """A genuine encoded track decodes to the info, and the probe info, that the server gave with it."""
    assert decode_track(MP3["encoded"]).to_payload() == MP3
    assert Playable.from_payload(MP3).to_payload() == MP3


_INFO = {key: st.none() | st.text() | st.integers() | st.booleans() | st.floats() for key in [*MP3["info"], "endTime"]}
_DATA = st.none() | st.dictionaries(
    st.text(), st.text() | st.lists(st.integers()) | st.dictionaries(st.text(), st.none())
)
_SENT = st.fixed_dictionaries(
    {"encoded": st.text(), "info": st.fixed_dictionaries({}, optional=_INFO) | st.just(MP3["info"])},
    optional={"pluginInfo": _DATA, "userData": _DATA, "more": st.none()},
)


@settings(max_examples=examples(200, 5000))
@given(_SENT)
def test_structure_of_a_track_gives_the_same_as_its_plain_values(sent: dict[str, Any]) -> None:
    """A track, and an event about it, is the same whether it is read from structures, where it can be, or values."""
    text = json.dumps(sent, allow_nan=False) if _is_json(sent) else json.dumps(MP3)
    raw = json.loads(text)
    try:
        wire = msgspec.json.decode(text, type=WireTrack)
    except msgspec.DecodeError:
        wire = None
    if wire is not None:
        quick = Playable.from_wire(wire)
        assert quick == Playable.from_payload(raw)
        assert hash(quick) == hash(Playable.from_payload(raw))
        assert quick.to_payload() == Playable.from_payload(raw).to_payload()
    for more in ({"type": "TrackStartEvent"}, {"type": "TrackEndEvent", "reason": "finished"}):
        event = {"op": "event", "guildId": "7", "track": raw, **more}
        frequent = read_frequent(json.dumps(event))
        assert (frequent is None) == (wire is None)
        assert frequent is None or frequent == read_event(event)[0]


def _is_json(sent: dict[str, Any]) -> bool:
    """Whether a server may send it: no number without a value, and no half character."""
    try:
        json.dumps(sent, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return False
    return True


def test_recorded_tracks_encode_to_the_same_bytes() -> None:
    """Encoding what was decoded gives the very text again, in the version it had."""
    assert encode_track(decode_track(str(MP3["encoded"]))) == MP3["encoded"]
    assert encode_track(decode_track(STREAM)) == STREAM
    assert encode_track(decode_track(VERSION_2), version=2) == VERSION_2


def test_a_stream_has_no_duration() -> None:
    """Lavaplayer's longest long means that there is no end; -1 that nobody knows."""
    stream = decode_track(STREAM)

    assert (stream.is_stream, stream.length, stream.duration) == (True, STREAM_LENGTH, None)
    assert (decode_track(VERSION_2).length, decode_track(VERSION_2).duration) == (-1, None)


def test_forgiving_of_how_it_was_pasted() -> None:
    """White space, missing padding and the URL-safe alphabet do no harm."""
    text = str(MP3["encoded"])
    pasted = f"  {text[:40]}\n{text[40:]}".rstrip("=").replace("+", "-").replace("/", "_")

    assert decode_track(pasted).title == "Two & a half + ü"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "ends at byte 0"),
        ("not base64!", "not base64"),
        ("ä", "not base64"),
        (str(MP3["encoded"])[:60], "announces 109 bytes"),
        ("A" * 70_000, "too long"),
        (base64.b64encode(b"\x40\x00\x00\x01\x09").decode(), "version 9 is unknown"),
        (base64.b64encode(b"\x40\x00\x00\x05\x03\x00\x02\xff\xff").decode(), "the title at byte 5 is not text"),
    ],
)
def test_what_is_no_track_says_where(text: str, told: str) -> None:
    """Each way to be no track has its one line."""
    with pytest.raises(TrackDecodeError, match=told):
        decode_track(text)


@settings(max_examples=examples(300, 3000))
@given(st.one_of(st.text(), st.binary().map(lambda data: base64.b64encode(data).decode())))
def test_nothing_raises_anything_else(text: str) -> None:
    """Random text, and random bytes in base64, decode or end in the one error."""
    try:
        decode_track(text)
    except TrackDecodeError:
        return


@settings(max_examples=examples(300, 3000))
@given(st.integers(0, 200), st.integers(0, 255))
def test_one_wrong_byte(position: int, value: int) -> None:
    """A genuine track with one byte changed decodes or ends in the one error."""
    data = bytearray(base64.b64decode(str(MP3["encoded"])))
    data[position % len(data)] = value
    try:
        decode_track(base64.b64encode(bytes(data)).decode())
    except TrackDecodeError:
        return


texts = st.text(max_size=50)


@given(
    title=st.text(st.characters(exclude_categories=()), max_size=50),
    author=texts,
    length=st.integers(-(2**63), 2**63 - 1),
    uri=st.none() | texts,
    artwork=st.none() | texts,
    isrc=st.none() | texts,
    is_stream=st.booleans(),
    probe=st.none() | texts,
)
def test_round_trip(title: str, probe: str | None, **fields: Any) -> None:
    """Whatever a track has, lone surrogates and NUL too, survives encoding and decoding."""
    info = {} if probe is None else {"probeInfo": probe}
    track = Playable(encoded="", identifier="i", title=title, source="local", position=7, plugin_info=info, **fields)

    back = decode_track(encode_track(track))

    assert (back.title, back.position, dict(back.plugin_info)) == (_joined(title), 7, info)
    assert {name: getattr(back, name) for name in fields} == fields


def _joined(text: str) -> str:
    """Two surrogates that stand together are one character in Java's encoding, and come back as one."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def test_too_long_for_the_form() -> None:
    """What the form cannot hold is a ValueError."""
    with pytest.raises(ValueError, match="does not fit"):
        encode_track(Playable(encoded="", title="x" * 70_000))
    with pytest.raises(ValueError, match="does not fit"):
        encode_track(Playable(encoded="", length=2**64))


@pytest.mark.parametrize(
    "payload", [None, [], 3, {}, {"encoded": "x"}, {"encoded": 3, "info": {}}, {"encoded": "x", "info": 3}]
)
def test_what_is_no_track_is_a_value_error(payload: Any) -> None:
    """Without its encoded form or its info nothing is a track."""
    with pytest.raises(ValueError, match="track"):
        Playable.from_payload(payload)


def test_odd_fields_get_neutral_values() -> None:
    """Older servers leave fields out, odd ones send other types: the track is usable all the same."""
    track = Playable.from_payload({"encoded": "x", "info": {"title": 3, "length": "long", "isStream": "yes"}})

    assert (track.title, track.length, track.is_stream, dict(track.plugin_info)) == ("", -1, False, {})


def test_immutable_all_the_way_down() -> None:
    """Neither fields nor what lies in them can be changed by who was handed a track."""
    track = Playable.from_payload({**MP3, "userData": {"list": [1, {"deep": 2}]}})

    with pytest.raises(AttributeError):
        track.title = "x"  # type: ignore[misc] # that is the point
    with pytest.raises(TypeError):
        track.user_data["list"] = 1  # type: ignore[index] # that is the point
    with pytest.raises(TypeError):
        track.user_data["list"][1]["deep"] = 3
    assert len({track, Playable.from_payload(MP3)}) == 2
    assert track.to_payload()["userData"] == {"list": [1, {"deep": 2}]}


def test_tracks_can_be_copied() -> None:
    """A copy is equal: caches and queues may take one."""
    track = Playable.from_payload(MP3)

    assert copy.copy(track) == copy.deepcopy(track) == pickle.loads(pickle.dumps(track)) == track


def test_playlists() -> None:
    """Tracks know the playlist they came with; what plugins add is read from where they put it."""
    playlist = Playlist.from_payload(
        {
            "info": {"name": "P", "selectedTrack": 1},
            "pluginInfo": {"type": "album", "url": "https://x", "author": "A", "artworkUrl": None},
            "tracks": [MP3, MP3],
        }
    )

    assert (playlist.name, playlist.selected, playlist.type, playlist.url, playlist.author) == (
        "P",
        1,
        "album",
        "https://x",
        "A",
    )
    assert len(playlist) == 2
    assert {track.playlist.url for track in playlist if track.playlist} == {"https://x"}
    assert Playlist.from_payload({"tracks": []}).selected == -1
    with pytest.raises(ValueError, match="playlist"):
        Playlist.from_payload({"info": {}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


def message(body: bytes, *, flags: int = 1) -> str:
    """A message with a right header around `body`."""
    return base64.b64encode(struct.pack(">I", flags << 30 | len(body)) + body).decode()


def test_the_oldest_version() -> None:
    """Version 1 has no uri, and may be without the byte that says so."""
    second = decode_track(VERSION_2)
    first = encode_track(second, version=1)
    unflagged = message(base64.b64decode(first)[5:], flags=0)

    assert decode_track(first) == replace(second, encoded=first, uri=None)
    assert decode_track(unflagged) == replace(second, encoded=unflagged, uri=None)
    with pytest.raises(ValueError, match="version 4"):
        encode_track(second, version=4)


def test_data_of_an_unknown_source_is_kept() -> None:
    """Bytes nobody here understands survive decoding and encoding, and the position after them is found."""
    stream = decode_track(STREAM)
    body = base64.b64decode(STREAM)[4:-8] + b"\x00\x05album\xff\x00" + struct.pack(">q", 1360)

    track = decode_track(message(body))

    assert track.position == 1360
    assert encode_track(track) == message(body)
    assert replace(track, encoded=STREAM, position=0, plugin_info={}) == stream


def test_plugin_info_that_only_looks_like_data_of_the_source() -> None:
    """The probe info belongs to local and http tracks; data that is not base64 is refused."""
    assert "probe" not in str(base64.b64decode(encode_track(Playable(encoded="-", plugin_info={"probeInfo": "probe"}))))
    with pytest.raises(ValueError, match="not base64"):
        encode_track(Playable(encoded="-", plugin_info={"sourceData": "?"}))


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("a\x00b", b"a\xc0\x80b"),
        ("\N{MUSICAL SYMBOL G CLEF}", b"\xed\xa0\xb4\xed\xb4\x9e"),
        ("\ud834", b"\xed\xa0\xb4"),
    ],
    ids=["nul", "beyond 16 bits", "lone surrogate"],
)
def test_java_writes_utf_8_in_its_own_way(text: str, stored: bytes) -> None:
    """NUL has two bytes, a character beyond 16 bits two halves of three, and a lone half stays what it is."""
    encoded = encode_track(Playable(encoded="-", title=text))

    assert struct.pack(">H", len(stored)) + stored in base64.b64decode(encoded)
    assert decode_track(encoded).title == text


def test_what_was_pasted_comes_out_fit_to_be_sent() -> None:
    """A node takes the standard alphabet with padding only, so that is what a decoded track has."""
    text = str(MP3["encoded"])

    assert decode_track(f" {text[:9]} {text[9:]}".rstrip("=").replace("/", "_")).encoded == text


def test_a_message_without_its_end() -> None:
    """It is never taken for a shorter one, even when its header agrees; and the error has one printable line."""
    body = base64.b64decode(STREAM)[4:]
    for cut in range(1, len(body)):
        with pytest.raises(TrackDecodeError) as caught:
            decode_track(message(body[:-cut]))
        assert str(caught.value).isprintable()


def test_a_stray_character_is_shown_harmlessly() -> None:
    """What is told of the text is where it goes wrong, without the escape sequence it may carry."""
    with pytest.raises(TrackDecodeError, match=r"character 3 is '\\x1b'$"):
        decode_track("QA\x1b[31m")


@settings(max_examples=examples(300, 3000))
@given(st.binary(max_size=200), st.integers(0, 3), st.integers(0, 4))
def test_nothing_else_behind_a_right_header(body: bytes, flags: int, version: int) -> None:
    """Random bytes behind a header and a version decode or end in the one error."""
    try:
        decode_track(message(bytes([version]) + body, flags=flags))
    except TrackDecodeError:
        return


@given(
    st.dictionaries(st.sampled_from(sorted(MP3["info"])), json_values),
    st.dictionaries(st.sampled_from(["pluginInfo", "userData"]), json_values),
)
def test_wrong_types_never_matter(info: dict[str, Any], rest: dict[str, Any]) -> None:
    """Any JSON in any field gives a track, whose payload gives the same track again; and so does a copy."""
    track = Playable.from_payload({"encoded": "x", "info": info, **rest})

    assert Playable.from_payload(track.to_payload()) == track
    assert hash(pickle.loads(pickle.dumps(track))) == hash(track)
    assert all(isinstance(value, str) for value in (track.title, track.author, track.identifier, track.source))


def test_numbers_of_javascript() -> None:
    """A length with a fraction is one; an infinite position is none."""
    track = Playable.from_payload({"encoded": "x", "info": {"length": 1234.5, "position": float("inf")}})

    assert (track.length, track.position) == (1234, 0)


def test_bottomless_data_is_refused() -> None:
    """Plugin info nested beyond reason is a ValueError, like any other track that cannot be used."""
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]

    with pytest.raises(ValueError, match="nested more than"):
        Playable.from_payload({"encoded": "x", "info": {}, "pluginInfo": {"a": deep}})


def test_what_is_made_by_hand_is_immutable_too() -> None:
    """A track or playlist keeps a copy: what it was made from may change without effect."""
    data = {"albums": [{"name": "one"}]}
    track = Playable(encoded="x", plugin_info=data, user_data=data)
    playlist = Playlist(name="p", tracks=(track,), plugin_info=data)
    data["albums"].append({"name": "two"})

    frozen = {"albums": ({"name": "one"},)}
    assert (track.plugin_info, track.user_data, playlist.plugin_info) == (frozen, frozen, frozen)
    assert len({playlist, copy.deepcopy(playlist)}) == 1


def test_playlists_are_sequences_that_are_always_true() -> None:
    """One can ask for a track by its place; an empty playlist is one all the same."""
    playlist = Playlist.from_payload({"info": 1, "tracks": [MP3]})

    assert playlist[0].title == "Two & a half + ü"
    assert Playlist(name="")
