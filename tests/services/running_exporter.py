"""Starts `exporter` on a simulated fleet, scrapes it and reads what it serves."""

from __future__ import annotations

import re
import sys
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from revvlink_cli.health.metrics import METRICS
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import start_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from revvlink_cli.simulator import SimulatedNode
    from tests.warm_command_line import RunningCommand


T = TypeVar("T")
HELP = {metric.full_name: metric.full_help for metric in METRICS}
WAIT = 30.0
"""Seconds within which what is waited for must have happened."""
PASSWORD = "correct-horse-battery-staple"


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP."""

    status: int
    content_type: str
    text: str


@dataclass(frozen=True)
class Exporter:
    """An exporter that runs."""

    process: RunningCommand
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
def exporter(config: Path, *arguments: str) -> Iterator[Exporter]:
    """An exporter on a free port, which must end as it should; `arguments` are further ones."""
    out, err = config.with_suffix(".out"), config.with_suffix(".err")
    with out.open("wb") as stdout, err.open("wb") as stderr:
        command = ("--config", str(config), "exporter", "--listen", "127.0.0.1:0", *arguments)
        process = start_cli(*command, stdout=stdout.fileno(), stderr=stderr.fileno())
    try:
        first = eventually(
            lambda: re.match(r"(https?://127\.0\.0\.1:\d+)\t\d+\t\n", out.read_text("utf-8")), "it listens"
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
        process.stdout.close()
        process.stderr.close()


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
