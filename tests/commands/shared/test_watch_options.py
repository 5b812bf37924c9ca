"""``--watch``: looks at a fleet whose nodes die and return, on a terminal and through a pipe."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import threading
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.cli.app import run
from revvlink_cli.output.text import sparkline
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli, start_cli
from tests.fake_terminal import Terminal
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_server import PASSWORD as REPLAYED
from tests.fidelity.replay_server import read_request, serving
from tests.fidelity.scripted_node import Listening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.warm_command_line import RunningCommand


WATCH = ("--watch", "--interval", "0.2")


@pytest.fixture
def fleet() -> Iterator[Simulator]:
    """Nodes in two regions."""
    with Simulator(
        [
            NodeProfile(identifier="us-1", region="us", playing=9, players=9),
            NodeProfile(identifier="us-2", region="us", playing=2, players=2),
            NodeProfile(identifier="eu-1", region="eu", playing=4, players=4),
        ]
    ) as simulator:
        yield simulator


def entry(fleet: Simulator, name: str) -> dict[str, Any]:
    """A node as configured."""
    node = fleet[name]
    region = {"region": node.profile.region} if node.profile.region else {}
    return {"identifier": name, "uri": node.uri, "password": node.password, **region}


@pytest.fixture
def config(fleet: Simulator, write_config: Callable[..., Path]) -> Path:
    """A configuration with all of them."""
    return write_config(*(entry(fleet, node.profile.identifier) for node in fleet))


@contextmanager
def running(config: Path, *arguments: str) -> Iterator[RunningCommand]:
    """A command that goes on, its stdout a pipe."""
    with start_cli("--config", str(config), *arguments) as process:
        try:
            yield process
        finally:
            process.kill()


def tick(process: RunningCommand) -> dict[str, Any]:
    """The nodes of the next line, by name."""
    line = json.loads(process.stdout.readline())
    return {node["node"]: node for node in line["nodes"]}


def until(process: RunningCommand, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first line that is as wanted; a busy machine may need long to start the process at all."""
    deadline = time.monotonic() + 60
    while not wanted(nodes := tick(process)):
        assert time.monotonic() < deadline, nodes
    return nodes


def test_penalties_once(config: Path) -> None:
    """Every term of every node, and which regions each would serve."""
    ran = run_cli("--config", str(config), "nodes", "penalties", "-o", "json")

    assert ran.code == 0
    assert [row["node"] for row in ran.rows] == ["us-2", "eu-1", "us-1"]
    for row in ran.rows:
        terms = (row["cpu"], row["deficit"], row["nulled"], row["players"], row["reserved"])
        assert row["penalty"] == pytest.approx(sum(terms), abs=1e-4)
        assert row["stats_age_s"] < 5
    serves = {row["node"]: set(row["regions"]) for row in ran.rows}
    assert serves["us-2"] >= {"us", "southamerica"}
    assert serves["eu-1"] >= {"eu", "africa"}
    assert serves["us-1"] == set()
    by_region = run_cli("--config", str(config), "nodes", "penalties", "--region", "eu", "-o", "json").rows
    assert by_region[0]["node"] == "eu-1"
    by_players = run_cli("--config", str(config), "nodes", "penalties", "--sort", "players", "-o", "json").rows
    assert [row["node"] for row in by_players] == ["us-1", "eu-1", "us-2"]


