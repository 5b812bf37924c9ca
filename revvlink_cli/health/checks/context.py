"""What the checks of one node work with, and the findings they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from revvlink_cli.client.errors import Code
from revvlink_cli.health.catalogue import BY_CODE
from revvlink_cli.health.findings import Figure, Finding, Outcome, Verdict, judge
from revvlink_cli.health.policy import NO_REQUIREMENTS, Requirements
from revvlink_cli.health.ranges import NO_BOUNDS, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from revvlink_cli.client.errors import RevvlinkException
    from revvlink_cli.client.protocol.plugin_answers import RoutePlanner
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.snapshot import NodeSnapshot

_NOT_EXAMINED = {Code.INTERNAL, Code.PROXY_FAILED, Code.CA_FILE_UNUSABLE, Code.LOCAL_LIMIT, Code.CONFIGURATION}
"""Failures of revvlink and of its own machine: they say nothing about the node, which is UNKNOWN."""

_SILENT = {Code.TIMEOUT, Code.SILENT, Code.RESOLVE_FAILED}
"""Nothing answered."""

_SHUT_OUT = {Code.RATE_LIMITED, Code.FORBIDDEN, Code.CHALLENGE}
"""Something answered, but refuses this machine."""


@dataclass(frozen=True, slots=True)
class Load:
    """The result of loading one canary on one node.

    Attributes:
        canary: The query.
        took: Seconds until the answer, or until the deadline.
        tracks: Number of tracks; None without an answer.
        error: Why it failed; None where it succeeded or timed out.
    """

    canary: str
    took: float
    tracks: int | None = None
    error: RevvlinkException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """The result of playing one canary on one node.

    Attributes:
        canary: The query.
        verdict: OK if it was heard or started; WARNING if nothing could be proven.
        message: Why, in a sentence.
        code: Code of the failure, None without one.
        advice: What to do, or None.
        timed_out: Whether the time ran out, which says less than a failure does.
        start_s: Seconds from the request to play to the start; None if it did not start.
        packet_rate: Packets of sound a second; None where nothing was measured.
        silence_ratio: Share of silence, 0..1; None where nothing was measured.
        dave_version: Version of DAVE that the node offered, 0 for none; None where it was not asked.
    """

    canary: str
    verdict: Verdict
    message: str
    code: str | None = None
    advice: str | None = None
    timed_out: bool = False
    start_s: float | None = None
    packet_rate: float | None = None
    silence_ratio: float | None = None
    dave_version: int | None = None


class OnDemand(NamedTuple):
    """What a node answered for the checks that run on demand; None where it did not answer in time.

    Attributes:
        codes: The checks that are asked for.
        route_planner: Its route planner, or why it could not be read.
        has_youtube_token: Whether its YouTube plugin has an OAuth token, or why that could not be read.
    """

    codes: frozenset[str] = frozenset()
    route_planner: RoutePlanner | RevvlinkException | None = None
    has_youtube_token: bool | RevvlinkException | None = None


NOTHING_ASKED = OnDemand()
"""No check on demand is asked for."""


class CheckContext(NamedTuple):
    """What is known of one node when its checks run.

    Attributes:
        node: The node.
        now: Monotonic time in seconds.
        timeout: Seconds that the node had to answer, for messages.
        requirements: What the node has to fulfil.
        penalty: What one more player would cost; None when that is unknown.
        loads: The results of the canaries.
        played: The results of the playing canaries.
        on_demand: The answers for checks on demand.
    """

    node: NodeSnapshot
    now: float
    timeout: float
    requirements: Requirements = NO_REQUIREMENTS
    penalty: Penalty | None = None
    loads: Sequence[Load] = ()
    played: Sequence[Played] = ()
    on_demand: OnDemand = NOTHING_ASKED

    def finding(
        self,
        check: str,
        message: str,
        verdict: Verdict = Verdict.OK,
        *,
        figures: tuple[Figure, ...] = (),
        facts: tuple[tuple[str, str], ...] = (),
        code: str | None = None,
        stage: str | None = None,
        hint: str | None = None,
    ) -> Finding:
        """Makes a finding on this node. A figure outside its thresholds raises the verdict and extends the message."""
        for figure in figures:
            if figure.bounds == NO_BOUNDS:
                continue
            judged = judge(figure.value, figure.bounds)
            if judged.gravity > verdict.gravity:
                limit = figure.bounds.critical if judged is Verdict.CRITICAL else figure.bounds.warning
                shown = limit.shown if limit is not None else ""
                verdict, code, message = judged, code or "threshold", f"{message} (threshold {shown})"
        return Finding(
            node=self.node.identifier,
            check=check,
            verdict=verdict,
            message=message,
            figures=figures,
            facts=facts,
            code=code,
            stage=stage,
            hint=hint,
        )

    def figure(self, check: str, name: str, value: float, unit: Unit, maximum: float | None = None) -> Figure:
        """Makes a figure that the table lists for this check; a judged one gets the thresholds of its unit.

        Raises:
            LookupError: The table does not list it.
        """
        metric = BY_CODE[check].metric(name, unit)
        bounds = self.requirements.bounds_of(check).of(unit) if metric.is_judged else NO_BOUNDS
        return Figure(metric, value, bounds, maximum)

    def verdict_of(self, error: RevvlinkException) -> Verdict:
        """The verdict on a node that failed, or failed a request, with this error."""
        if error.code in _NOT_EXAMINED:
            return Verdict.UNKNOWN
        no_answer = is_timeout(error) or error.code in _SHUT_OUT
        return self.on_timeout if no_answer else Verdict.CRITICAL

    @property
    def on_timeout(self) -> Verdict:
        """The verdict on a node that does not answer in time."""
        return Verdict.UNKNOWN if self.requirements.unknown_on_timeout else Verdict.CRITICAL

    def missing_figure(self, check: str, message: str) -> Finding:
        """The finding for a figure that the node did not send: UNKNOWN where a threshold needs it.

        A default threshold judges what is there. Only thresholds that somebody set need the figure.
        """
        if self.requirements.bounds.get(check, NO_BOUNDS) == NO_BOUNDS:
            return self.finding(check, message)
        return self.finding(
            check,
            f"{message}, and there is a threshold",
            Verdict.UNKNOWN,
            code="no_figure",
            hint="read the node's log",
        )


def always_applies(_: CheckContext) -> str | None:
    """No reason to leave out the check."""
    return None


class NodeCheck(NamedTuple):
    """The functions of one check of nodes.

    Attributes:
        run: Runs the check on a node that is connected. It returns nothing when statistics that it needs are missing.
        why_not: Why the check does not apply to a node, connected or not; None where it applies.
    """

    run: Callable[[CheckContext], Sequence[Outcome]]
    why_not: Callable[[CheckContext], str | None] = always_applies


NodeChecks: TypeAlias = dict[str, NodeCheck]
"""Code of a check -> its functions."""


def is_timeout(error: RevvlinkException | None) -> bool:
    """Whether the error is that nothing answered in time."""
    return error is not None and (error.code in _SILENT or getattr(error, "timed_out", False))
