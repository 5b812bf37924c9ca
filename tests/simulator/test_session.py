"""Sessions outlive their connection when they were told to, and nodes end, freeze and come back as they should."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from revvlink_cli.simulator.control_errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from revvlink_cli.simulator import SimulatedNode

HEADERS = {"Authorization": "youshallnotpass", "User-Id": "170939974227541168", "Client-Name": "test/1"}
GUILD = "817327181659111454"
VOICE = {"token": "t", "endpoint": "voice.example:443", "sessionId": "s", "channelId": "300000000000000003"}
REQUEST = b"GET /version HTTP/1.1\r\nHost: node\r\nAuthorization: youshallnotpass\r\n\r\n"


async def connect(
    http: aiohttp.ClientSession, node: SimulatedNode, session: str = ""
) -> tuple[aiohttp.ClientWebSocketResponse, dict[str, Any]]:
    """A websocket and its ready message."""
    ws = await http.ws_connect(f"{node.uri}/v4/websocket", headers={**HEADERS, "Session-Id": session})
    ready = await message(ws)
    assert ready["op"] == "ready"
    assert ws._response.headers["Session-Resumed"] == str(ready["resumed"]).lower()
    return ws, ready


async def message(ws: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """The next message."""
    found: dict[str, Any] = json.loads((await ws.receive()).data)
    return found


async def ending(ws: aiohttp.ClientWebSocketResponse) -> int | None:
    """The code with which the websocket is closed."""
    async for _ in ws:
        continue
    return ws.close_code


async def patch(http: aiohttp.ClientSession, node: SimulatedNode, path: str, body: Any) -> Any:
    """The answer to a PATCH that is granted."""
    async with http.patch(f"{node.uri}/v4/sessions/{path}", json=body, headers=HEADERS) as response:
        assert response.status == 200
        return await response.json()


async def closed(node: SimulatedNode) -> None:
    """Wait until the node has noticed that its client is gone."""
    async with asyncio.timeout(10):
        while node.open_sockets:
            await asyncio.sleep(0)


def test_what_happens_meanwhile_is_told_later() -> None:
    """Statistics and the end of a track are kept for who resumes, updates are not; then comes where the player is."""
    profile = NodeProfile(identifier="n", stats_interval=0.4, player_update_interval=0.05)

    async def work(node: SimulatedNode) -> None:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            first, ready = await connect(http, node)
            other, _ = await connect(http, node)
            session = ready["sessionId"]
            await patch(http, node, session, {"resuming": True, "timeout": 60})
            track = {"track": {"identifier": "https://sim.invalid/1"}, "voice": VOICE, "endTime": 300}
            await patch(http, node, f"{session}/players/{GUILD}", track)
            await first.close()
            for _ in range(4):  # the other session is told at the same times what this one will be told later
                while (told := await message(other))["op"] != "stats":
                    assert told["op"] == "playerUpdate"
                assert told["op"] == "stats"
            assert told["players"] == 0  # a player of a session that waits is not counted

            again, ready = await connect(http, node, session)
            assert ready == {"op": "ready", "resumed": True, "sessionId": session}
            kept = []
            while (told := await message(again))["op"] != "playerUpdate":
                kept.append(told.get("reason", told["op"]))
            assert kept.count("finished") == 1
            assert kept.count("stats") >= 2
            assert set(kept) == {"finished", "stats"}
            assert (told["guildId"], told["state"]["position"], told["state"]["connected"]) == (GUILD, 0, True)
            await again.close()
            await other.close()

    with Simulator([profile]) as simulator:
        asyncio.run(work(simulator["n"]))


def test_who_may_resume() -> None:
    """Again and again without asking anew, with another user; not while it is open, nor once it is switched off."""

    async def work(node: SimulatedNode) -> None:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            ws, ready = await connect(http, node)
            session = ready["sessionId"]
            await patch(http, node, session, {"resuming": True})
            second, ready = await connect(http, node, session)
            assert not ready["resumed"]
            assert ready["sessionId"] != session
            await second.close()
            for _ in range(2):
                await ws.close()
                await closed(node)
                async with http.get(f"{node.uri}/v4/sessions/{session}/players", headers=HEADERS) as response:
                    assert response.status == 404
                ws, ready = await connect(http, node, session)
                assert ready["resumed"]
            assert await patch(http, node, session, {}) == {"resuming": True, "timeout": 60}
            await patch(http, node, session, {"resuming": False})
            await ws.close()
            await closed(node)
            ws, ready = await connect(http, node, session)
            assert not ready["resumed"]
            await ws.close()

    with Simulator([NodeProfile(identifier="n")]) as simulator:
        asyncio.run(work(simulator["n"]))


def test_two_cannot_resume_one_session() -> None:
    """Of many clients that come for it at once, one gets it."""

    async def work(node: SimulatedNode) -> None:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            ws, ready = await connect(http, node)
            await patch(http, node, ready["sessionId"], {"resuming": True})
            await ws.close()
            await closed(node)
            found = await asyncio.gather(*(connect(http, node, ready["sessionId"]) for _ in range(8)))
            assert [ready["resumed"] for _, ready in found].count(True) == 1
            assert len({ready["sessionId"] for _, ready in found}) == 8
            for ws, _ in found:
                await ws.close()

    with Simulator([NodeProfile(identifier="n")]) as simulator:
        asyncio.run(work(simulator["n"]))


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_session_whose_time_is_over(timeout: int) -> None:
    """It is gone, with its players."""

    async def work(node: SimulatedNode) -> None:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            ws, ready = await connect(http, node)
            await patch(http, node, ready["sessionId"], {"resuming": True, "timeout": timeout})
            await ws.close()
            await closed(node)
            ws, ready = await connect(http, node, ready["sessionId"])
            assert not ready["resumed"]
            await ws.close()

    with Simulator([NodeProfile(identifier="n")]) as simulator:
        asyncio.run(work(simulator["n"]))


def test_a_frozen_node_is_silent_and_goes_on() -> None:
    """It takes connections and answers nothing, says nothing on old websockets, and answers everything once thawed."""
    profile = NodeProfile(identifier="n", stats_interval=0.05)

    async def work(node: SimulatedNode) -> None:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            ws, _ = await connect(http, node)
            await asyncio.to_thread(node.freeze)
            await asyncio.to_thread(node.set_load, players=77)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    while True:  # what was said before
                        assert (await message(ws))["players"] == 0
            asked = asyncio.create_task(http.get(f"{node.uri}/version", headers=HEADERS))
            joined = asyncio.create_task(connect(http, node))
            assert await asyncio.wait((asked, joined), timeout=0.3) == (set(), {asked, joined})
            await asyncio.to_thread(node.thaw)
            async with await asked as response:
                assert response.status == 200
            assert (await message(ws))["players"] == 77
            await (await joined)[0].close()
            await ws.close()

    with Simulator([profile]) as simulator:
        asyncio.run(work(simulator["n"]))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_killed_node_resets_its_connections(frozen: bool) -> None:
    """Idle and waiting ones, without another byte; then nobody listens, until it starts without a memory."""

    async def work(node: SimulatedNode) -> None:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            ws, ready = await connect(http, node)
            session = ready["sessionId"]
            await patch(http, node, session, {"resuming": True})
            with socket.create_connection(("127.0.0.1", node.port)) as idle:
                idle.sendall(REQUEST)
                await asyncio.to_thread(idle.recv, 4096)
                if frozen:
                    await asyncio.to_thread(node.freeze)
                    idle.sendall(REQUEST)
                await asyncio.to_thread(node.kill)
                with pytest.raises(ConnectionResetError):
                    await asyncio.to_thread(idle.recv, 4096)
            assert await ending(ws) == 1006
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", node.port))
            await asyncio.to_thread(node.start)
            ws, ready = await connect(http, node, session)
            assert (ready["resumed"], ready["sessionId"] == session) == (False, False)
            assert node.requests == (("GET", "/v4/websocket"),)  # of the life before nothing is known
            await ws.close()

    with Simulator([NodeProfile(identifier="n")]) as simulator:
        asyncio.run(work(simulator["n"]))


def test_a_stopped_node_takes_leave() -> None:
    """Its websockets are closed with 1001, also when a voice request still hangs and the client looks away."""

    async def work(node: SimulatedNode) -> None:
        async with asyncio.timeout(30), aiohttp.ClientSession() as http:
            ws, ready = await connect(http, node)
            stuck = {"voice": {**VOICE, "endpoint": "gone.invalid"}}
            hanging = asyncio.create_task(patch(http, node, f"{ready['sessionId']}/players/{GUILD}", stuck))
            while len(node.requests) < 2:
                await asyncio.sleep(0)
            node.stop()  # this loop stands still meanwhile
            assert await ending(ws) == 1001
            assert node.open_sockets == 0
            with pytest.raises(aiohttp.ClientError):
                await hanging

    with Simulator([NodeProfile(identifier="n")]) as simulator:
        asyncio.run(work(simulator["n"]))


def test_every_control_may_be_used_from_any_thread_at_any_time() -> None:
    """However they interleave, the node runs after a start, on its port."""
    with Simulator([NodeProfile(identifier="n")]) as simulator:
        node = simulator["n"]
        port = node.port
        controls = [node.kill, node.start, node.freeze, node.stop, node.start, node.thaw, node.set_load] * 4

        def use(control: Callable[[], None]) -> None:
            with suppress(ControlError):  # the node is down, or runs already
                control()

        threads = [threading.Thread(target=use, args=(control,)) for control in controls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        use(node.start)
        node.thaw()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(REQUEST)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
    with pytest.raises(RuntimeError, match="is not running"):
        node.start()


def test_what_cannot_start_leaves_nothing() -> None:
    """A taken port and a name given twice are errors, and no thread stays behind."""
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        profiles = [NodeProfile(identifier="a"), NodeProfile(identifier="b", port=taken.getsockname()[1])]
        with pytest.raises(OSError, match="in use"), Simulator(profiles):
            pass
    with pytest.raises(ValueError, match="two nodes have the identifier a"):
        Simulator([NodeProfile(identifier="a"), NodeProfile(identifier="a")])
    with pytest.raises(ValueError, match="above zero"):
        NodeProfile(identifier="a", stats_interval=0)
    assert threading.active_count() == before
