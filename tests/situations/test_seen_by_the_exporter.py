"""What goes wrong while the exporter is connected: which check reports it, and with which code."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from revvlink_cli.commands.shared.node_selection import node_failure
from revvlink_cli.health.checks.canaries import NO_CANARY
from revvlink_cli.health.findings import Finding
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.policy import Policy
from revvlink_cli.simulator import NodeProfile
from tests.faults.watched_fleet import PASSWORD, Watched, fleet

if TYPE_CHECKING:
    from collections.abc import Mapping

QUICK: dict[str, Any] = {"heartbeat": 0.5, "timeout": 2.0}
"""Settings with which everything is found out within seconds; with the usual ones it takes the times in the docs."""

REFUSES = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
OTHER_PASSWORD = b"HTTP/1.1 401 Unauthorized\r\nLavalink-Api-Version: 4\r\nContent-Length: 0\r\n\r\n"

PROFILES: Mapping[str, dict[str, Any]] = {"no source": {"sources": ()}, "no DAVE": {"version": "4.1.0"}}
"""What is wrong from the start."""

EXPECTED = {
    "well": set(),
    "killed": {("reach", "critical", "connection_refused")},
    "frozen": {("reach", "critical", "silent")},
    "requests hang": {("reach", "critical", "rest_unresponsive")},
    "requests refused": {("reach", "critical", "forbidden")},
    "another password": {("auth", "critical", "wrong_password")},
    "busy": {("cpu", "warning", "threshold")},
    "memory full": {("memory", "warning", "threshold")},
    "slow": {("rest", "warning", "threshold")},
    "no source": {("info", "critical", "no_sources")},
    "no DAVE": {("voice", "critical", "voice_dave_required")},
    "lies": {("stats", "unknown", "no_stats")},
    # Nothing shows these from outside without a canary.
    "loads fail": set(),
    "none of many plays": set(),
}


def inject(watched: Watched) -> None:
    """Make the trouble of each node that is not wrong from the start."""
    wires, nodes = watched.networks, watched.simulator
    wires["killed"].refuse()
    wires["killed"].cut()
    wires["frozen"].freeze()
    nodes["requests hang"].freeze(websockets=False)
    wires["requests refused"].answer = lambda _: REFUSES
    wires["another password"].answer = lambda _: OTHER_PASSWORD
    wires["another password"].cut()
    nodes["slow"].set_delay(1.6)
    wires["loads fail"].answer = lambda line: REFUSES if b"loadtracks" in line else None
    nodes["none of many plays"].set_load(players=500, playing=0)
    for _ in range(2):  # CPU is judged by two samples
        nodes["busy"].set_load(system_load=1.0)
    profile = nodes["memory full"].profile
    full = nodes["memory full"].control.set_load(memory_used=int(profile.memory_reservable * 0.999))
    watched.simulator.call(full)
    nodes["lies"].set_load(players=-5, playing=-7)


def seen(watched: Watched) -> dict[str, set[tuple[str, str, str | None]]]:
    """By node, its problems as the exporter judges them with no word in the configuration."""
    found: dict[str, set[tuple[str, str, str | None]]] = {name: set() for name in EXPECTED}
    for outcome in assess(watched.fleet.snapshot(), Policy(), timeout=5.0).outcomes:
        if isinstance(outcome, Finding) and outcome.node is not None and outcome.verdict:
            found[outcome.node].add((outcome.check, outcome.verdict.name.lower(), outcome.code))
    return found


def test_default_thresholds_see_each_trouble() -> None:
    """Each trouble has its check, verdict and code within seconds; what is well stays well.

    What nothing shows from outside without a canary stays well, too, with the remark that says so.
    """

    async def work() -> None:
        nodes = [NodeProfile(identifier=name, password=PASSWORD, **PROFILES.get(name, {})) for name in EXPECTED]
        async with fleet(*nodes, networked=True, **QUICK) as watched:
            inject(watched)
            with suppress(TimeoutError):
                await watched.until(lambda: seen(watched) == EXPECTED, 15)
            assert seen(watched) == EXPECTED
            assert assess(watched.fleet.snapshot(), Policy(), timeout=5.0).remark == NO_CANARY
            failure = node_failure(watched.pool.nodes["requests refused"].snapshot(), 5.0)
            assert failure is not None, "`nodes status --watch` and `top` say it, too"
            assert failure.code == "forbidden"
            watched.networks["frozen"].thaw()
            watched.simulator["requests hang"].thaw()

    asyncio.run(work())
