"""``revvlink events``: prints the events of the nodes as they happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli._percent import percent
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Rows, command, make_app, options_of, refuse_endless_json
from revvlink_cli.commands.shared.moments import FORMS, read_moment
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.commands.shared.stdin import LONGEST_SAMPLE, read_lines
from revvlink_cli.commands.shared.values import files
from revvlink_cli.output.result import ExitCode, Failure, Kind, Result, Stream, column
from revvlink_cli.output.text import duration

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from revvlink_cli.client.events import PoolEvent
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.health.failure_codes import Explanation
    from revvlink_cli.services.recorded_events import RecordedEvent

app = make_app()

MOST_PROBLEMS = 10
"""Lines of a file that could not be read, named one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event.

    `code` and `advice` explain a track that fails or a voice connection that ends; `dropped` counts what came too fast
    to be shown before it.
    """

    time: str = column("TIME", Kind.TIME)
    node: str = column("NODE", rank=0)
    event: str = column("EVENT", Kind.STATE, rank=0)
    detail: str | None = column("DETAIL", wraps=True)
    guild_id: str | None
    code: str | None
    advice: str | None
    dropped: int

    @property
    def repeat_key(self) -> object:
        """What is equal for an event and its repetitions, which a terminal folds into one row."""
        is_same = self.event in ("stats", "node_ready")  # figures and sessions differ each time; the last one counts
        return self.node, self.event, self.guild_id, None if is_same else self.detail


class PastEventRow(EventRow):
    """One event from a file. Each has its row: what happened when is what is looked for."""

    @property
    def repeat_key(self) -> object:
        """None."""
        return None


@command(
    app,
    prints=lambda: {"": Rows(EventRow)},
    examples=(
        "revvlink events",
        "revvlink events us-1 -o jsonl",
        "revvlink events --from night.jsonl --since 24h",
    ),
)
def events(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
    files_: Annotated[
        list[str] | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Print the events of this recording, or of `events -o jsonl`, instead; may be given more than once.",
            autocompletion=files,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="MOMENT", help=f"With --from, leave out older events: {FORMS}.")
    ] = None,
) -> Stream:
    """Print the events of the nodes until interrupted.

    Each event is one line or one JSON object. A node sends the events of players only to the session that owns them.
    This command shows connections, statistics, and what plugins send to everybody.

    Nodes keep no past events. --from reads them from files: from a recording of `record` the changes of each node's
    state, with the time of the first sample that shows them, or what `events -o jsonl` has written.
    """
    options = options_of(ctx)
    if files_:
        if tag or region is not None:
            raise typer.BadParameter("goes without --tag and --region: name nodes", param_hint="--from")
        return Stream(EventRow, _recorded(files_, nodes or [], _moment(since)))
    if since is not None:
        raise typer.BadParameter(
            "goes with --from FILE: nodes keep no past events. `revvlink record FILE` records their states, "
            "`revvlink events -o jsonl > FILE` their events",
            param_hint="--since",
        )
    refuse_endless_json(options, "the stream of events")
    settings, chosen = node_selection.load_nodes(options, nodes, tag, region)
    return Stream(EventRow, _events(settings, chosen, options), is_endless=True)


def _moment(text: str | None) -> float | None:
    """The moment in seconds since the epoch.

    Raises:
        typer.BadParameter: It cannot be read.
    """
    from datetime import datetime

    try:
        return read_moment(text, datetime.now().astimezone()).timestamp() if text is not None else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None


async def _recorded(
    names: list[str], patterns: list[str], since: float | None
) -> AsyncGenerator[EventRow | Result, None]:
    """Yield the events of files, from the oldest on."""
    from heapq import merge

    from revvlink_cli.services.recorded_events import read_events

    failures: list[Failure] = []
    found = []
    for name in dict.fromkeys(names):
        recorded, problems = read_events(read_lines(name, longest=LONGEST_SAMPLE))
        found.append(recorded)
        failures += [Failure("bad_line", f"{name}: {problem}") for problem in problems[:MOST_PROBLEMS]]
        if len(problems) > MOST_PROBLEMS:
            failures.append(Failure("bad_line", f"{name}: and {len(problems) - MOST_PROBLEMS} more lines"))
    count = 0
    for event in merge(*found, key=lambda event: event.at):
        is_wanted = not patterns or any(node_selection.fits(event.node, name) for name in patterns)
        if is_wanted and (since is None or event.at >= since):
            count += 1
            yield _past_row(event)
    code = ExitCode.PARTIAL if failures and count else ExitCode.OK if count else ExitCode.FAILED
    yield Result(exit_code=code, errors=tuple(failures), notes=() if count else ("no event in the files",))


def _past_row(event: RecordedEvent) -> PastEventRow:
    detail = event.detail if event.lost_s is None else f"back after {duration(event.lost_s * 1000)}"
    return PastEventRow(
        time=_written(event.at),
        node=event.node,
        event=event.event,
        detail=detail,
        guild_id=event.guild_id,
        code=event.code,
        advice=event.advice,
        dropped=0,
    )


async def _events(
    settings: Settings, chosen: tuple[NodeSettings, ...], options: Options
) -> AsyncGenerator[EventRow | Result, None]:
    """Yield the pool's events, from the first connection until no node is tried any more."""
    from revvlink_cli.services.fleet_session import open_fleet

    async with open_fleet(chosen, regions=settings.regions, timeout=options.timeout, any_will_do=True) as fleet:
        subscription = fleet.subscribe()
        dropped = 0
        try:
            for node in fleet.snapshot().nodes:  # what happened before the first reading
                if node.session_id is not None:
                    yield _row(node.identifier, "node_ready", None, f"session {node.session_id}", 0)
                elif (failure := node_selection.node_failure(node, options.timeout)) is not None:
                    yield _row(node.identifier, "node_failed", None, failure.message, 0)
            while any(node.is_supervised for node in fleet.members):
                pool_event = await subscription.next()
                if pool_event is None:
                    break
                yield event_row(pool_event, None, subscription.dropped - dropped)
                dropped = subscription.dropped
        finally:
            fleet.unsubscribe(subscription)
        snapshots = fleet.snapshot().nodes
    yield node_selection.final_result(snapshots, options.timeout)


