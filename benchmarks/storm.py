"""A node sends player updates as fast as a client reads: how many each client handles per second of processor time.

``python -m benchmarks.storm CLIENT URI`` is one such client, a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import statistics
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from benchmarks.measure import Demand, Row, Samples, Unit, at_least
from revvlink_cli.simulator.music import TRACKS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence

UPDATES = 100_000
GUILDS = [817327181659110000 + number for number in range(100)]
PROMISED = 20_000
"""Updates a second that one core must handle."""


def _update(guild: int, position: int) -> str:
    state = {"time": 1_700_000_000_000 + position, "position": position, "connected": True, "ping": 31}
    return json.dumps({"op": "playerUpdate", "guildId": str(guild), "state": state}, separators=(",", ":"))


def _frame(text: str) -> bytes:
    data = text.encode()
    return bytes([0x81]) + (bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data))) + data


def _updates() -> Iterator[str]:
    return (_update(guild, at) for at in range(UPDATES // len(GUILDS)) for guild in GUILDS)


def _all_kinds() -> Iterator[str]:
    """Updates, and what else a node sends: statistics every minute, and two events a track of three minutes."""
    memory = {"free": 1, "used": 300_000_000, "allocated": 500_000_000, "reservable": 4_000_000_000}
    cpu = {"cores": 8, "systemLoad": 0.31, "lavalinkLoad": 0.07}
    frames = {"sent": 3000, "nulled": 2, "deficit": 0}
    figures = {"players": 100, "playingPlayers": 90, "uptime": 86_400_000, "memory": memory, "cpu": cpu}
    stats = json.dumps({"op": "stats", **figures, "frameStats": frames})
    track = {**TRACKS[0].to_payload(), "pluginInfo": {}, "userData": {}}
    for number, update in enumerate(_updates()):
        yield update
        if number % 1200 == 0:
            yield stats
        if number % 18 == 0:
            about = {"op": "event", "guildId": str(GUILDS[number % len(GUILDS)]), "track": track}
            kind = {"type": "TrackStartEvent"} if number % 2 else {"type": "TrackEndEvent", "reason": "replaced"}
            yield json.dumps({**about, **kind})


class FakeNode:
    """The routes of a node that a client needs, and the stream of messages."""

    def __init__(self, messages: Iterable[str]) -> None:
        self._storm = b"".join(map(_frame, messages))
        self._begin = asyncio.Event()

    def application(self) -> web.Application:
        """Its routes."""
        app = web.Application()
        app.router.add_get("/version", self._version)
        app.router.add_get("/v4/info", self._info)
        app.router.add_get("/v4/websocket", self._websocket)
        app.router.add_get("/v4/sessions/s/players", self._players)
        app.router.add_patch("/v4/sessions/s", self._session)
        app.router.add_post("/begin", self._start)
        return app

    async def _version(self, _request: web.Request) -> web.Response:
        return web.Response(text="4.2.2")

    async def _info(self, _request: web.Request) -> web.Response:
        version = {"semver": "4.2.2", "major": 4, "minor": 2, "patch": 2, "preRelease": None, "build": None}
        return web.json_response(
            {
                "version": version,
                "buildTime": 0,
                "git": {"branch": "b", "commit": "c", "commitTime": 0},
                "jvm": "17",
                "lavaplayer": "2",
                "sourceManagers": [],
                "filters": [],
                "plugins": [],
            },
            headers={"Lavalink-Api-Version": "4"},
        )

    async def _session(self, _request: web.Request) -> web.Response:
        return web.json_response({"resuming": True, "timeout": 60})

    async def _players(self, _request: web.Request) -> web.Response:
        state = {"time": 0, "position": 0, "connected": True, "ping": 1}
        return web.json_response(
            [
                {"guildId": str(guild), "track": None, "volume": 100, "paused": False, "state": state,
                 "voice": {}, "filters": {}}
                for guild in GUILDS
            ]
        )  # fmt: skip

    async def _start(self, _request: web.Request) -> web.Response:
        self._begin.set()
        return web.Response()

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await socket.send_str(json.dumps({"op": "ready", "resumed": False, "sessionId": "s"}))

        async def blow() -> None:
            await self._begin.wait()
            self._begin.clear()
            assert request.transport is not None
            request.transport.write(self._storm)

        blowing = asyncio.create_task(blow())
        async for message in socket:
            if message.type is web.WSMsgType.PING:
                await socket.pong(message.data)
        blowing.cancel()
        return socket


async def _ours(uri: str) -> Callable[[], int]:
    from revvlink_cli import Node, Pool

    node = Node(uri=uri, password="x", heartbeat=60.0)
    await Pool.connect(nodes=[node])
    await node.fetch_players()
    for guild in GUILDS:
        Pool.create_player(guild, node=node)
    return lambda: min(player.state.position for player in node.session_players.values())


async def _discord_like(library: Any, uri: str) -> Callable[[], int]:
    """Connect a client that needs the client of a Discord library."""
    import discord

    client: Any = discord.Client(intents=discord.Intents.none())
    client._connection.user = SimpleNamespace(id=170939974227541168)
    client.loop = asyncio.get_running_loop()
    node = library.Node(uri=uri, password="x", heartbeat=60.0)
    await library.Pool.connect(nodes=[node], client=client)
    while str(node.session_id) != "s":
        await asyncio.sleep(0.01)
    players = [library.Player() for _ in GUILDS]
    node._players.update(zip(GUILDS, players, strict=True))
    return lambda: min(player._last_position for player in players)


async def _wavelink(uri: str) -> Callable[[], int]:
    import wavelink

    return await _discord_like(wavelink, uri)


async def _peer(uri: str) -> Callable[[], int]:
    import revvlink

    return await _discord_like(revvlink, uri)


async def _lavalink_py(uri: str) -> Callable[[], int]:
    import lavalink

    client: Any = lavalink.Client(170939974227541168)
    port = int(uri.rpartition(":")[2])
    node = client.add_node(host="127.0.0.1", port=port, password="x", region="us", name="n")
    while not node.available:
        await asyncio.sleep(0.01)
    players = [client.player_manager.create(guild) for guild in GUILDS]
    return lambda: min(player._last_position for player in players)


async def _bare(uri: str) -> Callable[[], int]:
    """Use aiohttp and msgspec alone."""
    from benchmarks.bare_client import listen

    last = dict.fromkeys(map(str, GUILDS), -1)
    task = asyncio.create_task(listen(f"{uri}/v4/websocket", last))

    def lowest() -> int:
        if task.done():
            task.result()
        return min(last.values())

    while not last.get("ready"):
        await asyncio.sleep(0.01)
    del last["ready"]
    return lowest


CLIENTS: dict[str, Callable[[str], Coroutine[Any, Any, Callable[[], int]]]] = {
    "ours": _ours,
    "bare": _bare,
    "revvlink": _peer,
    "wavelink": _wavelink,
    "lavalink.py": _lavalink_py,
}


async def _take(name: str, uri: str) -> None:
    """Run a client until the last update has arrived; print the seconds of processor time."""
    import aiohttp

    logging.disable(logging.CRITICAL)
    last = await CLIENTS[name](uri)
    async with aiohttp.ClientSession() as session:
        began = time.process_time()
        await session.post(f"{uri}/begin")
        while last() < UPDATES // len(GUILDS) - 1:
            await asyncio.sleep(0.01)
    print(time.process_time() - began, flush=True)
    os._exit(0)  # some clients have no way to be closed


def storm() -> Samples:
    """Updates a second that one core handles."""
    others = [name for name in CLIENTS if name not in ("ours", "bare")]
    rates = _rates(_updates(), ("ours", *others), repeats=3)
    best = max(others, key=lambda name: statistics.median(rates[name]))
    demands = [Demand(f"at least {PROMISED:,}/s (the best is {best})", statistics.median(rates["ours"]) >= PROMISED)]
    return Samples(rates["ours"], rates[best], Unit.PER_SECOND, demands=demands)


def intake() -> Samples:
    """Updates a second that one core handles, with the other messages of a node among them, beside the bare floor."""
    rates = _rates(_all_kinds(), ("ours", "bare"), repeats=7)
    return Samples(rates["ours"], rates["bare"], Unit.PER_SECOND)


def _rates(messages: Iterable[str], clients: Sequence[str], *, repeats: int) -> dict[str, list[float]]:
    """Updates a second that each client handles when a node sends these messages; measured by turns."""
    rates: dict[str, list[float]] = {name: [] for name in clients}
    with serving(FakeNode(messages)) as uri:
        for _ in range(repeats):
            for name, measured in rates.items():
                command = [sys.executable, "-m", "benchmarks.storm", name, uri]
                done = subprocess.run(command, check=True, timeout=120, stdout=subprocess.PIPE)
                measured.append(UPDATES / float(done.stdout.split()[-1]))
    return rates


@contextmanager
def serving(node: FakeNode) -> Iterator[str]:
    """The address of a node that runs in a thread."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(node.application())
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


ROWS = {
    "storm": Row(
        storm, "the best other client", at_least(2),
        "Player updates that a bot takes in with one core, beside revvlink 1.0.5, wavelink 3.5.2 and "
        "lavalink.py 5.11.1.",
    ),
    "intake": Row(
        intake, "aiohttp and msgspec alone", at_least(0.7),
        "The same with statistics and events among the updates, beside a program that receives the messages, decodes "
        "them and keeps the last position, and does nothing else.",
    ),
}  # fmt: skip

if __name__ == "__main__":
    asyncio.run(_take(sys.argv[1], sys.argv[2]))
