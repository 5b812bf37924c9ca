"""Decides which changes are worth a message: a state machine for each check of each node.

A problem is reported once it has held for `Rules.after`, and is over once it has been gone for `Rules.recover_after`. A
check that changes more often than `Rules.unstable_changes` within `Rules.unstable_window` is reported once as unstable,
and once more when it has been steady for a quarter of that window. `advance` is pure: it reads no clock and no file.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli.config.hold import Hold
from revvlink_cli.health.findings import Finding, Skipped, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.health.fleet import Report

KEPT = 30 * 86_400
"""Seconds after which a problem that no run has examined again is forgotten."""

STEADY_SHARE = 4
"""An unstable check is steady when it has not changed for the window divided by this."""

VERSION = 2
"""Version of the stored states. Version 1 is a table of ``[verdict, since, reported_at, seen_at]``."""

OK = Verdict.OK.name


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


class AlertState(NamedTuple):
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


class Change(NamedTuple):
    """A change to report.

    Attributes:
        key: Node, check and subject as JSON.
        kind: What kind of change.
        finding: The problem; None when the check is OK.
        before: The verdict that was reported before.
        state: The new state.
    """

    key: str
    kind: ChangeKind
    finding: Finding | None
    before: str
    state: AlertState


def advance(
    state: AlertState | None, found: str, now: float, rules: Rules
) -> tuple[AlertState | None, ChangeKind | None]:
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
        state = AlertState(OK, now, 0.0, now, OK, now, 0, now, 0)
    state = _observed(state, found, now, rules)
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


def _observed(state: AlertState, found: str, now: float, rules: Rules) -> AlertState:
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


def _when_unstable(state: AlertState, now: float, rules: Rules) -> tuple[AlertState, ChangeKind | None]:
    if now - state.found_since >= rules.unstable_window / STEADY_SHARE or not rules.unstable_changes:
        since = state.bad_since if state.found != OK and state.reported == OK else state.since
        # The last report says the verdict too: without a change since then there is nothing new to report.
        has_changed = state.found_since > state.reported_at
        steady = state._replace(reported=state.found, since=since, reported_at=now, changes=(), unstable_since=None)
        return steady, ChangeKind.STEADY if has_changed else None
    if rules.remind is not None and now - state.reported_at >= rules.remind:
        return state._replace(reported_at=now), ChangeKind.UNSTABLE
    return state, None


def muted(state: AlertState | None, found: str, now: float, rules: Rules) -> AlertState | None:
    """Advance the state of a check of a silenced node, about which no message is sent.

    A problem that lasts when the silence ends is reported then, also one that was reported before the silence.
    """
    if state is None:
        if found == OK:
            return None
        state = AlertState(OK, now, 0.0, now, OK, now, 0, now, 0)
    state = _observed(state._replace(reported=OK), found, now, rules)
    return state._replace(changes=(), unstable_since=None)


def unsent(before: AlertState | None, after: AlertState) -> AlertState:
    """The state after a run whose message was not sent: what the run found counts, what it reported does not."""
    if before is None:
        return after._replace(reported=OK, reported_at=0.0, unstable_since=None)
    return after._replace(
        reported=before.reported,
        since=before.since if before.reported != OK else after.since,
        reported_at=before.reported_at,
        unstable_since=before.unstable_since,
        changes=after.changes or before.changes,
    )


def changes(
    report: Report, states: Mapping[str, AlertState], rules: Rules, *, now: float, scope: str
) -> tuple[list[Change], dict[str, AlertState]]:
    """Compare a report with the stored states.

    Args:
        report: The findings of this run.
        states: The states that earlier runs stored, by key.
        rules: When to report.
        now: Seconds since the epoch.
        scope: Identifies the part of the fleet that was checked. Findings about the whole of one part say nothing
            about another part.

    Returns:
        The changes to report, and the states once these changes have been reported.
    """
    after = {key: state for key, state in states.items() if now - state.seen_at < KEPT}
    problems: dict[str, Finding] = {}
    for finding in report.findings:
        if finding.verdict is not Verdict.OK or finding.silence is not None:
            problems.setdefault(_key(finding, scope), finding)
    # A finding that --only hides was made all the same. A check that no longer applies has no problem.
    passed = {
        _key(each, scope)
        for each in (*report.findings, *report.made)
        if each.verdict is Verdict.OK and each.silence is None
    }
    not_applicable = {
        (each.node, each.check)
        for each in report.outcomes
        if isinstance(each, Skipped) and each.needs is None and each.node is not None
    }
    found = {key: own_verdict(finding) for key, finding in problems.items()}
    found |= {
        key: OK
        for key in after
        if key not in problems and (key in passed or tuple(json.loads(key)[:2]) in not_applicable)
    }
    changed: list[Change] = []
    for key, verdict in found.items():
        before = after.pop(key, None)
        if json.loads(key)[0] in report.silenced:
            state, kind = muted(before, verdict, now, rules), None
        else:
            state, kind = advance(before, verdict, now, rules)
        if state is None:
            continue
        if kind is not None:
            changed.append(Change(key, kind, problems.get(key), before.reported if before else OK, state))
        if not state.is_idle:
            after[key] = state
    return changed, after


def own_verdict(finding: Finding) -> str:
    """The finding's verdict before the quorum was applied, which depends on the nodes that the run checked."""
    return (finding.raw_verdict or finding.verdict).name


def _key(finding: Finding, scope: str) -> str:
    node = finding.node if finding.node is not None else f"\0{scope}"
    return json.dumps([node, finding.origin or finding.check, finding.subject])


def dumped(states: Mapping[str, AlertState]) -> str:
    """The states as the text of a file."""
    stored = {key: state._asdict() for key, state in states.items() if not state.is_idle}
    return json.dumps({"version": VERSION, "states": stored}) + "\n"


def read(text: str) -> dict[str, AlertState]:
    """The states in the text of a file. A text that cannot be read counts as empty."""
    try:
        raw: Any = json.loads(text)
        is_old = "version" not in raw
        if not is_old and raw["version"] != VERSION:
            return {}
        make = _from_version_1 if is_old else _from_version_2
        found = {str(key): make(value) for key, value in (raw if is_old else raw["states"]).items()}
        if not all(map(_is_key, found)):
            return {}
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError, OverflowError):
        return {}
    return found


def _is_key(key: str) -> bool:
    node, check, subject = json.loads(key)
    return isinstance(node, str) and isinstance(check, str) and isinstance(subject, str | None)


def _from_version_1(value: Any) -> AlertState:
    verdict, since, reported_at, seen_at = Verdict[value[0]].name, *map(float, value[1:4])
    return AlertState(verdict, since, reported_at, seen_at, verdict, since, 1, since, 1)


def _from_version_2(value: Any) -> AlertState:
    unstable = value["unstable_since"]
    return AlertState(
        reported=Verdict[value["reported"]].name,
        since=float(value["since"]),
        reported_at=float(value["reported_at"]),
        seen_at=float(value["seen_at"]),
        found=Verdict[value["found"]].name,
        found_since=float(value["found_since"]),
        found_runs=int(value["found_runs"]),
        bad_since=float(value["bad_since"]),
        bad_runs=int(value["bad_runs"]),
        changes=tuple(map(float, value["changes"])),
        unstable_since=float(unstable) if unstable is not None else None,
    )
