"""Checks: the verdict on a node and on a fleet, from snapshots alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revvlink_cli.client.errors import AuthorizationFailedException, Code, LavalinkLoadException, NodeException, Stage
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.models import NodeInfo, NodeStats, Plugin
from revvlink_cli.client.routing.penalty import compute
from revvlink_cli.client.snapshot import FleetSnapshot, NodeSnapshot, NodeStatus, StatsOrigin, TimedStats
from revvlink_cli.health.catalogue import NODE_CHECKS, codes_of, read_range
from revvlink_cli.health.checks.context import CheckContext, Load
from revvlink_cli.health.checks.run import check_node, select_checks
from revvlink_cli.health.findings import Finding, Outcome, Skipped, Verdict, is_healthy, worst
from revvlink_cli.health.fleet import assess
from revvlink_cli.health.policy import Policy, Requirements, read_codes, read_min_healthy, read_version
from revvlink_cli.health.ranges import NO_BOUNDS, Bounds, Unit, parse

NOW = 100.0
INFO = NodeInfo(
    "4.2.2", None, "", "", "17", "2.2.6", ("http", "youtube"), ("timescale",), (Plugin("youtube-plugin", "1.13"),)
)
STATS = NodeStats(4, 3, 600_000, 1, 50, 1, 200, 2, 0.5, 0.1, None, True)
DOWN: dict[str, Any] = {"status": NodeStatus.DISCONNECTED, "ready_ms": None, "info": None, "timed_stats": None}


def timed(stats: NodeStats = STATS) -> TimedStats:
    """Statistics that came a moment ago."""
    return TimedStats(stats, StatsOrigin.WEBSOCKET, NOW - 1, NOW + 100)


def snapshot(**more: Any) -> NodeSnapshot:
    """A node that is well, but for what is given."""
    values: dict[str, Any] = {
        "identifier": "n",
        "uri": "http://h",
        "region": None,
        "status": NodeStatus.CONNECTED,
        "dialect": Dialect.LAVALINK,
        "info": INFO,
        "ready_ms": 12.0,
        "latency_ms": 3.0,
        "timed_stats": timed(),
    }
    return NodeSnapshot(**{**values, **more})


def outcomes(node: NodeSnapshot, *, loads: tuple[Load, ...] = (), **demands: Any) -> tuple[Outcome, ...]:
    """What is made of a node."""
    penalty = node.timed_stats.penalty if node.timed_stats is not None and node.stats(NOW) is not None else None
    return check_node(CheckContext(node, NOW, 5.0, Requirements(**demands), penalty, loads))


def one(found: tuple[Outcome, ...], check: str) -> Outcome:
    """The one outcome of a check."""
    (outcome,) = [outcome for outcome in found if outcome.check == check]
    return outcome


def verdict(found: tuple[Outcome, ...], check: str) -> Verdict | None:
    """The verdict of a check, None when it was not made."""
    outcome = one(found, check)
    return outcome.verdict if isinstance(outcome, Finding) else None


def test_a_node_that_is_well() -> None:
    """Every check comes to something, in the order of the catalogue; what cannot be made says why."""
    found = outcomes(snapshot())

    assert [outcome.check for outcome in found] == list(NODE_CHECKS)
    assert worst(found) is Verdict.OK
    assert [outcome.check for outcome in found if isinstance(outcome, Skipped)] == ["certificate", "load"]


@pytest.mark.parametrize(
    ("error", "check", "verdict", "passed"),
    [
        (NodeException("x", code=Code.REFUSED, stage=Stage.CONNECT), "reach", Verdict.CRITICAL, []),
        (NodeException("x", code=Code.CERTIFICATE_EXPIRED, stage=Stage.TLS), "reach", Verdict.CRITICAL, []),
        (NodeException("x", code=Code.RESOLVE_FAILED, stage=Stage.RESOLVE), "reach", Verdict.CRITICAL, []),
        (NodeException("x", code=Code.SILENT, stage=Stage.REQUEST), "reach", Verdict.CRITICAL, []),
        (NodeException("x", code=Code.FORBIDDEN, stage=Stage.REQUEST), "reach", Verdict.CRITICAL, []),
        (NodeException("x", code=Code.RATE_LIMITED, stage=Stage.REQUEST), "reach", Verdict.CRITICAL, []),
        (NodeException("x", code=Code.CHALLENGE, stage=Stage.REQUEST), "reach", Verdict.CRITICAL, []),
        (AuthorizationFailedException("x"), "auth", Verdict.CRITICAL, ["reach"]),
        (NodeException("x", code=Code.LAVALINK_V3, stage=Stage.VERSION), "version", Verdict.CRITICAL, ["reach"]),
        (
            NodeException("x", code=Code.NO_READY, stage=Stage.READY),
            "websocket",
            Verdict.CRITICAL,
            ["reach", "auth", "version"],
        ),
        (
            NodeException("x", code=Code.NO_READY, stage=Stage.READY, timed_out=True),
            "websocket",
            Verdict.CRITICAL,
            ["reach", "auth", "version"],
        ),
        (NodeException("x", code=Code.PROXY_FAILED, stage=Stage.CONNECT), "reach", Verdict.UNKNOWN, []),
        (NodeException("x", code=Code.CA_FILE_UNUSABLE, stage=Stage.TLS), "reach", Verdict.UNKNOWN, []),
        (NodeException("x", code=Code.INTERNAL, stage=Stage.REQUEST), "reach", Verdict.UNKNOWN, []),
        (
            NodeException("x", code=Code.CLOSED, stage=Stage.REQUEST),
            "websocket",
            Verdict.CRITICAL,
            ["reach", "auth", "version"],
        ),
        (None, "reach", Verdict.CRITICAL, []),
    ],
)
def test_a_node_that_is_not(error: Any, check: str, verdict: Verdict, passed: list[str]) -> None:
    """The check that failed is named; those before it have passed, those that need it or do not apply not made."""
    found = outcomes(snapshot(**DOWN, error=error))

    made = [outcome for outcome in found if isinstance(outcome, Finding)]
    assert [(outcome.check, outcome.verdict) for outcome in made] == [
        *((name, Verdict.OK) for name in passed),
        (check, verdict),
    ]
    pointless = {"certificate": "the node speaks plain HTTP", "load": "no canary set (--canary)"}
    for outcome in found:
        if isinstance(outcome, Skipped):
            assert outcome.reason == pointless.get(outcome.check, f"{check} failed")


def test_the_stage_at_which_time_ran_out() -> None:
    """A node that never got anywhere is CRITICAL, or UNKNOWN if that is demanded, and how far it got is told."""
    late = snapshot(**{**DOWN, "status": NodeStatus.CONNECTING}, stage=Stage.RESOLVE)

    for is_mild, expected in ((False, Verdict.CRITICAL), (True, Verdict.UNKNOWN)):
        found = one(outcomes(late, unknown_on_timeout=is_mild), "reach")
        assert isinstance(found, Finding)
        assert (found.verdict, found.code, found.stage) == (expected, "timeout", "resolve")


@pytest.mark.parametrize("code", [Code.TIMEOUT, Code.SILENT, Code.RESOLVE_FAILED, Code.FORBIDDEN, Code.CHALLENGE,
                                  Code.RATE_LIMITED])  # fmt: skip
def test_silence_that_is_to_be_unknown(code: Code) -> None:
    """Where that is demanded, a node that gives no answer is UNKNOWN, its canaries and its pings, too; others are not.

    What refuses, and what breaks off, is CRITICAL all the same.
    """
    silent = NodeException("x", code=code, stage=Stage.REQUEST)
    mild: dict[str, Any] = {"unknown_on_timeout": True}

    assert worst(outcomes(snapshot(**DOWN, error=silent), **mild)) is Verdict.UNKNOWN
    assert verdict(outcomes(snapshot(), loads=(Load("q", 1, error=silent),), canaries=("q",), **mild), "load") is (
        Verdict.UNKNOWN
    )
    assert verdict(outcomes(snapshot(latency_ms=None), **mild), "websocket") is Verdict.UNKNOWN
    for is_silent, expected in ((True, Verdict.UNKNOWN), (False, Verdict.CRITICAL)):
        hangs = NodeException("x", code=Code.REST_UNRESPONSIVE, stage=Stage.REQUEST, timed_out=is_silent)
        assert verdict(outcomes(snapshot(hanging=hangs), **mild), "reach") is expected
        assert verdict(outcomes(snapshot(hanging=hangs)), "reach") is Verdict.CRITICAL
    assert worst(outcomes(snapshot(**DOWN, error=REFUSED), **mild)) is Verdict.CRITICAL


@pytest.mark.parametrize("code", NODE_CHECKS)
def test_leaving_checks_out_never_makes_a_dead_node_look_well(code: str) -> None:
    """Whatever is skipped, and whichever check is the only one, a node that is down is CRITICAL.

    Only of the password nobody can tell, which means that alone, and what does not apply is not made for it either.
    """
    down = snapshot(**DOWN, error=NodeException("x", code=Code.REFUSED, stage=Stage.CONNECT))

    assert worst(outcomes(down, skip=frozenset({code}))) is Verdict.CRITICAL
    only = select_checks(outcomes(down), {code})
    assert [outcome.check for outcome in only] == [code]
    assert worst(only) is (Verdict.UNKNOWN if code in ("certificate", "auth", "load") else Verdict.CRITICAL)
    asked = outcomes(replace(down, uri="https://h"), canaries=("q",))
    assert worst(select_checks(asked, {code})) is (Verdict.UNKNOWN if code == "auth" else Verdict.CRITICAL)


@pytest.mark.parametrize("uri", ["http://h", "https://h"])
@pytest.mark.parametrize(
    ("error", "skip", "bearer"),
    [
        (NodeException("x", code=Code.REFUSED, stage=Stage.CONNECT), ("reach", "certificate"), "version"),
        (NodeException("x", code=Code.REFUSED, stage=Stage.CONNECT), ("reach", "certificate", "auth"), "version"),
        (AuthorizationFailedException("x"), ("auth",), "version"),
        (AuthorizationFailedException("x"), ("auth", "version", "info"), "stats"),
    ],
)
def test_who_bears_a_failure(uri: str, error: Any, skip: tuple[str, ...], bearer: str) -> None:
    """It is one that depends on the one that failed, never that of the password, and none that does not apply."""
    found = outcomes(snapshot(**DOWN, uri=uri, error=error), skip=frozenset(skip))

    (bad,) = [made for made in found if isinstance(made, Finding) and made.verdict is not Verdict.OK]
    assert (bad.check, bad.verdict) == (bearer, Verdict.CRITICAL)


def test_a_certificate_that_could_not_be_seen() -> None:
    """With a password that is refused, and nothing else asked for, nobody can tell how long it is valid."""
    found = outcomes(snapshot(**DOWN, uri="https://h", error=AuthorizationFailedException("x")))

    assert verdict(select_checks(found, {"certificate"}), "certificate") is Verdict.UNKNOWN
    assert worst(select_checks(found, {"reach", "certificate"})) is Verdict.UNKNOWN
    assert verdict(select_checks(found, {"certificate", "auth"}), "certificate") is None
    assert verdict(select_checks(found, {"certificate", "info"}), "certificate") is None


@pytest.mark.parametrize("error", [
    NodeException("x", code=Code.REFUSED, stage=Stage.CONNECT),
    AuthorizationFailedException("x"),
    NodeException("x", code=Code.LAVALINK_V3, stage=Stage.VERSION),
    NodeException("x", code=Code.WEBSOCKET_REFUSED, stage=Stage.READY),
])  # fmt: skip
@pytest.mark.parametrize("skip", [(), ("reach",), ("reach", "auth", "version"), ("websocket", "info")])
def test_what_failed_is_borne_by_what_needs_it(error: Any, skip: tuple[str, ...]) -> None:
    """Whichever check is the only one, before or behind the one that failed: what needs that one is CRITICAL, too."""
    down = snapshot(**DOWN, error=error)
    assert worst(outcomes(down, skip=frozenset(skip))) is Verdict.CRITICAL

    found = outcomes(down, canaries=("q",))
    failed = next(made.check for made in found if isinstance(made, Finding) and made.verdict is not Verdict.OK)
    for check in set(NODE_CHECKS) - {*skip, "certificate"}:
        only = select_checks(found, {check})
        passed = isinstance(one(found, check), Finding) and verdict(found, check) is Verdict.OK
        unknown = check == "auth" != failed
        assert worst(only) is (Verdict.OK if passed else Verdict.UNKNOWN if unknown else Verdict.CRITICAL), check


def test_a_warning_hides_no_doubt() -> None:
    """A node of which something is unknown is not healthy because something else is worth a warning."""
    bounds = {"cpu": Bounds(read_range("cpu", "10%"), None)}
    doubtful = outcomes(snapshot(timed_stats=timed(replace(STATS, uptime_ms=None))),
                        bounds={**bounds, "uptime": Bounds(read_range("uptime", "1m:"), None)})  # fmt: skip

    assert worst(doubtful) is Verdict.WARNING
    assert is_healthy(doubtful) is None
    assert is_healthy(outcomes(snapshot(), bounds=bounds)) is True
    assert is_healthy(()) is None


def test_a_node_that_does_not_say_what_it_is() -> None:
    """What is required of it cannot be known; where nothing is, that it does not say is worth a warning."""
    mute = snapshot(info=None)

    assert worst(outcomes(mute)) is Verdict.WARNING
    assert verdict(outcomes(mute, sources=("youtube",)), "info") is Verdict.UNKNOWN
    assert verdict(outcomes(mute, min_version=read_version("4")), "version") is Verdict.UNKNOWN


def test_a_ping_without_an_answer() -> None:
    """A websocket that answers no ping is no websocket that works."""
    assert verdict(outcomes(snapshot(latency_ms=None)), "websocket") is Verdict.CRITICAL


@pytest.mark.parametrize(
    ("critical", "expected"), [("1s", Verdict.CRITICAL), ("10s", Verdict.UNKNOWN), ("10s:", Verdict.UNKNOWN)]
)
def test_a_canary_that_took_too_long_already(critical: str, expected: Verdict) -> None:
    """It is CRITICAL. Where silence is UNKNOWN, the verdict of its threshold counts: it will not get shorter."""
    bounds = {"load": Bounds(None, read_range("load", critical))}
    given: dict[str, Any] = {"loads": (Load("q", 5.0),), "canaries": ("q",), "bounds": bounds}

    assert verdict(outcomes(snapshot(), **given), "load") is Verdict.CRITICAL
    assert verdict(outcomes(snapshot(), **given, unknown_on_timeout=True), "load") is expected


def test_a_canary_that_nobody_let_loose() -> None:
    """No time was left for it, which is as bad as none for its answer; it is not left out."""
    assert verdict(outcomes(snapshot(), canaries=("q",)), "load") is Verdict.CRITICAL


def test_statistics_that_are_missing_or_too_old() -> None:
    """A node without statistics is unknown, not well and not dead; what needs them is not made."""
    old = TimedStats(STATS, StatsOrigin.WEBSOCKET, NOW - 200, NOW - 1)

    for kept in (None, old):
        found = outcomes(snapshot(timed_stats=kept))
        assert worst(found) is Verdict.UNKNOWN
        assert verdict(found, "cpu") is None
        assert worst(select_checks(found, {"cpu"})) is Verdict.UNKNOWN
    hanging = snapshot(timed_stats=None, stats_error=NodeException("x", code=Code.SILENT, stage=Stage.REQUEST))
    assert worst(outcomes(hanging)) is Verdict.CRITICAL, "nothing answers requests"


@pytest.mark.parametrize(
    ("check", "warning", "critical", "expected"),
    [
        ("cpu", "60%", "90%", Verdict.OK),
        ("cpu", "40%", "90%", Verdict.WARNING),
        ("cpu", "40%", "49.9%", Verdict.CRITICAL),
        ("cpu", None, "50%", Verdict.OK),  # ends belong to the range
        ("memory", "20", None, Verdict.WARNING),
        ("memory", "45B", None, Verdict.WARNING),
        ("memory", "90%", "40B", Verdict.CRITICAL),
        ("memory", "20%", "1GiB", Verdict.WARNING),
        ("players", "@4", None, Verdict.WARNING),
        ("players", "~:3", "10", Verdict.WARNING),
        ("uptime", "15m:", None, Verdict.WARNING),
        ("uptime", "10m:", "5m:", Verdict.OK),
        ("websocket", "2ms", "1s", Verdict.WARNING),
        ("stats", None, "500ms", Verdict.CRITICAL),
        ("penalty", "5", None, Verdict.WARNING),
        ("reach", "10ms", "100ms", Verdict.WARNING),
    ],
)
def test_thresholds(check: str, warning: str | None, critical: str | None, expected: Verdict) -> None:
    """A figure out of its range makes the verdict, and the message tells the threshold."""
    bounds = Bounds(*(read_range(check, text) if text is not None else None for text in (warning, critical)))

    found = one(outcomes(snapshot(), bounds={check: bounds}), check)

    assert isinstance(found, Finding)
    assert found.verdict is expected
    assert ("threshold" in found.message) is (expected is not Verdict.OK)
    assert set(bounds) <= {limit for figure in found.figures for limit in (*figure.bounds, None)}


def test_a_figure_that_is_not_told() -> None:
    """It is no fault, unless there is a threshold: then nobody knows, and that is said."""
    silent = snapshot(timed_stats=timed(replace(STATS, memory_used=None)))

    assert verdict(outcomes(silent), "memory") is Verdict.OK
    for check in ("memory",):
        bounds = {check: Bounds(read_range(check, "90"), None)}
        assert verdict(outcomes(silent, bounds=bounds), check) is Verdict.UNKNOWN


def test_a_cpu_without_a_baseline_is_not_judged() -> None:
    """The first figure after a start is no figure, and alarms nobody; nor is it told as one."""
    fresh = snapshot(timed_stats=timed(replace(STATS, system_load=None, server_load=None, has_cpu_baseline=False)))

    found = one(outcomes(fresh, bounds={"cpu": Bounds(parse("1%", Unit.RATIO), None)}), "cpu")

    assert isinstance(found, Finding)
    assert found.verdict is Verdict.OK
    assert not found.figures


def test_a_cpu_that_is_never_told() -> None:
    """It is not one that was not measured yet: with a threshold, nobody knows, as with every other figure."""
    silent = snapshot(timed_stats=timed(replace(STATS, system_load=None, server_load=None)))

    assert verdict(outcomes(silent), "cpu") is Verdict.OK
    assert verdict(outcomes(silent, bounds={"cpu": Bounds(parse("1%", Unit.RATIO), None)}), "cpu") is Verdict.UNKNOWN


def test_a_penalty_with_the_cpu_of_others() -> None:
    """It is shown as assumed, and no threshold judges it; a node that measures its own is judged."""
    busy = snapshot(timed_stats=timed(replace(STATS, system_load=1.0)))
    fresh = timed(replace(STATS, system_load=None, server_load=None, has_cpu_baseline=False))
    bounds = {"penalty": Bounds(None, parse("1000", Unit.COUNT))}
    cost = compute(fresh.stats, cpu_fallback=busy.timed_stats.penalty.cpu if busy.timed_stats else None)

    (assumed,) = [
        made
        for made in check_node(CheckContext(snapshot(timed_stats=fresh), NOW, 5.0, Requirements(bounds=bounds), cost))
        if made.check == "penalty"
    ]

    assert verdict(outcomes(busy, bounds=bounds), "penalty") is Verdict.CRITICAL
    assert isinstance(assumed, Finding)
    assert (assumed.verdict, assumed.message[:10]) == (Verdict.OK, ">=~1309.5,")
    assert "not judged" in assumed.message
    assert [figure.bounds for figure in assumed.figures] == [NO_BOUNDS]


@pytest.mark.parametrize(
    ("days", "expected"), [(90, Verdict.OK), (13, Verdict.WARNING), (2, Verdict.CRITICAL), (-1, Verdict.CRITICAL)]
)
def test_certificates(days: float, expected: Verdict) -> None:
    """A fortnight before its end a certificate is worth a warning, three days before it is critical."""
    node = snapshot(uri="https://h", certificate_expires=NOW + days * 86_400)

    assert verdict(outcomes(node), "certificate") is expected


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("4.2.2", "4.2.2", Verdict.OK),
        ("4.2.2", "4.2", Verdict.OK),
        ("4.2.2", "4.10", Verdict.CRITICAL),
        ("4.0.8", "4.1", Verdict.CRITICAL),
        ("4.1.0-beta.1", "4.1.0", Verdict.CRITICAL),
        ("4.2.2-beta.1", "4.2.2", Verdict.CRITICAL),
        ("4.2.2-beta.1", "4.2.1", Verdict.OK),
        ("4.2.2-beta.1", "4.2.2-beta.1", Verdict.OK),
        ("4.2.2-beta.2", "4.2.2-beta.11", Verdict.CRITICAL),
        ("4.2.2-rc.1", "4.2.2-beta.11", Verdict.OK),
        ("4.2.2+build.5", "4.2.2", Verdict.OK),
        ("4.2", "4.2.0", Verdict.OK),
        ("4.2.2-SNAPSHOT", "4.2.2", Verdict.CRITICAL),
        ("1234567-SNAPSHOT", "4.0", Verdict.UNKNOWN),
        ("ab12cd3-SNAPSHOT", "4.0", Verdict.UNKNOWN),
        ("", "4.0", Verdict.UNKNOWN),
    ],
)
def test_versions(version: str, wanted: str, expected: Verdict) -> None:
    """Versions are compared as semver does it, a development build cannot be; it is all one whether headers tell."""
    node = snapshot(info=replace(INFO, version=version))

    assert verdict(outcomes(node, min_version=read_version(wanted)), "version") is expected
    assert verdict(outcomes(replace(node, dialect=None), min_version=read_version(wanted)), "version") is expected
    assert (
        verdict(outcomes(replace(node, dialect=Dialect.NODELINK), min_version=read_version("9")), "version")
        is Verdict.OK
    )


@pytest.mark.parametrize(
    ("demands", "expected", "told"),
    [
        ({"sources": ("YouTube",)}, Verdict.OK, "all that is required"),
        ({"sources": ("youtube", "deezer")}, Verdict.CRITICAL, "lacks the source deezer"),
        (
            {"plugins": ("youtube-plugin",), "filters": ("timescale", "echo", "low")},
            Verdict.CRITICAL,
            "filters echo, low",
        ),
    ],
)
def test_what_is_required(demands: dict[str, Any], expected: Verdict, told: str) -> None:
    """Sources, plugins and filters that are required and not there are named, whatever their case."""
    found = one(outcomes(snapshot(), **demands), "info")

    assert isinstance(found, Finding)
    assert found.verdict is expected
    assert told in found.message


def test_what_is_required_and_not_told() -> None:
    """A node that does not tell its sources may have them."""
    assert (
        verdict(outcomes(snapshot(info=replace(INFO, sources=None)), sources=("youtube",)), "info") is Verdict.UNKNOWN
    )


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (Load("q", 0.2, tracks=20), Verdict.OK),
        (Load("q", 2.0, tracks=20), Verdict.WARNING),
        (Load("q", 0.2, tracks=0), Verdict.CRITICAL),
        (Load("q", 0.2, error=LavalinkLoadException("login required")), Verdict.CRITICAL),
        (Load("q", 5.0, error=NodeException("x", code=Code.SILENT)), Verdict.CRITICAL),
        (Load("q", 5.0, error=NodeException("x", code=Code.PROXY_FAILED)), Verdict.UNKNOWN),
        (Load("q", 0.5), Verdict.CRITICAL),
        (Load("q", 5.0), Verdict.CRITICAL),
    ],
)
def test_canaries(load: Load, expected: Verdict) -> None:
    """A canary has to load tracks: an error inside an answer of 200, or nothing at all, is no load."""
    bounds = {"load": Bounds(parse("1s", Unit.SECONDS), None)}

    assert verdict(outcomes(snapshot(), loads=(load,), canaries=("q",), bounds=bounds), "load") is expected


def test_the_worst_verdict() -> None:
    """OK < UNKNOWN < WARNING < CRITICAL; of nothing, nothing is known."""

    def of(*verdicts: Verdict) -> Verdict:
        return worst(Finding(node="n", check="c", verdict=verdict, message="m") for verdict in verdicts)

    assert of(Verdict.OK, Verdict.UNKNOWN) is Verdict.UNKNOWN
    assert of(Verdict.UNKNOWN, Verdict.WARNING) is Verdict.WARNING
    assert of(Verdict.CRITICAL, Verdict.UNKNOWN) is Verdict.CRITICAL
    assert of() is Verdict.UNKNOWN


REFUSED = NodeException("x", code=Code.REFUSED, stage=Stage.CONNECT)
SILENT = NodeException("x", code=Code.SILENT, stage=Stage.REQUEST)
PROXY = NodeException("x", code=Code.PROXY_FAILED, stage=Stage.CONNECT)


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


def test_the_memory_of_a_nodelink() -> None:
    """It gives its heap and its machine's memory: no share of the one in the other is judged; the heap itself is."""
    node = snapshot(dialect=Dialect.NODELINK)

    for limit, expected in (("20%", Verdict.OK), ("40B", Verdict.CRITICAL)):
        bounds = {"memory": Bounds(None, read_range("memory", limit))}
        found = one(outcomes(node, bounds=bounds), "memory")
        assert isinstance(found, Finding)
        assert (found.verdict, "its share is not judged" in found.message) == (expected, True)
        assert Unit.RATIO not in {figure.unit for figure in found.figures}


