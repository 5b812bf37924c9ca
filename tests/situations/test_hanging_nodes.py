"""A node whose websocket lives while its REST hangs or is refused, as everything that watches over nodes shows it."""

from __future__ import annotations

import json
import re
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.commands.shared.test_watch_options import WATCH, entry, fetched, running, until
from tests.conftest import run_cli
from tests.fake_terminal import Terminal
from tests.faults.faulty_network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.warm_command_line import RunningCommand

WHY = "hangs: its websocket is open, but no request is answered"

QUICK = {"heartbeat": 0.5, "timeout": 1.5}
"""Settings with which a hanging node is found out within five seconds."""


@pytest.fixture
def fleet() -> Iterator[Simulator]:
    """Two nodes; the first is the better one."""
    with Simulator(
        [NodeProfile(identifier="a", region="us"), NodeProfile(identifier="b", region="us", players=300, playing=300)]
    ) as simulator:
        yield simulator


@pytest.fixture
def config(fleet: Simulator, write_config: Callable[..., Path]) -> Path:
    """A configuration with both."""
    return write_config(*(entry(fleet, node.profile.identifier) | QUICK for node in fleet))


@contextmanager
def hanging(fleet: Simulator) -> Iterator[None]:
    """The first node hangs for the time of the block."""
    fleet["a"].freeze(websockets=False)
    try:
        yield
    finally:
        if fleet["a"].control.is_up:
            fleet["a"].thaw()


