"""Sends the requests of checks that run on demand, each once to each node that it is asked for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from revvlink_cli.client.errors import RevvlinkException
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.health.checks.context import OnDemand
from revvlink_cli.health.checks.on_demand import has_youtube_plugin

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.protocol.plugin_answers import RoutePlanner
    from revvlink_cli.health.policy import Policy

T = TypeVar("T")


async def ask(fleet: Fleet, policy: Policy, deadline: float) -> dict[str, OnDemand]:
    """Ask the connected nodes for what their checks on demand need.

    Args:
        fleet: The nodes.
        policy: Which checks are asked for.
        deadline: When to stop, on the loop's clock. A node that has not answered by then has no answer.

    Returns:
        By node, its answers.
    """
    answers = await asyncio.gather(*(_ask(node, policy.on_demand(node.identifier), deadline) for node in fleet.members))
    return dict(answers)


async def _ask(node: Node, codes: frozenset[str], deadline: float) -> tuple[str, OnDemand]:
    planner: RoutePlanner | RevvlinkException | None = None
    has_token: bool | RevvlinkException | None = None
    if node.status is NodeStatus.CONNECTED:
        if "routeplanner" in codes:
            planner = await _answer(node.rest.route_planner(), deadline)
        if "youtube" in codes and node.info is not None and has_youtube_plugin(node.info):
            has_token = await _answer(node.rest.has_youtube_token(), deadline)
    return node.identifier, OnDemand(codes, planner, has_token)


async def _answer(request: Awaitable[T], deadline: float) -> T | RevvlinkException | None:
    """The answer or the failure of a request; None if neither has come by the deadline."""
    try:
        async with asyncio.timeout_at(deadline):
            return await request
    except TimeoutError:
        return None
    except RevvlinkException as error:
        return error
