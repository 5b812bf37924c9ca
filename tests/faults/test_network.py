"""What networks and proxies do to a connection: each fault costs one reconnection at most, and no player."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from revvlink_cli import LavalinkException, Node, NodeException, NodeStatus, Pool
from revvlink_cli.client.errors import Code, RevvlinkException
from revvlink_cli.client.events import NodeFailed, NodeLost, NodeReady, PlayerLost
from revvlink_cli.simulator import Simulator
from revvlink_cli.simulator.music import TRACKS
from tests.faults.faulty_network import Network
from tests.faults.watched_fleet import PASSWORD, fleet, guild, placed, profiles, run, voice
from tests.fidelity.replay_server import response

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.watched_fleet import Watched

ANSWERED = (NodeStatus.CONNECTED, NodeStatus.DISCONNECTED)


async def lost(watched: Watched, count: int = 1) -> None:
    """Wait until connections were lost so often."""
    await watched.until(lambda: len(watched.told(NodeLost)) >= count)


async def back(watched: Watched, name: str = "a") -> None:
    """Have the node tried at once, and wait until it is connected."""
    await watched.pool.reconnect()
    await watched.until_status(name, NodeStatus.CONNECTED)


def proxy(status: str) -> Callable[[bytes], bytes | None]:
    """A proxy that answers this to whatever is asked."""
    return lambda _line: response(b"<html>no</html>", status=status, headers={"Content-Type": "text/html"})


def test_a_cut() -> None:
    """Reset connections: one new handshake with the old session, the players stay, nothing moves."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), networked=True, resume_timeout=30) as watched:
            await placed(watched, 6, playing=True)
            wire, session = watched.networks["a"], watched.pool.nodes["a"].session_id
            wire.cut()
            await lost(watched)
            await back(watched)

            assert watched.pool.nodes["a"].session_id == session
            assert wire.handshakes == 2
            await watched.until_settled(6)
            assert watched.moves() == []
            assert [told.resumed for told in watched.told(NodeReady)] == [False, False, True]
            assert watched.told(NodeLost)[0].reason.code is Code.CLOSED

    run(work)


def test_cut_again_and_again() -> None:
    """Ten cuts, one after the other: the same session, the same players, one socket at any time."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True, resume_timeout=30) as watched:
            await placed(watched, 3)
            session = watched.pool.nodes["a"].session_id
            for number in range(10):
                watched.networks["a"].cut()
                await lost(watched, number + 1)
                await back(watched)
            assert watched.pool.nodes["a"].session_id == session
            await watched.until_settled(3)

    run(work)


def test_a_silent_network() -> None:
    """Nothing comes through any more: the heartbeat tells, the reason says so, and after the thaw all is as before."""

    async def work() -> None:
        async with fleet(
            *profiles("a"), networked=True, resume_timeout=30, heartbeat=0.2, timeout=0.5
        ) as watched:  # fmt: skip
            await placed(watched, 3)
            watched.networks["a"].freeze()
            await lost(watched)
            reason = watched.told(NodeLost)[0].reason
            assert (reason.code, "ping" in reason.message) == (Code.SILENT, True)
            await watched.until(lambda: watched.told(NodeFailed))
            assert watched.told(NodeFailed)[0].reason.code is Code.SILENT
            watched.networks["a"].thaw()
            await back(watched)
            await watched.until_settled(3)
            assert watched.told(PlayerLost) == []

    run(work)


def test_a_slow_network() -> None:
    """A third of a second each way costs time and nothing else."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), networked=True, heartbeat=2.0) as watched:
            for wire in watched.networks.values():
                wire.delay = 0.3
            await placed(watched, 4, playing=True)
            await watched.until_settled(4)
            assert watched.told(NodeLost) == []

    run(work)


