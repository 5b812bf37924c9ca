"""The simulator says over the websocket what the genuine Lavalink said, in the same order where that has one.

The recorder's part of every transcript is acted again, on simulated nodes whose time passes ten times as fast.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.fidelity.acting import Actor
from tests.fidelity.recordings import LAVALINK, transcripts

if TYPE_CHECKING:
    from tests.fidelity.recordings import Step, Transcript

SPEED = 10.0
PASSWORD = "pw"
CHANGES = {"demo:stream": "sim:unplayable"}
"""The plugin's track that fails, and the simulator's."""


def profile(transcript: Transcript) -> NodeProfile:
    """A node as the recorded server was set up for this scenario."""
    if transcript.id.endswith("player-track-stuck"):
        return NodeProfile(
            identifier=transcript.id,
            password=PASSWORD,
            speed=SPEED,
            track_stuck_threshold=1.0,
            player_update_interval=1.0,
        )
    return NodeProfile(identifier=transcript.id, password=PASSWORD, speed=SPEED)


def test_every_transcript() -> None:
    """Every scenario: kinds, order, keys and types of messages, close codes, and the REST answers in between."""
    scenarios = transcripts(LAVALINK)

    async def act(simulator: Simulator, transcript: Transcript) -> list[str]:
        node = simulator[transcript.id]

        async def happen(step: Step, guild: str) -> None:
            """What was done to the recorded server."""
            note = step.fields["note"]
            if step.kind == "voice-server":
                await asyncio.to_thread(node.close_voice, guild, int(note.rpartition(" ")[2]))
            else:
                assert note == "SIGTERM"
                # The genuine server closes with 1001 or, as chance has it, just ends.
                await asyncio.to_thread(node.kill if transcript.id.endswith("abrupt") else node.stop)

        return await Actor(transcript, node.uri, PASSWORD, SPEED, CHANGES, happen).act()

    async def work(simulator: Simulator) -> dict[str, list[str]]:
        async with asyncio.TaskGroup() as group:
            tasks = {transcript.id: group.create_task(act(simulator, transcript)) for transcript in scenarios}
        return {name: task.result() for name, task in tasks.items()}

    with Simulator([profile(transcript) for transcript in scenarios]) as simulator:
        odd = asyncio.run(work(simulator))

    assert {name: told for name, told in odd.items() if told} == {}
    assert len(odd) > 25
