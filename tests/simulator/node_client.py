"""A client of one simulated node: its requests, and the messages that it gets."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from revvlink_cli.simulator import Clock, Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from revvlink_cli.simulator import NodeProfile
    from revvlink_cli.simulator.scenario import Fault

PASSWORD = "pw"
AUTHORIZED = {"Authorization": PASSWORD}
HEADERS = {**AUTHORIZED, "User-Id": "170939974227541168", "Client-Name": "test/1"}
GUILD = "817327181659111454"
VOICE = {"token": "t", "endpoint": "voice.example:443", "sessionId": "s", "channelId": "300000000000000003"}


class Client:
    """A client with a websocket: what it asks, and what it is told."""

    def __init__(self, http: aiohttp.ClientSession, uri: str) -> None:
        self._http = http
        self._uri = uri
        self.session = ""

    async def connect(self, **headers: str) -> dict[str, Any]:
        """Open the websocket; gives the ready message."""
        self.socket = await self._http.ws_connect(f"{self._uri}/v4/websocket", headers={**HEADERS, **headers})
        ready = await self.message()
        assert ready["op"] == "ready"
        self.session = ready["sessionId"]
        return ready

    async def message(self) -> dict[str, Any]:
        """The next message."""
        found: dict[str, Any] = json.loads((await self.socket.receive()).data)
        return found

    async def ask(self, method: str, path: str, body: Any = None, *, headers: Any = AUTHORIZED) -> tuple[int, Any]:
        """Status and body of a request."""
        async with self._http.request(method, self._uri + path, json=body, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if text.startswith(("{", "[")) else text

    async def player(self, body: Any, *, query: str = "") -> dict[str, Any]:
        """The player after a PATCH."""
        status, player = await self.patch(body, query=query)
        assert status == 200, player
        return dict(player)

    async def patch(self, body: Any, *, query: str = "") -> tuple[int, Any]:
        """Status and body of a PATCH of the player."""
        return await self.ask("PATCH", f"/v4/sessions/{self.session}/players/{GUILD}{query}", body)

    async def told(self, count: int) -> list[str]:
        """The next messages, in short."""
        return [brief(await self.message()) for _ in range(count)]


def brief(message: dict[str, Any]) -> str:
    """A message in a few words."""
    match message:
        case {"op": "event", "type": "TrackStartEvent"}:
            return f"start {message['track']['info']['identifier']}"
        case {"op": "event", "type": "TrackEndEvent"}:
            return f"end {message['track']['info']['identifier']} {message['reason']}"
        case {"op": "event"}:
            return f"{message['type']} {message['code']} {message['byRemote']}"
        case {"op": "playerUpdate", "state": {"connected": connected, "ping": ping}}:
            return f"update {connected} {ping}"
    return str(message["op"])


@asynccontextmanager
async def client(uri: str, *, has_stats: bool = True) -> AsyncIterator[Client]:
    """A client that has got ready, and the first statistics of a Lavalink."""
    async with asyncio.timeout(30), aiohttp.ClientSession() as http:
        found = Client(http, uri)
        await found.connect()
        if has_stats:
            assert brief(await found.message()) == "stats"
        yield found
        await found.socket.close()


def run_by_hand(
    profile: NodeProfile,
    work: Callable[[Client, Callable[[float], Awaitable[None]]], Coroutine[Any, Any, None]],
    *faults: Fault,
) -> None:
    """Run a test with a client of node ``n``, which may have faults, and what moves the node's clock."""
    clock = Clock.manual()

    async def connected(simulator: Simulator) -> None:
        async def advance(seconds: float) -> None:
            await simulator.run(clock.advance(seconds))

        async with client(simulator["n"].uri, has_stats=profile.dialect == "lavalink") as here:
            await work(here, advance)

    with Simulator([profile], faults=faults, seed=7, clock=clock) as simulator:
        asyncio.run(connected(simulator))