def test_a_truncated_message() -> None:
    """A message that breaks off in the middle is a lost connection, taken up again."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True, resume_timeout=30) as watched:
            await placed(watched, 2)
            wire = watched.networks["a"]
            (socket,) = [taken for taken in wire.wires if taken.is_websocket]
            socket.client.write(b'\x81\x7e\x40\x00{"op":"playerUp')
            socket.close()
            await lost(watched)
            await back(watched)
            await watched.until_settled(2)
            assert watched.moves() == []

    run(work)


@pytest.mark.parametrize("limit", [1, 40, 200])
def test_a_truncated_answer(limit: int) -> None:
    """REST answers that break off are failures of those requests; the websocket lives, and the next one is answered."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True) as watched:
            node, wire = watched.pool.nodes["a"], watched.networks["a"]
            wire.cut(websockets=False)
            wire.limit = limit
            with pytest.raises(NodeException):
                await node.fetch_info()
            wire.limit = None
            assert (await node.fetch_info()).version == "4.2.2"
            assert watched.told(NodeLost) == []
            assert wire.handshakes == 1

    run(work)


def test_a_truncated_handshake() -> None:
    """A handshake that breaks off is a failed attempt with a reason; the next succeeds."""

    async def work() -> None:
        with Simulator(profiles("a")) as simulator:
            async with Network(simulator["a"].port) as wire:
                wire.limit = 60

                class Fresh(Pool):
                    """A pool of its own."""

                node = Node(identifier="a", uri=wire.uri, password=PASSWORD, timeout=2.0)
                with pytest.raises(NodeException):
                    await Fresh.connect(nodes=[node])
                wire.limit = None
                await Fresh.reconnect()
                assert Fresh.get_node() is node
                await Fresh.close()
                assert wire.most_sockets == 1

    run(work)


def test_refused_then_taken() -> None:
    """A node that refused connections at first joins when it takes them; `reconnect` need not wait its turn."""

    async def work() -> None:
        with Simulator(profiles("a")) as simulator:
            async with Network(simulator["a"].port) as wire:
                wire.refuse()

                class Fresh(Pool):
                    """A pool of its own."""

                node = Node(identifier="a", uri=wire.uri, password=PASSWORD)
                with pytest.raises(NodeException) as caught:
                    await Fresh.connect(nodes=[node])
                assert caught.value.code is Code.REFUSED
                assert Fresh.nodes == {}
                await wire.listen()
                await Fresh.reconnect()
                assert list(Fresh.nodes) == ["a"]
                await Fresh.close()

    run(work)