@pytest.mark.parametrize(
    ("check", "text", "shown"),
    [
        ("cpu", "40%", "40%"),
        ("cpu", "40", "40%"),
        ("memory", "45B", "45B"),
        ("memory", "0.00000001GiB", "0.00000001GiB"),
        ("uptime", "1d:", "1d:"),
        ("websocket", "0.1ms", "0.1ms"),
        ("websocket", "0.001", "0.001 s"),
        ("players", "@0:10", "@0:10"),
        ("penalty", "~:0.5", "~:0.5"),
    ],
)
def test_a_threshold_is_shown_as_it_was_written(check: str, text: str, shown: str) -> None:
    """Nothing is made of it: neither another unit nor another number of digits."""
    found = one(outcomes(snapshot(), bounds={check: Bounds(read_range(check, text), None)}), check)

    assert isinstance(found, Finding)
    assert found.message.endswith(f"(threshold {shown})")


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


def test_imbalance() -> None:
    """The busiest node is compared with the mean of its own region."""

    def playing(count: int, region: str) -> NodeSnapshot:
        return snapshot(region=region, timed_stats=timed(replace(STATS, playing=count)))

    nodes = fleet(playing(90, "us"), playing(10, "us"), playing(500, "eu"), playing(500, "eu"))
    common = Requirements(bounds={"imbalance": Bounds(parse("1.5", Unit.COUNT), None)})

    found = of_fleet(nodes, common=common)["imbalance"]
    assert found.verdict is Verdict.WARNING
    assert found.figures[0].value == pytest.approx(1.8)


def test_names_of_checks() -> None:
    """A stage means all of its checks, a check itself alone; what is misspelt is told the nearest."""
    assert codes_of("figures") == ("stats", "cpu", "memory", "players", "uptime")
    assert (codes_of("stats"), codes_of("reach")) == (("stats",), ("reach",))
    assert read_codes(["fleet", "cpu"]) == {"quorum", "regions", "skew", "imbalance", "cpu"}
    with pytest.raises(ValueError, match="did you mean memory"):
        read_codes(["memroy"])


@pytest.mark.parametrize("text", ["", "0", "-1", "101%", "0%", "half", "1.5", "5 %%", "\u0663"])
def test_quorums_that_are_none(text: str) -> None:
    """What is no number of nodes and no share of them is refused."""
    with pytest.raises(ValueError, match="share"):
        read_min_healthy(text)


@pytest.mark.parametrize("text", ["", "4.", "4.x", "latest", "4..1", "-1", "\u0664.\u0661"])
def test_versions_that_are_none(text: str) -> None:
    """What is no version is refused."""
    with pytest.raises(ValueError, match="not a version"):
        read_version(text)
