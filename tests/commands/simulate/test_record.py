"""``revvlink simulate record``: a scenario from nodes that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from revvlink_cli.services.scenario_files import read_scenario
from revvlink_cli.simulator import NodeProfile, Simulator
from revvlink_cli.simulator.profile import PLAYER_LOAD
from revvlink_cli.simulator.track_rules import ALL_SOURCES, ANY_WORDS, TrackRule
from tests.run_in_process import run_in_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RULES = (
    TrackRule(match="ytsearch:night", result="search", title="Night Garden", author="Mira", length_s=187.0, count=3),
    TrackRule(match="ytsearch:gone", result="error", message="It is gone", severity="common", cause="It is gone"),
    *ANY_WORDS,
)
US = NodeProfile(
    identifier="us-1", region="us", version="4.1.1", password="canary-1", sources=ALL_SOURCES, players=30, playing=20,
    player_load=PLAYER_LOAD, cores=8, route_planner="RotateOnBan", failing_addresses=2, youtube_plugin="1.18.0",
    tracks=RULES,
)  # fmt: skip
EU = NodeProfile.nodelink(
    identifier="eu-1", region="eu", password="canary-2", sources=("youtube",), player_load=PLAYER_LOAD, tracks=RULES
)

RECORDED = (
    "identifier", "dialect", "version", "region", "sources", "players", "playing", "cores", "system_load",
    "player_load", "route_planner", "failing_addresses", "youtube_plugin",
)  # fmt: skip


@pytest.fixture
def fleet(write_config: Callable[..., Path]) -> Iterator[Simulator]:
    """A Lavalink and a NodeLink, and one that does not answer."""
    with Simulator([US, EU]) as running:
        known = [
            {"identifier": node.profile.identifier, "uri": node.uri, "password": node.password,
             "region": node.profile.region or ""}
            for node in running
        ]  # fmt: skip
        write_config(*known, {"identifier": "dead", "uri": "http://127.0.0.1:1", "password": "canary-3"})
        yield running


def record(*arguments: str) -> tuple[int, str, str]:
    """Run the command for a moment."""
    ran = run_in_process(["simulate", "record", "--for", "100ms", "--config", "nodes.toml", *arguments])
    return ran.code, ran.out, ran.err


def test_simulated_nodes_are_recorded_as_they_are(fleet: Simulator) -> None:
    """The scenario has the nodes that answered and what was searched; the nodes got requests that only read."""
    code, out, err = record("--search", "night", "--search", "gone", "--search", "https://cdn.example.com/a?key=1")
    scenario = read_scenario(out)

    assert code == 5
    assert "dead" in err
    assert "https://cdn.example.com/a?key=1 is left out: it may hold a key or an address" in err
    assert scenario.nodes[0].tracks == RULES
    for node, real in zip(scenario.nodes, (US, EU), strict=True):
        assert {field: getattr(node, field) for field in RECORDED} == {f: getattr(real, f) for f in RECORDED}
    for secret in ("canary", "127.0.0.1"):
        assert secret not in out
    assert {method for node in fleet for method, _ in node.requests} == {"GET"}


def test_saved_to_a_file(fleet: Simulator, isolated: Path) -> None:
    """The file is the scenario, and simulate reads it."""
    code, out, _ = record("us-1", "--save", "bot.toml")

    assert (code, "bot.toml" in out) == (0, True)
    assert read_scenario((isolated / "bot.toml").read_text(encoding="utf-8")).nodes[0].identifier == "us-1"
    assert len(fleet["eu-1"].requests) == 0


def test_one_node_by_its_address(fleet: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that has no name but its address gets one."""
    monkeypatch.setenv("REVVLINK_PASSWORD", "canary-2")
    ran = run_in_process(["simulate", "record", "--for", "100ms", "--uri", fleet["eu-1"].uri])

    assert ran.code == 0
    assert 'name = "node-1"\nkind = "nodelink"' in ran.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("dead",), 3, "nothing listens"),
        (("--save", "no/such/bot.toml", "us-1"), 1, "cannot be written"),
        (("--save", "-"), 2, "is not a file"),
        (("--timeout", "0.1"), 2, "do not fit into --timeout 0.1"),
        (("--search", " "), 2, "a query is empty"),
        (("nobody",), 2, "no node named nobody"),
    ],
)
@pytest.mark.usefixtures("fleet")
def test_what_cannot_be_recorded(arguments: tuple[str, ...], code: int, said: str) -> None:
    """One line says why."""
    ended, _, err = record(*arguments)

    assert (ended, said in err) == (code, True), err
