"""``revvlink simulate ctl``, on nodes that run in this process."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.services.simulator_admin.server import AdminServer
from revvlink_cli.simulator import Clock, NodeProfile, Simulator
from tests.conftest import run_cli
from tests.run_in_process import run_in_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Ran

TOKEN = "ctl-token"


@pytest.fixture
def simulator(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The nodes ``us-1`` and ``eu-1`` with a manual clock, which the environment and ``ready.json`` name."""
    profiles = [NodeProfile(identifier="us-1"), NodeProfile(identifier="eu-1")]
    with Simulator(profiles, clock=Clock.manual()) as running, served(running) as uri:
        monkeypatch.setenv("REVVLINK_SIMULATE_ADMIN", uri)
        monkeypatch.setenv("REVVLINK_SIMULATE_ADMIN_TOKEN", TOKEN)
        (isolated / "ready.json").write_text(json.dumps({"admin": {"uri": uri, "token": TOKEN}}), encoding="utf-8")
        yield running


@contextmanager
def served(simulator: Simulator) -> Iterator[str]:
    """The address of the admin API of nodes."""
    server = AdminServer(simulator.simulation, TOKEN, host="127.0.0.1", port=0)
    simulator.call(server.start())
    try:
        yield server.uri
    finally:
        simulator.call(server.close())


def ctl(*arguments: str) -> Ran:
    """Run a command."""
    return run_cli("simulate", "ctl", *arguments)


def states() -> dict[str, str]:
    """The nodes and their states."""
    return {row["node"]: row["state"] for row in ctl("nodes", "-o", "json").rows}


@pytest.mark.usefixtures("simulator")
def test_nodes_are_killed_started_frozen_and_reset() -> None:
    """Several at once; each answer shows the node as it is then."""
    assert ctl("kill", "us-1", "eu-1").out.count("\tdown\t") == 2
    assert states() == {"us-1": "down", "eu-1": "down"}
    assert ctl("start", "us-1").code == 0
    assert ctl("freeze", "us-1").out.split("\t")[2] == "frozen"
    assert ctl("thaw", "us-1").out.split("\t")[2] == "up"
    assert ctl("drop", "us-1").code == 0
    assert ctl("stop", "us-1").out.split("\t")[2] == "down"
    assert ctl("wait", "node_down", "--node", "us-1").code == 0
    assert ctl("reset").out.count("\tup\t") == 2


def test_faults_and_the_clock(simulator: Simulator) -> None:
    """A fault begins when the clock is advanced, is listed with its number, and ends."""
    planned = ctl("fault", "kill", "--set", "nodes=us-*", "--set", "at=20s", "-o", "json").rows
    assert [(row["number"], row["node"], row["fault"], row["state"]) for row in planned] == [
        (1, "us-1", "kill", "planned")
    ]
    assert ctl("advance", "1m", "-o", "json").json["data"]["now_s"] == 60
    assert not simulator["us-1"].control.is_up
    assert [row["state"] for row in ctl("faults", "-o", "json").rows] == ["active"]
    assert ctl("end-fault", "1", "-o", "json").rows == []
    assert simulator["us-1"].control.is_up
    kinds = [row["kind"] for row in ctl("events", "--node", "us-1", "-o", "json").rows]
    assert kinds == ["node_started", "node_stopped", "fault_began", "node_started", "fault_ended"]
    assert ctl("wait", "event", "--kind", "fault_ended", "-o", "json").json["data"]["detail"] == "kill"
    assert ctl("clock", "-o", "json").json["data"]["kind"] == "manual"


