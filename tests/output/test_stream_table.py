"""Tables whose rows arrive one by one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.fake_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TIME = r"\d\d:\d\d:\d\d"


@pytest.fixture
def config(write_config: Callable[..., Path]) -> Iterator[Path]:
    """A node with a long name, and one that refuses every connection."""
    with Simulator([NodeProfile(identifier="us-east-12", password="pw")]) as running:
        yield write_config(
            {"identifier": "us-east-12", "uri": next(iter(running)).uri, "password": "pw"},
            {"identifier": "dead", "uri": "http://127.0.0.1:1", "password": "pw"},
        )


@pytest.mark.parametrize("columns", [80, 40])
def test_events_are_aligned_and_repeated_ones_folded(config: Path, columns: int) -> None:
    """A terminal shows a heading, local times, and one row for a failure that repeats, also where it is narrow."""
    terminal = Terminal(config, "events", columns=columns)
    terminal.until_line(r"x3\s+since\s+\d\d:\d\d")
    os.kill(terminal.pid, signal.SIGINT)
    assert terminal.end() == 130
    lines = terminal.lines()
    assert all(len(line) <= columns for line in lines)
    assert re.match(r"TIME {7}NODE {9}EVENT", lines[0])
    rows = [line for line in lines if re.match(TIME, line)]
    assert len(rows) == 2, lines
    assert all(line.index("node_") == lines[0].index("EVENT") for line in rows), "the first row moved with the others"
    assert "nothing listens on 127.0.0.1:1 (x3 since" in re.sub(r"\s+", " ", " ".join(lines))


def test_pipes_get_every_event(config: Path) -> None:
    """Plain output has each event on a line of its own, with ISO 8601 times that name their zone."""
    arguments = ["--config", str(config), "events", "dead", "-o", "plain"]
    with subprocess.Popen(
        [sys.executable, "-m", "revvlink_cli", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        _, talk = process.communicate(timeout=20)
    assert (process.returncode, talk) == (130, "")
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d\tdead\tnode_failed\t\S.*\n"
    assert all(re.fullmatch(form, line) for line in lines), json.dumps(lines)
