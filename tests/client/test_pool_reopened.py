"""A pool after `close`, and a pool between two event loops: nothing of a former life, and no hanging."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest

from revvlink_cli import InvalidNodeException, Node, NodeException, NodeStatus, PlayerDestroyedException, Pool
from revvlink_cli.client.settings import DEFAULT_USER_ID
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.faults.watched_fleet import guild, voice
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_server import PASSWORD, Request, serving
from tests.fidelity.scripted_node import Listening

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

PROFILES = [NodeProfile(identifier=name, password=PASSWORD, region="eu") for name in ("a", "b")]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Two nodes."""
    with Simulator(PROFILES) as simulator:
        yield simulator


@pytest.fixture
def pool() -> type[Pool]:
    """A pool of one's own."""

    class Mine(Pool):
        """Shares nothing with other tests."""

    return Mine


def node_at(simulator: Simulator, name: str = "a", **settings: Any) -> Node:
    """The pool's node for a simulated one."""
    return Node(identifier=name, uri=simulator[name].uri, password=PASSWORD, **settings)


class Bot:
    """A client that remembers what it was told."""

    def __init__(self, number: int) -> None:
        self.user = SimpleNamespace(id=number)
        self.told: list[str] = []

    def dispatch(self, name: str, _payload: object) -> None:
        """Remember it."""
        self.told.append(name)


class Store:
    """A store that counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def get(self, _key: object) -> None:
        """Nothing is kept."""
        self.asked += 1

    async def put(self, _entry: object) -> None:
        """It is not kept."""
        self.asked += 1

    async def close(self) -> None:
        """Nothing is open."""
        raise AssertionError("the store is the caller's")


class Hearing(Listening):
    """A server that remembers the user ids of its handshakes."""

    def __init__(self) -> None:
        super().__init__(LAVALINK)
        self.users: list[str] = []

    async def answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer, and remember."""
        if "user-id" in request.headers:
            self.users.append(request.headers["user-id"])
        return await super().answer(request, reader, writer)


def test_the_client_is_gone(pool: type[Pool]) -> None:
    """After `close` the former bot gets no events, and no later handshake has its id."""

    async def work() -> None:
        server, former, next_one = Hearing(), Bot(111), Bot(222)
        async with serving(server.handle) as uri:
            await pool.connect(nodes=[Node(uri=uri, password=PASSWORD, resume_timeout=0)], client=former)
            await pool.close()
            told = list(former.told)
            assert told[-1] == "revvlink_node_closed"

            await pool.connect(nodes=[Node(uri=uri, password=PASSWORD, resume_timeout=0)])
            await pool.close()
            await pool.connect(nodes=[Node(uri=uri, password=PASSWORD, resume_timeout=0)], client=next_one)
            await pool.close()
        assert server.users == ["111", str(DEFAULT_USER_ID), "222"]
        assert former.told == told
        assert "revvlink_node_ready" in next_one.told

    asyncio.run(work())


def test_a_pool_is_as_new(simulator: Simulator, pool: type[Pool]) -> None:
    """Regions, cache, store, players, cordons and readers of events do not outlive `close`."""

    async def work() -> None:
        store, node = Store(), node_at(simulator)
        pool.use_store(store)
        await pool.connect(nodes=[node], regions={"north": ["oslo"]}, cache_capacity=5)
        seen: list[object] = []

        async def read() -> None:
            seen.extend([happening async for happening in pool.events()])

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        player = pool.create_player(guild(1))
        await player.update_voice(**voice(1))
        await pool.fetch_tracks("ytsearch:night")
        asked = store.asked
        node.cordon()
        await pool.close()
        async with asyncio.timeout(5):
            await reading

        assert pool.nodes == {}
        assert pool.region_from_endpoint("us-east1.discord.gg") == "us"
        assert pool.region_from_endpoint("oslo1.discord.gg") != "north"
        assert not pool.has_cache()
        assert pool.get_player(guild(1)) is None
        assert (player.node, node.players, node.is_cordoned) == (None, {}, False)
        with pytest.raises(InvalidNodeException):
            pool.get_node()

        ended = len(seen)
        assert ended > 0
        await pool.connect(nodes=[node])
        assert pool.get_node() is node
        for _ in range(2):
            await pool.fetch_tracks("ytsearch:night")
        assert store.asked == asked
        assert sum("loadtracks" in path for _, path in simulator["a"].requests) == 3
        assert len(seen) == ended
        with pytest.raises(PlayerDestroyedException, match="pool was closed"):
            await player.update_voice(**voice(1))
        await player.destroy()
        assert await node.fetch_players() == []
        await pool.close()

    asyncio.run(work())


