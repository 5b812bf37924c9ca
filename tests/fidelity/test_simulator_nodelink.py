"""The simulator's NodeLink answers and says what the genuine one did, as far as a client of Lavalink touches it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.simulator import Clock, NodeProfile, Simulator
from tests.fidelity.read_recordings import NODELINK, exchanges, transcripts
from tests.fidelity.replay_client import act_all
from tests.fidelity.replay_requests import compared, in_order

if TYPE_CHECKING:
    from tests.fidelity.read_recordings import Exchange

pytestmark = pytest.mark.alone

PASSWORD = "pw"
SPEED = 10.0

TOUCHED = (
    "/version", "/v4/info", "/v4/stats", "/v4/loadtracks", "/v4/decodetrack", "/v4/sessions", "/v4/routeplanner",
    "/v4/websocket", "/v4/nope", "/v3", "/", "//",
)  # fmt: skip
UNTOUCHED = ("/lyrics", "/mix", "/v4/load", "/v4/connection", "/v4/workers", "/v4/encode", "/v4/meaning", "/v4/metrics")

CHANGES = {"localhost:24799": "refused.invalid", "nowhere.invalid": "refused.invalid"}

EXCEPTIONS = {
    "handshake-no-key": "the web server beneath refuses a handshake without a key",
    "info-accept-deflate": "the simulator compresses nothing",
    "info-accept-br": "the simulator compresses nothing",
    "decodetrack-bad-base64": "Node.js finds one byte more in what is not base64",
    "stats-first": "counts requests by route, and others had been made",
    "stats-again": "counts requests by route, and others had been made",
    "stats-after": "counts requests by route, and others had been made",
}
"""Answers that differ, and why; one that no longer does fails the test."""


def is_touched(exchange: Exchange) -> bool:
    """Whether a client of Lavalink asks such things."""
    path = exchange.path.partition("?")[0]
    if path.startswith("/v4/loadtracks"):
        return True
    return not any(part in path for part in UNTOUCHED)


def test_every_request() -> None:
    """Status, headers, keys and types of every answer; time passes too fast for any limit to be met."""
    asked = [entry for entry in in_order(NODELINK, "rest", "handshake") if is_touched(entry)]
    profile = NodeProfile.nodelink(identifier="n", password=PASSWORD, sources=("local", "http"), guards=("rate",))
    with Simulator([profile], clock=Clock(400.0, with_timeouts=True)) as simulator:
        found = asyncio.run(compared(simulator["n"].uri, PASSWORD, asked, CHANGES))

    odd = {name.rpartition("/")[2]: told for name, told in found.items() if told}
    assert {name: told for name, told in odd.items() if name not in EXCEPTIONS} == {}
    assert odd.keys() == EXCEPTIONS.keys()
    assert len(found) > 170


def test_the_limits() -> None:
    """The hundred and first request in ten seconds is refused as recorded, and the flood guard bans as recorded."""
    recorded = {entry.name: entry for entry in exchanges(NODELINK, "rest-guard")}
    limited = NodeProfile.nodelink(identifier="n", password=PASSWORD, guards=("rate",))
    guarded = NodeProfile.nodelink(identifier="m", password=PASSWORD, guards=("flood",))
    names = [f"rate-ip-request-{number:03}" for number in (1, 100, 101)]
    requests = [recorded["rate-ip-request-001"]] * 99 + [recorded[names[1]], recorded[names[2]]]

    async def work(simulator: Simulator, hurried: Simulator) -> list[list[str]]:
        odd = [(await compared(simulator["n"].uri, PASSWORD, [request], {}))[request.id] for request in requests]
        flood = recorded["dos-request-01"]
        await asyncio.gather(*(compared(hurried["m"].uri, PASSWORD, [flood], {}) for _ in range(50)))
        banned = [recorded[name] for name in ("dos-banned", "dos-banned-wrong-password", "dos-banned-later")]
        return odd + list((await compared(hurried["m"].uri, PASSWORD, banned, {})).values())

    with Simulator([limited]) as simulator, Simulator([guarded], clock=Clock(20.0, with_timeouts=True)) as hurried:
        assert [told for told in asyncio.run(work(simulator, hurried)) if told] == []


SCENARIOS = {
    "cluster": "the simulated NodeLink is a single process",
    "crash": "the simulated NodeLink does not crash",
    "connection-status": "connection checks are not simulated",
    "player-track-exception": "a file that breaks off in the middle is not simulated",
    "rest-events-beside": "the requests it belongs to stand elsewhere",
    "dos-banned-connect": "see test_the_limits",
}
"""Parts of names of scenarios that are not acted, and why."""


def test_every_transcript() -> None:
    """Kinds, order, keys and types of the messages of every scenario; of statistics not the time."""
    scenarios = [entry for entry in transcripts(NODELINK) if not any(part in entry.id for part in SCENARIOS)]

    profiles = [
        NodeProfile.nodelink(identifier=entry.id, password=PASSWORD, sources=("local", "http")) for entry in scenarios
    ]
    with Simulator(profiles, clock=Clock(SPEED, with_timeouts=True)) as simulator:
        odd = act_all(simulator, scenarios, PASSWORD, SPEED, CHANGES, untimed=("stats",))

    assert {name: told for name, told in odd.items() if told} == {}
    assert len(odd) > 25
