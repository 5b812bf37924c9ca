"""``revvlink nodes status``: how each node is doing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli._percent import percent
from revvlink_cli._sizes import size
from revvlink_cli.commands.shared import node_selection, penalty_columns, watch_options
from revvlink_cli.commands.shared.all_contexts import AllContexts, BrokenContext, left_out_notes, load_all
from revvlink_cli.commands.shared.command import Rows, Work, command, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.commands.shared.titles import named
from revvlink_cli.output.in_context import InContext, in_context
from revvlink_cli.output.problems import UNSERVED
from revvlink_cli.output.result import (
    CommandError,
    ExitCode,
    Failure,
    Kind,
    Legend,
    Result,
    Stream,
    column,
)
from revvlink_cli.output.text import MISSING, human

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import FleetSnapshot, NodeSnapshot
    from revvlink_cli.commands.shared.all_contexts import ContextNodes
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.health.voice import VoiceAbility
    from revvlink_cli.services.watching import LastSeen, Watch


@dataclass(frozen=True, slots=True)
class PenaltyTerms:
    """A penalty, term by term."""

    cpu: float
    deficit: float
    nulled: float
    players: float
    reserved: float


@dataclass(frozen=True, slots=True)
class MessageCount:
    """How often a node sent what this client does not know, as plugins do."""

    name: str
    count: int


PLAYERS = "PLAYERS: playing/all"
"""Explains the column of players."""


def players_of(row: StatusRow) -> str:
    """Playing players and all of them."""
    if row.playing is None and row.players is None:
        return MISSING
    return f"{human(row.playing, Kind.COUNT)}/{human(row.players, Kind.COUNT)}"


def version_of(row: StatusRow) -> str:
    """The server and its version: ``Lavalink 4.2.2``."""
    return " ".join(filter(None, (row.server, row.version))) or MISSING


def _cpu(row: StatusRow) -> str:
    return "no baseline" if row.cpu_has_baseline is False else human(row.cpu_load_ratio, Kind.RATIO)


def memory_of(row: StatusRow) -> str:
    """Memory used, and its share of what may be."""
    if row.memory_used_bytes is None:
        return MISSING
    share = memory_share(row)
    return size(row.memory_used_bytes) + (f" ({percent(share)})" if share is not None else "")


def memory_share(row: StatusRow) -> float | None:
    """Memory used, of what the node may take; a NodeLink gives its machine's memory in place of that."""
    if row.memory_used_bytes is None or not row.memory_reservable_bytes or row.server == "NodeLink":
        return None
    return row.memory_used_bytes / row.memory_reservable_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """How a node is doing. Null is unknown, never zero."""

    node: str = column("NODE", rank=0)
    state: str = column("STATE", Kind.STATE, cell=penalty_columns.state_of, rank=0)
    region: str | None = column("REGION", rank=3)
    server: str | None
    version: str | None = column("VERSION", cell=version_of, rank=6)
    speaks_dave: bool | None
    playing: int | None = column("PLAYERS", cell=players_of)
    players: int | None = column("")
    cpu_load_ratio: float | None = column("CPU", Kind.RATIO, cell=_cpu, rank=2)
    cpu_has_baseline: bool | None
    memory_used_bytes: int | None = column("MEMORY", Kind.BYTES, cell=memory_of, rank=5)
    memory_reservable_bytes: int | None = column("")
    uptime_ms: int | None = column("UPTIME", Kind.DURATION_MS, rank=7)
    penalty: float | None = column("PENALTY", Kind.SCORE, cell=penalty_columns.penalty_of)
    penalty_is_lower_bound: bool | None
    penalty_cpu_is_assumed: bool | None
    penalty_terms: PenaltyTerms | None
    latency_ms: float | None = column("LATENCY", Kind.LATENCY_MS, rank=4)
    reason: str | None = column("REASON", cell=penalty_columns.reason_of, wraps=True)
    message: str | None
    stats_age_s: float | None
    stats_origin: str | None
    is_stale: bool
    unexpected_fields: tuple[str, ...]
    unparsed_messages: int
    unknown_messages: tuple[MessageCount, ...]
    tags: tuple[str, ...] = column("TAGS", wide=True)
    uri: str = column("URI", wide=True)
    silenced_until: str | None = None
    silence_reason: str | None = None


