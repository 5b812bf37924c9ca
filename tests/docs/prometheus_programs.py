"""Starts the programs of Prometheus on the shipped files, and a receiver of their messages."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tests.services.running_exporter import WAIT, ask, eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "prometheus.md"
FOLDER = DOCS / "prometheus"
RULES = FOLDER / "rules.yml"
CONFIGURATION = FOLDER / "prometheus.yml"
ALERTMANAGER = FOLDER / "alertmanager.yml"
BLACKBOX = FOLDER / "blackbox.yml"
DASHBOARD = FOLDER / "grafana-dashboard.json"
MANAGER = ("alertmanager", "prometheus-alertmanager")
OUTSIDE = ("blackbox_exporter", "prometheus-blackbox-exporter")
"""Names of programs, the second one Debian's."""


def in_time(is_so: Callable[[], T | None], what: str) -> T:
    """`eventually`, also on a machine that does much else: five programs and a fleet run."""
    return eventually(is_so, what, within=3 * WAIT)


@contextmanager
def webhook() -> Iterator[tuple[list[dict[str, Any]], str]]:
    """A receiver of messages; gives the messages and its address."""
    messages: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield messages, f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def post(url: str, data: object) -> None:
    """Send JSON, which must be accepted."""
    request = urllib.request.Request(url, json.dumps(data).encode(), {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=WAIT) as answer:
        assert answer.status == 200


@contextmanager
def serving(folder: Path, names: tuple[str, ...], *arguments: str) -> Iterator[str]:
    """A program that listens on a free port and logs where; gives its address."""
    folder.mkdir(exist_ok=True)
    log = folder / "log"
    with log.open("wb") as stderr:
        command = [tool(*names), *arguments, "--web.listen-address=127.0.0.1:0"]
        process = subprocess.Popen(command, cwd=folder, stdout=stderr, stderr=stderr)
    try:
        where = eventually(lambda: re.search(r'"?Listening on"?.*address=(\S+)', log.read_text("utf-8")), "it listens")
        yield where[1]
        assert "level=error" not in log.read_text("utf-8")
    finally:
        process.terminate()
        try:
            process.wait(WAIT)
        finally:
            process.kill()
            process.wait(WAIT)


@contextmanager
def alertmanager(folder: Path, receiver: str | None = None) -> Iterator[str]:
    """An Alertmanager with the example's configuration; gives its URL.

    Args:
        folder: Where its files are.
        receiver: The address for messages, which it then sends in a hurry; None for those of the example.
    """
    folder.mkdir()
    text = ALERTMANAGER.read_text("utf-8")
    if receiver is not None:
        text = text.replace("127.0.0.1:9999", receiver)
        text = text.replace("group_wait: 30s ", "group_wait: 1s ").replace("group_interval: 5m ", "group_interval: 1s ")
    (folder / ALERTMANAGER.name).write_text(text, encoding="utf-8")
    arguments = (f"--config.file={ALERTMANAGER.name}", "--storage.path=data", "--cluster.listen-address=")
    with serving(folder, MANAGER, *arguments) as address:
        yield f"http://{address}"


@contextmanager
def blackbox(folder: Path) -> Iterator[str]:
    """A blackbox_exporter with the example's module; gives its address."""
    with serving(folder, OUTSIDE, f"--config.file={BLACKBOX}") as address:
        yield address


def tool(*names: str) -> str:
    """The path of a program of Prometheus, by one of its names."""
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        if os.environ.get("REVVLINK_TEST_PROMETHEUS"):
            pytest.fail(f"{names[0]} is not installed, and REVVLINK_TEST_PROMETHEUS wants it")
        pytest.skip(f"{names[0]} is not installed")
    return path


@contextmanager
def prometheus(
    folder: Path, url: str, manager: str, outside: str, uris: Mapping[str, str]
) -> Iterator[Callable[..., Any]]:
    """A Prometheus with the example's configuration, in a hurry; gives what asks its API and returns the data.

    Args:
        folder: Where its files are.
        url: The exporter.
        manager: The Alertmanager.
        outside: The blackbox_exporter.
        uris: The nodes that it probes.
    """
    folder.mkdir()
    text = CONFIGURATION.read_text("utf-8").replace("# alerting:", "alerting:")
    text = re.sub(r"^#( +(?:alertmanagers|- static_configs|- targets))", r" \1", text, flags=re.MULTILINE)
    text += shown("scrape_configs:\n  - job_name: lavalink-outside").removeprefix("scrape_configs:\n")
    # Discovered targets, of which only the result of the probe is kept: the rules know one job of probes.
    text += "  - job_name: discovered\n    scrape_interval: 1m\n"
    text += shown("    http_sd_configs:") + shown("    relabel_configs:")
    text += "    metric_relabel_configs: [{source_labels: [__name__], regex: 'probe_.*', action: keep}]\n"
    text = text.replace(
        '["http://us-1.example.com:2333/version"]', json.dumps([f"{uri}/version" for uri in uris.values()])
    )
    for written, real in (("127.0.0.1:9870", url), ("127.0.0.1:9093", manager), ("127.0.0.1:9115", outside)):
        assert written in text
        text = text.replace(written, real.removeprefix("http://"))
    text = text.replace("_interval: 15s", "_interval: 1s")
    text = text.replace("scrape_interval: 1m", "scrape_interval: 3s\n    scrape_timeout: 3s")
    (folder / "prometheus.yml").write_text(text, encoding="utf-8")
    rules = RULES.read_text("utf-8").replace("    interval: 1m\n", "    interval: 1s\n")
    rules = rules.replace("        for: 2m\n", "        for: 1s\n")
    (folder / RULES.name).write_text(rules, encoding="utf-8")
    arguments = ("--config.file=prometheus.yml", "--storage.tsdb.path=data")
    with serving(folder, ("prometheus",), *arguments) as address:

        def asked(what: str, **parameters: str) -> Any:
            answer = ask(f"http://{address}/api/v1/{what}?{urllib.parse.urlencode(parameters)}")
            assert answer.status == 200, answer.text
            told = json.loads(answer.text)
            assert told["status"] == "success", told
            return told["data"]

        eventually(lambda: ask(f"http://{address}/-/ready").status == 200, "it is ready")
        yield asked


def shown(start: str) -> str:
    """The block of the page that begins like this."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (found,) = (block for block in blocks if block.startswith(start))
    return str(found)
