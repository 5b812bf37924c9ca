"""The simulator answers every recorded request as the genuine Lavalink did: status, headers, keys and types.

`CHANGES` has what stands in a request for something that only the recorded server had. There is no other exception.
"""

from __future__ import annotations

import asyncio

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from revvlink_cli.simulator.routeplanner import PLANNERS
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_requests import compared, in_order

pytestmark = pytest.mark.alone

PASSWORD = "pw"

CHANGES = {
    "localhost:24392": "refused.invalid",  # a voice server that nobody runs: the simulator knows it by its name
    "demo:playlist-selected": "sim:playlist",  # the plugin of the recorded server, and the simulator's own source
    "demo%3Aplaylist-selected": "sim%3Aplaylist",
    "demo:": "sim:",
    "demo%3A": "sim%3A",
    "demosearch:words": "simsearch:night",
    "demosearch%3Awords": "simsearch%3Anight",
    "demosearch%3A": "simsearch%3A",
}


def differing(profile: NodeProfile, *folders: str, only: str = "") -> tuple[int, dict[str, list[str]]]:
    """How many requests were sent to such a node, and the answers that differ."""
    asked = [entry for entry in in_order(LAVALINK, *folders) if only in entry.name]
    with Simulator([profile]) as simulator:
        found = asyncio.run(compared(simulator["n"].uri, PASSWORD, asked, CHANGES))
    return len(found), {name: told for name, told in found.items() if told}


def test_every_request() -> None:
    """Every route, good and bad, with and without the password, and every handshake."""
    profile = NodeProfile(identifier="n", password=PASSWORD, sources=("local", "http"))

    count, odd = differing(profile, "rest", "handshake")

    assert odd == {}
    assert count > 180


def test_plugins_filters_and_metrics() -> None:
    """A node with a plugin's source, a filter that is off, and a page for Prometheus."""
    profile = NodeProfile(identifier="n", password=PASSWORD, disabled_filters=("karaoke",), metrics=True)

    count, odd = differing(profile, "rest-plugin")

    assert odd == {}
    assert count == 12


@pytest.mark.parametrize("strategy", PLANNERS)
def test_route_planners(strategy: str) -> None:
    """Each strategy has its own status, and frees addresses alike."""
    profile = NodeProfile(identifier="n", password=PASSWORD, route_planner=strategy)

    count, odd = differing(profile, "rest-routeplanner", only=f"status-{strategy}")
    freed, odd_too = differing(profile, "rest-routeplanner", only="free-")

    assert odd | odd_too == {}
    assert (count, freed) == (1, 5)
