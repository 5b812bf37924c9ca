"""The spinner that shows what a command waits for."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.conftest import run_cli
from tests.fake_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAITING = "1 of 2 nodes answered; waiting for mute"


@pytest.fixture
def config(write_config: Callable[..., Path]) -> Iterator[Path]:
    """A node that refuses connections, and one that accepts them and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield write_config(
            {"identifier": "mute", "uri": f"http://127.0.0.1:{server.getsockname()[1]}", "password": "pw"},
            {"identifier": "dead", "uri": "http://127.0.0.1:1", "password": "pw"},
            defaults={"retries": 0},
        )


def test_terminal_shows_what_is_awaited(config: Path) -> None:
    """After half a second a terminal names the nodes that have not answered; nothing of it is left in the end."""
    terminal = Terminal(config, "connect", "--timeout", "1.2")
    terminal.until_line(WAITING)
    assert terminal.end() == 3
    assert WAITING not in "\n".join(terminal.lines())
    assert terminal.lines()[0].startswith("NODE"), "the line of the spinner has been used again"


@pytest.mark.parametrize(
    ("option", "variable", "value"),
    [("--quiet", "CI", ""), ("--no-color", "CI", "true"), ("--no-color", "TERM", "dumb")],
)
def test_no_spinner_where_nobody_wants_it(config: Path, option: str, variable: str, value: str) -> None:
    """With --quiet, in CI and on a terminal that cannot erase a line there is none."""
    terminal = Terminal(config, "connect", "--timeout", "1", option, environment={variable: value})
    assert terminal.end() == 3
    assert "waiting for" not in terminal.seen


def test_no_spinner_in_pipes(config: Path) -> None:
    """A command whose output goes into a pipe writes nothing but results and errors."""
    ran = run_cli("--config", str(config), "connect", "--timeout", "1")
    assert "waiting for" not in ran.out + ran.err
    assert all(line.startswith("error: ") for line in ran.err.splitlines())
