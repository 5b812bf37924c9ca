"""An embedded Lavalink v4 server for the demo, for drills and for tests.

It answers as a genuine Lavalink 4.2.2 does: with the same routes, headers, bodies and order of messages. Tracks begin,
advance and end by the clock, but no sound is made.
"""

from revvlink_cli.simulator.clock import Clock
from revvlink_cli.simulator.profile import NodeProfile
from revvlink_cli.simulator.server import SimulatedNode, Simulator
from revvlink_cli.simulator.simulation import Simulation

__all__ = ["Clock", "NodeProfile", "SimulatedNode", "Simulation", "Simulator"]
