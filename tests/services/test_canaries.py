"""Canaries that play: in `check` with and without a voice server, on nodes that play, fail and cannot be heard."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Ran

PASSWORD = "pw"
GOOD = "ytsearch:night garden"
PROFILES = (
    NodeProfile(identifier="one", password=PASSWORD, audio="sound"),
    NodeProfile(identifier="built", password=PASSWORD, version="4.1.1", audio="sound"),
    NodeProfile(identifier="silent", password=PASSWORD, audio="silence"),
    NodeProfile(identifier="blocked", password=PASSWORD, audio="blocked"),
    NodeProfile.nodelink(identifier="link", password=PASSWORD, audio="sound"),
)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Nodes of every kind."""
    with Simulator(PROFILES) as running:
        yield running


@pytest.fixture
def check(simulator: Simulator, write_config: Callable[..., Path]) -> Callable[..., Ran]:
    """Checks named nodes, with `play` as the keys of ``[play]``."""

    def run(nodes: str, *arguments: str, play: dict[str, Any] | None = None, **sections: Any) -> Ran:
        listed = ({"identifier": n.profile.identifier, "uri": n.uri, "password": PASSWORD} for n in simulator)
        config = write_config(*listed, play={"duration": "1s"} | (play or {}), **sections)
        return run_cli("check", *nodes.split(), "--config", str(config), "-o", "json", *arguments)

    return run


def by_check(ran: Ran, node: str) -> dict[str, dict[str, Any]]:
    """The row of each check of one node."""
    return {row["check"]: row for row in ran.rows if row["node"] == node}


LISTEN = {"listen": "127.0.0.1:0"}


def test_heard(check: Callable[..., Ran], simulator: Simulator) -> None:
    """With a voice server the start, the packets and the silence are figures, and no player is left."""
    ran = check("one", "--canary-play", GOOD, play=LISTEN)
    rows = by_check(ran, "one")
    assert ran.code == 0, ran.out
    assert rows["play"]["verdict"] == rows["packets"]["verdict"] == rows["silence"]["verdict"] == "ok"
    assert {figure["name"] for code in ("play", "packets", "silence") for figure in rows[code]["figures"]} == {
        "play_start",
        "play_packets_per_second",
        "play_silence",
    }
    assert "offered DAVE version 1" in rows["voice"]["message"]
    requests = simulator["one"].requests
    assert sum(method == "DELETE" and "/players/" in path for method, path in requests) == 1


def test_from_the_configuration(check: Callable[..., Ran]) -> None:
    """`[check] canary_play` and thresholds on the figures count as the flags do."""
    section = {"canary_play": [GOOD], "warning": {"play": "0.001s", "packets": "60:"}, "critical": {"packets": "10:"}}
    ran = check("one", play=LISTEN, check=section)
    rows = by_check(ran, "one")
    assert ran.code == 1
    assert (rows["play"]["verdict"], rows["packets"]["verdict"]) == ("warning", "warning")
    assert rows["packets"]["code"] == "threshold"


def test_starts_without_voice_server(check: Callable[..., Ran]) -> None:
    """Without `listen` a track that starts is OK, and no sound is judged."""
    ran = check("one", "--canary-play", GOOD)
    rows = by_check(ran, "one")
    assert ran.code == 0
    assert rows["play"]["verdict"] == "ok"
    assert rows["packets"]["verdict"] == rows["silence"]["verdict"] == "skipped"


@pytest.mark.parametrize(
    ("node", "play", "canary", "verdict", "code"),
    [
        ("one", {}, "broken.flac", "critical", None),
        ("one", {}, "ytsearch:no such words", "critical", "empty"),
        ("silent", LISTEN, GOOD, "critical", "silence"),
        ("blocked", LISTEN, GOOD, "critical", "voice_unreachable"),
        ("link", {}, GOOD, "warning", None),
    ],
)
def test_failures(
    check: Callable[..., Ran], node: str, play: dict[str, Any], canary: str, verdict: str, code: str | None
) -> None:
    """A track that fails, is not found or is not heard is CRITICAL; nothing proven is a WARNING."""
    ran = check(node, "--canary-play", canary, play=play)
    row = by_check(ran, node)["play"]
    assert row["verdict"] == verdict
    assert code is None or row["code"] == code
    assert ran.code == (2 if verdict == "critical" else 1)


