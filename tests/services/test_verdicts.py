"""Damped verdicts of a fleet that is connected: figures show a loss at once, verdicts and outages when it has held."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from revvlink_cli.client.settings import NodeSettings
from revvlink_cli.health.damping import Rules
from revvlink_cli.health.findings import Verdict
from revvlink_cli.health.fleet import Report, assess
from revvlink_cli.health.hold import Hold
from revvlink_cli.health.policy import Policy
from revvlink_cli.services.defects import Defects, Job
from revvlink_cli.services.fleet_session import connecting
from revvlink_cli.services.verdicts import VerdictLoop
from revvlink_cli.simulator import NodeProfile, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from revvlink_cli.client.fleet import Fleet

FOR_AN_HOUR = Rules(after=Hold(seconds=3600.0), recover_after=Hold(seconds=3600.0))


def scraped(fleet: Fleet, verdicts: VerdictLoop) -> Report:
    """What a scrape shows."""
    return assess(fleet.snapshot(), Policy(), timeout=5.0, damping=verdicts.view())


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something that the samples bring."""
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.01)


def test_a_lost_node_of_a_connected_fleet() -> None:
    """The loss is in the figures at once. It is CRITICAL, and an outage that began with it, when it has held."""

    async def play(simulator: Simulator) -> None:
        rules = Rules()
        nodes = [NodeSettings(identifier="a", uri=simulator["a"].uri, password="pw")]
        async with connecting(nodes, None, 5.0, None) as session:
            fleet = session.fleet
            await session.until_connected()
            verdicts = VerdictLoop(fleet, lambda: (Policy(), rules), 5.0, Defects(), interval=0.02)
            sampling = asyncio.create_task(verdicts.run())
            await until(lambda: "a" in verdicts.outages and scraped(fleet, verdicts).verdict is Verdict.OK)
            rules = FOR_AN_HOUR
            simulator["a"].stop()
            await until(lambda: not scraped(fleet, verdicts).ready["a"])
            lost = scraped(fleet, verdicts)
            assert (lost.verdict, lost.healthy, verdicts.outages["a"].lasts) == (Verdict.OK, 1, False)
            rules = Rules()
            await until(lambda: verdicts.outages["a"].lasts and scraped(fleet, verdicts).verdict is Verdict.CRITICAL)
            rules = FOR_AN_HOUR
            simulator["a"].start()
            await until(lambda: scraped(fleet, verdicts).ready["a"])
            back = scraped(fleet, verdicts)
            assert (back.verdict, back.healthy, verdicts.outages["a"].lasts) == (Verdict.CRITICAL, 0, True)
            sampling.cancel()
            await asyncio.wait([sampling])

    with Simulator([NodeProfile(identifier="a", password="pw")]) as simulator:
        asyncio.run(play(simulator))


def test_a_sample_that_fails() -> None:
    """A defect freezes no verdict: those of the moment are shown, and the next sample counts again."""
    defects = Defects()

    async def play(simulator: Simulator) -> None:
        is_broken = False

        def plan() -> tuple[Policy, Rules]:
            if is_broken:
                raise ValueError("a defect")
            return Policy(), FOR_AN_HOUR

        nodes = [NodeSettings(identifier="a", uri=simulator["a"].uri, password="pw")]
        async with connecting(nodes, None, 5.0, None) as session:
            fleet = session.fleet
            await session.until_connected()
            verdicts = VerdictLoop(fleet, plan, 5.0, defects, interval=0.02)
            sampling = asyncio.create_task(verdicts.run())
            await until(lambda: "a" in verdicts.outages)
            is_broken = True
            await until(lambda: not verdicts.outages)
            simulator["a"].stop()
            await until(lambda: scraped(fleet, verdicts).verdict is Verdict.CRITICAL)
            is_broken = False
            await until(lambda: "a" in verdicts.outages)
            sampling.cancel()
            await asyncio.wait([sampling])

    with Simulator([NodeProfile(identifier="a", password="pw")]) as simulator:
        asyncio.run(play(simulator))
    assert defects.count(Job.VERDICTS) > 0
