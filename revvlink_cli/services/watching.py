"""Keeps a fleet open and samples it at an interval, for commands that watch."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.client.events import StatsReceived
from revvlink_cli.client.node import Node
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.services.fleet_session import as_observer, open_fleet
from revvlink_cli.services.trends import Trends

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence

    from revvlink_cli.client.events import PoolEvent
    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import FleetSnapshot, NodeSnapshot, TimedStats

NEWS = 1000
"""Number of events that are kept until they are taken."""

TREND = 60
"""Number of samples in a trend."""


class WatchControl:
    """Controls a running watch.

    Attributes:
        wake: Set after a change of the others, or to have the last sample yielded again.
        is_paused: Whether no new samples are taken.
        is_over: Whether the watch ends.
    """

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.is_paused = False
        self.is_over = False


class LastSeen(NamedTuple):
    """The last known figures of a node.

    Attributes:
        timed: Its statistics.
        penalty: Its penalty with these statistics, with the other nodes' CPU where it had not measured its own.
    """

    timed: TimedStats
    penalty: Penalty


class Watch:
    """A fleet that is watched.

    Attributes:
        fleet: The fleet.
        snapshot: The last sample.
        penalties: By node, its penalty in each of the last samples; None where unknown.
        trends: The course of each node's figures over a longer time.
        last: By node, its last valid figures, also from before a lost connection.
        connected: Nodes that have been connected at some time.
    """

    def __init__(self, fleet: Fleet, interval: float = 1.0) -> None:
        """Begin to watch; `interval` is the time between two samples in seconds."""
        self.fleet = fleet
        self.snapshot: FleetSnapshot = fleet.snapshot()
        self.penalties: dict[str, deque[float | None]] = {}
        self.trends = Trends(interval)
        self.last: dict[str, LastSeen] = {}
        self.connected: set[str] = set()
        self._news: deque[tuple[float, PoolEvent]] = deque(maxlen=NEWS)

    def sample(self) -> FleetSnapshot:
        """Take a new snapshot and add its figures to the trends."""
        snapshot = self.refresh()
        figures: list[tuple[str, float | None, float | None, float | None]] = []
        for node in snapshot.nodes:
            cost, stats = snapshot.penalties.get(node.identifier), node.stats(snapshot.at)
            if cost is not None and node.timed_stats is not None:
                self.last[node.identifier] = LastSeen(node.timed_stats, cost)
            if node.status is NodeStatus.CONNECTED:
                self.connected.add(node.identifier)
            self.penalties.setdefault(node.identifier, deque(maxlen=TREND)).append(cost.total if cost else None)
            load, playing = (stats.system_load, stats.playing) if stats else (None, None)
            figures.append((node.identifier, playing, load, cost.total if cost else None))
        self.trends.add(snapshot.at, figures)
        gone = self.penalties.keys() - {node.identifier for node in snapshot.nodes}
        for name in gone:
            del self.penalties[name]
            self.last.pop(name, None)
        return snapshot

    def refresh(self) -> FleetSnapshot:
        """Take a new snapshot that is not a sample: nothing is added to the trends."""
        self.snapshot = self.fleet.snapshot()
        return self.snapshot

    def add_news(self, at: float, events: Iterable[PoolEvent]) -> None:
        """Add events, each of which happened at about this time, in seconds since the epoch."""
        self._news += [(at, event) for event in events if not isinstance(event, StatsReceived)]

    def take_news(self) -> list[tuple[float, PoolEvent]]:
        """The last events since the former call, without statistics, each with its approximate time."""
        news = list(self._news)
        self._news.clear()
        return news

    def last_of(self, node: NodeSnapshot) -> LastSeen | None:
        """The stale figures to show of a node that has no current ones; None without any.

        A lost node keeps the figures from before the loss. A node that is connected again has none until it sends its
        first statistics, because another server process may run there.
        """
        is_back = node.status is NodeStatus.CONNECTED and node.timed_stats is None
        return None if is_back else self.last.get(node.identifier)

    @property
    def is_hopeless(self) -> bool:
        """Whether no node is connected or retried any more."""
        return not any(node.is_supervised for node in self.fleet.members)


async def watch(
    chosen: Sequence[NodeSettings],
    *,
    regions: Mapping[str, Sequence[str]] | None,
    timeout: float,
    interval: float,
    count: int | None = None,
    duration: float | None = None,
    reload: Callable[[], Sequence[NodeSettings] | None] | None = None,
    control: WatchControl | None = None,
    waits_for_all: bool = False,
) -> AsyncGenerator[Watch, None]:
    """Sample the nodes at once and then at an interval, until `count`, `duration` or the last supervised node ends.

    Args:
        chosen: The nodes.
        regions: A region map in place of the built-in one.
        timeout: Seconds to wait for the first node.
        interval: Seconds between two samples.
        count: Number of samples, None for no limit.
        duration: Seconds to continue, None for no limit.
        reload: Reads the nodes again when the process receives SIGHUP: new nodes join, removed ones leave. A result of
            None changes nothing.
        control: Pauses, wakes or ends the watch; the last sample is yielded again when it wakes.
        waits_for_all: Whether the first sample waits until every node has sent statistics or failed, not only for the
            first node.
    """
    control = control or WatchControl()
    hung_up = False

    def hang_up() -> None:
        nonlocal hung_up
        hung_up = True
        control.wake.set()

    async with open_fleet(
        chosen, regions=regions, timeout=timeout, any_will_do=not waits_for_all, settled=waits_for_all
    ) as fleet:
        if sys.platform != "win32" and reload is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)
        joining: set[asyncio.Task[None]] = set()
        news = fleet.subscribe()
        try:
            watched = Watch(fleet, interval)
            begun = next_at = time.monotonic()
            samples = 0
            while not control.is_over:
                if time.monotonic() >= next_at:
                    samples += 1
                    next_at = max(next_at + interval, time.monotonic())  # a slow reader gets fewer samples, no backlog
                    if not control.is_paused:
                        watched.sample()
                    watched.add_news(time.time(), news.waiting())
                yield watched
                over = duration is not None and next_at - begun > duration
                if samples == count or over or watched.is_hopeless:
                    return
                await _wait_until(next_at, control.wake)
                control.wake.clear()
                if hung_up and reload is not None:
                    hung_up = False
                    next_at = time.monotonic()
                    wanted = reload()
                    if wanted is not None:
                        await follow(fleet, [as_observer(entry, timeout) for entry in wanted], joining)
        finally:
            fleet.unsubscribe(news)
            if sys.platform != "win32" and reload is not None:
                asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
            for task in joining:
                task.cancel()
            if joining:
                await asyncio.wait(joining)


async def _wait_until(at: float, wake: asyncio.Event) -> None:
    """Wait for a moment of the monotonic clock, or until `wake` is set; it is set in the end.

    Ctrl-C may cancel the task while it runs. If its time is over by then, as on a busy machine, an `asyncio.timeout`
    that is entered after that would swallow the cancellation, and the watch would go on.
    """
    timer = asyncio.get_running_loop().call_later(max(at - time.monotonic(), 0.0), wake.set)
    try:
        await wake.wait()
    finally:
        timer.cancel()


async def follow(fleet: Fleet, wanted: Sequence[NodeSettings], joining: set[asyncio.Task[None]]) -> None:
    """Apply the nodes of a new configuration to a fleet; unchanged nodes stay connected or are tried at once.

    Args:
        fleet: The fleet.
        wanted: The nodes of the new configuration.
        joining: Receives the tasks that connect new and lost nodes; the caller cancels and awaits them.
    """
    same = {settings.identifier: settings for settings in wanted}
    for node in fleet.members:
        if same.get(node.identifier) != node.settings:
            await node.close(eject=True)
    known = {node.identifier for node in fleet.members}
    chores = [_wake(fleet), *(_join(fleet, settings) for settings in wanted if settings.identifier not in known)]
    for chore in chores:
        task = asyncio.create_task(chore, name="follow")
        joining.add(task)
        task.add_done_callback(joining.discard)


async def _wake(fleet: Fleet) -> None:
    """Try lost nodes at once: an operator may have repaired a server without a change of the configuration."""
    await fleet.reconnect()


async def _join(fleet: Fleet, settings: NodeSettings) -> None:
    from revvlink_cli.client.errors import RevvlinkException

    try:
        await fleet.connect([Node.from_settings(settings)])
    except RevvlinkException:
        return  # the snapshot of the node has the reason
