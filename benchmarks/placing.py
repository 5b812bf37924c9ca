"""Places 5,000 players on nodes whose requests are faked, and finds the best node under each kind of change."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from types import SimpleNamespace
from typing import Any

from benchmarks.library import REGIONS
from benchmarks.measure import A_LIMIT, SHOWN, Centre, Demand, Row, Samples, at_most, seconds
from revvlink_cli import Node
from revvlink_cli.client.connection.session_players import RemotePlayer
from revvlink_cli.client.connection.supervisor import NodeSupervisor
from revvlink_cli.client.fleet import Fleet
from revvlink_cli.client.fleet_events import FleetMember
from revvlink_cli.client.node_access import state_of
from revvlink_cli.client.protocol.models import Decoded, WireCpu, WireStats
from revvlink_cli.client.snapshot import NodeStatus

PLAYERS = 5000
FIRST_GUILD = 817327181659110000
ANSWERS = {guild: RemotePlayer(guild_id=guild) for guild in range(FIRST_GUILD, FIRST_GUILD + PLAYERS)}
"""What a node answers for each guild, made before the time is taken."""

MOST = 40e-6
"""Seconds that placing one player may take."""


AT_ONCE = 128
"""Calls of a bot that are under way at the same time."""

REPEATS = 7


class _Rest:
    """A node's REST client that accepts every player without a request."""

    def __init__(self) -> None:
        self.breaker = SimpleNamespace(tripped_until=None)
        self.unexpected_fields: set[str] = set()
        self.unknown: dict[str, int] = {}
        self.latency_s = None
        self.dialect = None
        self.rate_limiter = SimpleNamespace(reset=lambda: None)

    async def update_player(self, _session: str, guild_id: int, _data: Any, **_options: bool) -> RemotePlayer:
        """Accept the player."""
        await asyncio.sleep(0)
        return ANSWERS[guild_id]

    async def update_session(self, _session: str, **_settings: Any) -> None:
        """Accept the settings."""


def _connected() -> Any:
    return SimpleNamespace(
        session_id="s",
        shown_session_id="s",
        resumed=False,
        ready_ms=1.0,
        latency_ms=None,
        unparsed=0,
        handshake=SimpleNamespace(certificate_expires=None),
    )


def _add(fleet: Fleet, number: int) -> Node:
    """A connected node without a network."""
    node = Node(identifier=f"n{number}", uri="http://127.0.0.1:1", password="x", region=REGIONS[number % 4])
    state, rest = state_of(node), _Rest()
    fake: Any = rest
    state.rest = fake
    link = state.supervisor = NodeSupervisor(state, fake, fake, user_id=1)
    link.status, link.was_connected, link.connection = NodeStatus.CONNECTED, True, _connected()
    state.observer = FleetMember(fleet, node)
    fleet._nodes[node.identifier] = node
    state.on_stats(Decoded(WireStats(players=0, playing_players=0, uptime=1, cpu=WireCpu(4, 0.1, 0.1))))
    return node


async def _place(size: int) -> float:
    """Seconds of processor time that each of 5,000 players takes from its creation to its node."""
    fleet = Fleet()
    async with asyncio.TaskGroup() as group:
        fleet._binding.bind()
        fleet._group = group
        nodes = [_add(fleet, number) for number in range(size)]
        gc.collect()

        async def place(number: int) -> None:
            player = fleet.create_player(FIRST_GUILD + number)
            await player.update_voice(
                token="t", endpoint="rotterdam123.discord.media:443", session_id="s", channel_id=300000000000000003
            )

        began = time.process_time()
        waiting = iter(range(PLAYERS))

        async def work() -> None:
            for number in waiting:
                await place(number)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        elapsed = time.process_time() - began
    held = [len(state_of(node).players.guilds) for node in nodes]
    assert sum(held) == PLAYERS, held
    assert all(player.node is not None for player in fleet.players)
    return elapsed / PLAYERS


def place(size: int) -> Samples:
    """The cost of one player on a fleet of so many nodes, and how it compares with 10 nodes."""
    asyncio.run(_place(10))
    mine, small = [], []
    for _ in range(REPEATS):
        mine.append(asyncio.run(_place(size)))
        small.append(asyncio.run(_place(10)))
    growth = min(mine) / min(small)
    demand = Demand(f"at most 2x that on 10 nodes ({growth:.2f}x)", growth <= 2)
    return Samples(mine, [MOST], centre=Centre.MINIMUM, demands=(demand,) if size != 10 else ())


# What one change costs, with the choice of a node after it, in fleets of two sizes.

SMALL, LARGE = 30, 3000
LOGARITHMIC = 2.35
"""The growth of the logarithm from the small fleet to the large one."""

CHANGES = 300