def test_configured_before_connecting(simulator: Simulator, pool: type[Pool]) -> None:
    """What is set before `connect` counts, also when a loop has ended without `close` in between."""

    async def work() -> None:
        await pool.connect(nodes=[node_at(simulator)])
        assert pool.has_cache()
        for _ in range(2):
            assert await pool.fetch_tracks("ytsearch:night")

    pool.cache(5)
    asyncio.run(work())
    assert sum("loadtracks" in path for _, path in simulator["a"].requests) == 1
    pool.cache(7)

    async def again() -> None:
        await pool.connect(nodes=[node_at(simulator)])
        assert pool.has_cache()
        await pool.close()
        assert not pool.has_cache()
        pool.cache(5)
        await pool.connect(nodes=[node_at(simulator)])
        assert pool.has_cache()
        await pool.close()

    asyncio.run(again())


def test_a_loop_that_ended_without_close(simulator: Simulator, pool: type[Pool]) -> None:
    """Client, regions, players and readers end with the loop."""
    former = Bot(111)

    async def work() -> None:
        await pool.connect(nodes=[node_at(simulator)], client=former, regions={"north": ["oslo"]})
        pool.create_player(guild(1))

    asyncio.run(work())
    told = list(former.told)

    async def again() -> None:
        await pool.connect(nodes=[node_at(simulator)])
        assert pool.region_from_endpoint("us-east1.discord.gg") == "us"
        assert pool.get_player(guild(1)) is None
        await pool.close()

    asyncio.run(again())
    assert former.told[: len(told)] == told
    assert former.told.count("revvlink_node_ready") == told.count("revvlink_node_ready")


def test_a_voice_update_that_waits_when_the_pool_closes(simulator: Simulator, pool: type[Pool]) -> None:
    """It fails at once, and does not bring its player into the pool's next life."""

    async def work() -> None:
        node = node_at(simulator)
        await pool.connect(nodes=[node])
        node.cordon()
        waiting = asyncio.create_task(pool.create_player(guild(1)).update_voice(**voice(1)))
        await asyncio.sleep(0.05)
        await pool.close()
        async with asyncio.timeout(5):
            with pytest.raises(PlayerDestroyedException, match="pool was closed"):
                await waiting
        await pool.connect(nodes=[node])
        assert await node.fetch_players() == []
        await pool.close()

    asyncio.run(work())


def test_a_loop_that_ended_while_something_waited(pool: type[Pool]) -> None:
    """Whoever waited for a change went with its event loop: the next life does not try to wake it."""
    loop = asyncio.new_event_loop()

    async def wait() -> tuple[asyncio.Task[None], asyncio.Task[object]]:
        reader = asyncio.create_task(first_of(pool))
        await asyncio.sleep(0)
        waiter = asyncio.create_task(pool.fleet().changed())
        await asyncio.sleep(0)
        return waiter, reader

    left = loop.run_until_complete(wait())
    loop.close()

    async def again() -> None:
        assert await pool.connect(nodes=[]) == {}
        await pool.close()

    asyncio.run(again())
    assert not any(task.done() for task in left)


def test_connecting_while_the_pool_closes(simulator: Simulator, pool: type[Pool]) -> None:
    """Of those that waited for the end, and one that comes right after it, one connects the node."""

    async def work() -> None:
        await pool.connect(nodes=[node_at(simulator)])
        closing = asyncio.create_task(pool.close())
        await asyncio.sleep(0)

        async def late() -> object:
            await closing
            return await pool.connect(nodes=[node_at(simulator)])

        waiting = [asyncio.create_task(pool.connect(nodes=[node_at(simulator)])) for _ in range(2)]
        told = await asyncio.gather(*waiting, late(), return_exceptions=True)
        assert [isinstance(each, NodeException) for each in told] == [False, True, True]
        assert simulator["a"].open_sockets == 1
        async with asyncio.timeout(5):
            await pool.close()

    asyncio.run(work())


