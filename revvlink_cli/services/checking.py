"""Runs the checks: opens the fleet once, loads the canaries and assesses the snapshot."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli.client.connection.transport import Progress
from revvlink_cli.client.errors import RevvlinkException
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.health.checks.context import Load
from revvlink_cli.health.fleet import Report, assess
from revvlink_cli.services.fleet_session import as_observer, connecting, has_stats_or_failed, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.health.policy import Policy
    from revvlink_cli.services.fleet_session import FleetSession

PER_SECOND = 2
"""Requests to one node in any one second. Checks run often, and bots use these nodes too."""


def as_checker(settings: NodeSettings, timeout: float) -> NodeSettings:
    """A node's settings for a check: slow requests, and one attempt, because retries would hide a flapping node."""
    return replace(as_observer(settings, timeout), per_second=PER_SECOND, retries=0)


def without_canaries(policy: Policy) -> Policy:
    """The policy without its canaries."""
    return replace(
        policy,
        common=replace(policy.common, canaries=()),
        nodes={name: replace(requirements, canaries=()) for name, requirements in policy.nodes.items()},
    )


async def run(
    chosen: Sequence[NodeSettings], policy: Policy, *, regions: Mapping[str, Sequence[str]] | None, timeout: float
) -> Report:
    """Check nodes and fleet.

    Args:
        chosen: The nodes.
        policy: The requirements for them.
        regions: A region map in place of the built-in one.
        timeout: Seconds for the whole check; a node that has not answered by then has timed out.
    """
    at, begun = time.time(), time.monotonic()
    async with connecting([as_checker(entry, timeout) for entry in chosen], regions, timeout) as opening:
        patience = max(min(entry.timeout, timeout) for entry in chosen)
        if any(policy.canaries(entry.identifier) for entry in chosen):
            async with _loading(opening.fleet, policy, opening.deadline) as loads:
                await _settle(opening, patience)
                await until(opening.fleet, opening.deadline, loads.are_over)
            found = loads.found
        else:
            await _settle(opening, patience)
            found = {}
        report = assess(opening.fleet.snapshot(), policy, timeout=timeout, loads=found)
    return replace(report, at=at, took=time.monotonic() - begun)


async def _settle(opening: FleetSession, patience: float) -> None:
    """Wait for everything that checks examine; a ping has as long as any other request."""
    await opening.until_connected()
    await opening.until_settled(patience)


class _Loads:
    """The canaries of all nodes.

    Attributes:
        found: By node, the results of its canaries, in their order.
    """

    def __init__(self, fleet: Fleet, policy: Policy, deadline: float) -> None:
        self.found: dict[str, list[Load]] = {}
        self._fleet = fleet
        self._policy = policy
        self._deadline = deadline
        self._running = 0

    def are_over(self) -> bool:
        """Whether every canary that can be loaded has a result."""
        return self._running == 0 and not self._waiting()

    def _waiting(self) -> list[Node]:
        """Connected nodes whose canaries have not started; statistics come first, because a canary may hang."""
        return [
            node
            for node in self._fleet.members
            if node.identifier not in self.found
            and self._policy.canaries(node.identifier)
            and node.status is NodeStatus.CONNECTED
            and has_stats_or_failed(node.snapshot())
        ]

    async def watch(self) -> None:
        """Load the canaries of each node as soon as it is connected, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for node in self._waiting():
                    canaries = self._policy.canaries(node.identifier)
                    self.found[node.identifier] = [Load(canary, 0.0) for canary in canaries]
                    for index, canary in enumerate(canaries):
                        self._running += 1
                        group.create_task(self._load(node, index, canary), name=f"canary {canary}")
                await self._fleet.changed()

    async def _load(self, node: Node, index: int, canary: str) -> None:
        tracks, failure, progress = None, None, Progress()
        try:
            async with asyncio.timeout_at(self._deadline):
                tracks = len(await node.rest.load(canary, progress))
        except TimeoutError:
            pass  # the result then has neither tracks nor a failure, which means that the time ran out
        except RevvlinkException as error:
            failure = error
        finally:
            now = time.monotonic()
            took = now - (progress.began or now)  # the wait for the rate limit does not count
            self.found[node.identifier][index] = Load(canary, took, tracks, failure)
            self._running -= 1
            self._fleet.note_change()


@asynccontextmanager
async def _loading(fleet: Fleet, policy: Policy, deadline: float) -> AsyncIterator[_Loads]:
    """Load canaries while the block runs."""
    loads = _Loads(fleet, policy, deadline)
    watching = asyncio.create_task(loads.watch(), name="canaries")
    try:
        yield loads
        if watching.done():
            watching.result()  # raises the exception of a defect, if there was one
    finally:
        watching.cancel()
        await asyncio.wait([watching])
