"""``revvlink route``: which node would serve, and why that one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from revvlink_cli.commands.region import RouteRow
from revvlink_cli.commands.shared import node_selection, penalty_columns, watch_options
from revvlink_cli.commands.shared.command import Rows, Work, command, make_app, options_of
from revvlink_cli.commands.shared.options import node_names, regions
from revvlink_cli.commands.shared.titles import in_context, named
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, Stream, column

if TYPE_CHECKING:
    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.routing.ranking import Candidate, Excluded, Ranking
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.services.watching import Watch

app = make_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainRow:
    """A node as the decision saw it. Null is unknown, never zero; what cannot serve has no rank."""

    rank: int | None = column("RANK", Kind.COUNT, cell=penalty_columns.rank_of)
    node: str = column("NODE", rank=0)
    verdict: str = column("VERDICT", Kind.STATE, rank=0)
    region: str | None = column("REGION", rank=2)
    match: str | None = column("MATCH", rank=2)
    speaks_dave: bool | None
    cpu: float | None = penalty_columns.term("cpu", rank=3)
    deficit: float | None = penalty_columns.term("deficit", rank=4)
    nulled: float | None = penalty_columns.term("nulled", rank=4)
    players: float | None = penalty_columns.term("players", rank=3)
    reserved: float | None = penalty_columns.term("reserved", rank=5)
    penalty: float | None = column("PENALTY", Kind.SCORE, cell=penalty_columns.penalty_of)
    penalty_is_lower_bound: bool | None
    penalty_cpu_is_assumed: bool | None
    why: str = column("WHY", wraps=True)


@command(
    app,
    prints=lambda: {"": Rows(RouteRow), "--explain": Rows(ExplainRow)},
    examples=(
        "revvlink route us-east1.discord.gg:443",
        "revvlink route --region eu --explain",
        "revvlink route --region eu --watch --count 2",
    ),
)
def route(
    ctx: typer.Context,
    endpoint: Annotated[
        str | None, typer.Argument(metavar="[ENDPOINT]", help="A voice endpoint as Discord sends it.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option("--region", metavar="REGION", help="Region, in place of an endpoint.", autocompletion=regions),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show every node: its rank or why it cannot serve, and each penalty term.")
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            metavar="NODE",
            help="Leave this node out; may be given more than once.",
            autocompletion=node_names,
        ),
    ] = None,
    watch: watch_options.Watching = False,
    interval: watch_options.Interval = None,
    count: watch_options.Count = None,
    duration: watch_options.Duration = None,
) -> Work | Stream:
    """Show which node would serve a voice endpoint or a region.

    It is the node that a bot's pool would choose. Without either, it is the node for a player of unknown region.

    --watch stays connected and shows the decision at each sample; the exit code is that of the last one.
    """
    options = options_of(ctx)
    if endpoint is not None and region is not None:
        raise CommandError(
            Failure("usage", "an endpoint has a region of its own", hint="leave out --region, or the endpoint"),
            exit_code=ExitCode.USAGE,
        )
    if endpoint is not None and not endpoint.strip():
        raise CommandError(
            Failure("empty_endpoint", "the endpoint is empty", hint="give one such as us-east1.discord.gg:443"),
            exit_code=ExitCode.USAGE,
        )
    if region is not None and not region.strip():
        raise typer.BadParameter("the region is empty: leave it out for any", param_hint="--region")
    span = watch_options.read_span(interval, count, duration, watch=watch)
    settings = node_selection.load_settings(options)
    left_out = {entry.identifier for entry in node_selection.select(settings, without, options)} if without else set()
    asked = _Question(endpoint, region, frozenset(left_out), explain)
    if watch:
        choose = node_selection.make_chooser(options, None, None)
        job = watch_options.WatchJob(settings, options, span, choose(settings), choose, waits_for_all=True)
        return _watched(asked, job)
    chosen = node_selection.with_secrets(settings, settings.nodes, options)
    return _route(asked, settings, chosen, options)


class _Question(NamedTuple):
    """What is asked: a node for an endpoint or a region, without some nodes, explained or not."""

    endpoint: str | None
    region: str | None
    left_out: frozenset[str]
    explain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTick:
    """The decision at one moment: one row, or with ``--explain`` a row for each node."""

    time: str
    nodes: tuple[RouteRow | ExplainRow, ...]


def _watched(asked: _Question, job: watch_options.WatchJob) -> Stream:
    """The decision under watch."""
    last: list[Result] = []

    def make_row(seen: Watch) -> RouteTick:
        last[:] = [_decide(asked, seen.fleet, job.settings, job.options)]
        return RouteTick(time=watch_options.timestamp(), nodes=last[0].data)

    def frame(tick: RouteTick) -> Result:
        (found,) = last
        what = found.title or named("Route", job.settings.context)
        notes = (*job.notes, *found.warnings, *(f"{left.node}: {left.message}" for left in found.left_out))
        title = f"{tick.time[11:19]} {what}; Ctrl-C ends"
        return Result(
            tick.nodes,
            found.row,
            notes=(*notes, *found.notes),
            legends=found.legends,
            title=title,
            is_ordered=True,
        )

    def outcome(_: Watch) -> Result:
        return replace(last[0], data=None, title=None, notes=())

    return watch_options.watch_stream(job, row=RouteTick, make_row=make_row, frame=frame, outcome=outcome)


async def _route(asked: _Question, settings: Settings, chosen: tuple[NodeSettings, ...], options: Options) -> Result:
    from revvlink_cli.services.fleet_session import open_fleet

    async with open_fleet(chosen, regions=settings.regions, timeout=options.timeout, settled=True) as fleet:
        return _decide(asked, fleet, settings, options)


def _decide(asked: _Question, fleet: Fleet, settings: Settings, options: Options) -> Result:
    """The decision of a fleet."""
    endpoint, region, left_out, explain = asked
    snapshots = fleet.snapshot().nodes
    label = fleet.region_from_endpoint(endpoint) if endpoint is not None else region
    ranking = fleet.rank(label, exclude=left_out)
    failures = node_selection.failures_of(snapshots, options.timeout)
    is_answered = bool(ranking.candidates)
    notes = region_notes(endpoint, label, ranking, settings)
    if explain:
        rows = explained(ranking)
        title = in_context(f"{place_of(endpoint, label)}: {decision(ranking)}", settings.context)
        result = node_selection.result_from_any(rows, ExplainRow, failures, len(snapshots), is_answered=is_answered)
        return replace(result, notes=notes, legends=penalty_columns.MARKS, title=title)
    best = ranking.candidates[0].node if ranking.candidates else None
    row = RouteRow(endpoint=endpoint, region=label, node=best.identifier if best else None, reason=ranking.explain())
    result = node_selection.result_from_any((row,), RouteRow, failures, len(snapshots), is_answered=is_answered)
    return replace(result, notes=notes, warnings=_unheard(best))


def _unheard(best: NodeSnapshot | None) -> tuple[str, ...]:
    """A warning when users would hear nothing from the node that serves."""
    from revvlink_cli.health.voice import voice_ability

    warning = voice_ability(best.info, best.dialect).warning if best is not None else None
    return (f"{best.identifier}: {warning}",) if best is not None and warning is not None else ()


def place_of(endpoint: str | None, label: str | None) -> str:
    """Describe the request."""
    if endpoint is not None:
        return f"{endpoint} is in {label}"
    return f"region {label}" if label is not None else "no region asked for"


def decision(ranking: Ranking) -> str:
    """Describe the decision."""
    if not ranking.candidates:
        return "no node can serve"
    return f"{ranking.candidates[0].node.identifier} ({ranking.explain()})"


def region_notes(endpoint: str | None, label: str | None, ranking: Ranking, settings: Settings) -> tuple[str, ...]:
    """What a region that no node serves comes to."""
    from revvlink_cli.client.routing.regions import GLOBAL, LABELS, nearest_regions, unknown_place

    if label is None:
        return ()
    if endpoint is not None and label == GLOBAL and (name := unknown_place(endpoint)) is not None:
        return (f"unknown region {name}: any node will do; please report {endpoint}",)
    if endpoint is not None and label == GLOBAL:
        return ("the endpoint says nothing of a place: any node will do",)
    nodes = [candidate.node for candidate in ranking.candidates] + [left.node for left in ranking.excluded]
    known = {node.region.casefold() for node in nodes if node.region}
    if settings.regions is None and label.casefold() in LABELS:
        if label.casefold() in {c.node.region.casefold() for c in ranking.candidates if c.node.region}:
            return ()
        return (f"nearest to {label}, in order: {', '.join(nearest_regions(label.casefold()))}",)
    if label.casefold() not in known:
        return (f"no node serves the region {label}; there are: {', '.join(sorted(known)) or 'none'}",)
    return ()


def explained(ranking: Ranking) -> tuple[ExplainRow, ...]:
    """A decision as rows: the candidates in their order, then what cannot serve."""
    rows = [_candidate(number, candidate, ranking) for number, candidate in enumerate(ranking.candidates, start=1)]
    return (*rows, *map(_excluded, ranking.excluded))


def _candidate(number: int, candidate: Candidate, ranking: Ranking) -> ExplainRow:
    from revvlink_cli.health.voice import voice_ability

    cost = candidate.penalty
    if number == 1:
        why = ranking.explain()
    elif cost is None:
        why = "statistics unknown: after every node of its region whose are known"
    else:
        why = _behind(candidate, ranking.candidates[number - 2])
    ability = voice_ability(candidate.node.info, candidate.node.dialect)
    return ExplainRow(
        rank=number,
        node=candidate.node.identifier,
        verdict="chosen" if number == 1 else "candidate",
        region=candidate.node.region,
        match=candidate.match.name.lower() if ranking.region is not None else None,
        speaks_dave=ability.speaks_dave,
        **penalty_columns.terms_of(cost),
        why="; ".join(filter(None, (why, ability.warning))),
    )


def _behind(candidate: Candidate, before: Candidate) -> str:
    """Why a candidate comes after the one before it."""
    name = before.node.identifier
    same_region = (candidate.node.region or "").casefold() == (before.node.region or "").casefold()
    if candidate.match is not before.match or (candidate.match.name == "NEAREST" and not same_region):
        return f"farther away than {name}"
    if candidate.penalty is None or before.penalty is None or candidate.penalty.total != before.penalty.total:
        return f"higher penalty than {name}"
    if candidate.node.held != before.node.held:
        return f"the same penalty as {name}, but more of this pool's players"
    return f"the same penalty as {name}, but later in the configuration"


def _excluded(left: Excluded) -> ExplainRow:
    from revvlink_cli.health.voice import voice_ability

    return ExplainRow(
        rank=None,
        node=left.node.identifier,
        verdict="excluded",
        region=left.node.region,
        match=None,
        speaks_dave=voice_ability(left.node.info, left.node.dialect).speaks_dave,
        **penalty_columns.terms_of(None),
        why=left.reason,
    )
