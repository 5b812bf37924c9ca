"""Checks that run only where they are asked for, because each sends a request of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.client.errors import LavalinkException, RevvlinkException, Stage
from revvlink_cli.health.checks.context import NodeCheck, NodeChecks
from revvlink_cli.health.findings import Verdict
from revvlink_cli.health.ranges import Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from revvlink_cli.client.protocol.models import NodeInfo
    from revvlink_cli.health.checks.context import CheckContext
    from revvlink_cli.health.findings import Outcome

LARGEST_BLOCK = 65_536
"""Addresses of the largest block of which a share is shown. IPv6 blocks are so large that every share would be 0%."""

UNUSED_PLANNER = "youtuberotator.planner"
"""Package in the exception that Lavalink answers for a RotateOnBan planner before its first use."""

YOUTUBE_PLUGIN = "youtube-plugin"
"""Name of the YouTube plugin in ``/v4/info``."""


def _route_planner(context: CheckContext) -> Sequence[Outcome]:
    planner, bounds = context.on_demand.route_planner, context.requirements.bounds_of("routeplanner")
    if planner is None or isinstance(planner, RevvlinkException):
        if isinstance(planner, LavalinkException) and UNUSED_PLANNER in planner.reason:
            message = "not judged: the node answers as one whose route planner has not been used since its start"
            return (context.finding("routeplanner", message),)
        return _unknown(context, "routeplanner", "its route planner cannot be read", planner)
    addresses, size = planner.failing_addresses, planner.block_size
    if addresses is None:
        return (context.missing_figure("routeplanner", f"{planner.kind} does not list its failing addresses"),)
    failing = len(addresses)
    figures = [context.figure("routeplanner", "routeplanner_failing", failing, Unit.COUNT)]
    message = f"{planner.kind}: {failing} failing address{'' if failing == 1 else 'es'}"
    if size is not None and 0 < size <= LARGEST_BLOCK:
        figures.append(context.figure("routeplanner", "routeplanner_failing", failing / size, Unit.RATIO, 1.0))
        message += f" of {size} ({Unit.RATIO.show(failing / size)})"
    elif any(limit is not None and limit.unit is Unit.RATIO for limit in bounds):
        message += f", of a block that is {'of unknown size' if size is None else 'too large for a share'}"
        hint = "give a number of addresses as the threshold, such as routeplanner=10"
        return (context.finding("routeplanner", message, Verdict.UNKNOWN, figures=tuple(figures), code="no_figure",
                                hint=hint),)  # fmt: skip
    help_ = f"see `revvlink routeplanner status {context.node.identifier}`" if failing else None
    return (context.finding("routeplanner", message, figures=tuple(figures), hint=help_),)


def _no_route_planner(context: CheckContext) -> str | None:
    planner = context.on_demand.route_planner
    if planner is None or isinstance(planner, RevvlinkException) or planner.kind is not None:
        return None
    return "the node has no route planner"


def _youtube(context: CheckContext) -> Sequence[Outcome]:
    has_token, is_required = context.on_demand.has_youtube_token, context.requirements.youtube_oauth
    if not isinstance(has_token, bool):
        return _unknown(context, "youtube", "whether the YouTube plugin has an OAuth token is not known", has_token)
    if has_token:
        return (context.finding("youtube", "the YouTube plugin has an OAuth token"),)
    message = f"the YouTube plugin has no OAuth token{', which is required' if is_required else ''}"
    verdict = Verdict.CRITICAL if is_required else Verdict.WARNING
    hint = "set plugins.youtube.oauth in the node's application.yml"
    return (context.finding("youtube", message, verdict, code="no_youtube_token", hint=hint),)


def _no_youtube_plugin(context: CheckContext) -> str | None:
    info = context.node.info
    return "the node has no YouTube plugin" if info is not None and not has_youtube_plugin(info) else None


def has_youtube_plugin(info: NodeInfo) -> bool:
    """Whether a node has the YouTube plugin."""
    return any(plugin.name.casefold() == YOUTUBE_PLUGIN for plugin in info.plugins)


def _unknown(context: CheckContext, check: str, what: str, error: RevvlinkException | None) -> Sequence[Outcome]:
    """The finding on a node that did not answer the request of a check."""
    if error is None:
        message, code, hint = f"{what}: no answer within {context.timeout:g} s", "timeout", "raise --timeout"
        return (context.finding(check, message, Verdict.UNKNOWN, code=code, stage=str(Stage.REQUEST), hint=hint),)
    return (
        context.finding(
            check,
            f"{what}: {error.message}",
            Verdict.UNKNOWN,
            code=str(error.code),
            stage=str(Stage.REQUEST),
            hint=error.hint,
        ),
    )


def _on_demand(
    code: str,
    run: Callable[[CheckContext], Sequence[Outcome]],
    why_not: Callable[[CheckContext], str | None],
    how: str,
) -> NodeCheck:
    """A check that is skipped where nothing asks for it; `how` says what does."""

    def reason(context: CheckContext) -> str | None:
        return why_not(context) if code in context.on_demand.codes else f"not asked for ({how})"

    return NodeCheck(run, reason)


CHECKS: NodeChecks = {
    "routeplanner": _on_demand(
        "routeplanner", _route_planner, _no_route_planner, "--warning routeplanner=, or --only routeplanner"
    ),
    "youtube": _on_demand("youtube", _youtube, _no_youtube_plugin, "--require-youtube-oauth, or --only youtube"),
}
