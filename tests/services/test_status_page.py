"""The status page: what it serves, to whom, and what it never shows."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, cast
from urllib.parse import quote
from xml.etree import ElementTree as ET

import jsonschema
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from revvlink_cli.cli.json_schemas import FOLDER
from revvlink_cli.client.errors import Code, NodeException, Stage
from revvlink_cli.client.snapshot import FleetSnapshot
from revvlink_cli.health.damping import Rules
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.policy import Policy
from revvlink_cli.output.badges import fleet_badge, node_badge
from revvlink_cli.output.status_json import status_json
from revvlink_cli.output.status_page import POLICY, status_page
from revvlink_cli.services.defects import Defects
from revvlink_cli.services.history import NodePast
from revvlink_cli.services.history_store import Incident, Times
from revvlink_cli.services.status_page import PagePlan, PageRenderers, PageSetup, StatusPage
from revvlink_cli.services.status_view import DayCache, samples_of, status_view
from revvlink_cli.services.verdicts import VerdictLoop
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.health.judged_nodes import DOWN, NOW, snapshot
from tests.services.running_exporter import PASSWORD, ask, configured, eventually, exporter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.services.status_view import StatusView

HOSTILE = """<b>x&'"</b>/a#c%41"""

SCHEMA = json.loads((FOLDER / "status-page.json").read_text(encoding="utf-8"))


def check_page(page: str, others: tuple[str, ...]) -> None:
    """No address and no password; names are escaped; nothing comes from elsewhere."""
    for text in (page, *others):
        assert PASSWORD not in text
        assert "127.0.0.1" not in text
        assert "localhost" not in text
    assert HOSTILE not in page
    assert "<b>x" not in page + "".join(others[1:])
    assert "&lt;b&gt;x&amp;&#x27;&quot;&lt;/b&gt;/a#c%41" in page
    assert "Music &lt;nodes&gt;" in page
    assert "<i>" not in page
    assert page.index("eu-1") < page.index(">us-1<"), "trouble stands first"
    assert not re.search(r'(?:src|href)="(?!status\.json|badge/fleet\.svg)', page), "no external parts"


def test_the_page_of_a_fleet(
    write_config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page, its JSON and badges agree; names are escaped; no address, no password; the history survives."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    profiles = [
        NodeProfile(identifier="us-1", region="us", password=PASSWORD, players=9, playing=7),
        NodeProfile(identifier=HOSTILE, region="<i>", password=PASSWORD, players=5, playing=3),
        NodeProfile(identifier="eu-1", region="eu", password=PASSWORD, players=4, playing=4),
    ]
    with Simulator(profiles) as simulator:
        path = configured(write_config, simulator, page={"enabled": True, "title": "Music <nodes>"})
        with path.open("a", encoding="utf-8") as file:
            file.write(f'[[nodes]]\nidentifier = "127.0.0.1:1"\nuri = "http://127.0.0.1:1"\npassword = "{PASSWORD}"\n')
        simulator["eu-1"].kill()
        with exporter(path) as running:

            def seen() -> bool:
                found = json.loads(ask(f"{running.url}/status.json").text)
                shown = [(node["connected"], node["verdict"]) for node in found["nodes"]]
                return shown == [(True, "ok")] * 2 + [(False, "critical")] * 2

            eventually(seen, "every node was tried and judged")
            as_json = ask(f"{running.url}/status.json")
            page = ask(f"{running.url}/status")
            fleet = ask(f"{running.url}/badge/fleet.svg")
            badge = ask(f"{running.url}/badge/node/{quote(HOSTILE, safe='')}.svg")
            assert (page.content_type, as_json.content_type) == (
                "text/html; charset=utf-8", "application/json; charset=utf-8")  # fmt: skip
            found = json.loads(as_json.text)
            jsonschema.validate(found, SCHEMA)
            assert [node["name"] for node in found["nodes"]] == ["us-1", HOSTILE, "eu-1", "node-4"]
            assert [node["verdict"] for node in found["nodes"]] == ["ok", "ok", "critical", "critical"]
            assert (found["players"], found["playing"], found["verdict"]) == (14, 10, "critical")
            down = found["nodes"][2]
            assert (down["reason"], down["reason_text"]) == ("connection_refused", "nothing listens")
            assert {each["node"] for each in found["incidents"]} >= {"eu-1", "node-4"}
            check_page(page.text, (as_json.text, fleet.text, badge.text))
            for svg in (fleet, badge):
                assert svg.content_type == "image/svg+xml; charset=utf-8"
                root = ET.fromstring(svg.text)
                assert root.tag == "{http://www.w3.org/2000/svg}svg"
            title = ET.fromstring(badge.text).findtext("{http://www.w3.org/2000/svg}title")
            assert title is not None
            assert title.startswith(f"{HOSTILE}: up")
            assert "2 of 4 up" in fleet.text
            for name in ("nope", "us-1/", "..%2Fus-1", quote("127.0.0.1:1", safe="")):
                missing = ask(f"{running.url}/badge/node/{name}.svg")
                assert (missing.status, missing.text) == (404, "there is no such node\n")
            assert '<a href="/status">' in ask(f"{running.url}/").text
            with ThreadPoolExecutor(25) as pool:
                readers = list(pool.map(lambda _: ask(f"{running.url}/status"), range(200)))
            assert {answer.status for answer in readers} == {200}
        (file_of_history,) = (tmp_path / "state" / "revvlink" / "history").glob("*.sqlite3")
        with closing(sqlite3.connect(file_of_history)) as connection:
            kept = dict(connection.execute("SELECT name, sum(up_ms) FROM quarter JOIN node ON id = node GROUP BY id"))
        assert kept["us-1"] > 0


