"""Checks of a node's statistics, and of the penalty that follows from them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.routing.penalty import FRAMES_PER_MINUTE
from revvlink_cli.health.checks.context import NodeCheck, NodeChecks, always_applies, is_timeout
from revvlink_cli.health.findings import Finding, Skipped, Verdict, judge
from revvlink_cli.health.ranges import NO_BOUNDS, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from revvlink_cli.client.protocol.models import NodeStats
    from revvlink_cli.health.checks.context import CheckContext
    from revvlink_cli.health.findings import Outcome

_ORIGINS = {"websocket": "websocket", "rest": "REST"}


def _stats(context: CheckContext) -> Sequence[Outcome]:
    node = context.node
    stats, timed = node.stats(context.now), node.timed_stats
    if stats is None or timed is None or stats.players is None:
        why = f": {node.stats_error}" if node.stats_error is not None else ""
        what = f"no statistics{why}" if stats is None else "statistics without a number of players"
        verdict = context.on_timeout if stats is None and is_timeout(node.stats_error) else Verdict.UNKNOWN
        return (context.finding("stats", what, verdict, code="no_stats", hint="read the node's log"),)
    age = max(context.now - timed.at, 0.0)
    figure = context.figure("stats", "stats_age", age, Unit.SECONDS)
    message = f"statistics received {Unit.SECONDS.show(age)} ago ({_ORIGINS[str(timed.origin)]})"
    return (context.finding("stats", message, figures=(figure,)),)


def _cpu(context: CheckContext, stats: NodeStats) -> Finding:
    if stats.system_load is None:
        if not stats.has_cpu_baseline:
            return context.finding("cpu", "not measured yet, so not judged: the node has no baseline")
        return context.missing_figure("cpu", "the node does not report its load")
    load = context.figure("cpu", "cpu_system_load", stats.system_load, Unit.RATIO, 1.0)
    more = (
        [context.figure("cpu", "cpu_lavalink_load", stats.server_load, Unit.RATIO, 1.0)]
        if stats.server_load is not None
        else []
    )
    cores = f" on {stats.cores} cores" if stats.cores else ""
    more += [context.figure("cpu", "cpu_cores", stats.cores, Unit.COUNT)] if stats.cores else []
    message, judged = f"load {Unit.RATIO.show(load.value)}{cores}", load
    now = judge(load.value, load.bounds)
    if now is Verdict.OK:
        return context.finding("cpu", message, figures=(load, *more))
    earlier = context.node.earlier_stats
    before = earlier.stats.system_load if earlier is not None else None
    if before is None:
        message += " in the only sample"
    else:  # a burst passes: the milder of two samples is judged
        message += f", {Unit.RATIO.show(before)} in the sample before"
        if judge(before, load.bounds).gravity < now.gravity:
            judged = replace(load, value=before)
    return replace(context.finding("cpu", message, figures=(judged,)), figures=(load, *more))


def _memory(context: CheckContext, stats: NodeStats) -> Finding:
    used, most = stats.memory_used, stats.memory_reservable
    if used is None or not most or most < 0:
        return context.missing_figure("memory", "the node does not report its memory")
    in_use = context.figure("memory", "memory_used", float(used), Unit.BYTES)
    sizes = {"free": stats.memory_free, "allocated": stats.memory_allocated, "reservable": most}
    more = tuple(
        context.figure("memory", f"memory_{name}", float(size), Unit.BYTES)
        for name, size in sizes.items()
        if size is not None
    )
    if context.node.dialect is Dialect.NODELINK:  # used is its heap, reservable the memory of its machine
        message = f"{Unit.BYTES.show(used)} of heap in use; NodeLink reports no limit, so its share is not judged"
        return context.finding("memory", message, figures=(in_use, *more))
    share = context.figure("memory", "memory_used", used / most, Unit.RATIO, 1.0)
    message = f"{Unit.RATIO.show(used / most)} in use: {Unit.BYTES.show(used)} of {Unit.BYTES.show(most)}"
    return context.finding("memory", message, figures=(share, in_use, *more))


def _frames(context: CheckContext, stats: NodeStats) -> Outcome:
    if stats.frames is None:
        reason = "no rate of frames yet: it takes two samples of a node that plays (exporter, check --watch)"
        return Skipped(context.node.identifier, "frames", reason)
    lost = min((stats.frames.deficit + stats.frames.nulled) / FRAMES_PER_MINUTE, 1.0)
    figure = context.figure("frames", "frames_lost", lost, Unit.RATIO, 1.0)
    finding = context.finding("frames", f"{Unit.RATIO.show(lost)} of frames lost", figures=(figure,))
    if finding.verdict is Verdict.OK:
        return finding
    return replace(finding, hint="check the node's CPU and network, and the sources that its players use")


def _no_frames(context: CheckContext) -> str | None:
    if context.node.ready_ms is None or context.node.dialect is not Dialect.LAVALINK:
        return None
    return "Lavalink shows frames only to the session whose players play: they cannot be seen from outside"


def _players(context: CheckContext, stats: NodeStats) -> Finding:
    if stats.players is None:
        return context.missing_figure("players", "the node does not report its players")
    figures = [context.figure("players", "players", stats.players, Unit.COUNT)]
    if stats.playing is not None:
        figures.append(context.figure("players", "playing_players", stats.playing, Unit.COUNT))
    count = f"{stats.players} player{'' if stats.players == 1 else 's'}"
    return context.finding("players", f"{count}, {stats.playing or 0} playing", figures=tuple(figures))


def _uptime(context: CheckContext, stats: NodeStats) -> Finding:
    if stats.uptime_ms is None:
        return context.missing_figure("uptime", "the node does not report its uptime")
    up = stats.uptime_ms / 1000
    figure = context.figure("uptime", "uptime", up, Unit.SECONDS)
    return context.finding("uptime", f"up for {Unit.SECONDS.show(up)}", figures=(figure,))


def _penalty(context: CheckContext) -> Sequence[Outcome]:
    penalty = context.penalty
    if penalty is None:
        return ()
    message = f"{penalty.mark}{penalty.total:.1f}"
    figure = context.figure("penalty", "penalty", penalty.total, Unit.COUNT)
    if penalty.cpu_assumed:  # it has the CPU of other nodes, which is no reason to alert for this one
        judged = context.requirements.bounds_of("penalty") != NO_BOUNDS
        message += ", not judged: its CPU is unknown, and the median of the other nodes replaces it" if judged else ""
        figure = replace(figure, bounds=NO_BOUNDS)
    return (context.finding("penalty", message, figures=(figure,)),)


def _with_stats(
    examine: Callable[[CheckContext, NodeStats], Outcome],
    why_not: Callable[[CheckContext], str | None] = always_applies,
) -> NodeCheck:
    """A check of one value in the statistics."""

    def run(context: CheckContext) -> Sequence[Outcome]:
        stats = context.node.stats(context.now)
        return (examine(context, stats),) if stats is not None else ()

    return NodeCheck(run, why_not)


CHECKS: NodeChecks = {
    "stats": NodeCheck(_stats),
    "cpu": _with_stats(_cpu),
    "memory": _with_stats(_memory),
    "frames": _with_stats(_frames, _no_frames),
    "players": _with_stats(_players),
    "uptime": _with_stats(_uptime),
    "penalty": NodeCheck(_penalty),
}
