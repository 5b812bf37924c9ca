"""Drills with the real pool in simulated time: outcomes, bottlenecks, and the same outcome for the same seed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.services.drill.drills import Question, hit_by, run_drill, usual_seeds
from tests.services.drill.copies import fleet, node

if TYPE_CHECKING:
    from revvlink_cli.services.drill.outcome import DrillOutcome

TWO = fleet(node("us-1", playing=20), node("us-2"), node("eu-1", "eu"))


def drilled(copy: Any, drill: str, *nodes: str, seeds: tuple[int, ...] = (1,), **more: Any) -> DrillOutcome:
    """The outcome of a drill."""
    return run_drill(copy, Question(drill, nodes, seeds, more.pop("voice", 0.25), **more))


def test_loss_of_a_node() -> None:
    """Its players move within their region once its port has refused connections for two seconds."""
    found = drilled(TWO, "node-loss", seeds=(1, 2))

    assert found.hit == ("us-1",)
    assert (found.players, found.moved, found.lost, found.out_of_region) == (20, 20, 0, 0)
    assert found.bottleneck == "process_gone"
    assert 2000 < (found.silence_median_ms or 0) < 4500
    states = {entry.node: entry for entry in found.nodes}
    assert states["us-2"].after.playing == 30
    assert states["us-1"].is_hit
    assert states["us-1"].after.penalty is None
    assert [run.seed for run in found.runs] == [1, 2]


def test_players_without_another_node_are_lost() -> None:
    """Where no node is left, every player is lost, and the report names that."""
    found = drilled(fleet(node("us-1", playing=3)), "node-loss")

    assert (found.lost, found.moved, found.silence_worst_ms) == (3, 0, None)
    assert found.bottleneck == "no_node"


def test_outage_of_a_region() -> None:
    """Nothing shows that its nodes are gone, so the players wait for the resume window and then leave the region."""
    found = drilled(TWO, "region-outage")

    assert found.hit == ("us-1", "us-2")
    assert (found.moved, found.out_of_region, found.lost) == (30, 30, 0)
    assert found.bottleneck == "resume_timeout"
    assert (found.silence_median_ms or 0) > 60_000


def test_change_of_the_resume_window_mends_a_silence() -> None:
    """With the window that a report proposes, the drill holds the limit that it broke."""
    found = drilled(TWO, "region-outage", most_silence=70.0)
    assert found.mend is not None
    window = int(found.mend.split()[3])

    mended = replace(TWO, nodes=tuple(replace(entry, resume_timeout=window) for entry in TWO.nodes))
    assert (drilled(mended, "region-outage").silence_worst_ms or 0) <= 70_000


def test_rolling_restart() -> None:
    """Every player moves at least once before its node stops, and is silent only while the new node connects."""
    found = drilled(TWO, "rolling-restart")

    assert (found.moved, found.lost) == (40, 0)
    assert (found.silence_median_ms, found.bottleneck) == (250, "voice")
    assert sorted(step.node for step in found.order) == ["eu-1", "us-1", "us-2"]


def test_lost_session() -> None:
    """A node that has forgotten its session gets its players again, or others do; none is lost."""
    found = drilled(TWO, "resume-lost")

    assert found.moved + found.restored == 20
    assert found.lost == 0
    assert 0 < (found.silence_worst_ms or 0) < 30_000


def test_budget_of_a_nodelink() -> None:
    """A NodeLink takes 24 requests in ten seconds: a hundred players need many of these windows."""
    copy = fleet(
        node("us-1", playing=100, load=0.3), node("us-2", dialect=Dialect.NODELINK, version="3.7.0", playing=0)
    )
    found = drilled(copy, "node-loss")

    assert (found.moved, found.bottleneck) == (100, "nodelink_requests")
    assert (found.silence_worst_ms or 0) > 20_000


def test_budget_of_a_lavalink() -> None:
    """A Lavalink takes eight players at once: the time for their voice connections is the bottleneck."""
    found = drilled(fleet(node("us-1", playing=100, load=0.3), node("us-2")), "node-loss", voice=1.0)

    assert found.bottleneck == "players_at_once"
    assert (found.silence_worst_ms or 0) > 12_000  # twelve rounds and a half of one second


def test_a_large_outage_is_rehearsed_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every player counts, and the silence is that of as many: groups take as long as their players."""
    copy = fleet(node("us-1", playing=400, cost=0.001), node("us-2", cost=0.001))
    one_by_one = drilled(copy, "node-loss")
    monkeypatch.setattr("revvlink_cli.services.drill.rehearsal.MOST_PLAYERS", 100)
    in_groups = drilled(copy, "node-loss")

    assert in_groups.moved == one_by_one.moved == 400
    assert (in_groups.silence_worst_ms or 0) == pytest.approx(one_by_one.silence_worst_ms or 0, rel=0.1)
    assert any("stands for 4" in text for text in in_groups.assumptions)


def test_same_seed_same_outcome() -> None:
    """Two runs with one seed are equal to the last digit."""
    assert drilled(TWO, "resume-lost", seeds=(7,)) == drilled(TWO, "resume-lost", seeds=(7,))


def test_overload_is_computed() -> None:
    """No run is made; the factor and the node that breaks are given, and what was assumed."""
    found = drilled(fleet(node("us-1", playing=100), node("us-2", playing=80)), "overload")

    assert found.overload_factor == pytest.approx(1.8, abs=0.1)
    assert (found.runs, found.verdict, found.bottleneck) == ((), "warning", "threshold")
    assert found.assumptions
    assert found.unobserved


def test_node_without_baseline_has_no_verdict() -> None:
    """Neither before nor after the drill, and the report names the node."""
    found = drilled(fleet(node("us-1"), node("us-2", load=None)), "node-loss", "us-1")

    after = {entry.node: entry.after for entry in found.nodes}
    assert (after["us-2"].verdict, after["us-2"].cpu_load_ratio) == (None, None)
    assert found.verdict is None
    assert any("us-2: no CPU baseline" in text for text in found.unobserved)


def test_what_a_drill_hits() -> None:
    """The fullest node or region, unless nodes are named; a region is that of the named nodes."""
    assert hit_by(TWO, "node-loss", ()) == ("us-1",)
    assert hit_by(TWO, "node-loss", ("eu-1",)) == ("eu-1",)
    assert hit_by(TWO, "region-outage", ("eu-1",)) == ("eu-1",)
    assert hit_by(TWO, "rolling-restart", ()) == ("us-1", "us-2", "eu-1")
    assert hit_by(TWO, "overload", ()) == ()
    assert len(usual_seeds(TWO)) > len(usual_seeds(fleet(*(node(f"n{number}") for number in range(300)))))
