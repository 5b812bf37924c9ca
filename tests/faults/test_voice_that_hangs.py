"""Voice servers that answer nobody, and nodes that fail again and again: neither takes the rest along."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from revvlink_cli import InvalidNodeException, Node, NodeException, Pool
from revvlink_cli.client.errors import Code, RevvlinkException
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_server import read_request, response, serving
from tests.fidelity.scripted_node import Listening

PASSWORD = "pw"
GUILD = 817327181659110000


def voice(endpoint: str) -> dict[str, Any]:
    """A voice state as the protocol writes it."""
    return {"token": "t", "endpoint": endpoint, "sessionId": "s", "channelId": "300000000000000003"}


def test_one_voice_server_that_nobody_reaches() -> None:
    """Forty players in turn: two requests hang in the server, the others are refused here; the node works on."""

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        with Simulator([NodeProfile(identifier="a", password=PASSWORD)]) as simulator:
            node = Node(identifier="a", uri=simulator["a"].uri, password=PASSWORD, timeout=0.3)
            await Fresh.connect(nodes=[node])
            codes = []
            for number in range(40):
                with pytest.raises(NodeException) as caught:
                    await node.update_player(str(GUILD + number), {"voice": voice("nowhere.invalid")})
                codes.append(caught.value.code)
            assert codes == [Code.SILENT] * 2 + [Code.VOICE_UNREACHABLE] * 38
            assert sum(method == "PATCH" for method, _ in simulator["a"].requests) == 3  # and the session's own
            assert await node.fetch_version() == "4.2.2"
            await node.update_player(str(GUILD), {"volume": 50})
            await Fresh.close()

    asyncio.run(work())


def test_many_voice_servers_that_nobody_reaches() -> None:
    """When as many hang as may be under way, the node takes no more of them, until it is another process."""

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        with Simulator([NodeProfile(identifier="a", password=PASSWORD)]) as simulator:
            node = Node(identifier="a", uri=simulator["a"].uri, password=PASSWORD, timeout=0.3)
            await Fresh.connect(nodes=[node])

            async def hang(number: int) -> Code:
                try:
                    await node.update_player(str(GUILD + number), {"voice": voice(f"v{number}.invalid")})
                except RevvlinkException as error:
                    return error.code
                raise AssertionError("nobody answers there")

            codes = await asyncio.gather(*map(hang, range(8)))
            assert set(codes) == {Code.SILENT}
            with pytest.raises(NodeException) as caught:
                await node.update_player(str(GUILD), {"volume": 50})
            assert caught.value.code is Code.VOICE_UNREACHABLE
            assert "restart" in (caught.value.hint or "")

            await asyncio.to_thread(simulator["a"].kill)
            await asyncio.to_thread(simulator["a"].start)
            async with asyncio.timeout(20):
                while True:
                    await Fresh.reconnect()
                    try:
                        await node.update_player(str(GUILD), {"volume": 50})
                    except RevvlinkException:
                        await asyncio.sleep(0.05)
                    else:
                        break
            await Fresh.close()

    asyncio.run(work())


def test_a_node_that_fails_again_and_again() -> None:
    """It is taken out of routing for a while, which its snapshot and the error tell, and one answer brings it back."""
    broken = True
    script = Listening(LAVALINK)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            if broken and request.path == "/version":
                writer.write(response(b"", status="503 Service Unavailable"))
            elif request.path == "/version":
                writer.write(response(b"4.2.2"))
            elif await script.answer(request, reader, writer):
                return

    async def work() -> None:
        nonlocal broken

        class Fresh(Pool):
            """A pool of its own."""

        async with serving(handle) as uri:
            node = Node(identifier="n", uri=uri, password=PASSWORD)
            await Fresh.connect(nodes=[node])
            for _ in range(5):
                with pytest.raises(RevvlinkException):
                    await node.fetch_version()
            assert node.snapshot().tripped_until is not None
            with pytest.raises(InvalidNodeException, match="tripped, retry in"):
                Fresh.get_node()
            broken = False
            assert await node.fetch_version() == "4.2.2"
            assert Fresh.get_node() is node
            await Fresh.close()

    asyncio.run(work())


def test_who_waits_while_the_last_slot_is_lost() -> None:
    """Requests that wait for a slot are told when all of them hang: none waits for ever."""

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        with Simulator([NodeProfile(identifier="a", password=PASSWORD)]) as simulator:
            node = Node(identifier="a", uri=simulator["a"].uri, password=PASSWORD, timeout=0.3)
            await Fresh.connect(nodes=[node])

            async def hang(number: int) -> Code:
                try:
                    await node.update_player(str(GUILD + number), {"voice": voice(f"v{number}.invalid")})
                except RevvlinkException as error:
                    return error.code
                raise AssertionError("nobody answers there")

            async with asyncio.timeout(10):
                codes = await asyncio.gather(*map(hang, range(30)))
            assert codes.count(Code.SILENT) == 8
            assert codes.count(Code.VOICE_UNREACHABLE) == 22
            await asyncio.to_thread(simulator["a"].kill)
            await asyncio.to_thread(simulator["a"].start)
            await Fresh.reconnect()
            async with asyncio.timeout(10):
                while node.snapshot().timed_stats is None:
                    await asyncio.sleep(0.01)
                await asyncio.gather(*(node.update_player(str(GUILD + n), {"volume": 50}) for n in range(30)))
            await Fresh.close()

    asyncio.run(work())
