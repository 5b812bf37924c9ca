"""``revvlink events``: prints the events of the nodes as they happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from revvlink_cli._percent import percent
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Rows, command, make_app, options_of, refuse_endless_json
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.output.result import Kind, Result, Stream, column

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from revvlink_cli.client.events import PoolEvent
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.health.failure_codes import Explanation

app = make_app()


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


@command(app, prints=lambda: {"": Rows(EventRow)}, examples=("revvlink events", "revvlink events us-1 -o jsonl"))
def events(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
) -> Stream:
    """Print the events of the nodes until interrupted.

    Each event is one line or one JSON object. A node sends the events of players only to the session that owns them.
    This command shows connections, statistics, and what plugins send to everybody.
    """
    options = options_of(ctx)
    refuse_endless_json(options, "the stream of events")
    settings, chosen = node_selection.load_nodes(options, nodes, tag, region)
    return Stream(EventRow, _events(settings, chosen, options), is_endless=True)


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
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    now = moment.astimezone().isoformat(timespec="milliseconds")
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
