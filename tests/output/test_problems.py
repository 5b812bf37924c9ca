"""Which rows have a problem, and their order."""

from __future__ import annotations

from dataclasses import replace

from revvlink_cli.commands.nodes.status import StatusRow
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


def test_a_summary_counts_by_state() -> None:
    """It counts nodes and kinds of problems, and is not there without any."""
    assert summary((WELL, DAVE, DEAD, DEAD_TOO, HANGING)) == (
        "4 of 5 nodes have a problem: 2 failed, 1 hanging, 1 other"
    )
    assert summary((WELL, DAVE)) == "1 of 2 nodes has a problem"
    assert summary((WELL, FRESH)) is None
