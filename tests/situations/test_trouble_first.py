"""Screens on which not all nodes fit: those that are broken are seen, or counted and named, and why is said in full."""

from __future__ import annotations

import os
import re
import signal
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.fake_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WATCH = ("--watch", "--interval", "0.5")
SCREENS = (
    ("nodes", "status", *WATCH),
    ("nodes", "status", *WATCH, "--sort", "node"),
    ("nodes", "status", *WATCH, "--sort", "latency"),
    ("nodes", "penalties", *WATCH),
    ("top", "--interval", "0.5"),
)
REASONS = ("nothing listens on 127.0.0.1:1", "refused the password", "does not speak TLS")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A server that all living nodes are."""
    with Simulator([NodeProfile(identifier="one", players=1, playing=1)]) as running:
        yield running


@pytest.fixture
def write_fleet(simulator: Simulator, write_config: Callable[..., Path]) -> Callable[[int, int], Path]:
    """Writes a fleet of which some are broken, for three reasons, the last of them in the configuration."""
    node = simulator["one"]

    def write(living: int, broken: int) -> Path:
        well = [{"identifier": f"us-{i}", "uri": node.uri, "password": node.password} for i in range(living)]
        bad = [{"identifier": f"eu-{i}", "uri": "http://127.0.0.1:1", "password": "x"} for i in range(broken)]
        if broken > 2:
            bad[-2] |= {"uri": node.uri, "password": "wrong"}
            bad[-1] |= {"uri": node.uri.replace("http:", "https:")}
        return write_config(*well, *bad)

    return write


def close(terminal: Terminal) -> None:
    """End what goes on."""
    os.kill(terminal.pid, signal.SIGINT)
    terminal.end()


def told(screen: list[str]) -> str:
    """The words on a screen, wherever its lines are broken and whatever stands beside them."""
    texts = [re.split(r" {3,}", line.strip())[-1] for line in screen]
    return " ".join(texts)


@pytest.mark.parametrize("arguments", SCREENS, ids=" ".join)
@pytest.mark.parametrize("size", [(24, 80), (24, 40), (40, 120), (30, 200), (10, 80)], ids=str)
def test_forty_of_two_hundred(
    write_fleet: Callable[[int, int], Path], arguments: tuple[str, ...], size: tuple[int, int]
) -> None:
    """The number of broken nodes and names of some stand on a line that is whole; each reason is told in full."""
    lines, columns = size
    terminal = Terminal(write_fleet(160, 40), *arguments, lines=lines, columns=columns)
    screen = terminal.until(r"(?m)^40 of 200 failed: eu-\d+, .*and \d+ more$")
    assert len(screen) <= lines
    assert max(map(len, screen)) <= columns
    assert sum("failed" in line and "eu-" in line for line in screen) >= 2
    if lines >= 24:
        assert any(re.search(r"us-\d+ +connected", line) for line in screen) or arguments[0] == "top"
        text = told(screen)
        for reason in REASONS if arguments[1] != "penalties" else REASONS[:1]:
            assert reason in text, screen
    close(terminal)


@pytest.mark.parametrize("arguments", SCREENS, ids=" ".join)
def test_a_few_are_on_top(write_fleet: Callable[[int, int], Path], arguments: tuple[str, ...]) -> None:
    """Where those that are broken fit, each has its row, and the rest of the screen is for the others."""
    terminal = Terminal(write_fleet(57, 3), *arguments, lines=34, columns=120)
    screen = terminal.until(r"us-\d+ +connected(.|\n)*\bq quit|and \d+ more nodes \(of 60: 3 failed, 57 connected\)")
    rows = [line for line in screen if re.search(r"(eu|us)-\d+ +(failed|connected)", line)]
    assert [re.search(r"(eu|us)-\d+ +(failed|connected)", line)[1] for line in rows[:4]] == ["eu", "eu", "eu", "us"]  # type: ignore[index]
    assert not any("of 60 failed" in line for line in screen)
    close(terminal)


def test_keys_reach_every_node(write_fleet: Callable[[int, int], Path]) -> None:
    """In `top` the selected node is always seen, trouble stays on top of it, and the filter leaves what it names."""
    terminal = Terminal(write_fleet(160, 40), "top", "--interval", "0.5", lines=24, columns=80)
    terminal.until("40 of 200 failed")
    terminal.press("s")
    terminal.until("by node")
    terminal.press("\x1b[F")
    screen = terminal.until(r"us-99 +connected")
    assert any("40 of 200 failed" in line for line in screen)
    assert any(re.match(r"eu-\d+ +failed", line) for line in screen)
    terminal.press("\x1b[H")
    terminal.until(r"eu-\d+ +failed(.|\n)*eu-\d+ +failed(.|\n)*eu-\d+ +failed")
    terminal.press("/failed\n")
    assert "40 nodes (40 failed)" in terminal.until("40 of 40 failed")[0]
    terminal.press("q")
    assert terminal.end() == 0
