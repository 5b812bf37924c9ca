"""The fixtures, the marker and the hooks that pytest finds through the entry point ``pytest11``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import pluggy

    from revvlink_cli.testing.nodes import Lavalink, LavalinkFleet

_FLEETS = pytest.StashKey["list[LavalinkFleet]"]()
"""The fleets of a test that runs."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "lavalink_scenario(file, clock=..., nodes=..., tracks=..., faults=..., seed=..., **keys): what the fixtures "
        "lavalink and lavalink_fleet run: the scenario of a TOML file, or of these keys; other keys are of every node",
    )


@pytest.fixture
def lavalink(request: pytest.FixtureRequest) -> Iterator[Lavalink]:
    """A simulated node on which any words find tracks; the marker `lavalink_scenario` makes it another one."""
    for fleet in _running(request, 1):
        nodes = list(fleet)
        if len(nodes) != 1:
            pytest.fail(f"the scenario has {len(nodes)} nodes: use the fixture lavalink_fleet", pytrace=False)
        yield nodes[0]


@pytest.fixture
def lavalink_fleet(request: pytest.FixtureRequest) -> Iterator[LavalinkFleet]:
    """Two simulated nodes, `node-1` and `node-2`; with the marker `lavalink_scenario` those of a scenario."""
    yield from _running(request, 2)


def _running(request: pytest.FixtureRequest, count: int) -> Iterator[LavalinkFleet]:
    """Run the nodes of the test's scenario."""
    from revvlink_cli.testing.nodes import LavalinkFleet
    from revvlink_cli.testing.scenarios import MARKER, ScenarioError, clock_of, scenario_of

    marker = request.node.get_closest_marker(MARKER)
    args, keys = (marker.args, marker.kwargs) if marker is not None else ((), {})
    mistake = ""
    try:
        clock = clock_of(keys)
        scenario = scenario_of(args, keys, count, (request.node.path.parent, request.config.rootpath))
    except ScenarioError as error:
        mistake = str(error)
    if mistake:  # outside of the `except`, so that the report has no second exception
        pytest.fail(mistake, pytrace=False)
    with LavalinkFleet.running(scenario, clock) as fleet:
        request.node.stash.setdefault(_FLEETS, []).append(fleet)
        yield fleet


@pytest.hookimpl(hookwrapper=True)  # as pytest 7 knows it, too: it loads every plugin that is installed
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pluggy.Result[pytest.TestReport], None]:
    """Add to the report of a failed test what its nodes refused, and what they did not find."""
    report = (yield).get_result()
    fleets = item.stash.get(_FLEETS, [])
    if report.failed and report.when != "teardown" and fleets:
        from revvlink_cli.testing.report import sections

        for fleet in fleets:
            report.sections += sections(fleet)
