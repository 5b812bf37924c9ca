"""Finds the changes that are worth a message, and keeps what was reported.

`revvlink_cli.health.damping` decides when a change has held, for the exporter too. Nothing here reads a clock or a
file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli.health.damping import OK, ChangeKind, CheckState, Rules, advance, initial, observed
from revvlink_cli.health.findings import Finding, Skipped, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.health.fleet import Report

KEPT = 30 * 86_400
"""Seconds after which a problem that no run has examined again is forgotten."""

VERSION = 2
"""Version of the stored states. Version 1 is a table of ``[verdict, since, reported_at, seen_at]``."""


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
    state: CheckState


def muted(state: CheckState | None, found: str, now: float, rules: Rules) -> CheckState | None:
    """Advance the state of a check of a silenced node, about which no message is sent.

    A problem that lasts when the silence ends is reported then, also one that was reported before the silence.
    """
    if state is None:
        if found == OK:
            return None
        state = initial(now)
    state = observed(state._replace(reported=OK), found, now, rules)
    return state._replace(changes=(), unstable_since=None)


def unsent(before: CheckState | None, after: CheckState) -> CheckState:
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
    report: Report, states: Mapping[str, CheckState], rules: Rules, *, now: float, scope: str
) -> tuple[list[Change], dict[str, CheckState]]:
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


def dumped(states: Mapping[str, CheckState]) -> str:
    """The states as the text of a file."""
    stored = {key: state._asdict() for key, state in states.items() if not state.is_idle}
    return json.dumps({"version": VERSION, "states": stored}) + "\n"


def read(text: str) -> dict[str, CheckState]:
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


def _from_version_1(value: Any) -> CheckState:
    verdict, since, reported_at, seen_at = Verdict[value[0]].name, *map(float, value[1:4])
    return CheckState(verdict, since, reported_at, seen_at, verdict, since, 1, since, 1)


def _from_version_2(value: Any) -> CheckState:
    unstable = value["unstable_since"]
    return CheckState(
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
