"""The rows of ``nodes status``: what is known of each node, and how a table shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from revvlink_cli._percent import percent
from revvlink_cli._sizes import size
from revvlink_cli.commands.shared import node_selection, penalty_columns
from revvlink_cli.output.in_context import InContext
from revvlink_cli.output.result import Failure, Kind, Legend, column
from revvlink_cli.output.text import MISSING, human

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.snapshot import FleetSnapshot, NodeSnapshot
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextStatusRow(StatusRow, InContext):
    """How a node of one of several contexts is doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTick:
    """The fleet at one moment."""

    time: str
    nodes: tuple[StatusRow, ...]


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


def rows_of(snapshot: FleetSnapshot, options: Options, seen: Watch | None = None) -> list[StatusRow]:
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


def footnotes(rows: Sequence[StatusRow]) -> list[str]:
    """Notes on nodes that send what this client does not know."""
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
