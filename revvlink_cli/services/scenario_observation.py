"""Observes nodes for a time, for `scenario_recording`. It only reads: no player is made, and no node is changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from revvlink_cli._awaited import awaiting
from revvlink_cli.client.errors import Code, LavalinkLoadException, RevvlinkException
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.services.scenario_recording import SeenLoad, SeenNode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.protocol.models import NodeStats
    from revvlink_cli.client.protocol.plugin_answers import RoutePlanner
    from revvlink_cli.client.snapshot import NodeSnapshot


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen.

    Attributes:
        nodes: The nodes that were connected at some time, in the order of the fleet.
        loads: What was found for each identifier that a node could load.
        failures: Why a route planner or an identifier is missing.
    """

    nodes: tuple[SeenNode, ...]
    loads: tuple[SeenLoad, ...]
    failures: tuple[RevvlinkException, ...]


async def observe(fleet: Fleet, identifiers: Sequence[str], seconds: float) -> Observation:
    """Collect the statistics that connected nodes send, and load these identifiers meanwhile, one after the other.

    Args:
        fleet: The nodes, connected as by `fleet_session.open_fleet`.
        identifiers: What to load; each on the best node, as a bot would.
        seconds: How long, or longer where the loads take longer.
    """
    failures: list[RevvlinkException] = []
    async with asyncio.TaskGroup() as group:
        loading = group.create_task(_load(fleet, identifiers, failures), name="load searches")
        planning = group.create_task(_planners(fleet, failures), name="read route planners")
        seen, stats = await _collect(fleet, seconds)
        with awaiting(lambda: "the nodes still load the searches"):
            loads, planners = await loading, await planning
    nodes = (SeenNode(last, tuple(stats[name].values()), planners.get(name)) for name, last in seen.items())
    return Observation(tuple(nodes), tuple(loads), tuple(failures))


async def _collect(fleet: Fleet, seconds: float) -> tuple[dict[str, NodeSnapshot], dict[str, dict[float, NodeStats]]]:
    """By node: its last snapshot while it was connected, and its statistics by the moment they came."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    seen: dict[str, NodeSnapshot] = {}
    stats: dict[str, dict[float, NodeStats]] = {}
    with awaiting(lambda: f"recording for {max(end - loop.time(), 0):.0f} s more"):
        while True:
            for node in fleet.snapshot().nodes:
                if node.status is NodeStatus.CONNECTED:
                    seen[node.identifier] = node
                    figures = stats.setdefault(node.identifier, {})
                    if node.timed_stats is not None:
                        figures[node.timed_stats.at] = node.timed_stats.stats
            if loop.time() >= end:
                return seen, stats
            await fleet.changed_within(end - loop.time())


async def _load(fleet: Fleet, identifiers: Sequence[str], failures: list[RevvlinkException]) -> list[SeenLoad]:
    """What is found for each identifier; one that no node could try is a failure."""
    loads = []
    for identifier in identifiers:
        try:
            loads.append(SeenLoad(identifier, await fleet.fetch_tracks(identifier)))
        except LavalinkLoadException as error:
            if error.code == Code.LOAD_FAILED:
                loads.append(SeenLoad(identifier, error))
            else:
                failures.append(error)
        except RevvlinkException as error:
            failures.append(error)
    return loads


async def _planners(fleet: Fleet, failures: list[RevvlinkException]) -> dict[str, RoutePlanner]:
    """The route planners by node, asked at the same time."""

    async def planner(node: Node) -> RoutePlanner | None:
        try:
            return await node.rest.route_planner()
        except RevvlinkException as error:
            failures.append(error)
            return None

    nodes = [node for node in fleet.members if node.status is NodeStatus.CONNECTED]
    async with asyncio.TaskGroup() as group:
        tasks = {node.identifier: group.create_task(planner(node), name="read a route planner") for node in nodes}
    return {name: found for name, task in tasks.items() if (found := task.result()) is not None}
