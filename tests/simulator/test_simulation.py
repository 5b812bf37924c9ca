"""Simulated nodes in the running event loop: clocks, waiting, and a new start."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from revvlink_cli.simulator import Clock, NodeProfile, Simulation
from revvlink_cli.simulator.control_errors import NoSuchFaultError, WaitTimeoutError
from revvlink_cli.simulator.scenario import Fault
from tests.simulator.bot_in_the_loop import GUILD, HEADERS, bot_on


def test_nodes_and_client_in_one_loop() -> None:
    """A node is killed and started again without a thread; no task is left."""

    async def work() -> None:
        profiles = [NodeProfile(identifier="a"), NodeProfile.nodelink(identifier="b")]
        async with Simulation(profiles) as nodes, aiohttp.ClientSession(headers=HEADERS) as http:
            for node in nodes:
                async with http.get(f"{node.uri}/version") as answer:
                    assert await answer.text() == node.profile.version
            await nodes["a"].kill()
            with pytest.raises(aiohttp.ClientConnectionError):
                await http.get(f"{nodes['a'].uri}/version")
            await nodes["a"].start()
            async with http.get(f"{nodes['a'].uri}/version") as answer:
                assert answer.status == 200
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())


def test_a_manual_clock_moves_tracks_statistics_and_faults() -> None:
    """A track of minutes ends within an advance, and a fault begins and ends in it; resume windows pass too."""
    faults = [Fault(do="load", at=90, lasts=60, players=77)]

    async def work() -> None:
        clock = Clock.manual()
        async with (
            Simulation([NodeProfile(identifier="a", stats_interval=30.0)], faults=faults, clock=clock) as nodes,
            bot_on(nodes["a"]) as bot,
        ):
            assert (await bot.until("stats"))["players"] == 0
            await bot.play()
            await bot.until("TrackStartEvent")
            await clock.advance(10)
            updates = [await bot.until("playerUpdate") for _ in range(4)]
            assert [update["state"]["position"] for update in updates] == [0, 0, 5360, 10_360]
            await clock.advance(600)
            assert (await bot.until("TrackEndEvent"))["reason"] == "finished"
            await bot.patch("", {"resuming": True, "timeout": 60})
            await bot.socket.close()
            await nodes.wait("no_session")
            await clock.advance(59.9)
            assert bot.session in nodes["a"].sessions
            await clock.advance(0.1)
            assert bot.session not in nodes["a"].sessions

    asyncio.run(work())


def test_windows_for_a_resume_stay_real_on_a_fast_clock() -> None:
    """Hours of the clock pass in the window of a minute."""

    async def work() -> None:
        clock = Clock(36_000.0)
        async with Simulation([NodeProfile(identifier="a")], clock=clock) as nodes, bot_on(nodes["a"]) as bot:
            await bot.play()
            assert (await bot.until("TrackEndEvent"))["reason"] == "finished"
            await bot.patch("", {"resuming": True, "timeout": 60})
            await bot.socket.close()
            await nodes.wait("no_session")
            await clock.sleep(3600)
            assert bot.session in nodes["a"].sessions
            async with bot_on(nodes["a"], session=bot.session) as again:
                assert again.session == bot.session

    asyncio.run(work())


def test_waiting_for_states_events_and_requests() -> None:
    """What holds or has happened already is found at once; `after` leaves older ones out; the time limit is real."""

    async def work() -> None:
        profiles = [NodeProfile(identifier="a"), NodeProfile(identifier="b")]
        async with Simulation(profiles, clock=Clock(1000.0)) as nodes:
            waiting = asyncio.create_task(nodes.wait("player_playing", guild=GUILD))
            async with bot_on(nodes["b"]) as bot:
                assert (await nodes.wait("session_open")) is nodes["b"]
                await bot.play()
                assert (await waiting) is nodes["b"]
                patch = await nodes.wait_for_request("PATCH /v4/sessions/*", guild=GUILD)
                assert (patch.method, patch.status, patch.body["voice"]["token"]) == ("PATCH", 200, "t")
                assert patch.headers["Authorization"] == HEADERS["Authorization"]
                start = await nodes.wait_for_event("TrackStartEvent", guild=GUILD)
                end = await nodes.wait_for_event("TrackEndEvent", node="b", after=start.number)
                assert isinstance(end.detail, dict)
                assert end.detail["reason"] == "finished"
                for wrong in (
                    nodes.wait("player_exists", node="a", timeout=0),
                    nodes.wait_for_event("TrackEndEvent", after=end.number, timeout=0),
                    nodes.wait_for_request("GET /v4/stats", timeout=0),
                ):
                    with pytest.raises(WaitTimeoutError, match="within 0 s"):
                        await wrong
            await nodes.wait("no_session", node="b")

    asyncio.run(work())


def test_reset_begins_again() -> None:
    """With the ports, the ids of sessions, the load, the faults and the clock of the start; nothing else is left."""

    async def work() -> None:
        seen: list[Any] = []
        faults = (Fault(do="status", status=429, at=5),)
        clock = Clock.manual()
        async with Simulation([NodeProfile(identifier="a", players=3)], faults=faults, clock=clock) as nodes:
            for _ in range(2):
                async with bot_on(nodes["a"]) as bot:
                    stats: dict[str, Any] = await bot.until("stats")
                    seen.append((bot.session, stats["players"], nodes["a"].port, clock.now(), len(nodes["a"].received)))
                    await clock.advance(10)
                    await nodes["a"].set_load(players=9)
                    await nodes["a"].set_password("another")
                    seen.append([(one.fault.do, one.is_active) for one in nodes.faults])
                    await nodes["a"].kill()
                await nodes.reset()
                assert not [one for one in nodes.faults if one.is_active]
        assert seen[:2] == seen[2:]
        assert seen[1] == [("status", True)]

    asyncio.run(work())


def test_faults_by_hand() -> None:
    """They begin at their moment after now, are listed with their numbers, and end once."""

    async def work() -> None:
        clock = Clock.manual()
        async with Simulation([NodeProfile(identifier=name) for name in "ab"], clock=clock) as nodes:
            planned = nodes.begin_fault(Fault(do="kill", at=5))
            once = nodes.begin_fault(Fault(do="drop", nodes="a", at=1))
            assert [(one.number, one.node) for one in nodes.faults] == [
                (1, nodes["a"]),
                (2, nodes["b"]),
                (3, nodes["a"]),
            ]
            await clock.advance(5)
            assert [node.is_up for node in nodes] == [False, False]
            await nodes.faults.end(planned[0].number)
            assert [node.is_up for node in nodes] == [True, False]
            for over in (planned[0], once[0]):
                with pytest.raises(NoSuchFaultError):
                    await nodes.faults.end(over.number)
            nodes.begin_fault(Fault(do="drop", nodes="b"))  # which is down
            assert (await nodes.wait_for_event("fault_failed", node="b")).detail == "drop: b is down; start it first"
            await nodes["b"].start()
            await nodes.faults.end(planned[1].number)
            assert [node.is_up for node in nodes] == [True, True]

    asyncio.run(work())
