"""Faults of what a node says: wrong statistics, messages out of order, closed websockets, lost frames."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.simulator import NodeProfile
from revvlink_cli.simulator.message_faults import MessageFaults
from revvlink_cli.simulator.scenario import Fault
from tests.simulator.node_client import PASSWORD, VOICE, run_by_hand

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.simulator.node_client import Client


def node(kind: str = "lavalink", **changes: Any) -> NodeProfile:
    """A node of a kind."""
    make = NodeProfile.nodelink if kind == "nodelink" else NodeProfile
    return make(identifier="n", password=PASSWORD, guards=(), **changes)


@pytest.mark.parametrize("kind", ["lavalink", "nodelink"])
@pytest.mark.parametrize("figures", ["contradictory", "negative", "absent", "stale"])
def test_statistics_are_wrong_for_a_time(kind: str, figures: str) -> None:
    """Over REST and the websocket, on both kinds of server, until the fault ends."""

    async def work(here: Client, advance: Callable[[float], Awaitable[None]]) -> None:
        true = (await here.ask("GET", "/v4/stats"))[1]
        await advance(1)
        await here.ask("GET", "/v4/stats")
        await advance(60)
        while (sent := await here.message())["op"] != "stats":
            continue
        for found in ((await here.ask("GET", "/v4/stats"))[1], sent):
            match figures:
                case "contradictory":
                    assert found["playingPlayers"] > found["players"]
                    assert found["memory"]["used"] > found["memory"]["reservable"]
                case "negative":
                    assert found["players"] < 0 > found["cpu"]["systemLoad"]
                case "absent":
                    assert not {"players", "cpu", "memory"} & found.keys()
                case "stale":
                    assert found["uptime"] == true["uptime"] + 1000
        await advance(60)
        after = (await here.ask("GET", "/v4/stats"))[1]
        assert (after.keys(), after["players"]) == (true.keys(), 3)
        assert after["uptime"] == true["uptime"] + 121_000

    run_by_hand(node(kind, players=3), work, Fault(do="false_stats", at=0.5, lasts=100, figures=figures))


def test_messages_out_of_order() -> None:
    """A message comes after the one that follows it; none is lost when the fault ends."""

    async def work(here: Client, advance: Callable[[float], Awaitable[None]]) -> None:
        await advance(1)
        await here.player({"track": {"identifier": "music/one.wav"}, "voice": VOICE})
        await advance(8)
        told = await here.told(5)
        assert sorted(told) == sorted(["start music/one.wav", "end music/one.wav finished", *["update True 0"] * 3])
        assert told != ["update True 0", "start music/one.wav", *["update True 0"] * 2, "end music/one.wav finished"]

    run_by_hand(node(), work, Fault(do="reorder", at=0.5, lasts=5))


@pytest.mark.parametrize(("given", "code"), [(4000, 4000), (None, 1011)])
def test_a_websocket_is_closed_with_a_code(given: int | None, code: int) -> None:
    """The client gets the code, and its session waits for it."""

    async def work(here: Client, advance: Callable[[float], Awaitable[None]]) -> None:
        await here.ask("PATCH", f"/v4/sessions/{here.session}", {"resuming": True, "timeout": 60})
        closing = asyncio.ensure_future(here.socket.receive())
        await advance(2)
        await closing
        assert here.socket.close_code == code
        assert (await here.connect(**{"Session-Id": here.session}))["resumed"] is True

    run_by_hand(node(), work, Fault(do="close", at=1, code=given))


def test_chance_closes_some_websockets() -> None:
    """The same seed closes the same ones."""
    fault = Fault(do="close", chance=0.5)
    hits = [[faults.hits(fault) for _ in range(20)] for faults in (MessageFaults(random.Random(3)) for _ in range(2))]
    assert hits[0] == hits[1]
    assert 0 < sum(hits[0]) < 20


@pytest.mark.parametrize("kind", ["lavalink", "nodelink"])
def test_lost_frames_of_a_load(kind: str) -> None:
    """Frames that a load loses are in the statistics of a player, and are sent again after it."""

    async def frames(here: Client, advance: Callable[[float], Awaitable[None]]) -> dict[str, int]:
        await advance(60)
        found: dict[str, int] | None = None
        while found is None or found["deficit"] + found["sent"] == 0:
            message = await here.message()
            found = message["frameStats"] if message["op"] == "stats" else found
        return found

    async def work(here: Client, advance: Callable[[float], Awaitable[None]]) -> None:
        await here.player({"voice": VOICE})
        identifier = "music/long.ogg" if kind == "lavalink" else "sim:stream"
        _, answer = await here.ask("GET", f"/v4/loadtracks?identifier={identifier}")
        await here.player({"track": {"encoded": answer["data"]["encoded"]}})
        await advance(61)
        found = await frames(here, advance)
        assert (found["deficit"] * 3000 // (found["sent"] + found["nulled"] + found["deficit"])) in (299, 300)

    run_by_hand(node(kind), work, Fault(do="load", at=1, nulled_frames=30, missing_frames=300))


def test_plugins_stand_in_the_information() -> None:
    """Names and versions, on both kinds of server."""

    async def work(here: Client, _advance: Callable[[float], Awaitable[None]]) -> None:
        _, info = await here.ask("GET", "/v4/info")
        assert info["plugins"] == [{"name": "lavasrc-plugin", "version": "4.8.1"}]

    for kind in ("lavalink", "nodelink"):
        run_by_hand(node(kind, plugins=("lavasrc-plugin:4.8.1",)), work)
