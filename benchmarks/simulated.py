"""How much one process of simulated nodes takes: players on one node, messages a second, nodes.

``python -m benchmarks.simulated NODES INTERVAL`` serves nodes in a process of its own. It answers each line of its
input with its processor time and its memory.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import aiohttp

from benchmarks.measure import A_LIMIT, Row, Samples, Unit, at_least, at_most
from benchmarks.processes import resident

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

T = TypeVar("T")

PASSWORD = "benchmark"
FEW, MANY = 200, 8000
"""Players on one node."""

UPDATES = 1600
"""Updates a second that both send: each of the many players sends one every 5 s, as on a Lavalink."""

WINDOW = 2.0
"""Seconds of one measurement."""

REPEATS = 5

CONNECTIONS = 8
"""Connections that send a PATCH one after the other."""

NODES = 5000
"""Nodes without players; a scenario may have so many."""

MEMORY = 64 * 1024
"""Bytes that one node may take."""

MESSAGES = 5000
"""Messages a second for each core that are promised."""

FLEET, EACH = 50, 200
"""Nodes, and players of each, that send an update every second."""

VOICE = {"token": "t", "endpoint": "voice.discord.gg:443", "sessionId": "s", "channelId": "300000000000000003"}
HEADERS = {"Authorization": PASSWORD, "User-Id": "170939974227541168", "Client-Name": "benchmark"}
TRACK = {"identifier": "music/long.ogg"}


class Served:
    """A process of simulated nodes, with a client that plays on them.

    Attributes:
        uris: Addresses of its nodes.
        received: Number of messages that the client has received.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, http: aiohttp.ClientSession, tasks: asyncio.TaskGroup
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out, self._http, self._tasks = process.stdin, process.stdout, http, tasks
        self.uris: list[str] = []
        self.received = 0
        self._paths: list[str] = []
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []

    async def read(self) -> Any:
        """The next line of the process."""
        return json.loads(await self._out.readline())

    async def usage(self) -> tuple[float, int]:
        """Its processor time in seconds, and its memory in bytes."""
        self._in.write(b"\n")
        cpu, memory = await self.read()
        return cpu, memory

    async def play(self, players: int) -> None:
        """Connect to each node, and make so many players that play."""
        for uri in self.uris:
            socket = await self._http.ws_connect(f"{uri}/v4/websocket", max_msg_size=0)
            session = (await socket.receive_json())["sessionId"]
            self._sockets.append(socket)
            self._tasks.create_task(self._count(socket))
            paths = [f"{uri}/v4/sessions/{session}/players/{number}" for number in range(1, players + 1)]
            await asyncio.gather(*(self._each(paths[at::CONNECTIONS]) for at in range(CONNECTIONS)))
            self._paths += paths

    async def close(self) -> None:
        """Close the websockets, and with them what counts their messages."""
        for socket in self._sockets:
            await socket.close()

    async def _each(self, paths: list[str]) -> None:
        for path in paths:
            await self._patch(path, {"track": TRACK, "voice": VOICE})

    async def _patch(self, path: str, body: Any) -> None:
        async with self._http.patch(path, json=body) as answer:
            answer.raise_for_status()
            await answer.read()

    async def _count(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for _ in socket:
            self.received += 1

    async def patches(self) -> float:
        """PATCH requests that it answers in a second of its processor time, beside the updates that it sends."""
        ends, done = time.perf_counter() + WINDOW, 0

        async def send(at: int) -> None:
            nonlocal done
            while time.perf_counter() < ends:
                await self._patch(self._paths[at % len(self._paths)], {"volume": 50 + done % 50})
                done, at = done + 1, at + CONNECTIONS

        cpu, _ = await self.usage()
        await asyncio.gather(*(send(at) for at in range(CONNECTIONS)))
        return done / ((await self.usage())[0] - cpu)

    async def busy(self) -> tuple[float, float]:
        """The share of a core that it takes, and the messages that the client receives a second."""
        cpu, received, began = (await self.usage())[0], self.received, time.perf_counter()
        await asyncio.sleep(WINDOW)
        took = time.perf_counter() - began
        return ((await self.usage())[0] - cpu) / took, (self.received - received) / took


@asynccontextmanager
async def served(nodes: int, interval: float) -> AsyncIterator[Served]:
    """Nodes whose players send an update each so many seconds."""
    command = (sys.executable, "-m", "benchmarks.simulated", str(nodes), str(interval))
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=2**22)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=HEADERS, connector=connector) as http, asyncio.TaskGroup() as tasks:
        found = Served(process, http, tasks)
        found.uris = await found.read()
        yield found
        await found.close()
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


