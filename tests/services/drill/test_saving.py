"""Drills as scenarios: what is written is read back, with the outage at its moment."""

from __future__ import annotations

import pytest

from revvlink_cli.services.drill.drills import KINDS, Question
from revvlink_cli.services.drill.saving import BEGINS, scenario_of
from revvlink_cli.services.scenario_files import read_scenario
from tests.services.drill.copies import fleet, node

COPY = fleet(node("us-1", playing=20), node("us-2"), node("eu-1", "eu"))

ACTIONS = {
    "node-loss": {"kill"},
    "region-outage": {"freeze"},
    "rolling-restart": {"stop"},
    "overload": {"load"},
    "resume-lost": {"lose_sessions", "drop"},
}


@pytest.mark.parametrize("drill", KINDS)
def test_scenario_of_a_drill(drill: str) -> None:
    """It has the nodes with all their players, and the faults that the drill rehearses."""
    found = read_scenario(scenario_of(COPY, Question(drill, (), (3,), 0.25)))

    assert [(entry.identifier, entry.playing) for entry in found.nodes] == [("us-1", 20), ("us-2", 10), ("eu-1", 10)]
    assert {fault.do for fault in found.faults} == ACTIONS[drill]
    assert min(fault.at for fault in found.faults) == BEGINS
    assert found.seed == 3
