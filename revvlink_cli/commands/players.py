"""``revvlink players``: the players of one session on one node."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli._awaited import awaiting
from revvlink_cli.client.protocol.guild_ids import read_guild_id
from revvlink_cli.commands.shared import node_selection, watch_options
from revvlink_cli.commands.shared.command import Record, Rows, Work, command, make_app, options_of
from revvlink_cli.commands.shared.options import OneNode
from revvlink_cli.commands.shared.questions import confirm
from revvlink_cli.commands.shared.titles import named
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, Stream, column
from revvlink_cli.output.text import MISSING, clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from revvlink_cli.client.connection.rest import Rest
    from revvlink_cli.client.connection.session_players import RemotePlayer
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import FleetSnapshot
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.services.watching import Watch

app = make_app()

SESSION = typer.Option("--session", metavar="ID", help="The bot's session: see the bot's log.")


def _guild(text: str) -> int:
    """A guild's id as typed."""
    guild = read_guild_id(text)
    if guild is None:
        raise typer.BadParameter(f"{text!r} is not a guild's id: a number of up to 20 digits")
    return guild


GUILD = typer.Argument(metavar="GUILD", help="The guild's id.", parser=_guild)


def _track(row: PlayerRow) -> str:
    return MISSING if row.track is None else row.track


