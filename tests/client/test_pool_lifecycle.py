"""A pool and its nodes across closing, loops that end, foreign sessions and second lives."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from revvlink_cli import InvalidClientException, Node, NodeException, NodeStatus, Pool
from revvlink_cli.client.errors import Code, RevvlinkException
from revvlink_cli.client.fleet import Fleet
from revvlink_cli.client.node_access import state_of
from revvlink_cli.client.settings import NodeSettings
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_server import Request, read_request, response, serving
from tests.fidelity.scripted_node import Listening

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "pw"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Two nodes."""
    with Simulator([NodeProfile(identifier=name, password=PASSWORD) for name in ("a", "b")]) as simulator:
        yield simulator


def node_at(simulator: Simulator, name: str = "a", **settings: Any) -> Node:
    """The pool's node for a simulated one."""
    return Node(identifier=name, uri=simulator[name].uri, password=PASSWORD, **settings)


def test_closing_while_a_load_is_waited_for(simulator: Simulator) -> None:
    """Who waits for tracks when the pool closes is told so; only a caller that was cancelled itself is cancelled."""

    class Fresh(Pool):
        """A pool of its own."""

    async def work() -> None:
        await Fresh.connect(nodes=[node_at(simulator)])
        await asyncio.to_thread(simulator["a"].freeze)
        waiting = [asyncio.create_task(Fresh.fetch_tracks("ytsearch:night")) for _ in range(3)]
        await asyncio.sleep(0.05)
        waiting[2].cancel()
        await Fresh.close()
        await asyncio.wait(waiting)
        for task in waiting[:2]:
            error = task.exception()
            assert isinstance(error, NodeException)
            assert error.code is Code.NOT_CONNECTED
        assert waiting[2].cancelled()

    asyncio.run(work())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_was_closed_under_the_pool(simulator: Simulator) -> None:
    """After a loop was closed with everything on it, the pool connects, loads and closes on the next one."""

    class Fresh(Pool):
        """A pool of its own."""

    lost = asyncio.new_event_loop()
    lost.run_until_complete(Fresh.connect(nodes=[node_at(simulator)]))
    lost.close()

    async def work() -> None:
        await Fresh.connect(nodes=[node_at(simulator)])
        assert Fresh.get_node().status is NodeStatus.CONNECTED
        assert await Fresh.fetch_tracks("ytsearch:night")
        await Fresh.close()

    asyncio.run(work())
    del lost
    gc.collect()  # what the closed loop left behind is complained of here, not in another test


def test_a_second_life(simulator: Simulator) -> None:
    """A node that left its pool remembers nothing of it when it joins again."""

    class Fresh(Pool):
        """A pool of its own."""

    async def work() -> None:
        node = node_at(simulator)
        await Fresh.connect(nodes=[node])
        await node.update_player("817327181659111454", {"volume": 50})
        await node.close(eject=True)
        await asyncio.to_thread(simulator["a"].kill)
        with pytest.raises(NodeException):
            await Fresh.connect(nodes=[node])
        assert not state_of(node).was_connected
        assert Fresh.nodes == {}
        assert node.session_players == {}
        assert node.info is None
        await Fresh.close()

    asyncio.run(work())


def test_a_session_of_ones_own(simulator: Simulator) -> None:
    """Whatever a caller's session does by itself is its own affair: only its connections are used, and stay open."""

    class Fresh(Pool):
        """A pool of its own."""

    async def work() -> None:
        async with aiohttp.ClientSession(
            raise_for_status=True,
            headers={"X-Own": "1"},
            timeout=aiohttp.ClientTimeout(total=0.01),
            auto_decompress=True,
        ) as session:
            await Fresh.connect(nodes=[node_at(simulator, session=session)])
            with pytest.raises(RevvlinkException) as caught:
                await Fresh.get_node().rest.send("GET", "/v4/nothing")
            assert "404" in str(caught.value)
            await Fresh.close()
            assert not session.closed
            assert session.connector is not None
            assert not session.connector.closed

        with pytest.raises(NodeException, match="session") as closed:
            await Fresh.connect(nodes=[node_at(simulator, session=session)])
        assert closed.value.code is Code.NOT_CONNECTED
        await Fresh.close()

    asyncio.run(work())


