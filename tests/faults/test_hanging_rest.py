"""A node whose websocket lives while no request is answered: it hangs, gets nothing new, and is back at one answer."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import InvalidNodeException, NodeException, NodeStatus, RevvlinkException
from revvlink_cli.client.errors import Code
from revvlink_cli.client.events import NodeAnswering, NodeHanging, NodeLost, NodeRefusing, StatsReceived
from tests.faults.watched_fleet import Watched, fleet, guild, placed, profiles, run, voice

if TYPE_CHECKING:
    from revvlink_cli.client.snapshot import NodeSnapshot

QUICK: dict[str, Any] = {"heartbeat": 0.5, "timeout": 1.0}
"""Settings with which a hanging node is found out within four seconds."""


def shot(watched: Watched, name: str) -> NodeSnapshot:
    """What is known of a node."""
    return watched.pool.nodes[name].snapshot()


def versions(watched: Watched, name: str) -> int:
    """How often a node was asked for its version."""
    return sum(path == "/version" for _, path in watched.simulator[name].requests)


def test_new_players_go_elsewhere() -> None:
    """The pool names the reason, places and loads elsewhere, and leaves the players there alone, for they play."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), **QUICK) as watched:
            watched.simulator["b"].set_load(players=500, playing=500)
            await watched.until(lambda: watched.pool.get_node().identifier == "a")
            player = watched.pool.create_player(guild(1))
            await player.update_voice(**voice(1))
            assert player.node is watched.pool.nodes["a"]
            watched.simulator["a"].freeze(websockets=False)
            await watched.until(lambda: shot(watched, "a").hanging)

            why = shot(watched, "a").hanging
            assert isinstance(why, NodeException)
            assert why.code is Code.REST_UNRESPONSIVE
            assert "hangs: its websocket is open, but no request is answered (accepts connections but" in why.message
            assert shot(watched, "a").condition(time.monotonic()) == "hanging"
            assert shot(watched, "a").status is NodeStatus.CONNECTED
            await watched.until(lambda: watched.told(NodeHanging))
            (told,) = watched.told(NodeHanging)
            assert (told.node, told.players, told.reason) == ("a", 1, why)
            assert watched.pool.get_node().identifier == "b"
            for number in (2, 3):
                await watched.pool.create_player(guild(number)).update_voice(**voice(number))
            assert watched.pool.nodes["b"].players.keys() == {guild(2), guild(3)}
            assert await watched.pool.fetch_tracks("simsearch:night")
            assert player.node is watched.pool.nodes["a"], "it plays where it is"
            before = len(watched.told(StatsReceived))
            watched.simulator["a"].set_load(players=7)
            await watched.until(lambda: len(watched.told(StatsReceived)) > before)
            await asyncio.sleep(2)
            assert watched.simulator["a"].open_sockets == 1
            assert not watched.told(NodeLost)
            assert not watched.moves()

            watched.simulator["b"].kill()
            await watched.until_status("b", NodeStatus.DISCONNECTED)
            with pytest.raises(InvalidNodeException, match=r"a: hanging: .* hangs: its websocket is open"):
                watched.pool.get_node()
            watched.simulator["a"].thaw()
            await watched.until(lambda: shot(watched, "a").hanging is None)
            assert watched.pool.get_node().identifier == "a"
            await watched.until(lambda: watched.told(NodeAnswering))
            assert watched.pool.nodes["a"].players[guild(1)] is player

    run(work)


def test_one_answer_is_enough_whoever_asked() -> None:
    """As soon as any request is answered the node is as before, with an error for an answer, too."""

    async def work() -> None:
        async with fleet(*profiles("a"), **QUICK) as watched:
            watched.simulator["a"].freeze(websockets=False)
            await watched.until(lambda: shot(watched, "a").hanging)
            watched.simulator["a"].thaw()
            with pytest.raises(Exception, match="404"):
                await watched.pool.nodes["a"].send("GET", path="/v4/nothing")
            assert shot(watched, "a").hanging is None
            assert watched.pool.get_node().identifier == "a"

    run(work)


def test_a_slow_node_does_not_hang() -> None:
    """One that takes half of its time for every answer is asked again and again, and stays."""

    async def work() -> None:
        async with fleet(*profiles("a"), heartbeat=0.5, timeout=4.0) as watched:
            watched.simulator["a"].set_delay(2.0)
            await watched.until(lambda: versions(watched, "a") >= 3)
            assert not watched.told(NodeHanging)
            assert watched.pool.get_node().identifier == "a"

    run(work)


