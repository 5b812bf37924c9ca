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
from tests.run_in_process import run_forked, run_in_process

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
    "revvlink alert test": {2},  # the fleet has no channel
    "revvlink doctor": {0, 1},  # what it says of the machine depends on the machine
}
"""Beginning of an example -> its exit codes, if they are not 0 alone."""

TRACK = (
    "QAAAUAMABkRlbW8gMwALRGVtbyBBdXRob3J//////////wAGZGVtby0zAQEAFmh0dHBzOi8vZGVtby5pbnZhbGlkLzMAAAAEZGVtbwAAAAAAAAAA"
)

NEEDS_OTHERS = (
    "revvlink cache",
    "revvlink context",
    "revvlink events --from",
    "revvlink nodes import",
    "revvlink players destroy",
    "revvlink report",
    "revvlink silence",
)
"""Beginnings of examples that read what other commands have written, or destroy what they read."""

EXAMPLE_LIST = '[{"identifier": "x", "host": "lava.example.com", "port": 443, "password": "pw", "secure": true}]'


def is_endless(line: str) -> bool:
    """Whether an example runs until it is interrupted."""
    name = line.removeprefix("revvlink ")
    return name in ENDLESS or (name.split()[0] in ENDLESS and "--from" not in name)


def is_plain(line: str) -> bool:
    """Whether an example needs neither a shell nor what other commands have written, and ends by itself."""
    return not (is_endless(line) or "<" in line or ">" in line or line.startswith(NEEDS_OTHERS))


@pytest.fixture(scope="module")
def fleet() -> Iterator[Path]:
    """The configuration of the fleet of `revvlink demo`, whose nodes are named as those of the documentation."""
    with DemoFleet(moves=False).running() as path:
        yield path


def fill(folder: Path, fleet: Path) -> Path:
    """Write the configuration of the fleet into a folder, and the files that examples read."""
    folder.mkdir(exist_ok=True)
    path = folder / "revvlink.toml"
    path.touch(mode=0o600)
    nodes = tomllib.loads(fleet.read_text(encoding="utf-8"))["nodes"]
    path.write_text(tomli_w.dumps({"nodes": nodes}), encoding="utf-8")
    (folder / "pw.txt").write_text("password-of-eu-3\n", encoding="utf-8")
    (folder / "queries.txt").write_text("night\n", encoding="utf-8")
    (folder / "tracks.txt").write_text(f"{TRACK}\n", encoding="utf-8")
    return folder


@pytest.fixture
def folder(fleet: Path, isolated: Path) -> Path:
    """The working directory, with a program ``revvlink``."""
    (isolated / "revvlink").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m revvlink_cli "$@"\n')
    (isolated / "revvlink").chmod(0o755)
    return fill(isolated, fleet)


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


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_plain_examples_run(fleet: Path, tmp_path: Path) -> None:
    """The examples run together against a fleet, without a start-up each; every exit code is a documented one."""
    lines = [line for line in LINES if is_plain(line)]
    homes = [fill(tmp_path / str(number), fleet) for number in range(len(lines))]
    jobs = [{"arguments": shlex.split(line)[1:], "home": str(home)} for line, home in zip(lines, homes, strict=True)]

    for line, (code, shown) in zip(lines, run_forked(jobs, VISUAL="true", COLUMNS="200"), strict=True):
        check(line, code, shown, {0})


@pytest.mark.skipif(sys.platform == "win32", reason="the examples are typed in a POSIX shell")
@pytest.mark.parametrize("line", [line for line in LINES if not is_plain(line)])
def test_example_runs_in_a_shell(line: str, folder: Path) -> None:
    """A shell runs the example against a fleet, after the commands whose files it reads."""
    prepare(line, folder)
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
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

    check(line, process.returncode, shown, {0, 130} if is_endless(line) else {0})


def check(line: str, code: int, shown: str, usual: set[int]) -> None:
    """Check the outcome of an example."""
    assert code in next((codes for start, codes in OTHER_CODES.items() if line.startswith(start)), usual), (line, shown)
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


def prepare(line: str, folder: Path) -> None:
    """Write the files that an example reads and other examples write."""
    if line.startswith("revvlink cache") and "warm" not in line:
        assert run_in_process(["search", "night"]).code == 0
    if line.startswith("revvlink cache import"):
        (folder / "cache.jsonl").write_text(run_in_process(["cache", "export"]).out, encoding="utf-8")
    if line.startswith("revvlink context"):
        others = {"prod", "staging"} - ({line.split()[3]} if " add " in line else set())
        for name in others:
            assert run_in_process(["context", "add", name, "--from", "revvlink.toml"]).code == 0
        if " show" in line:
            assert run_in_process(["context", "use", "prod"]).code == 0
    if line.startswith("revvlink silence remove"):
        assert run_in_process(["silence", "add", "us-1", "--for", "1h", "--reason", "x"]).code == 0
    if line.startswith("revvlink nodes import"):
        server = "server:\n  port: 2333\nlavalink:\n  server:\n    password: example-password\n"
        (folder / "application.yml").write_text(server, encoding="utf-8")
        (folder / "nodes.json").write_text(EXAMPLE_LIST, encoding="utf-8")
    if line.startswith(("revvlink report", "revvlink events --from")):
        assert run_in_process(["record", "night.jsonl", "--count", "1"]).code == 0
