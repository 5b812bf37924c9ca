"""``revvlink demo``."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.services.demo import TAGS
from tests.conftest import run_cli
from tests.run_in_process import run_in_process

if TYPE_CHECKING:
    from signal import Signals


def test_tour_shows_a_failure_and_ends_with_the_next_command() -> None:
    """The bot's players move to another node when theirs is killed, the node comes back, and the tour ends with 0."""
    ran = run_cli("demo")
    lines = [line for line in ran.err.splitlines() if line]

    assert ran.code == 0
    assert lines[-1] == "Next: revvlink init"
    assert [line for line in lines if line.startswith("$ ")] == [
        "$ revvlink nodes status",
        "$ revvlink region us-east1.discord.gg:443 c-gru03-1a2b3c4d.discord.media:8443 japan7.discord.media --route",
        "$ revvlink search night",
        "$ revvlink nodes status",
        "$ revvlink players list --session 8q2xk1 --node us-1",
        "$ revvlink check us-2",
    ]
    rows = [line.split("\t") for line in ran.out.splitlines()]
    assert [row[1] for row in rows if row[0] == "us-2"] == ["connected", "failed"]
    guilds = [row[0] for row in rows if row[0].isdecimal()]
    assert len(guilds) == 3  # two of them were on us-2
    assert rows[-1][0].startswith("OK: ")


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 0)])
def test_kept_fleet_serves_other_commands_until_it_is_ended(number: Signals, code: int, isolated: Path) -> None:
    """Once the ready file is there every node is up; a signal ends the fleet, and both files are gone."""
    ready = isolated / "ready"
    command = [sys.executable, "-W", "error", "-m", "revvlink_cli", "demo", "--keep", "--ready-file", str(ready)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        path = Path(ready.read_text(encoding="utf-8").rstrip("\n"))
        text = path.read_text(encoding="utf-8")
        mode = stat.S_IMODE(path.stat().st_mode)
        rows = run_in_process(["nodes", "status", "-o", "json"], REVVLINK_CONFIG=str(path)).rows
        process.send_signal(number)
        out, err = first + process.stdout.read(), process.stderr.read()

    assert mode == 0o600
    assert {row["node"]: row["state"] for row in rows} == dict.fromkeys(TAGS, "connected")
    assert process.returncode == code
    assert not path.parent.exists()
    assert not ready.exists()
    assert "\tready\t5 nodes, 6 players of a bot" in first
    assert f"\n  export REVVLINK_CONFIG={path}\n" in err
    assert f"\n  $env:REVVLINK_CONFIG = '{path}'\n" in err
    password = tomllib.loads(text)["nodes"][0]["password"]
    assert password not in out + err


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_tour_that_is_terminated_leaves_nothing(isolated: Path) -> None:
    """SIGTERM between two commands of the tour ends it at once, and the configuration is gone."""
    environment = {**os.environ, "TMPDIR": str(isolated)}
    command = [sys.executable, "-m", "revvlink_cli", "demo"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("Now us-2 is killed"):
                break
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()

    assert process.returncode == 143
    assert rest == "error: ended by SIGTERM\n"
    assert not list(isolated.glob("revvlink-demo-*"))


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
def test_page_of_the_demo_leaves_nothing(isolated: Path) -> None:
    """The history of the status page of a simulated fleet is gone with the fleet."""
    home = isolated / "home"
    home.mkdir()
    environment = {**os.environ, "TMPDIR": str(home), "XDG_STATE_HOME": str(home), "HOME": str(home)}
    command = [sys.executable, "-m", "revvlink_cli", "demo", "--", "exporter", "--page", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
    assert [path for path in home.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("demo --ready-file ready", "it needs --keep"),
        ("demo --keep -- nodes status", "--keep runs no command (type the command in another terminal)"),
        ("demo --keep -o json", "use --output jsonl"),
        ("demo --keep --ready-file /nowhere/ready", "--ready-file /nowhere/ready: cannot be written: No such file"),
    ],
)
def test_options_that_do_not_fit(line: str, message: str) -> None:
    """One line says what to do instead."""
    ran = run_in_process(line.split())

    assert ran.code in (1, 2)
    assert message in ran.err + ran.out


def test_steady_fleet_has_the_figures_of_its_start() -> None:
    """With --steady two fleets have the same figures; each node has the players of others and those of the bot."""
    line = ["demo", "--steady", "--", "nodes", "status", "--output", "json"]
    figures = [{row["node"]: row["players"] for row in run_in_process(line).rows} for _ in range(2)]

    assert figures[0] == figures[1] == {"us-1": 65, "us-2": 33, "eu-1": 121, "eu-2": 19, "asia-1": 10}
