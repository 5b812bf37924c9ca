"""Writes scenarios of the simulator as TOML, through the tables of keys by which `scenario_files` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomli_w

from revvlink_cli.config.schema import Kind
from revvlink_cli.config.values import read_duration
from revvlink_cli.services.scenario_files import FAULT, FIELDS, NODE, TRACK, profile_of
from revvlink_cli.simulator.scenario import Fault
from revvlink_cli.simulator.track_rules import TrackRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from revvlink_cli.config.schema import Key
    from revvlink_cli.simulator.profile import NodeProfile
    from revvlink_cli.simulator.scenario import Scenario


def scenario_text(scenario: Scenario, heading: Iterable[str] = ()) -> str:
    """A scenario as TOML that `read_scenario` reads back; keys with their default are left out.

    Args:
        scenario: The scenario. A file has one list of track rules, so all its nodes have the rules of the first one.
        heading: Lines of a comment above it.
    """
    parts = [f"# {line}\n" for line in heading] + ([] if scenario.seed is None else [f"seed = {scenario.seed}\n"])
    tables = [("nodes", _node_table(node)) for node in scenario.nodes]
    tables += [("tracks", _table(TRACK, rule, TrackRule())) for rule in scenario.nodes[0].tracks]
    tables += [("faults", _table(FAULT, fault, Fault(do=""))) for fault in scenario.faults]
    paragraphs = ["".join(parts), *(f"[[{name}]]\n{tomli_w.dumps(table)}" for name, table in tables)]
    return "\n".join(filter(None, paragraphs))


def _node_table(node: NodeProfile) -> dict[str, Any]:
    """The table of a node; its kind stands first, because it decides the defaults of the others."""
    head = {"name": node.identifier} | ({"kind": node.dialect} if node.dialect != "lavalink" else {})
    return head | _table(NODE, node, profile_of(head, node.tracks))


def _table(keys: Iterable[Key], item: object, usual: object) -> dict[str, Any]:
    """The keys of a table whose values differ from those of an item without any."""
    return {key.name: _written(key, value) for key in keys if (value := _value(key, item)) != _value(key, usual)}


def _value(key: Key, item: object) -> Any:
    field = {**FIELDS, "kind": "dialect"}.get(key.name, key.name)
    value = getattr(item, field)
    return bool(value) if key.kind is Kind.BOOLEAN else value  # the guards of a NodeLink are on or off in a file


def _written(key: Key, value: Any) -> Any:
    """A value as TOML has it."""
    match key.kind:
        case Kind.TEXTS:
            return list(value)
        case Kind.DURATION:
            return _with_unit(value)
    return value


def _with_unit(seconds: float) -> str | float:
    """A duration with its unit, or the plain seconds where no whole number of milliseconds is exactly as long."""
    for count, unit in ((seconds, "s"), (seconds * 1000, "ms")):
        if 1 <= count < 10**9 and read_duration(text := f"{count:.0f}{unit}") == seconds:
            return text
    return seconds
