"""``revvlink nodes penalties``: every term of every node's penalty, and which node each region would get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.client.routing.penalty import TERMS
from revvlink_cli.commands.shared import node_selection, penalty_columns, watch_options
from revvlink_cli.commands.shared.command import Rows, Work, command, options_of
from revvlink_cli.commands.shared.options import Nodes, Tags, regions
from revvlink_cli.commands.shared.titles import named
from revvlink_cli.output.result import Kind, Legend, Result, Stream, column
from revvlink_cli.output.text import MISSING, human, sparkline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.services.watching import Watch

TREND_WIDTH = 20
"""Characters of the table's trend."""


def _trend(row: PenaltyRow) -> str:
    """Keeps the highest of every few samples, so that minutes fit."""
    few = -(-len(row.trend) // TREND_WIDTH) or 1
    groups = [[value for value in row.trend[i : i + few] if value is not None] for i in range(0, len(row.trend), few)]
    return sparkline([max(group, default=None) for group in groups]) if len(row.trend) > 1 else MISSING


def _cpu(row: PenaltyRow) -> str:
    return penalty_columns.ASSUMED * bool(row.penalty_cpu_is_assumed) + human(row.cpu, Kind.SCORE)


def _age(row: PenaltyRow) -> str:
    return human(None if row.stats_age_s is None else row.stats_age_s * 1000, Kind.DURATION_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PenaltyRow:
    """A node's penalty, term by term. Null is unknown, never zero.

    `rank` is null when the node cannot be given players. `is_stale` marks the last figures of a node that has none now.
    `regions` are those that the node would serve. `has_spoilt_cpu` marks a server whose CPU figures any request spoils.
    """

    rank: int | None = column("RANK", Kind.COUNT, cell=penalty_columns.rank_of)
    node: str = column("NODE", rank=0)
    state: str = column("STATE", Kind.STATE, cell=penalty_columns.state_of, rank=0)
    region: str | None = column("REGION", rank=4)
    cpu: float | None = penalty_columns.term("cpu", cell=_cpu, rank=2)
    deficit: float | None = penalty_columns.term("deficit", rank=3)
    nulled: float | None = penalty_columns.term("nulled", rank=3)
    players: float | None = penalty_columns.term("players", rank=2)
    reserved: float | None = penalty_columns.term("reserved", rank=5)
    penalty: float | None = column("PENALTY", Kind.SCORE, cell=penalty_columns.penalty_of)
    penalty_is_lower_bound: bool | None
    penalty_cpu_is_assumed: bool | None
    has_spoilt_cpu: bool
    trend: tuple[float | None, ...] = column("TREND", cell=_trend, rank=3)
    stats_age_s: float | None = column("AGE", Kind.DURATION_MS, cell=_age, rank=4)
    is_stale: bool
    regions: tuple[str, ...] = column("SERVES", flexible=True, rank=2)
    reason: str | None = column("REASON", wraps=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PenaltyTick:
    """The penalties at one moment."""

    time: str
    nodes: tuple[PenaltyRow, ...]


def _highest_first(term: str) -> Callable[[PenaltyRow], Any]:
    def key(row: PenaltyRow) -> float | None:
        value: float | None = getattr(row, term)
        return None if value is None else -value

    return key


_SORTS: dict[str, Callable[[PenaltyRow], Any]] = {
    "rank": lambda row: row.rank,
    "node": lambda row: row.node.casefold(),
    **{term.name: _highest_first(term.name) for term in TERMS},
    "penalty": lambda row: None if row.penalty is None or row.is_stale else -row.penalty,
}
"""What `--sort` takes. Terms begin with the highest, where trouble is; what is unknown comes last."""

REGION_HELP = "Rank for a player of this region."


def penalties(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="REGION", help=REGION_HELP, autocompletion=regions)
    ] = None,
    sort: Annotated[
        str | None, typer.Option("--sort", metavar="TERM", help=f"Order, rank if left out: {', '.join(_SORTS)}.")
    ] = None,
    watch: watch_options.Watching = False,
    interval: watch_options.Interval = None,
    count: watch_options.Count = None,
    duration: watch_options.Duration = None,
) -> Work | Stream:
    """Show each term of every node's penalty.

    The table also shows the trend of each penalty, and which node each region would get. `revvlink help penalty`
    explains the terms.
    """
    options = options_of(ctx)
    order = penalty_columns.check_sort(sort or "rank", _SORTS)
    span = watch_options.read_span(interval, count, duration, watch=watch)
    settings = node_selection.load_settings(options)

    choose = node_selection.make_chooser(options, nodes, tag)
    chosen = choose(settings)

    def rows(seen: Watch) -> tuple[PenaltyRow, ...]:
        return penalty_columns.sort_rows(_rows(seen, region, settings, options, watched=watch), _SORTS[order])

    if not watch:
        return _once(rows, settings, chosen, options, is_ordered=sort is not None)

    job = watch_options.WatchJob(settings, options, span, chosen, choose)

    def frame(tick: PenaltyTick) -> Result:
        title = f"{named('Penalties', job.settings.context)}, {tick.time[11:19]}; Ctrl-C ends"
        return Result(
            tick.nodes, PenaltyRow, notes=job.notes, legends=LEGENDS, title=title, is_ordered=sort is not None
        )

    return watch_options.watch_stream(
        job,
        row=PenaltyTick,
        make_row=lambda seen: PenaltyTick(time=watch_options.timestamp(), nodes=rows(seen)),
        frame=frame,
    )


async def _once(
    rows: Callable[[Watch], tuple[PenaltyRow, ...]],
    settings: Settings,
    chosen: tuple[NodeSettings, ...],
    options: Options,
    *,
    is_ordered: bool,
) -> Result:
    from revvlink_cli.services.fleet_session import open_fleet
    from revvlink_cli.services.watching import Watch

    async with open_fleet(chosen, regions=settings.regions, timeout=options.timeout, settled=True) as fleet:
        seen = Watch(fleet)
        seen.sample()
        found = rows(seen)
    failures = node_selection.failures_of(seen.snapshot.nodes, options.timeout)
    code = node_selection.exit_code_for(failures, len(found))
    return Result(found, PenaltyRow, code, failures, legends=LEGENDS, is_ordered=is_ordered)


def _rows(
    seen: Watch, region: str | None, settings: Settings, options: Options, *, watched: bool
) -> Iterable[PenaltyRow]:
    snapshot, fleet = seen.snapshot, seen.fleet
    ranking = fleet.rank(region)
    ranks = {candidate.node.identifier: number for number, candidate in enumerate(ranking.candidates, start=1)}
    reasons = {left.node.identifier: left.reason for left in ranking.excluded}
    serves: dict[str, list[str]] = {}
    for label in _labels(settings, snapshot.nodes):
        best = fleet.rank(label).candidates
        if best:
            serves.setdefault(best[0].node.identifier, []).append(label)
    for node in snapshot.nodes:
        name = node.identifier
        cost, last = snapshot.penalties.get(name), seen.last_of(node)
        failure = None if watched and node.error is None else node_selection.node_failure(node, options.timeout)
        yield PenaltyRow(
            rank=ranks.get(name),
            node=name,
            state=_state(node, snapshot.at, was_connected=name in seen.connected, is_failed=failure is not None),
            region=node.region,
            **penalty_columns.terms_of(cost if cost is not None else last.penalty if last is not None else None),
            has_spoilt_cpu=penalty_columns.has_spoilt_cpu(str(node.dialect), node.info.version if node.info else None),
            trend=tuple(None if value is None else round(value, 3) for value in seen.penalties[name]),
            stats_age_s=round(snapshot.at - last.timed.at, 3) if last is not None else None,
            is_stale=cost is None and last is not None,
            regions=tuple(serves.get(name, ())),
            reason=reasons.get(name),
        )


def _state(node: NodeSnapshot, now: float, *, was_connected: bool, is_failed: bool) -> str:
    if is_failed and node.rest_failure is None:
        return "lost" if was_connected else "failed"
    return node.condition(now)


def _labels(settings: Settings, nodes: Sequence[NodeSnapshot]) -> tuple[str, ...]:
    """The regions to ask about: those of the map that counts, and those of the nodes."""
    from revvlink_cli.client.routing.regions import LABELS

    own = settings.regions if settings.regions is not None else LABELS
    known = {label.casefold() for label in own}
    return (*own, *dict.fromkeys(node.region for node in nodes if node.region and node.region.casefold() not in known))


def _explain_spoilt_cpu(rows: Sequence[PenaltyRow]) -> str | None:
    return penalty_columns.explain_spoilt_cpu([row.node for row in rows if row.has_spoilt_cpu])


LEGENDS = (*penalty_columns.MARKS, Legend(("cpu", "penalty"), _explain_spoilt_cpu), penalty_columns.GREY)
"""What the marks and the grey mean."""


def add_to(app: typer.Typer) -> None:
    """Make this one of the app's commands."""
    command(
        app,
        prints=lambda: {"": Rows(PenaltyRow)},
        examples=("revvlink nodes penalties", "revvlink nodes penalties --region us"),
    )(penalties)
