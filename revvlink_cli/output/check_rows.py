"""The outcome of checks as rows, and on one line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from revvlink_cli.health.findings import Finding, Skipped, Verdict, subject_of
from revvlink_cli.health.silences import local_time
from revvlink_cli.output.in_context import InContext, in_context
from revvlink_cli.output.result import Failure, Kind, column

if TYPE_CHECKING:
    from collections.abc import Iterable

    from revvlink_cli.health.findings import Figure, Outcome
    from revvlink_cli.health.fleet import Report

FLEET = "(fleet)"
"""Name of the node in the table for a check of the whole fleet."""


def _node(row: CheckRow) -> str:
    return row.node if row.node is not None else FLEET


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRow:
    """A number that a check measured, in its base unit; thresholds are ranges in the same unit."""

    name: str
    unit: str
    value: float
    warning: str | None
    critical: str | None
    maximum: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRecord:
    """What silences a problem, until when, and the verdict that it would have."""

    id: str
    reason: str
    until: str
    created_by: str
    verdict: str


def _message(row: CheckRow) -> str:
    return row.message if row.silence is None else f"{row.message} (silenced {_shown(row.silence)})"


def _shown(silence: SilenceRecord) -> str:
    return f"until {local_time(datetime.fromisoformat(silence.until).timestamp())}: {silence.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """The outcome of one check: ok, warning, critical, unknown, silenced or skipped. Without a node, the fleet's."""

    node: str | None = column("NODE", cell=_node, rank=0)
    check: str = column("CHECK", rank=0)
    verdict: str = column("VERDICT", Kind.STATE, rank=0)
    message: str = column("MESSAGE", cell=_message, wraps=True)
    subject: str | None
    code: str | None
    stage: str | None
    hint: str | None
    figures: tuple[FigureRow, ...]
    facts: dict[str, str]
    silence: SilenceRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextCheckRow(CheckRow, InContext):
    """The outcome of one check in one of several contexts."""


def rows_of(outcomes: Iterable[Outcome]) -> tuple[CheckRow, ...]:
    """One row for each outcome, with its context if it has one."""
    return tuple(map(_row, outcomes))


def _row(outcome: Outcome) -> CheckRow:
    row = _plain_row(outcome)
    return row if outcome.context is None else in_context(ContextCheckRow, row, outcome.context)


def _plain_row(outcome: Outcome) -> CheckRow:
    plain: dict[str, Any] = {"node": outcome.node, "check": outcome.check}
    if isinstance(outcome, Skipped):
        return CheckRow(**plain, verdict="skipped", message=outcome.reason, subject=None, code=None, stage=None,
                        hint=None, figures=(), facts={})  # fmt: skip
    return CheckRow(
        **plain,
        verdict="silenced" if outcome.silence is not None else outcome.verdict.name.lower(),
        message=outcome.message,
        subject=outcome.subject,
        code=outcome.code,
        stage=outcome.stage,
        hint=outcome.hint,
        figures=tuple(map(_figure, outcome.figures)),
        facts={name: value for name, value in outcome.facts if value},
        silence=_silence(outcome),
    )


def _silence(finding: Finding) -> SilenceRecord | None:
    silence = finding.silence
    if silence is None:
        return None
    return SilenceRecord(
        id=silence.id,
        reason=silence.reason,
        until=datetime.fromtimestamp(silence.until, UTC).isoformat(timespec="seconds"),
        created_by=silence.created_by,
        verdict=(finding.raw_verdict or finding.verdict).name.lower(),
    )


def _figure(figure: Figure) -> FigureRow:
    warning, critical = figure.bounds
    return FigureRow(
        name=figure.name,
        unit=figure.unit.base,
        value=figure.value,
        warning=warning.written(1.0) if warning is not None else None,
        critical=critical.written(1.0) if critical is not None else None,
        maximum=figure.maximum,
    )


GIST = ("reach", "version", "cpu", "players", "load", "play", "packets", "regions")
"""Checks whose messages summarize a node where all is OK."""


