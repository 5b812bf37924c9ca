"""Checks that run only where they are asked for: the verdict from a node's answers alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revvlink_cli.client.errors import Code, LavalinkException, NodeException
from revvlink_cli.client.protocol.plugin_answers import RoutePlanner
from revvlink_cli.health.catalogue import read_range
from revvlink_cli.health.checks.context import OnDemand
from revvlink_cli.health.findings import Finding, Skipped, Verdict
from revvlink_cli.health.policy import Policy, Requirements
from revvlink_cli.health.ranges import Bounds
from tests.health.judged_nodes import INFO, one, outcomes, snapshot

ASKED = OnDemand(frozenset({"routeplanner", "youtube"}))


def planner(failing: int, size: Any = "256") -> RoutePlanner:
    """A route planner with this many failing addresses in a block of this size."""
    listed = [{"failingAddress": f"/1.0.0.{number}", "failingTimestamp": 0} for number in range(failing)]
    return RoutePlanner("RotatingIpRoutePlanner", {"ipBlock": {"size": size}, "failingAddresses": listed})


def routeplanner(answer: Any, warning: str | None = None) -> Any:
    """The outcome of the check for an answer."""
    bounds = {"routeplanner": Bounds(read_range("routeplanner", warning), None)} if warning is not None else {}
    return one(outcomes(snapshot(), on_demand=ASKED._replace(route_planner=answer), bounds=bounds), "routeplanner")


@pytest.mark.parametrize(
    ("answer", "warning", "expected", "words"),
    [
        (planner(3), None, Verdict.OK, "3 failing addresses of 256 (1.2%)"),
        (planner(1), "1", Verdict.OK, "1 failing address of 256"),
        (planner(3), "2", Verdict.WARNING, "(threshold 2)"),
        (planner(3), "1%", Verdict.WARNING, "(threshold 1%)"),
        (planner(3, str(2**64)), "2", Verdict.WARNING, "3 failing addresses (threshold 2)"),
        (planner(3, str(2**64)), "1%", Verdict.UNKNOWN, "too large for a share"),
        (planner(3, None), "1%", Verdict.UNKNOWN, "of unknown size"),
        (planner(3, "9" * 5000), "1%", Verdict.UNKNOWN, "of unknown size"),
        (planner(0, "0"), None, Verdict.OK, "0 failing addresses"),
        (RoutePlanner("X", {}), None, Verdict.OK, "X does not list its failing addresses"),
        (RoutePlanner("X", {}), "1", Verdict.UNKNOWN, "X does not list its failing addresses"),
        (None, None, Verdict.UNKNOWN, "no answer within 5 s"),
        (NodeException("it broke off", code=Code.RESET), None, Verdict.UNKNOWN, "it broke off"),
    ],
)
def test_route_planners(answer: Any, warning: str | None, expected: Verdict, words: str) -> None:
    """Thresholds judge the number, or with % the share of a block that is small enough for one."""
    found = routeplanner(answer, warning)

    assert isinstance(found, Finding)
    assert (found.verdict, words in found.message) == (expected, True), found.message


def test_route_planner_before_its_first_use() -> None:
    """A RotateOnBan planner that was not used yet answers 500: no address failed, so nothing is wrong."""
    reason = 'java.lang.NullPointerException: ... "com.sedmelluq.lava.extensions.youtuberotator.planner.Rotating'
    unused = LavalinkException(status=500, error="Internal Server Error", reason=reason, path="/x", node="n")

    assert routeplanner(unused, "1").verdict is Verdict.OK
    other = LavalinkException(status=500, error="Internal Server Error", reason="out of memory", path="/x", node="n")
    assert routeplanner(other, "1").verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("has_token", "demands", "expected"),
    [
        (True, {"youtube_oauth": True}, Verdict.OK),
        (False, {}, Verdict.WARNING),
        (False, {"youtube_oauth": True}, Verdict.CRITICAL),
        (None, {"youtube_oauth": True}, Verdict.UNKNOWN),
        (NodeException("answers /youtube with 404", code=Code.SERVER_ERROR), {}, Verdict.UNKNOWN),
    ],
)
def test_youtube_tokens(has_token: Any, demands: dict[str, Any], expected: Verdict) -> None:
    """A missing token is a WARNING, and CRITICAL where one is required; no answer is UNKNOWN."""
    found = one(outcomes(snapshot(), on_demand=ASKED._replace(has_youtube_token=has_token), **demands), "youtube")

    assert isinstance(found, Finding)
    assert found.verdict is expected


def test_nodes_that_the_checks_do_not_apply_to() -> None:
    """Without the plugin, or a planner, the checks are skipped; without a question they are skipped too."""
    bare = snapshot(info=replace(INFO, plugins=()))
    found = outcomes(bare, on_demand=ASKED._replace(route_planner=RoutePlanner(None, {})), youtube_oauth=True)

    reasons = {outcome.check: outcome.reason for outcome in found if isinstance(outcome, Skipped)}
    assert reasons["routeplanner"] == "the node has no route planner"
    assert reasons["youtube"] == "the node has no YouTube plugin"
    assert "not asked for" in one(outcomes(snapshot()), "youtube").reason  # type: ignore[union-attr]


def test_what_asks_for_a_check() -> None:
    """A threshold, a requirement or --only asks; --skip, and --only with other checks, prevent it.

    A check of the fleet needs all that decides the health of nodes.
    """
    judged = Requirements(bounds={"routeplanner": Bounds(read_range("routeplanner", "5"), None)})
    required = Requirements(youtube_oauth=True)

    assert Policy().on_demand("n") == frozenset()
    assert Policy(common=judged).on_demand("n") == {"routeplanner"}
    assert Policy(common=required).on_demand("n") == {"youtube"}
    assert Policy(only=frozenset({"youtube"})).on_demand("n") == {"youtube"}
    assert Policy(common=judged, only=frozenset({"cpu"})).on_demand("n") == frozenset()
    assert Policy(common=judged, only=frozenset({"quorum"})).on_demand("n") == {"routeplanner"}
    assert Policy(common=replace(judged, skip=frozenset({"routeplanner"}))).on_demand("n") == frozenset()
    assert Policy(common=judged, nodes={"n": Requirements()}).on_demand("n") == frozenset()