def row_of(process: RunningCommand, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first line of a stream that is as wanted."""
    deadline = time.monotonic() + 60
    while True:
        row: dict[str, Any] = json.loads(process.stdout.readline())
        if wanted(row):
            return row
        assert time.monotonic() < deadline, row


def until_recorded(file: Path, state: str) -> None:
    """Wait until a recording has five samples of the first node in this state."""
    deadline = time.monotonic() + 60
    while not file.exists() or file.read_text("utf-8").count(f'"node":"a","state":"{state}"') < 5:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("command", ["status", "penalties"])
def test_tables_under_watch(fleet: Simulator, config: Path, command: str) -> None:
    """The row says that it hangs, and why, with figures that are still current; the run ends as a partial failure."""
    with running(config, "nodes", command, *WATCH) as process:
        until(process, lambda nodes: all(node["state"] == "connected" for node in nodes.values()))
        with hanging(fleet):
            row = until(process, lambda nodes: nodes["a"]["state"] == "hanging")["a"]
            assert not row["is_stale"]
            assert row["penalty"] is not None
            assert WHY in (row["message"] if command == "status" else row["reason"])
            if command == "status":
                assert row["reason"] == "rest_unresponsive"
            else:
                assert (row["rank"], row["regions"]) == (None, [])
            fleet["a"].set_load(players=77, playing=77)
            if command == "status":
                until(process, lambda nodes: nodes["a"]["players"] == 77)
        until(process, lambda nodes: nodes["a"]["state"] == "connected")
        fleet["a"].freeze(websockets=False)
        until(process, lambda nodes: nodes["a"]["state"] == "hanging")
    ran = run_cli("--config", str(config), "nodes", command, *WATCH, "--count", "2", "--timeout", "3")
    assert ran.code == 5
    assert "takes websockets" in ran.err or "accepts connections" in ran.err


def test_how_a_watch_ends(fleet: Simulator, config: Path) -> None:
    """When the last look shows a node that hangs, the exit code and the error say so."""
    with running(config, "nodes", "status", *WATCH, "--duration", "12s") as process:
        until(process, lambda nodes: all(node["state"] == "connected" for node in nodes.values()))
        with hanging(fleet):
            out, _ = process.communicate(timeout=30)
        assert process.returncode == 5
        assert WHY in out.splitlines()[-1]


def test_top(fleet: Simulator, config: Path) -> None:
    """The state of its row, the totals, and what happened last."""
    terminal = Terminal(config, "top", lines=24, columns=200)
    terminal.until(r"2 nodes \(2 connected\)")
    with hanging(fleet):
        screen = "\n".join(terminal.until(r"2 nodes \(1 hanging, 1 connected\)"))
        assert re.search(r"(?m)\ba +hanging", screen), screen
        assert "us 1/2 nodes" in screen
        terminal.until("a  node_hanging  .*" + WHY)
    terminal.until(r"2 nodes \(2 connected\)")
    terminal.until("a  node_answering")
    terminal.press("q")
    assert terminal.end() == 0


def test_connect_and_hold(fleet: Simulator, config: Path) -> None:
    """A line when it begins to hang, with code and reason, and one when it is over; a loss after that is a loss."""
    with running(config, "connect", "--hold", "-o", "jsonl") as process:
        row_of(process, lambda row: row["node"] == "a" and row["state"] == "connected")
        with hanging(fleet):
            row = row_of(process, lambda row: row["node"] == "a" and row["state"] == "hanging")
            assert row["reason"] == "rest_unresponsive"
            assert WHY in row["message"]
            assert row["session_id"]
        assert row_of(process, lambda row: row["node"] == "a")["state"] == "connected"
        with hanging(fleet):
            row_of(process, lambda row: row["state"] == "hanging")
            fleet["a"].kill()
            assert row_of(process, lambda row: row["node"] == "a")["state"] == "lost"


# A simulated server that is frozen or killed may leave the socket of a request to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_events(fleet: Simulator, config: Path) -> None:
    """It is told when it begins and when it ends."""
    with running(config, "events", "-o", "jsonl") as process:
        row_of(process, lambda row: row["node"] == "a" and row["event"] == "node_ready")
        with hanging(fleet):
            assert WHY in row_of(process, lambda row: row["event"] == "node_hanging")["detail"]
        assert row_of(process, lambda row: row["event"] == "node_answering")["node"] == "a"


def test_record_and_report(fleet: Simulator, config: Path, tmp_path: Path) -> None:
    """While it hangs it is not available, whatever its websocket says."""
    file = tmp_path / "looks.jsonl"
    with running(config, "record", str(file), "--interval", "0.2") as process:
        until_recorded(file, "connected")
        with hanging(fleet):
            until_recorded(file, "hanging")
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    rows = {row["node"]: row for row in run_cli("report", str(file), "-o", "json").rows}
    assert rows["a"]["availability_ratio"] < 1
    assert rows["a"]["losses"] == 1
    assert rows["b"]["availability_ratio"] == 1


@pytest.fixture
def proxy(fleet: Simulator) -> Iterator[Network]:
    """A proxy before the first node, on the loop of the simulator."""
    network = Network(fleet["a"].port)
    fleet.call(network.__aenter__())
    yield network
    fleet.call(network.__aexit__(None, None, None))


def test_requests_that_a_proxy_refuses(
    fleet: Simulator, proxy: Network, write_config: Callable[..., Path], tmp_path: Path
) -> None:
    """The state, its reason, events, recordings and places say so, although the websocket is open."""
    config = write_config(entry(fleet, "a") | QUICK | {"uri": proxy.uri}, entry(fleet, "b") | QUICK)
    file = tmp_path / "samples.jsonl"
    with (
        running(config, "nodes", "status", *WATCH) as status,
        running(config, "nodes", "penalties", *WATCH) as penalties,
        running(config, "events", "-o", "jsonl") as events,
        running(config, "connect", "--hold", "-o", "jsonl") as connect,
        running(config, "record", str(file), "--interval", "0.2") as record,
    ):
        for process in (status, penalties):
            until(process, lambda nodes: all(node["state"] == "connected" for node in nodes.values()))
        for process, field in ((events, "event"), (connect, "state")):
            row_of(process, lambda row: row["node"] == "a" and row[field] in ("node_ready", "connected"))  # noqa: B023
        until_recorded(file, "connected")
        proxy.answer = lambda _: b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
        row = until(status, lambda nodes: nodes["a"]["state"] == "refusing")["a"]
        assert (row["reason"], row["is_stale"]) == ("forbidden", False)
        assert "answers 403 Forbidden" in row["message"]
        row = until(penalties, lambda nodes: nodes["a"]["state"] == "refusing")["a"]
        assert (row["rank"], row["regions"]) == (None, [])
        assert "refusing: " in row["reason"]
        assert "403" in row_of(events, lambda row: row["event"] == "node_refusing")["detail"]
        assert row_of(connect, lambda row: row["state"] == "refusing")["reason"] == "forbidden"
        until_recorded(file, "refusing")
        record.send_signal(signal.SIGTERM)
        record.wait(10)
        proxy.answer = lambda _: None
        assert row_of(events, lambda row: row["event"] == "node_answering")["node"] == "a"
        assert row_of(connect, lambda row: row["node"] == "a")["state"] == "connected"
        until(status, lambda nodes: nodes["a"]["state"] == "connected")
    rows = {row["node"]: row for row in run_cli("report", str(file), "-o", "json").rows}
    assert rows["a"]["availability_ratio"] < 1
    assert rows["b"]["availability_ratio"] == 1


def test_the_exporter(fleet: Simulator, config: Path) -> None:
    """It is not up, its check is critical, the verdict, too, and all is as before once it answers."""
    with running(config, "exporter", "--listen", "127.0.0.1:0", "-o", "jsonl") as process:
        url = json.loads(process.stdout.readline())["url"]

        def page_with(*lines: str) -> None:
            deadline = time.monotonic() + 60
            while not all(line in fetched(f"{url}/metrics").splitlines() for line in lines):
                assert time.monotonic() < deadline, fetched(f"{url}/metrics")
                time.sleep(0.1)

        well = ('revvlink_node_up{node="a"} 1', 'revvlink_node_hanging{node="a"} 0',
                'revvlink_check_status{node="a",check="reach"} 0')  # fmt: skip
        page_with(*well)
        with hanging(fleet):
            page_with(
                'revvlink_node_up{node="a"} 0',
                'revvlink_node_hanging{node="a"} 1',
                'revvlink_check_status{node="a",check="reach"} 2',
                'revvlink_node_up{node="b"} 1',
                "revvlink_fleet_healthy_nodes 1",
                "revvlink_check_verdict 2",
            )
        page_with(*well, "revvlink_check_verdict 0")


@pytest.mark.parametrize("command", ["nodes status --watch", "exporter", "events"])
def test_a_slow_node(fleet: Simulator, write_config: Callable[..., Path], command: str) -> None:
    """One that answers within its timeout is asked from time to time, whatever watches it, and never said to hang."""
    path = write_config(entry(fleet, "a") | QUICK | {"timeout": 4})
    fleet["a"].set_delay(1.2)
    extra = ("--listen", "127.0.0.1:0") if command == "exporter" else ()
    with running(path, *command.split(), *extra, "-o", "jsonl") as process:
        deadline = time.monotonic() + 60
        while sum(route == "/version" for _, route in fleet["a"].requests) < 4:
            assert time.monotonic() < deadline, fleet["a"].requests
            time.sleep(0.1)
        process.terminate()
        assert "hanging" not in process.stdout.read()


def test_one_shot_commands_ask_nothing_more(fleet: Simulator, write_config: Callable[..., Path]) -> None:
    """With the usual heartbeat a run sends what it always did: no question for a sign of life."""
    path = write_config(entry(fleet, "a"))
    for command in ("nodes status", "check", "connect", "healthcheck"):
        assert run_cli("--config", str(path), *command.split()).code == 0
    assert not [route for _, route in fleet["a"].requests if route == "/version"]
