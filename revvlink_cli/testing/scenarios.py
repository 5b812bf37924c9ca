"""Scenarios from the marker of a test."""

from __future__ import annotations

import re
from os import PathLike
from typing import TYPE_CHECKING, Any

import tomli_w

from revvlink_cli.config.files import read_text
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.services.scenario_files import TABLES, TOP, read_scenario
from revvlink_cli.simulator import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence
    from pathlib import Path

    from revvlink_cli.config.problems import Problem
    from revvlink_cli.simulator.scenario import Fault, Scenario

MARKER = "lavalink_scenario"
"""The marker of tests."""

CLOCK = "clock"
"""The key that no scenario has: how the time of the nodes passes."""


class ScenarioError(ValueError):
    """A marker or a fault of a test is wrong; the message names every mistake."""


def clock_of(keys: Mapping[str, Any]) -> Clock:
    """The clock that a marker asks for: ``"real"``, ``"manual"``, or a speed.

    Raises:
        ScenarioError: It is none of these.
    """
    match keys.get(CLOCK, "real"):
        case "real":
            return Clock()
        case "manual":
            return Clock.manual()
        case bool():
            pass
        case int() | float() as speed if speed > 0:
            return Clock(speed)
    raise ScenarioError(f'{MARKER}: clock: {keys[CLOCK]!r} is not "real", "manual" or a speed, such as 20')


def scenario_of(args: Sequence[Any], keys: Mapping[str, Any], count: int, folders: Iterable[Path]) -> Scenario:
    """The scenario of a marker.

    Args:
        args: Its arguments: a file, or none.
        keys: Its keyword arguments: keys of a scenario, and keys of every node.
        count: The number of nodes where it names none.
        folders: Where the file may be, in this order.

    Raises:
        ScenarioError: It is wrong.
    """
    keys = {name: value for name, value in keys.items() if name != CLOCK}
    if not args:
        return _inline(keys, count)
    if len(args) > 1 or keys:
        raise ScenarioError(f"{MARKER} takes one file, or keys, not both")
    if not isinstance(args[0], (str, PathLike)):
        raise ScenarioError(f"{MARKER}: {args[0]!r} is not the path of a file")
    places = [folder / args[0] for folder in folders]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise ScenarioError(f"{MARKER}: there is no file {' or '.join(dict.fromkeys(map(str, places)))}")
    try:
        return read_scenario(read_text(path), path)
    except ConfigError as error:
        raise ScenarioError(_listed(MARKER, error.problems, str)) from None


def fault_of(node: str, do: str, keys: Mapping[str, Any]) -> Fault:
    """A fault of a node that begins now, from the keys of ``[[faults]]``.

    Raises:
        ScenarioError: They are wrong.
    """
    for key in ("nodes", "at", "for", "every"):
        if key in keys:
            raise ScenarioError(f"fault: {key} is for the timeline of a scenario: begin and end the fault in the test")
    fault = {"do": do, **keys}
    return _read({"nodes": [{"name": node}], "faults": [fault]}, "fault", fault).faults[0]


def _inline(keys: Mapping[str, Any], count: int) -> Scenario:
    """The scenario of the keys; without tracks, any words find some."""
    top = {key.name for key in TOP} | {*TABLES}
    of_every_node = {name: value for name, value in keys.items() if name not in top}
    nodes = keys.get("nodes", count)
    if isinstance(nodes, int) and not isinstance(nodes, bool):
        nodes = [{} for _ in range(nodes)]
    if isinstance(nodes, (list, tuple)) and all(isinstance(node, dict) for node in nodes):
        nodes = [{"name": f"node-{number}", **of_every_node, **node} for number, node in enumerate(nodes, 1)]
    given = {name: value for name, value in keys.items() if name in top}
    return _read({"tracks": [{"match": "*"}], **given, "nodes": nodes}, MARKER, of_every_node)


def _read(document: Mapping[str, Any], subject: str, own: Container[str]) -> Scenario:
    """The scenario of a document; mistakes in keys of its `own` are named without their table."""

    def described(problem: Problem) -> str:
        key = re.sub(r"^\w+\[\d+\]\.", "", problem.key or "")
        return f"{key if key in own else problem.key}: {problem.message}"

    try:
        return read_scenario(tomli_w.dumps(document))
    except TypeError as error:
        raise ScenarioError(f"{subject}: a value that a scenario cannot have: {error}") from None
    except ConfigError as error:
        raise ScenarioError(_listed(subject, error.problems, described)) from None


def _listed(subject: str, problems: Iterable[Problem], described: Callable[[Problem], str]) -> str:
    lines = dict.fromkeys(f"{described(one)}{f' ({one.hint})' if one.hint else ''}" for one in problems)
    if len(lines) == 1:  # stands in the summary of pytest then
        return f"{subject}: {next(iter(lines))}"
    return "\n".join((f"{subject} is wrong:", *(f"  {line}" for line in lines)))
