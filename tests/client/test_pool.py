"""The library: Pool and Node as a bot uses them, on simulated nodes."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

import revvlink_cli
from revvlink_cli import (
    AuthorizationFailedException,
    InvalidClientException,
    InvalidNodeException,
    LavalinkException,
    LavalinkLoadException,
    Node,
    NodeException,
    NodeStatus,
    Playlist,
    Pool,
)
from revvlink_cli.client.errors import Code
from revvlink_cli.client.fleet import Fleet
from revvlink_cli.simulator import NodeProfile, Simulator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

US = NodeProfile(identifier="us", region="us", players=8, playing=5, system_load=0.4)
EU = NodeProfile(identifier="eu", region="eu", players=2, playing=1, system_load=0.1)


@pytest.fixture
def fleet() -> Iterator[Simulator]:
    """Two simulated nodes."""
    with Simulator([US, EU]) as simulator:
        yield simulator


@pytest.fixture
def pool() -> type[Pool]:
    """A pool of one's own."""

    class Mine(Pool):
        """Shares nothing with other tests."""

    return Mine


def node(simulator: Simulator, name: str, **more: Any) -> Node:
    """A client's node for a simulated one."""
    simulated = simulator[name]
    settings: dict[str, Any] = {"identifier": name, "uri": simulated.uri, "password": simulated.password}
    return Node(**{**settings, "region": simulated.profile.region, **more})