@pytest.mark.parametrize("status", ["404 Not Found", "502 Bad Gateway", "503 Service Unavailable"])
def test_a_proxy_before_a_node_that_restarts(status: str) -> None:
    """What a reverse proxy answers meanwhile is no reason to give the node up, and is told as the reason."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True, resume_timeout=0) as watched:
            await placed(watched, 2)
            wire = watched.networks["a"]
            wire.answer = proxy(status)
            await asyncio.to_thread(watched.simulator["a"].kill)
            await watched.until(lambda: watched.told(NodeFailed))
            assert status.split(maxsplit=1)[0] in watched.told(NodeFailed)[0].reason.message
            await asyncio.to_thread(watched.simulator["a"].start)
            wire.answer = lambda _line: None
            await back(watched)
            await watched.until_settled(2)

    run(work)


@pytest.mark.parametrize("status", ["405 Method Not Allowed", "500 Internal Server Error", "503 Service Unavailable"])
def test_a_proxy_that_lets_no_patch_through(status: str) -> None:
    """Resuming that cannot be switched on costs no connection: the node is ready, and shows the trouble."""

    async def work() -> None:
        with Simulator(profiles("a")) as simulator:
            async with Network(simulator["a"].port) as wire:
                wire.answer = lambda line: response(b"", status=status) if line.startswith(b"PATCH") else None

                class Fresh(Pool):
                    """A pool of its own."""

                node = Node(identifier="a", uri=wire.uri, password=PASSWORD)
                await Fresh.connect(nodes=[node])
                async with asyncio.timeout(5):
                    while node.snapshot().error is None:
                        await asyncio.sleep(0.01)
                await asyncio.sleep(1.0)  # the time in which others made dozens of connections
                assert (node.status, wire.handshakes) == (NodeStatus.CONNECTED, 1)
                player = Fresh.create_player(guild(1))
                waiting = asyncio.create_task(player.update_voice(**voice(1)))
                done, _ = await asyncio.wait([waiting], timeout=1.0)
                assert not done  # no node takes it, so it waits for one
                wire.answer = lambda _line: None
                await asyncio.wait_for(waiting, 20)
                assert player.node is node
                await Fresh.close()

    run(work)


def test_taken_then_silent() -> None:
    """A connection that is taken and never answered ends at the timeout, by name; nothing is left of it."""

    async def work() -> None:
        with Simulator(profiles("a")) as simulator:
            async with Network(simulator["a"].port) as wire:
                wire.freeze()

                class Fresh(Pool):
                    """A pool of its own."""

                with pytest.raises(NodeException) as caught:
                    await Fresh.connect(
                        nodes=[Node(identifier="a", uri=wire.uri, password=PASSWORD, timeout=0.5, retries=0)]
                    )
                assert caught.value.code is Code.SILENT
                await Fresh.close()

    run(work)


def test_a_socket_that_is_half_open() -> None:
    """The server takes the old socket for open and gives a new session: it is asked again until it sees the old one go.

    Players stay where they are, and the session is the old one.
    """

    async def work() -> None:
        async with fleet(*profiles("a", "b"), networked=True, resume_timeout=30) as watched:
            await placed(watched, 6, playing=True)
            wire, session = watched.networks["a"], watched.pool.nodes["a"].session_id
            wire.half_close()
            await lost(watched)
            trying = asyncio.create_task(watched.pool.reconnect())
            await watched.until(lambda: wire.handshakes == 2)
            wire.release()
            await trying
            await watched.until(lambda: watched.pool.nodes["a"].session_id == session)
            await watched.until_settled(6)
            assert watched.moves() == []
            assert wire.handshakes <= 4

    run(work)


def test_a_socket_that_stays_half_open() -> None:
    """A server that never sees the old socket go gets the players again in a new session, after two more tries."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True, resume_timeout=30) as watched:
            await placed(watched, 3, playing=True)
            wire, session = watched.networks["a"], watched.pool.nodes["a"].session_id
            wire.half_close()
            await lost(watched)
            await back(watched)
            assert wire.handshakes == 4
            assert watched.pool.nodes["a"].session_id != session
            await watched.until_settled(3)
            wire.release()
            await watched.until(lambda: watched.simulator["a"].open_sockets == 1)

    run(work)


def test_requests_fail_while_the_websocket_lives() -> None:
    """REST connections that are reset cost those requests, never the websocket or the players."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True) as watched:
            await placed(watched, 2)
            wire = watched.networks["a"]
            wire.answer = lambda line: b"" if b"/v4/loadtracks" in line else None
            waiting = asyncio.create_task(watched.pool.fetch_tracks("ytsearch:night"))
            while not waiting.done():  # a request that is safe to repeat may be, once, by itself
                await asyncio.sleep(0.05)
                wire.cut(websockets=False)
            assert isinstance(waiting.exception(), RevvlinkException)
            wire.answer = lambda _line: None
            assert await watched.pool.fetch_tracks("ytsearch:night")
            assert watched.told(NodeLost) == []
            await watched.until_settled(2)

    run(work)


def test_a_move_whose_answer_is_lost() -> None:
    """The new node has made the player, its answer never came: the player ends on one node, and the other has none."""

    async def work() -> None:
        async with fleet(*profiles("a", "b", "c"), networked=True, timeout=0.5) as watched:
            player = watched.pool.create_player(guild(1), node=watched.pool.nodes["a"])
            await player.update_voice(**voice(1))
            await player.play(TRACKS[0])
            watched.pool.nodes["c"].cordon()
            wire = watched.networks["b"]

            async def lose_the_answer() -> None:
                while not any(method == "PATCH" and "/players/" in path for method, path in
                              watched.simulator["b"].requests):  # fmt: skip
                    await asyncio.sleep(0.001)
                wire.cut(websockets=False)

            wire.delay = 0.1
            losing = asyncio.create_task(lose_the_answer())
            report = await watched.pool.drain(watched.pool.nodes["a"])
            await losing
            wire.delay = 0.0
            assert list(report.failed) == [player.guild_id]
            assert player.node is watched.pool.nodes["a"]
            watched.pool.nodes["c"].uncordon()
            watched.pool.nodes["a"].uncordon()
            wire.cut()
            await lost(watched)
            await back(watched, "b")
            await watched.until_settled(1)

    run(work)


def test_a_destruction_that_fails_is_tried_again() -> None:
    """A moved player that could not be taken from its old node is, when that node next sends statistics."""

    async def work() -> None:
        async with fleet(*profiles("a", "b", stats_interval=0.5), networked=True, timeout=0.5) as watched:
            player = watched.pool.create_player(guild(1), node=watched.pool.nodes["a"])
            await player.update_voice(**voice(1))
            wire = watched.networks["a"]
            wire.answer = lambda line: response(b"", status="500 No") if line.startswith(b"DELETE") else None
            await player.switch_node(watched.pool.nodes["b"])
            assert (await watched.on_servers())["a"] == {player.guild_id}
            wire.answer = lambda _line: None
            await watched.until_settled(1)
            assert (await watched.on_servers())["b"] == {player.guild_id}

    run(work)


def test_an_orphan_is_destroyed() -> None:
    """A player that the server has and nobody here was told of is destroyed after a resume; a program's own is not."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True, resume_timeout=30) as watched:
            node, wire = watched.pool.nodes["a"], watched.networks["a"]
            await placed(watched, 1)
            await node.update_player(str(guild(50)), {"volume": 50})
            await node.send("PATCH", path=f"/v4/sessions/{node.session_id}/players/{guild(60)}", data={"volume": 5})
            wire.cut()
            await lost(watched)
            await back(watched)
            expected = {guild(0), guild(50)}
            async with asyncio.timeout(10):
                while (await watched.on_servers())["a"] != expected:
                    await asyncio.sleep(0.05)

    run(work)