def test_closing_while_a_request_waits_to_be_repeated() -> None:
    """A request told to come back later ends as one of the client's errors when the pool closes meanwhile."""

    class Fresh(Pool):
        """A pool of its own."""

    script = Listening(LAVALINK)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            if "loadtracks" in request.path:
                headers = {"Retry-After": "1", "Content-Type": "application/json"}
                writer.write(response({}, status="429 Too Many Requests", headers=headers))
            elif await script.answer(request, reader, writer):
                return

    async def work() -> None:
        async with serving(handle) as uri:
            node = Node(identifier="n", uri=uri, password=PASSWORD)
            await Fresh.connect(nodes=[node])
            rest = node.rest
            task = asyncio.create_task(rest.load("x"))
            await asyncio.sleep(0.1)
            await Fresh.close()
            await asyncio.wait([task])
            assert isinstance(task.exception(), RevvlinkException)

    asyncio.run(work())


def test_header_values_are_not_told() -> None:
    """A server that echoes what a proxy's header carried finds no megaphone here."""
    secret = "Zm9vYmFyLXNlY3JldA"

    def echo(request: Request) -> bytes:
        told = {"status": 400, "error": "Bad Request", "message": f"bad {request.headers.get('x-proxy-key')}"}
        return response(told, status="400 Bad Request")

    async def work() -> None:
        class Fresh(Pool):
            """A pool of its own."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while (request := await read_request(reader)) is not None:
                writer.write(echo(request))

        async with serving(handle) as uri:
            node = Node(identifier="n", uri=uri, password=PASSWORD, headers={"X-Proxy-Key": secret}, retries=0)
            with pytest.raises(RevvlinkException) as caught:
                await Fresh.connect(nodes=[node])
            assert secret not in str(caught.value)
            assert secret not in repr(node.snapshot())
            await Fresh.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": 0}, {"timeout": -1}, {"timeout": float("nan")}, {"timeout": float("inf")}, {"heartbeat": 0},
        {"retries": -1}, {"resume_timeout": -1}, {"headers": {"bad name": "x"}}, {"headers": {"": "x"}},
        {"headers": {"X": "a\r\nB: c"}}, {"headers": {"X": "\x00"}}, {"password": "a\nb"}, {"password": "a\x00"},
        {"uri": "http://a b"}, {"uri": "http://[::1"}, {"uri": "http://host:99999"}, {"uri": "http://ho\x00st"},
        {"uri": "http://"}, {"proxy": "socks5://h"}, {"identifier": "a\nb"},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_work(settings: dict[str, Any]) -> None:
    """They are refused where they are written, with what is accepted, not at the first request."""
    with pytest.raises(ValueError, match=r"\w+"):
        Node(**{"uri": "http://127.0.0.1:2333", "password": PASSWORD, **settings})


def test_regions_of_ones_own(simulator: Simulator) -> None:
    """Only the map given counts, and a text in place of a list of texts is refused."""

    class Fresh(Pool):
        """A pool of its own."""

    async def work() -> None:
        with pytest.raises(ValueError, match="list"):
            await Fresh.connect(nodes=[node_at(simulator)], regions={"eu": "ams"})  # type: ignore[dict-item]  # on purpose
        await Fresh.connect(
            nodes=[node_at(simulator, region="north"), node_at(simulator, "b", region="south")],
            regions={"north": ["oslo"], "south": ["rome"]},
        )
        assert Fresh.region_from_endpoint("rome12.discord.media") == "south"
        assert Fresh.region_from_endpoint("us-east1.discord.gg") == "global"
        assert Fresh.get_node(region="south").identifier == "b"
        await Fresh.close()

    asyncio.run(work())


def test_a_client_that_loses_its_user(simulator: Simulator) -> None:
    """The bot's id is taken when the node joins: a client that is logged out later costs no reconnection."""

    class User:
        id = 170939974227541169

    class Client:
        user: Any = User()

    class Fresh(Pool):
        """A pool of its own."""

    async def work() -> None:
        client = Client()
        with pytest.raises(InvalidClientException):
            await Fresh.connect(nodes=[node_at(simulator)], client=object())
        node = node_at(simulator)
        await Fresh.connect(nodes=[node], client=client)
        client.user = None
        await asyncio.to_thread(simulator["a"].drop)
        async with asyncio.timeout(10):
            while node.status is NodeStatus.CONNECTED:
                await asyncio.sleep(0.005)
        await Fresh.reconnect()
        assert Fresh.get_node() is node
        await Fresh.close()

    asyncio.run(work())


