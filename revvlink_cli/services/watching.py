"""A fleet kept open and looked at from time to time, for as long as somebody watches."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.client.events import StatsReceived
from revvlink_cli.client.node import Node
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.services.fleet_session import as_observer, open_fleet

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from revvlink_cli.client.events import PoolEvent
    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import FleetSnapshot, NodeSnapshot, TimedStats

NEWS = 100
"""Happenings that are remembered."""

TREND = 60
"""Looks that a trend remembers."""


class WatchControl:
    """What the one who watches is after.

    Attributes:
        wake: Set when it has changed.
        is_paused: Whether the picture is to stand still.
        is_over: Whether enough has been seen.
    """

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.is_paused = False
        self.is_over = False


class LastSeen(NamedTuple):
    """The figures of a node while it had some.

    Attributes:
        timed: Its statistics.
        penalty: What they counted for, with the CPU of the others where it had not measured its own.
    """

    timed: TimedStats
    penalty: Penalty


class Watch:
    """One fleet under watch.

    Attributes:
        fleet: The fleet.
        snapshot: How it stood at the last look.
        penalties: By node, its penalty at each of the last looks; None where it was unknown.
        players: By node, its playing players likewise.
        last: By node, the last statistics that counted, those from before it was lost too.
        connected: Nodes that were connected at some time.
        news: What happened last, statistics apart, each with about when: seconds since the epoch.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.snapshot: FleetSnapshot = fleet.snapshot()
        self.penalties: dict[str, deque[float | None]] = {}
        self.players: dict[str, deque[int | None]] = {}
        self.last: dict[str, LastSeen] = {}
        self.connected: set[str] = set()
        self.news: deque[tuple[float, PoolEvent]] = deque(maxlen=NEWS)

    def look(self) -> FleetSnapshot:
        """Take a new snapshot, and remember what trends are made of."""
        self.snapshot = snapshot = self.fleet.snapshot()
        for node in snapshot.nodes:
            cost, stats = snapshot.penalties.get(node.identifier), node.stats(snapshot.at)
            if cost is not None and node.timed_stats is not None:
                self.last[node.identifier] = LastSeen(node.timed_stats, cost)
            if node.status is NodeStatus.CONNECTED:
                self.connected.add(node.identifier)
            self.penalties.setdefault(node.identifier, deque(maxlen=TREND)).append(cost.total if cost else None)
            self.players.setdefault(node.identifier, deque(maxlen=TREND)).append(stats.playing if stats else None)
        gone = self.penalties.keys() - {node.identifier for node in snapshot.nodes}
        for name in gone:
            del self.penalties[name], self.players[name]
            self.last.pop(name, None)
        return snapshot

    def last_of(self, node: NodeSnapshot) -> LastSeen | None:
        """The figures to show of a node that has none now, as stale; None where there are none.

        Figures from before a loss belong to a node that is lost. One that is connected again has none until it sends
        its first: another process may run there.
        """
        is_back = node.status is NodeStatus.CONNECTED and node.timed_stats is None
        return None if is_back else self.last.get(node.identifier)

    @property
    def is_hopeless(self) -> bool:
        """Whether no node is tried any more."""
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
    attention: WatchControl | None = None,
) -> AsyncGenerator[Watch, None]:
    """Look at the nodes at once, then every so often, until the count or the time is over or no node is tried any more.

    Args:
        chosen: The nodes.
        regions: A region map in place of the built-in one.
        timeout: Seconds to wait for the first node.
        interval: Seconds between two looks.
        count: Looks to take, None for no bound.
        duration: Seconds to go on for, None for no bound.
        reload: Gives the nodes anew when the process gets SIGHUP: those that are new join, those that are gone leave.
            None leaves all as it is.
        attention: What the one who watches is after, if that may change; what was seen last is given anew then.
    """
    attention = attention or WatchControl()
    hung_up = False

    def hang_up() -> None:
        nonlocal hung_up
        hung_up = True
        attention.wake.set()

    async with open_fleet(chosen, regions=regions, timeout=timeout, any_will_do=True) as fleet:
        with_signal = reload is not None and sys.platform != "win32"
        if with_signal:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)
        joining: set[asyncio.Task[None]] = set()
        news = fleet.subscribe()
        try:
            watched = Watch(fleet)
            begun = next_at = time.monotonic()
            looks = 0
            while not attention.is_over:
                if time.monotonic() >= next_at:
                    looks += 1
                    next_at = max(next_at + interval, time.monotonic())  # a slow reader gets fewer looks, no backlog
                    if not attention.is_paused:
                        watched.look()
                    now = time.time()
                    watched.news += [(now, told) for told in news.waiting() if not isinstance(told, StatsReceived)]
                yield watched
                over = duration is not None and next_at - begun > duration
                if looks == count or over or watched.is_hopeless:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(next_at - time.monotonic()):
                        await attention.wake.wait()
                attention.wake.clear()
                if hung_up and reload is not None:
                    hung_up = False
                    next_at = time.monotonic()
                    wanted = reload()
                    if wanted is not None:
                        await follow(fleet, [as_observer(entry, timeout) for entry in wanted], joining)
        finally:
            fleet.unsubscribe(news)
            if with_signal:
                asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
            for task in joining:
                task.cancel()
            if joining:
                await asyncio.wait(joining)


async def follow(fleet: Fleet, wanted: Sequence[NodeSettings], joining: set[asyncio.Task[None]]) -> None:
    """Let the fleet have the nodes of a new configuration; those that are the same stay connected, or are tried now.

    Args:
        fleet: The fleet.
        wanted: The nodes it is to have.
        joining: Takes the tasks that connect new ones, and those that are lost; who gave it ends them.
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
    """Try what is not connected: somebody may have mended the server, and not what is configured."""
    await fleet.reconnect()


async def _join(fleet: Fleet, settings: NodeSettings) -> None:
    from revvlink_cli.client.errors import RevvlinkException

    try:
        await fleet.connect([Node.from_settings(settings)])
    except RevvlinkException:
        return  # its snapshot carries the reason, and that is what is shown
