"""``revvlink simulate ctl wait``, ``clock``, ``advance`` and ``reset``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.commands.shared.command import Record, Rows, WaitCommand, command, options_of
from revvlink_cli.commands.shared.simulator_access import After, Guild, OneOfThem, ReadyFile, simulator_of
from revvlink_cli.commands.simulate.ctl.lists import SimulatedNodeRow, happened_row, node_row, received_row
from revvlink_cli.output.result import Kind, Result, column

if TYPE_CHECKING:
    from collections.abc import Mapping

SPARE = 5.0
"""Seconds that an answer may take beyond the time of a wait, and an advance or a reset at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRecord:
    """What was waited for: the node on which it holds, or the event or the request."""

    condition: str = column("Condition")
    node: str = column("Node")
    number: int | None = column("Number", Kind.COUNT)
    detail: str | None = column("Detail", wraps=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRecord:
    """The clock of simulated nodes."""

    kind: str = column("Kind")
    speed: float = column("Speed")
    now_s: float = column("Now")


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    start = "revvlink simulate ctl"
    command(
        app, prints=lambda: {"": Record(FoundRecord)}, cls=WaitCommand,
        examples=(
            f"{start} wait player_playing --node us-1",
            f"{start} wait request --route 'PATCH *' --timeout 10",
            f"{start} wait session_open",
        ),
    )(wait)  # fmt: skip
    command(app, prints=lambda: {"": Record(ClockRecord)}, examples=(f"{start} clock",))(clock)
    command(app, prints=lambda: {"": Record(ClockRecord)}, examples=(f"{start} advance 30s",))(advance)
    command(app, prints=lambda: {"": Rows(SimulatedNodeRow)}, examples=(f"{start} reset",))(reset)


def wait(
    ctx: typer.Context,
    condition: Annotated[
        str, typer.Argument(metavar="CONDITION", help="Such as player_playing, session_open, track_ended, request.")
    ],
    node: OneOfThem = None,
    guild: Guild = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Kind of an `event`.")] = None,
    route: Annotated[
        str | None, typer.Option("--route", metavar="PATTERN", help="Method and path of a `request`.")
    ] = None,
    after: After = None,
    ready_file: ReadyFile = None,
) -> Result:
    """Wait until something holds or has happened.

    node_up, node_down, session_open, no_session, player_exists, no_player, player_playing, track_started, track_ended,
    voice_closed, event, request. What holds or has happened already is found at once.
    """
    timeout = options_of(ctx).timeout
    query = {
        "for": condition, "node": node, "guild": guild, "kind": kind, "route": route, "after": after,
        "timeout": timeout,
    }  # fmt: skip
    with simulator_of(ctx, ready_file) as admin:
        return Result(_found(condition, admin.ask("GET", "wait", query=query, more_time=SPARE)))


def _found(condition: str, found: Mapping[str, Any]) -> FoundRecord:
    match found:
        case {"event": event}:
            row = happened_row(event)
            return FoundRecord(condition=condition, node=row.node, number=row.number, detail=row.detail or None)
        case {"request": request}:
            asked = received_row(request)
            detail = f"{asked.method} {asked.path} {asked.status}"
            return FoundRecord(condition=condition, node=asked.node, number=asked.number, detail=detail)
    return FoundRecord(condition=condition, node=found["node"]["name"], number=None, detail=None)


def clock(ctx: typer.Context, ready_file: ReadyFile = None) -> Result:
    """Show the clock of the nodes."""
    with simulator_of(ctx, ready_file) as admin:
        return Result(ClockRecord(**admin.ask("GET", "clock")))


def advance(
    ctx: typer.Context,
    time: Annotated[str, typer.Argument(metavar="TIME", help="How far, such as 30s or 1h.")],
    ready_file: ReadyFile = None,
) -> Result:
    """Move a manual clock on.

    What is due meanwhile has happened when this ends. The clock is that of `simulate --clock manual`.
    """
    with simulator_of(ctx, ready_file) as admin:
        return Result(ClockRecord(**admin.ask("POST", "clock", "advance", body={"time": time}, more_time=SPARE)))


def reset(ctx: typer.Context, ready_file: ReadyFile = None) -> Result:
    """Begin again: nodes, faults, clock, requests and events.

    Open websockets are closed. The ports stay the same.
    """
    with simulator_of(ctx, ready_file) as admin:
        found = admin.ask("POST", "reset", more_time=SPARE)
    return Result(tuple(map(node_row, found["nodes"])), row=SimulatedNodeRow)
