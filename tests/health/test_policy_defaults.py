"""The default thresholds: what a check sees without a word in the configuration, and how they are replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.models import Frames
from revvlink_cli.client.snapshot import FleetSnapshot
from revvlink_cli.config.requirements import requirements_of
from revvlink_cli.health.catalogue import CHECKS, read_range
from revvlink_cli.health.checks.context import Load
from revvlink_cli.health.findings import Finding, Skipped, Verdict
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.policy import Policy, Requirements
from revvlink_cli.health.ranges import NO_BOUNDS
from tests.health.judged_nodes import INFO, NOW, STATS, one, outcomes, snapshot, timed, verdict


def loaded(now: float, before: float | None = None) -> dict[str, Any]:
    """A node with this load of its machine, now and in the sample before."""
    earlier = timed(replace(STATS, system_load=before)) if before is not None else None
    return {"timed_stats": timed(replace(STATS, system_load=now)), "earlier_stats": earlier}


@pytest.mark.parametrize(
    ("node", "check", "expected"),
    [
        (loaded(1.0), "cpu", Verdict.WARNING),
        (loaded(0.91, 0.92), "cpu", Verdict.WARNING),
        (loaded(0.91, 0.4), "cpu", Verdict.OK),
        (loaded(0.4, 0.95), "cpu", Verdict.OK),
        (loaded(0.9), "cpu", Verdict.OK),
        ({"timed_stats": timed(replace(STATS, memory_used=191))}, "memory", Verdict.WARNING),
        ({"timed_stats": timed(replace(STATS, memory_used=190))}, "memory", Verdict.OK),
        ({"rest_latency_s": 0.99}, "rest", Verdict.OK),
        ({"rest_latency_s": 1.2}, "rest", Verdict.WARNING),
        ({"rest_latency_s": 4.9}, "rest", Verdict.CRITICAL),
        ({"info": replace(INFO, sources=())}, "info", Verdict.CRITICAL),
        ({"info": replace(INFO, sources=None)}, "info", Verdict.OK),
        (
            {"dialect": Dialect.NODELINK, "timed_stats": timed(replace(STATS, frames=Frames(2600, 100, 300)))},
            "frames",
            Verdict.WARNING,
        ),
    ],
)
def test_what_is_seen_without_configuration(node: dict[str, Any], check: str, expected: Verdict) -> None:
    """The default threshold makes the verdict; without the defaults the same figure is shown and is fine."""
    found = one(outcomes(snapshot(**node)), check)
    assert isinstance(found, Finding)
    assert found.verdict is expected
    assert bool(found.hint) == (expected is not Verdict.OK and check not in ("cpu", "memory"))

    bare = one(outcomes(snapshot(**node), has_defaults=False), check)
    assert isinstance(bare, Finding)
    assert bare.verdict is Verdict.OK
    assert [figure.value for figure in bare.figures] == [figure.value for figure in found.figures]
    assert all(figure.bounds == NO_BOUNDS for figure in bare.figures)


def test_the_words_say_how_many_samples_there_were() -> None:
    """A load above the threshold says whether it is that of one sample or of two; the figure is the last one."""
    messages = [
        one(outcomes(snapshot(**node)), "cpu") for node in (loaded(0.97), loaded(0.97, 0.95), loaded(0.97, 0.2))
    ]

    assert [message.message for message in messages if isinstance(message, Finding)] == [
        "load 97% on 2 cores in the only sample (threshold 90%)",
        "load 97% on 2 cores, 95% in the sample before (threshold 90%)",
        "load 97% on 2 cores, 20% in the sample before",
    ]
    assert {finding.figures[0].value for finding in messages if isinstance(finding, Finding)} == {0.97}


def test_a_node_without_a_source_says_so() -> None:
    """Its finding names the reason in words, not as a range."""
    found = one(outcomes(snapshot(info=replace(INFO, sources=()))), "info")

    assert isinstance(found, Finding)
    assert (found.message, found.code) == ("it has no source, so it loads no track", "no_sources")


def test_frames_that_nobody_can_see() -> None:
    """Lavalink hides its frames from outside, and a NodeLink needs two samples for a rate: both say so."""
    hidden, too_early = (one(outcomes(snapshot(dialect=dialect)), "frames") for dialect in Dialect)

    assert isinstance(hidden, Skipped)
    assert "cannot be seen from outside" in hidden.reason
    assert isinstance(too_early, Skipped)
    assert "two samples" in too_early.reason


@pytest.mark.parametrize(
    ("layers", "warning", "critical"),
    [
        ([{}], "1s", "3s"),
        ([{"warning": {"rest": read_range("rest", "2s")}}], "2s", "3s"),
        ([{"warning": {"rest": read_range("rest", "5s")}}], "5s", None),  # above the default, which contradicts it
        ([{"critical": {"rest": read_range("rest", "900ms")}}], None, "900ms"),
        ([{"warning": {"rest": None}}], None, "3s"),
        ([{"defaults": False}], None, None),
        ([{"defaults": False, "critical": {"rest": read_range("rest", "2s")}}], None, "2s"),
        ([{}, {"defaults": False}], None, None),  # a tag
        ([{"defaults": False}, {"defaults": True}], "1s", "3s"),
    ],
)
def test_a_threshold_replaces_the_default(layers: list[dict[str, Any]], warning: str, critical: str) -> None:
    """In the file, of a tag, of a node: what is set replaces the default of its level, and the defaults can be off."""
    bounds = requirements_of(layers).bounds_of("rest")

    assert tuple(limit.shown if limit is not None else None for limit in bounds) == (warning, critical)


def test_a_default_needs_no_figure() -> None:
    """A node that does not send a figure is UNKNOWN where somebody has set a threshold, and not by default."""
    node = snapshot(timed_stats=timed(replace(STATS, system_load=None, memory_used=None)), rest_latency_s=None)
    mine = {code: requirements_of([{"warning": {code: read_range(code, "1")}}]).bounds for code in ("cpu", "rest")}

    assert {verdict(outcomes(node), check) for check in ("cpu", "memory", "rest")} == {Verdict.OK}
    assert {verdict(outcomes(node, bounds=bounds), code) for code, bounds in mine.items()} == {Verdict.UNKNOWN}


def test_every_default_has_its_reason() -> None:
    """Each check with default thresholds says why, for `init` and the documentation; no other does."""
    assert [check.code for check in CHECKS if bool(check.why) != (check.bounds != NO_BOUNDS)] == []


def test_the_report_says_that_no_track_was_tried() -> None:
    """Without a canary a good verdict proves less, and the report says so, unless loading is left out."""

    def remark(policy: Policy, **more: Any) -> str | None:
        return assess(FleetSnapshot(NOW, (snapshot(),), {}), policy, timeout=5.0, **more).remark

    canary = Policy(common=Requirements(canaries=("q",)))
    assert remark(Policy()) == "no canary: tracks were not tried (--canary)"
    assert remark(canary, loads={"n": [Load("q", 0.1, 2)]}) is None
    assert remark(Policy(only=frozenset({"cpu"}))) is None
    assert remark(Policy(common=Requirements(skip=frozenset({"load"})))) is None