@pytest.mark.parametrize("fault", ["silent", "refused", "reset", "502", "503", "504"])
def test_whatever_keeps_requests_from_it(fault: str) -> None:
    """Silence, a closed port, connections that are broken off, and a proxy without a server come to the same."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True, **QUICK) as watched:
            wire = watched.networks["a"]
            if fault == "silent":
                watched.simulator["a"].freeze(websockets=False)
            elif fault == "refused":
                wire.refuse()
                wire.cut(websockets=False)
            elif fault == "reset":
                wire.limit = 0
                wire.cut(websockets=False)
            else:
                wire.answer = lambda _: f"HTTP/1.1 {fault} No\r\nContent-Length: 0\r\n\r\n".encode()
            await watched.until(lambda: shot(watched, "a").hanging)
            why = shot(watched, "a").hanging
            assert isinstance(why, NodeException)
            assert why.timed_out is (fault == "silent"), "unknown_on_timeout is for silence only"
            assert not watched.told(NodeLost)
            watched.simulator["a"].thaw()
            wire.limit = None
            wire.answer = lambda _: None
            if fault == "refused":
                await wire.listen()
            await watched.until(lambda: shot(watched, "a").hanging is None)

    run(work)


@pytest.mark.parametrize("status", ["401 No", "403 No", "404 No", "429 No", "500 No"])
def test_an_error_is_an_answer(status: str) -> None:
    """A node that refuses what it is asked does not hang."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True, **QUICK) as watched:
            asked = 0

            def answer(_: bytes) -> bytes:
                nonlocal asked
                asked += 1
                return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()

            watched.networks["a"].answer = answer
            await watched.until(lambda: asked >= 4)
            assert shot(watched, "a").hanging is None
            watched.networks["a"].answer = lambda _: None

    run(work)


def test_one_miss_is_no_proof() -> None:
    """A single question without an answer changes nothing; the next one, which is answered, comes sooner."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True, **QUICK) as watched:
            missed: list[float] = []

            def answer(_: bytes) -> bytes | None:
                missed.append(time.monotonic())
                return b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" if len(missed) % 2 else None

            watched.networks["a"].answer = answer
            await watched.until(lambda: len(missed) >= 6)
            assert not watched.told(NodeHanging)
            assert shot(watched, "a").hanging is None

    run(work)


def test_who_asks_anyway_costs_no_second_request() -> None:
    """While other requests are answered nothing more is asked; without them it is once an interval, and no more."""

    async def work() -> None:
        async with fleet(*profiles("a"), heartbeat=2.0) as watched:
            node = watched.pool.nodes["a"]
            for _ in range(8):
                await asyncio.sleep(0.5)
                await node.fetch_stats()
            assert versions(watched, "a") == 0
            await asyncio.sleep(9)
            assert 1 <= versions(watched, "a") <= 3

    run(work)


def test_a_short_run_asks_nothing() -> None:
    """With the usual heartbeat nothing is asked within the first seconds: one-shot commands never wake it."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            await asyncio.sleep(3)
            assert versions(watched, "a") == 0

    run(work)


def test_a_node_that_hangs_is_drained() -> None:
    """An operator may move its players by hand; what is left there is cleared once it answers."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), **QUICK) as watched:
            await placed(watched, 12)
            there = watched.pool.nodes["a"].players.keys()
            assert len(there) > 2
            watched.simulator["a"].freeze(websockets=False)
            await watched.until(lambda: shot(watched, "a").hanging)
            report = await watched.pool.drain(watched.pool.nodes["a"])
            assert report.moved == dict.fromkeys(there, "b")
            asked = {method for method, _ in watched.simulator["a"].requests}
            assert "DELETE" not in asked, "nothing is asked of the node that answers nothing"
            watched.simulator["a"].thaw()
            await watched.until(lambda: shot(watched, "a").hanging is None)
            await watched.until_settled(12)

    run(work)


# A simulated server that is frozen or killed may leave the socket of a request to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_hanging_and_then_lost() -> None:
    """When the websocket goes, too, it is lost as any other node, and comes back without the mark."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), resume_timeout=1, **QUICK) as watched:
            watched.simulator["b"].set_load(players=500, playing=500)
            await watched.until(lambda: watched.pool.get_node().identifier == "a")
            await placed(watched, 2)
            watched.simulator["a"].freeze(websockets=False)
            await watched.until(lambda: shot(watched, "a").hanging)
            watched.simulator["a"].kill()
            await watched.until_status("a", NodeStatus.DISCONNECTED)
            assert shot(watched, "a").hanging is None
            await watched.until(lambda: len(watched.pool.nodes["b"].players) == 2)
            watched.simulator["a"].start()
            await watched.until_status("a", NodeStatus.CONNECTED)
            assert shot(watched, "a").hanging is None

    run(work)


def test_a_hanging_node_that_is_closed() -> None:
    """What was known of it ends with its connection: answers after that are not a return from hanging."""

    async def work() -> None:
        async with fleet(*profiles("a", "b"), **QUICK) as watched:
            node = watched.pool.nodes["a"]
            watched.simulator["a"].freeze(websockets=False)
            await watched.until(lambda: shot(watched, "a").hanging)
            await node.close()
            watched.simulator["a"].thaw()
            assert await node.fetch_version()
            await watched.pool.reconnect()
            assert node.status is NodeStatus.CONNECTED
            assert shot(watched, "a").hanging is None
            await asyncio.sleep(0.1)
            assert not watched.told(NodeAnswering)

    run(work)