def test_measured_voice(check: Callable[..., Ran]) -> None:
    """What a node offers to a voice server decides the check `voice`, whatever its version says."""
    row = by_check(check("built", "--canary-play", GOOD, play=LISTEN), "built")["voice"]
    assert row["verdict"] == "critical"
    assert "offered no DAVE" in row["message"]


def test_port_in_use(check: Callable[..., Ran]) -> None:
    """A voice server that cannot listen is UNKNOWN, not the node's fault; the other checks are made."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = check("one", "--canary-play", GOOD, play={"listen": f"127.0.0.1:{port}"})
    rows = by_check(ran, "one")
    assert ran.code == 3
    assert (rows["play"]["verdict"], rows["play"]["code"]) == ("unknown", "cannot_listen")
    assert rows["websocket"]["verdict"] == "ok"


@dataclass
class Exporter:
    """A running exporter."""

    url: str

    def metrics(self) -> dict[tuple[str, str], float]:
        """The metrics of canaries by name and node."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        found = re.findall(r'^(revvlink_canary_\w+)\{node="([^"]+)",canary="[^"]+"\} (\S+)$', text, re.MULTILINE)
        return {(name, node): float(value) for name, node, value in found}


@contextmanager
def exporter(config: Path) -> Iterator[Exporter]:
    """An exporter on a free port, ended by SIGTERM."""
    command = [sys.executable, "-m", "revvlink_cli", "exporter", "--config", str(config), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen([*command, "-o", "jsonl"], stdout=subprocess.PIPE, encoding="utf-8")
    assert process.stdout is not None
    try:
        found = re.search(r"http://[0-9.:]+", process.stdout.readline())
        assert found is not None
        yield Exporter(found[0])
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()


def test_exporter(simulator: Simulator, write_config: Callable[..., Path]) -> None:
    """The exporter plays canaries again and again, shows the last result of each, and leaves no player."""
    chosen = ("one", "silent")
    before = len(simulator["one"].requests)
    config = write_config(
        *({"identifier": name, "uri": simulator[name].uri, "password": PASSWORD} for name in chosen),
        play={"listen": "127.0.0.1:0", "duration": "500ms", "interval": "1s"},
        check={"canary_play": [GOOD]},
    )
    with exporter(config) as running:
        deadline, times = time.monotonic() + 60, set[float]()
        success = "revvlink_canary_success"
        while (  # on a busy machine the sound of a play may have gaps, so that it fails
            len(times) < 2 or (success, "silent") not in (found := running.metrics()) or not found.get((success, "one"))
        ):
            assert time.monotonic() < deadline, times
            times |= {at for (name, node), at in running.metrics().items() if (name, node) == (LAST, "one")}
            time.sleep(0.1)
        assert found["revvlink_canary_packets_per_second", "one"] == pytest.approx(50, abs=10)
        assert found["revvlink_canary_start_seconds", "one"] > 0
        assert (found["revvlink_canary_success", "silent"], found["revvlink_canary_status", "silent"]) == (0.0, 2.0)
    requests = simulator["one"].requests[before:]
    made = {path for method, path in requests if method == "PATCH" and "/players/" in path}
    destroyed = {path for method, path in requests if method == "DELETE"}
    assert {path.partition("?")[0] for path in made} == destroyed


LAST = "revvlink_canary_timestamp_seconds"


@pytest.mark.parametrize(
    ("play", "words"),
    [
        ({"listen": "8443"}, "is not HOST:PORT"),
        ({"listen": "0.0.0.0:8443"}, "add advertise"),
        ({"advertise": "voice.example.com:1"}, "means nothing without listen"),
        ({"listen": "127.0.0.1:1", "key": "a.pem"}, "means nothing without cert"),
        ({"duration": "soon"}, "must be a duration"),
    ],
)
def test_mistakes_in_the_configuration(check: Callable[..., Ran], play: dict[str, Any], words: str) -> None:
    """Mistakes in `[play]` are named, and nothing is checked."""
    ran = check("one", play=play)
    assert ran.code == 3
    assert words in ran.err