def test_a_drain_that_is_given_up() -> None:
    """Cancelled, it finishes the moves in flight; the rest stay, and the feed says which. Nobody is on two nodes."""

    async def work() -> None:
        from revvlink_cli.client.events import NodeDrained

        async with fleet(*profiles("a", "b"), networked=True) as watched:
            node = watched.pool.nodes["a"]
            watched.pool.nodes["b"].cordon()
            await placed(watched, 30)
            watched.pool.nodes["b"].uncordon()
            watched.networks["b"].delay = 0.05
            draining = asyncio.create_task(watched.pool.drain(node))
            await watched.until(lambda: len(watched.pool.nodes["b"].players) >= 3)
            draining.cancel()
            with pytest.raises(asyncio.CancelledError):
                await draining
            await watched.until(lambda: watched.told(NodeDrained))
            (report,) = watched.told(NodeDrained)
            assert len(report.moved) == len(watched.pool.nodes["b"].players) < 30
            assert len(report.failed) == len(node.players) == 30 - len(report.moved)
            await watched.until(lambda: not any(player.turn.locked() for player in watched.fleet.players_on(node)))
            await watched.until_settled(30)

    run(work)


def test_a_rate_limit_is_waited_for_outside_the_slot() -> None:
    """A player told to come back later holds up none of the others, and is served in the end."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True) as watched:
            node, wire = watched.pool.nodes["a"], watched.networks["a"]
            refused = {str(guild(number)).encode() for number in range(10)}

            def limited(line: bytes) -> bytes | None:
                name = line.partition(b"/players/")[2].partition(b" ")[0]
                if name in refused:
                    refused.discard(name)
                    return response(b"", status="429 Too Many Requests", headers={"Retry-After": "1"})
                return None

            wire.answer = limited
            waiting = [
                asyncio.create_task(node.update_player(str(guild(number)), {"volume": 10})) for number in range(10)
            ]
            await watched.until(lambda: not refused)
            began = asyncio.get_running_loop().time()
            await node.update_player(str(guild(20)), {"volume": 10})
            assert asyncio.get_running_loop().time() - began < 0.9
            await asyncio.gather(*waiting)

    run(work)


def test_a_refusal_is_the_servers_own_words() -> None:
    """A request that the server refuses carries its status, and its message, to the caller."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True) as watched:
            with pytest.raises(LavalinkException) as caught:
                await watched.pool.nodes["a"].send("GET", path="/v4/sessions/none/players")
            assert (caught.value.status, "Session not found" in str(caught.value)) == (404, True)

    run(work)
