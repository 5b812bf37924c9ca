"""All checks of a node together: which one reports a failure, and which are skipped or passed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revvlink_cli.client.errors import AuthorizationFailedException, Code, NodeException, Stage
from revvlink_cli.client.snapshot import NodeStatus
from revvlink_cli.health.catalogue import NODE_CHECKS, ON_DEMAND, read_range
from revvlink_cli.health.checks.context import Load, OnDemand
from revvlink_cli.health.checks.run import select_checks
from revvlink_cli.health.findings import Finding, Skipped, Verdict, is_healthy, worst
from revvlink_cli.health.ranges import Bounds
from tests.health.judged_nodes import DOWN, REFUSED, STATS, one, outcomes, snapshot, timed, verdict

NOT_ASKED_FOR = ("load", "play", "packets", "silence", *ON_DEMAND)
"""The checks that run only where something asks for them."""

ASKED_FOR: dict[str, Any] = {"canaries": ("q",), "plays": ("q",), "on_demand": OnDemand(frozenset(ON_DEMAND))}
"""What asks for all of them."""


def test_a_node_that_is_well() -> None:
    """Every check comes to something, in the order of the catalogue; what cannot be made says why."""
    found = outcomes(snapshot())

    assert [outcome.check for outcome in found] == list(NODE_CHECKS)
    assert worst(found) is Verdict.OK
    assert [outcome.check for outcome in found if isinstance(outcome, Skipped)] == [
        "certificate", "frames", *NOT_ASKED_FOR
    ]  # fmt: skip


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
    pointless = {"certificate": "the node speaks plain HTTP", "load": "no canary: tracks were not tried (--canary)"}
    pointless |= {found.check: found.reason for found in outcomes(snapshot()) if isinstance(found, Skipped)}
    del pointless["frames"]  # of a node that is down nobody knows whether it shows them
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


@pytest.mark.parametrize(
    ("code", "stage", "check"),
    [
        (Code.FORBIDDEN, Stage.AUTH, "reach"),
        (Code.RATE_LIMITED, Stage.REQUEST, "reach"),
        (Code.CERTIFICATE_EXPIRED, Stage.TLS, "reach"),
        (Code.REDIRECTED, Stage.VERSION, "version"),
        (Code.WRONG_PASSWORD, Stage.AUTH, "auth"),
    ],
)
def test_requests_that_fail_while_the_websocket_is_open(code: Code, stage: Stage, check: str) -> None:
    """Such a node is CRITICAL, for the same check as if it were not connected; `auth` is for the password only."""
    refusal = NodeException("x", code=code, stage=stage)

    for found in (outcomes(snapshot(refusal=refusal)), outcomes(snapshot(**DOWN, error=refusal))):
        finding = one(found, check)
        assert isinstance(finding, Finding)
        assert (finding.verdict, finding.code) == (Verdict.CRITICAL, str(code))
        assert [finding.check for finding in found if isinstance(finding, Finding) and finding.code] == [check]


@pytest.mark.parametrize("code", NODE_CHECKS)
def test_leaving_checks_out_never_makes_a_dead_node_look_well(code: str) -> None:
    """Whatever is skipped, and whichever check is the only one, a node that is down is CRITICAL.

    Only of the password nobody can tell, which means that alone, and what does not apply is not made for it either.
    """
    down = snapshot(**DOWN, error=NodeException("x", code=Code.REFUSED, stage=Stage.CONNECT))

    assert worst(outcomes(down, skip=frozenset({code}))) is Verdict.CRITICAL
    only = select_checks(outcomes(down), {code})
    assert [outcome.check for outcome in only] == [code]
    unknown = ("certificate", "auth", *NOT_ASKED_FOR)
    assert worst(only) is (Verdict.UNKNOWN if code in unknown else Verdict.CRITICAL)
    asked = outcomes(replace(down, uri="https://h"), **ASKED_FOR)
    assert worst(select_checks(asked, {code})) is (Verdict.UNKNOWN if code == "auth" else Verdict.CRITICAL)


@pytest.mark.parametrize("uri", ["http://h", "https://h"])
@pytest.mark.parametrize(
    ("error", "skip", "bearer"),
    [
        (NodeException("x", code=Code.REFUSED, stage=Stage.CONNECT), ("reach", "certificate"), "version"),
        (NodeException("x", code=Code.REFUSED, stage=Stage.CONNECT), ("reach", "certificate", "auth"), "version"),
        (AuthorizationFailedException("x"), ("auth",), "version"),
        (AuthorizationFailedException("x"), ("auth", "version", "info"), "rest"),
    ],
)
def test_who_bears_a_failure(uri: str, error: Any, skip: tuple[str, ...], bearer: str) -> None:
    """It is one that depends on the one that failed, never that of the password, and none that does not apply."""
    found = outcomes(snapshot(**DOWN, uri=uri, error=error), skip=frozenset(skip))

    (bad,) = [made for made in found if isinstance(made, Finding) and made.verdict is not Verdict.OK]
    assert (bad.check, bad.verdict) == (bearer, Verdict.CRITICAL)


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

    found = outcomes(down, **ASKED_FOR)
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