def _position(row: PlayerRow) -> str:
    return MISSING if row.track is None else clock(row.position_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerRow:
    """A player. Ids are text: above 2^53 other tools lose digits of a number."""

    guild_id: str = column("GUILD")
    track: str | None = column("TRACK", cell=_track, flexible=True)
    position_ms: int = column("POSITION", Kind.DURATION_MS, cell=_position, rank=2)
    volume: int = column("VOLUME", Kind.COUNT, rank=3)
    is_paused: bool = column("PAUSED", rank=4)
    is_connected: bool = column("VOICE")
    ping_ms: int | None = column("PING", Kind.LATENCY_MS, rank=5)
    endpoint: str | None = column("ENDPOINT", rank=6, flexible=True)
    channel_id: str | None
    filters: tuple[str, ...]
    identifier: str | None
    encoded: str | None

    @property
    def problem_gravity(self) -> int:
        """A player without a voice connection is silent."""
        return 0 if self.is_connected else 3


def _row(player: RemotePlayer) -> PlayerRow:
    endpoint, channel = player.voice.get("endpoint"), player.voice.get("channelId")
    return PlayerRow(
        guild_id=str(player.guild_id),
        track=player.track.title if player.track is not None else None,
        position_ms=player.state.position,
        volume=player.volume,
        is_paused=player.paused,
        is_connected=player.state.connected,
        ping_ms=player.state.ping if player.state.ping >= 0 else None,
        endpoint=endpoint if isinstance(endpoint, str) and endpoint else None,
        channel_id=str(channel) if channel else None,
        filters=tuple(map(str, player.filters)),
        identifier=player.track.identifier if player.track is not None else None,
        encoded=player.track.encoded if player.track is not None else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlayersRow:
    """How many players a node has, of all its connected sessions; null where it sent no statistics."""

    node: str = column("NODE", rank=0)
    state: str = column("STATE", Kind.STATE, rank=0)
    playing: int | None = column("PLAYING", Kind.COUNT)
    players: int | None = column("PLAYERS", Kind.COUNT)
    message: str | None = column("MESSAGE", wraps=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayersTick:
    """The players of a session, or of nodes, at one moment; `error` is why there are none."""

    time: str
    players: tuple[PlayerRow | NodePlayersRow, ...]
    error: str | None


NO_SESSION = (
    'a node lists the players of one session at a time: add --session with the id from the bot\'s log ("session ...")'
)
"""Why there are no single players without a session, and what to do."""


@command(
    app,
    "list",
    prints=lambda: {"": Rows(NodePlayersRow), "--session": Rows(PlayerRow)},
    examples=(
        "revvlink players list",
        "revvlink players list us-1 --session 8q2xk1",
        "revvlink players list us-1 --session 8q2xk1 --watch --count 2",
    ),
)
def list_players(
    ctx: typer.Context,
    node: OneNode = None,
    session: Annotated[str | None, SESSION] = None,
    watch: watch_options.Watching = False,
    interval: watch_options.Interval = None,
    count: watch_options.Count = None,
    duration: watch_options.Duration = None,
) -> Work | Stream:
    """List the players of a session, or how many each node has.

    A node lists players by session only, and does not list its sessions. The bot knows the id: its log names it when
    it connects ("session ..."), and a bot that resumes keeps it. Without --session there is a row for each node, with
    the number of its players in all connected sessions.

    With --watch the exit code is that of the last sample.
    """
    options = options_of(ctx)
    span = watch_options.read_span(interval, count, duration, watch=watch)
    settings = node_selection.load_settings(options)

    def choose(found: Settings) -> tuple[NodeSettings, ...]:
        if session is None and node is None:
            return node_selection.with_secrets(found, found.nodes, options)
        return node_selection.with_secrets(found, (node_selection.select_one(found, node, options),), options)

    chosen = choose(settings)
    if watch:
        job = watch_options.WatchJob(settings, options, span, chosen, choose, waits_for_all=True)
        return _watched(job, session)
    if session is None:
        return _count_players(settings, chosen, options)

    async def ask(rest: Rest) -> Result:
        return Result(tuple(_row(player) for player in await rest.players(session)), PlayerRow)

    return _run_on_node(chosen[0], session, options, ask)


async def _count_players(settings: Settings, chosen: tuple[NodeSettings, ...], options: Options) -> Result:
    from revvlink_cli.services.fleet_session import open_fleet

    async with open_fleet(chosen, regions=settings.regions, timeout=options.timeout, settled=True) as fleet:
        snapshot = fleet.snapshot()
    return replace(_counted(snapshot, options), notes=(NO_SESSION,))


def _counted(snapshot: FleetSnapshot, options: Options) -> Result:
    """The number of players of each node."""
    rows = []
    for node in snapshot.nodes:
        failure = node_selection.node_failure(node, options.timeout)
        stats = node.stats(snapshot.at) if failure is None else None
        rows.append(
            NodePlayersRow(
                node=node.identifier,
                state="connected" if failure is None else "failed",
                playing=stats.playing if stats is not None else None,
                players=stats.players if stats is not None else None,
                message=failure.message if failure is not None else None,
            )
        )
    failures = node_selection.failures_of(snapshot.nodes, options.timeout)
    return Result(tuple(rows), NodePlayersRow, node_selection.exit_code_for(failures, len(rows)), failures)


def _watched(job: watch_options.WatchJob, session: str | None) -> Stream:
    """The players under watch."""
    last: list[Result] = []

    async def ask(rest: Rest) -> Result:
        return Result(tuple(_row(player) for player in await rest.players(session or "")), PlayerRow)

    async def make_row(seen: Watch) -> PlayersTick:
        result = (
            _counted(seen.snapshot, job.options)
            if session is None
            else await _ask(seen.fleet.members[0], session, job.options, ask)
        )
        last[:] = [result]
        error = result.errors[0].message if result.errors else None
        return PlayersTick(time=watch_options.timestamp(), players=result.data or (), error=error)

    def frame(tick: PlayersTick) -> Result:
        what = f"Players of session {session}" if session is not None else "Players"
        notes = [*job.notes, *([NO_SESSION] if session is None else [])]
        if tick.error is not None and session is not None:
            notes.insert(0, tick.error)
        elif not tick.players:
            notes.insert(0, "no players")
        title = f"{named(what, job.settings.context)}, {tick.time[11:19]}; Ctrl-C ends"
        row = PlayerRow if session is not None else NodePlayersRow
        return Result(tick.players, row, notes=tuple(notes), title=title)

    def outcome(_: Watch) -> Result:
        return replace(last[0], data=None)

    return watch_options.watch_stream(job, row=PlayersTick, make_row=make_row, frame=frame, outcome=outcome)


@command(
    app,
    prints=lambda: {"": Record(PlayerRow)},
    examples=("revvlink players show 81384788765712384 --session 8q2xk1 --node us-1",),
)
def show(
    ctx: typer.Context,
    guild: Annotated[int, GUILD],
    session: Annotated[str, SESSION],
    node: OneNode = None,
) -> Work:
    """Show one player."""
    options = options_of(ctx)
    chosen = node_selection.load_node(options, node)

    async def ask(rest: Rest) -> Result:
        # Asked one by one, a NodeLink makes the player that is not there.
        for player in await rest.players(session):
            if player.guild_id == guild:
                return Result(_row(player), PlayerRow)
        raise _missing(chosen.identifier, session, guild)

    return _run_on_node(chosen, session, options, ask)


@command(
    app,
    prints=lambda: {"": Record(PlayerRow)},
    examples=("revvlink players destroy 81384788765712384 --session 8q2xk1 --node us-1 -y",),
)
def destroy(
    ctx: typer.Context,
    guild: Annotated[int, GUILD],
    session: Annotated[str, SESSION],
    node: OneNode = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Destroy without asking.")] = False,
) -> Work:
    """Destroy a player.

    Its track ends, and it leaves the voice channel.
    """
    options = options_of(ctx)
    chosen = node_selection.load_node(options, node)
    on = chosen.identifier
    confirm(f"Destroy the player of guild {guild} on {on}?", yes=yes)

    async def ask(rest: Rest) -> Result:
        for player in await rest.players(session):
            if player.guild_id == guild:
                await rest.destroy_player(session, guild)
                return Result(_row(player), PlayerRow, notes=(f"destroyed the player of guild {guild} on {on}",))
        raise _missing(chosen.identifier, session, guild)

    return _run_on_node(chosen, session, options, ask)


def _missing(node: str, session: str, guild: int) -> CommandError:
    hint = f"see `revvlink players list --node {node} --session {session}`"
    return CommandError(
        Failure("no_player", f"no player of guild {guild} in that session on {node}", node=node, hint=hint),
        exit_code=ExitCode.FAILED,
    )


def _run_on_node(
    chosen: NodeSettings, session: str, options: Options, ask: Callable[[Rest], Awaitable[Result]]
) -> Work:
    async def work() -> Result:
        from revvlink_cli.services.fleet_session import open_fleet

        async with open_fleet((chosen,), timeout=options.timeout) as fleet:
            (member,) = fleet.members
            return await _ask(member, session, options, ask)

    return work()


async def _ask(member: Node, session: str, options: Options, ask: Callable[[Rest], Awaitable[Result]]) -> Result:
    """What a node answers; a failure is a result too."""
    from revvlink_cli.client.errors import LavalinkException, RevvlinkException

    node = member.identifier
    failure = node_selection.node_failure(member.snapshot(), options.timeout)
    if failure is not None:
        return Result(None, PlayerRow, node_selection.exit_code_for((failure,), 1), (failure,))
    try:
        with awaiting(lambda: f"waiting for the players of {node}"):
            return await ask(member.rest)
    except LavalinkException as error:
        if error.status != 404:
            return Result(None, PlayerRow, ExitCode.FAILED, (node_selection.failure_of(error, node),))
        hint = "take the id from the bot's log; a node does not list a session that waits to be resumed"
        gone = Failure("no_session", f"no such session on {node}: {session}", node=node, hint=hint)
        return Result(None, PlayerRow, ExitCode.FAILED, (gone,))
    except RevvlinkException as error:
        return Result(None, PlayerRow, ExitCode.FAILED, (node_selection.failure_of(error, node),))
