"""Faults of a scenario, seen by a client."""

from __future__ import annotations

import asyncio
import queue
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from revvlink_cli.simulator.scenario import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS = {"Authorization": "youshallnotpass", "User-Id": "170939974227541168", "Client-Name": "test/1"}


@contextmanager
def node(*faults: Fault, kind: str = "lavalink", seed: int | None = None, **profile: object) -> Iterator[Simulator]:
    """One node with these faults."""
    make = NodeProfile.nodelink if kind == "nodelink" else NodeProfile
    with Simulator([make(identifier="a", guards=(), **profile)], faults=faults, seed=seed) as simulator:  # type: ignore[arg-type] # by name
        yield simulator


def asked(simulator: Simulator) -> tuple[int, str, str | None]:
    """Status, text and ``Retry-After`` of the answer to a request; status 0 without a whole one."""

    async def ask() -> tuple[int, str, str | None]:
        url = f"{simulator['a'].uri}/v4/stats"
        async with aiohttp.ClientSession() as session, session.get(url, headers=HEADERS) as answer:
            return answer.status, await answer.text(errors="replace"), answer.headers.get("Retry-After")

    try:
        return asyncio.run(ask())
    except aiohttp.ClientError:
        return 0, "", None


@pytest.mark.parametrize("kind", ["lavalink", "nodelink"])
@pytest.mark.parametrize(
    ("fault", "status", "text", "again"),
    [
        (Fault(do="status", status=429, retry_after=2), 429, "The scenario says so", "2"),
        (Fault(do="refuse"), 0, "", None),
        (Fault(do="garbage"), 200, '"loadType": "search"', None),
        (Fault(do="truncate"), 0, "", None),
        (Fault(do="status", route="GET /v4/loadtracks"), 200, '"players"', None),
        (Fault(do="status", nodes="b"), 200, '"players"', None),
        (Fault(do="slow", delay=0.1), 200, '"players"', None),
    ],
    ids=lambda value: value.do if isinstance(value, Fault) else "",
)
def test_requests_have_faults(kind: str, fault: Fault, status: int, text: str, again: str | None) -> None:
    """On both kinds of server, by route and by node."""
    with node(fault, kind=kind) as simulator:
        found = asked(simulator)

    assert found[0] == status
    assert text in found[1]
    assert found[2] == again


def test_a_delay_delays() -> None:
    """The answer is whole, and later."""
    with node(Fault(do="delay", delay=0.2, jitter=0.05)) as simulator:
        begun = time.monotonic()
        status, *_ = asked(simulator)

    assert (status, time.monotonic() - begun >= 0.15) == (200, True)


def test_the_same_seed_has_the_same_faults() -> None:
    """Half of the requests, and the same ones in each run."""
    runs = []
    for _ in range(2):
        with node(Fault(do="status", chance=0.5), seed=7) as simulator:
            runs.append([asked(simulator)[0] for _ in range(20)])

    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503}


def test_a_killed_node_starts_again_and_again() -> None:
    """The timeline kills it, starts it, and kills it again; each is reported."""
    happened: queue.Queue[tuple[str, str]] = queue.Queue()
    faults = (Fault(do="kill", at=0.05, lasts=0.05, every=0.2),)

    def keep(_: str, event: str, detail: str) -> None:
        happened.put((event, detail))

    with Simulator([NodeProfile(identifier="a")], faults=faults, on_event=keep) as simulator:
        found = [happened.get(timeout=10) for _ in range(4)]
        assert asked(simulator)[0] in (0, 200)  # it runs, or is killed a third time

    assert found == [("fault_began", "kill"), ("fault_ended", "kill")] * 2


def test_figures_of_a_load_come_and_go() -> None:
    """Statistics have the figures of the fault while it lasts, and those of the profile afterwards."""
    happened: queue.Queue[str] = queue.Queue()
    fault = Fault(do="load", at=0.01, lasts=0.5, players=9, playing=8, system_load=0.9)

    def keep(_: str, event: str, __: str) -> None:
        happened.put(event)

    with Simulator([NodeProfile(identifier="a", players=1)], faults=(fault,), on_event=keep) as simulator:
        assert happened.get(timeout=10) == "fault_began"
        during = asked(simulator)[1]
        assert happened.get(timeout=10) == "fault_ended"
        after = asked(simulator)[1]

    assert '"players":9,"playingPlayers":8' in during
    assert '"players":1,"playingPlayers":0' in after