def run(pool: type[Pool], work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` in a loop of its own; afterwards the pool is closed and no task is left."""

    async def whole() -> None:
        try:
            async with asyncio.timeout(30):
                await work()
        finally:
            await pool.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(whole())


async def until(is_so: Callable[[], Any]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)


def eventually(is_so: Callable[[], bool]) -> None:
    """Give the servers' thread a moment to see what was closed."""
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_connect_and_route(fleet: Simulator, pool: type[Pool]) -> None:
    """Connected nodes are in the pool; the best one is chosen, by region first."""

    async def work() -> None:
        nodes = await pool.connect(nodes=[node(fleet, "us"), node(fleet, "eu")])
        assert list(nodes) == ["us", "eu"]
        await until(lambda: all(member.stats for member in nodes.values()))

        assert pool.get_node().identifier == "eu"
        assert pool.get_node(region="us").identifier == "us"
        assert pool.get_node(region="asia").identifier == "us"
        assert pool.get_node("us").status is NodeStatus.CONNECTED
        penalty = pool.get_node("us").penalty
        assert penalty is not None
        assert penalty.is_lower_bound
        nodes.clear()
        assert len(pool.nodes) == 2
        with pytest.raises(InvalidNodeException, match="no node x"):
            pool.get_node("x")

    run(pool, work)
    assert pool.nodes == {}
    eventually(lambda: [simulated.open_sockets for simulated in fleet] == [0, 0])


def test_failures_are_told_after_all_have_settled(fleet: Simulator, pool: type[Pool]) -> None:
    """The first failure in the order given is raised, every one is in `failures`, the others stay connected."""

    async def work() -> None:
        dead = Node(identifier="dead", uri="http://127.0.0.1:1", password="x")
        wrong = node(fleet, "eu", identifier="wrong", password="no")
        with pytest.raises(NodeException) as caught:
            await pool.connect(nodes=[dead, wrong, node(fleet, "us")])
        assert caught.value.code is Code.REFUSED
        assert {name: failure.code for name, failure in caught.value.failures.items()} == {
            "dead": Code.REFUSED,
            "wrong": Code.WRONG_PASSWORD,
        }
        assert list(pool.nodes) == ["us"]

        # The refused password is final and its name free again; the dead node goes on being tried.
        await pool.connect(nodes=[node(fleet, "eu", identifier="wrong")])
        assert list(pool.nodes) == ["us", "wrong"]

    run(pool, work)


def test_wrong_password_is_its_own_exception(fleet: Simulator, pool: type[Pool]) -> None:
    """A refused password raises AuthorizationFailedException, and is tried once only."""

    async def work() -> None:
        with pytest.raises(AuthorizationFailedException):
            await pool.connect(nodes=[node(fleet, "us", password="no")])

    run(pool, work)
    assert len(fleet["us"].requests) == 2  # one handshake, one question what it is


def test_a_node_that_comes_later_joins(fleet: Simulator, pool: type[Pool]) -> None:
    """A node that was down when the pool connected is in it as soon as it is up; reconnect() does not wait."""
    fleet["us"].kill()

    async def work() -> None:
        with pytest.raises(NodeException):
            await pool.connect(nodes=[node(fleet, "us")])
        assert pool.nodes == {}
        await asyncio.to_thread(fleet["us"].start)
        assert list(await pool.reconnect()) == ["us"]
        assert pool.get_node().identifier == "us"

    run(pool, work)


def test_reconnects_after_a_loss_with_one_socket(fleet: Simulator, pool: type[Pool]) -> None:
    """A killed and restarted node is connected again by itself, by one socket, in the same session object."""

    async def work() -> None:
        await pool.connect(nodes=[node(fleet, "us")])
        mine = pool.get_node()
        await asyncio.to_thread(fleet["us"].kill)
        await until(lambda: mine.status is not NodeStatus.CONNECTED)
        with pytest.raises(InvalidNodeException, match="us: "):
            pool.get_node()
        assert mine.stats is None
        assert pool.nodes == {"us": mine}
        await asyncio.to_thread(fleet["us"].start)
        await asyncio.gather(pool.reconnect(), pool.reconnect())
        await until(lambda: mine.status is NodeStatus.CONNECTED)
        assert fleet["us"].open_sockets == 1

    run(pool, work)


def test_a_frozen_node_is_noticed(fleet: Simulator, pool: type[Pool]) -> None:
    """A node that answers no ping is given up, and taken back when it thaws: one socket all the time."""

    async def work() -> None:
        await pool.connect(nodes=[node(fleet, "us", heartbeat=0.3, timeout=0.5, resume_timeout=0)])
        mine = pool.get_node()
        await asyncio.to_thread(fleet["us"].freeze)
        await until(lambda: mine.status is not NodeStatus.CONNECTED)
        error = mine.snapshot().error
        assert error is not None
        assert error.code is Code.SILENT
        await asyncio.to_thread(fleet["us"].thaw)
        await until(lambda: mine.status is NodeStatus.CONNECTED)
        await until(lambda: fleet["us"].open_sockets == 1)

    run(pool, work)


def test_a_lost_session_is_taken_up_again(fleet: Simulator, pool: type[Pool]) -> None:
    """The session id is sent again, and resuming is switched off when the pool closes."""

    async def work() -> None:
        await pool.connect(nodes=[node(fleet, "us")])
        mine = pool.get_node()
        session = mine.session_id
        await until(lambda: ("PATCH", f"/v4/sessions/{session}") in fleet["us"].requests)
        await asyncio.to_thread(fleet["us"].drop)
        await until(lambda: mine.snapshot().resumed)
        assert mine.session_id == session

    run(pool, work)
    assert [request[0] for request in fleet["us"].requests].count("PATCH") == 2


def test_closed_before_anything_has_begun(fleet: Simulator) -> None:
    """What a pool was about to do when it was closed is given up, without a word."""
    begun = []

    async def chore() -> None:
        begun.append(True)

    async def work() -> None:
        mine = Fleet()
        await mine.connect([node(fleet, "us")])
        mine.spawn(chore(), name="chore")
        await mine.close()

    asyncio.run(work())
    gc.collect()  # which would tell of what nobody has awaited
    assert begun == []


def test_retries_are_bounded(pool: type[Pool]) -> None:
    """With `retries=0` a node is tried once, and not supervised after that."""

    async def work() -> None:
        lonely = Node(identifier="dead", uri="http://127.0.0.1:1", password="x", retries=0)
        with pytest.raises(NodeException):
            await pool.connect(nodes=[lonely])
        await until(lambda: not lonely.is_supervised)

    run(pool, work)


def test_duplicates_and_strangers_are_refused_before_anything_is_sent(fleet: Simulator, pool: type[Pool]) -> None:
    """Two nodes of one name, and a node of another pool, raise and dial nobody."""

    class Other(Pool):
        """Another pool."""

    async def work() -> None:
        with pytest.raises(NodeException, match="two nodes"):
            await pool.connect(nodes=[node(fleet, "us"), node(fleet, "us")])
        assert fleet["us"].requests == ()
        mine = node(fleet, "us")
        await pool.connect(nodes=[mine])
        with pytest.raises(NodeException, match="belongs to a pool"):
            await Other.connect(nodes=[mine])
        with pytest.raises(NodeException, match="two nodes"):
            await pool.connect(nodes=[node(fleet, "us")])
        await mine.close(eject=True)
        assert pool.nodes == {}
        await Other.connect(nodes=[mine])
        await Other.close()

    run(pool, work)


class User:
    """A bot's user."""

    def __init__(self, number: Any) -> None:
        self.id = number


class Client:
    """A bot."""

    def __init__(self, number: Any) -> None:
        self.user = User(number)


@pytest.mark.parametrize("client", [object(), Client(None), Client("5"), Client(True), Client(-1)])
def test_a_client_without_an_id_is_refused(fleet: Simulator, pool: type[Pool], client: object) -> None:
    """Whatever has no integer at .user.id raises InvalidClientException, in the pool and in the node."""
    with pytest.raises(InvalidClientException):
        node(fleet, "us", client=client)

    async def work() -> None:
        with pytest.raises(InvalidClientException):
            await pool.connect(nodes=[node(fleet, "us")], client=client)

    run(pool, work)


def test_the_clients_id_is_sent(fleet: Simulator, pool: type[Pool]) -> None:
    """A client with an id connects."""

    async def work() -> None:
        await pool.connect(nodes=[node(fleet, "us")], client=Client(170939974227541168))
        assert pool.get_node().session_id

    run(pool, work)


def test_fetching_tracks(fleet: Simulator, pool: type[Pool]) -> None:
    """A search is a list, a playlist a Playlist, nothing an empty list, a failure raises with the real reason."""

    async def work() -> None:
        await pool.connect(nodes=[node(fleet, "us"), node(fleet, "eu")])
        found = await pool.fetch_tracks("ytsearch:night")
        assert isinstance(found, list)
        assert len(found) == 3
        playlist = await pool.fetch_tracks("sim:playlist")
        assert isinstance(playlist, Playlist)
        assert playlist.tracks[playlist.selected].title
        assert await pool.fetch_tracks("ytsearch:nothing of the kind") == []
        with pytest.raises(LavalinkLoadException, match="out of order"):
            await pool.fetch_tracks("sim:fails")
        with pytest.raises(LavalinkLoadException, match="spotify"):
            await pool.fetch_tracks("spsearch:night")
        assert [t.title for t in await pool.fetch_tracks("sim:stream", node=pool.get_node("us"))] == ["Harbour Radio"]

    run(pool, work)


def test_numbers_in_a_query(fleet: Simulator, pool: type[Pool]) -> None:
    """Parameters of a request of one's own may be numbers and truths, as well as texts."""

    async def work() -> None:
        await pool.connect(nodes=[node(fleet, "us")])
        with pytest.raises(LavalinkException):
            await pool.get_node("us").send("GET", path="/v4/nothing", params={"a": 1, "b": True, "c": "x y", "d": 0.5})
        assert fleet["us"].requests[-1] == ("GET", "/v4/nothing?a=1&b=true&c=x%20y&d=0.5")

    run(pool, work)


def loads(simulator: Simulator) -> int:
    """How many loads were asked of all nodes."""
    return sum(path.startswith("/v4/loadtracks") for simulated in simulator for _, path in simulated.requests)


def test_the_cache(fleet: Simulator, pool: type[Pool]) -> None:
    """Results are kept, streams are not, lists are the caller's own, and equal queries in flight are sent once."""

    async def work() -> None:
        assert not pool.has_cache()
        await pool.connect(nodes=[node(fleet, "us")], cache_capacity=10)
        assert pool.has_cache()
        first, second = await asyncio.gather(pool.fetch_tracks("ytsearch:night"), pool.fetch_tracks(" ytsearch:night "))
        assert isinstance(first, list)
        first.clear()
        assert second == await pool.fetch_tracks("ytsearch:night")
        assert len(second) == 3
        assert loads(fleet) == 1
        for _ in range(2):
            await pool.fetch_tracks("sim:stream")
        assert loads(fleet) == 3

    run(pool, work)


def test_cache_capacities(pool: type[Pool]) -> None:
    """True is the default, numbers resize, None, False, 0 and less switch off, anything else is a ValueError."""
    pool.cache(True)
    assert pool.has_cache()
    pool.cache(3)
    assert pool.has_cache()
    for off in (None, False, 0, -1):
        pool.cache(5)
        pool.cache(off)
        assert not pool.has_cache()
    odd: Any
    for odd in ("abc", 1.5, [], "5"):
        with pytest.raises(ValueError, match="capacity"):
            pool.cache(odd)


def test_search_goes_on_when_a_node_fails(fleet: Simulator, pool: type[Pool]) -> None:
    """A node that does not answer is followed by the next one."""

    async def work() -> None:
        await pool.connect(nodes=[node(fleet, "us"), node(fleet, "eu")])
        await until(lambda: all(member.stats for member in pool.nodes.values()))
        best = pool.get_node().identifier
        await asyncio.to_thread(fleet[best].kill)
        assert await pool.fetch_tracks("ytsearch:night")

    run(pool, work)


def test_node_requests(fleet: Simulator, pool: type[Pool]) -> None:
    """`send` takes a path with or without a slash, gives JSON, text or None, and raises the server's own error."""

    async def work() -> None:
        await pool.connect(nodes=[node(fleet, "us")])
        mine = pool.get_node()
        assert (await mine.send("GET", path="/v4/stats"))["players"] == 8
        assert await mine.fetch_version() == "4.2.2"
        assert (await mine.fetch_info()).version == "4.2.2"
        assert (await mine.fetch_stats()).players == 8
        with pytest.raises(LavalinkException) as caught:
            await mine.send("GET", path="v4/nope")
        assert (caught.value.status, caught.value.reason) == (404, "No endpoint GET /v4/nope.")
        with pytest.raises(LavalinkException, match="Session not found"):
            await mine.rest.players("gone")
        assert await mine.rest.players(str(mine.session_id)) == []
        assert (await mine.rest.route_planner()).kind is None
        for address in (None, "/1.0.0.0"):
            with pytest.raises(LavalinkException, match="disabled route planner"):
                await mine.rest.free_address(address)

    run(pool, work)


def test_a_session_of_ones_own_is_used_and_left_open(fleet: Simulator, pool: type[Pool]) -> None:
    """A caller's HTTP session serves the node and is not closed with the pool."""

    async def work() -> None:
        async with aiohttp.ClientSession() as session:
            await pool.connect(nodes=[node(fleet, "us", session=session)])
            await pool.close()
            assert not session.closed

    run(pool, work)


def test_regions(pool: type[Pool], fleet: Simulator) -> None:
    """Endpoints have the documented labels; a map of one's own takes the place of the built-in one."""
    assert pool.region_from_endpoint("us-east1.discord.gg:443") == "us"
    assert pool.region_from_endpoint("nowhere.discord.media") == "global"
    assert pool.region_from_endpoint("") is None

    async def work() -> None:
        await pool.connect(nodes=[node(fleet, "us")], regions={"home": ["iad"]})
        assert pool.region_from_endpoint("c-iad05-ea4174e2.discord.media") == "home"
        assert pool.region_from_endpoint("frankfurt1.discord.gg") == "global"

    run(pool, work)


def test_a_second_event_loop(fleet: Simulator, pool: type[Pool]) -> None:
    """A pool whose loop ended without `close` connects in the next one."""

    async def forgetful() -> None:
        await pool.connect(nodes=[node(fleet, "us")])

    asyncio.run(forgetful())

    async def work() -> None:
        await pool.connect(nodes=[node(fleet, "us")])
        assert pool.get_node().session_id

    run(pool, work)


def test_nothing_is_printed_and_no_password_logged(
    fleet: Simulator, pool: type[Pool], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The library keeps the streams to the program, and secrets to itself."""

    async def work() -> None:
        with caplog.at_level(logging.DEBUG, "revvlink_cli"):
            with pytest.raises(AuthorizationFailedException):
                await pool.connect(nodes=[node(fleet, "us", password="canary-secret")])
            await pool.connect(nodes=[node(fleet, "eu")])
            assert fleet["eu"].password not in repr(pool.get_node()) + repr(pool.get_node().settings)

    run(pool, work)
    assert capsys.readouterr() == ("", "")
    assert "canary" not in caplog.text
    assert fleet["eu"].password not in caplog.text


def test_exported_names() -> None:
    """The public names are these, and each can be had."""
    for name in revvlink_cli.__all__:
        assert getattr(revvlink_cli, name) is not None
    assert sorted(revvlink_cli.__all__) == [
        "AuthorizationFailedException", "CacheMode", "InvalidClientException", "InvalidNodeException",
        "LavalinkException", "LavalinkLoadException", "Node", "NodeException", "NodeStatus", "Penalty", "Playable",
        "Player", "PlayerDestroyedException", "Playlist", "Pool", "RedisStore", "RevvlinkException", "SQLiteStore",
        "Store", "StoreException", "__version__",
    ]  # fmt: skip
    with pytest.raises(AttributeError):
        _ = revvlink_cli.nothing
