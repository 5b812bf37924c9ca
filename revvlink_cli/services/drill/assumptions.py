"""States what a drill assumes and what cannot be observed. No report is without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.services.drill.model import USUAL_COST
from revvlink_cli.services.drill.rehearsal import RESTART, group_size

if TYPE_CHECKING:
    from revvlink_cli.services.drill.model import FleetModel, NodeModel
    from revvlink_cli.services.drill.rehearsal import Outage

_OUTAGES = {
    "kill": "the process of the node ends, and its port refuses connections",
    "cut": "nothing passes to the nodes or from them, so that nothing shows whether they still play",
    "restart": f"each node is drained, is down for {RESTART:g} s, and takes players again before the next one",
    "forget": "the connection to the node breaks, and it has forgotten the session with its players",
}


def assumptions_of(fleet: FleetModel, outage: Outage | None, voice: float, hit: int) -> tuple[str, ...]:
    """What a drill assumes.

    Args:
        fleet: The copy.
        outage: What was rehearsed, None if nothing was.
        voice: Seconds that a node needs to connect to a voice server.
        hit: Number of nodes that the drill hits.
    """
    found = []
    if outage is not None:
        found.append(_OUTAGES[outage.kind])
        found.append(f"a node needs {voice * 1000:.0f} ms to connect to a voice server (--voice-time)")
        found.append("all players are of one bot process with this client, and each wants the region of its node")
        group = group_size(fleet, outage)
        if group > 1:
            found.append(f"each rehearsed player stands for {group}, and takes as long as they do")
        if len(outage.nodes) < hit:
            found.append(f"{len(outage.nodes)} of {hit} nodes are rehearsed, those with the most players")
    else:
        found.append("players come to each region in proportion, and go where the ranking of the client puts them")
    usual = [node for node in fleet.nodes if not node.is_cost_measured]
    if usual:
        found.append(f"a playing player takes {USUAL_COST:.2%} of a core on {_named(usual)}")
    if len(usual) < len(fleet.nodes):
        found.append("elsewhere it takes its share of the load that the server itself causes")
    return tuple(found)


def unobserved_in(fleet: FleetModel) -> tuple[str, ...]:
    """What cannot be observed from outside."""
    found = [
        "how long the source of a track takes to send sound",
        "lost frames: a Lavalink shows them only to the session whose players play",
        "what other bots do with their players",
    ]
    blind = [node for node in fleet.nodes if node.load is None]
    if blind:
        found.append(f"the load of {_named(blind)}: no CPU baseline, so no verdict")
    if without := [node for node in fleet.nodes if not node.has_cores]:
        found.append(f"the cores of {_named(without)}: costs are shares of the machine")
    return tuple(found)


def _named(nodes: list[NodeModel]) -> str:
    names = [node.identifier for node in nodes]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
