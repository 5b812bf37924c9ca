"""Checks of playing canaries: tracks that a node must really play."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli._percent import percent
from revvlink_cli.client.errors import Code, Stage
from revvlink_cli.health.catalogue import BY_CODE
from revvlink_cli.health.checks.context import NodeCheck, NodeChecks
from revvlink_cli.health.findings import Finding, Skipped, Verdict, worst
from revvlink_cli.health.ranges import Unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from revvlink_cli.health.checks.context import CheckContext, Played
    from revvlink_cli.health.findings import Outcome

NOT_MEASURED = "no sound was measured, see [play] listen"


def verdict_on(played: Played, context: CheckContext) -> Verdict:
    """The verdict on one result, its figures held against the thresholds of the node's requirements."""
    context = context._replace(played=(played,), requirements=replace(context.requirements, plays=(played.canary,)))
    found = (outcome for check in CHECKS.values() for outcome in check.run(context))
    return worst(outcome for outcome in found if isinstance(outcome, Finding))


def _no_canary(context: CheckContext) -> str | None:
    return None if context.requirements.plays else "no playing canary is given, see --canary-play"


def _play(context: CheckContext) -> Sequence[Outcome]:
    results = {played.canary: played for played in context.played}
    return tuple(_played(context, canary, results.get(canary)) for canary in context.requirements.plays)


def _played(context: CheckContext, canary: str, played: Played | None) -> Finding:
    if played is None:
        finding = context.finding(
            "play",
            f"{canary} was not played within the time",
            context.on_timeout,
            code=str(Code.TIMEOUT),
            stage=str(Stage.REQUEST),
            hint="give it longer with --timeout",
        )
        return replace(finding, subject=canary)
    figures = (
        (context.figure("play", "play_start", played.start_s, Unit.SECONDS),) if played.start_s is not None else ()
    )
    finding = context.finding(
        "play",
        f"{canary}: {played.message}",
        context.on_timeout if played.timed_out else played.verdict,
        figures=figures,
        code=played.code,
        stage=str(Stage.REQUEST) if played.verdict is not Verdict.OK else None,
        hint=played.advice,
    )
    return replace(finding, subject=canary)


def _packets(context: CheckContext) -> Sequence[Outcome]:
    return _measured(
        context,
        "packets",
        {
            played.canary: (rate, f"{played.canary} sent {rate:.1f} packets a second, of 50")
            for played in context.played
            if (rate := played.packet_rate) is not None
        },
        "look at the node's CPU, and at its network to here",
    )


def _silence(context: CheckContext) -> Sequence[Outcome]:
    return _measured(
        context,
        "silence",
        {
            played.canary: (ratio, f"{played.canary} is {percent(ratio)} silence")
            for played in context.played
            if (ratio := played.silence_ratio) is not None
        },
        "listen to the track itself, or choose another one",
    )


def _measured(
    context: CheckContext, check: str, values: Mapping[str, tuple[float, str]], hint: str
) -> Sequence[Outcome]:
    """The findings of a check with one figure: by canary its value, and what that means in words."""
    (metric,) = BY_CODE[check].metrics
    found = []
    for canary, (value, message) in values.items():
        figure = context.figure(check, metric.name, value, metric.unit)
        finding = context.finding(check, message, figures=(figure,), hint=hint)
        found.append(replace(finding, subject=canary, hint=hint if finding.verdict is not Verdict.OK else None))
    return found or (Skipped(context.node.identifier, check, NOT_MEASURED),)


CHECKS: NodeChecks = {
    "play": NodeCheck(_play, _no_canary),
    "packets": NodeCheck(_packets, _no_canary),
    "silence": NodeCheck(_silence, _no_canary),
}
