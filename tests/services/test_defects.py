"""Defects in the repeated jobs of the exporter: each ends one round, shows in the log and as a number, and no more."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from revvlink_cli.client.snapshot import FleetSnapshot
from revvlink_cli.config.settings import PlaySettings
from revvlink_cli.health.damping import Rules
from revvlink_cli.health.metrics import DEFECTS
from revvlink_cli.health.policy import Policy
from revvlink_cli.output.badges import fleet_badge, node_badge
from revvlink_cli.output.status_json import status_json
from revvlink_cli.output.status_page import POLICY, status_page
from revvlink_cli.services import canaries
from revvlink_cli.services.defects import Defects, Job
from revvlink_cli.services.status_page import PagePlan, PageRenderers, PageSetup, StatusPage
from revvlink_cli.services.verdicts import VerdictLoop
from tests.health.judged_nodes import NOW, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from revvlink_cli.client.fleet import Fleet


class DefectiveFleet:
    """One node, and a defect when it is first asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def snapshot(self) -> FleetSnapshot:
        """The node, but for the first time."""
        self.asked += 1
        if self.asked == 1:
            raise ValueError("a defect")
        return FleetSnapshot(at=NOW, nodes=(snapshot(identifier="us-1", region="us"),), penalties={})


async def _round(error: BaseException | None) -> None:
    if error is not None:
        raise error


def test_a_defect_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Each job has its number, 0 at first. The log has a line for it, and the traceback on the level of -vv."""
    caplog.set_level(logging.DEBUG, "revvlink_cli")
    defects = Defects()
    assert asyncio.run(defects.contain(Job.CANARIES, _round(None)))
    assert not asyncio.run(defects.contain(Job.CANARIES, _round(ValueError("why"))))
    assert [(sample.labels, sample.value) for sample in defects.samples()] == [
        ((("job", "verdicts"),), 0.0),
        ((("job", "canaries"),), 1.0),
        ((("job", "status_page"),), 0.0),
    ]
    assert {sample.metric for sample in defects.samples()} == {DEFECTS}
    assert [(record.levelname, record.exc_info is not None) for record in caplog.records] == [
        ("ERROR", False),
        ("DEBUG", True),
    ]
    assert "canaries" in caplog.messages[0]
    assert "ValueError('why')" in caplog.messages[0]


def test_the_end_of_a_job_is_no_defect() -> None:
    """What cancels a round ends its job."""
    defects = Defects()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(defects.contain(Job.VERDICTS, _round(asyncio.CancelledError())))
    assert defects.count(Job.VERDICTS) == 0


def test_the_status_page_goes_on(tmp_path: Path) -> None:
    """A reader who waits for the first sample gets the first one that succeeds."""

    async def live() -> str:
        fleet, defects = cast("Fleet", DefectiveFleet()), Defects()
        page = StatusPage(
            fleet,
            PageSetup(
                tmp_path / "history.sqlite3",
                PageRenderers(status_page, status_json, node_badge, fleet_badge, POLICY),
            ),
            lambda: (PagePlan(), Policy(), None),
            5.0,
            pytest.fail,
            VerdictLoop(fleet, lambda: (Policy(), Rules()), 5.0, defects),
            defects,
            interval=0.01,
        )
        app = web.Application()
        app.add_routes(page.routes())
        page.start()
        async with TestClient(TestServer(app)) as client, client.get("/status") as answer:
            text = await answer.text()
        await page.close()
        assert defects.count(Job.STATUS_PAGE) == 1
        return text

    assert "us-1" in asyncio.run(live())


def test_the_canaries_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that fails before it begins is followed by the next one."""
    monkeypatch.setattr(canaries, "SHORTEST_PAUSE", 0.01)

    class Empty:
        members = ()

    async def play() -> None:
        defects, reads, is_read = Defects(), 0, asyncio.Event()

        def read() -> tuple[Policy, PlaySettings]:
            nonlocal reads
            reads += 1
            if reads == 1:
                raise ValueError("a defect")
            is_read.set()
            return Policy(), PlaySettings(None, None, None, None, duration_s=1.0, interval_s=0.01)

        loop = canaries.CanaryLoop(cast("Fleet", Empty()), read, lambda *_: None, defects)
        playing = asyncio.create_task(loop.run())
        async with asyncio.timeout(30):
            await is_read.wait()
        assert not playing.done()
        playing.cancel()
        await asyncio.wait([playing])
        assert defects.count(Job.CANARIES) == 1

    asyncio.run(play())