class Elsewhere:
    """An event loop in a thread of its own."""

    def __enter__(self) -> Self:
        """Start it."""
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="elsewhere")
        self.thread.start()
        return self

    def run(self, work: Awaitable[Any]) -> Any:
        """Run it there, for ten seconds at most."""

        async def limited() -> Any:
            async with asyncio.timeout(10):
                return await work

        return asyncio.run_coroutine_threadsafe(limited(), self.loop).result(20)

    def __exit__(self, *_error: object) -> None:
        """End it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


async def first_of(pool: type[Pool]) -> object:
    """What a reader of events gets first."""
    async for happening in pool.events():
        return happening
    return None


def test_another_thread(simulator: Simulator, pool: type[Pool]) -> None:
    """All that would wait for the other thread's loop raises at once, in plain words; the pool goes on where it is."""

    async def connected() -> tuple[Node, Any]:
        nodes = await pool.connect(nodes=[node_at(simulator), node_at(simulator, "b")])
        player = pool.create_player(guild(1))
        await player.update_voice(**voice(1))
        return nodes["a"], player

    with Elsewhere() as there:
        node, player = there.run(connected())
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: pool.connect(nodes=[node_at(simulator, "b")]), pool.close, pool.reconnect, lambda: pool.drain(node),
            lambda: pool.remove_node(node), lambda: pool.add_node(node_at(simulator, "b")), node.close, node.fetch_info,
            lambda: pool.fetch_tracks("ytsearch:night"), lambda: first_of(pool), node.fetch_players,
            lambda: node.send("GET", path="/v4/info"), lambda: player.update_voice(**voice(1)), player.destroy,
            lambda: player.switch_node(node), lambda: player.set_volume(5),
        ]  # fmt: skip

        async def here() -> None:
            for call in calls:
                async with asyncio.timeout(5):
                    with pytest.raises(RuntimeError, match="belongs to another event loop, that of thread elsewhere"):
                        await call()

        asyncio.run(here())
        for change in (node.cordon, node.uncordon):
            with pytest.raises(RuntimeError, match="another event loop"):
                change()
        assert pool.get_node("a") is node  # looking does no harm
        assert node.snapshot().status is NodeStatus.CONNECTED
        assert there.run(pool.fetch_tracks("ytsearch:night"))
        assert there.run(node.fetch_info()).version
        assert pool.get_player(guild(1)) is player
        there.run(pool.close())

        async def at_last() -> None:
            await pool.connect(nodes=[node_at(simulator)])
            assert await pool.fetch_tracks("ytsearch:night")
            await pool.close()

        asyncio.run(at_last())


def test_two_threads_at_once(simulator: Simulator, pool: type[Pool]) -> None:
    """Of two that connect at the same moment one gets the pool, and the other an error."""
    with Elsewhere() as one, Elsewhere() as other:
        gate = threading.Barrier(2)
        outcomes: list[object] = []

        def race(loop: Elsewhere, name: str) -> None:
            gate.wait()
            try:
                loop.run(pool.connect(nodes=[node_at(simulator, name)]))
            except RuntimeError as error:
                outcomes.append(str(error))
            else:
                outcomes.append(loop)

        threads = [threading.Thread(target=race, args=entry) for entry in ((one, "a"), (other, "b"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (winner,) = [told for told in outcomes if isinstance(told, Elsewhere)]
        (loser,) = [told for told in outcomes if isinstance(told, str)]
        assert "another event loop" in loser
        winner.run(pool.close())


def test_a_failed_connect_binds_nothing(simulator: Simulator, pool: type[Pool]) -> None:
    """A loop on which nothing was connected, or only events were read, leaves the pool free for another."""

    async def refused() -> None:
        node = node_at(simulator)
        with pytest.raises(NodeException, match="two nodes"):
            await pool.connect(nodes=[node, node])

    async def read_and_left() -> None:
        reading = asyncio.create_task(first_of(pool))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])

    async def works() -> None:
        await pool.connect(nodes=[node_at(simulator)])
        await pool.close()

    with Elsewhere() as there:
        there.run(refused())
        there.run(read_and_left())
        asyncio.run(works())
