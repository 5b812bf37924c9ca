"""``revvlink simulate``: simulated nodes for bots and tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.commands.shared.command import (
    Options,
    Record,
    Rows,
    command,
    make_app,
    options_of,
    refuse_endless_json,
)
from revvlink_cli.commands.shared.ready_file import write_ready_file
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, Stream, column

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from revvlink_cli.simulator import SimulatedNode, Simulator
    from revvlink_cli.simulator.scenario import Scenario

app = make_app()

KINDS = ("lavalink", "nodelink")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateRow:
    """A node that is up, or something that happened to one."""

    time: str = column("TIME", Kind.TIME)
    node: str = column("NODE")
    event: str = column("EVENT", Kind.STATE)
    detail: str = column("DETAIL", wraps=True)
    uri: str | None


@command(
    app,
    prints=lambda: {"": Rows(SimulateRow, in_json=False), "--schema": Record(None)},
    examples=("revvlink simulate", "revvlink simulate --nodes 3 --listen 127.0.0.1:2333", "revvlink simulate bot.toml"),
)
def simulate(
    ctx: typer.Context,
    scenario: Annotated[
        str | None, typer.Argument(metavar="[SCENARIO]", help="TOML file with nodes, tracks and faults.")
    ] = None,
    nodes: Annotated[
        int | None, typer.Option("--nodes", metavar="N", min=1, max=1000, help="Number of nodes without a SCENARIO; 1.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="lavalink|nodelink", help="Their kind without a SCENARIO.")
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="HOST[:PORT]",
            help="Where the first node listens; the others take the ports after it. Default: 127.0.0.1, free ports.",
        ),
    ] = None,
    ready_file: Annotated[
        str | None,
        typer.Option("--ready-file", metavar="FILE", help="Write the addresses here as JSON once every node accepts."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", min=0, help="Make everything random the same in every run.")
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of scenarios, for editors, and end.")
    ] = False,
) -> Result | Stream:
    """Serve simulated nodes to bots and tests.

    Each node answers as a genuine Lavalink 4.2 or NodeLink 3.7 does: REST, websocket, players, resuming, errors. No
    sound is made, and no JVM is needed. Without a SCENARIO a search for any words finds tracks.
    """
    if schema:
        import json

        from revvlink_cli.services.scenario_files import scenario_schema

        document = scenario_schema()
        return Result(document, text=json.dumps(document, indent=2))
    options = options_of(ctx)
    refuse_endless_json(options, "simulate")
    host, port = _address(listen, ctx)
    given = _listening(_scenario(ctx, scenario, nodes, kind, seed), port, _password(options))
    return Stream(SimulateRow, _serve(options, given, host, ready_file), is_endless=True, is_service=True)


def _scenario(ctx: typer.Context, path: str | None, nodes: int | None, kind: str | None, seed: int | None) -> Scenario:
    """The scenario of a file, or nodes that find tracks for any words."""
    from dataclasses import replace

    from revvlink_cli.simulator import NodeProfile
    from revvlink_cli.simulator.scenario import Scenario
    from revvlink_cli.simulator.track_rules import ALL_SOURCES, ANY_WORDS

    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is not one of {', '.join(KINDS)}", ctx=ctx, param_hint="--kind")
    if path is not None:
        if nodes is not None or kind is not None:
            raise typer.BadParameter("the SCENARIO has nodes of its own", ctx=ctx, param_hint="--nodes, --kind")
        found = _read(path)
        return found if seed is None else replace(found, seed=seed)
    make = NodeProfile.nodelink if kind == "nodelink" else NodeProfile
    profiles = tuple(
        make(identifier=f"sim-{number}", player_load=0.018, sources=ALL_SOURCES, tracks=ANY_WORDS)
        for number in range(1, (nodes or 1) + 1)
    )
    return Scenario(nodes=profiles, seed=seed)


def _read(name: str) -> Scenario:
    from pathlib import Path

    from revvlink_cli.config.files import read_text
    from revvlink_cli.config.problems import ConfigError
    from revvlink_cli.services.scenario_files import read_scenario

    path = Path(name)
    if not path.exists():
        failure = Failure("scenario", f"{name}: there is no such file", hint="without a SCENARIO, nodes find any words")
        raise CommandError(failure, exit_code=ExitCode.USAGE)
    try:
        return read_scenario(read_text(path), path)
    except ConfigError as error:
        failures = [Failure("scenario", str(problem), hint=problem.hint) for problem in error.problems]
        raise CommandError(*failures, exit_code=ExitCode.USAGE) from None


def _address(text: str | None, ctx: typer.Context) -> tuple[str, int]:
    """Host and port of the first node; port 0 takes free ones."""
    from revvlink_cli.config.address import Address

    if text is None:
        return "127.0.0.1", 0
    try:
        return Address.parse(text if text.rpartition("]")[2].count(":") == 1 else f"{text}:0")
    except ValueError as error:
        raise typer.BadParameter(str(error), ctx=ctx, param_hint="--listen") from None


def _password(options: Options) -> str | None:
    import os

    if options.password_env is None:
        return None
    value = os.environ.get(options.password_env)
    if not value:
        failure = Failure("password", f"the environment variable {options.password_env} is not set")
        raise CommandError(failure, exit_code=ExitCode.USAGE)
    return value


def _listening(scenario: Scenario, port: int, password: str | None) -> Scenario:
    """The scenario with its nodes on ports one after the other, and with this password if one is given."""
    from dataclasses import replace

    nodes = tuple(
        replace(node, port=port + number if port else 0, password=password or node.password)
        for number, node in enumerate(scenario.nodes)
    )
    if port and port + len(nodes) > 65536:
        failure = Failure("listen", f"{len(nodes)} nodes need the ports {port} to {port + len(nodes) - 1}")
        raise CommandError(failure, exit_code=ExitCode.USAGE)
    return replace(scenario, nodes=nodes)


async def _serve(
    options: Options, scenario: Scenario, host: str, ready_file: str | None
) -> AsyncGenerator[SimulateRow, None]:
    """Run the nodes until cancelled; first say where they are, then what happens to them."""
    import asyncio
    import json
    import os
    import tempfile
    from contextlib import ExitStack
    from pathlib import Path

    from revvlink_cli.output import diagnostics
    from revvlink_cli.simulator import Simulator

    loop = asyncio.get_running_loop()
    happened: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()

    def keep(node: str, event: str, detail: str) -> None:
        loop.call_soon_threadsafe(happened.put_nowait, (node, event, detail))

    simulator = Simulator(scenario.nodes, faults=scenario.faults, seed=scenario.seed, host=host, on_event=keep)
    with ExitStack() as stack:
        try:
            stack.enter_context(simulator)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno is not None else str(error)
            failure = Failure("listen", f"cannot listen on {host}: {reason}", hint="choose other ports with --listen")
            raise CommandError(failure, exit_code=ExitCode.FAILED) from None
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="revvlink-simulate-"))
        path = Path(folder) / "revvlink.toml"
        path.touch(mode=0o600)
        path.write_text(_configuration(simulator), encoding="utf-8")
        if not options.quiet:
            diagnostics.lines(_instructions(path))
        if ready_file is not None:
            nodes = [_described(node) for node in simulator]
            text = json.dumps({"config": str(path), "nodes": nodes}, indent=2)
            stack.callback(write_ready_file(ready_file, f"{text}\n"))
        for node in simulator:
            yield _row(node.profile.identifier, "ready", f"{node.profile.dialect} {node.profile.version}", node.uri)
        while True:
            name, event, detail = await happened.get()
            yield _row(name, event, detail)


def _described(node: SimulatedNode) -> dict[str, Any]:
    """A node of the ready file."""
    profile = node.profile
    return {
        "name": profile.identifier,
        "kind": profile.dialect,
        "version": profile.version,
        "uri": node.uri,
        "host": node.host,
        "port": node.port,
        "password": profile.password,
        "region": profile.region,
    }


def _configuration(simulator: Simulator) -> str:
    """A configuration of revvlink with the nodes."""
    import tomli_w

    tables = []
    for node in simulator:
        table = {"identifier": node.profile.identifier, "uri": node.uri, "password": node.password}
        tables.append(table | ({"region": node.profile.region} if node.profile.region is not None else {}))
    return tomli_w.dumps({"nodes": tables})


def _instructions(path: Path) -> tuple[str, ...]:
    return (
        "Simulated nodes run. A bot connects to them as to any Lavalink. For this tool, type in another terminal:",
        "",
        f"  export REVVLINK_CONFIG={path}",
        "",
        "In PowerShell:",
        "",
        f"  $env:REVVLINK_CONFIG = '{path}'",
        "",
        "Then `revvlink nodes export --for wavelink` (or another client) prints them for a bot. Ctrl-C ends the nodes.",
        "",
    )


def _row(node: str, event: str, detail: str, uri: str | None = None) -> SimulateRow:
    from datetime import UTC, datetime

    now = datetime.now(UTC).astimezone().isoformat(timespec="milliseconds")
    return SimulateRow(time=now, node=node, event=event, detail=detail, uri=uri)