SECRET = "hunter2-Zw9"

LEAKS = (SECRET, "10.9.8.7", "node.internal", "Node.Internal", "2333", "/srv/secret", "fd00::7", "Bearer")


def test_errors_show_only_their_reason() -> None:
    """Whatever an error says - an address, a password, a path - none of it is in the page, its JSON or a badge."""
    text = f"ws://:{SECRET}@10.9.8.7:2333 [fd00::7] node.internal /srv/secret Authorization: Bearer {SECRET}"
    names = ("us-1", "10.9.8.7:2333", "eu at Node.Internal", "10.9.8.7 (old)")
    uris = ("http://node.internal:2333", "http://10.9.8.7:2333", "https://node.internal:2333", "http://[fd00::7]:2333")
    for code in Code:
        error = NodeException(text, code=code, stage=Stage.CONNECT, hint=text)
        down = {**DOWN, "error": error, "hanging": error if code == Code.REST_UNRESPONSIVE else None, "attempts": 3}
        fleet = FleetSnapshot(
            at=NOW,
            nodes=tuple(
                snapshot(identifier=name, uri=uri, region="us", **down) for name, uri in zip(names, uris, strict=True)
            ),
            penalties={},
        )
        report = assess(fleet, Policy(), timeout=5.0)
        samples = samples_of(fleet, report, {})
        past = {name: NodePast(1.0, (Times(0, 5),) * 3, {}) for name in names}
        incidents = [Incident(name, 1000, None, 1000, samples[name].reason) for name in names[:4]]
        incidents.append(Incident("us-1", 1, 2, 2, text))  # as of a file that somebody has edited
        days = [date(2026, 11, 29)]
        view = status_view("Nodes", 1.0, fleet, report, past, days, incidents, DayCache())
        made = [status_page(view), status_json(view).decode(), fleet_badge(view), *map(node_badge, view.nodes)]
        assert [(leak, code) for leak in LEAKS for each in made if leak in each] == []


class Recorder:
    """Draws as usual, and notes in which threads."""

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []

    def html(self, view: StatusView) -> str:
        """The page."""
        self.threads.append(threading.current_thread())
        return status_page(view)


class FakeFleet:
    """Nodes that do not change."""

    def snapshot(self) -> FleetSnapshot:
        """The nodes."""
        nodes = tuple(snapshot(identifier=f"node-{number}", region="us") for number in range(100))
        return FleetSnapshot(at=NOW, nodes=nodes, penalties={})


def test_many_readers_cost_one_drawing(tmp_path: Path) -> None:
    """The page is drawn once for 500 readers of a sample, and not in the thread of the event loop."""
    recorder = Recorder()
    renderers = PageRenderers(recorder.html, status_json, node_badge, fleet_badge, POLICY)
    said: list[str] = []

    async def live() -> tuple[set[bytes], set[int]]:
        fleet, defects = cast("Fleet", FakeFleet()), Defects()
        page = StatusPage(
            fleet,
            PageSetup(tmp_path / "history.sqlite3", renderers),
            lambda: (PagePlan(), Policy(), None),
            5.0,
            said.append,
            VerdictLoop(fleet, lambda: (Policy(), Rules()), 5.0, defects),
            defects,
        )
        app = web.Application()
        app.add_routes(page.routes())
        page.start()
        async with TestClient(TestServer(app)) as client:

            async def read() -> tuple[bytes, int]:
                async with client.get("/status") as answer:
                    tag = answer.headers["ETag"]
                    body = await answer.read()
                async with client.get("/status", headers={"If-None-Match": tag}) as again:
                    return body, again.status

            answers = await asyncio.gather(*(read() for _ in range(500)))
            await page.close()
        return {body for body, _ in answers}, {status for _, status in answers}

    bodies, statuses = asyncio.run(live())
    assert bodies
    assert statuses <= {200, 304}, "200 where a sample came in between"
    samples_seen = len(bodies)
    assert len(recorder.threads) <= samples_seen + 1, "the next sample's page is made before it is shown"
    assert threading.main_thread() not in recorder.threads
    assert said == []


def test_who_may_read_the_page(
    write_config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `public`, it needs no password, and the rest does. Its history is where the configuration says."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    import bcrypt

    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users:\n  ops: {hashed}\n", encoding="utf-8")
    web = ("--web.config.file", str(tmp_path / "web.yml"))
    with Simulator([NodeProfile(identifier="us-1", region="us", password=PASSWORD)]) as simulator:
        public = {"public": True, "history": "h/h.sqlite3"}
        path = configured(write_config, simulator, page=public)
        with exporter(path, "--page", *web) as running:
            paths = ("/status", "/status.json", "/badge/fleet.svg", "/badge/node/us-1.svg")
            assert [ask(running.url + path).status for path in paths] == [200] * 4
            assert (path.parent / "h" / "h.sqlite3").exists()
            closed = (
                "/",
                "/metrics",
                "/status/../metrics",
                "/probe?target=us-1",
                "/sd",
                "/-/reload",
                "/statusx",
                "/status/",
            )
            assert [ask(running.url + path).status for path in closed] == [401] * 8
            assert ask(f"{running.url}/badge/../metrics").status in (401, 404)
        with exporter(configured(write_config, simulator, page={"enabled": True}), *web) as running:
            assert ask(f"{running.url}/status").status == 401