def test_starting_and_closing_across_each_other(simulator: Simulator) -> None:
    """Connects, reconnects and closes that overlap leave no task, no second socket and no pool that cannot start."""

    class Fresh(Pool):
        """A pool of its own."""

    async def work() -> None:
        for _ in range(5):
            attempts = [
                asyncio.create_task(Fresh.connect(nodes=[node_at(simulator)])),
                asyncio.create_task(Fresh.close()),
                asyncio.create_task(Fresh.connect(nodes=[node_at(simulator, "b")])),
                asyncio.create_task(Fresh.reconnect()),
                asyncio.create_task(Fresh.close()),
            ]
            attempts[0].cancel()
            async with asyncio.timeout(20):
                for told in await asyncio.gather(*attempts, return_exceptions=True):
                    assert not isinstance(told, Exception) or isinstance(told, RevvlinkException), told
        await Fresh.connect(nodes=[node_at(simulator), node_at(simulator, "b")])
        assert [simulator[name].open_sockets for name in "ab"] == [1, 1]
        await Fresh.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())


def test_closed_before_it_was_ready(simulator: Simulator) -> None:
    """Closing a pool that still connects answers whoever connects it, with a reason, and at once."""

    class Fresh(Pool):
        """A pool of its own."""

    async def work() -> None:
        await asyncio.to_thread(simulator["a"].freeze)
        connecting = asyncio.create_task(Fresh.connect(nodes=[node_at(simulator)]))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(3):
            await Fresh.close()
            with pytest.raises(NodeException) as caught:
                await connecting
        assert caught.value.code is Code.NOT_CONNECTED

    asyncio.run(work())


def test_a_node_that_is_watched_over_is_tried_whatever_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `retry_within` neither a refused password nor a stranger on the port is final: the node may be put right."""
    monkeypatch.setattr("revvlink_cli.client.connection.supervisor.REFUSED_PAUSE", 0.2)
    refuses = response(b"", status="401 Unauthorized")
    stranger = response(b"<html>", status="404 Not Found", headers={"Content-Type": "text/html"})
    script, answers = Listening(LAVALINK), [refuses, refuses, stranger, stranger, stranger]

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            if answers:
                writer.write(answers.pop())
            elif await script.answer(request, reader, writer):
                return

    async def work() -> None:
        async with serving(handle) as uri:
            settings = NodeSettings(identifier="a", uri=uri, password=PASSWORD, retry_within=0.2, resume_timeout=0)
            fleet, node = Fleet(), Node.from_settings(settings)
            with pytest.raises(RevvlinkException):
                await fleet.connect([node])
            async with asyncio.timeout(20):
                while node.status is not NodeStatus.CONNECTED:
                    await fleet.changed()
            await fleet.close()

    asyncio.run(work())
    assert answers == []


@pytest.mark.parametrize("wrong", [{"retry_within": 0}, {"retry_within": float("inf")}, {"per_second": 0}])
def test_settings_that_make_no_sense(wrong: dict[str, Any]) -> None:
    """They are refused, by their name."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        NodeSettings(identifier="a", uri="http://h", password=PASSWORD, **wrong)
