"""How long a drill of a large fleet takes: the real pool and a thousand simulated nodes in one process."""

from __future__ import annotations

import gc
import time

from benchmarks.measure import A_LIMIT, Row, Samples, Unit, at_most
from revvlink_cli.health.policy import Policy
from revvlink_cli.services.drill.drills import Question, run_drill
from revvlink_cli.services.drill.model import FleetModel, NodeModel

NODES, EACH = 1000, 100
"""Nodes, and playing players of each."""

REGIONS = ("brazil", "eu", "india", "japan", "us")

LIMIT = 60.0
"""Seconds that a drill of a thousand nodes may take."""


def large_fleet() -> FleetModel:
    """A copy of a thousand nodes in five regions."""
    nodes = (
        NodeModel(
            identifier=f"node-{number}",
            region=REGIONS[number % len(REGIONS)],
            cores=4,
            players=EACH,
            playing=EACH,
            load=0.5,
            is_cost_measured=True,
            round_trip=0.03,
        )
        for number in range(NODES)
    )
    return FleetModel(tuple(nodes), Policy())


def loss_in_a_large_fleet() -> Samples:
    """One run of the loss of a node, with everything that is reported."""
    fleet = large_fleet()
    gc.disable()  # as the command does while it rehearses
    try:
        began = time.perf_counter()
        run_drill(fleet, Question("node-loss", (), (1,), 0.25))
        took = time.perf_counter() - began
    finally:
        gc.enable()
    return Samples([took], [LIMIT], Unit.SECONDS)


ROWS = {
    "drill-1000": Row(
        loss_in_a_large_fleet, A_LIMIT, at_most(1),
        "One run of `revvlink drill node-loss` on a copy of 1,000 nodes, from its figures to its report.",
    ),
}  # fmt: skip
