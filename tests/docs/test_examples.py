"""The examples in the help of every command, run as typed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
import tomli_w

from revvlink_cli.cli.json_schemas import leaves
from revvlink_cli.commands.shared.command import examples_of
from revvlink_cli.services.demo import DemoFleet
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Ran

EXAMPLES = {context.command_path: examples_of(context.command) for context in leaves()}
"""Command -> its examples."""

LINES = [line for examples in EXAMPLES.values() for line in examples]

ENDLESS = ("demo --keep", "events", "exporter", "connect us-1 --hold", "nodes status 'us-*' --watch", "top")
"""Examples that run until they are interrupted, without ``revvlink``."""

OTHER_CODES = {
    "revvlink doctor": {0, 1},  # what it says of the machine depends on the machine
}
"""Beginning of an example -> its exit codes, if they are not 0 alone."""

TRACK = (
    "QAAAUAMABkRlbW8gMwALRGVtbyBBdXRob3J//////////wAGZGVtby0zAQEAFmh0dHBzOi8vZGVtby5pbnZhbGlkLzMAAAAEZGVtbwAAAAAAAAAA"
)


EXAMPLE_LIST = '[{"identifier": "x", "host": "lava.example.com", "port": 443, "password": "pw", "secure": true}]'


@pytest.fixture(scope="module")
def fleet() -> Iterator[Path]:
    """The configuration of the fleet of `revvlink demo`, whose nodes are named as those of the documentation."""
    with DemoFleet(moves=False).running() as path:
        yield path


@pytest.fixture
def folder(fleet: Path, isolated: Path) -> Path:
    """The working directory, with the configuration of the fleet and the files that examples read."""
    path = isolated / "revvlink.toml"
    path.touch(mode=0o600)
    nodes = tomllib.loads(fleet.read_text(encoding="utf-8"))["nodes"]
    path.write_text(tomli_w.dumps({"nodes": nodes}), encoding="utf-8")
    (isolated / "pw.txt").write_text("password-of-eu-3\n", encoding="utf-8")
    (isolated / "queries.txt").write_text("night\n", encoding="utf-8")
    (isolated / "tracks.txt").write_text(f"{TRACK}\n", encoding="utf-8")
    (isolated / "revvlink").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m revvlink_cli "$@"\n')
    (isolated / "revvlink").chmod(0o755)
    return isolated


@pytest.mark.parametrize("command", EXAMPLES)
def test_every_command_has_examples(command: str) -> None:
    """A command has one to three examples, which begin with its name and fit into 80 columns."""
    assert 1 <= len(EXAMPLES[command]) <= 3
    for line in EXAMPLES[command]:
        assert line.startswith(command)
        assert len(line) <= 76


def test_help_shows_the_examples(cli: Callable[..., Ran]) -> None:
    """Examples stand after the options of the command and before the global ones."""
    out = cli("route", "--help").out

    assert out.index("--explain ") < out.index("Examples:\n  revvlink route ") < out.index("Global options:")


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are typed in a POSIX shell")
@pytest.mark.parametrize("line", LINES)
def test_example_runs(line: str, folder: Path) -> None:
    """A shell runs the example against a fleet, and the exit code is a documented one."""
    prepare(line, folder)
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "VISUAL": "true"}
    command = f"exec {line}" if is_endless(line) else line
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
    )
    assert process.stdout is not None
    with process:
        shown = ""
        if is_endless(line):
            if line.startswith("revvlink exporter"):
                assert "us-1" in scrape(process)
            else:
                shown = process.stdout.readline()
            process.send_signal(signal.SIGINT)
        shown += process.stdout.read()

    expected = next((codes for start, codes in OTHER_CODES.items() if line.startswith(start)), {0})
    assert process.returncode in ({0, 130} if is_endless(line) else expected), shown
    assert "Traceback" not in shown
    assert "Usage:" not in shown or line.startswith("revvlink help")


def scrape(process: subprocess.Popen[str]) -> str:
    """The metrics of the exporter, once it listens; "" if the process has ended."""
    while process.poll() is None:
        try:
            with urllib.request.urlopen("http://127.0.0.1:9530/metrics", timeout=10) as answer:
                return str(answer.read(), "utf-8")
        except urllib.error.URLError:
            time.sleep(0.05)
    return ""


def is_endless(line: str) -> bool:
    """Whether an example runs until it is interrupted."""
    name = line.removeprefix("revvlink ")
    return name in ENDLESS or (name.split()[0] in ENDLESS and "--from" not in name)


def prepare(line: str, folder: Path) -> None:
    """Write the files that an example reads and other examples write."""
    if line.startswith("revvlink cache") and "warm" not in line:
        assert run_cli("search", "night").code == 0
    if line.startswith("revvlink cache import"):
        (folder / "cache.jsonl").write_text(run_cli("cache", "export").out, encoding="utf-8")
    if line.startswith("revvlink context"):
        others = {"prod", "staging"} - ({line.split()[3]} if " add " in line else set())
        for name in others:
            assert run_cli("context", "add", name, "--from", "revvlink.toml").code == 0
        if " show" in line:
            assert run_cli("context", "use", "prod").code == 0
    if line.startswith("revvlink nodes import"):
        server = "server:\n  port: 2333\nlavalink:\n  server:\n    password: example-password\n"
        (folder / "application.yml").write_text(server, encoding="utf-8")
        (folder / "nodes.json").write_text(EXAMPLE_LIST, encoding="utf-8")
    if line.startswith(("revvlink report", "revvlink events --from")):
        assert run_cli("record", "night.jsonl", "--count", "1").code == 0
