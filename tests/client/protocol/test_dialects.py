"""NodeLink 3: the same protocol with other manners. The answers here are those recorded from a genuine 3.7.0."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from revvlink_cli import LavalinkLoadException, Node, NodeException, NodeStatus, Pool
from revvlink_cli.client.errors import Code
from revvlink_cli.client.protocol.dialects import Dialect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

HEADERS = {"Nodelink-Api-Version": "4", "IamNodelink": "true"}
INFO = {
    "version": {"semver": "3.7.0", "major": 3, "minor": 7, "patch": 0, "prerelease": [], "build": []},
    "buildTime": 1775339511000,
    "git": {"branch": "main", "commit": "4f38f9a", "commitTime": 1775339511000},
    "node": "v20.20.2",
    "voice": {"name": "@performanc/voice", "version": "github:PerformanC/voice"},
    "isNodelink": True,
    "sourceManagers": ["local", "http"],
    "filters": ["tremolo"],
    "plugins": [],
}
STATS = {
    "players": 4,
    "playingPlayers": 2,
    "uptime": 1021,
    "memory": {"free": 24772149248, "used": 12272328, "allocated": 17920000, "reservable": 25276510208},
    "cpu": {"cores": 2, "systemLoad": 0.5, "nodelinkLoad": 0},
    "frameStats": None,
    "detailedStats": {"api": {"requests": {"/version": 1}, "errors": {}}, "sources": {}, "playback": {"events": {}}},
}


class NodeLink:
    """As much of a NodeLink as a client's connect touches."""

    def __init__(self) -> None:
        self.sockets = 0
        self.connects = 0
        self.banned = False
        self.messages: list[str] = []
        self.uri = ""

    @web.middleware
    async def frame(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Ban, password and headers; the websocket is let through a ban, and its 101 has no header of the kind."""
        is_socket = request.path == "/v4/websocket"
        if self.banned and not is_socket:
            return web.json_response({"status": 403, "error": "Forbidden"}, status=403, headers=HEADERS)
        if request.headers.get("Authorization") != "pw":
            return web.Response(text="Unauthorized", status=401, headers=HEADERS)
        if is_socket and not 18 <= len(request.headers["User-Id"]) <= 19:
            return web.Response(text="Invalid User-Id header.", status=400, headers=HEADERS)
        response = await handler(request)
        if not is_socket:
            response.headers.update(HEADERS)
        return response

    async def info(self, _request: web.Request) -> web.Response:
        return web.json_response(INFO)

    async def stats(self, _request: web.Request) -> web.Response:
        return web.json_response(STATS)

    async def load(self, request: web.Request) -> web.Response:
        if request.query["identifier"].startswith("ytsearch:"):
            body = {"timestamp": 1, "status": 500, "error": "Internal Server Error", "trace": "x",
                    "message": "Source or search alias not found", "path": "/v4/loadtracks"}  # fmt: skip
            return web.json_response(body, status=500)
        return web.json_response({"loadType": "error", "exception": {"message": "no such file", "severity": "common"}})

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets += 1
        self.connects += 1
        try:
            await socket.send_str('{"op":"ready","resumed":false,"sessionId":"5Bqrb1Jn0IzWO2Dx"}')
            for text in self.messages:
                await socket.send_str(text)
            async for _ in socket:
                continue
        finally:
            self.sockets -= 1
        return socket


def run(work: Callable[[NodeLink, type[Pool]], Awaitable[None]]) -> None:
    """Run `work` against a NodeLink, with a pool of its own."""

    class Mine(Pool):
        """Shares nothing."""

    async def whole() -> None:
        server = NodeLink()
        app = web.Application(middlewares=[server.frame])
        app.router.add_get("/v4/info", server.info)
        app.router.add_get("/v4/stats", server.stats)
        app.router.add_get("/v4/loadtracks", server.load)
        app.router.add_get("/v4/websocket", server.socket)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.uri = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with asyncio.timeout(20):
                await work(server, Mine)
        finally:
            await Mine.close()
            await runner.cleanup()

    asyncio.run(whole())


def node(server: NodeLink, **more: Any) -> Node:
    """A client's node."""
    return Node(**{"identifier": "n", "uri": server.uri, "password": "pw", "resume_timeout": 0, **more})


def test_connect_and_statistics() -> None:
    """Known as NodeLink from REST; statistics, which it does not send at connect, are asked for at once."""

    async def work(server: NodeLink, pool: type[Pool]) -> None:
        await pool.connect(nodes=[node(server)])
        mine = pool.get_node()
        async with asyncio.timeout(5):
            while mine.stats is None:
                await asyncio.sleep(0.01)
        assert mine.snapshot().dialect is Dialect.NODELINK
        assert mine.info is not None
        assert (mine.info.version, mine.info.runtime) == ("3.7.0", "v20.20.2")
        assert (mine.stats.players, mine.stats.system_load) == (4, 0.25)
        assert mine.snapshot().unexpected_fields == ()

    run(work)


def test_its_own_events_are_no_reason_to_reconnect() -> None:
    """Ten event types of its own, statistics with other fields, and garbage: one socket, none lost."""

    async def work(server: NodeLink, pool: type[Pool]) -> None:
        server.messages = [
            '{"op":"event","type":"ConnectionStatusEvent","status":"disconnected"}',
            '{"op":"event","type":"WorkerFailedEvent"}',
            '{"op":"stats","players":1,"playingPlayers":1,"uptime":1,"memory":{},"cpu":{"nodelinkLoad":0.1,"cores":2}}',
            '{"op":"something else"}',
            "garbage",
            "[]",
            '{"op":"stats","players":{},"cpu":null}',
        ]
        await pool.connect(nodes=[node(server)])
        mine = pool.get_node()
        async with asyncio.timeout(5):
            while not mine.snapshot().unexpected_fields:
                await asyncio.sleep(0.01)
        assert mine.snapshot().unparsed == 2
        assert mine.snapshot().unknown == {"op something else": 1}
        assert mine.status is NodeStatus.CONNECTED
        assert (server.sockets, server.connects) == (1, 1)
        assert mine.snapshot().unexpected_fields == ("stats players",)

    run(work)


def test_a_ban_is_no_wrong_password() -> None:
    """403 Forbidden of the flood guard is told as such and tried again, not taken for a refused password."""

    async def work(server: NodeLink, pool: type[Pool]) -> None:
        server.banned = True
        with pytest.raises(NodeException) as caught:
            await pool.connect(nodes=[node(server)])
        assert caught.value.code is Code.FORBIDDEN
        assert "flood guard" in str(caught.value)
        server.banned = False
        assert list(await pool.reconnect()) == ["n"]

    run(work)


def test_a_user_id_it_does_not_take() -> None:
    """Twenty digits are refused by NodeLink alone, and the reason says so."""

    async def work(server: NodeLink, pool: type[Pool]) -> None:
        with pytest.raises(NodeException) as caught:
            await pool.connect(nodes=[node(server, user_id=11111111111111111111)])
        assert caught.value.code is Code.WEBSOCKET_REFUSED
        assert "18 or 19 digits" in str(caught.value.hint)

    run(work)


def test_its_ways_to_fail_a_load() -> None:
    """A missing source is a 500, a failed load has `exception` for `data`: both keep their message."""

    async def work(server: NodeLink, pool: type[Pool]) -> None:
        await pool.connect(nodes=[node(server)])
        with pytest.raises(LavalinkLoadException, match="Source or search alias not found") as caught:
            await pool.get_node().rest.load("ytsearch:x")
        assert caught.value.code is Code.SOURCE_MISSING
        with pytest.raises(Exception, match="no such file"):
            await pool.fetch_tracks("local:nothing")

    run(work)