def table_rows(report: Report) -> tuple[CheckRow, ...]:
    """The rows of the short table: every finding that is not OK, and one row for each node without any."""
    rows: list[CheckRow] = []
    by_node: dict[tuple[str | None, str | None], list[Finding]] = {}
    for finding in report.findings:
        by_node.setdefault((finding.context, finding.node), []).append(finding)
    for (context, node), findings in by_node.items():
        bad = [finding for finding in findings if finding.verdict is not Verdict.OK or finding.silence is not None]
        if bad:
            rows += rows_of(bad)
            continue
        messages = [finding.message for finding in findings if finding.check in GIST]
        message = "; ".join(messages) or findings[0].message
        check = findings[0].check if len(findings) == 1 else f"{len(findings)} checks"
        rows.append(_row(Finding(node=node, check=check, verdict=Verdict.OK, message=message, context=context)))
    return tuple(rows)


def by_gravity(findings: Iterable[Finding]) -> list[Finding]:
    """Findings, the gravest first and those that are silenced after them, otherwise in the given order."""
    return sorted(findings, key=lambda finding: (-finding.verdict.gravity, finding.silence is None))


def silenced(report: Report) -> list[Finding]:
    """The problems that are silenced, the gravest first."""
    found = [finding for finding in report.findings if finding.silence is not None]
    return sorted(found, key=lambda finding: -(finding.raw_verdict or finding.verdict).gravity)


def verdict_of(finding: Finding) -> str:
    """The verdict in capitals; SILENCED for a problem that is silenced."""
    return "SILENCED" if finding.silence is not None else finding.verdict.name


def trouble(report: Report) -> list[Finding]:
    """Findings that are not OK: the gravest first, those of nodes before those of the fleet."""
    return by_gravity(
        sorted((f for f in report.findings if f.verdict is not Verdict.OK), key=lambda finding: finding.node is None)
    )


def place(finding: Finding) -> str:
    """Node and check: ``us-1 cpu``, ``fleet skew``; of several contexts ``prod/us-1 cpu``."""
    return f"{subject_of(finding)} {finding.check}"


def describe(finding: Finding) -> str:
    """A finding on one line: node, check, message, and what silences it."""
    return f"{place(finding)}: {message_of(finding)}"


def message_of(finding: Finding) -> str:
    """The message, and until when and why the problem is silenced."""
    if finding.silence is None:
        return finding.message
    return f"{finding.message} (silenced {finding.silence.shown})"


def headline(report: Report) -> str:
    """The verdict and the number of healthy nodes: ``CRITICAL: 2 of 3 nodes healthy``."""
    if not report.findings:
        why = next((f": {outcome.reason}" for outcome in report.outcomes if isinstance(outcome, Skipped)), "")
        return f"{report.verdict.name}: no check was made{why}"
    return f"{report.verdict.name}: {report.healthy_nodes}"


def summary(report: Report, most: int = 3, separator: str = "; ") -> str:
    """The headline and the gravest findings; where all is well, those that are silenced.

    Nagios wants no semicolon, so the separator is a parameter.
    """
    bad = trouble(report)
    parts = [headline(report), *map(describe, bad[:most])]
    if len(bad) > most:
        parts.append(f"and {len(bad) - most} more")
    if not bad and most > 1:
        hidden = silenced(report)
        parts += map(describe, hidden[:most])
        if len(hidden) > most:
            parts.append(f"and {len(hidden) - most} more silenced")
    return separator.join(parts)


def shortened(text: str, room: int) -> str:
    """`text`, cut to so many characters at most."""
    return text if len(text) <= room else text[: room - 3].rstrip() + "..."


def _stage(found: Finding) -> str:
    """The stage of a failure: the check, or `config` if the check could not be made without a usable configuration."""
    return found.stage if found.stage == "config" else found.check


def failures(findings: Iterable[Finding]) -> tuple[Failure, ...]:
    """The findings that are not OK, as failures of a command."""
    return tuple(
        Failure(
            found.code or found.verdict.name.lower(),
            found.message,
            found.node,
            _stage(found),
            found.hint,
            context=found.context,
        )
        for found in findings
        if found.verdict is not Verdict.OK
    )
