"""The status page: what it serves, to whom, and what it never shows."""

from __future__ import annotations

import json
import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree as ET

import jsonschema

from revvlink_cli.cli.json_schemas import FOLDER
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.services.running_exporter import PASSWORD, ask, configured, eventually, exporter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

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
                return [node["connected"] for node in found["nodes"]] == [True, True, False, False]

            eventually(seen, "every node was tried")
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


def test_who_may_read_the_page(
    write_config: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `public`, it needs no password, and the rest does."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    import bcrypt

    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users:\n  ops: {hashed}\n", encoding="utf-8")
    web = ("--web.config.file", str(tmp_path / "web.yml"))
    with Simulator([NodeProfile(identifier="us-1", region="us", password=PASSWORD)]) as simulator:
        with exporter(configured(write_config, simulator, page={"public": True}), "--page", *web) as running:
            paths = ("/status", "/status.json", "/badge/fleet.svg", "/badge/node/us-1.svg")
            assert [ask(running.url + path).status for path in paths] == [200] * 4
            closed = ("/", "/metrics", "/status/../metrics", "/probe?target=us-1")
            assert [ask(running.url + path).status for path in closed] == [401] * 4
            assert ask(f"{running.url}/badge/../metrics").status in (401, 404)
        with exporter(configured(write_config, simulator, page={"enabled": True}), *web) as running:
            assert ask(f"{running.url}/status").status == 401
