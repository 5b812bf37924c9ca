"""Simulated nodes in the running event loop, on each kind of clock."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from revvlink_cli.simulator import Clock, NodeProfile, Simulation
from revvlink_cli.simulator.music import TRACKS
from revvlink_cli.simulator.scenario import Fault

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


def test_nodes_and_client_in_one_loop() -> None:
    """A node is killed and started again without a thread; no task is left."""

    async def work() -> None:
        profiles = [NodeProfile(identifier="a"), NodeProfile.nodelink(identifier="b")]
        async with Simulation(profiles) as nodes, aiohttp.ClientSession(headers=HEADERS) as http:
            for node in nodes:
                async with http.get(f"{node.uri}/version") as answer:
                    assert await answer.text() == node.profile.version
            await nodes["a"].kill()
            with pytest.raises(aiohttp.ClientConnectionError):
                await http.get(f"{nodes['a'].uri}/version")
            await nodes["a"].start()
            async with http.get(f"{nodes['a'].uri}/version") as answer:
                assert answer.status == 200
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())


def test_a_manual_clock_moves_tracks_statistics_and_faults() -> None:
    """A track of minutes ends within an advance, and a fault begins and ends in it; resume windows pass too."""
    faults = [Fault(do="load", at=90, lasts=60, players=77)]

    async def work() -> None:
        clock = Clock.manual()
        async with (
            Simulation([NodeProfile(identifier="a", stats_interval=30.0)], faults=faults, clock=clock) as nodes,
            bot_on(nodes["a"]) as bot,
        ):
            assert (await bot.until("stats"))["players"] == 0
            await bot.play()
            await bot.until("TrackStartEvent")
            await clock.advance(10)
            updates = [await bot.until("playerUpdate") for _ in range(4)]
            assert [update["state"]["position"] for update in updates] == [0, 0, 5000, 10_000]
            await clock.advance(600)
            assert (await bot.until("TrackEndEvent"))["reason"] == "finished"
            await bot.patch("", {"resuming": True, "timeout": 60})
            await bot.socket.close()
            await until_waiting(nodes["a"])
            await clock.advance(59.9)
            assert bot.session in nodes["a"].sessions
            await clock.advance(0.1)
            assert bot.session not in nodes["a"].sessions

    asyncio.run(work())


def test_windows_for_a_resume_stay_real_on_a_fast_clock() -> None:
    """Hours of the clock pass in the window of a minute."""

    async def work() -> None:
        clock = Clock(36_000.0)
        async with Simulation([NodeProfile(identifier="a")], clock=clock) as nodes, bot_on(nodes["a"]) as bot:
            await bot.play()
            assert (await bot.until("TrackEndEvent"))["reason"] == "finished"
            await bot.patch("", {"resuming": True, "timeout": 60})
            await bot.socket.close()
            await until_waiting(nodes["a"])
            await clock.sleep(3600)
            assert bot.session in nodes["a"].sessions
            async with bot_on(nodes["a"], session=bot.session) as again:
                assert again.session == bot.session

    asyncio.run(work())


async def until_waiting(node: NodeControl) -> None:
    """Wait until a node has seen that its clients are gone."""
    async with asyncio.timeout(10):
        while node.open_sockets:
            await asyncio.sleep(0.01)
