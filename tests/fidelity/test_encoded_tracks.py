"""Every encoded track in the recordings, and ten thousand that are damaged."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from revvlink_cli.client.protocol.encoded_tracks import TrackDecodeError, decode_track, encode_track
from tests.example_counts import examples
from tests.fidelity.read_recordings import LAVALINK, NODELINK, exchanges, transcripts

if TYPE_CHECKING:
    from collections.abc import Iterator


def tracks_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every track in some JSON, wherever it stands."""
    if isinstance(value, dict):
        if isinstance(value.get("encoded"), str) and isinstance(value.get("info"), dict):
            yield value
        for inner in value.values():
            yield from tracks_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from tracks_in(inner)


@cache
def recorded() -> dict[str, tuple[dict[str, Any], ...]]:
    """All tracks both servers told of, by their encoded form."""
    found: dict[str, list[dict[str, Any]]] = {}
    for server in (LAVALINK, NODELINK):
        values = [exchange.value for exchange in exchanges(server)]
        for transcript in transcripts(server):
            for step in transcript.steps:
                if step.kind == "text" and step.direction == "in":
                    values.append(json.loads(step.fields["text"]))
                elif step.kind == "rest" and step.direction == "in":
                    values.append(step.fields["body"])
        for track in tracks_in(values):
            found.setdefault(track["encoded"], []).append(track)
    return {encoded: tuple(tracks) for encoded, tracks in found.items()}


def test_all_decode_to_the_recorded_info() -> None:
    """What the form holds is what the server said of the track, field by field, and the probe info with it."""
    assert len(recorded()) > 20
    for encoded, tracks in recorded().items():
        decoded = decode_track(encoded)
        told = decoded.to_payload()
        for track in tracks:
            # Whether one can seek is not in the form: NodeLink, which also tells `details`, has its own idea of it.
            unwritten = {"isSeekable", "details"} if "details" in track["info"] else set()
            info = {key: value for key, value in track["info"].items() if key not in unwritten}
            assert {key: value for key, value in told["info"].items() if key not in unwritten} == info, encoded
            probe = (track.get("pluginInfo") or {}).get("probeInfo")
            assert probe is None or decoded.plugin_info["probeInfo"] == probe


def test_all_encode_to_the_same_text() -> None:
    """Decoding and encoding, in the version it has, gives the very characters the server sent."""
    for encoded in recorded():
        version = base64.b64decode(encoded)[4]
        assert encode_track(decode_track(encoded), version=version) == encoded


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A recorded track cut, stretched, with bytes changed or another header; or nothing but noise."""
    data = bytearray(base64.b64decode(draw(st.sampled_from(sorted(recorded())))))
    match draw(st.sampled_from(["cut", "stretch", "change", "header", "lengths", "noise", "text", "characters"])):
        case "cut":
            del data[draw(st.integers(0, len(data))) :]
        case "stretch":
            at = draw(st.integers(0, len(data)))
            data[at:at] = draw(st.binary(min_size=1, max_size=300))
        case "change":
            for place in draw(st.lists(st.integers(0, len(data) - 1), min_size=1, max_size=5)):
                data[place] = draw(st.integers(0, 255))
        case "header":
            data[:4] = draw(st.integers(0, 2**32 - 1)).to_bytes(4, "big")
        case "lengths":
            at = draw(st.integers(0, len(data) - 2))
            data[at : at + 2] = draw(st.sampled_from([b"\x00\x00", b"\xff\xff", b"\x7f\xff", b"\x00\x01"]))
        case "noise":
            data = bytearray(draw(st.binary(max_size=400)))
        case "text":
            return draw(st.text(max_size=100))
        case "characters":
            text = list(base64.b64encode(data).decode())
            text[draw(st.integers(0, len(text) - 1))] = draw(st.characters())
            return "".join(text)
    return base64.b64encode(data).decode()


@settings(max_examples=examples(1_000, 20_000), deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(damaged())
def test_damage_ends_in_one_clear_error(text: str) -> None:
    """A track that is not what it was decodes to one that encodes, or ends in one error of one short printable line."""
    try:
        track = decode_track(text)
    except TrackDecodeError as error:
        told = str(error)
    else:
        told = "decoded"
        assert decode_track(encode_track(track)).to_payload()["info"] == track.to_payload()["info"]
    assert told.isprintable()
    assert len(told) < 200


def test_what_is_oversized_is_refused_at_once() -> None:
    """Neither a hundred megabytes of text nor a header that announces a gigabyte is worked on."""
    for text in ("A" * 100_000_000, "QAAA" * 10_000_000, base64.b64encode(b"\x7f\xff\xff\xff" + bytes(1000)).decode()):
        try:
            decode_track(text)
        except TrackDecodeError as error:
            told = str(error)
        assert "too long" in told or "announces" in told