async def _by_turns(measure: Callable[[Served], Coroutine[Any, Any, T]]) -> tuple[list[T], list[T]]:
    """Measure a node with many players and one with few by turns; both send as many updates a second."""
    results: tuple[list[T], list[T]] = ([], [])
    async with served(1, MANY / UPDATES) as many, served(1, FEW / UPDATES) as few:
        await many.play(MANY)
        await few.play(FEW)
        for _ in range(REPEATS):
            for found, results_of in zip((many, few), results, strict=True):
                results_of.append(await measure(found))
    return results


def players() -> Samples:
    """The share of a core that many players on one node take, beside few that send as many updates."""
    many, few = asyncio.run(_by_turns(Served.busy))
    rate = statistics.median(messages for _, messages in many)
    note = f"{MANY:,} players on one node send {rate:,.0f} messages a second"
    return Samples([share for share, _ in many], [share for share, _ in few], Unit.SHARE_OF_A_CORE, notes=[note])


def patches() -> Samples:
    """PATCH requests in a second of processor time to a node with many players, beside one with few."""
    many, few = asyncio.run(_by_turns(Served.patches))
    return Samples(many, few, Unit.PER_SECOND)


async def _fleet() -> tuple[float, float, float]:
    """The share of a core of a fleet, its messages a second, and bytes of each player."""
    async with served(FLEET, 1.0) as found:
        _, before = await found.usage()
        await found.play(EACH)
        _, after = await found.usage()
        share, messages = await found.busy()
    return share, messages, (after - before) / (FLEET * EACH)


def messages() -> Samples:
    """Messages a second that a fleet sends for each core."""
    share, rate, each = asyncio.run(_fleet())
    notes = [
        f"{FLEET} nodes with {EACH} players each send {rate:,.0f} messages a second, at {share:.0%} of a core",
        f"each playing player takes {each / 1024:.1f} KiB, its track included",
    ]
    return Samples([rate / share], [MESSAGES], Unit.PER_SECOND, notes=notes)


async def _idle() -> tuple[float, int]:
    """Seconds until many nodes listen, and bytes of each."""
    async with served(1, 5.0) as found:
        _, one = await found.usage()
    began = time.perf_counter()
    async with served(NODES, 5.0) as found:
        took = time.perf_counter() - began
        _, many = await found.usage()
    return took, (many - one) // (NODES - 1)


def nodes() -> Samples:
    """Memory of each of many nodes without players."""
    took, each = asyncio.run(_idle())
    notes = [f"{NODES:,} simulated nodes listen after {took:.1f} s, and take {each * NODES / 2**20:.0f} MiB"]
    return Samples([each], [MEMORY], Unit.BYTES, notes=notes)


def _serve(count: int, interval: float) -> None:
    from revvlink_cli.simulator import NodeProfile, Simulator

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    profiles = [
        NodeProfile(identifier=f"n{number}", password=PASSWORD, player_update_interval=interval)
        for number in range(count)
    ]
    with Simulator(profiles) as fleet:
        print(json.dumps([node.uri for node in fleet]), flush=True)
        while sys.stdin.readline():
            print(json.dumps([time.process_time(), resident()]), flush=True)


ROWS = {
    "simulate-players": Row(
        players, "200 players with as many updates", at_most(1.5),
        "Processor time of one simulated node with 8,000 players, beside one with 200 players that send as many "
        "updates: what a player costs does not depend on how many there are.",
    ),
    "simulate-patch": Row(
        patches, "with 200 players", at_least(0.8),
        "How many changes of players a simulated node with 8,000 players answers with a core, while it sends its "
        "updates.",
    ),
    "simulate-messages": Row(
        messages, A_LIMIT, at_least(1),
        "How many messages simulated nodes send a second for each core.",
    ),
    "simulate-nodes": Row(
        nodes, A_LIMIT, at_most(1),
        "Memory that each further simulated node takes.",
    ),
}  # fmt: skip

if __name__ == "__main__":
    _serve(int(sys.argv[1]), float(sys.argv[2]))