def _written(at: float) -> str:
    """A time in seconds since the epoch, in ISO 8601 and the local zone."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(timespec="milliseconds")


def _row(
    node: str,
    event: str,
    guild: int | None,
    detail: str | None,
    dropped: int,
    at: float | None = None,
    known: Explanation | None = None,
) -> EventRow:
    import time

    now = _written(time.time() if at is None else at)
    guild_id = None if guild is None else str(guild)  # text: above 2^53 other tools lose digits of a number
    code, advice = (str(known.code), known.next_step) if known is not None else (None, None)
    return EventRow(
        time=now, node=node, event=event, detail=detail, guild_id=guild_id, code=code, advice=advice, dropped=dropped
    )


def event_row(pool_event: PoolEvent, at: float | None = None, dropped: int = 0) -> EventRow:
    """The row of an event; `at` is its time in seconds since the epoch, None for now."""
    from revvlink_cli.client import events

    match pool_event:
        case events.NodeReady():
            what = f"session {pool_event.session_id}{' resumed' if pool_event.resumed else ''}"
            return _row(pool_event.node, "node_ready", None, what, dropped, at)
        case events.NodeLost():
            return _row(pool_event.node, "node_lost", None, pool_event.reason.message, dropped, at)
        case events.NodeFailed():
            return _row(pool_event.node, "node_failed", None, pool_event.reason.message, dropped, at)
        case events.NodeHanging():
            return _row(pool_event.node, "node_hanging", None, pool_event.reason.message, dropped, at)
        case events.NodeRefusing():
            return _row(pool_event.node, "node_refusing", None, pool_event.reason.message, dropped, at)
        case events.NodeAnswering():
            return _row(pool_event.node, "node_answering", None, None, dropped, at)
        case events.NodeClosed():
            return _row(pool_event.node, "node_closed", None, None, dropped, at)
        case events.NodeDrained():
            what = f"{len(pool_event.moved)} players moved, {len(pool_event.failed)} left"
            return _row(pool_event.node, "node_drained", None, what, dropped, at)
        case events.StatsReceived(stats=stats):
            load = "CPU unknown" if stats.system_load is None else f"CPU {percent(stats.system_load)}"
            return _row(pool_event.node, "stats", None, f"{stats.playing}/{stats.players} players, {load}", dropped, at)
        case events.PlayerMoved():
            target = f"{pool_event.origin or 'nowhere'} -> {pool_event.target}"
            return _row(pool_event.target, "player_moved", pool_event.guild_id, target, dropped, at)
        case events.PlayerLost():
            name = pool_event.origin or "-"
            return _row(name, "player_lost", pool_event.guild_id, pool_event.reason.message, dropped, at)
        case events.NodeEvent(event=event):
            known = _explanation_of(event)
            detail = _detail_of(event, known)
            return _row(pool_event.node, events.name_of(type(event)), event.guild_id, detail, dropped, at, known)


def _explanation_of(event: Any) -> Explanation | None:
    """The explanation of a failure, None for an event that is not a failure."""
    from revvlink_cli.client.protocol.messages import TrackException, VoiceClosed
    from revvlink_cli.health import known_failures

    if isinstance(event, TrackException):
        return known_failures.explain_track(event)
    if isinstance(event, VoiceClosed):
        known = known_failures.explain_voice_close(event.code, event.reason)
        return known if known.is_known else None
    return None


def _detail_of(event: Any, known: Explanation | None) -> str | None:
    """The text of a server's event. For an unknown event it begins with the name that the server gave it."""
    from revvlink_cli.client.protocol.messages import TrackException
    from revvlink_cli.health.known_failures import words_of

    if isinstance(event, TrackException) and known is not None:
        title = [event.track.title] if event.track is not None else []
        return ": ".join([*title, known.sentence(words_of(event))]) + (f" {known.advice}" if known.advice else "")
    values = [getattr(event, name, None) for name in ("type", "reason", "message", "code")]
    track = getattr(event, "track", None)
    parts = ([track.title] if track is not None else []) + [str(value) for value in values if value not in (None, "")]
    if known is not None:
        parts.append(f"{known.meaning} {known.advice}".strip())
    return ": ".join(parts) or None
