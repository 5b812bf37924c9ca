"""What to make of a node: pure functions from a snapshot to findings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code, Stage

if TYPE_CHECKING:
    from revvlink_cli.client.snapshot import NodeSnapshot

STAGES = ("reach", "auth", "version", "stats")
"""The checks of one node, in the order in which one depends on the other."""


class Verdict(IntEnum):
    """As monitoring systems know them; `worst` knows that UNKNOWN is better than WARNING."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_GRAVITY = {Verdict.OK: 0, Verdict.UNKNOWN: 1, Verdict.WARNING: 2, Verdict.CRITICAL: 3}

_UNDECIDED = {Code.TIMEOUT, Code.SILENT, Code.RESOLVE_FAILED, Code.RATE_LIMITED, Code.FORBIDDEN, Code.INTERNAL}
"""Failures after which nobody can say whether the node serves its bots."""

_STAGE_OF = {
    Stage.RESOLVE: "reach",
    Stage.CONNECT: "reach",
    Stage.TLS: "reach",
    Stage.AUTH: "auth",
    Stage.VERSION: "version",
    Stage.READY: "version",
    Stage.REQUEST: "reach",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check on one node.

    Attributes:
        node: The node.
        check: One of `STAGES`.
        verdict: How bad it is.
        message: What was found, one line.
        code: Stable word for a failure, None when all is well.
        hint: What to do, or None.
    """

    node: str
    check: str
    verdict: Verdict
    message: str
    code: str | None = None
    hint: str | None = None


def worst(findings: tuple[Finding, ...]) -> Verdict:
    """The gravest verdict, of OK < UNKNOWN < WARNING < CRITICAL; UNKNOWN when there are no findings."""
    return max((finding.verdict for finding in findings), key=_GRAVITY.__getitem__, default=Verdict.UNKNOWN)


def examine(node: NodeSnapshot, now: float, timeout: float) -> tuple[Finding, ...]:
    """All checks on one node; those that depend on one that failed are not made.

    Args:
        node: The node.
        now: Monotonic second.
        timeout: Seconds that were given to it, for the message.
    """
    name = node.identifier
    if node.ready_ms is None:
        return _not_ready(node, timeout)
    version = node.info.version if node.info is not None else ""
    findings = [
        Finding(name, "reach", Verdict.OK, f"ready in {node.ready_ms:.0f} ms"),
        Finding(name, "auth", Verdict.OK, "password accepted"),
        Finding(name, "version", Verdict.OK, f"{node.dialect or 'v4 server'} {version}".rstrip())
        if node.info is not None
        else Finding(name, "version", Verdict.WARNING, str(node.error or "did not say what it is"), Code.BAD_ANSWER),
    ]
    stats = node.stats(now)
    if stats is None or stats.players is None:
        told = f": {node.error}" if node.error is not None else ""
        what = f"no statistics{told}" if stats is None else "statistics without a number of players"
        findings.append(Finding(name, "stats", Verdict.UNKNOWN, what, "no_stats", "look at the node's log"))
    else:
        load = "CPU not measured yet" if stats.system_load is None else f"CPU {stats.system_load:.0%}"
        findings.append(
            Finding(name, "stats", Verdict.OK, f"{stats.playing or 0} of {stats.players} players playing, {load}")
        )
    return tuple(findings)


def _not_ready(node: NodeSnapshot, timeout: float) -> tuple[Finding, ...]:
    """The checks that were passed before the one that failed, and that one."""
    error = node.error
    if error is None:
        message, code = f"not connected within {timeout:g} s", Code.TIMEOUT
        return (Finding(node.identifier, "reach", Verdict.UNKNOWN, message, code, "give it longer with --timeout"),)
    failed = _STAGE_OF[error.stage] if error.stage is not None else "reach"
    verdict = Verdict.UNKNOWN if error.code in _UNDECIDED else Verdict.CRITICAL
    passed = {"auth": ("reach",), "version": ("reach", "auth")}.get(failed, ())
    if error.code in (Code.NOT_LAVALINK, Code.LAVALINK_V3, Code.REDIRECTED):
        passed = ("reach",)  # whatever it is, it did not look at the password
    told = {"reach": "answers", "auth": "password accepted"}
    return (
        *(Finding(node.identifier, check, Verdict.OK, told[check]) for check in passed),
        Finding(node.identifier, failed, verdict, error.message, str(error.code), error.hint),
    )
