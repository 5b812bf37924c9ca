"""``revvlink nodes status``: how each node is doing.

The rows and the client's penalty are imported where they are used, so that Tab completes its line without them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.commands.shared import node_selection, watch_options
from revvlink_cli.commands.shared.all_contexts import AllContexts, BrokenContext, left_out_notes, load_all
from revvlink_cli.commands.shared.command import Rows, Work, command, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.commands.shared.titles import named
from revvlink_cli.output.problems import UNSERVED
from revvlink_cli.output.result import CommandError, ExitCode, Result, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.nodes.status_rows import StatusRow, StatusTick
    from revvlink_cli.commands.shared.all_contexts import ContextNodes
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.services.watching import Watch

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
    from revvlink_cli.commands.shared import penalty_columns

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
    from revvlink_cli.commands.nodes import status_rows

    def make_row(seen: Watch) -> StatusTick:
        rows = watched_rows(seen, job.options, sort)
        return status_rows.StatusTick(
            time=watch_options.timestamp(), nodes=status_rows.mark_silenced(rows, seen.snapshot.nodes, job.settings)
        )

    def frame(tick: StatusTick) -> Result:
        title = f"{named('Nodes', job.settings.context)}, {tick.time[11:19]}; Ctrl-C ends"
        notes = (*job.notes, *status_rows.footnotes(tick.nodes))
        return Result(
            tick.nodes,
            status_rows.StatusRow,
            notes=notes,
            legends=status_rows.LEGENDS,
            title=title,
            is_ordered=is_ordered,
        )

    return watch_options.watch_stream(job, row=status_rows.StatusTick, make_row=make_row, frame=frame)


def watched_rows(seen: Watch, options: Options, sort: str) -> tuple[StatusRow, ...]:
    """The rows of all nodes under watch, in order."""
    from revvlink_cli.commands.nodes import status_rows
    from revvlink_cli.commands.shared import penalty_columns

    return penalty_columns.sort_rows(status_rows.rows_of(seen.snapshot, options, seen), SORTS[sort])


async def _status(
    settings: Settings, chosen: tuple[NodeSettings, ...], options: Options, sort: str, *, is_ordered: bool
) -> Result:
    from revvlink_cli.commands.nodes import status_rows
    from revvlink_cli.commands.shared import penalty_columns
    from revvlink_cli.services.fleet_session import open_fleet

    async with open_fleet(chosen, regions=settings.regions, timeout=options.timeout, settled=True) as fleet:
        snapshot = fleet.snapshot()
    failures = node_selection.failures_of(snapshot.nodes, options.timeout)
    rows = status_rows.mark_silenced(
        penalty_columns.sort_rows(status_rows.rows_of(snapshot, options), SORTS[sort]), snapshot.nodes, settings
    )
    code = node_selection.exit_code_for(failures, len(rows))
    return Result(
        rows,
        status_rows.StatusRow,
        code,
        failures,
        notes=tuple(status_rows.footnotes(rows)),
        legends=status_rows.LEGENDS,
        is_ordered=is_ordered,
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

    from revvlink_cli.commands.nodes import status_rows
    from revvlink_cli.commands.shared import penalty_columns
    from revvlink_cli.output.in_context import in_context

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
    rows = tuple(in_context(status_rows.ContextStatusRow, row, name) for name, result in results for row in result.data)
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
        status_rows.ContextStatusRow,
        code,
        (*config, *failures),
        notes=(*notes, *left_out_notes()),
        legends=status_rows.LEGENDS,
        title=title,
        is_ordered=is_ordered,
    )


def _printed() -> dict[str, Rows]:
    """What the command prints."""
    from revvlink_cli.commands.nodes import status_rows

    return {"": Rows(status_rows.StatusRow), "--all-contexts": Rows(status_rows.ContextStatusRow)}


def add_to(app: typer.Typer) -> None:
    """Make this one of the app's commands."""
    command(
        app,
        prints=_printed,
        examples=("revvlink nodes status", "revvlink nodes status 'us-*' --watch"),
    )(status)