@pytest.mark.parametrize("command", ["penalties", "status"])
def test_a_node_that_dies_and_returns(fleet: Simulator, config: Path, command: str) -> None:
    """It stays as a row, with its last figures and their age, never as zeros; and it comes back."""
    with running(config, "nodes", command, *WATCH) as process:
        before = until(process, lambda nodes: all(node["penalty"] is not None for node in nodes.values()))
        fleet["us-1"].kill()
        lost = until(process, lambda nodes: nodes["us-1"]["state"] == "lost")["us-1"]
        assert lost["is_stale"]
        assert lost["penalty"] == pytest.approx(before["us-1"]["penalty"])
        older = tick(process)["us-1"]
        assert older["stats_age_s"] > lost["stats_age_s"]
        fleet["us-1"].start()
        back = until(process, lambda nodes: nodes["us-1"]["state"] == "connected")["us-1"]
        assert not back["is_stale"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143


@pytest.mark.parametrize("command", ["penalties", "status"])
def test_a_node_that_is_back_and_has_sent_nothing_yet(write_config: Callable[..., Path], command: str) -> None:
    """It is connected, and its figures are unknown until its first: those from before are of another process."""
    script = Listening(LAVALINK)  # sends no statistics by itself, so that the client asks for them
    may_tell = threading.Event()
    may_tell.set()
    asked = threading.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            if request.path == "/v4/stats" and not may_tell.is_set():
                asked.set()
                while not may_tell.is_set():
                    await asyncio.sleep(0.01)
            if await script.answer(request, reader, writer):
                return

    def watch(config: Path, drop: Callable[[], object]) -> None:
        with running(config, "nodes", command, *WATCH) as process:
            known = until(process, lambda nodes: nodes["n"]["penalty"] is not None)["n"]
            may_tell.clear()
            drop()
            assert asked.wait(60), "it is back, and waits for statistics"
            back = until(process, lambda nodes: nodes["n"]["state"] == "connected")["n"]
            while back["penalty"] is not None and not back["is_stale"]:  # lines from before the loss
                back = tick(process)["n"]
            back = until(process, lambda nodes: nodes["n"]["state"] == "connected")["n"]
            assert (back["penalty"], back["stats_age_s"], back["is_stale"]) == (None, None, False)
            may_tell.set()
            told = until(process, lambda nodes: nodes["n"]["penalty"] is not None)["n"]
            assert (told["state"], told["is_stale"]) == ("connected", False)
            assert told["penalty"] == known["penalty"]

    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with serving(handle) as uri:
            config = write_config({"identifier": "n", "uri": uri, "password": REPLAYED, "timeout": 30})

            def drop() -> None:
                assert script.writer is not None
                loop.call_soon_threadsafe(script.writer.close)

            await asyncio.to_thread(watch, config, drop)

    asyncio.run(work())


def test_count_and_duration(config: Path) -> None:
    """They end it, with a line for each look and exit code 0."""
    ran = run_cli("--config", str(config), "nodes", "penalties", *WATCH, "--count", "3")
    assert (ran.code, ran.err) == (0, "")
    lines = [json.loads(line) for line in ran.out.splitlines()]
    assert [len(line["nodes"]) for line in lines] == [3, 3, 3]
    assert lines[0]["time"] < lines[1]["time"] < lines[2]["time"]
    assert [len(line["nodes"][0]["trend"]) for line in lines] == [1, 2, 3]
    ran = run_cli("--config", str(config), "nodes", "status", *WATCH, "--duration", "1s")
    assert ran.code == 0
    assert 1 <= len(ran.out.splitlines()) <= 7, "one look each 0.2 s, fewer on a busy machine"


def test_each_line_is_there_at_once(config: Path) -> None:
    """A reader does not wait for a buffer to fill."""
    with running(config, "nodes", "status", "--watch", "--interval", "30s") as process:
        assert len(tick(process)) == 3


def test_a_reader_that_goes(config: Path) -> None:
    """A closed pipe ends it, without a word."""
    with running(config, "nodes", "status", *WATCH) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_a_service_outlives_its_reader(config: Path) -> None:
    """The exporter goes on when nobody reads its lines any more: they are not what it is for."""
    with running(config, "exporter", "--listen", "127.0.0.1:0", "-o", "jsonl") as process:
        url = json.loads(process.stdout.readline())["url"]
        process.stdout.close()
        process.send_signal(signal.SIGHUP)  # another line, for nobody
        deadline = time.monotonic() + 20
        while 'revvlink_node_up{node="us-1"} 1' not in (page := fetched(f"{url}/metrics")):
            assert time.monotonic() < deadline, page
        process.send_signal(signal.SIGHUP)
        assert fetched(f"{url}/-/healthy") == "ok\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def fetched(url: str) -> str:
    """A page, whatever proxies there are."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_a_node_that_is_added(fleet: Simulator, write_config: Callable[..., Path]) -> None:
    """On SIGHUP what the file says now counts; a file that is wrong at the moment changes nothing."""
    config = write_config(entry(fleet, "us-1"), entry(fleet, "us-2"))
    with running(config, "nodes", "penalties", *WATCH) as process:
        assert set(tick(process)) == {"us-1", "us-2"}
        write_config(*(entry(fleet, name) for name in ("us-1", "us-2", "eu-1")))
        process.send_signal(signal.SIGHUP)
        until(process, lambda nodes: len(nodes) == 3)
        config.write_text("nonsense", encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        assert "warning: the configuration is wrong, so the nodes stay as they are" in process.stderr.readline()
        assert set(tick(process)) == {"us-1", "us-2", "eu-1"}
        write_config(entry(fleet, "us-1"), entry(fleet, "eu-1"))
        process.send_signal(signal.SIGHUP)
        nodes = until(process, lambda nodes: nodes.get("eu-1", {}).get("state") == "connected")
        assert set(nodes) == {"us-1", "eu-1"}
        write_config({**entry(fleet, "us-1"), "region": "africa"}, entry(fleet, "eu-1"))
        process.send_signal(signal.SIGHUP)
        nodes = until(process, lambda nodes: nodes.get("us-1", {}).get("region") == "africa")
        assert nodes["us-1"]["node"] == "us-1"


def test_nobody_answers(write_config: Callable[..., Path]) -> None:
    """A fleet that is down is watched all the same; one that will never let us in is not."""
    down = write_config({"identifier": "n", "uri": "http://127.0.0.1:1", "password": "x"})
    ran = run_cli("--config", str(down), "nodes", "status", *WATCH, "--count", "2", "--timeout", "1")
    assert ran.code == 3
    assert [json.loads(line)["nodes"][0]["penalty"] for line in ran.out.splitlines()[:2]] == [None, None]
    with Simulator([NodeProfile(identifier="n", password="right")]) as simulator:
        shut = write_config({"identifier": "n", "uri": simulator["n"].uri, "password": "wrong"})
        assert run_cli("--config", str(shut), "nodes", "status", *WATCH).code == 4


def test_plain(config: Path) -> None:
    """Rows, look by look."""
    ran = run_cli("--config", str(config), "nodes", "penalties", *WATCH, "--count", "2", "-o", "plain")

    assert [line.split("\t")[1] for line in ran.out.splitlines()] == ["us-2", "eu-1", "us-1"] * 2


@pytest.mark.parametrize(
    "arguments",
    [("--count", "3"), ("--interval", "1s"), ("--watch", "--interval", "soon"), ("--watch", "--interval", "0.01"),
     ("--watch", "-o", "json"), ("--sort", "beauty"), ("--watch", "--duration", "0")],
)  # fmt: skip
def test_wrong_command_lines(config: Path, arguments: tuple[str, ...]) -> None:
    """They are usage errors."""
    for command in ("status", "penalties"):
        assert run_cli("--config", str(config), "nodes", command, *arguments).code == 2


@pytest.mark.parametrize("size", [(80, 24), (40, 10), (200, 60)])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_terminal(config: Path, size: tuple[int, int], end: int) -> None:
    """The screen is taken, drawn within its size, and given back as it was, whatever ends it."""
    columns, lines = size
    terminal = Terminal(config, "nodes", "penalties", *WATCH, lines=lines, columns=columns)
    deadline = time.monotonic() + 20
    while terminal.seen.count("\x1b[H") < 3:
        assert time.monotonic() < deadline, terminal.seen
        terminal.read(0.1)
    os.kill(terminal.pid, end)

    assert terminal.end() == {signal.SIGINT: 130, signal.SIGTERM: 143}[signal.Signals(end)]
    seen = terminal.seen
    assert seen.index("\x1b[?1049h") < seen.index("us-2") < seen.index("\x1b[?1049l")
    assert seen.count("\x1b[?1049h") == seen.count("\x1b[?1049l") == 1
    frame = seen.split("\x1b[H")[2].partition("\x1b[?2026l")[0]
    rows = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line) for line in frame.split("\r\n")]
    assert len(rows) <= lines
    assert max(map(len, rows)) <= columns
    assert any("us-2" in row and "connected" in row for row in rows) or columns < 80


def test_old_servers_are_named(write_config: Callable[..., Path]) -> None:
    """What spoils the figures of a server before 4.1.0 is said where they are shown, and only there."""
    with Simulator([NodeProfile(identifier="old", version="4.0.8"), NodeProfile(identifier="new")]) as simulator:
        config = write_config(entry(simulator, "old"), entry(simulator, "new"))
        for command in ("status", "penalties"):
            told = run_cli("--config", str(config), "nodes", command, "-o", "table").err
            assert "old: before Lavalink 4.1.0" in told
            assert "new: before" not in told


def test_a_node_lost_before_it_measured_its_cpu(write_config: Callable[..., Path]) -> None:
    """It counts with the CPU of the others, says so beside any other mark, and keeps that when it is lost."""
    profiles = [
        NodeProfile(identifier="busy", system_load=0.5, players=2, playing=2),
        NodeProfile(identifier="fresh", system_load=0.0, lavalink_load=0.0, players=1, playing=1),
    ]
    with Simulator(profiles) as simulator:
        config = write_config(entry(simulator, "busy"), entry(simulator, "fresh"))
        shown = run_cli("--config", str(config), "nodes", "penalties", "-o", "table").out
        assert re.search(r"fresh .* ~[0-9.]+ .* >=~[0-9.]+", shown), shown
        with running(config, "nodes", "penalties", *WATCH) as process:
            before = until(process, lambda nodes: all(node["penalty"] is not None for node in nodes.values()))["fresh"]
            assert before["penalty_cpu_is_assumed"]
            simulator["fresh"].kill()
            lost = until(process, lambda nodes: nodes["fresh"]["state"] == "lost")["fresh"]
            assert (lost["cpu"], lost["penalty"]) == (before["cpu"], before["penalty"])


@pytest.mark.parametrize("command", ["penalties", "status"])
def test_what_does_not_fit(write_config: Callable[..., Path], command: str) -> None:
    """Rows that are shown and rows that are counted are all rows there are, whatever notes say; states are counted too.

    A change of the size is followed at once, down to a terminal on which there is room for one node.
    """
    profiles = [NodeProfile(identifier=f"n-{i:02}", version="4.0.8", players=1, playing=1) for i in range(20)]
    with Simulator(profiles) as simulator:
        config = write_config(*(entry(simulator, node.profile.identifier) for node in simulator))
        simulator["n-19"].kill()
        terminal = Terminal(config, "nodes", command, "--watch", "--interval", "60s", lines=40)
        terminal.until("n-05")
        for lines, columns in ((20, 100), (10, 80), (5, 20)):
            terminal.seen = ""
            terminal.resize(lines, columns)
            screen = terminal.until("(?m)^and ")
            assert len(screen) <= lines
            assert max(map(len, screen)) <= columns
            shown = [line for line in screen if re.search(r"\bn-[0-9]{2} (?!and )", f"{line} ")]
            (more,) = (line for line in screen if line.startswith("and "))
            assert len(shown) + int(more.split()[1]) == 20, screen
            assert len(shown) >= 1
            if columns >= 80:
                assert re.search(r"\(.*1 (failed|connecting|lost)", more), more
        os.kill(terminal.pid, signal.SIGQUIT)
        assert terminal.end() == 131
        assert terminal.seen.rstrip().count("\x1b[?1049l") == 1


def test_sparklines() -> None:
    """The lowest is the lowest bar, the highest the highest, and what is unknown is a gap."""
    assert sparkline([1, 2, 3, None, 8]) == "▁▂▃ █"
    assert sparkline([5, 5]) == "▁▁"
    assert sparkline([None, None]) == "-"
    assert sparkline([]) == "-"


def test_verdicts_decisions_and_players_under_watch(config: Path) -> None:
    """`check`, `route` and `players list` print an object for each sample, and end as their last sample does."""

    def ran(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
        found = run_cli("--config", str(config), *arguments, *WATCH, "--count", "2")
        return found.code, [json.loads(line) for line in found.out.splitlines()]

    code, samples = ran("check", "--only", "players", "-w", "8", "--node", "us-*")
    assert (code, [sample.get("verdict") for sample in samples[:2]]) == (1, ["warning", "warning"])
    assert {row["node"]: row["verdict"] for row in samples[1]["checks"]} == {"us-1": "warning", "us-2": "ok"}
    assert samples[2]["error"]["node"] == "us-1"
    code, samples = ran("route", "--region", "eu")
    assert (code, [sample["nodes"][0]["node"] for sample in samples]) == (0, ["eu-1", "eu-1"])
    code, samples = ran("players", "list")
    assert (code, len(samples)) == (0, 2)
    assert {row["node"]: row["players"] for row in samples[1]["players"]} == {"us-1": 9, "us-2": 2, "eu-1": 4}
    code, samples = ran("players", "list", "us-1", "--session", "none")
    assert (code, samples[0]["error"]) == (1, "no such session on us-1: none")


@pytest.mark.parametrize(
    "arguments",
    [("--watch", "-o", "nagios"), ("--watch", "-o", "json"), ("--watch", "--canary", "x"), ("--watch", "--list"),
     ("--watch", "--report", "junit=x"), ("--count", "2"), ("-w", "5"),
     ("--only", "cpu", "--only", "players", "-w", "5")],
)  # fmt: skip
def test_wrong_command_lines_of_check(arguments: tuple[str, ...], config: Path) -> None:
    """They are UNKNOWN, as other mistakes in a command line of `check`."""
    assert run(["--config", str(config), "check", *arguments]) == 3
