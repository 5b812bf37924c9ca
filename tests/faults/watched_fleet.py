"""Pools of simulated nodes that are watched: what happens to them is kept, and nothing may be left of them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from revvlink_cli import Node, NodeStatus, Pool
from revvlink_cli.client.events import PlayerMoved
from revvlink_cli.simulator import Clock, NodeProfile, Simulator
from revvlink_cli.simulator.music import TRACKS
from tests.faults.faulty_network import Network, networks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from revvlink_cli.client.events import PoolEvent
    from revvlink_cli.client.fleet import Fleet

PASSWORD = "pw"
FIRST_GUILD = 817327181659110000


def guild(number: int) -> int:
    """A guild's id."""
    return FIRST_GUILD + number


def voice(number: int, endpoint: str = "us-east1.discord.gg:443") -> dict[str, Any]:
    """A voice state."""
    return {"token": f"t{number}", "endpoint": endpoint, "session_id": "s", "channel_id": 300000000000000003}


class Watched:
    """A pool of simulated nodes, with what happened to it."""

    def __init__(self, pool: type[Pool], simulator: Simulator, wires: list[Network]) -> None:
        self.pool = pool
        self.simulator = simulator
        self.networks = {node.profile.identifier: wire for node, wire in zip(simulator, wires, strict=False)}
        self.happenings: list[PoolEvent] = []

    def told(self, kind: type[PoolEvent]) -> list[Any]:
        """What happened, of one kind."""
        return [happening for happening in self.happenings if isinstance(happening, kind)]

    def moves(self) -> list[PlayerMoved]:
        """The moves from one node to another."""
        return [told for told in self.told(PlayerMoved) if told.origin is not None]

    async def until(self, condition: Callable[[], object], seconds: float = 20.0) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.01)

    async def until_status(self, name: str, status: NodeStatus) -> None:
        """Wait until a node is connected, or is not."""
        await self.until(lambda: self.pool.nodes[name].status is status)

    @property
    def fleet(self) -> Fleet:
        """The state of the pool."""
        return self.pool.fleet()

    async def on_servers(self) -> dict[str, set[int]]:
        """The guilds that each living server has, by its own account."""
        found = {}
        for name, node in self.pool.nodes.items():
            if node.status is NodeStatus.CONNECTED:
                found[name] = {player.guild_id for player in await node.fetch_players()}
        return found

    async def until_settled(self, players: int, seconds: float = 30.0) -> None:
        """Wait until every player is on one connected node, by that node's account, and on no other."""
        async with asyncio.timeout(seconds):
            while True:
                lists = await self.on_servers()
                told = [guild for guilds in lists.values() for guild in guilds]
                mine = [guild for name in lists for guild in self.pool.nodes[name].players]
                if len(told) == players and sorted(told) == sorted(mine):
                    return
                await asyncio.sleep(0.2)


@asynccontextmanager
async def fleet(
    *profiles: NodeProfile,
    networked: bool = False,
    pool: type[Pool] | None = None,
    clock: Clock | None = None,
    **settings: Any,
) -> AsyncIterator[Watched]:
    """A connected pool; afterwards nothing is left of it, and never did a node have two sockets.

    With `networked` there is a network of ours before each node. `settings` are those of every node.
    """

    class Fresh(Pool):
        """A pool of its own."""

    used = pool or Fresh
    async with AsyncExitStack() as stack:
        simulator = stack.enter_context(Simulator(profiles, clock=clock))
        wires = await stack.enter_async_context(networks(node.port for node in simulator)) if networked else []
        watched = Watched(used, simulator, wires)
        uris = [wire.uri for wire in wires] or [node.uri for node in simulator]

        async def watch() -> None:
            async for happening in used.events():
                watched.happenings.append(happening)

        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        nodes = [
            Node(identifier=node.profile.identifier, uri=uri, password=PASSWORD, region=node.profile.region, **settings)
            for node, uri in zip(simulator, uris, strict=True)
        ]
        try:
            await used.connect(nodes=nodes)
            yield watched
            sockets = {node.profile.identifier: node.open_sockets for node in simulator}
            assert all(count <= 1 for count in sockets.values()), sockets
        finally:
            await used.close()
            async with asyncio.timeout(5):
                await watching
            for wire in wires:
                assert wire.most_sockets <= 1, "two sockets of one node"
                async with asyncio.timeout(5):
                    while wire.sockets:
                        await asyncio.sleep(0.01)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def profiles(*names: str, **settings: Any) -> list[NodeProfile]:
    """Equal nodes."""
    return [NodeProfile(identifier=name, password=PASSWORD, **settings) for name in names]


def run(work: Any) -> None:
    """Run a scenario, a minute at most."""

    async def limited() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(limited())


async def placed(watched: Watched, count: int, *, playing: bool = False) -> None:
    """That many players with voice."""

    async def one(number: int) -> None:
        player = watched.pool.create_player(guild(number))
        if playing:
            await player.play(TRACKS[number % len(TRACKS)], position=1000 * (number % 7))
        await player.update_voice(**voice(number))

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))
