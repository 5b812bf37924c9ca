"""A node with 1,000 players dies: the time until they are on four other nodes, beside the bare requests.

``python -m benchmarks.failover N`` runs N simulated nodes, a process of its own; a line of input kills the first.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

import aiohttp

from benchmarks.measure import Row, Samples, at_most
from revvlink_cli import Node, Pool
from revvlink_cli.client.protocol.dialects import TRAITS, Dialect
from revvlink_cli.client.routing.placement import MAX_CONCURRENT
from revvlink_cli.simulator import NodeProfile, Simulator
from revvlink_cli.simulator.music import TRACKS

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAYERS = 1000
SURVIVORS = 4
LARGE_PLAYERS = 5000
LARGE_SURVIVORS = 50
FIRST_GUILD = 817327181659110000
AT_ONCE = TRAITS[Dialect.LAVALINK].players_at_once


@contextmanager
def _servers(count: int) -> Iterator[tuple[list[str], subprocess.Popen[str]]]:
    """Start simulated nodes, each in its own process, so that they share only the cores of this machine."""
    command = [sys.executable, "-m", "benchmarks.failover", str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield json.loads(process.stdout.readline()), process
        process.stdin.close()


def _payload(number: int) -> dict[str, object]:
    """The body of the request for a moved player."""
    voice = {"token": "t", "endpoint": "us-east1.discord.gg:443", "sessionId": "s", "channelId": "300000000000000003"}
    return {"volume": 100, "voice": voice, "track": {"encoded": TRACKS[number % len(TRACKS)].encoded}, "paused": False}


async def _moved() -> float:
    """Seconds from the loss of a node to the last of its players on another."""

    class Fresh(Pool):
        """A pool for this benchmark only."""

    with _servers(1 + SURVIVORS) as (addresses, process):
        nodes = [
            Node(identifier=f"n{at}", uri=uri, password="benchmark", resume_timeout=0, retries=0, timeout=30.0)
            for at, uri in enumerate(addresses)
        ]
        await Fresh.connect(nodes=nodes)

        async def place(number: int) -> None:
            player = Fresh.create_player(FIRST_GUILD + number, node=nodes[0])
            await player.update_voice(
                token="t", endpoint="us-east1.discord.gg:443", session_id="s", channel_id=300000000000000003
            )
            await player.play(TRACKS[number % len(TRACKS)])

        await asyncio.gather(*map(place, range(PLAYERS)))
        fleet = Fresh.fleet()
        assert process.stdin is not None
        process.stdin.write("kill\n")
        process.stdin.flush()
        while nodes[0].session_id is not None:
            await fleet.changed()
        began = time.perf_counter()
        while sum(len(node.players) for node in nodes[1:]) < PLAYERS:
            await fleet.changed()
        elapsed = time.perf_counter() - began
        counts = [len(node.players) for node in nodes[1:]]
        assert max(counts) - min(counts) <= 3, counts
        await Fresh.close()
    return elapsed


async def _requests() -> float:
    """Seconds that the same servers take for the same number of requests, sent with aiohttp alone."""
    with _servers(SURVIVORS) as (addresses, _):
        headers = {"Authorization": "benchmark", "User-Id": "170939974227541168", "Client-Name": "benchmark"}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
            sockets = [await session.ws_connect(f"{uri}/v4/websocket") for uri in addresses]
            targets = []
            for uri, socket in zip(addresses, sockets, strict=True):
                ready = json.loads((await socket.receive()).data)
                targets.append((f"{uri}/v4/sessions/{ready['sessionId']}/players", asyncio.Semaphore(AT_ONCE)))

            async def send(number: int) -> None:
                target, slots = targets[number % SURVIVORS]
                async with slots, session.patch(f"{target}/{FIRST_GUILD + number}", json=_payload(number)) as response:
                    assert response.status == 200, await response.text()
                    await response.read()

            began = time.perf_counter()
            await asyncio.gather(*map(send, range(PLAYERS)))
            elapsed = time.perf_counter() - began
            for socket in sockets:
                await socket.close()
    return elapsed


def failover() -> Samples:
    """1,000 players moved, beside 1,000 requests."""
    ours, theirs = [], []
    for _ in range(5):
        ours.append(asyncio.run(_moved()))
        theirs.append(asyncio.run(_requests()))
    return Samples(ours, theirs)


@dataclass(frozen=True, slots=True)
class Took:
    """What one run took.

    Attributes:
        wall: Seconds on the clock.
        used: Seconds of processor time of this process: those of the servers are not in it.
    """

    wall: float
    used: float


@contextmanager
def _timed() -> Iterator[list[Took]]:
    took: list[Took] = []
    wall, used = time.perf_counter(), time.process_time()
    yield took
    took.append(Took(time.perf_counter() - wall, time.process_time() - used))


async def _fail_over_to_50() -> Took:
    """Move 5,000 players from a killed node to 50 others."""

    class Fresh(Pool):
        """A pool for this benchmark only."""

    moved = 0
    done = asyncio.Event()

    def dispatch(name: str, _event: object) -> None:
        nonlocal moved
        moved += name == "revvlink_player_moved"
        if moved == LARGE_PLAYERS:
            done.set()

    client = SimpleNamespace(user=SimpleNamespace(id=170939974227541168), dispatch=dispatch)
    with _servers(1 + LARGE_SURVIVORS) as (addresses, process):
        nodes = [
            Node(identifier=f"n{at}", uri=uri, password="benchmark", resume_timeout=0, retries=0, timeout=30.0)
            for at, uri in enumerate(addresses)
        ]
        await Fresh.connect(nodes=nodes, client=client)
        for node in nodes[1:]:
            node.cordon()

        async def place(number: int) -> None:
            player = Fresh.create_player(FIRST_GUILD + number)
            await player.play(TRACKS[number % len(TRACKS)])
            await player.update_voice(
                token="t", endpoint="us-east1.discord.gg:443", session_id="s", channel_id=300000000000000003
            )

        await asyncio.gather(*map(place, range(LARGE_PLAYERS)))
        assert len(nodes[0].players) == LARGE_PLAYERS
        for node in nodes[1:]:
            node.uncordon()
        moved = 0
        done.clear()
        gc.collect()
        assert process.stdin is not None
        process.stdin.write("kill\n")
        process.stdin.flush()
        while nodes[0].session_id is not None:
            await Fresh.fleet().changed()
        with _timed() as took:
            await done.wait()
        counts = [len(node.players) for node in nodes[1:]]
        assert sum(counts) == LARGE_PLAYERS, counts
        assert max(counts) - min(counts) <= 3, counts
        await Fresh.close()
    return took[0]


async def _send_to_50() -> Took:
    """Send the same requests to as many servers with aiohttp alone, as many at once as the pool sends."""
    with _servers(LARGE_SURVIVORS) as (addresses, _):
        headers = {"Authorization": "benchmark", "User-Id": "170939974227541168", "Client-Name": "benchmark"}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
            sockets = [await session.ws_connect(f"{uri}/v4/websocket") for uri in addresses]
            targets = []
            for uri, socket in zip(addresses, sockets, strict=True):
                ready = json.loads((await socket.receive()).data)
                targets.append((f"{uri}/v4/sessions/{ready['sessionId']}/players", asyncio.Semaphore(AT_ONCE)))
            slots = asyncio.Semaphore(MAX_CONCURRENT)
            readers = [asyncio.create_task(_read(socket)) for socket in sockets]

            async def send(number: int) -> None:
                target, own = targets[number % LARGE_SURVIVORS]
                url = f"{target}/{FIRST_GUILD + number}"
                async with slots, own, session.patch(url, json=_payload(number)) as response:
                    assert response.status == 200, await response.text()
                    await response.json()

            gc.collect()
            with _timed() as took:
                await asyncio.gather(*map(send, range(LARGE_PLAYERS)))
            for socket in sockets:
                await socket.close()
            await asyncio.gather(*readers)
    return took[0]


async def _read(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Read the messages of a server, as each client must."""
    async for message in socket:
        json.loads(message.data)


def failover_50() -> Samples:
    """5,000 players moved to 50 nodes, beside 5,000 requests: processor time without that of the servers."""
    ours, theirs = [], []
    for _ in range(3):
        ours.append(asyncio.run(_fail_over_to_50()))
        theirs.append(asyncio.run(_send_to_50()))
    return Samples([took.used for took in ours], [took.used for took in theirs])


def _serve(count: int) -> None:
    profiles = [NodeProfile(identifier=f"n{at}", password="benchmark") for at in range(count)]
    with Simulator(profiles) as fleet:
        print(json.dumps([node.uri for node in fleet]), flush=True)
        if sys.stdin.readline():
            fleet["n0"].kill()
            sys.stdin.read()


ROWS = {
    "failover": Row(
        failover, "the requests alone, by aiohttp", at_most(1.5),
        "How long 1,000 players are without music when their node dies and four others take them.",
    ),
    "failover-50": Row(
        failover_50, "the requests alone, by aiohttp", at_most(1.2),
        "Processor time of a bot while 5,000 players move from a dead node to 50 others. The servers' own time does "
        "not count.",
    ),
}  # fmt: skip

if __name__ == "__main__":
    _serve(int(sys.argv[1]))
