"""Scenarios of the simulator as TOML."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.config.problems import ConfigError
from revvlink_cli.services.scenario_files import FAULT, TABLES, USED_BY, read_scenario, scenario_schema
from revvlink_cli.simulator.scenario import ACTIONS, Fault

EXAMPLE = (Path(__file__).resolve().parents[2] / "docs" / "scenario.example.toml").read_text(encoding="utf-8")


def test_the_example_is_a_scenario() -> None:
    """It has every key, and the JSON Schema takes it."""
    scenario = read_scenario(EXAMPLE)
    document = tomllib.loads(EXAMPLE)

    jsonschema.Draft202012Validator.check_schema(scenario_schema())
    jsonschema.validate(document, scenario_schema())
    for table, keys in TABLES.items():
        used = {name for entry in document[table] for name in entry}
        assert used == {key.name for key in keys}, table
    assert [node.identifier for node in scenario.nodes] == ["us-1", "us-2", "eu-1"]
    assert scenario.nodes[2].dialect == "nodelink"
    assert scenario.faults[0] == Fault(do="kill", nodes="us-1", at=10.0, lasts=12.0, every=90.0)


def test_every_mistake_is_named_with_its_line() -> None:
    """All at once, each with the nearest name, as for a configuration."""
    text = """\
sed = 1
[[nodes]]
nam = "us-1"
[[nodes]]
name = "a"
kind = "lavalnk"
players = 1
playing = 2
plugins = ["lavasrc-plugin"]
nulled_frames = 2000
missing_frames = 1001
[[tracks]]
match = "x"
regex = "("
[[faults]]
do = "kil"
at = "soon"
[[faults]]
do = "kill"
every = "1s"
for = "2s"
[[faults]]
do = "close"
code = 1006
[[faults]]
do = "false_stats"
figures = "stael"
[[faults]]
do = "drop"
for = "3s"
status = 500
"""
    with pytest.raises(ConfigError) as raised:
        read_scenario(text, Path("bot.toml"))

    found = [(problem.line, problem.key, problem.hint) for problem in raised.value.problems]
    assert [(line, key) for line, key, _ in found] == [
        (1, "sed"),
        (2, "nodes[0]"),
        (3, "nodes[0].nam"),
        (6, "nodes[1].kind"),
        (8, "nodes[1].playing"),
        (9, "nodes[1].plugins[0]"),
        (11, "nodes[1].missing_frames"),
        (12, "tracks[0]"),
        (14, "tracks[0].regex"),
        (16, "faults[0].do"),
        (17, "faults[0].at"),
        (20, "faults[1].every"),
        (24, "faults[2].code"),
        (27, "faults[3].figures"),
        (30, "faults[4].for"),
        (31, "faults[4].status"),
    ]
    assert found[-1][2] == "it goes with do = status"
    assert found[0][2] == "did you mean seed?"


def test_who_uses_a_key() -> None:
    """Each key that only some faults use is one of the table, and each of these faults exists."""
    assert set(USED_BY) < {key.name for key in FAULT}
    assert {action for actions in USED_BY.values() for action in actions} <= set(ACTIONS)


@pytest.mark.parametrize("text", ["", "nodes = 1", "[nodes]", "nodes = [1]", "[[nodes]]\nname = 1", "nodes = ["])
def test_what_has_no_nodes_is_refused(text: str) -> None:
    """Never with another exception than that of a wrong document."""
    with pytest.raises(ConfigError):
        read_scenario(text)


@given(st.text(max_size=200) | st.sampled_from(EXAMPLE.splitlines()).flatmap(lambda line: st.just(line * 2)))
def test_any_text_is_a_scenario_or_a_mistake(text: str) -> None:
    """No text makes another exception."""
    with contextlib.suppress(ConfigError):
        read_scenario(EXAMPLE + text)
