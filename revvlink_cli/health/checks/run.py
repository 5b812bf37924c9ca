"""Runs the checks of one node, in the order of the table, and finds the one that a node's failure belongs to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code, Stage
from revvlink_cli.health.catalogue import NODE_CHECKS
from revvlink_cli.health.checks import canaries, connection, on_demand, playing, server, statistics
from revvlink_cli.health.findings import Finding, Outcome, Skipped, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from revvlink_cli.client.errors import RevvlinkException
    from revvlink_cli.health.checks.context import CheckContext, NodeCheck

_FUNCTIONS = {
    **connection.CHECKS,
    **server.CHECKS,
    **statistics.CHECKS,
    **canaries.CHECKS,
    **playing.CHECKS,
    **on_demand.CHECKS,
}

CHECKS: Mapping[str, NodeCheck] = {code: _FUNCTIONS.pop(code) for code in NODE_CHECKS}
"""Code of a check -> its functions, in the order of the table. A check without functions stops the import."""

if _FUNCTIONS:
    raise LookupError(f"revvlink_cli.health.catalogue lists no {', '.join(_FUNCTIONS)}")

_ALL = frozenset(NODE_CHECKS)

_NO_LAVALINK = {Code.NOT_LAVALINK, Code.LAVALINK_V3, Code.REDIRECTED}
"""Answers of servers that did not check the password."""

_CHECK_OF_STAGE = {
    Stage.CONFIG: "reach",
    Stage.RESOLVE: "reach",
    Stage.CONNECT: "reach",
    Stage.TLS: "reach",
    Stage.AUTH: "auth",
    Stage.VERSION: "version",
    Stage.READY: "websocket",
    Stage.REQUEST: "reach",
}

_CHECK_OF_CODE = {Code.CLOSED: "websocket", Code.FORBIDDEN: "reach"}
"""Failures that belong to another check than their stage says.

A websocket was ready before it was closed. What a proxy or a guard forbids says nothing about the password.
"""

_PASSED_BEFORE = {"auth": ("reach",), "version": ("reach", "auth"), "websocket": ("reach", "auth", "version")}
"""Check that failed -> the checks that the node passed before."""

_REPORTS_FAILURE_OF = {"certificate": ("reach",), "auth": ()}
"""Checks that report the failure of these left-out checks only; other checks report that of the check they need."""


def check_node(context: CheckContext) -> tuple[Outcome, ...]:
    """Runs all checks on one node, and leaves out those that its requirements skip."""
    return select_checks(run_checks(context), _ALL - context.requirements.skip)


def run_checks(context: CheckContext) -> tuple[Outcome, ...]:
    """Runs all checks on one node, in the order of the table; those that depend on a failed one are skipped."""
    node = context.node
    is_ready = node.ready_ms is not None and node.rest_failure is None
    found: dict[str, Sequence[Outcome]] = {}
    needs = "stats"
    if not is_ready:
        failed = _failure(context)
        needs = failed.check
        for code in _passed(failed, node.rest_failure or node.error):
            found[code] = (context.finding(code, connection.PASSED[code]),)
        found[failed.check] = (failed,)
    outcomes: list[Outcome] = []
    for code, check in CHECKS.items():
        reason = check.why_not(context)
        if reason is not None:
            outcomes.append(Skipped(node.identifier, code, reason))
        else:
            made = check.run(context) if is_ready else found.get(code)
            outcomes += made or (Skipped(node.identifier, code, f"{needs} failed", needs),)
    return tuple(outcomes)


def select_checks(outcomes: tuple[Outcome, ...], codes: AbstractSet[str]) -> tuple[Outcome, ...]:
    """The outcomes of these checks on one node.

    Leaving out a check never makes a dead node healthy. Where a left-out check failed, the first selected check that
    needs it reports the failure. Where no check may report it, the first one that could not be made is UNKNOWN.
    """
    if codes >= _ALL:
        return outcomes
    selected: list[Outcome] = []
    failures: list[Finding] = []
    for outcome in outcomes:
        if outcome.check in codes:
            selected.append(outcome)
        elif isinstance(outcome, Finding) and outcome.verdict not in (Verdict.OK, Verdict.WARNING):
            failures.append(outcome)
    for failure in failures:
        dependent = [
            index
            for index, outcome in enumerate(selected)
            if isinstance(outcome, Skipped) and outcome.needs == failure.check
        ]
        reporting = [index for index in dependent if _may_report(selected[index].check, failure.check)]
        if dependent:
            index = (reporting or dependent)[0]
            reported = replace(failure, check=selected[index].check, origin=failure.check, figures=())
            if not reporting:
                reported = replace(reported, verdict=Verdict.UNKNOWN, raw_verdict=failure.verdict)
            selected[index] = reported
    return tuple(selected)


def _may_report(check: str, failed: str) -> bool:
    return failed in _REPORTS_FAILURE_OF.get(check, (failed,))


def _failure(context: CheckContext) -> Finding:
    """The finding of the check that failed on a node that is not ready, hangs, or serves no request."""
    error = context.node.rest_failure or context.node.error
    if error is None:
        stage = context.node.stage
        check = _CHECK_OF_STAGE[stage] if stage is not None else "reach"
        message = f"not connected within {context.timeout:g} s"
        return context.finding(
            check if check == "websocket" else "reach",
            message,
            context.on_timeout,
            code=str(Code.TIMEOUT),
            stage=str(stage or Stage.CONNECT),
            hint="raise --timeout, or check the node",
        )
    return context.finding(
        _CHECK_OF_CODE.get(error.code) or (_CHECK_OF_STAGE[error.stage] if error.stage is not None else "reach"),
        error.message,
        context.verdict_of(error),
        code=str(error.code),
        stage=str(error.stage) if error.stage is not None else None,
        hint=error.hint,
    )


def _passed(failed: Finding, error: RevvlinkException | None) -> tuple[str, ...]:
    """The checks that the node passed before the failed one."""
    if error is not None and error.code in _NO_LAVALINK:
        return ("reach",)
    return _PASSED_BEFORE.get(failed.check, ())