SORTS: dict[str, Callable[[StatusRow], Any]] = {
    "penalty": lambda row: None if row.is_stale or row.state in UNSERVED else row.penalty,
    "node": lambda row: row.node.casefold(),
    "state": lambda row: row.state,
    "region": lambda row: row.region,
    "version": lambda row: row.version,
    "players": lambda row: None if row.players is None else -row.players,
    "playing": lambda row: None if row.playing is None else -row.playing,
    "cpu": lambda row: None if row.cpu_load_ratio is None else -row.cpu_load_ratio,
    "memory": lambda row: None if row.memory_used_bytes is None else -row.memory_used_bytes,
    "uptime": lambda row: row.uptime_ms,
    "latency": lambda row: None if row.latency_ms is None else -row.latency_ms,
    "config": lambda _: 0,
}
"""What `--sort` takes. Loads and counts begin with the highest, where trouble is; what is unknown comes last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextStatusRow(StatusRow, InContext):
    """How a node of one of several contexts is doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTick:
    """The fleet at one moment."""

    time: str
    nodes: tuple[StatusRow, ...]


def status(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
    sort: Annotated[
        str | None, typer.Option("--sort", metavar="COLUMN", help=f"Order, penalty if left out: {', '.join(SORTS)}.")
    ] = None,
    watch: watch_options.Watching = False,
    interval: watch_options.Interval = None,
    count: watch_options.Count = None,
    duration: watch_options.Duration = None,
    all_contexts: AllContexts = False,
) -> Work | Stream:
    """Connect to the nodes and show the status of each.

    The node that a new player would get comes first.
    """
    options = options_of(ctx)
    order = penalty_columns.check_sort(sort or "penalty", SORTS)
    span = watch_options.read_span(interval, count, duration, watch=watch)
    if all_contexts:
        found, broken = load_all(options, nodes or (), tags=tag or (), region=region)
        if watch:
            what = "goes without --watch: watch one context with --context"
            raise typer.BadParameter(what, param_hint="--all-contexts")
        return _status_of_all(found, broken, options, order, is_ordered=sort is not None)
    settings = node_selection.load_settings(options)

    choose = node_selection.make_chooser(options, nodes, tag, region)
    chosen = choose(settings)
    if not watch:
        return _status(settings, chosen, options, order, is_ordered=sort is not None)
    job = watch_options.WatchJob(settings, options, span, chosen, choose)
    return watched_status(job, order, is_ordered=sort is not None)


def watched_status(job: watch_options.WatchJob, sort: str, *, is_ordered: bool = False) -> Stream:
    """The status table of nodes under watch."""

    def make_row(seen: Watch) -> StatusTick:
        rows = watched_rows(seen, job.options, sort)
        return StatusTick(time=watch_options.timestamp(), nodes=mark_silenced(rows, seen.snapshot.nodes, job.settings))

    def frame(tick: StatusTick) -> Result:
        title = f"{named('Nodes', job.settings.context)}, {tick.time[11:19]}; Ctrl-C ends"
        notes = (*job.notes, *_footnotes(tick.nodes))
        return Result(tick.nodes, StatusRow, notes=notes, legends=LEGENDS, title=title, is_ordered=is_ordered)

    return watch_options.watch_stream(job, row=StatusTick, make_row=make_row, frame=frame)


def watched_rows(seen: Watch, options: Options, sort: str) -> tuple[StatusRow, ...]:
    """The rows of all nodes under watch, in order."""
    return penalty_columns.sort_rows(_rows(seen.snapshot, options, seen), SORTS[sort])


def mark_silenced(
    rows: tuple[StatusRow, ...], nodes: Sequence[NodeSnapshot], settings: Settings
) -> tuple[StatusRow, ...]:
    """The rows, those of silenced nodes with the end and the reason of the silence.

    A file of silences that cannot be read marks nothing; `check` and `silence list` report it.
    """
    from revvlink_cli.config.silences import SilenceFile, iso_time

    silenced, _ = SilenceFile(settings.silences_file).silenced(nodes)
    if not silenced:
        return rows
    return tuple(
        replace(row, silenced_until=iso_time(found.until), silence_reason=found.reason)
        if (found := silenced.get(row.node)) is not None
        else row
        for row in rows
    )


