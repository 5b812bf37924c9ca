"""Ranking: who comes first, who is left out, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.client.errors import Code, NodeException
from revvlink_cli.client.protocol.models import NodeStats
from revvlink_cli.client.routing.ranking import Match, rank
from revvlink_cli.client.snapshot import NodeSnapshot, NodeStatus, StatsOrigin, TimedStats

NOW = 1000.0


def node(
    name: str, region: str | None = None, *, playing: int | None = 0, load: float | None = 0.1, **more: Any
) -> NodeSnapshot:
    """A connected node; without statistics when `playing` is None, without a CPU baseline when `load` is None."""
    figures = NodeStats(playing, playing, 1, 1, 1, 1, 1, 1, load, load, None, load is not None)
    timed = None if playing is None else TimedStats(figures, StatsOrigin.WEBSOCKET, NOW, more.pop("expires", NOW + 60))
    return NodeSnapshot(
        identifier=name,
        uri=f"http://{name}",
        region=region,
        status=more.pop("status", NodeStatus.CONNECTED),
        timed_stats=timed,
        **more,
    )


def order(*nodes: NodeSnapshot, region: str | None = None, exclude: tuple[str, ...] = ()) -> list[str]:
    """Identifiers of the candidates, best first."""
    return [c.node.identifier for c in rank(nodes, NOW, region=region, exclude=exclude).candidates]


def test_lowest_penalty_first() -> None:
    """Without a region the order is that of the penalties."""
    assert order(node("a", playing=9), node("b", playing=3), node("c", playing=5)) == ["b", "c", "a"]


def test_equal_nodes_keep_the_order_of_the_configuration() -> None:
    """Ties are broken by the order in which the nodes were given."""
    assert order(node("b"), node("a"), node("c")) == ["b", "a", "c"]


def test_asked_region_before_a_better_node_elsewhere() -> None:
    """A node of the region comes first however loaded it is; then the nearest regions, then the rest."""
    nodes = (node("none"), node("asia", "asia"), node("us", "us"), node("eu", "EU", playing=900))

    assert order(*nodes, region="eu") == ["eu", "us", "asia", "none"]


def test_nearest_region_when_there_is_none() -> None:
    """Without a node in the region the nearest region that has one serves, and the explanation says so."""
    ranking = rank((node("a", "asia"), node("u", "us")), NOW, region="southamerica")

    assert ranking.candidates[0].node.identifier == "u"
    assert ranking.candidates[0].match is Match.NEAREST
    assert "us is nearest" in ranking.explain()


def test_a_label_of_the_users_own_falls_back_to_any() -> None:
    """A label that is not built in has no neighbours: its own nodes, else any."""
    assert order(node("x", playing=5), node("y"), region="moon") == ["y", "x"]
    assert order(node("x", "moon", playing=5), node("y"), region="moon") == ["x", "y"]


def test_unknown_statistics_come_after_known_ones() -> None:
    """A node whose statistics are missing or too old is not taken for an idle one."""
    assert order(node("new", playing=None), node("old", expires=NOW - 1), node("busy", playing=50)) == [
        "busy",
        "new",
        "old",
    ]


def test_cpu_without_baseline_counts_as_the_median() -> None:
    """A node that has not measured its CPU is neither first for it nor last."""
    nodes = (node("idle", load=0.05), node("fresh", load=None), node("hot", load=0.9), node("warm", load=0.3))

    assert order(*nodes) == ["idle", "fresh", "warm", "hot"]


def test_nodes_that_are_down_are_excluded_with_the_reason() -> None:
    """What is not connected is not a candidate, and stands under excluded with why."""
    down = NodeException("nothing listens on x", code=Code.REFUSED)
    nodes = (node("a", status=NodeStatus.DISCONNECTED, error=down), node("b"), node("c"))

    ranking = rank(nodes, NOW, exclude={"c"})

    assert [c.node.identifier for c in ranking.candidates] == ["b"]
    assert [(e.node.identifier, e.reason) for e in ranking.excluded] == [
        ("a", "disconnected: nothing listens on x"),
        ("c", "left out on request"),
    ]


def test_expiry_is_that_of_the_oldest_statistics() -> None:
    """The ranking says until when it holds."""
    assert rank((node("a", expires=NOW + 5), node("b", expires=NOW + 9)), NOW).expires == NOW + 5


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, "us", "eu", "asia", "moon"]),
            st.one_of(st.none(), st.integers(0, 500)),
            st.one_of(st.none(), st.floats(0, 1)),
            st.sampled_from(NodeStatus),
        )
    ),
    st.sampled_from([None, "us", "africa", "moon", "global"]),
)
def test_every_node_is_in_exactly_one_place(fleet: list[Any], region: str | None) -> None:
    """Each node is a candidate or excluded, once; nearer before farther, known before unknown, cheap before dear."""
    nodes = [node(f"n{i}", r, playing=p, load=load, status=s) for i, (r, p, load, s) in enumerate(fleet)]

    ranking = rank(nodes, NOW, region=region)

    names = [c.node.identifier for c in ranking.candidates] + [e.node.identifier for e in ranking.excluded]
    assert sorted(names) == sorted(n.identifier for n in nodes)
    for before, after in zip(ranking.candidates, ranking.candidates[1:], strict=False):
        assert before.match <= after.match
        if before.match is after.match is not Match.NEAREST:
            assert before.penalty is not None or after.penalty is None
            if before.penalty is not None and after.penalty is not None:
                assert before.penalty.total <= after.penalty.total


def test_conditions() -> None:
    """What keeps a connected node from being given players is told by name, in the ranking and in the status table."""
    from revvlink_cli.commands.nodes.status_rows import status_row

    plain = NodeSnapshot(identifier="n", uri="http://127.0.0.1:1", region=None, status=NodeStatus.CONNECTED)
    cordoned, tripped = replace(plain, is_cordoned=True), replace(plain, tripped_until=112.0)
    lost = replace(cordoned, status=NodeStatus.DISCONNECTED)

    assert [node.condition(100.0) for node in (plain, cordoned, tripped, lost)] == [
        "connected", "cordoned", "tripped", "disconnected",
    ]  # fmt: skip
    assert tripped.condition(112.0) == "connected"
    rows = [status_row(node, None, 100.0, None) for node in (plain, cordoned, tripped)]
    assert [(row.state, row.reason) for row in rows] == [
        ("connected", None), ("cordoned", None), ("tripped", "retry in 12 s"),
    ]  # fmt: skip
    assert [left.reason for left in rank([cordoned, tripped], 100.0).excluded] == ["cordoned", "tripped, retry in 12 s"]
