"""The check of canaries: searches that have to find tracks."""

from __future__ import annotations

from typing import Any

import pytest

from revvlink_cli.client.errors import Code, LavalinkLoadException, NodeException
from revvlink_cli.health.catalogue import read_range
from revvlink_cli.health.checks.context import Load
from revvlink_cli.health.findings import Verdict
from revvlink_cli.health.ranges import Bounds, Unit, parse
from tests.health.judged_nodes import outcomes, snapshot, verdict


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
    """A canary has to load tracks: an error inside an answer of 200, or nothing at all, is not a load."""
    bounds = {"load": Bounds(parse("1s", Unit.SECONDS), None)}

    assert verdict(outcomes(snapshot(), loads=(load,), canaries=("q",), bounds=bounds), "load") is expected
