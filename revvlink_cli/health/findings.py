"""The results of checks: findings with verdicts and figures, and skipped checks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

from revvlink_cli.health.ranges import NO_BOUNDS, Bounds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from revvlink_cli.health.catalogue import Metric
    from revvlink_cli.health.ranges import Unit
    from revvlink_cli.health.silences import Silence


class Verdict(IntEnum):
    """The verdict of a check; its value is the exit code of monitoring plugins. `gravity` orders the verdicts."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3

    @property
    def gravity(self) -> int:
        """The place in OK < UNKNOWN < WARNING < CRITICAL."""
        return _GRAVITY[self]


_GRAVITY = {Verdict.OK: 0, Verdict.UNKNOWN: 1, Verdict.WARNING: 2, Verdict.CRITICAL: 3}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that a check measured.

    Attributes:
        metric: What it is, from the table of checks.
        value: In the base unit.
        bounds: The thresholds that judge it.
        maximum: The highest possible value; None if there is none or it is unknown.
    """

    metric: Metric
    value: float
    bounds: Bounds = NO_BOUNDS
    maximum: float | None = None

    @property
    def name(self) -> str:
        """Its name without the unit: ``cpu_system_load``."""
        return self.metric.name

    @property
    def unit(self) -> Unit:
        """What it is measured in."""
        return self.metric.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check on one node, or on the fleet.

    Attributes:
        node: The node; None for the fleet.
        check: Code of the check.
        subject: Which of several things was checked (a canary), or None.
        verdict: How grave it is.
        message: What was found, one line.
        code: Stable name of a failure; None for OK.
        stage: The stage of the connection at which it failed, or None.
        hint: What to do, or None.
        figures: Numbers, the judged one first.
        facts: Texts that the check read, by name.
        origin: The check that failed, where that one is left out and this one reports its failure; else None.
        raw_verdict: The original verdict, where a quorum, a silence or the lack of a check to report it made it milder;
            else None.
        context: The fleet, where a report is about several; else None.
        silence: What silences this problem, whose `verdict` is then OK and whose `raw_verdict` is the original; else
            None.
    """

    node: str | None
    check: str
    verdict: Verdict
    message: str
    subject: str | None = None
    code: str | None = None
    stage: str | None = None
    hint: str | None = None
    figures: tuple[Figure, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    origin: str | None = None
    raw_verdict: Verdict | None = None
    context: str | None = None
    silence: Silence | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A check that did not run.

    Attributes:
        node: The node; None for the fleet.
        check: Code of the check.
        reason: Why, in a few words.
        needs: Code of the failed check that this one depends on, or None.
        context: The fleet, where a report is about several; else None.
    """

    node: str | None
    check: str
    reason: str
    needs: str | None = None
    context: str | None = None


Outcome: TypeAlias = Finding | Skipped


def subject_of(outcome: Outcome, *, fleet: str = "fleet") -> str:
    """The node of an outcome, or `fleet` for a whole fleet: ``us-1``; of several fleets ``prod/us-1``."""
    name = outcome.node if outcome.node is not None else fleet
    return name if outcome.context is None else f"{outcome.context}/{name}"


def graver(*verdicts: Verdict) -> Verdict:
    """The gravest of them."""
    return max(verdicts, key=_GRAVITY.__getitem__)


def worst(outcomes: Iterable[Outcome]) -> Verdict:
    """The gravest verdict, of OK < UNKNOWN < WARNING < CRITICAL; UNKNOWN when nothing was found."""
    verdicts = (outcome.verdict for outcome in outcomes if isinstance(outcome, Finding))
    return max(verdicts, key=_GRAVITY.__getitem__, default=Verdict.UNKNOWN)


def is_healthy(outcomes: Iterable[Outcome]) -> bool | None:
    """Whether a node with these outcomes is healthy; None when that is unknown."""
    verdicts = {outcome.verdict for outcome in outcomes if isinstance(outcome, Finding)}
    if Verdict.CRITICAL in verdicts:
        return False
    return None if Verdict.UNKNOWN in verdicts or not verdicts else True


def judge(value: float, bounds: Bounds) -> Verdict:
    """The verdict on a figure."""
    if bounds.critical is not None and bounds.critical.alerts(value):
        return Verdict.CRITICAL
    return Verdict.WARNING if bounds.warning is not None and bounds.warning.alerts(value) else Verdict.OK
