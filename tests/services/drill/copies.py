"""Copies of fleets for the tests of drills."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from revvlink_cli.health.policy import Policy
from revvlink_cli.services.drill.model import FleetModel, NodeModel

REGIONS = ("us", "eu", None)


def node(identifier: str, region: str | None = "us", playing: int = 10, **more: Any) -> NodeModel:
    """A node with four cores, of which a tenth is busy without players."""
    cost = more.pop("cost", 0.02)
    cores = more.pop("cores", 4)
    load = more.pop("load", min(0.1 + cost * playing / cores, 1.0))
    settings: dict[str, Any] = {"players": playing, "round_trip": 0.01, "is_cost_measured": True} | more
    return NodeModel(
        identifier=identifier, region=region, playing=playing, load=load, cores=cores, cost=cost, **settings
    )


def fleet(*nodes: NodeModel) -> FleetModel:
    """A copy with the default thresholds."""
    return FleetModel(nodes, Policy())


@st.composite
def fleets(draw: st.DrawFn) -> FleetModel:
    """Any copy of one to six nodes."""
    count = draw(st.integers(1, 6))
    nodes = [
        node(
            f"n{number}",
            draw(st.sampled_from(REGIONS)),
            draw(st.integers(0, 150)),
            cores=draw(st.sampled_from((1, 4, 16))),
            **({"load": None} if draw(st.integers(0, 4)) == 0 else {}),
        )
        for number in range(count)
    ]
    return fleet(*nodes)
