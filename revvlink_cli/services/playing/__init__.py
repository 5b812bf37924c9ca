"""Plays a track on nodes as a bot would, and reports whether it sounds.

How much can be seen depends on the server:

- With a voice server of our own (`revvlink_cli.services.voice`), every packet is measured.
- A Lavalink without one reports a track that fails, but says nothing about a track that plays.
- A NodeLink does not begin without voice, but may have an endpoint that returns the decoded sound.

`play_on` plays on one node and always gives a `PlayReport`; `play_all` plays on several nodes at once. `play_on` is
what a canary calls::

    async with VoiceServer(Address("0.0.0.0", 8443), cert=..., advertise=...) as voice:
        plan = PlayPlan("ytsearch:never gonna give you up", seconds=5.0, voice=voice)
        report = await play_on(fleet, node, plan, deadline=loop.time() + 30.0)

The node must be connected. Each call makes a player of its own, for a guild that does not exist, and destroys it in the
end, also when the call is cancelled. Calls may run at the same time, on one voice server too.
"""

from revvlink_cli.services.playing.attempt import play_all, play_on
from revvlink_cli.services.playing.report import PlayPlan, PlayReport, PlayStep, PlayVerdict

__all__ = ["PlayPlan", "PlayReport", "PlayStep", "PlayVerdict", "play_all", "play_on"]
