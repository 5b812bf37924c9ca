"""Which rows have a problem, and their order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from revvlink_cli.commands.nodes.status_rows import StatusRow
from revvlink_cli.output.check_rows import CheckRow
from revvlink_cli.output.problems import gravity, has_problems, problems_first, summary
from tests.output.test_renderers_golden import DEAD, FRESH, WELL

DAVE = replace(WELL, node="us-2", reason="voice_dave_required")
HANGING = replace(WELL, node="us-3", state="hanging", reason="timeout")
DEAD_TOO = replace(DEAD, node="asia-2")


def test_gravest_first_and_one_of_each_reason_before_the_others() -> None:
    """Broken nodes precede those with a concern and those that are well; equal ones keep their order."""
    rows = (WELL, DAVE, DEAD, FRESH, DEAD_TOO, HANGING)

    assert problems_first(rows) == (DEAD, HANGING, DEAD_TOO, DAVE, WELL, FRESH)
    assert [bool(gravity(row)) for row in rows] == [False, True, True, False, True, True]
    assert has_problems(StatusRow)


def test_one_check_of_each_reason_before_the_others() -> None:
    """Of many nodes that fail the same check one comes first, so that the other failures are in sight too."""
    common: dict[str, Any] = {
        "subject": None,
        "stage": None,
        "hint": None,
        "figures": (),
        "facts": {},
        "verdict": "critical",
    }
    rows = tuple(
        CheckRow(node=node, check=check, message=code, code=code, **common)
        for node, check, code in (
            ("us-1", "voice", "no_dave"),
            ("us-2", "voice", "no_dave"),
            ("us-3", "reach", "refused"),
            ("us-4", "reach", "refused"),
            ("us-5", "reach", "unknown_host"),
        )
    )

    assert [row.node for row in problems_first(rows)] == ["us-1", "us-3", "us-5", "us-2", "us-4"]


def test_a_summary_counts_by_state() -> None:
    """It counts nodes and kinds of problems, and is not there without any."""
    assert summary((WELL, DAVE, DEAD, DEAD_TOO, HANGING)) == (
        "4 of 5 nodes have a problem: 2 failed, 1 hanging, 1 degraded"
    )
    assert summary((WELL, DAVE)) == "1 of 2 nodes has a problem: 1 degraded"
    assert summary((WELL, FRESH)) is None
