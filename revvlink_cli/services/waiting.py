"""Waits until nodes are ready or healthy, for start-up scripts that would use ``sleep`` otherwise."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli._awaited import awaiting
from revvlink_cli._awaited import missing as still_missing
from revvlink_cli.client.errors import AuthorizationFailedException, Code
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.health.checks.context import CheckContext
from revvlink_cli.health.checks.run import check_node
from revvlink_cli.health.findings import Finding, Verdict, is_healthy
from revvlink_cli.services.checking import PER_SECOND
from revvlink_cli.services.fleet_session import as_observer, connecting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import FleetSnapshot, NodeSnapshot
    from revvlink_cli.health.policy import Policy

RETRY_WITHIN = 1.0
"""Longest pause in seconds between two attempts at a node."""


class Waited(NamedTuple):
    """The result of waiting for one node.

    Attributes:
        node: Its snapshot at the end of the wait.
        took: Seconds since the start of the wait.
        has_reached_goal: Whether it was ready or healthy, as wanted.
        finding: The first finding against it, where one is known.
    """

    node: NodeSnapshot
    took: float
    has_reached_goal: bool
    finding: Finding | None = None


async def wait_for(
    chosen: Sequence[NodeSettings],
    policy: Policy | None,
    *,
    regions: Mapping[str, Sequence[str]] | None,
    timeout: float,
) -> AsyncGenerator[Waited, None]:
    """Yield each node as soon as it reaches the goal or cannot reach it; at the timeout, the nodes that are left.

    Args:
        chosen: The nodes.
        policy: The requirements of a healthy node, without canaries; None waits for nodes that are ready.
        regions: A region map in place of the built-in one.
        timeout: Seconds for the whole wait.
    """
    settings = [
        replace(as_observer(entry, timeout), per_second=PER_SECOND, retry_within=RETRY_WITHIN, retries=None)
        for entry in chosen
    ]
    begun = time.monotonic()
    async with connecting(settings, regions, timeout) as opening:
        missing = {entry.identifier for entry in chosen}
        deadline = asyncio.get_running_loop().time() + timeout
        is_over = False
        done = "nodes ready" if policy is None else "nodes healthy"
        while missing and not is_over:
            snapshot = opening.fleet.snapshot()
            for node in snapshot.nodes:
                if node.identifier not in missing:
                    continue
                has_reached_goal, finding = _judge(node, snapshot, policy, timeout)
                if has_reached_goal or _needs_operator(node):
                    missing.discard(node.identifier)
                    yield Waited(node, time.monotonic() - begun, has_reached_goal, finding)
            try:
                with awaiting(lambda: still_missing(sorted(missing), len(chosen), done)):
                    async with asyncio.timeout_at(deadline):
                        if missing:
                            await opening.fleet.changed()
            except TimeoutError:
                is_over = True
        snapshot = opening.fleet.snapshot()
        for node in snapshot.nodes:
            if node.identifier in missing:
                has_reached_goal, finding = _judge(node, snapshot, policy, timeout)
                yield Waited(node, time.monotonic() - begun, has_reached_goal, finding)


def _needs_operator(node: NodeSnapshot) -> bool:
    """Whether the node cannot connect until somebody changes its password or configuration."""
    error = node.error
    return isinstance(error, AuthorizationFailedException) or (error is not None and error.code is Code.CONFIGURATION)


def _judge(
    node: NodeSnapshot, snapshot: FleetSnapshot, policy: Policy | None, timeout: float
) -> tuple[bool, Finding | None]:
    """Whether a node has reached the goal, and the first finding against it."""
    if policy is None and node.status is NodeStatus.CONNECTED and node.rest_failure is None:
        return True, None
    requirements = policy.of(node.identifier) if policy is not None else None
    penalty = snapshot.penalties.get(node.identifier)
    context = CheckContext(node, snapshot.at, timeout, penalty=penalty)
    if requirements is not None:
        context = context._replace(requirements=replace(requirements, canaries=()))
    outcomes = check_node(context)
    bad = [
        found for found in outcomes if isinstance(found, Finding) and found.verdict not in (Verdict.OK, Verdict.WARNING)
    ]
    return policy is not None and is_healthy(outcomes) is True, bad[0] if bad else None
