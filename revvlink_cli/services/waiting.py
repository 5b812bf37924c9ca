"""Waits until nodes are there: what start-up scripts imitate with ``sleep``."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

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
"""Seconds between two attempts at a node at most."""


class Waited(NamedTuple):
    """What waiting for one node came to.

    Attributes:
        node: How it stood then.
        took: Seconds since the waiting began.
        is_there: Whether it was what was waited for.
        finding: What was wrong with it, where that is known.
    """

    node: NodeSnapshot
    took: float
    is_there: bool
    finding: Finding | None = None


async def wait_for(
    chosen: Sequence[NodeSettings],
    policy: Policy | None,
    *,
    regions: Mapping[str, Sequence[str]] | None,
    timeout: float,
) -> AsyncGenerator[Waited, None]:
    """Give each node as soon as it is there, or will never be; those that are late when the time is over, last.

    Args:
        chosen: The nodes.
        policy: What makes a node healthy, canaries apart; None waits for nodes that are ready.
        regions: A region map in place of the built-in one.
        timeout: Seconds for all of it.
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
        while missing and not is_over:
            snapshot = opening.fleet.snapshot()
            for node in snapshot.nodes:
                if node.identifier not in missing:
                    continue
                is_there, finding = _look(node, snapshot, policy, timeout)
                if is_there or _is_hopeless(node):
                    missing.discard(node.identifier)
                    yield Waited(node, time.monotonic() - begun, is_there, finding)
            try:
                async with asyncio.timeout_at(deadline):
                    if missing:
                        await opening.fleet.changed()
            except TimeoutError:
                is_over = True
        snapshot = opening.fleet.snapshot()
        for node in snapshot.nodes:
            if node.identifier in missing:
                is_there, finding = _look(node, snapshot, policy, timeout)
                yield Waited(node, time.monotonic() - begun, is_there, finding)


def _is_hopeless(node: NodeSnapshot) -> bool:
    """Whether somebody has to act before the node can be there."""
    error = node.error
    return isinstance(error, AuthorizationFailedException) or (error is not None and error.code is Code.CONFIGURATION)


def _look(
    node: NodeSnapshot, snapshot: FleetSnapshot, policy: Policy | None, timeout: float
) -> tuple[bool, Finding | None]:
    if policy is None and node.status is NodeStatus.CONNECTED and node.hanging is None:
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