async def _status(
    settings: Settings, chosen: tuple[NodeSettings, ...], options: Options, sort: str, *, is_ordered: bool
) -> Result:
    from revvlink_cli.services.fleet_session import open_fleet

    async with open_fleet(chosen, regions=settings.regions, timeout=options.timeout, settled=True) as fleet:
        snapshot = fleet.snapshot()
    failures = node_selection.failures_of(snapshot.nodes, options.timeout)
    rows = mark_silenced(penalty_columns.sort_rows(_rows(snapshot, options), SORTS[sort]), snapshot.nodes, settings)
    code = node_selection.exit_code_for(failures, len(rows))
    return Result(
        rows, StatusRow, code, failures, notes=tuple(_footnotes(rows)), legends=LEGENDS, is_ordered=is_ordered
    )


async def _status_of_all(
    found: Sequence[ContextNodes],
    broken: Sequence[BrokenContext],
    options: Options,
    sort: str,
    *,
    is_ordered: bool,
) -> Result:
    """The status of the nodes of several contexts, asked at the same time."""
    import asyncio

    jobs: list[tuple[str, Coroutine[Any, Any, Result]]] = []
    unusable = list(broken)
    for each in found:
        try:
            chosen = node_selection.with_secrets(each.settings, each.entries, options)
        except CommandError as error:
            unusable.append(BrokenContext.of(each.name, error.failures))
        else:
            jobs.append((each.name, _status(each.settings, chosen, options, sort, is_ordered=is_ordered)))
    async with asyncio.TaskGroup() as group:
        tasks = [(name, group.create_task(job, name=f"status of {name}")) for name, job in jobs]
    results = [(name, task.result()) for name, task in tasks]
    rows = tuple(in_context(ContextStatusRow, row, name) for name, result in results for row in result.data)
    if is_ordered:  # else the nodes of one context stay together
        rows = penalty_columns.sort_rows(rows, SORTS[sort])
    failures = [replace(failure, context=name) for name, result in results for failure in result.errors]
    config = [failure for each in sorted(unusable) for failure in each.failures]
    if rows:  # a context that cannot be used counts as a node that has failed
        counted = [*(each.failures[0] for each in unusable), *failures]
        code = node_selection.exit_code_for(counted, len(rows) + len(unusable))
    else:
        code = ExitCode.USAGE
    notes = dict.fromkeys(note for _, result in results for note in result.notes)
    title = f"Nodes of {len(results)} context{'' if len(results) == 1 else 's'}"
    return Result(
        rows,
        ContextStatusRow,
        code,
        (*config, *failures),
        notes=(*notes, *left_out_notes()),
        legends=LEGENDS,
        title=title,
        is_ordered=is_ordered,
    )


def _rows(snapshot: FleetSnapshot, options: Options, seen: Watch | None = None) -> list[StatusRow]:
    """All nodes; under watch those that are lost with their last figures, and those that may still come as such."""
    if seen is not None:
        return [watched_row(seen, node, options) for node in snapshot.nodes]
    return [
        status_row(
            node,
            snapshot.penalties.get(node.identifier),
            snapshot.at,
            node_selection.node_failure(node, options.timeout),
        )
        for node in snapshot.nodes
    ]


def watched_row(seen: Watch, node: NodeSnapshot, options: Options) -> StatusRow:
    """The row of a node under watch."""
    return status_row(
        node,
        seen.snapshot.penalties.get(node.identifier),
        seen.snapshot.at,
        node_selection.node_failure(node, options.timeout) if node.error or node.rest_failure else None,
        seen.last_of(node),
    )


