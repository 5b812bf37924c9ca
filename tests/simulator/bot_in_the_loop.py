"""A client of simulated nodes that run in its own event loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp

from revvlink_cli.simulator.music import TRACKS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from revvlink_cli.simulator.node_control import NodeControl

HEADERS = {"Authorization": "youshallnotpass", "User-Id": "170939974227541168", "Client-Name": "test/1"}
VOICE = {"token": "t", "endpoint": "us.discord.media:443", "sessionId": "s", "channelId": "1"}
GUILD = "81384788765712384"


class Bot:
    """A client of one node.

    Attributes:
        session: Its session.
        socket: Its websocket.
    """

    def __init__(self, http: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse, session: str) -> None:
        self._http = http
        self.socket = socket
        self.session = session

    async def patch(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a PATCH below its session."""
        async with self._http.patch(f"/v4/sessions/{self.session}{path}", json=body) as answer:
            return dict(await answer.json())

    async def until(self, kind: str) -> dict[str, Any]:
        """The next message of an op, or type of event; the ones before it are left out."""
        async with asyncio.timeout(10):
            while True:
                message: dict[str, Any] = await self.socket.receive_json()
                if kind in (message["op"], message.get("type")):
                    return message

    async def play(self) -> None:
        """Play a track with voice."""
        player = await self.patch(f"/players/{GUILD}", {"voice": VOICE, "track": {"encoded": TRACKS[0].encoded}})
        assert player["track"]["encoded"]


@asynccontextmanager
async def bot_on(node: NodeControl, *, session: str | None = None) -> AsyncIterator[Bot]:
    """A client in the loop of the nodes."""
    more = {} if session is None else {"Session-Id": session}
    async with (
        aiohttp.ClientSession(node.uri, headers=HEADERS) as http,
        http.ws_connect("/v4/websocket", headers=more) as socket,
    ):
        ready = await socket.receive_json()
        yield Bot(http, socket, ready["sessionId"])
