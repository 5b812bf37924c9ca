"""Random faults for a while: every player ends on a connected node, exactly once, and nothing is left over.

``REVVLINK_TEST_SOAK=nodes,players,seconds`` sets its size; `make test-all` takes ``50,5000,60``.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import Node, NodeStatus, Pool
from revvlink_cli.client.errors import RevvlinkException
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.example_counts import examples

if TYPE_CHECKING:
    from revvlink_cli.simulator.server import SimulatedNode

pytestmark = pytest.mark.alone

MIB = 2**20

log = logging.getLogger(__name__)

PASSWORD = "pw"
FIRST_GUILD = 817327181659110000
NODES, PLAYERS, SECONDS = (
    int(part) for part in os.environ.get("REVVLINK_TEST_SOAK", examples("6,120,6", "50,5000,60")).split(",")
)


def memory() -> int:
    """Bytes of this process, pool and simulated servers together, that are in memory now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def settle(pool: type[Pool]) -> None:
    """Until every player is on a connected node by that node's own account, and on no other."""
    while True:
        await pool.reconnect()
        try:
            lists = {
                name: [player.guild_id for player in await node.fetch_players()]
                for name, node in pool.nodes.items()
                if node.status is NodeStatus.CONNECTED
            }
        except RevvlinkException:
            continue
        told = [guild for guilds in lists.values() for guild in guilds]
        mine = {
            guild: name
            for name, node in pool.nodes.items()
            for guild in node.players
            if node.status is NodeStatus.CONNECTED
        }
        if len(lists) == NODES and sorted(told) == sorted(mine) and len(mine) == PLAYERS:
            return
        await asyncio.sleep(0.2)


def test_random_faults() -> None:
    """Nodes are dropped, killed and frozen at random; then they are left in peace, and everything is in its place."""
    chance = random.Random(7)

    async def trouble(node: SimulatedNode) -> None:
        """One fault of one node, and its end."""
        match chance.choice(("drop", "kill", "freeze")):
            case "drop":
                await asyncio.to_thread(node.drop)
            case "kill":
                await asyncio.to_thread(node.kill)
                await asyncio.sleep(chance.uniform(0.1, 1.0))
                await asyncio.to_thread(node.start)
            case _:
                await asyncio.to_thread(node.freeze)
                await asyncio.sleep(chance.uniform(0.1, 1.5))
                await asyncio.to_thread(node.thaw)

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        async def place(number: int) -> None:
            player = Fresh.create_player(FIRST_GUILD + number)
            await player.update_voice(token="t", endpoint="us-east1.discord.gg:443", session_id="s", channel_id=3)

        profiles = [NodeProfile(identifier=f"n{number}", password=PASSWORD) for number in range(NODES)]
        with Simulator(profiles) as simulator:
            settings: dict[str, Any] = {"password": PASSWORD, "resume_timeout": 2, "heartbeat": 0.5, "timeout": 1.0}
            nodes = [Node(identifier=node.profile.identifier, uri=node.uri, **settings) for node in simulator]
            await Fresh.connect(nodes=nodes)
            try:
                async with asyncio.TaskGroup() as group:
                    for number in range(PLAYERS):
                        group.create_task(place(number))
                before = memory()
                loop = asyncio.get_running_loop()
                end = loop.time() + SECONDS
                while loop.time() < end:
                    await trouble(simulator[f"n{chance.randrange(NODES)}"])
                    async with asyncio.timeout(5):  # a server may see the new socket before the end of the old
                        while any(node.open_sockets > 1 for node in simulator):
                            await asyncio.sleep(0.01)
                async with asyncio.timeout(120):
                    await settle(Fresh)
                grown = memory() - before
                log.warning("%d MiB before the faults, %d more after them", before // MIB, grown // MIB)
                assert grown < before // 4 + 32 * MIB
            finally:
                await Fresh.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())
