"""The worst of several verdicts."""

from __future__ import annotations

from revvlink_cli.health.findings import Finding, Verdict, worst


def test_the_worst_verdict() -> None:
    """OK < UNKNOWN < WARNING < CRITICAL; of nothing, nothing is known."""

    def of(*verdicts: Verdict) -> Verdict:
        return worst(Finding(node="n", check="c", verdict=verdict, message="m") for verdict in verdicts)

    assert of(Verdict.OK, Verdict.UNKNOWN) is Verdict.UNKNOWN
    assert of(Verdict.UNKNOWN, Verdict.WARNING) is Verdict.WARNING
    assert of(Verdict.CRITICAL, Verdict.UNKNOWN) is Verdict.CRITICAL
    assert of() is Verdict.UNKNOWN
