"""Checks of playing canaries: tracks that a node must really play."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli._percent import percent
from revvlink_cli.client.errors import Code, Stage
from revvlink_cli.health.checks.context import NodeCheck, NodeChecks
from revvlink_cli.health.findings import Finding, Skipped, Verdict, worst
from revvlink_cli.health.ranges import Unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.health.checks.context import CheckContext, Played
    from revvlink_cli.health.findings import Figure, Outcome

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
    found = [
        _measured(
            context,
            played.canary,
            context.figure("packets", "play_packets_per_second", played.packet_rate, Unit.COUNT),
            f"{played.canary} sent {played.packet_rate:.1f} packets a second, of 50",
            "look at the node's CPU, and at its network to here",
        )
        for played in context.played
        if played.packet_rate is not None
    ]
    return found or (Skipped(context.node.identifier, "packets", NOT_MEASURED),)


def _silence(context: CheckContext) -> Sequence[Outcome]:
    found = [
        _measured(
            context,
            played.canary,
            context.figure("silence", "play_silence", played.silence_ratio, Unit.RATIO),
            f"{played.canary} is {percent(played.silence_ratio)} silence",
            "listen to the track itself, or choose another one",
        )
        for played in context.played
        if played.silence_ratio is not None
    ]
    return found or (Skipped(context.node.identifier, "silence", NOT_MEASURED),)


def _measured(context: CheckContext, canary: str, figure: Figure, message: str, hint: str) -> Finding:
    check = "packets" if figure.metric.unit is Unit.COUNT else "silence"
    finding = context.finding(check, message, figures=(figure,), hint=hint)
    return replace(finding, subject=canary, hint=hint if finding.verdict is not Verdict.OK else None)


CHECKS: NodeChecks = {
    "play": NodeCheck(_play, _no_canary),
    "packets": NodeCheck(_packets, _no_canary),
    "silence": NodeCheck(_silence, _no_canary),
}