def test_load_and_requests(simulator: Simulator) -> None:
    """A client of the nodes sees the figures; its requests are listed, without its password."""
    assert ctl("load", "us-1", "--players", "40", "--playing", "30", "--load", "0.5").code == 0
    assert ctl("frames", "us-1", "--nulled", "5").code == 0
    answer = run_cli("nodes", "info", "--uri", simulator["us-1"].uri, "--password-env", "P", P="youshallnotpass")
    assert answer.code == 0
    requests = ctl("requests", "--route", "GET /v4/info", "-o", "json").rows
    assert {(row["node"], row["status"], row["headers"]["Authorization"]) for row in requests} == {("us-1", 200, "***")}
    found = ctl("wait", "request", "--route", "GET /v4/info").out
    assert "GET /v4/info 200" in found
    assert ctl("players").code == 0


@pytest.mark.usefixtures("simulator")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("kill", "us-2"), 2, "there is no node us-2: did you mean us-1?"),
        (("start", "us-1"), 1, "us-1 runs already"),
        (("fault", "kil"), 2, "did you mean kill?"),
        (("fault", "delay", "--set", "delay"), 2, "'delay' is not KEY=VALUE"),
        (("fault", "delay", "--set", "dely=2s", "--set", "chance=7"), 2, "chance: must be from 0 to 1"),
        (("wait", "player_playin"), 2, "did you mean player_playing?"),
        (("wait", "session_open", "--timeout", "0.1"), 3, "no session_open within 0.1 s"),
        (("event", "us-1", "{"), 2, "is not JSON"),
        (("event", "us-1", '{"op": "x"}'), 1, "us-1 has no open session"),
        (("close-voice", "us-1", "--guild", "5"), 1, "no player of guild 5"),
        (("end-fault", "9"), 2, "there is no fault 9"),
        (("nodes", "--ready-file", "nothing.json"), 2, "nothing.json: No such file"),
        (("nodes", "--ready-file", "empty.json"), 2, "has no admin API"),
    ],
)
def test_what_cannot_be_done(arguments: tuple[str, ...], code: int, said: str, isolated: Path) -> None:
    """One line for each mistake, and an exit code by the kind of failure."""
    (isolated / "empty.json").write_text("{}", encoding="utf-8")
    ran = ctl(*arguments)

    assert (ran.code, said in ran.err) == (code, True), ran.err


def test_how_the_nodes_are_found(simulator: Simulator, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a ready file, by the environment, or the only ones that this user runs."""
    uri = json.loads((isolated / "ready.json").read_text(encoding="utf-8"))["admin"]["uri"]
    assert ctl("nodes", "--ready-file", "ready.json").code == 0
    monkeypatch.setenv("REVVLINK_SIMULATE_ADMIN_TOKEN", "wrong")
    assert (ctl("nodes").code, "token" in ctl("nodes").err) == (4, True)
    monkeypatch.delenv("REVVLINK_SIMULATE_ADMIN_TOKEN")
    assert "REVVLINK_SIMULATE_ADMIN_TOKEN is not" in ctl("nodes").err
    monkeypatch.delenv("REVVLINK_SIMULATE_ADMIN")
    monkeypatch.setattr("tempfile.tempdir", str(isolated))
    alone = ["simulate", "ctl", "nodes"]
    assert "no simulated nodes with an admin API run" in run_in_process(alone).err
    for number in (1, 2):
        folder = isolated / f"revvlink-simulate-{number}"
        folder.mkdir(mode=0o700)
        (folder / "admin.json").write_text(json.dumps({"admin": {"uri": uri, "token": TOKEN}}), encoding="utf-8")
        ran = run_in_process(alone)
        assert (ran.code, ran.err.count("2 sets")) == ((0, 0) if number == 1 else (2, 1))
    monkeypatch.setenv("REVVLINK_SIMULATE_ADMIN", "http://127.0.0.1:1")
    monkeypatch.setenv("REVVLINK_SIMULATE_ADMIN_TOKEN", "x")
    assert ctl("nodes").code == 3
    monkeypatch.setenv("REVVLINK_SIMULATE_ADMIN", "127.0.0.1")
    assert "is not an address" in ctl("nodes").err
    assert len(simulator) == 2
