"""The checks of the connection: certificates and pings."""

from __future__ import annotations

import pytest

from revvlink_cli.client.errors import AuthorizationFailedException
from revvlink_cli.health.checks.run import select_checks
from revvlink_cli.health.findings import Verdict, worst
from tests.health.judged_nodes import DOWN, NOW, outcomes, snapshot, verdict


def test_a_certificate_that_could_not_be_seen() -> None:
    """With a password that is refused, and nothing else asked for, nobody can tell how long it is valid."""
    found = outcomes(snapshot(**DOWN, uri="https://h", error=AuthorizationFailedException("x")))

    assert verdict(select_checks(found, {"certificate"}), "certificate") is Verdict.UNKNOWN
    assert worst(select_checks(found, {"reach", "certificate"})) is Verdict.UNKNOWN
    assert verdict(select_checks(found, {"certificate", "auth"}), "certificate") is None
    assert verdict(select_checks(found, {"certificate", "info"}), "certificate") is None


def test_a_ping_without_an_answer() -> None:
    """A websocket that answers no ping is not a websocket that works."""
    assert verdict(outcomes(snapshot(latency_ms=None)), "websocket") is Verdict.CRITICAL


@pytest.mark.parametrize(
    ("days", "expected"), [(90, Verdict.OK), (13, Verdict.WARNING), (2, Verdict.CRITICAL), (-1, Verdict.CRITICAL)]
)
def test_certificates(days: float, expected: Verdict) -> None:
    """A fortnight before its end a certificate is worth a warning, three days before it is critical."""
    node = snapshot(uri="https://h", certificate_expires=NOW + days * 86_400)

    assert verdict(outcomes(node), "certificate") is expected
