"""Writes a drill as a scenario, so that a bot can have the same outage with `revvlink simulate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.services.drill import plan
from revvlink_cli.services.drill.drills import KINDS, hit_by
from revvlink_cli.services.drill.rehearsal import RESTART, profile_of
from revvlink_cli.services.scenario_text import scenario_text
from revvlink_cli.simulator.scenario import Fault, Scenario

if TYPE_CHECKING:
    from revvlink_cli.services.drill.drills import Question
    from revvlink_cli.services.drill.model import FleetModel

BEGINS = 60.0
"""Seconds that a bot has to connect before the outage."""

EVERY = 60.0
"""Seconds from the restart of one node to that of the next."""


def scenario_of(fleet: FleetModel, question: Question) -> str:
    """The scenario of a drill as TOML."""
    nodes = tuple(profile_of(node, node.playing, question.voice) for node in fleet.nodes)
    hit = hit_by(fleet, question.drill, question.nodes)
    match KINDS[question.drill]:
        case "kill":
            faults = [Fault(do="kill", nodes=name, at=BEGINS) for name in hit]
        case "cut":
            faults = [Fault(do="freeze", nodes=name, at=BEGINS) for name in hit]
        case "restart":
            order = [step.node for step in plan.safe_order(fleet, hit)]
            faults = [
                Fault(do="stop", nodes=name, at=BEGINS + EVERY * place, lasts=RESTART)
                for place, name in enumerate(order)
            ]
        case "forget":
            faults = [Fault(do=do, nodes=name, at=BEGINS) for name in hit for do in ("lose_sessions", "drop")]
        case _:
            grown = plan.overload(fleet).fleet
            faults = [
                Fault(do="load", nodes=node.identifier, at=BEGINS, players=node.players, playing=node.playing)
                for node in grown.nodes
            ]
    heading = (
        f"revvlink drill {question.drill}: the outage begins after {BEGINS:.0f} s.",
        "revvlink simulate serves it.",
    )
    return scenario_text(Scenario(nodes=nodes, faults=tuple(faults), seed=question.seeds[0]), heading)
