"""``revvlink simulate ctl nodes``, ``players``, ``requests``, ``events`` and ``faults``: what there is, and was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.commands.shared.command import Rows, command
from revvlink_cli.commands.shared.simulator_access import After, Guild, OneOfThem, ReadyFile, simulator_of
from revvlink_cli.output.result import Kind, Result, column

if TYPE_CHECKING:
    from collections.abc import Mapping

Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, max=10_000, help="Most of them, the latest.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedNodeRow:
    """A simulated node. Its players are those of its sessions."""

    node: str = column("NODE")
    kind: str = column("KIND", rank=3)
    state: str = column("STATE", Kind.STATE)
    clients: int = column("CLIENTS", Kind.COUNT)
    sessions: int = column("SESSIONS", Kind.COUNT, rank=2)
    players: int = column("PLAYERS", Kind.COUNT)
    playing: int = column("PLAYING", Kind.COUNT)
    uri: str = column("URI", rank=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPlayerRow:
    """A player of a simulated node."""

    node: str = column("NODE")
    guild_id: str = column("GUILD")
    is_playing: bool = column("PLAYING")
    track: str | None = column("TRACK", flexible=True)
    position_ms: int = column("POSITION", Kind.DURATION_MS, rank=2)
    volume: int = column("VOLUME", Kind.COUNT, rank=3)
    session: str = column("SESSION", rank=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRow:
    """A request that a simulated node received. JSON has its query, headers and body."""

    number: int = column("NUMBER", Kind.COUNT)
    at_s: float = column("AT S")
    node: str = column("NODE")
    method: str = column("METHOD")
    path: str = column("PATH", flexible=True)
    status: int | None = column("STATUS")
    guild_id: str | None
    query: Any
    headers: Any
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class HappenedRow:
    """Something that happened to a simulated node."""

    number: int = column("NUMBER", Kind.COUNT)
    at_s: float = column("AT S")
    node: str = column("NODE")
    kind: str = column("KIND")
    guild_id: str | None = column("GUILD", rank=2)
    detail: str = column("DETAIL", flexible=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRow:
    """A fault of a simulated node that is planned or active."""

    number: int = column("NUMBER", Kind.COUNT)
    node: str = column("NODE")
    fault: str = column("FAULT")
    state: str = column("STATE", Kind.STATE)
    route: str = column("ROUTE", rank=2)


def node_row(node: Mapping[str, Any]) -> SimulatedNodeRow:
    """The row of a node."""
    state = "down" if not node["is_up"] else "frozen" if node["is_frozen"] else "up"
    return SimulatedNodeRow(
        node=node["name"],
        kind=f"{node['kind']} {node['version']}",
        state=state,
        clients=node["open_sockets"],
        sessions=node["sessions"],
        players=node["players"],
        playing=node["playing"],
        uri=node["uri"],
    )


def _player_row(found: Mapping[str, Any]) -> SimulatedPlayerRow:
    player = found["player"]
    return SimulatedPlayerRow(
        node=found["node"],
        guild_id=found["guild"],
        is_playing=found["is_playing"],
        track=player["track"]["info"]["title"] if player["track"] else None,
        position_ms=player["state"]["position"],
        volume=player["volume"],
        session=found["session"],
    )


def received_row(request: Mapping[str, Any]) -> ReceivedRow:
    """The row of a request."""
    given = {name: request[name] for name in ("number", "at_s", "node", "method", "path", "status")}
    return ReceivedRow(
        **given, guild_id=request["guild"], query=request["query"], headers=request["headers"], body=request["body"]
    )


def happened_row(event: Mapping[str, Any]) -> HappenedRow:
    """The row of an event; a message as JSON."""
    detail = event["detail"]
    return HappenedRow(
        number=event["number"],
        at_s=event["at_s"],
        node=event["node"],
        kind=event["kind"],
        guild_id=event["guild"],
        detail=detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False),
    )


def fault_row(fault: Mapping[str, Any]) -> FaultRow:
    """The row of a fault."""
    state = "active" if fault["is_active"] else "planned"
    route = fault["fault"]["route"]
    return FaultRow(number=fault["number"], node=fault["node"], fault=fault["do"], state=state, route=route)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    start = "revvlink simulate ctl"
    command(
        app,
        prints=lambda: {"": Rows(SimulatedNodeRow)},
        examples=(f"{start} nodes", f"{start} nodes -o json"),
    )(nodes)
    command(
        app,
        prints=lambda: {"": Rows(SimulatedPlayerRow)},
        examples=(f"{start} players", f"{start} players --node us-1 -o json"),
    )(players)
    command(
        app,
        prints=lambda: {"": Rows(ReceivedRow)},
        examples=(f"{start} requests --route 'PATCH *'", f"{start} requests --node us-1 --limit 5 -o json"),
    )(requests)
    command(
        app,
        prints=lambda: {"": Rows(HappenedRow)},
        examples=(f"{start} events --kind TrackEndEvent", f"{start} events --node us-1 --after 10"),
    )(events)
    command(app, prints=lambda: {"": Rows(FaultRow)}, examples=(f"{start} faults",))(faults)


def nodes(ctx: typer.Context, ready_file: ReadyFile = None) -> Result:
    """List the simulated nodes."""
    with simulator_of(ctx, ready_file) as admin:
        return Result(tuple(map(node_row, admin.ask("GET", "nodes")["nodes"])), row=SimulatedNodeRow)


def players(ctx: typer.Context, node: OneOfThem = None, guild: Guild = None, ready_file: ReadyFile = None) -> Result:
    """List the players of all sessions."""
    with simulator_of(ctx, ready_file) as admin:
        found = admin.ask("GET", "players", query={"node": node, "guild": guild})
    return Result(tuple(map(_player_row, found["players"])), row=SimulatedPlayerRow)


def requests(
    ctx: typer.Context,
    node: OneOfThem = None,
    route: Annotated[
        str | None, typer.Option("--route", metavar="PATTERN", help="Method and path, such as 'PATCH *'.")
    ] = None,
    guild: Guild = None,
    after: After = None,
    limit: Limit = 100,
    ready_file: ReadyFile = None,
) -> Result:
    """List the requests that the nodes received."""
    query = {"node": node, "route": route, "guild": guild, "after": after, "limit": limit}
    with simulator_of(ctx, ready_file) as admin:
        found = admin.ask("GET", "requests", query=query)
    return Result(tuple(map(received_row, found["requests"])), row=ReceivedRow)


def events(
    ctx: typer.Context,
    node: OneOfThem = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Such as TrackEndEvent.")] = None,
    guild: Guild = None,
    after: After = None,
    limit: Limit = 100,
    ready_file: ReadyFile = None,
) -> Result:
    """List what happened to the nodes and their players."""
    query = {"node": node, "kind": kind, "guild": guild, "after": after, "limit": limit}
    with simulator_of(ctx, ready_file) as admin:
        found = admin.ask("GET", "events", query=query)
    return Result(tuple(map(happened_row, found["events"])), row=HappenedRow)


def faults(ctx: typer.Context, ready_file: ReadyFile = None) -> Result:
    """List the faults that are planned or active."""
    with simulator_of(ctx, ready_file) as admin:
        return Result(tuple(map(fault_row, admin.ask("GET", "faults")["faults"])), row=FaultRow)
