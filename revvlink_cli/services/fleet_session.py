"""Opens a fleet for the time of one command, the way a bot would, and sees it closed whatever happens."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import RevvlinkException
from revvlink_cli.client.fleet import Fleet
from revvlink_cli.client.node import Node
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.config import secrets_in_use

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import NodeSnapshot

LINGER = 1.0
"""Seconds for what is welcome and not needed: slower nodes once one is ready, a round trip after statistics."""

GRACE = 0.25
"""Seconds beyond the time for the nodes in which one whose time has run out says at what."""


@asynccontextmanager
async def open_fleet(
    settings: Sequence[NodeSettings],
    *,
    regions: Mapping[str, Sequence[str]] | None = None,
    timeout: float,
    any_will_do: bool = False,
    settled: bool = False,
) -> AsyncIterator[Fleet]:
    """A fleet of these nodes, each connected or with the reason why not in its snapshot.

    Args:
        settings: The nodes.
        regions: A region map in place of the built-in one.
        timeout: Seconds to wait for nodes; those that took longer are left connecting.
        any_will_do: Stop waiting a little after the first node is ready.
        settled: Wait also until every connected node has given statistics, or failed to, and for a little while for
            a round trip.
    """
    async with connecting([as_observer(entry, timeout) for entry in settings], regions, timeout) as opening:
        await opening.until_connected(any_will_do=any_will_do)
        if settled:
            await opening.until_settled()
        yield opening.fleet


class FleetSession:
    """A fleet whose nodes are being connected.

    Attributes:
        fleet: The fleet.
        deadline: When the time for the nodes is over, on the loop's clock.
    """

    def __init__(self, fleet: Fleet, task: asyncio.Task[None], deadline: float) -> None:
        self.fleet = fleet
        self.deadline = deadline
        self._task = task

    async def until_connected(self, *, any_will_do: bool = False) -> None:
        """Wait until the first attempt at every node is over, or, if any will do, until a little after one is ready."""
        fleet, task = self.fleet, self._task
        await until(fleet, self.deadline, lambda: task.done() or (any_will_do and _any_ready(fleet)))
        if not task.done():
            await until(fleet, self._soon(), task.done)
        if task.done():
            task.result()  # a defect, should there be one, belongs to whoever runs the command

    async def until_settled(self, linger: float = LINGER) -> None:
        """Wait until every connected node has given statistics, or failed to, and so long for a round trip."""
        fleet = self.fleet
        await until(fleet, self.deadline, lambda: all(map(has_told, fleet.snapshot().nodes)))
        await until(fleet, self._soon(linger), lambda: all(map(is_settled, fleet.snapshot().nodes)))

    def _soon(self, linger: float = LINGER) -> float:
        return min(self.deadline, asyncio.get_running_loop().time() + linger)


@asynccontextmanager
async def connecting(
    settings: Sequence[NodeSettings], regions: Mapping[str, Sequence[str]] | None, timeout: float
) -> AsyncIterator[FleetSession]:
    """A fleet of these nodes, as they are, that begins to connect; it is closed at the end of the block.

    Args:
        settings: The nodes.
        regions: A region map in place of the built-in one.
        timeout: Seconds that the nodes have.
    """
    make_room_for(len(settings))
    fleet = Fleet(secrets_in_use.redactor())
    nodes = [Node.from_settings(entry) for entry in settings]
    deadline = asyncio.get_running_loop().time() + timeout + GRACE
    task = asyncio.create_task(_connect(fleet, nodes, regions), name="connect")
    try:
        yield FleetSession(fleet, task, deadline)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await fleet.close()


def as_observer(settings: NodeSettings, timeout: float) -> NodeSettings:
    """A node's settings for somebody who only looks: the server is not to keep the session of every run."""
    return replace(settings, resume_timeout=0, timeout=min(settings.timeout, timeout))


def make_room_for(nodes: int, others: int = 0) -> int:
    """Raise this process' own limit of open files, within what the system allows, if so many nodes may pass it.

    A node takes a websocket and a connection for requests; many systems start processes with a limit of 1,024.

    Args:
        nodes: How many nodes there are.
        others: Connections beside them.

    Returns:
        How many connections beside them there is room for.
    """
    if sys.platform == "win32":
        return others
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * nodes + 128 + others
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = limit
    return others if soft == resource.RLIM_INFINITY else min(others, max(soft - 3 * nodes - 32, 0))


async def _connect(fleet: Fleet, nodes: Sequence[Node], regions: Mapping[str, Sequence[str]] | None) -> None:
    try:
        await fleet.connect(nodes, regions=regions)
    except RevvlinkException:
        return  # each node's snapshot carries its own failure, and that is what is shown
    finally:
        fleet.note_change()  # wakes who waits for this to be done


async def until(fleet: Fleet, deadline: float, is_so: Callable[[], bool]) -> None:
    """Wait for a state of the fleet, at most until `deadline` on the loop's clock."""
    try:
        async with asyncio.timeout_at(deadline):
            while not is_so():
                await fleet.changed()
    except TimeoutError:
        return  # what is missing by now shows in the snapshots


def _any_ready(fleet: Fleet) -> bool:
    return any(node.status is NodeStatus.CONNECTED for node in fleet.members)


def has_told(node: NodeSnapshot) -> bool:
    """Whether a node has given statistics, or is not going to."""
    return node.status is not NodeStatus.CONNECTED or node.timed_stats is not None or node.stats_error is not None


def is_settled(node: NodeSnapshot) -> bool:
    """Whether nothing more is to be expected soon from a node."""
    if node.status is not NodeStatus.CONNECTED:
        return True
    return has_told(node) and node.latency_ms is not None
