"""``drill``: an outage on a copy of the fleet, as a table, JSON, Markdown and a test for CI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from revvlink_cli.cli.json_schemas import schemas
from revvlink_cli.services.scenario_files import read_scenario
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def fleet() -> Iterator[Simulator]:
    """Two nodes in one region and one in another, two of which play."""
    more: dict[str, Any] = {"player_load": 0.02, "system_load": 0.1}
    with Simulator(
        [
            NodeProfile(identifier="us-1", region="us", playing=20, players=25, **more),
            NodeProfile(identifier="us-2", region="us", playing=4, players=4, **more),
            NodeProfile(identifier="eu-1", region="eu", **more),
        ]
    ) as simulator:
        yield simulator


@pytest.fixture(autouse=True)
def config(fleet: Simulator, write_config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with all of them, in use."""
    path = write_config(
        *(
            {"identifier": n.profile.identifier, "uri": n.uri, "password": n.password, "region": n.profile.region}
            for n in fleet
        )
    )
    monkeypatch.setenv("REVVLINK_CONFIG", str(path))
    return path


def test_same_seed_same_bytes(fleet: Simulator) -> None:
    """Two processes print the same JSON, which fits the schema; the nodes are only read, and none has a player."""
    first, second = (
        run_cli("drill", "node-loss", "--seed", "7", "-o", "json", PYTHONHASHSEED=str(number)) for number in (1, 2)
    )

    assert first.code == 0, first.err
    assert first.out == second.out
    document = json.loads(first.out)
    jsonschema.validate(document, schemas()["drill"])
    (found,) = document["data"]
    assert (found["hit"], found["players"], found["moved"], found["lost"]) == (["us-1"], 20, 20, 0)
    assert [entry["after"]["playing"] for entry in found["nodes"]] == [0, 24, 0]
    assert all(method == "GET" for node in fleet for method, _ in node.requests)


def test_each_node_before_and_after() -> None:
    """The table shows both, and its notes N+1, what is assumed and what cannot be seen."""
    ran = run_cli("drill", "node-loss", "us-1", "--per-node", "--seed", "1", "-o", "table", COLUMNS="100")

    assert ran.code == 0
    assert "20 -> 0" in ran.out
    assert "4 -> 24" in ran.out
    assert "N+1 in us: holds without us-1" in ran.err
    assert "N+1 in eu: does not hold" in ran.err
    assert "note: assumed: " in ran.err
    assert "note: not observed: " in ran.err


def test_all_drills_as_markdown(isolated: Path) -> None:
    """Markdown has a row for each drill and the notes, printed and exported."""
    ran = run_cli("drill", "all", "--seed", "1", "-o", "markdown", "--export", str(isolated / "drill.md"))

    assert ran.code == 0, ran.err
    drills = ["node-loss", "region-outage", "rolling-restart", "overload", "resume-lost"]
    assert [line.split("|")[1].strip() for line in ran.out.splitlines() if line.startswith("|")][2:] == drills
    assert "- assumed: " in ran.out
    assert (isolated / "drill.md").read_text(encoding="utf-8") == ran.out


@pytest.mark.parametrize(
    ("limit", "is_held"),
    [
        (("--max-silence", "30s"), True),
        (("--max-silence", "1s"), False),
        (("--max-lost", "0"), True),
        (("--max-cpu", "90"), True),
        (("--max-cpu", "12%"), False),
    ],
)
def test_limits_are_a_test(limit: tuple[str, str], is_held: bool) -> None:
    """Exit code 0 where the limit holds, 1 with a line that names it where it is broken."""
    ran = run_cli("drill", "node-loss", "--seed", "1", *limit)

    assert ran.code == (0 if is_held else 1)
    assert ("error: node-loss: " in ran.err) is not is_held


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (("--max-lost", "0"), "24 players are lost, more than 0"),
        (("--max-silence", "60s"), "24 players are lost, and stay silent"),
    ],
)
def test_lost_players_break_the_limit(limit: tuple[str, str], message: str) -> None:
    """Where every region goes, no node takes the players, and they stay silent for longer than any limit."""
    ran = run_cli("drill", "node-loss", "*", "--seed", "1", *limit)

    assert ran.code == 1
    assert message in ran.err


def test_an_unknown_load_breaks_the_limit(write_config: Callable[..., Path]) -> None:
    """Nodes that have just started have no CPU baseline: a limit that cannot be judged does not hold."""
    profiles = [NodeProfile(identifier=name, uptime_ms=0, playing=3, players=3) for name in ("new-1", "new-2")]
    with Simulator(profiles) as simulator:
        path = write_config(
            *({"identifier": n.profile.identifier, "uri": n.uri, "password": n.password} for n in simulator)
        )
        ran = run_cli("--config", str(path), "drill", "node-loss", "new-1", "--seed", "1", "--max-cpu", "99")

    assert ran.code == 1
    assert "the load of new-2 is unknown: there is no CPU baseline yet" in ran.err


def test_players_and_scenario(isolated: Path) -> None:
    """Other players take the place of those read, and the drill is written as a scenario that can be served."""
    saved = isolated / "loss.toml"
    ran = run_cli("drill", "node-loss", "us-1", "--players", "48", "--seed", "1", "--save", str(saved), "-o", "json")

    assert json.loads(ran.out)["data"][0]["players"] == 40
    found = read_scenario(saved.read_text(encoding="utf-8"))
    assert [node.playing for node in found.nodes] == [40, 8, 0]
    assert [fault.do for fault in found.faults] == ["kill"]


def test_recording_in_place_of_the_nodes(fleet: Simulator, isolated: Path) -> None:
    """A recording is enough: no node is asked, and neither is a configuration needed."""
    recording = isolated / "night.jsonl"
    assert run_cli("record", str(recording), "--interval", "1s", "--count", "1").code == 0
    before = [len(node.requests) for node in fleet]
    ran = run_cli("drill", "node-loss", "--from", str(recording), "--peak", "p50", "--seed", "1", "-o", "json")

    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["data"][0]["moved"] == 20
    assert [len(node.requests) for node in fleet] == before


def test_node_that_cannot_be_read_is_not_in_the_copy(fleet: Simulator) -> None:
    """The others are drilled; a note says so."""
    fleet["us-2"].kill()
    ran = run_cli("drill", "node-loss", "--seed", "1", "-o", "json")

    assert ran.code == 0
    assert [node["node"] for node in json.loads(ran.out)["data"][0]["nodes"]] == ["us-1", "eu-1"]
    assert "us-2: " in ran.err
    assert "it is not in the copy" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("drill", "node-lost"), "did you mean node-loss?"),
        (("drill", "node-loss", "us-9"), "there are no figures of a node named us-9"),
        (("drill", "node-loss", "--peak", "p95"), "goes with --from"),
        (("drill", "node-loss", "--from", "x.jsonl", "--peak", "high"), "is not a percentile"),
        (("drill", "node-loss", "--max-cpu", "much"), "is not a percentage"),
        (("drill", "node-loss", "--max-silence", "long"), "--max-silence"),
        (("drill", "all", "--save", "x.toml"), "a scenario is one drill"),
    ],
)
def test_mistakes_on_the_command_line(arguments: tuple[str, ...], message: str) -> None:
    """Each is named with what to write instead, and nothing is rehearsed."""
    ran = run_cli(*arguments)

    assert ran.code == 2
    assert message in ran.err