def status_row(
    node: NodeSnapshot, penalty: Penalty | None, now: float, failure: Failure | None, last: LastSeen | None = None
) -> StatusRow:
    """One row of the status table; `last` are the figures to show, as stale, when there are none now."""
    from revvlink_cli.health.voice import voice_ability

    is_connected = str(node.status) == "connected"
    stats = node.stats(now) if is_connected else None
    timed = node.timed_stats
    ability = voice_ability(node.info, node.dialect)
    is_stale = stats is None and last is not None
    if is_stale and last is not None:
        timed, penalty = last
        stats = timed.stats
    return StatusRow(
        node=node.identifier,
        state=node.condition(now) if is_connected or failure is None else "lost" if is_stale else "failed",
        region=node.region,
        server=str(node.dialect) if node.dialect is not None and node.info is not None else None,
        version=node.info.version if node.info is not None else None,
        speaks_dave=ability.speaks_dave,
        playing=stats.playing if stats else None,
        players=stats.players if stats else None,
        cpu_load_ratio=stats.system_load if stats else None,
        cpu_has_baseline=stats.has_cpu_baseline if stats else None,
        memory_used_bytes=stats.memory_used if stats else None,
        memory_reservable_bytes=stats.memory_reservable if stats else None,
        uptime_ms=stats.uptime_ms if stats else None,
        penalty=penalty.total if penalty else None,
        penalty_is_lower_bound=penalty.is_lower_bound if penalty else None,
        penalty_cpu_is_assumed=penalty.cpu_assumed if penalty else None,
        penalty_terms=PenaltyTerms(**penalty_columns.costs_of(penalty)) if penalty else None,
        latency_ms=node.latency_ms,
        reason=failure.code if failure else _reason(node, now, ability),
        message=failure.message if failure else _message(node, ability),
        stats_age_s=round(now - timed.at, 3) if timed and stats else None,
        stats_origin=str(timed.origin) if timed and stats else None,
        is_stale=is_stale,
        unexpected_fields=node.unexpected_fields,
        unparsed_messages=node.unparsed,
        unknown_messages=tuple(MessageCount(name, count) for name, count in sorted(node.unknown.items())),
        tags=node.tags,
        uri=node.uri,
    )


def _reason(node: NodeSnapshot, now: float, ability: VoiceAbility) -> str | None:
    """What is wrong with a node that is connected."""
    if node.condition(now) == "tripped" and node.tripped_until is not None:
        return f"retry in {node.tripped_until - now:.0f} s"
    if node.error is None and ability.speaks_dave is False:
        return "voice_dave_required"
    return str(node.error.code) if node.error else None


def _message(node: NodeSnapshot, ability: VoiceAbility) -> str | None:
    """The same as a sentence."""
    return str(node.error) if node.error else ability.warning


def _explain_players(rows: Sequence[StatusRow]) -> str | None:
    return PLAYERS if any(row.players is not None for row in rows) else None


def _explain_spoilt_cpu(rows: Sequence[StatusRow]) -> str | None:
    return penalty_columns.explain_spoilt_cpu(
        [row.node for row in rows if penalty_columns.has_spoilt_cpu(row.server, row.version)]
    )


LEGENDS = (
    Legend(("playing",), _explain_players),
    *penalty_columns.MARKS,
    Legend(("cpu_load_ratio", "penalty"), _explain_spoilt_cpu),
    penalty_columns.GREY,
)
"""What the figures, the marks and the grey mean."""


def _footnotes(rows: Sequence[StatusRow]) -> list[str]:
    notes = [
        f"{row.node} sent fields that Lavalink and NodeLink do not send so: {', '.join(row.unexpected_fields)}"
        for row in rows
        if row.unexpected_fields
    ]
    notes += [
        f"{row.node} sent {row.unparsed_messages} message{'' if row.unparsed_messages == 1 else 's'} that could not be "
        "read (-vv shows why)"
        for row in rows
        if row.unparsed_messages
    ]
    return notes


def add_to(app: typer.Typer) -> None:
    """Make this one of the app's commands."""
    command(
        app,
        prints=lambda: {"": Rows(StatusRow), "--all-contexts": Rows(ContextStatusRow)},
        examples=("revvlink nodes status", "revvlink nodes status 'us-*' --watch"),
    )(status)
