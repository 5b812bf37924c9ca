"""Damping: a problem is shown or reported once it has held, and is over once it has been gone for long enough.

The times are `Rules.after` and `Rules.recover_after`. A check that changes more often than `Rules.unstable_changes`
within `Rules.unstable_window` is unstable until it has been steady for a quarter of that window.

`advance` is the state machine of one check of one node. Alerts make a message of each of its changes, and
`revvlink_cli.health.damped_findings` shows the verdicts that have held. Nothing here reads a clock or a file.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from revvlink_cli.health.findings import Verdict
from revvlink_cli.health.hold import Hold

STEADY_SHARE = 4
"""An unstable check is steady when it has not changed for the window divided by this."""

OK = Verdict.OK.name

UNSTABLE = "unstable"
"""Code of the failure of a check that changes too often."""


class Rules(NamedTuple):
    """When to report.

    Attributes:
        after: How long a problem must hold before it is reported.
        recover_after: How long it must be gone before its end is reported.
        remind: Seconds after which a lasting problem is reported again, None for never.
        unstable_changes: Changes within the window above which a check is unstable; 0 for never.
        unstable_window: Seconds in which they are counted.
    """

    after: Hold = Hold()
    recover_after: Hold = Hold()
    remind: float | None = None
    unstable_changes: int = 6
    unstable_window: float = 3600.0


class ChangeKind(StrEnum):
    """What a message reports."""

    BEGAN = "began"
    CHANGED = "changed"
    RECOVERED = "recovered"
    LASTS = "lasts"
    UNSTABLE = "unstable"
    STEADY = "steady"


class CheckState(NamedTuple):
    """What is known of one check of one node.

    Attributes:
        reported: Name of the verdict that was reported last; OK where no problem is reported.
        since: When the reported problem began, or the one that is not reported yet, in seconds since the epoch.
        reported_at: When it was last reported; 0 for never.
        seen_at: When a run last examined it.
        found: Name of the verdict that the last run found.
        found_since: Since when runs have found it.
        found_runs: How many runs in a row have found it.
        bad_since: Since when runs have found a problem, grave or not.
        bad_runs: How many runs in a row have found one.
        changes: When the verdict changed, as far as it is within the window.
        unstable_since: Since when it changes too often, None while it does not.
    """

    reported: str
    since: float
    reported_at: float
    seen_at: float
    found: str
    found_since: float
    found_runs: int
    bad_since: float
    bad_runs: int
    changes: tuple[float, ...] = ()
    unstable_since: float | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to remember."""
        return self.reported == self.found == OK and not self.changes and self.unstable_since is None


def advance(
    state: CheckState | None, found: str, now: float, rules: Rules
) -> tuple[CheckState | None, ChangeKind | None]:
    """Advance the state of a check by one run.

    Args:
        state: What is known of it, None for nothing, which stands for OK.
        found: Name of the verdict that this run found.
        now: Seconds since the epoch.
        rules: When to report.

    Returns:
        The new state once the change has been reported, and the change to report, if there is one.
    """
    if state is None:
        if found == OK:
            return None, None
        state = initial(now)
    state = observed(state, found, now, rules)
    if state.unstable_since is not None:
        return _when_unstable(state, now, rules)
    if rules.unstable_changes and len(state.changes) > rules.unstable_changes:
        return state._replace(unstable_since=state.changes[0], reported_at=now), ChangeKind.UNSTABLE
    reported = state._replace(reported=found, reported_at=now)
    held = now - state.found_since
    if state.reported == OK:
        if found != OK and rules.after.is_reached(state.bad_runs, now - state.bad_since):
            return reported, ChangeKind.BEGAN
    elif found == OK:
        if rules.recover_after.is_reached(state.found_runs, held):
            return reported, ChangeKind.RECOVERED
    elif found != state.reported:
        if rules.after.is_reached(state.found_runs, held):
            return reported, ChangeKind.CHANGED
    elif rules.remind is not None and now - state.reported_at >= rules.remind:
        return reported, ChangeKind.LASTS
    return state, None


def initial(now: float, found: str | None = None) -> CheckState:
    """The state of a check before its first run, or after a first run whose verdict counts at once."""
    verdict, runs = (OK, 0) if found is None else (found, 1)
    return CheckState(verdict, now, 0.0, now, verdict, now, runs, now, int(verdict != OK))


def observed(state: CheckState, found: str, now: float, rules: Rules) -> CheckState:
    """The state with what this run found, and nothing decided."""
    is_change = found != state.found
    is_new_problem = found != OK and state.found == OK
    changes: tuple[float, ...] = ()
    if rules.unstable_changes:
        recent = [moment for moment in state.changes if abs(now - moment) < rules.unstable_window]
        changes = (*recent, *([now] if is_change else []))[-rules.unstable_changes - 1 :]
    return state._replace(
        seen_at=now,
        found=found,
        found_since=now if is_change else min(state.found_since, now),
        found_runs=1 if is_change else state.found_runs + 1,
        bad_since=now if is_new_problem else min(state.bad_since, now),
        bad_runs=0 if found == OK else 1 if is_new_problem else state.bad_runs + 1,
        since=now if is_new_problem and state.reported == OK else state.since,
        changes=changes,
    )


def _when_unstable(state: CheckState, now: float, rules: Rules) -> tuple[CheckState, ChangeKind | None]:
    if now - state.found_since >= rules.unstable_window / STEADY_SHARE or not rules.unstable_changes:
        since = state.bad_since if state.found != OK and state.reported == OK else state.since
        # The last report says the verdict too: without a change since then there is nothing new to report.
        has_changed = state.found_since > state.reported_at
        steady = state._replace(reported=state.found, since=since, reported_at=now, changes=(), unstable_since=None)
        return steady, ChangeKind.STEADY if has_changed else None
    if rules.remind is not None and now - state.reported_at >= rules.remind:
        return state._replace(reported_at=now), ChangeKind.UNSTABLE
    return state, None
