"""``route``: the decision of the pool, shown and not copied."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from revvlink_cli import InvalidNodeException
from revvlink_cli.commands.route import explained
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.client.routing.random_fleet import WISHES, Clock, RandomFleet
from tests.conftest import run_cli
from tests.example_counts import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Ran


def test_random_fleets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row that is chosen is always the node that ``get_node`` gives; where it gives none, none is chosen."""
    clock = Clock()
    monkeypatch.setattr("revvlink_cli.client.clock.monotonic", clock)
    for seed in range(examples(300, 10_000)):
        random_fleet = RandomFleet(random.Random(seed), clock)
        for _ in range(10):
            random_fleet.change()
            region = random_fleet.source.choice(WISHES)
            rows = explained(random_fleet.fleet.rank(region))
            try:
                expected = random_fleet.fleet.get_node(region=region).identifier
            except InvalidNodeException:
                expected = None
            assert [row.node for row in rows if row.verdict == "chosen"] == ([expected] if expected else [])


@pytest.fixture
def fleet() -> Iterator[Simulator]:
    """Nodes in three regions, one of which has two."""
    with Simulator(
        [
            NodeProfile(identifier="us-1", region="us", playing=9, players=9),
            NodeProfile(identifier="us-2", region="us", playing=2, players=2),
            NodeProfile(identifier="eu-1", region="eu"),
            NodeProfile(identifier="home-1", region="home"),
        ]
    ) as simulator:
        yield simulator


@pytest.fixture
def run(fleet: Simulator, write_config: Callable[..., Path]) -> Callable[..., Ran]:
    """Runs ``route`` on the fleet."""
    path = write_config(
        *(
            {"identifier": n.profile.identifier, "uri": n.uri, "password": n.password, "region": n.profile.region}
            for n in fleet
        )
    )

    def route(*arguments: str) -> Ran:
        return run_cli("--config", str(path), "route", *arguments, "-o", "json")

    return route


def test_the_node_that_would_serve(run: Callable[..., Ran]) -> None:
    """By endpoint, by region, and by neither."""
    assert run("us-east1.discord.gg:443").rows[0]["node"] == "us-2"
    assert run("c-fra01-0a1b2c3d.discord.media").rows[0]["node"] == "eu-1"
    assert run("--region", "home").rows[0]["node"] == "home-1"
    assert run("--region", "africa").rows[0]["node"] == "eu-1"
    (any_node,) = run().rows
    assert any_node["node"] in ("eu-1", "home-1")
    assert any_node["region"] is None


def test_explained(run: Callable[..., Ran]) -> None:
    """Every node stands where the pool puts it, with its terms and a reason."""
    rows = run("us-east1.discord.gg", "--explain").rows

    assert [row["node"] for row in rows] == ["us-2", "us-1", "eu-1", "home-1"]
    assert [row["match"] for row in rows] == ["asked", "asked", "nearest", "any"]
    assert rows[0]["verdict"] == "chosen"
    assert rows[1]["why"] == "higher penalty than us-2"
    assert rows[2]["why"] == "farther away than us-1"
    assert rows[1]["players"] == 13.5


def test_without_a_node(run: Callable[..., Ran], fleet: Simulator) -> None:
    """What is left out on request, or dead, is listed with its reason; the next one serves."""
    fleet["us-1"].kill()
    ran = run("--region", "us", "--explain", "--without", "us-2")

    assert ran.code == 0
    assert ran.rows[0]["node"] == "eu-1"
    reasons = {row["node"]: row["why"] for row in ran.rows if row["verdict"] == "excluded"}
    assert reasons["us-2"] == "left out on request"
    assert "nothing listens" in reasons["us-1"]


def test_nobody_is_left(run: Callable[..., Ran]) -> None:
    """No node at all is exit code 1, and said."""
    ran = run("--region", "us", *(argument for name in ("us-*", "eu-1", "home-1") for argument in ("--without", name)))

    assert ran.code == 1
    assert ran.rows == [{"endpoint": None, "region": "us", "node": None, "reason": "no node can serve"}]


@pytest.mark.parametrize(
    "arguments", [("us-east1.discord.gg", "--region", "us"), ("",), ("--region", ""), ("--without", "nobody")]
)
def test_wrong_command_lines(run: Callable[..., Ran], arguments: tuple[str, ...]) -> None:
    """They are usage errors."""
    assert run(*arguments).code == 2


def test_unknown_regions_are_shown(write_config: Callable[..., Path]) -> None:
    """`region` and `route` name an airport code that nobody knows; the label itself stays alone on standard output."""
    unknown, known = "c-xyz01-2e24eaf9.discord.media:2053", "c-lax07-2e24eaf9.discord.media:2053"
    alone = run_cli("region", unknown)
    assert (alone.code, alone.out) == (0, "global\n")
    assert f"unknown region xyz: please report {unknown}" in alone.err
    assert run_cli("region", known, "latency.discord.media").err == ""
    with Simulator([NodeProfile(identifier="n", password="pw")]) as running:
        path = str(write_config({"identifier": "n", "uri": running["n"].uri, "password": "pw"}))
        routed = run_cli("route", unknown, "--explain", "--config", path, "-o", "table")
        assert routed.code == 0
        assert "unknown region xyz" in routed.out + routed.err
        assert "unknown region xyz" in run_cli("region", unknown, "--route", "--config", path).err
        own = str(
            write_config({"identifier": "n", "uri": running["n"].uri, "password": "pw"}, regions={"mine": ["xyz"]})
        )
        assert run_cli("region", unknown, "--config", own).err == ""
