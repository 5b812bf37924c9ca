"""Checks of canaries: queries that a node must be able to load."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code, LavalinkLoadException, Stage
from revvlink_cli.health.checks.context import Load, NodeCheck, NodeChecks
from revvlink_cli.health.failure_codes import FailureCode
from revvlink_cli.health.findings import Finding, Verdict, graver
from revvlink_cli.health.known_failures import explain_load
from revvlink_cli.health.ranges import Unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.health.checks.context import CheckContext
    from revvlink_cli.health.findings import Outcome
    from revvlink_cli.health.ranges import Bounds

NO_CANARY = "no canary: tracks were not tried (--canary)"
"""Why tracks are not loaded. A node that loads none may be fine for every other check."""


def _no_canary(context: CheckContext) -> str | None:
    return None if context.requirements.canaries else NO_CANARY


def _load(context: CheckContext) -> Sequence[Outcome]:
    tried = {load.canary: load for load in context.loads}
    loads = [tried.get(canary, Load(canary, 0.0)) for canary in context.requirements.canaries]
    return tuple(replace(_loaded(context, load), subject=load.canary) for load in loads)


def _loaded(context: CheckContext, load: Load) -> Finding:
    if load.error is not None:
        message, code, hint = load.error.message, str(load.error.code), load.error.hint
        if isinstance(load.error, LavalinkLoadException) and (known := explain_load(load.error)).is_known:
            message, hint = known.sentence(message), known.next_step
            code = code if known.code is FailureCode.OTHER else str(known.code)
        return context.finding(
            "load",
            f"{load.canary} does not load: {message}",
            context.verdict_of(load.error),
            code=code,
            stage=str(Stage.REQUEST),
            hint=hint,
        )
    if load.tracks is None:
        message = f"{load.canary} was not loaded within {load.took:.1f} s"
        if not load.took:
            message = f"{load.canary} was not tried: the time was over before its turn"
        return context.finding(
            "load",
            message,
            graver(context.on_timeout, _exceeded(load.took, context.requirements.bounds_of("load"))),
            code=str(Code.TIMEOUT),
            stage=str(Stage.REQUEST),
            hint="raise --timeout",
        )
    if load.tracks == 0:
        return context.finding("load", f"{load.canary} loads nothing", Verdict.CRITICAL, code="empty",
                               hint="check that the canary still exists, then check its source")  # fmt: skip
    tracks = f"{load.tracks} track{'' if load.tracks == 1 else 's'}"
    figure = context.figure("load", "load", load.took, Unit.SECONDS)
    return context.finding("load", f"{load.canary} loaded {tracks} in {load.took * 1000:.0f} ms", figures=(figure,))


def _exceeded(at_least: float, bounds: Bounds) -> Verdict:
    """The least verdict on a figure of which only this much is known: what is too long will not get shorter."""
    for limit, verdict in ((bounds.critical, Verdict.CRITICAL), (bounds.warning, Verdict.WARNING)):
        if limit is not None and not limit.inside and at_least > limit.end:
            return verdict
    return Verdict.UNKNOWN


CHECKS: NodeChecks = {"load": NodeCheck(_load, _no_canary)}
