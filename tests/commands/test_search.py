"""``search --all-nodes`` and ``--sources``: the same query side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def config(write_config: Callable[..., Path]) -> Iterator[str]:
    """A node that has every source, and one without YouTube."""
    profiles = [
        NodeProfile(identifier="all", password="pw"),
        NodeProfile.nodelink(identifier="less", password="pw", sources=("http", "soundcloud")),
    ]
    with Simulator(profiles) as running:
        yield str(
            write_config(*({"identifier": n.profile.identifier, "uri": n.uri, "password": "pw"} for n in running))
        )


def test_all_nodes(config: str) -> None:
    """Each node has its row with its time; the one that lacks the source says so, and the exit code is 5."""
    ran = run_cli("search", "--config", config, "--all-nodes", "night", "garden", "-o", "json")
    rows = {row["node"]: row for row in ran.rows}
    assert ran.code == 5
    assert rows["all"]["state"] == "loaded"
    assert rows["all"]["message"] == "Night Garden"
    assert rows["all"]["took_ms"] > 0
    assert rows["less"]["state"] == "failed"
    assert rows["less"]["code"] == "source_missing"
    assert "--source" in rows["less"]["advice"]


def test_sources(config: str) -> None:
    """Each source has its row; a plain search of the cache is not disturbed by either."""
    ran = run_cli(
        "search", "--config", config, "--node", "all", "--sources", "ytsearch,scsearch,", "night", "-o", "json"
    )
    assert ran.code == 0
    assert [row["query"] for row in ran.rows] == ["ytsearch:night", "scsearch:night"]
    assert {row["state"] for row in ran.rows} == {"loaded"}


def test_nothing_found_anywhere(config: str) -> None:
    """No node that loads it is exit code 1."""
    ran = run_cli("search", "--config", config, "--node", "all", "--all-nodes", "no such words", "-o", "json")
    assert (ran.code, ran.rows[0]["state"]) == (1, "empty")


@pytest.mark.parametrize(
    "arguments", [("--sources", ","), ("--sources", "ytsearch", "--source", "x"), ("--sources", "ytsearch", "--raw")]
)
def test_wrong_sources(config: str, arguments: tuple[str, ...]) -> None:
    """No prefix, or options that contradict each other, are exit code 2."""
    assert run_cli("search", "--config", config, *arguments, "x").code == 2
