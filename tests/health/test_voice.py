"""Whether nodes can speak Discord's end-to-end encryption: by version, by the time of a commit, or not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.models import NodeInfo
from revvlink_cli.health.checks.context import CheckContext, Played
from revvlink_cli.health.checks.run import CHECKS
from revvlink_cli.health.findings import Finding, Verdict
from revvlink_cli.health.voice import voice_ability
from tests.health.judged_nodes import INFO, NOW, snapshot

SNAPSHOT = f"{'a1' * 20}-SNAPSHOT"


def info(version: str, committed: datetime | None = None) -> NodeInfo:
    """What a server with this version says of itself."""
    moment = int(committed.timestamp() * 1000) if committed is not None else None
    return NodeInfo(version, None, "", "", None, None, (), (), (), commit_time=moment)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("4.0.8", False), ("4.1.1", False), ("3.7.13", False), ("4.1.2+build.7", False), ("v4.1.0", False),
        ("4.2.0", True), ("4.2.2", True), ("4.2.0-beta.1", True), ("4.10.0", True), ("5.0.0", True),
        ("", None), ("custom", None), (SNAPSHOT, None),
    ],
)  # fmt: skip
def test_lavalink_by_version(version: str, expected: bool | None) -> None:
    """4.2 and newer can, older ones cannot, and of no version nothing is known."""
    assert voice_ability(info(version), Dialect.LAVALINK).speaks_dave is expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 2, 27, 23, 59, tzinfo=UTC), False),
        (datetime(2026, 2, 28, tzinfo=UTC), True),
        (datetime(2024, 7, 8, tzinfo=UTC), False),
    ],
)
def test_development_build_by_the_time_of_its_commit(moment: datetime, expected: bool) -> None:
    """Earlier than 2026-02-28 is too old."""
    assert voice_ability(info(SNAPSHOT, moment), Dialect.LAVALINK).speaks_dave is expected


@pytest.mark.parametrize(("version", "expected"), [("3.7.0", True), ("3.8.0", True), ("3.2.0", None), ("", None)])
def test_nodelink(version: str, expected: bool | None) -> None:
    """3.7 can; of older ones it is not known."""
    assert voice_ability(info(version), Dialect.NODELINK).speaks_dave is expected


def test_nothing_known() -> None:
    """A node that did not say what it is."""
    assert voice_ability(None, None).speaks_dave is None


@pytest.mark.parametrize(("version", "words"), [("4.2.2", "native library"), ("4.1.1", "4.2.0")])
def test_advice_where_none_was_offered(version: str, words: str) -> None:
    """A node whose version can speak DAVE and that offered none has not loaded its library: an update does not help."""
    node = snapshot(info=replace(INFO, version=version))
    played = Played(canary="x", verdict=Verdict.OK, message="heard", dave_version=0)
    context = CheckContext(node, NOW, 5.0, played=(played,))

    (finding,) = CHECKS["voice"].run(context)
    assert isinstance(finding, Finding)
    assert finding.verdict is Verdict.CRITICAL
    assert words in (finding.hint or "")