PROXIES = {
    "forbidden": (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", Code.FORBIDDEN),
    "limited": (b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n", Code.RATE_LIMITED),
    "redirect": (b"HTTP/1.1 302 No\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", Code.REDIRECTED),
    "page": (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html", Code.BAD_ANSWER),
    "text": (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok", Code.BAD_ANSWER),
}
"""By node, what a proxy answers in its place, and the code of the failure."""


def test_proxies_that_answer_in_place_of_nodes() -> None:
    """Two such answers in a row are a refusal: the node gets no new players, and keeps its own, until it serves again.

    A proxy that refuses the version only, and passes on what bots ask for, is none.
    """

    async def work() -> None:
        async with fleet(*profiles("good", *PROXIES), networked=True, **QUICK) as watched:
            asked: Counter[str] = Counter()

            def only_the_version(name: str, line: bytes) -> bytes | None:
                asked[name] += b"/version" in line
                return PROXIES[name][0] if b"/version" in line else None

            await placed(watched, 12)
            homes = {player: player.node for player in watched.fleet.players}
            for name in PROXIES:
                watched.networks[name].answer = partial(only_the_version, name)
            await watched.until(lambda: all(asked[name] >= 4 for name in PROXIES))
            assert not any(shot(watched, name).refusal for name in PROXIES)

            for name, (answer, _) in PROXIES.items():
                watched.networks[name].answer = lambda _, answer=answer: answer  # type: ignore[misc]
            await watched.until(lambda: all(shot(watched, name).refusal for name in PROXIES))
            refusals = {name: shot(watched, name).refusal for name in PROXIES}
            assert {name: why.code for name, why in refusals.items() if why} == {
                name: code for name, (_, code) in PROXIES.items()
            }
            assert not watched.told(NodeHanging)
            await watched.until(lambda: len(watched.told(NodeRefusing)) == len(PROXIES))
            assert {told.node: told.reason.code for told in watched.told(NodeRefusing)} == {
                name: code for name, (_, code) in PROXIES.items()
            }
            assert shot(watched, "page").condition(time.monotonic()) == "refusing"
            for number in range(12, 16):
                await watched.pool.create_player(guild(number)).update_voice(**voice(number))
            assert {guild(number) for number in range(12, 16)} <= watched.pool.nodes["good"].players.keys()
            assert not watched.moves()
            assert {player: player.node for player in homes} == homes

            watched.pool.nodes["good"].cordon()
            with pytest.raises(InvalidNodeException, match=r"forbidden: refusing: .* answers 403 Forbidden"):
                watched.pool.get_node()
            for name in PROXIES:
                watched.networks[name].answer = lambda _: None
            await watched.until(lambda: not any(shot(watched, name).refusal for name in PROXIES))
            assert {told.node for told in watched.told(NodeAnswering)} == PROXIES.keys()
            await watched.until_settled(16)

    run(work)


def test_players_that_leave_a_refusing_node() -> None:
    """A bot's requests that are all refused show it as well; what is drained or stopped meanwhile is cleared later.

    The first request that is served ends the state, whoever sent it.
    """

    async def work() -> None:
        async with fleet(*profiles("a", "b"), networked=True, **QUICK) as watched:
            await placed(watched, 12)
            there = set(watched.pool.nodes["a"].players)
            assert len(there) > 2
            wire = watched.networks["a"]
            wire.answer = lambda _: PROXIES["forbidden"][0]
            while shot(watched, "a").refusal is None:
                with suppress(RevvlinkException):  # a busy bot: something is answered all the time
                    await watched.pool.nodes["a"].fetch_stats()
                await asyncio.sleep(0.05)
            stopped = min(there)
            await next(player for player in watched.fleet.players if player.guild_id == stopped).destroy()
            report = await watched.pool.drain(watched.pool.nodes["a"])
            assert report.moved == dict.fromkeys(there - {stopped}, "b")
            wire.answer = lambda _: None
            await watched.pool.nodes["a"].fetch_stats()
            assert shot(watched, "a").refusal is None
            await watched.until_settled(11)

    run(work)


def test_a_refusing_node_may_hang_too() -> None:
    """Each state replaces the other, and a lost connection ends both."""

    async def work() -> None:
        async with fleet(*profiles("a"), networked=True, **QUICK) as watched:
            wire = watched.networks["a"]
            wire.answer = lambda _: PROXIES["forbidden"][0]
            await watched.until(lambda: shot(watched, "a").refusal)
            wire.answer = lambda _: b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
            await watched.until(lambda: shot(watched, "a").hanging)
            assert shot(watched, "a").refusal is None
            wire.answer = lambda _: PROXIES["forbidden"][0]
            await watched.until(lambda: shot(watched, "a").refusal)
            assert shot(watched, "a").hanging is None
            wire.answer = lambda _: None
            wire.cut()
            await watched.until(lambda: watched.told(NodeLost))
            await watched.until_status("a", NodeStatus.CONNECTED)
            assert shot(watched, "a").rest_failure is None
            assert watched.pool.get_node().identifier == "a"

    run(work)
