"""The exporter, and what docs/prometheus gives to those who use it: tried on Prometheus itself where it is installed.

``REVVLINK_TEST_PROMETHEUS=1`` makes it a failure that it is not.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from prometheus_client.parser import text_string_to_metric_families

from revvlink_cli.health.metrics import METRICS
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_server import PASSWORD as REPLAYED
from tests.fidelity.replay_server import read_request, serving
from tests.fidelity.scripted_node import Listening
from tests.fidelity.websocket_frames import CLOSE, TEXT, frame, switching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from revvlink_cli.simulator import SimulatedNode

T = TypeVar("T")

HELP = {metric.full_name: metric.help for metric in METRICS}

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "prometheus.md"
FOLDER = DOCS / "prometheus"
RULES = FOLDER / "rules.yml"
CONFIGURATION = FOLDER / "prometheus.yml"
DASHBOARD = FOLDER / "grafana-dashboard.json"

WAIT = 30.0
"""Seconds within which what is waited for must have happened."""

PASSWORD = "correct-horse-battery-staple"

VARIABLES = {"$job": "revvlink", "$node": ".*"}
"""What the dashboard's variables stand for when nobody has chosen."""

SILENT = {"revvlink_node_certificate_left_seconds"}
"""What a simulated fleet cannot tell: it speaks plain HTTP."""


# What the files say


