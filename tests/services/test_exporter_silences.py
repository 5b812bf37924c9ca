"""An exporter that runs honours silences that begin and end meanwhile, in its metrics and on its status page."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING, Any

from revvlink_cli.config.load import load
from revvlink_cli.config.silences import SilenceWatch
from revvlink_cli.config.source import Source, SourceKind
from revvlink_cli.output.badges import fleet_badge, node_badge
from revvlink_cli.output.status_json import status_json
from revvlink_cli.output.status_page import POLICY, status_page
from revvlink_cli.services.exporter import ExporterControl, Plan, serving
from revvlink_cli.services.status_page import PageRenderers, PageSetup
from tests.conftest import run_cli
from tests.services.running_exporter import ask, samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest


class Clock:
    """The clock of the silences, which may be ahead of the real one by some seconds."""

    ahead = 0.0

    def time(self) -> float:
        return time.time() + self.ahead


async def until(is_so: Callable[[], bool], what: str) -> None:
    """Ask again until it is so; each question waits for an answer over the network."""
    deadline = time.monotonic() + 20
    while not await asyncio.to_thread(is_so):
        assert time.monotonic() < deadline, what


def test_a_silence_begins_and_ends_while_the_exporter_runs(
    write_config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metrics, page, JSON and badge show it without a reload, and no longer once its time is over.

    A damaged file silences nothing, is one message however often it is read, and works again once it is correct.
    """
    path = write_config(*({"identifier": name, "uri": "http://127.0.0.1:1", "password": "x"} for name in ("a", "b")))
    monkeypatch.setattr("revvlink_cli.services.status_page.INTERVAL", 0.05)
    clock = Clock()
    settings = load(Source(SourceKind.FLAG, path, trusted=True, environment=os.environ))
    heard: list[str] = []
    watch = SilenceWatch(settings.silences_file, heard.append)
    plan = Plan(settings.resolve(), settings.policy, None, settings.play, silences=watch)
    renderers = PageRenderers(status_page, status_json, node_badge, fleet_badge, POLICY)
    setup = PageSetup(tmp_path / "history.sqlite3", renderers)

    def silence(*arguments: str) -> None:
        ran = run_cli("silence", *arguments, "--config", str(path))
        assert ran.code == 0, ran.err

    async def work() -> None:
        async with serving(
            plan, "127.0.0.1", 0, timeout=2.0, reload=lambda: plan, control=ExporterControl(), complain=heard.append,
            page=setup,
        ) as served:  # fmt: skip
            url = served.url

            def metrics() -> tuple[list[float], float]:
                found = samples(ask(f"{url}/metrics").text)
                each = [found["revvlink_node_silenced", (("node", name),)] for name in ("a", "b")]
                return each, found["revvlink_fleet_state", (("state", "critical"),)]

            def shown() -> dict[str, Any]:
                found: dict[str, Any] = json.loads(ask(f"{url}/status.json").text)
                return found

            def in_maintenance() -> list[list[str]]:
                return [each["nodes"] for each in shown()["maintenance"]]

            await until(lambda: shown()["verdict"] == "critical", "both nodes are down")
            await until(lambda: metrics() == ([0, 0], 1), "metrics say so")
            await asyncio.to_thread(silence, "add", "a", "--for", "1h", "--reason", "<secret> plan")
            await asyncio.to_thread(silence, "add", "--all", "--for", "10m", "--reason", "second")
            monkeypatch.setattr("revvlink_cli.config.silences.time", clock)
            assert await asyncio.to_thread(metrics) == ([1, 1], 0)
            await until(lambda: in_maintenance() == [["b"], ["a"]], "the page has them, the first to end at the top")
            assert (await asyncio.to_thread(shown))["verdict"] == "ok"
            page = (await asyncio.to_thread(ask, f"{url}/status")).text
            assert ("aintenance" in page, "secret" in page) == (True, False)
            assert "maintenance" in (await asyncio.to_thread(ask, f"{url}/badge/node/a.svg")).text

            clock.ahead = 601.0
            assert await asyncio.to_thread(metrics) == ([1, 0], 1)
            await until(lambda: in_maintenance() == [["a"]], "the shorter one has ended")
            clock.ahead = 3601.0
            assert await asyncio.to_thread(metrics) == ([0, 0], 1)
            await until(lambda: in_maintenance() == [], "both have ended")
            assert (await asyncio.to_thread(shown))["verdict"] == "critical"

            clock.ahead = 0.0
            file = path.with_name("nodes.silences.json")
            text = file.read_text(encoding="utf-8")
            file.write_text(text[:-9], encoding="utf-8")
            assert [await asyncio.to_thread(metrics) for _ in range(3)] == [([0, 0], 1)] * 3
            file.write_text(text, encoding="utf-8")
            assert await asyncio.to_thread(metrics) == ([1, 1], 0)

    asyncio.run(work())
    assert len(heard) == 1
    assert "no silence applies: it is damaged: not JSON" in heard[0]
