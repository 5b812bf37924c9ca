"""``revvlink nodes``: what is configured, how it is doing, what each node is; and adding one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.commands import fleets, penalties, watching
from revvlink_cli.commands.base import Command, Work, make_app, options_of
from revvlink_cli.commands.options import NodeName, Nodes, Region, Tags, files, regions
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, Stream, column
from revvlink_cli.output.text import MISSING, human, size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from revvlink_cli.client.penalty import Penalty
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import FleetSnapshot, NodeSnapshot, TimedStats
    from revvlink_cli.commands.base import Options
    from revvlink_cli.config.load import Settings
    from revvlink_cli.services.watch import Watch

app = make_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """A configured node; never its password, only where that comes from."""

    node: str = column("NODE")
    uri: str = column("URI", flexible=True)
    region: str | None = column("REGION")
    tags: tuple[str, ...] = column("TAGS", rank=2)
    password_from: str = column("PASSWORD", rank=3)


@app.command("list", cls=Command)
def list_nodes(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
) -> Result:
    """List the configured nodes. Nothing is sent."""
    options = options_of(ctx)
    settings = fleets.load_settings(options)
    chosen = fleets.select(settings, nodes or (), options, tags=tag or (), region=region)
    rows = tuple(
        NodeRow(
            node=entry.identifier,
            uri=entry.uri,
            region=entry.region,
            tags=tuple(entry.tags),
            password_from=entry.password_source,
        )
        for entry in chosen
    )
    return Result(rows, NodeRow)


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


def players_of(row: StatusRow) -> str:
    """Playing players and all of them."""
    if row.playing is None and row.players is None:
        return MISSING
    return f"{human(row.playing, Kind.COUNT)}/{human(row.players, Kind.COUNT)}"


def _cpu(row: StatusRow) -> str:
    return "no baseline" if row.cpu_has_baseline is False else human(row.cpu_load_ratio, Kind.RATIO)


def memory_of(row: StatusRow) -> str:
    """Memory used, and its share of what may be."""
    if row.memory_used_bytes is None:
        return MISSING
    share = row.memory_used_bytes / row.memory_reservable_bytes if row.memory_reservable_bytes else None
    return size(row.memory_used_bytes) + (f" ({share:.0%})" if share is not None else "")


def penalty_of(row: StatusRow) -> str:
    """The penalty with its mark."""
    mark = ">=" if row.penalty_is_lower_bound else "~" if row.penalty_cpu_is_assumed else ""
    return f"{mark}{human(row.penalty, Kind.SCORE)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRow:
    """How a node is doing. Null is unknown, never zero."""

    node: str = column("NODE")
    state: str = column("STATE", Kind.STATE)
    region: str | None = column("REGION", rank=3)
    server: str | None
    version: str | None = column("VERSION", rank=6)
    playing: int | None = column("PLAYERS", cell=players_of)
    players: int | None = column("")
    cpu_load_ratio: float | None = column("CPU", Kind.RATIO, cell=_cpu, rank=2)
    cpu_has_baseline: bool | None
    memory_used_bytes: int | None = column("MEMORY", Kind.BYTES, cell=memory_of, rank=5)
    memory_reservable_bytes: int | None = column("")
    uptime_ms: int | None = column("UPTIME", Kind.DURATION_MS, rank=7)
    penalty: float | None = column("PENALTY", Kind.SCORE, cell=penalty_of)
    penalty_is_lower_bound: bool | None
    penalty_cpu_is_assumed: bool | None
    penalty_terms: PenaltyTerms | None
    latency_ms: float | None = column("LATENCY", Kind.LATENCY_MS, rank=4)
    reason: str | None = column("REASON", flexible=True, rank=1)
    message: str | None
    stats_age_s: float | None
    stats_origin: str | None
    is_stale: bool
    oddities: tuple[str, ...]
    unparsed_messages: int
    unknown_messages: tuple[MessageCount, ...]
    tags: tuple[str, ...]
    uri: str


_SORTS: dict[str, Callable[[StatusRow], Any]] = {
    "penalty": lambda row: None if row.is_stale else row.penalty,
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


penalties.add_to(app)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTick:
    """The fleet at one moment."""

    time: str
    nodes: tuple[StatusRow, ...]


@app.command("status", cls=Command)
def status(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
    sort: Annotated[str, typer.Option("--sort", metavar="COLUMN", help=f"Order: {', '.join(_SORTS)}.")] = "penalty",
    watch: watching.Watching = False,
    interval: watching.Interval = None,
    count: watching.Count = None,
    duration: watching.Duration = None,
) -> Work | Stream:
    """Connect to the nodes and show how each is doing, the one a new player would get first."""
    options = options_of(ctx)
    if sort not in _SORTS:
        raise typer.BadParameter(f"{sort!r} is not one of {', '.join(_SORTS)}", param_hint="--sort")
    span = watching.span_of(interval, count, duration, watch=watch)
    settings = fleets.load_settings(options)

    def chosen(from_settings: Settings) -> tuple[NodeSettings, ...]:
        entries = fleets.select(from_settings, nodes or (), options, tags=tag or (), region=region)
        return fleets.with_secrets(from_settings, entries, options)

    if not watch:
        return _status(settings, chosen(settings), options, sort)

    return watched_status(settings, chosen, options, span, sort)


def watched_status(
    settings: Settings,
    chosen: Callable[[Settings], tuple[NodeSettings, ...]],
    options: Options,
    span: watching.Span,
    sort: str,
) -> Stream:
    """The status table of nodes under watch."""

    def look(seen: Watch) -> StatusTick:
        return StatusTick(time=watching.now(), nodes=watched_rows(seen, options, sort))

    def frame(tick: StatusTick, room: int) -> Result:
        shown, more = watching.cut(tick.nodes, room)
        notes = (*more, *_footnotes(tick.nodes))
        return Result(shown, StatusRow, notes=notes, title=f"Nodes, {tick.time[11:19]}; Ctrl-C ends")

    return watching.watched(
        settings, chosen(settings), options, span, row=StatusTick, look=look, frame=frame, again=chosen
    )


def watched_rows(seen: Watch, options: Options, sort: str) -> tuple[StatusRow, ...]:
    """The rows of all nodes under watch, in order."""
    return _sorted(_rows(seen.snapshot, options, seen), sort)


async def _status(settings: Settings, chosen: tuple[NodeSettings, ...], options: Options, sort: str) -> Result:
    from revvlink_cli.services.probe import opened

    async with opened(chosen, regions=settings.regions, timeout=options.timeout, settled=True) as fleet:
        snapshot = fleet.snapshot()
    failures = tuple(f for node in snapshot.nodes if (f := fleets.node_failure(node, options.timeout)) is not None)
    rows = _sorted(_rows(snapshot, options), sort)
    return Result(rows, StatusRow, fleets.exit_code_for(failures, len(rows)), failures, notes=tuple(_footnotes(rows)))


def _rows(snapshot: FleetSnapshot, options: Options, seen: Watch | None = None) -> list[StatusRow]:
    """All nodes; under watch those that are lost with their last figures, and those that may still come as such."""
    return [
        status_row(
            node,
            snapshot.penalties.get(node.identifier),
            snapshot.at,
            fleets.node_failure(node, options.timeout) if seen is None or node.error is not None else None,
            seen.last.get(node.identifier) if seen is not None else None,
        )
        for node in snapshot.nodes
    ]


def _sorted(rows: list[StatusRow], sort: str) -> tuple[StatusRow, ...]:
    key = _SORTS[sort]
    return tuple(sorted(rows, key=lambda row: (key(row) is None, key(row) if key(row) is not None else 0)))


def status_row(
    node: NodeSnapshot, penalty: Penalty | None, now: float, failure: Failure | None, last: TimedStats | None = None
) -> StatusRow:
    """One row of the status table; `last` are the figures to show, as stale, when there are none now."""
    stats = node.stats(now) if failure is None else None
    timed = node.timed_stats
    is_stale = stats is None and last is not None
    if is_stale and last is not None:
        stats, timed, penalty = last.stats, last, last.penalty
    return StatusRow(
        node=node.identifier,
        state=node.condition(now) if failure is None else "lost" if is_stale else "failed",
        region=node.region,
        server=str(node.dialect) if node.dialect is not None and node.info is not None else None,
        version=node.info.version if node.info is not None else None,
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
        penalty_terms=PenaltyTerms(penalty.cpu, penalty.deficit, penalty.nulled, penalty.players, penalty.reserved)
        if penalty
        else None,
        latency_ms=node.latency_ms,
        reason=failure.code if failure else _reason(node, now),
        message=failure.message if failure else str(node.error) if node.error else None,
        stats_age_s=round(now - timed.at, 3) if timed and stats else None,
        stats_origin=str(timed.origin) if timed and stats else None,
        is_stale=is_stale,
        oddities=node.oddities,
        unparsed_messages=node.unparsed,
        unknown_messages=tuple(MessageCount(name, count) for name, count in sorted(node.unknown.items())),
        tags=node.tags,
        uri=node.uri,
    )


def _reason(node: NodeSnapshot, now: float) -> str | None:
    """What is wrong with a node that is connected."""
    if node.condition(now) == "tripped" and node.tripped_until is not None:
        return f"retry in {node.tripped_until - now:.0f} s"
    return str(node.error.code) if node.error else None


def _footnotes(rows: Sequence[StatusRow]) -> list[str]:
    notes = []
    if any(row.penalty_is_lower_bound for row in rows):
        notes.append(fleets.LOWER_BOUND)
    if any(row.penalty_cpu_is_assumed for row in rows):
        notes.append(fleets.ASSUMED_CPU)
    old = [row.node for row in rows if row.server == "Lavalink" and fleets.spoils_its_figures(row.version)]
    if old:
        notes.append(f"{', '.join(old)}: {fleets.SPOILT_CPU}")
    notes += [
        f"{row.node} answers unlike Lavalink or NodeLink: {', '.join(row.oddities)}" for row in rows if row.oddities
    ]
    notes += [
        f"{row.node} sent {row.unparsed_messages} message{'' if row.unparsed_messages == 1 else 's'} that could not be "
        "read (-vv shows why)"
        for row in rows
        if row.unparsed_messages
    ]
    return notes


def _runtime(row: InfoRecord) -> str:
    if row.runtime is None:
        return MISSING
    return f"{'Node.js' if row.server == 'NodeLink' else 'JVM'} {human(row.runtime, Kind.TEXT)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoRecord:
    """What a node is."""

    node: str = column("Node")
    uri: str = column("URI")
    server: str | None = column("Server")
    version: str | None = column("Version")
    build_time: str | None = column("Built")
    commit: str | None = column("Commit")
    branch: str | None = column("Branch")
    runtime: str | None = column("Runtime", cell=_runtime)
    lavaplayer: str | None = column("Lavaplayer")
    sources: tuple[str, ...] | None = column("Sources")
    filters: tuple[str, ...] | None = column("Filters")
    plugins: tuple[str, ...] = column("Plugins")


@app.command("info", cls=Command)
def info(
    ctx: typer.Context,
    node: NodeName,
) -> Work:
    """Show what a node is: version, sources, filters, plugins, runtime."""
    options = options_of(ctx)
    settings = fleets.load_settings(options)
    entries = tuple(entry for entry in settings.nodes if entry.identifier == node)
    if not entries:
        known = [entry.identifier for entry in settings.nodes]
        raise CommandError(fleets.unknown_node(node, known), exit_code=ExitCode.USAGE)
    return _info(fleets.with_secrets(settings, entries, options), options)


async def _info(chosen: tuple[NodeSettings, ...], options: Options) -> Result:
    from revvlink_cli.services.probe import opened

    async with opened(chosen, timeout=options.timeout) as fleet:
        (node,) = fleet.snapshot().nodes
    failure = fleets.node_failure(node, options.timeout)
    if node.info is None and failure is None:
        failure = (
            fleets.failure_of(node.error, node.identifier)
            if node.error is not None
            else Failure("bad_answer", "the node did not say what it is", node=node.identifier)
        )
    if failure is not None or node.info is None:
        failures = (failure,) if failure is not None else ()
        return Result(None, InfoRecord, fleets.exit_code_for(failures, 1), failures)
    what = node.info
    return Result(
        InfoRecord(
            node=node.identifier,
            uri=node.uri,
            server=str(node.dialect) if node.dialect is not None else None,
            version=what.version or None,
            build_time=_date(what.build_time),
            commit=what.commit or None,
            branch=what.branch or None,
            runtime=what.runtime,
            lavaplayer=what.lavaplayer,
            sources=what.sources,
            filters=what.filters,
            plugins=tuple(f"{plugin.name} {plugin.version}".strip() for plugin in what.plugins),
        )
    )


def _date(milliseconds: int | None) -> str | None:
    from datetime import UTC, datetime

    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return None  # no date a server was built on


@app.command("add", cls=Command)
def add(
    ctx: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Name of the node.")],
    uri: Annotated[str, typer.Argument(metavar="URI", help="Its address, such as http://127.0.0.1:2333.")],
    password_env: Annotated[
        str | None, typer.Option("--password-env", metavar="NAME", help="Environment variable that holds the password.")
    ] = None,
    password_file: Annotated[
        str | None,
        typer.Option(
            "--password-file", metavar="PATH", help="File whose first line is the password.", autocompletion=files
        ),
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", metavar="LABEL", help="Region it serves.", autocompletion=regions)
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; may be given more than once.")
    ] = None,
    user_id: Annotated[int | None, typer.Option("--user-id", metavar="ID", help="The bot's user id.")] = None,
) -> Result:
    """Add a node to the end of the configuration file; what stands in it is not touched."""
    from pathlib import Path

    from revvlink_cli.config.append import append_node
    from revvlink_cli.config.problems import ConfigError

    options = options_of(ctx)
    password_env, password_file = password_env or None, password_file or None
    if (password_env is None) == (password_file is None):
        raise typer.BadParameter("give one of --password-env and --password-file", param_hint="password")
    if password_file is not None:  # typed here, it counts from here; in the file it would count from the file's folder
        password_file = str(Path(password_file).expanduser().absolute())
    settings = fleets.load_settings(options)
    path = settings.source.path
    if path is None:
        raise CommandError(
            Failure("configuration", "the configuration is in the environment, there is no file to add to",
                    hint="unset REVVLINK_URI, or name a file with --config"),
            exit_code=ExitCode.USAGE,
        )  # fmt: skip
    values: dict[str, Any] = {"identifier": identifier, "uri": uri}
    values |= {"password_env": password_env} if password_env else {"password_file": password_file}
    values |= {key: value for key, value in (("region", region), ("tags", tag), ("user_id", user_id)) if value}
    try:
        append_node(path, values)
    except ConfigError as error:
        raise fleets.config_failure(error, options) from None
    row = NodeRow(
        node=identifier,
        uri=uri,
        region=region,
        tags=tuple(tag or ()),
        password_from=f"env {password_env}" if password_env else f"file {password_file}",
    )
    return Result((row,), NodeRow, notes=(f"added to {path}",))
