"""The checks of the fleet: quorum, regions, skew, plugins and imbalance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.models import Plugin
from revvlink_cli.client.snapshot import FleetSnapshot, NodeSnapshot
from revvlink_cli.health.catalogue import read_range
from revvlink_cli.health.findings import Finding, Skipped, Verdict
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.policy import Policy, Requirements
from revvlink_cli.health.ranges import Bounds, Unit, parse
from revvlink_cli.health.silences import Silence
from tests.health.judged_nodes import DOWN, INFO, NOW, PROXY, REFUSED, SILENT, STATS, snapshot, timed


def fleet(*nodes: NodeSnapshot) -> FleetSnapshot:
    """Nodes with names of their own."""
    named = tuple(replace(node, identifier=f"n{number}") for number, node in enumerate(nodes))
    costs = {node.identifier: node.timed_stats.penalty for node in named if node.timed_stats is not None}
    return FleetSnapshot(NOW, named, costs)


def of_fleet(snapshots: FleetSnapshot, **policy: Any) -> dict[str, Finding]:
    """The findings on the fleet, by check."""
    report = assess(snapshots, Policy(**policy), timeout=5.0)
    return {found.check: found for found in report.findings if found.node is None}


@pytest.mark.parametrize(
    ("errors", "quorum", "expected", "whole"),
    [
        ((None, None, None), 2, Verdict.OK, Verdict.OK),
        ((None, None, REFUSED), 2, Verdict.OK, Verdict.WARNING),
        ((None, REFUSED, REFUSED), 2, Verdict.CRITICAL, Verdict.CRITICAL),
        ((None, REFUSED, SILENT), 2, Verdict.CRITICAL, Verdict.CRITICAL),
        ((None, None, SILENT), 2, Verdict.OK, Verdict.WARNING),
        ((SILENT, SILENT, SILENT), 2, Verdict.CRITICAL, Verdict.CRITICAL),
        ((None, None, PROXY), 2, Verdict.OK, Verdict.WARNING),
        ((None, REFUSED, PROXY), 2, Verdict.UNKNOWN, Verdict.CRITICAL),
        ((PROXY, PROXY, PROXY), 2, Verdict.UNKNOWN, Verdict.UNKNOWN),
        ((None, None, REFUSED), "67%", Verdict.CRITICAL, Verdict.CRITICAL),
        ((None, None, REFUSED), "66%", Verdict.OK, Verdict.WARNING),
        ((REFUSED, REFUSED, REFUSED), 1, Verdict.CRITICAL, Verdict.CRITICAL),
    ],
)
def test_a_quorum(errors: tuple[Any, ...], quorum: int | str, expected: Verdict, whole: Verdict) -> None:
    """While enough nodes are healthy whatever fails is a WARNING; below it is CRITICAL.

    Only where this machine kept revvlink from looking at nodes that may be healthy, nobody can tell.
    """
    nodes = fleet(*(snapshot() if error is None else snapshot(**DOWN, error=error) for error in errors))

    assert of_fleet(nodes, min_healthy=quorum)["quorum"].verdict is expected
    assert assess(nodes, Policy(min_healthy=quorum), timeout=5.0).verdict is whole


ANY = Silence(id="a", is_for_all=True, reason="x", created_by="x", created_at=0.0, until=1000.0)


@pytest.mark.parametrize(
    ("policy", "silenced", "expected"),
    [
        ({"min_healthy": 3}, (2,), Verdict.OK),
        ({"min_healthy": "100%"}, (2,), Verdict.OK),
        ({"min_healthy": "60%"}, (1, 2), Verdict.OK),
        ({"min_healthy": 2}, (0,), Verdict.CRITICAL),  # another node is down, and only one is left
        ({"critical": "3:"}, (2,), Verdict.OK),
        ({"warning": "3:"}, (2,), Verdict.OK),
        ({"min_healthy": 2, "warning": "3:"}, (2,), Verdict.OK),
        ({"critical": "@0:2"}, (2,), Verdict.OK),
        ({"critical": "3:"}, (0,), Verdict.CRITICAL),
        ({"critical": "3:"}, (0, 1, 2), Verdict.OK),
        ({"critical": "@0:2"}, (0, 1, 2), Verdict.OK),
        ({"critical": "0:1"}, (2,), Verdict.CRITICAL),  # an upper limit stays
    ],
)
def test_maintenance_alone_never_misses_a_quorum(
    policy: dict[str, Any], silenced: tuple[int, ...], expected: Verdict
) -> None:
    """A share, a number and a threshold leave out silenced nodes that are down; other nodes that are down count.

    The last node is down, and of several silenced nodes all are.
    """
    down = {2, *(silenced if len(silenced) > 1 else ())}
    nodes = fleet(*(snapshot(**DOWN, error=REFUSED) if number in down else snapshot() for number in range(3)))
    if silenced == (0,):  # the silenced one is down, and one that is not
        nodes = fleet(snapshot(**DOWN, error=REFUSED), snapshot(), snapshot(**DOWN, error=REFUSED))
    limits = [parse(policy[name], Unit.COUNT) if name in policy else None for name in ("warning", "critical")]
    demands = Policy(min_healthy=policy.get("min_healthy"), common=Requirements(bounds={"quorum": Bounds(*limits)}))
    report = assess(nodes, demands, timeout=5.0, silenced={f"n{number}": ANY for number in silenced})

    found = {each.check: each for each in report.findings if each.node is None}
    assert found["quorum"].verdict is expected
    if expected is Verdict.OK:
        assert report.verdict is Verdict.OK
        assert found["quorum"].message.endswith(f"without {len(silenced)} silenced")


def test_nodes_that_were_not_proven_healthy() -> None:
    """A node that does not give a figure that is demanded is UNKNOWN, and no part of a quorum; with it a WARNING."""
    quiet = snapshot(timed_stats=timed(replace(STATS, uptime_ms=None)))
    common = Requirements(bounds={"uptime": Bounds(read_range("uptime", "1m:"), None)})

    assert assess(fleet(quiet), Policy(common=common), timeout=5.0).verdict is Verdict.UNKNOWN
    missed = Policy(common=common, min_healthy=2)
    assert assess(fleet(snapshot(), quiet), missed, timeout=5.0).verdict is Verdict.CRITICAL
    held = Policy(common=common, min_healthy=1)
    assert assess(fleet(snapshot(), quiet), held, timeout=5.0).verdict is Verdict.WARNING


@pytest.mark.parametrize(
    ("policy", "nodes", "expected"),
    [
        (Policy(min_healthy=4), 3, ("min_healthy", "4")),
        (Policy(min_healthy=3), 3, None),
        (Policy(min_healthy="100%"), 3, None),
        (Policy(common=Requirements(bounds={"quorum": Bounds(None, parse("4:", Unit.COUNT))})), 3, ("critical", "4:")),
        (Policy(common=Requirements(bounds={"quorum": Bounds(None, parse("4:", Unit.COUNT))})), 4, None),
        (Policy(common=Requirements(bounds={"quorum": Bounds(parse("4:", Unit.COUNT), None)})), 3, None),
    ],
)
def test_more_healthy_nodes_than_there_are(policy: Policy, nodes: int, expected: Any) -> None:
    """What no number of nodes could meet is known beforehand, with the key that demands it."""
    assert policy.out_of_reach(nodes) == expected


def test_only_the_quorum() -> None:
    """With only the quorum reported the nodes count all the same."""
    nodes = fleet(snapshot(), snapshot(**DOWN, error=REFUSED))

    report = assess(nodes, Policy(min_healthy=2, only=frozenset({"quorum"})), timeout=5.0)

    assert [(found.check, found.verdict) for found in report.findings] == [("quorum", Verdict.CRITICAL)]


def test_regions_without_a_healthy_node() -> None:
    """A region that no healthy node serves is worth a warning, and named."""
    down = snapshot(**DOWN, error=REFUSED)
    served = fleet(snapshot(region="us"), replace(down, region="US"), snapshot(region="eu"))
    unserved = fleet(snapshot(region="us"), replace(down, region="eu"))

    assert of_fleet(served)["regions"].verdict is Verdict.OK
    found = of_fleet(unserved)["regions"]
    assert found.verdict is Verdict.WARNING
    assert "eu" in found.message
    unknown = fleet(snapshot(region="us"), snapshot(**DOWN, error=SILENT, region="eu"))
    assert of_fleet(unknown)["regions"].verdict is Verdict.WARNING, "silence serves nobody"
    assert of_fleet(unknown)["regions"].figures[0].value == 1
    unseen = fleet(snapshot(region="us"), snapshot(**DOWN, error=PROXY, region="eu"))
    assert of_fleet(unseen)["regions"].verdict is Verdict.UNKNOWN


def test_nodes_without_regions() -> None:
    """That there is nothing to look at is said as it is."""
    skipped = [made for made in assess(fleet(snapshot(), snapshot()), Policy(), timeout=5.0).outcomes
               if isinstance(made, Skipped) and made.check == "regions"]  # fmt: skip

    assert [made.reason for made in skipped] == ["no node has a region"]


def test_versions_that_differ() -> None:
    """Two versions of one kind of server are skew; a Lavalink and a NodeLink are not."""
    older = snapshot(info=replace(INFO, version="4.0.8"))
    nodelink = snapshot(info=replace(INFO, version="3.7.0"), dialect=Dialect.NODELINK)

    assert of_fleet(fleet(snapshot(), older))["skew"].verdict is Verdict.WARNING
    assert of_fleet(fleet(snapshot(), nodelink))["skew"].verdict is Verdict.OK
    assert "skew" not in of_fleet(fleet(snapshot()))


def test_plugins_whose_versions_differ() -> None:
    """A plugin in two versions on one kind of server is a WARNING that names versions and nodes.

    A plugin that only some nodes have, and one that a Lavalink and a NodeLink have in two versions, do not count.
    """

    def having(*plugins: Plugin, dialect: Dialect = Dialect.LAVALINK) -> NodeSnapshot:
        return snapshot(info=replace(INFO, plugins=plugins), dialect=dialect)

    new, old = Plugin("youtube-plugin", "1.13.5"), Plugin("YouTube-Plugin", "1.11.0")
    other = Plugin("lavasrc-plugin", "4.8.1")

    skewed = of_fleet(fleet(having(new, other), having(old), having(new)))["plugins"]
    assert (skewed.verdict, skewed.code) == (Verdict.WARNING, "plugin_skew")
    assert skewed.message == "youtube-plugin 1.11.0 on n1, 1.13.5 on n0, n2"
    assert [figure.value for figure in skewed.figures] == [1]
    same = of_fleet(fleet(having(new, other), having(new), having(old, dialect=Dialect.NODELINK)))["plugins"]
    assert (same.verdict, [figure.value for figure in same.figures]) == (Verdict.OK, [0])
    assert "plugins" not in of_fleet(fleet(having(new)))
    assert "plugins" not in of_fleet(fleet(having(), having()))


def test_plugin_skew_of_a_large_fleet_is_short() -> None:
    """Of many nodes the first five are named, and the others counted."""
    nodes = [snapshot(info=replace(INFO, plugins=(Plugin("p", f"1.{n > 0:d}"),))) for n in range(200)]

    message = of_fleet(fleet(*nodes))["plugins"].message
    assert message == "p 1.0 on n0, 1.1 on n1, n2, n3, n4, n5 and 194 others"


def test_imbalance() -> None:
    """The busiest node is compared with the mean of its own region."""

    def playing(count: int, region: str) -> NodeSnapshot:
        return snapshot(region=region, timed_stats=timed(replace(STATS, playing=count)))

    nodes = fleet(playing(90, "us"), playing(10, "us"), playing(500, "eu"), playing(500, "eu"))
    common = Requirements(bounds={"imbalance": Bounds(parse("1.5", Unit.COUNT), None)})

    found = of_fleet(nodes, common=common)["imbalance"]
    assert found.verdict is Verdict.WARNING
    assert found.figures[0].value == pytest.approx(1.8)
