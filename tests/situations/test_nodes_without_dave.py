"""Nodes that cannot speak Discord's voice encryption stand out wherever nodes are shown."""

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
    """A node of Lavalink 4.1.1, one of 4.2.2 and a development build that names no commit."""
    profiles = [
        NodeProfile(identifier="old", password="pw", version="4.1.1"),
        NodeProfile(identifier="new", password="pw"),
        NodeProfile(identifier="built", password="pw", version="a1b2c3d-SNAPSHOT"),
    ]
    with Simulator(profiles) as running:
        yield str(
            write_config(*({"identifier": n.profile.identifier, "uri": n.uri, "password": "pw"} for n in running))
        )


def test_status(config: str) -> None:
    """`nodes status` gives the reason beside a node that is connected and cannot be heard."""
    ran = run_cli("nodes", "status", "--config", config, "-o", "json")
    rows = {row["node"]: row for row in ran.rows}
    assert ran.code == 0
    assert {name: row["speaks_dave"] for name, row in rows.items()} == {"old": False, "new": True, "built": True}
    assert rows["old"]["reason"] == "voice_dave_required"
    assert "4.1.1 cannot speak DAVE" in rows["old"]["message"]
    assert rows["new"]["reason"] is None
    table = run_cli("nodes", "status", "--config", config, "-o", "table").out
    assert "users hear nothing" in " ".join(table.split())


def test_info(config: str) -> None:
    """`nodes info` says whether the node can be heard, and why."""
    record = run_cli("nodes", "info", "old", "--config", config, "-o", "json").rows
    assert record["speaks_dave"] is False
    assert "cannot speak DAVE" in record["voice"]
    assert "speaks DAVE" in run_cli("nodes", "info", "new", "--config", config, "-o", "table").out


def test_route(config: str) -> None:
    """`route --explain` shows it for each node; `route` warns when it gives such a node."""
    rows = {row["node"]: row for row in run_cli("route", "--config", config, "--explain", "-o", "json").rows}
    assert rows["old"]["speaks_dave"] is False
    assert "cannot speak DAVE" in rows["old"]["why"]
    assert "DAVE" not in rows["new"]["why"]
    ran = run_cli("route", "--config", config, "--without", "new", "--without", "built")
    assert ran.code == 0
    assert "cannot speak DAVE" in ran.err


def test_doctor(config: str) -> None:
    """`doctor` finds the node, and says what to do."""
    ran = run_cli("doctor", "--config", config, "--only", "nodes", "-o", "json")
    found = next(row for row in ran.rows if row["subject"] == "old")
    assert ran.code == 1
    assert found["state"] == "failed"
    assert "cannot speak DAVE" in found["message"]
    assert "4.2" in found["fix"]
