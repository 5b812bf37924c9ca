"""The operator's commands for players, route planners and what happens on nodes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli import Node, Pool
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Ran

PASSWORD = "pw"
GUILD = "817327181659110001"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A Lavalink with a route planner, and a NodeLink."""
    profiles = [
        NodeProfile(identifier="one", password=PASSWORD, route_planner="NanoSwitch", failing_addresses=2),
        NodeProfile.nodelink(identifier="link", password=PASSWORD),
    ]
    with Simulator(profiles) as running:
        yield running


@pytest.fixture
def bot(simulator: Simulator) -> Iterator[str]:
    """A bot with one player on `one`, in a thread of its own; gives its session."""
    session: list[str] = []
    ready, done = threading.Event(), threading.Event()

    async def live() -> None:
        class Bot(Pool):
            """A pool of its own."""

        node = Node(identifier="one", uri=simulator["one"].uri, password=PASSWORD)
        await Bot.connect(nodes=[node])
        voice = {"token": "t", "endpoint": "v.example:443", "sessionId": "s", "channelId": "3"}
        await node.update_player(GUILD, {"voice": voice, "track": {"identifier": "sim-1"}, "volume": 40})
        session.append(node.session_id or "")
        ready.set()
        await asyncio.to_thread(done.wait)
        await Bot.close()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert ready.wait(20)
    yield session[0]
    done.set()
    thread.join()


@pytest.fixture
def run(simulator: Simulator, write_config: Callable[..., Path]) -> Callable[..., Ran]:
    """Runs a command on both nodes."""
    path = write_config(
        *({"identifier": node.profile.identifier, "uri": node.uri, "password": PASSWORD} for node in simulator)
    )

    def run_with_config(*arguments: str, **more: Any) -> Ran:
        return run_cli("--config", str(path), *arguments, **more)

    return run_with_config


def test_players(run: Callable[..., Ran], bot: str) -> None:
    """A session's players are listed, shown and destroyed; twice is once too often."""
    place = ("--node", "one", "--session", bot)
    ran = run("players", "list", *place, "-o", "json")
    assert ran.code == 0, ran.err
    (row,) = ran.rows
    assert (row["guild_id"], row["volume"], row["is_connected"]) == (GUILD, 40, True)
    assert row["track"]
    assert run("players", "show", GUILD, *place, "-o", "json").rows["identifier"] == "sim-1"

    refused = run("players", "destroy", GUILD, *place, stdin="")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert run("players", "destroy", GUILD, *place, "--yes").code == 0
    again = run("players", "destroy", GUILD, *place, "--yes")
    assert again.code == 1
    assert "no player" in again.err
    empty = run("players", "list", *place)
    assert (empty.code, empty.out) == (0, "")


def test_players_without_a_session(run: Callable[..., Ran], bot: str) -> None:
    """Each node gets a row with the number of its players, and a note says how to list them."""
    assert bot
    ran = run("players", "list", "-o", "json")
    assert (ran.code, ran.err) == (0, "")
    counts = {row["node"]: row["players"] for row in ran.rows}
    assert counts["one"] == 1
    assert counts["link"] in (None, 0), "a NodeLink may not have sent statistics yet"
    assert [row["node"] for row in run("players", "list", "one", "-o", "json").rows] == ["one"]
    assert "add --session with the id from the bot's log" in run("players", "list", "-o", "table").err


def test_a_session_nobody_has(run: Callable[..., Ran]) -> None:
    """It is exit 1 with the session and where to find it, on both kinds of server."""
    for node in ("one", "link"):
        ran = run("players", "list", "--node", node, "--session", "nonsense")
        assert ran.code == 1
        assert f"no such session on {node}: nonsense" in ran.err
    assert run("players", "list", "--node", "onne", "--session", "x").code == 2


def test_route_planners(run: Callable[..., Ran]) -> None:
    """Status tells each node's planner, or that it has none; free takes an address or all."""
    ran = run("routeplanner", "status", "-o", "json")
    assert ran.code == 0, ran.err
    assert {row["node"]: row["planner"] for row in ran.rows} == {"one": "NanoIpRoutePlanner", "link": None}
    assert [(row["failing"], row["addresses"]) for row in ran.rows] == [(2, ["1.0.0.0", "1.0.0.1"]), (None, [])]
    assert run("routeplanner", "free", "one", "1.0.0.1").code == 0
    assert run("routeplanner", "status", "one", "-o", "json").rows[0]["addresses"] == ["1.0.0.0"]
    assert run("routeplanner", "free", "one", "--all").code == 0
    assert run("routeplanner", "status", "one", "-o", "json").rows[0]["addresses"] == []
    assert run("routeplanner", "free", "one").code == 2
    bad = run("routeplanner", "free", "one", "no-such-host")
    assert bad.code == 1
    assert "Invalid address" in bad.err
    assert run("routeplanner", "free", "link", "--all").code == 1


def test_events(simulator: Simulator, write_config: Callable[..., Path]) -> None:
    """Nodes that come, go and tell statistics are a JSON object each; Ctrl-C ends it without a word."""
    path = write_config(
        *({"identifier": node.profile.identifier, "uri": node.uri, "password": PASSWORD} for node in simulator)
    )
    command = [sys.executable, "-m", "revvlink_cli", "events", "--config", str(path), "-o", "jsonl"]
    seen: list[dict[str, Any]] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdout is not None

        def read_until(event: str, node: str) -> None:
            assert process.stdout is not None
            for line in process.stdout:
                seen.append(json.loads(line))
                if (seen[-1]["event"], seen[-1]["node"]) == (event, node):
                    return
            raise AssertionError(f"{event} of {node} never came: {seen}")

        read_until("node_ready", "link")
        simulator["one"].set_load(players=9)
        read_until("stats", "one")
        simulator["link"].kill()
        read_until("node_lost", "link")
        simulator["link"].start()
        read_until("node_ready", "link")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert run_cli("events", "--config", str(path), "-o", "json").code == 2
