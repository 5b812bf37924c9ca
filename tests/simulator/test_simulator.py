"""The simulator answers as the genuine server does, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from revvlink_cli.simulator import NodeProfile, Simulator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PROFILE = NodeProfile(identifier="n", password="pw", players=3, playing=2, player_update_interval=0.2)
HEADERS = {"Authorization": "pw", "User-Id": "170939974227541168", "Client-Name": "test/1"}
GUILD = "817327181659111454"
VOICE = {"token": "t", "endpoint": "localhost:1", "sessionId": "s", "channelId": "300000000000000003"}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """One node."""
    with Simulator([PROFILE]) as running:
        yield running


def run(work: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
    """Run `work` with an HTTP session."""

    async def whole() -> None:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            await work(http)

    asyncio.run(whole())


async def message(socket: aiohttp.ClientWebSocketResponse, *, op: str = "", kind: str = "") -> Any:
    """The next message, or the next of that op or event type."""
    while True:
        found = json.loads((await socket.receive()).data)
        if (not op or found["op"] == op) and (not kind or found.get("type") == kind):
            return found


@pytest.mark.parametrize(
    ("method", "path", "password", "status", "body"),
    [
        ("GET", "/version", "pw", 200, "4.2.2"),
        ("GET", "/version", None, 401, ""),
        ("GET", "/v4/info", "wrong", 403, ""),
        ("GET", "/v4/nope", None, 404, "No endpoint GET /v4/nope."),
        ("POST", "/v4/info", "pw", 405, "Method 'POST' is not supported."),
        ("GET", "/v4/loadtracks", "pw", 400, "Required parameter 'identifier' is not present."),
        ("GET", "/v4/decodetrack", "pw", 400, "No track to decode provided"),
        ("GET", "/v4/routeplanner/status", "pw", 204, ""),
        ("POST", "/v4/routeplanner/free/all", "pw", 500, "Can't access disabled route planner"),
        ("GET", "/v4/sessions/gone/players", "pw", 404, "Session not found"),
        ("GET", "/v4/websocket", "pw", 400, ""),
        ("GET", "/", "pw", 200, ""),
    ],
)
def test_answers_as_recorded(
    simulator: Simulator, method: str, path: str, password: str | None, status: int, body: str
) -> None:
    """Status, API header and message are those that a genuine 4.2.2 gave to the same request."""

    async def work(http: aiohttp.ClientSession) -> None:
        headers = {} if password is None else {"Authorization": password}
        async with http.request(method, simulator["n"].uri + path, headers=headers) as response:
            assert response.status == status
            assert response.headers["Lavalink-Api-Version"] == "4"
            text = await response.text()
            assert (json.loads(text)["message"] if text.startswith("{") else text) == body

    run(work)


def test_info_and_stats_have_the_recorded_keys(simulator: Simulator) -> None:
    """The same keys as the genuine answers, no more and no fewer."""

    async def work(http: aiohttp.ClientSession) -> None:
        async with http.get(f"{simulator['n'].uri}/v4/info", headers=HEADERS) as response:
            info = await response.json()
        async with http.get(f"{simulator['n'].uri}/v4/stats", headers=HEADERS) as response:
            stats = await response.json()
        assert set(info) == {
            "version", "buildTime", "git", "jvm", "lavaplayer", "sourceManagers", "filters", "plugins",
        }  # fmt: skip
        assert set(info["version"]) == {"semver", "major", "minor", "patch", "preRelease"}
        assert set(stats) == {"frameStats", "players", "playingPlayers", "uptime", "memory", "cpu"}
        assert set(stats["memory"]) == {"free", "used", "allocated", "reservable"}
        assert set(stats["cpu"]) == {"cores", "systemLoad", "lavalinkLoad"}
        assert (stats["players"], stats["playingPlayers"]) == (3, 2)

    run(work)


@pytest.mark.parametrize(
    ("identifier", "kind"),
    [
        ("ytsearch:night", "search"), ("sim:playlist", "playlist"), ("sim:stream", "track"), ("sim:fails", "error"),
        ("https://sim.invalid/1", "track"), ("bare words", "empty"), ("ytsearch:zzz", "empty"), ("", "empty"),
    ],
)  # fmt: skip
def test_load_types(simulator: Simulator, identifier: str, kind: str) -> None:
    """Each load type there is."""

    async def work(http: aiohttp.ClientSession) -> None:
        url = f"{simulator['n'].uri}/v4/loadtracks"
        async with http.get(url, params={"identifier": identifier}, headers=HEADERS) as response:
            assert (await response.json())["loadType"] == kind

    run(work)


def test_a_player_plays_to_the_end_and_events_wait_for_who_resumes(simulator: Simulator) -> None:
    """Ready, then stats; a track starts, ends while nobody listens, and its end is told once the session is resumed."""

    async def work(http: aiohttp.ClientSession) -> None:
        uri = simulator["n"].uri
        socket = await http.ws_connect(f"{uri}/v4/websocket", headers=HEADERS)
        ready, stats = await message(socket), await message(socket)
        assert (ready["op"], ready["resumed"], stats["op"]) == ("ready", False, "stats")
        session = f"{uri}/v4/sessions/{ready['sessionId']}"
        async with http.patch(session, json={"resuming": True, "timeout": 30}, headers=HEADERS) as response:
            assert await response.json() == {"resuming": True, "timeout": 30}
        track = {"track": {"identifier": "https://sim.invalid/1", "userData": {"n": 1}}, "voice": VOICE, "endTime": 700}
        async with http.patch(f"{session}/players/{GUILD}", json=track, headers=HEADERS) as response:
            player = await response.json()
        assert (player["guildId"], player["state"]["connected"]) == (GUILD, True)
        assert (await message(socket, kind="TrackStartEvent"))["track"]["userData"] == {"n": 1}
        assert (await message(socket, op="playerUpdate"))["guildId"] == GUILD
        assert socket._response.connection is not None
        socket._response.connection.transport.abort()  # type: ignore[union-attr] # a connection has one
        await asyncio.sleep(1.2)
        async with http.get(f"{session}/players", headers=HEADERS) as response:
            assert response.status == 404  # a session that waits is not to be seen

        resumed = await http.ws_connect(f"{uri}/v4/websocket", headers={**HEADERS, "Session-Id": ready["sessionId"]})
        assert resumed._response.headers["Session-Resumed"] == "true"
        assert await message(resumed) == {"op": "ready", "resumed": True, "sessionId": ready["sessionId"]}
        end = await message(resumed, kind="TrackEndEvent")
        assert end["reason"] == "finished"
        other = await http.ws_connect(f"{uri}/v4/websocket", headers={**HEADERS, "Session-Id": ready["sessionId"]})
        assert (await message(other))["resumed"] is False
        async with http.delete(f"{session}/players/{GUILD}", headers=HEADERS) as response:
            assert response.status == 204
        await other.close()
        await resumed.close()

    run(work)


def socket_of_another_program() -> socket.socket:
    """A socket that takes no port that somebody has."""
    return socket.socket()


def test_kill_freeze_stop_start(simulator: Simulator) -> None:
    """Each state is what it says, on the same port."""
    node = simulator["n"]
    port = node.port

    async def work(http: aiohttp.ClientSession) -> None:
        socket = await http.ws_connect(f"{node.uri}/v4/websocket", headers=HEADERS)
        await message(socket, op="ready")
        assert node.open_sockets == 1
        await asyncio.to_thread(node.freeze)
        with pytest.raises(TimeoutError):
            await http.get(f"{node.uri}/version", headers=HEADERS, timeout=aiohttp.ClientTimeout(total=0.3))
        await asyncio.to_thread(node.thaw)
        async with http.get(f"{node.uri}/version", headers=HEADERS) as response:
            assert response.status == 200
        await asyncio.to_thread(node.set_load, players=9, playing=8, system_load=0.5)
        while (stats := await message(socket, op="stats"))["players"] != 9:
            assert stats
        await asyncio.to_thread(node.kill)
        while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            continue
        assert socket.close_code == 1006
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.get(f"{node.uri}/version", headers=HEADERS)
        with contextlib.closing(socket_of_another_program()) as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))  # its answers would be taken for the node's
        await asyncio.to_thread(node.start)
        assert node.port == port
        socket = await http.ws_connect(f"{node.uri}/v4/websocket", headers=HEADERS)
        await message(socket, op="ready")
        stopping = asyncio.create_task(asyncio.to_thread(node.stop))
        while (await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            continue
        await stopping
        assert socket.close_code == 1001

    run(work)


def test_many_nodes_and_nothing_left() -> None:
    """Two hundred nodes run in one thread, and afterwards there is none."""
    before = threading.active_count()

    with Simulator([NodeProfile(identifier=str(number)) for number in range(200)]) as simulator:
        assert len({node.port for node in simulator}) == len(simulator) == 200
        assert threading.active_count() == before + 1

    assert threading.active_count() == before
