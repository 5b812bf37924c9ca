"""Opens a fleet for one command, as a bot would, and always closes it at the end."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli._awaited import awaiting, missing
from revvlink_cli.client.errors import RevvlinkException
from revvlink_cli.client.fleet import Fleet
from revvlink_cli.client.node import Node
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.config import secrets_in_use

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from revvlink_cli.client.connection.rate_limits import SharedPaces
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import NodeSnapshot

LINGER = 1.0
"""Seconds to wait for optional data: slower nodes once one is ready, or a round trip after statistics."""

GRACE = 0.25
"""Extra seconds after the deadline, so that a timed-out node can report its stage."""


@asynccontextmanager
async def open_fleet(
    settings: Sequence[NodeSettings],
    *,
    regions: Mapping[str, Sequence[str]] | None = None,
    timeout: float,
    any_will_do: bool = False,
    settled: bool = False,
) -> AsyncIterator[Fleet]:
    """Open a fleet of these nodes; each is connected, or its snapshot has the reason of the failure.

    Args:
        settings: The nodes.
        regions: A region map in place of the built-in one.
        timeout: Seconds to wait for nodes; slower nodes continue to connect.
        any_will_do: Stop waiting a little after the first node is ready.
        settled: Wait also until every connected node has sent statistics or failed to, and for a short time for a
            round trip.
    """
    async with connecting([as_observer(entry, timeout) for entry in settings], regions, timeout) as opening:
        await opening.until_connected(any_will_do=any_will_do)
        if settled:
            await opening.until_settled()
        yield opening.fleet


class FleetSession:
    """A fleet whose nodes are connecting.

    Attributes:
        fleet: The fleet.
        deadline: The end of the nodes' time, on the loop's clock.
    """

    def __init__(self, fleet: Fleet, task: asyncio.Task[None], deadline: float) -> None:
        self.fleet = fleet
        self.deadline = deadline
        self._task = task

    @property
    def is_tried(self) -> bool:
        """Whether the first attempt at every node is over."""
        return self._task.done()

    async def until_connected(self, *, any_will_do: bool = False) -> None:
        """Wait until the first attempt at every node is over.

        With `any_will_do`, a little after the first ready node is enough.
        """
        fleet, task = self.fleet, self._task
        with awaiting(lambda: _unanswered(fleet)):
            await until(fleet, self.deadline, lambda: task.done() or (any_will_do and _any_ready(fleet)))
            if not task.done():
                await until(fleet, self._soon(), task.done)
        if task.done():
            task.result()  # raises the exception of a defect, if there was one

    async def until_settled(self, linger: float = LINGER) -> None:
        """Wait until every connected node has sent statistics or failed to, then `linger` seconds for a round trip."""
        fleet = self.fleet
        with awaiting(lambda: _unsettled(fleet)):
            await until(fleet, self.deadline, lambda: all(map(has_stats_or_failed, fleet.snapshot().nodes)))
            await until(fleet, self._soon(linger), lambda: all(map(is_settled, fleet.snapshot().nodes)))

    def _soon(self, linger: float = LINGER) -> float:
        return min(self.deadline, asyncio.get_running_loop().time() + linger)


@asynccontextmanager
async def connecting(
    settings: Sequence[NodeSettings],
    regions: Mapping[str, Sequence[str]] | None,
    timeout: float,
    paces: SharedPaces | None = None,
) -> AsyncIterator[FleetSession]:
    """Start to connect a fleet of these nodes, and close it at the end of the block.

    Args:
        settings: The nodes.
        regions: A region map in place of the built-in one.
        timeout: Seconds until the nodes' deadline.
        paces: Bounds the requests per second to each server together with other sessions, or None.
    """
    make_room_for(len(settings))
    fleet = Fleet(secrets_in_use.redactor(), paces)
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
    """A node's settings for an observer: the server does not keep the session of each run."""
    return replace(settings, resume_timeout=0, timeout=min(settings.timeout, timeout))


def make_room_for(nodes: int, others: int = 0) -> int:
    """Raise this process's limit of open files if the nodes may need more, as far as the system allows.

    A node takes a websocket and a connection for requests. Many systems start processes with a limit of 1,024.

    Args:
        nodes: Number of nodes.
        others: Number of other connections wanted.

    Returns:
        The number of other connections that fit.
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
        return  # the snapshot of each node has its failure
    finally:
        fleet.on_change()  # wakes the tasks that wait for the end of this one


async def until(fleet: Fleet, deadline: float, is_so: Callable[[], bool]) -> None:
    """Wait until a condition holds for the fleet, at most until `deadline` on the loop's clock."""
    try:
        async with asyncio.timeout_at(deadline):
            while not is_so():
                await fleet.changed()
    except TimeoutError:
        return  # the snapshots show what is missing


def _any_ready(fleet: Fleet) -> bool:
    return any(node.status is NodeStatus.CONNECTED for node in fleet.members)


def _unanswered(fleet: Fleet) -> str:
    """The nodes that have neither connected nor failed yet."""
    nodes = fleet.snapshot().nodes
    names = [node.identifier for node in nodes if node.status is not NodeStatus.CONNECTED and node.error is None]
    return missing(names, len(nodes), "nodes answered")


def _unsettled(fleet: Fleet) -> str:
    """The connected nodes whose statistics or round trip are missing."""
    nodes = fleet.snapshot().nodes
    return missing([node.identifier for node in nodes if not is_settled(node)], len(nodes), "nodes sent statistics")


def has_stats_or_failed(node: NodeSnapshot) -> bool:
    """Whether a node has sent statistics, or failed to connect or to send them."""
    return node.status is not NodeStatus.CONNECTED or node.timed_stats is not None or node.stats_error is not None


def is_settled(node: NodeSnapshot) -> bool:
    """Whether a node has failed, or has sent its statistics and answered a ping."""
    if node.status is not NodeStatus.CONNECTED:
        return True
    return has_stats_or_failed(node) and node.latency_ms is not None
