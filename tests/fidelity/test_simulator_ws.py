"""The simulator says over the websocket what the genuine Lavalink said, in the same order where that has one.

The recorder's part of every transcript is acted again, on simulated nodes whose time passes ten times as fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from revvlink_cli.simulator import Clock, NodeProfile, Simulator
from tests.fidelity.read_recordings import LAVALINK, transcripts
from tests.fidelity.replay_client import act_all

if TYPE_CHECKING:
    from tests.fidelity.read_recordings import Transcript

pytestmark = pytest.mark.alone

SPEED = 10.0
PASSWORD = "pw"
CHANGES = {"demo:stream": "sim:unplayable"}
"""The plugin's track that fails, and the simulator's."""

NOT_SIMULATED = {"silent-http-403-when-played": "an address that answers once and then refuses"}
"""Parts of names of scenarios that are not acted, and why."""


def profile(transcript: Transcript) -> NodeProfile:
    """A node as the recorded server was set up for this scenario."""
    if transcript.id.endswith("player-track-stuck"):
        return NodeProfile(
            identifier=transcript.id,
            password=PASSWORD,
            track_stuck_threshold=1.0,
            player_update_interval=1.0,
        )
    return NodeProfile(identifier=transcript.id, password=PASSWORD)


def test_every_transcript() -> None:
    """Every scenario: kinds, order, keys and types of messages, close codes, and the REST answers in between."""
    scenarios = [entry for entry in transcripts(LAVALINK) if not any(part in entry.id for part in NOT_SIMULATED)]

    with Simulator(
        [profile(transcript) for transcript in scenarios], clock=Clock(SPEED, with_timeouts=True)
    ) as simulator:
        odd = act_all(simulator, scenarios, PASSWORD, SPEED, CHANGES)

    assert {name: told for name, told in odd.items() if told} == {}
    assert len(odd) > 25
