"""``revvlink simulate ctl load``, ``frames``, ``event``, ``close-voice``, ``fault`` and ``end-fault``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from revvlink_cli.commands.shared.command import Record, Rows, command
from revvlink_cli.commands.shared.simulator_access import Guild, ReadyFile, simulator_of
from revvlink_cli.commands.simulate.ctl.lists import FaultRow, SimulatedNodeRow, fault_row, node_row
from revvlink_cli.output.result import Kind, Result, column

Node = Annotated[str, typer.Argument(metavar="NODE", help="Name of a simulated node.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRecord:
    """How many sessions got a message."""

    node: str = column("Node")
    sessions: int = column("Sessions", Kind.COUNT)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    start = "revvlink simulate ctl"
    rows = {"": Rows(SimulatedNodeRow)}
    command(
        app, prints=lambda: rows,
        examples=(f"{start} load us-1 --players 40", f"{start} load us-1 --playing 200 --load 0.95"),
    )(load)  # fmt: skip
    command(app, prints=lambda: rows, examples=(f"{start} frames us-1 --nulled 30 --deficit 60",))(frames)
    command(
        app, prints=lambda: {"": Record(SentRecord)},
        examples=(f"""{start} event us-1 '{{"op": "event", "type": "MyEvent"}}'""",),
    )(event)  # fmt: skip
    command(app, "close-voice", prints=lambda: rows, examples=(f"{start} close-voice us-1 --code 4014",))(close_voice)
    command(
        app, prints=lambda: {"": Rows(FaultRow)},
        examples=(f"{start} fault status --set status=429 --set retry_after=2", f"{start} fault kill --set at=1h"),
    )(fault)  # fmt: skip
    command(app, "end-fault", prints=lambda: {"": Rows(FaultRow)}, examples=(f"{start} end-fault 1",))(end_fault)


def load(
    ctx: typer.Context,
    node: Node,
    players: Annotated[int | None, typer.Option("--players", metavar="N", min=0, help="Players of other bots.")] = None,
    playing: Annotated[int | None, typer.Option("--playing", metavar="N", min=0, help="How many play.")] = None,
    load: Annotated[float | None, typer.Option("--load", metavar="0..1", min=0, max=1, help="CPU load.")] = None,
    ready_file: ReadyFile = None,
) -> Result:
    """Change figures of a node's statistics, and send them."""
    return _changed(ctx, ready_file, node, "load", players=players, playing=playing, load=load)


def frames(
    ctx: typer.Context,
    node: Node,
    nulled: Annotated[int, typer.Option("--nulled", metavar="N", min=0, max=3000, help="Frames of silence.")] = 0,
    deficit: Annotated[int, typer.Option("--deficit", metavar="N", min=0, max=3000, help="Frames not sent.")] = 0,
    ready_file: ReadyFile = None,
) -> Result:
    """Lose frames of audio, of the 3,000 a minute of a player."""
    return _changed(ctx, ready_file, node, "frames", nulled=nulled, deficit=deficit)


def close_voice(
    ctx: typer.Context,
    node: Node,
    guild: Guild = None,
    code: Annotated[int, typer.Option("--code", metavar="CODE", min=1000, max=4999, help="Close code.")] = 4006,
    ready_file: ReadyFile = None,
) -> Result:
    """Close voice connections, as Discord does."""
    return _changed(ctx, ready_file, node, "close-voice", guild=guild, code=code)


def _changed(ctx: typer.Context, ready_file: str | None, node: str, action: str, **body: Any) -> Result:
    """Do something to a node, with the keys that are given, and show the node."""
    given = {name: value for name, value in body.items() if value is not None}
    with simulator_of(ctx, ready_file) as admin:
        return Result((node_row(admin.ask("POST", "nodes", node, action, body=given)),), row=SimulatedNodeRow)


def event(
    ctx: typer.Context,
    node: Node,
    message: Annotated[str, typer.Argument(metavar="JSON", help="The message: a JSON object.")],
    guild: Guild = None,
    ready_file: ReadyFile = None,
) -> Result:
    """Send any message to the clients of a node.

    With --guild only clients with a player of this guild get it, with its guildId.
    """
    try:
        body = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"is not JSON: {error}", ctx=ctx, param_hint="JSON") from None
    with simulator_of(ctx, ready_file) as admin:
        sent = admin.ask("POST", "nodes", node, "messages", query={"guild": guild}, body=body)
    return Result(SentRecord(node=node, sessions=sent["sessions"]))


def fault(
    ctx: typer.Context,
    do: Annotated[str, typer.Argument(metavar="FAULT", help="What goes wrong: do of [[faults]] in a scenario.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another key of [[faults]]; may be given again."),
    ] = None,
    ready_file: ReadyFile = None,
) -> Result:
    """Let nodes have a fault, from now on or for a time.

    Its keys are those of [[faults]] in a scenario: nodes, at, for, every, route, chance and so on.
    """
    body: dict[str, Any] = {"do": do}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals:
            raise typer.BadParameter(f"{setting!r} is not KEY=VALUE", ctx=ctx, param_hint="--set")
        body[name.strip()] = _value(name.strip(), value)
    with simulator_of(ctx, ready_file) as admin:
        return Result(tuple(map(fault_row, admin.ask("POST", "faults", body=body)["faults"])), row=FaultRow)


def _value(name: str, text: str) -> Any:
    """A value as JSON has it: a number where it is one, but for ids of guilds."""
    if name == "guild":
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def end_fault(
    ctx: typer.Context,
    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Its number, see `simulate ctl faults`.")],
    ready_file: ReadyFile = None,
) -> Result:
    """End a fault, and show those that are left."""
    with simulator_of(ctx, ready_file) as admin:
        found = admin.ask("DELETE", "faults", str(number))
    return Result(tuple(map(fault_row, found["faults"])), row=FaultRow)
