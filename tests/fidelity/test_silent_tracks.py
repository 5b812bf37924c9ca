"""What a check that plays without a voice server can see: the recorded events of tracks on players without voice."""

from __future__ import annotations

import json

import pytest

from revvlink_cli.client.protocol.messages import Event, TrackEnd, TrackException, TrackStart, read_event
from revvlink_cli.health.failure_codes import FailureCode
from revvlink_cli.health.known_failures import explain_track
from tests.fidelity.read_recordings import LAVALINK, NODELINK, transcripts

FAILING = {"silent-broken-flac", "silent-http-403-when-played"}


def events_of(server: str) -> dict[str, list[tuple[float, Event]]]:
    """Name of each scenario of a silent track -> its events, with the milliseconds since the scenario began."""
    found: dict[str, list[tuple[float, Event]]] = {}
    for transcript in transcripts(server):
        name = transcript.id.rpartition("/")[2]
        if name.startswith("silent-"):
            messages = [
                (step.at, json.loads(step.fields["text"]))
                for step in transcript.steps
                if step.direction == "in" and step.kind == "text"
            ]
            found[name] = [(at, read_event(message)[0]) for at, message in messages if message["op"] == "event"]
    return found


def test_failure_follows_the_start_at_once() -> None:
    """On a Lavalink a track that fails says so within a tenth of a second; a stalled one looks like a good one."""
    for name, events in events_of(LAVALINK).items():
        (started,) = [at for at, event in events if isinstance(event, TrackStart)]
        failed = [(at, event) for at, event in events if isinstance(event, TrackException)]
        assert bool(failed) is (name in FAILING), name
        for at, event in failed:
            assert at - started < 100
            assert explain_track(event).code is FailureCode.OTHER
            assert explain_track(event).advice
        (end,) = [event.reason for _, event in events if isinstance(event, TrackEnd)]
        assert end == ("cleanup" if name == "silent-to-the-end" else "stopped")


@pytest.mark.parametrize("name", ["silent-wav", "silent-http-wav", *sorted(FAILING)])
def test_nodelink_does_not_begin_without_voice(name: str) -> None:
    """Neither a good track nor one that would fail starts: no verdict can come from its events."""
    events = [event for _, event in events_of(NODELINK)[name]]
    assert events
    assert not any(isinstance(event, TrackStart | TrackException | TrackEnd) for event in events)