class _Changing:
    """A fleet that changes in one way, again and again."""

    def __init__(self, size: int, *, measured: float = 1.0) -> None:
        self.fleet = Fleet()
        self.source = random.Random(3)
        self.nodes = [_add(self.fleet, number) for number in range(size)]
        self.measured = int(size * measured)
        self.size = size
        self.at = 0
        for number in range(size):
            self.send_stats(number)

    def send_stats(self, number: int) -> None:
        """The node sends statistics; beyond the share of measured nodes without a CPU."""
        playing, load = self.source.randint(0, 200), self.source.random()
        cpu = WireCpu(4, load, load) if number < self.measured else None
        stats = WireStats(players=playing, playing_players=playing, uptime=1, cpu=cpu)
        state_of(self.nodes[number]).on_stats(Decoded(stats))

    def next(self) -> int:
        """One node after the other."""
        self.at = (self.at + 1) % self.size
        return self.at

    def best(self) -> None:
        """Choose a node."""
        self.fleet.get_node(region="eu")

    def one_after_the_other(self) -> None:
        """Every node sends statistics in its turn."""
        self.send_stats(self.next())
        self.best()

    def flapping(self) -> None:
        """One node is lost and comes back."""
        state = state_of(self.nodes[1])
        assert state.supervisor is not None
        for status in (NodeStatus.DISCONNECTED, NodeStatus.CONNECTED):
            state.supervisor.status = status
            state.on_change()
            self.best()

    def joining(self) -> None:
        """One node leaves and another joins."""
        self.fleet.forget(self.nodes.pop(0))
        self.nodes.append(_add(self.fleet, self.size + self.at))
        self.fleet.on_change(self.nodes[-1])
        self.at += 1
        self.best()

    def cordoned(self) -> None:
        """A node is cordoned, and another is not any more."""
        node = self.nodes[self.next()]
        node.cordon()
        self.best()
        node.uncordon()
        self.best()

    def reserved(self) -> None:
        """A player is on its way to the best node, and does not come."""
        players = state_of(self.fleet.get_node(region="eu")).players
        players.release(1, players.reserve(1))
        self.best()


def _cost(changing: _Changing, name: str) -> float:
    change = getattr(changing, name)
    change()
    calls = CHANGES // 10
    return min(seconds(lambda: [change() for _ in range(calls)], time.process_time) for _ in range(10)) / calls


def growth(name: str, *, measured: float = 1.0, regions: dict[str, tuple[str, ...]] | None = None) -> Samples:
    """The cost of one kind of change in a fleet of 3,000 nodes, beside the same in one of 30."""
    fleets = []
    for size in (LARGE, SMALL):
        changing = _Changing(size, measured=measured)
        changing.fleet._selector.use_regions(regions)
        fleets.append(changing)
    mine, small = [], []
    for _ in range(REPEATS):
        mine.append(_cost(fleets[0], name))
        small.append(_cost(fleets[1], name))
    return Samples(mine, small, centre=Centre.MINIMUM)


def expiry() -> Samples:
    """The cost of the choice, per node, when the statistics of all nodes grow too old at once."""

    def expire(size: int) -> float:
        changing = _Changing(size)
        ends = max(node.snapshot().timed_stats.expires for node in changing.nodes)  # type: ignore[union-attr]
        index = changing.fleet._selector._index
        return seconds(lambda: index.best(ends, "eu"), time.process_time) / size

    pairs = [(expire(LARGE), expire(SMALL)) for _ in range(REPEATS)]
    return Samples([large for large, _ in pairs], [small for _, small in pairs])


BESIDE = "the same with 30 nodes"
ROWS = {
    "place-10": Row(
        lambda: place(10), A_LIMIT, at_most(1),
        "Processor time for one new player on a fleet of 10 nodes, from `create_player` to its node, without the "
        "request.",
    ),
    "place-50": Row(lambda: place(50), A_LIMIT, at_most(1), "The same with 50 nodes."),
    "place-1000": Row(lambda: place(1000), A_LIMIT, at_most(1), "The same with 1,000 nodes."),
    "change-stats": Row(
        lambda: growth("one_after_the_other"), BESIDE, at_most(LOGARITHMIC),
        "One of 3,000 nodes sends statistics, each in its turn, and a node is chosen. The target is the growth of the "
        "logarithm.",
    ),
    "change-flap": Row(
        lambda: growth("flapping"), BESIDE, at_most(LOGARITHMIC), "One node is lost and back, again and again.",
    ),
    "change-join": Row(
        lambda: growth("joining"), BESIDE, at_most(LOGARITHMIC), "One node leaves and another one joins.",
    ),
    "change-cordon": Row(
        lambda: growth("cordoned"), BESIDE, at_most(LOGARITHMIC), "A node is cordoned and uncordoned.",
    ),
    "change-reserve": Row(
        lambda: growth("reserved"), BESIDE, at_most(LOGARITHMIC), "A player is on its way to a node.",
    ),
    "change-median": Row(
        lambda: growth("one_after_the_other", measured=0.5), BESIDE, at_most(LOGARITHMIC),
        "Statistics change, and half of the nodes have no CPU figure: they count with the median of the others.",
    ),
    "change-regions": Row(
        lambda: growth("one_after_the_other", regions={"eu": ("fra",), "moon": ("x",)}), BESIDE, at_most(LOGARITHMIC),
        "Statistics change in a pool with regions of its own.",
    ),
    "change-expiry": Row(
        expiry, BESIDE, SHOWN, "The statistics of all nodes grow too old at once: the cost of each node.",
    ),
}  # fmt: skip
