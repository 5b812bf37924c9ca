"""Findings with damped verdicts, as an exporter and a status page show them from sample to sample.

The verdict of a check is the one that has held; so are its message, its code and its hint. Its figures and facts are
always those of now. A check that was never sampled shows what it finds until a verdict has held for the first time. An
unstable check is a WARNING, or what is graver and has held meanwhile, until it is steady.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.health.damping import UNSTABLE, CheckState, advance, initial, observed
from revvlink_cli.health.findings import Finding, Outcome, Verdict, graver
from revvlink_cli.health.ranges import Unit

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.health.damping import Rules

_OF_STATISTICS = frozenset({"memory", "players", "frames", "penalty"})
"""Checks of which only new statistics are a new sample. That of the CPU compares two of them itself."""

_OF_HEALTH = frozenset({"quorum", "regions"})
"""Checks of the fleet that follow from the damped verdicts on its nodes, so they are not damped again."""


class Shown(NamedTuple):
    """A check as it is shown.

    Attributes:
        state: What is known of it.
        finding: The finding that is shown.
        problem: The last finding that was not OK, None if there was none.
        evidence: What the last sample was made of; None where every sample is a new one.
        has_held: Whether a verdict has ever held.
    """

    state: CheckState
    finding: Finding
    problem: Finding | None
    evidence: object
    has_held: bool


Known = dict[tuple[str | None, str, str | None], Shown]
"""By node, check and subject, what is shown."""


class Damping:
    """Damps the verdicts of one fleet. `revvlink_cli.health.fleet.assess` calls it for each node and for the fleet.

    Attributes:
        known: What is shown after this call; an object with rules has what it was given, and what it has sampled.
    """

    def __init__(self, known: Known | None = None, rules: Rules | None = None, now: float = 0.0) -> None:
        """Prepare one sample, or one view of what earlier samples found.

        Args:
            known: What is shown after the last sample.
            rules: When a verdict has held; None for a view, which is not a sample.
            now: The time of the sample, in seconds of any clock.
        """
        self.known: Known = dict(known or {}) if rules is not None else (known or {})
        self._rules = rules
        self._now = now

    def of_node(self, node: NodeSnapshot, outcomes: Sequence[Outcome]) -> tuple[Outcome, ...]:
        """The outcomes of a node's checks. A node that was not tried yet has no verdict that could hold."""
        if not node.is_tried:
            return tuple(outcomes)
        statistics = node.timed_stats.at if node.timed_stats is not None else None
        return tuple(
            self._damped(found, statistics if found.check in _OF_STATISTICS else None)
            if isinstance(found, Finding)
            else found
            for found in outcomes
        )

    def of_fleet(self, outcome: Outcome) -> Outcome:
        """The outcome of a check of the fleet."""
        if not isinstance(outcome, Finding) or outcome.check in _OF_HEALTH:
            return outcome
        return self._damped(outcome, None)

    def follow(self, nodes: Collection[str]) -> None:
        """Forget nodes that have left the fleet."""
        self.known = {key: shown for key, shown in self.known.items() if key[0] is None or key[0] in nodes}

    def _damped(self, found: Finding, evidence: object) -> Finding:
        key = (found.node, found.check, found.subject)
        shown = self.known.get(key)
        if self._rules is not None:
            shown = self.known[key] = _sampled(shown, found, evidence, self._rules, self._now)
        if shown is None or not shown.has_held:
            return found
        held = shown.finding
        if held.verdict is found.verdict and held.code != UNSTABLE:
            return found
        return replace(
            found, verdict=held.verdict, message=held.message, code=held.code, stage=held.stage, hint=held.hint
        )


def _sampled(shown: Shown | None, found: Finding, evidence: object, rules: Rules, now: float) -> Shown:
    """What is shown of a check after a sample that found this."""
    verdict = found.verdict.name
    if shown is not None and evidence is not None and evidence == shown.evidence:
        return shown
    problem = found if found.verdict is not Verdict.OK else shown.problem if shown is not None else None
    if shown is None:
        return Shown(initial(now, verdict), found, problem, evidence, has_held=_has_held(1, 0.0, found, rules))
    if not shown.has_held:
        state = observed(shown.state, verdict, now, rules)._replace(reported=verdict)
        if not rules.unstable_changes or len(state.changes) <= rules.unstable_changes:
            has_held = _has_held(state.found_runs, now - state.found_since, found, rules)
            return Shown(state, found, problem, evidence, has_held)
    known = shown.state
    if shown.has_held and verdict == known.found == known.reported and known.unstable_since is None:
        return shown._replace(finding=found, problem=problem, evidence=evidence)  # nearly always: nothing to decide
    advanced, _ = advance(shown.state, verdict, now, rules)
    state = advanced if advanced is not None else initial(now)
    finding = found if state.reported == verdict else shown.finding
    if state.unstable_since is not None and problem is not None:
        before = shown.finding.verdict if shown.has_held else Verdict.WARNING
        has_held = _has_held(state.found_runs, now - state.found_since, found, rules)
        gravest = graver(Verdict.WARNING, before, found.verdict if has_held else Verdict.OK)
        span = Unit.SECONDS.show(max(round(now - state.unstable_since), 1))
        message = f"unstable for {span}, last problem: {problem.message}"
        finding = replace(problem, verdict=gravest, message=message, code=UNSTABLE)
    return Shown(state, finding, problem, evidence, has_held=True)


def _has_held(runs: int, seconds: float, found: Finding, rules: Rules) -> bool:
    """Whether a verdict that so many samples in a row have found, for so long, has held."""
    return (rules.recover_after if found.verdict is Verdict.OK else rules.after).is_reached(runs, seconds)
