"""The exporter: what it serves, what probes ask nodes for, and how it takes a changed configuration."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from revvlink_cli.health.catalogue import MetricType
from revvlink_cli.health.metrics import METRICS
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_server import PASSWORD as REPLAYED
from tests.fidelity.replay_server import read_request, serving
from tests.fidelity.scripted_node import Listening
from tests.fidelity.websocket_frames import CLOSE, TEXT, frame, switching
from tests.services.running_exporter import (
    PASSWORD,
    ask,
    configured,
    entry,
    eventually,
    exporter,
    fleet,
    loads,
    reloaded,
    samples,
    ups,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FAMILIES = {metric.family: metric for metric in METRICS}


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
            assert [family.name for family in families] == sorted({f.name for f in families}, key=list(FAMILIES).index)
            for family in families:
                metric = FAMILIES[family.name]
                kind = "counter" if metric.type is MetricType.COUNTER else "gauge"
                assert (family.documentation, family.type) == (metric.full_help, kind)
                labels = [tuple(sorted(sample.labels.items())) for sample in family.samples]
                assert len(set(labels)) == len(labels) > 0
        accepted = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        for path in ("/metrics", "/probe?target=eu-1"):
            answer = ask(running.url + path, {"Accept": accepted})
            assert answer.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
            strict: Any = openmetrics.text_string_to_metric_families
            kinds = {family.type for family in strict(answer.text)}
            assert kinds == ({"gauge", "counter"} if path == "/metrics" else {"gauge"})
        probed = samples(ask(f"{running.url}/probe?target=eu-1").text)
        assert probed["probe_success", ()] == 1
        assert probed["revvlink_node_load_seconds", (("canary", "ytsearch:night"), ("node", "eu-1"))] > 0
        assert {dict(labels)["node"] for _, labels in probed if labels} == {"eu-1"}
        assert not any(name.startswith("revvlink_fleet_") for name, _ in probed)
        assert ask(f"{running.url}/-/healthy").text == "ok\n"
        assert ask(f"{running.url}/status").status == 404, "there is no status page unless it is asked for"
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
    """A node that hangs is down, CRITICAL, and serves no region; silenced, it is only down."""
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

            line = ("silence", "add", "us-1", "--for", "1h", "--reason", "x", "--config", str(path))
            assert run_cli(*line).code == 0
            found = samples(ask(f"{running.url}/metrics").text)
            silenced = [found["revvlink_node_silenced", (("node", name),)] for name in ("us-1", "us-2", "eu-1")]
            assert silenced == [1, 0, 0]
            assert (status(), found["revvlink_check_verdict", ()], ups(running)["us-1"]) == (0, 0, 0)
            assert run_cli("silence", "remove", "us-1", "--config", str(path)).code == 0
            assert status() == 2


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
    """One node is not a fleet; and whether it is up is told whatever is skipped."""
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