def test_promtool_is_content() -> None:
    """The configuration and the rules are valid, and every unit test of the rules passes."""
    for arguments in (("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"),
                      ("test", "rules", "rules_test.yml")):  # fmt: skip
        done = subprocess.run(
            [tool("promtool"), *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_page_says_to_scrape_is_valid(isolated: Path) -> None:
    """The jobs that docs/prometheus.md shows make a configuration, the same as the example's."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    jobs = [block for block in blocks if "job_name" in block]
    path = isolated / "prometheus.yml"
    path.write_text("scrape_configs:\n" + "".join(jobs), encoding="utf-8")
    done = subprocess.run([tool("promtool"), "check", "config", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = [line.split() for line in "".join(jobs).splitlines() if line.strip()]
    example = CONFIGURATION.read_text("utf-8").partition("scrape_configs:\n")[2]
    wanted = [line.split() for line in example.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert [words(line) for line in shown] == [words(line) for line in wanted]


def test_every_alert_is_tested_both_ways() -> None:
    """For each one the unit tests have a moment when it fires, and one when it does not."""
    text = (FOLDER / "rules_test.yml").read_text("utf-8")
    fires: set[str] = set()
    rests: set[str] = set()
    for name, what in re.findall(r"alertname: (\w+)\n(.*?)(?=alertname:|\n  - name:|\Z)", text, re.DOTALL):
        (rests if "exp_alerts: []" in what else fires).add(name)

    assert fires == rests == set(alerts())


def test_every_alert_is_in_the_page() -> None:
    """The page lists them in order, each with the severity that it has."""
    listed = dict(re.findall(r"^\| `(Revvlink\w+)` \| (\w+) \|", PAGE.read_text("utf-8"), re.MULTILINE))

    assert list(listed.items()) == list(alerts().items())


@pytest.mark.parametrize("path", [RULES, PAGE, DASHBOARD], ids=lambda path: path.name)
def test_every_metric_exists(path: Path) -> None:
    """What the rules, the page and the dashboard name is what the code writes, or what the rules record."""
    text = path.read_text("utf-8")
    named = {word for word in re.findall(r"[a-zA-Z_:][\w:]*", text) if word.startswith(("revvlink_", "probe_"))}
    recorded = set(re.findall(r"\w+:(?:revvlink|probe)_\w+:\w+", text))

    assert named
    assert named - HELP.keys() == set()
    assert recorded <= set(re.findall(r"record: (\S+)", RULES.read_text("utf-8")))
    if path == DASHBOARD:  # whoever has not loaded the rules has the dashboard all the same
        assert not recorded
        for expression in expressions():
            assert set(re.findall(r"\b(?:revvlink|probe)_\w+", expression)), expression


def test_the_page_lists_every_metric() -> None:
    """In their order, with their meaning."""
    rows = re.findall(r"^\| `((?:revvlink|probe)_\w+)` \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)

    assert rows == list(HELP.items())


def test_the_dashboard_is_sound() -> None:
    """Ids are unique, panels do not overlap, and nothing in it is bound to one installation."""
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    panels = dashboard["panels"]
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24, panel["title"]
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
        for bound in (panel, *panel.get("targets", ())) if panel["type"] != "row" else ():
            assert bound["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels if panel["type"] != "row"}) > 12
    assert dashboard["id"] is None
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["node"]["definition"] == "label_values(revvlink_node_up, node)"
    used = {name for expression in expressions() for name in re.findall(r"\$\w+", expression)}
    assert used == VARIABLES.keys()


# What Prometheus makes of them


def test_a_real_prometheus(write_config: Callable[..., Path], isolated: Path) -> None:
    """It scrapes and probes a fleet, takes the rules, answers what the dashboard asks, and sees a node die."""
    tool("prometheus")
    with (
        fleet() as simulator,
        exporter(configured(write_config, simulator, check={"canaries": ["ytsearch:night"]})) as running,
        prometheus(isolated / "prometheus", running.url) as asked,
    ):
        targets = eventually(lambda: settled(asked), "all targets are up")
        assert sorted(targets) == [("revvlink", running.url.removeprefix("http://")), ("revvlink-probe", "eu-1"),
                                   ("revvlink-probe", "us-1")]  # fmt: skip
        up = 'revvlink_node_up{job="revvlink"}'
        everybody = {"us-1": 1.0, "us-2": 1.0, "eu-1": 1.0}
        eventually(lambda: by_label(asked, up, "node") == everybody, "every node is up")
        eventually(lambda: by_label(asked, "probe_success", "instance") == {"us-1": 1.0, "eu-1": 1.0}, "probes succeed")

        rules = eventually(lambda: evaluated(asked), "every rule was evaluated")
        assert {rule["name"] for rule in rules if rule["type"] == "alerting"} == alerts().keys()
        assert [rule["lastError"] for rule in rules if rule["health"] != "ok"] == []
        assert firing(rules) == set()
        for expression in expressions():
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)  # noqa: PLW2901 - what Grafana does
            found = asked("query", query=expression)["result"]
            assert found or any(metric in expression for metric in SILENT), expression

        simulator["us-2"].kill()
        eventually(lambda: by_label(asked, up, "node") == everybody | {"us-2": 0.0}, "one node is down, the others up")
        eventually(lambda: firing(evaluated(asked) or []) == {("RevvlinkNodeDown", "us-2")}, "its alert is pending")


# How the exporter behaves


def test_what_is_served_can_be_read(write_config: Callable[..., Path]) -> None:
    """Both pages are in Prometheus' text format, with every metric as the code describes it, and no secrets."""
    check = {"canaries": ["ytsearch:night"]}
    with fleet() as simulator, exporter(configured(write_config, simulator, check=check)) as running:
        eventually(lambda: ups(running) == {"us-1": 1.0, "us-2": 1.0, "eu-1": 1.0}, "every node is up")
        for path in ("/metrics", "/probe?target=eu-1"):
            answer = ask(running.url + path)
            assert answer.status == 200
            assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
            assert PASSWORD not in answer.text
            families = list(text_string_to_metric_families(answer.text))
            assert [family.name for family in families] == sorted({f.name for f in families}, key=list(HELP).index)
            for family in families:
                assert (family.documentation, family.type) == (HELP[family.name], "gauge")
                labels = [tuple(sorted(sample.labels.items())) for sample in family.samples]
                assert len(set(labels)) == len(labels) > 0
        probed = samples(ask(f"{running.url}/probe?target=eu-1").text)
        assert probed["probe_success", ()] == 1
        assert probed["revvlink_node_load_seconds", (("canary", "ytsearch:night"), ("node", "eu-1"))] > 0
        assert {dict(labels)["node"] for _, labels in probed if labels} == {"eu-1"}
        assert not any(name.startswith("revvlink_fleet_") for name, _ in probed)
        assert ask(f"{running.url}/-/healthy").text == "ok\n"
        landing = ask(running.url + "/").text
        assert all(f"/probe?target={node.profile.identifier}" in landing for node in simulator)


def test_targets_that_are_no_nodes(write_config: Callable[..., Path]) -> None:
    """A missing or unknown one is told so, with the name of a node that there is."""
    with fleet() as simulator, exporter(configured(write_config, simulator)) as running:
        for query, told in (("", "/probe?target=us-1"), ("?module=us-1", "/probe?target=us-1"),
                            ("?target=eu-11", "did you mean eu-1?"), ("?target=us2", "did you mean us-2?"),
                            ("?target=", "/probe?target=us-1"), ("?target=US-2", "did you mean us-2?"),
                                ("?target=%0A%00%22", "no node named '\\n\\x00\"'"),
                            (f"?target={'x' * 5000}", "no node named 'xxx")):  # fmt: skip
            answer = ask(f"{running.url}/probe{query}")
            assert answer.status == 400
            assert told in answer.text
            assert len(answer.text) < 300


def test_an_address_is_no_target(write_config: Callable[..., Path]) -> None:
    """A server that is named by its address is not asked for anything: it would be given a password."""
    with (
        socket.create_server(("127.0.0.1", 0)) as stranger,
        fleet() as simulator,
        exporter(configured(write_config, simulator)) as running,
    ):
        eventually(lambda: ups(running) == {"us-1": 1.0, "us-2": 1.0, "eu-1": 1.0}, "every node is up")
        before = [node.requests for node in simulator]
        there = f"127.0.0.1:{stranger.getsockname()[1]}"
        for target in (f"http://{there}", f"http://{there}/#us-1", f"ws://x@{there}/", there, simulator["us-1"].uri):
            answer = ask(f"{running.url}/probe?target={urllib.parse.quote(target, safe='')}")
            assert answer.status == 400
            assert target in answer.text
        stranger.settimeout(0.5)
        with pytest.raises(TimeoutError):
            stranger.accept()

        assert [node.requests for node in simulator] == before


def test_a_silent_node_is_critical_in_metrics(write_config: Callable[..., Path]) -> None:
    """A node that hangs is down, CRITICAL, and serves no region; its canary is CRITICAL for a probe, too."""
    with fleet() as simulator:
        simulator["us-1"].freeze()
        path = configured(write_config, simulator, defaults={"timeout": 1.0})
        with exporter(path) as running:

            def status() -> float | None:
                found = samples(ask(f"{running.url}/metrics").text)
                return found.get(("revvlink_check_status", (("check", "reach"), ("node", "us-1"))))

            eventually(lambda: status() == 2, "it is CRITICAL")
            assert samples(ask(f"{running.url}/metrics").text)["revvlink_check_verdict", ()] == 2
            probed = samples(ask(f"{running.url}/probe?target=us-1").text)
            assert (probed["revvlink_check_verdict", ()], probed["probe_success", ()]) == (2, 0)
            assert ups(running)["us-1"] == 0


@pytest.mark.alone
def test_a_scrape_has_its_answer_in_time(write_config: Callable[..., Path]) -> None:
    """A frozen node does not keep Prometheus waiting beyond its own timeout: that the probe failed is an answer."""
    with fleet() as simulator, exporter(configured(write_config, simulator)) as running:
        eventually(lambda: ups(running) == {"us-1": 1.0, "us-2": 1.0, "eu-1": 1.0}, "every node is up")
        simulator["us-1"].freeze()
        begun = time.monotonic()
        answer = ask(f"{running.url}/probe?target=us-1", {"X-Prometheus-Scrape-Timeout-Seconds": "3.0"})
        took = time.monotonic() - begun
        found = samples(answer.text)

        assert took < 3
        assert found["probe_success", ()] == 0
        assert 1 < found["probe_duration_seconds", ()] < 3
        assert found["revvlink_check_status", (("check", "reach"), ("node", "us-1"))] == 2
        begun = time.monotonic()
        other = ask(f"{running.url}/probe?target=us-2", {"X-Prometheus-Scrape-Timeout-Seconds": "nonsense"})
        assert samples(other.text)["probe_success", ()] == 1
        assert time.monotonic() - begun < 3
        begun = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            probe = partial(ask, f"{running.url}/probe?target=us-1", {"X-Prometheus-Scrape-Timeout-Seconds": "3.0"})
            answers = [future.result() for future in [pool.submit(probe), pool.submit(probe)]]
        assert time.monotonic() - begun < 3, "the one that had to wait for its turn had its answer in time, too"
        assert [samples(answer.text)["probe_success", ()] for answer in answers] == [0, 0]
        simulator["us-1"].thaw()


def test_what_is_demanded_of_a_fleet_is_not_of_a_probe(write_config: Callable[..., Path]) -> None:
    """One node is no fleet; and whether it is up is told whatever is skipped."""
    demands = {"critical": {"quorum": "3:"}, "skip": ["reach"]}
    with fleet() as simulator, exporter(configured(write_config, simulator, check=demands)) as running:
        eventually(lambda: ups(running) == {"us-1": 1.0, "us-2": 1.0, "eu-1": 1.0}, "every node is up")
        found = samples(ask(f"{running.url}/probe?target=us-1").text)
        assert (found["probe_success", ()], found["revvlink_check_verdict", ()]) == (1, 0)
        simulator["us-2"].kill()
        eventually(lambda: ups(running) == {"us-1": 1.0, "us-2": 0.0, "eu-1": 1.0}, "one is down")
        found = samples(ask(f"{running.url}/metrics").text)
        assert found["revvlink_fleet_check_status", (("check", "quorum"),)] == 2


@pytest.mark.alone
def test_a_scrape_that_is_broken_off(write_config: Callable[..., Path]) -> None:
    """When Prometheus hangs up, the probe ends with its connection and its canaries, and the next one has its turn."""
    canaries = [f"simsearch:{word}" for word in ("night", "tide", "rain", "porch", "cedar", "count", "alba", "summer")]
    with fleet() as simulator, exporter(configured(write_config, simulator, check={"canaries": canaries})) as running:
        node = simulator["us-1"]
        eventually(lambda: node.open_sockets == 1, "the exporter is connected")
        host, port = running.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET /probe?target=us-1 HTTP/1.1\r\nHost: exporter\r\n\r\n")
            eventually(lambda: node.open_sockets == 2, "the probe is connected")
        # Eight canaries, two requests a second: left alone it would stay for three more seconds at least.
        eventually(lambda: node.open_sockets == 1, "the probe is gone", within=2)
        assert 0 < loads(node) + 1 < len(canaries)
        before = loads(node)
        again = samples(ask(f"{running.url}/probe?target=us-1").text)

        assert again["probe_success", ()] == 1
        assert loads(node) == before + len(canaries)
        eventually(lambda: node.open_sockets == 1, "the second probe is gone, too")


def test_a_node_is_asked_politely_by_probes_too(write_config: Callable[..., Path]) -> None:
    """A probe at the start, and probes while the kept connection comes and goes, share its two requests a second."""
    script = Listening(LAVALINK)
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    asked: list[float] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            asked.append(time.monotonic())
            if request.path == "/v4/websocket":
                writer.write(switching(request.headers["sec-websocket-key"], upgrade))
                writer.write(frame(TEXT, script.first) + frame(CLOSE, (4006).to_bytes(2)))
                return
            await script.answer(request, reader, writer)

    def probe(config: Path) -> None:
        with exporter(config) as running:
            until = time.monotonic() + 8
            while time.monotonic() < until:
                assert ask(f"{running.url}/probe?target=n").status == 200

    async def work() -> None:
        async with serving(handle) as uri:
            config = write_config({"identifier": "n", "uri": uri, "password": REPLAYED})
            await asyncio.to_thread(probe, config)

    asyncio.run(work())

    assert len(asked) > 8
    assert all(third - first >= 1.0 for first, third in zip(asked, asked[2:], strict=False))


def test_a_look_at_the_head_of_a_probe(write_config: Callable[..., Path]) -> None:
    """HEAD asks whether there is something: it costs no node a probe, and is told which methods there are."""
    with fleet() as simulator, exporter(configured(write_config, simulator)) as running:
        eventually(lambda: ups(running) == {"us-1": 1.0, "us-2": 1.0, "eu-1": 1.0}, "every node is up")
        before = simulator["us-1"].requests
        answer = ask(f"{running.url}/probe?target=us-1", method="HEAD")

        assert (answer.status, answer.text) == (405, "")
        assert simulator["us-1"].requests == before
        assert ask(f"{running.url}/metrics", method="HEAD").status == 200


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
def test_a_node_that_was_mended(write_config: Callable[..., Path]) -> None:
    """On SIGHUP a node that refused the password is tried at once, though its configuration is as it was."""
    with Simulator([NodeProfile(identifier="n", password="another")]) as wrong:
        node = wrong["n"]
        config = write_config({"identifier": "n", "uri": node.uri, "password": PASSWORD})
        with exporter(config) as running:
            refused = ("revvlink_check_status", (("check", "auth"), ("node", "n")))
            eventually(lambda: samples(ask(running.url + "/metrics").text).get(refused) == 2, "the password is refused")
            node.stop()
            with Simulator([NodeProfile(identifier="n", password=PASSWORD, port=node.port)]):
                running.process.send_signal(signal.SIGHUP)
                eventually(lambda: ups(running) == {"n": 1.0}, "it is up", within=20)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
def test_a_configuration_that_changes(write_config: Callable[..., Path]) -> None:
    """On SIGHUP a node that is new joins, one whose password was corrected is tried again, one that is gone leaves."""
    with fleet() as simulator:
        first, second, third = (entry(node) for node in simulator)
        config = write_config(first, {**third, "password": "wrong"})
        with exporter(config) as running:
            eventually(lambda: ups(running) == {"us-1": 1.0, "eu-1": 0.0}, "one of two nodes is up")
            refused = ("revvlink_check_status", (("check", "auth"), ("node", "eu-1")))
            eventually(lambda: samples(ask(running.url + "/metrics").text).get(refused) == 2, "the password is refused")
            assert ask(f"{running.url}/probe?target=us-2").status == 400

            write_config(first, second, third)
            running.process.send_signal(signal.SIGHUP)
            eventually(lambda: ups(running) == {"us-1": 1.0, "us-2": 1.0, "eu-1": 1.0}, "all three are up")
            assert samples(ask(f"{running.url}/probe?target=us-2").text)["probe_success", ()] == 1
            assert simulator["us-1"].requests.count(("GET", "/v4/websocket")) == 1

            write_config(second, third)
            running.process.send_signal(signal.SIGHUP)
            eventually(lambda: ups(running) == {"us-2": 1.0, "eu-1": 1.0}, "the first has left")
            eventually(lambda: simulator["us-1"].open_sockets == 0, "its connection is closed")
            assert ask(f"{running.url}/probe?target=us-1").status == 400


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGHUP")
def test_a_configuration_that_breaks(write_config: Callable[..., Path]) -> None:
    """The nodes stay as they were, a metric shows it, and a corrected file is taken."""
    with fleet() as simulator:
        config = configured(write_config, simulator)
        everybody = {"us-1": 1.0, "us-2": 1.0, "eu-1": 1.0}
        with exporter(config) as running:
            eventually(lambda: ups(running) == everybody, "every node is up")
            for wrong in ("nonsense", "[[nodes]]\nidentifier = 1\n", ""):
                config.write_text(wrong, encoding="utf-8")
                running.process.send_signal(signal.SIGHUP)
                eventually(lambda: reloaded(running) == 0, "the failure shows")
                assert ups(running) == everybody
                assert ask(f"{running.url}/probe?target=us-1").status == 200

                configured(write_config, simulator)
                running.process.send_signal(signal.SIGHUP)
                eventually(lambda: reloaded(running) == 1, "the file is taken again")
            assert ups(running) == everybody
            assert [node.requests.count(("GET", "/v4/websocket")) for node in simulator] == [4, 1, 1]


def test_a_port_that_is_taken(write_config: Callable[..., Path]) -> None:
    """It says so, and whom to ask."""
    with socket.create_server(("127.0.0.1", 0)) as other, fleet() as simulator:
        port = other.getsockname()[1]
        config = configured(write_config, simulator)
        ran = run_cli("--config", str(config), "exporter", "--listen", f"127.0.0.1:{port}")

    assert ran.code == 1
    assert f"127.0.0.1:{port} is taken" in ran.err
    assert f"ss -ltnp 'sport = :{port}'" in ran.err
    assert ran.out == ""


# What these tests stand on


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP."""

    status: int
    content_type: str
    text: str


@dataclass(frozen=True)
class Exporter:
    """An exporter that runs."""

    process: subprocess.Popen[bytes]
    url: str


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
    """Send a request, and take what comes, whatever its status."""
    request = urllib.request.Request(url, headers=dict(headers or {}), method=method)
    try:
        opened = _OPENER.open(request, timeout=WAIT)
    except urllib.request.HTTPError as error:
        opened = error
    with opened as answer:
        return Answer(answer.status, answer.headers.get("Content-Type", ""), answer.read().decode())


def eventually(is_so: Callable[[], T | None], what: str, within: float = WAIT) -> T:
    """Ask again and again until the answer is one that counts, and give it."""
    deadline = time.monotonic() + within
    while True:
        found = is_so()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        time.sleep(0.05)


def tool(name: str) -> str:
    """The path of a program of Prometheus."""
    path = shutil.which(name)
    if path is None:
        if os.environ.get("REVVLINK_TEST_PROMETHEUS"):
            pytest.fail(f"{name} is not installed, and REVVLINK_TEST_PROMETHEUS wants it")
        pytest.skip(f"{name} is not installed")
    return path


def words(line: list[str]) -> list[str]:
    """A line without its comment."""
    return line[: line.index("#")] if "#" in line else line


def alerts() -> dict[str, str]:
    """The rules' alerts, each with its severity."""
    return dict(re.findall(r"alert: (\w+)\n.*?severity: (\w+)\n", RULES.read_text("utf-8"), re.DOTALL))


def expressions() -> list[str]:
    """Everything that the dashboard asks Prometheus for."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


@contextmanager
def fleet() -> Iterator[Simulator]:
    """Three nodes in two regions, named as in the example's configuration."""
    with Simulator(
        [
            NodeProfile(identifier="us-1", region="us", password=PASSWORD, players=9, playing=9),
            NodeProfile(identifier="us-2", region="us", password=PASSWORD, players=5, playing=3),
            NodeProfile(identifier="eu-1", region="eu", password=PASSWORD, players=4, playing=4),
        ]
    ) as simulator:
        yield simulator


def entry(node: SimulatedNode) -> dict[str, Any]:
    """A node as configured."""
    profile = node.profile
    return {"identifier": profile.identifier, "uri": node.uri, "password": profile.password, "region": profile.region}


def configured(write_config: Callable[..., Path], simulator: Simulator, **sections: Any) -> Path:
    """A configuration with all of them."""
    return write_config(*map(entry, simulator), **sections)


@contextmanager
def exporter(config: Path) -> Iterator[Exporter]:
    """An exporter on a free port, which must end as it should."""
    out, err = config.with_suffix(".out"), config.with_suffix(".err")
    command = [sys.executable, "-W", "error", "-m", "revvlink_cli", "--config", str(config)]
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen([*command, "exporter", "--listen", "127.0.0.1:0"], stdout=stdout, stderr=stderr)
    try:
        first = eventually(
            lambda: re.match(r"(http://127\.0\.0\.1:\d+)\t\d+\t\n", out.read_text("utf-8")), "it listens"
        )
        yield Exporter(process, first[1])
        assert process.poll() is None, err.read_text("utf-8")
        process.terminate()
        code = process.wait(WAIT)
        assert code == (0 if sys.platform != "win32" else 1)
        assert "Traceback" not in err.read_text("utf-8")
        assert "Unclosed" not in err.read_text("utf-8")
    finally:
        process.kill()
        process.wait(WAIT)


@contextmanager
def prometheus(folder: Path, url: str) -> Iterator[Callable[..., Any]]:
    """A Prometheus with the example's configuration, in a hurry; gives what asks its API and returns the data."""
    folder.mkdir()
    text = CONFIGURATION.read_text("utf-8").replace("127.0.0.1:9870", url.removeprefix("http://"))
    text = text.replace("_interval: 15s", "_interval: 1s")
    text = text.replace("scrape_interval: 1m", "scrape_interval: 4s\n    scrape_timeout: 4s")
    (folder / "prometheus.yml").write_text(text, encoding="utf-8")
    shutil.copy(RULES, folder)
    log = folder / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [
                tool("prometheus"),
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=data",
                "--web.listen-address=127.0.0.1:0",
            ],
            cwd=folder,
            stdout=stderr,
            stderr=stderr,
        )
    try:
        where = eventually(lambda: re.search(r'"?Listening on"?.*address=(\S+)', log.read_text("utf-8")), "it listens")

        def asked(what: str, **parameters: str) -> Any:
            answer = ask(f"http://{where[1]}/api/v1/{what}?{urllib.parse.urlencode(parameters)}")
            assert answer.status == 200, answer.text
            told = json.loads(answer.text)
            assert told["status"] == "success", told
            return told["data"]

        eventually(lambda: ask(f"http://{where[1]}/-/ready").status == 200, "it is ready")
        yield asked
        assert "level=error" not in log.read_text("utf-8")
    finally:
        process.terminate()
        try:
            process.wait(WAIT)
        finally:
            process.kill()
            process.wait(WAIT)


def settled(asked: Callable[..., Any]) -> list[tuple[str, str]]:
    """Job and instance of every target, once all are up."""
    targets = asked("targets", state="active")["activeTargets"]
    if any(target["health"] != "up" for target in targets):
        return []
    return [(target["labels"]["job"], target["labels"]["instance"]) for target in targets]


def evaluated(asked: Callable[..., Any]) -> list[dict[str, Any]]:
    """Every rule, once all have been evaluated."""
    rules = [rule for group in asked("rules")["groups"] for rule in group["rules"]]
    return [] if any(rule["health"] == "unknown" for rule in rules) else rules


def firing(rules: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Names and nodes of the alerts that are pending or firing."""
    return {(rule["name"], alert["labels"].get("node", "")) for rule in rules for alert in rule.get("alerts", ())}


def by_label(asked: Callable[..., Any], query: str, label: str) -> dict[str, float]:
    """The values of a query now, by one of their labels."""
    return {found["metric"][label]: float(found["value"][1]) for found in asked("query", query=query)["result"]}


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every value, by the metric's name and the labels in order."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def ups(running: Exporter) -> dict[str, float]:
    """Which nodes are up."""
    found = samples(ask(running.url + "/metrics").text)
    return {dict(labels)["node"]: value for (name, labels), value in found.items() if name == "revvlink_node_up"}


def reloaded(running: Exporter) -> float:
    """Whether the configuration could be read."""
    return samples(ask(running.url + "/metrics").text)["revvlink_config_reload_success", ()]


def loads(node: SimulatedNode) -> int:
    """How many queries a node was asked to load."""
    return sum(path.startswith("/v4/loadtracks") for _, path in node.requests)
