"""``revvlink simulate run``, or ``revvlink simulate``: serves simulated nodes."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from revvlink_cli.commands.shared.command import (
    Options,
    Record,
    Rows,
    command,
    options_of,
    refuse_endless_json,
)
from revvlink_cli.commands.shared.kept_fleet import Words, kept_fleet
from revvlink_cli.commands.shared.node_selection import config_failure, read_password
from revvlink_cli.commands.shared.values import files
from revvlink_cli.commands.shared.watch_options import timestamp
from revvlink_cli.output import diagnostics
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, Stream, column

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

    from revvlink_cli.services.simulated_tls import SimulatedTls
    from revvlink_cli.services.simulator_admin.server import AdminServer
    from revvlink_cli.simulator import Clock, SimulatedNode, Simulator
    from revvlink_cli.simulator.scenario import Scenario

KEPT = Words(
    "Simulated nodes run. For this tool, type in another terminal:",
    "`revvlink nodes export --for wavelink` prints them for a bot. Ctrl-C ends them.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateRow:
    """A node that is up, or something that happened to one."""

    time: str = column("TIME", Kind.TIME)
    node: str = column("NODE")
    event: str = column("EVENT", Kind.STATE)
    detail: str = column("DETAIL", wraps=True)
    uri: str | None


def _files(ctx: typer.Context, args: list[str], incomplete: str) -> list[str]:  # noqa: ARG001 - Typer's signature
    return files(incomplete)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "run",
        prints=lambda: {"": Rows(SimulateRow, in_json=False), "--schema": Record(None)},
        examples=(
            "revvlink simulate",
            "revvlink simulate --nodes 3 --listen 127.0.0.1:2333",
            "revvlink simulate bot.toml",
        ),
    )(simulate)


def simulate(
    ctx: typer.Context,
    scenario: Annotated[
        str | None,
        typer.Argument(metavar="[SCENARIO]", help="TOML file with nodes, tracks and faults.", autocompletion=_files),
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
    clock: Annotated[
        str,
        typer.Option(
            "--clock",
            metavar="real|fast|manual|Nx",
            help="How time passes for tracks, statistics and faults: fast is 20x; manual needs --admin.",
        ),
    ] = "real",
    admin: Annotated[
        int | None,
        typer.Option(
            "--admin", metavar="PORT", min=0, max=65535, help="Serve the admin API on this port; 0 takes a free one."
        ),
    ] = None,
    admin_token_env: Annotated[
        str | None,
        typer.Option("--admin-token-env", metavar="NAME", help="Variable with the token of the admin API."),
    ] = None,
    tls_cert: Annotated[
        str | None,
        typer.Option(
            "--tls-cert", metavar="FILE", help="Serve HTTPS with this certificate, in PEM form.", autocompletion=_files
        ),
    ] = None,
    tls_key: Annotated[
        str | None, typer.Option("--tls-key", metavar="FILE", help="Key of the certificate.", autocompletion=_files)
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of scenarios, for editors, and end.")
    ] = False,
) -> Result | Stream:
    """Serve simulated nodes to bots and tests.

    Each node answers as a genuine Lavalink 4.2 or NodeLink 3.7 does: REST, websocket, players, resuming, errors. No
    sound is made, and no JVM is needed. Without a SCENARIO a search for any words finds tracks.

    `revvlink simulate bot.toml` is short for `revvlink simulate run bot.toml`. Write `simulate run` before a SCENARIO
    that is named as one of the commands of `simulate`.
    """
    if schema:
        import json

        from revvlink_cli.services.scenario_files import scenario_schema

        document = scenario_schema()
        return Result(document, text=json.dumps(document, indent=2))
    options = options_of(ctx)
    refuse_endless_json(options, "simulate")
    host, port = _address(listen, ctx)
    password = None if options.password_env is None else read_password(options, options.password_env)
    access = _admin_access(ctx, admin, admin_token_env)
    time = _clock(ctx, clock, has_admin=admin is not None)
    tls = _tls(ctx, tls_cert, tls_key)
    given = _listening(_scenario(options, ctx, scenario, nodes, kind, seed), port, password)
    rows = _serve(options, given, host, time, tls, access, ready_file)
    return Stream(SimulateRow, rows, is_endless=True, is_service=True)


class Access(NamedTuple):
    """Where the admin API listens, its token, and how a shell gets that: a token that was given is not printed."""

    port: int
    token: str
    shown: str


def _admin_access(ctx: typer.Context, port: int | None, variable: str | None) -> Access | None:
    """The port and the token of the admin API, None without one."""
    import os
    import secrets

    if port is None:
        if variable is not None:
            raise typer.BadParameter("there is no admin API without --admin", ctx=ctx, param_hint="--admin-token-env")
        return None
    token = secrets.token_urlsafe(24) if variable is None else os.environ.get(variable, "").strip()
    if not token:
        raise typer.BadParameter(f"{variable} is not set, or empty", ctx=ctx, param_hint="--admin-token-env")
    return Access(port, token, token if variable is None else f'"${variable}"')


def _tls(ctx: typer.Context, cert: str | None, key: str | None) -> SimulatedTls | None:
    from revvlink_cli.services.simulated_tls import TlsError, load_tls

    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise typer.BadParameter("a certificate and its key go together", ctx=ctx, param_hint="--tls-cert, --tls-key")
    try:
        return load_tls(cert, key)
    except TlsError as error:
        raise typer.BadParameter(str(error), ctx=ctx, param_hint="--tls-cert, --tls-key") from None


def _clock(ctx: typer.Context, name: str, *, has_admin: bool) -> Clock:
    from revvlink_cli.simulator import Clock

    try:
        clock = Clock.named(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), ctx=ctx, param_hint="--clock") from None
    if clock.is_manual and not has_admin:
        message = "nothing moves a manual clock without --admin; see `revvlink simulate ctl advance`"
        raise typer.BadParameter(message, ctx=ctx, param_hint="--clock")
    return clock


def _scenario(
    options: Options, ctx: typer.Context, path: str | None, nodes: int | None, kind: str | None, seed: int | None
) -> Scenario:
    """The scenario of a file, or nodes that find tracks for any words."""
    from dataclasses import replace

    from revvlink_cli.simulator import NodeProfile
    from revvlink_cli.simulator.profile import DIALECTS, PLAYER_LOAD
    from revvlink_cli.simulator.scenario import Scenario
    from revvlink_cli.simulator.track_rules import ALL_SOURCES, ANY_WORDS

    if kind is not None and kind not in DIALECTS:
        raise typer.BadParameter(f"{kind!r} is not one of {', '.join(DIALECTS)}", ctx=ctx, param_hint="--kind")
    if path is not None:
        if nodes is not None or kind is not None:
            raise typer.BadParameter("the SCENARIO has nodes of its own", ctx=ctx, param_hint="--nodes, --kind")
        found = _read(path, options)
        return found if seed is None else replace(found, seed=seed)
    make = NodeProfile.nodelink if kind == "nodelink" else NodeProfile
    profiles = tuple(
        make(identifier=f"sim-{number}", player_load=PLAYER_LOAD, sources=ALL_SOURCES, tracks=ANY_WORDS)
        for number in range(1, (nodes or 1) + 1)
    )
    return Scenario(nodes=profiles, seed=seed)


def _read(name: str, options: Options) -> Scenario:
    from pathlib import Path

    from revvlink_cli.config.files import read_text
    from revvlink_cli.config.problems import ConfigError
    from revvlink_cli.services.scenario_files import read_scenario

    path = Path(name)
    if not path.exists():
        hint = "name a TOML file, or see the commands in `revvlink simulate --help`"
        failure = Failure("scenario", f"{name}: there is no such file", hint=hint)
        raise CommandError(failure, exit_code=ExitCode.USAGE)
    try:
        return read_scenario(read_text(path), path)
    except ConfigError as error:
        raise config_failure(error, options) from None


def _address(text: str | None, ctx: typer.Context) -> tuple[str, int]:
    """Host and port of the first node; port 0 takes free ones."""
    from revvlink_cli.config.address import Address

    if text is None:
        return "127.0.0.1", 0
    try:
        return Address.parse(text if text.rpartition("]")[2].count(":") == 1 else f"{text}:0")
    except ValueError as error:
        raise typer.BadParameter(str(error), ctx=ctx, param_hint="--listen") from None


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
    options: Options,
    scenario: Scenario,
    host: str,
    clock: Clock,
    tls: SimulatedTls | None,
    access: Access | None,
    ready_file: str | None,
) -> AsyncGenerator[SimulateRow, None]:
    """Run the nodes until cancelled; first say where they are, then what happens to them."""
    import asyncio
    import json

    from revvlink_cli.services.simulator_admin.server import AdminServer
    from revvlink_cli.simulator import Simulator

    loop = asyncio.get_running_loop()
    happened: asyncio.Queue[tuple[str, str, str] | None] = asyncio.Queue()

    def keep(node: str, event: str, detail: str) -> None:
        loop.call_soon_threadsafe(happened.put_nowait, (node, event, detail))

    def ready_text(path: Path) -> str:
        text: dict[str, Any] = {"config": str(path), "nodes": [_described(node) for node in simulator]}
        if server is not None:
            text |= _admin(server)
        return f"{json.dumps(text, indent=2)}\n"

    context = None if tls is None else tls.context
    simulator = Simulator(
        scenario.nodes, faults=scenario.faults, seed=scenario.seed, host=host, clock=clock, tls=context, on_event=keep
    )
    server = None if access is None else AdminServer(simulator.simulation, access.token, host=host, port=access.port)
    with kept_fleet(
        options,
        _running(options, simulator, server, access, None if tls is None else tls.authority),
        KEPT,
        ready_file=ready_file,
        ready_text=ready_text,
        on_hang_up=lambda: happened.put_nowait(None),
    ):
        for node in simulator:
            yield _row(node.profile.identifier, "ready", f"{node.profile.dialect} {node.profile.version}", node.uri)
        while (event := await happened.get()) is not None:
            yield _row(*event)


@contextmanager
def _running(
    options: Options,
    simulator: Simulator,
    server: AdminServer | None,
    access: Access | None,
    authority: Path | None,
) -> Iterator[Path]:
    """Run the nodes and their admin API; gives the path of a configuration for them."""
    import json
    import os

    from revvlink_cli.services.simulated_fleet import configuration_of
    from revvlink_cli.services.simulator_admin.client import FILE

    with ExitStack() as stack:
        try:
            stack.enter_context(simulator)
            if server is not None:
                simulator.call(server.start())
                stack.callback(lambda: simulator.call(server.close()))
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno is not None else str(error)
            where = f"cannot listen on {simulator.host}: {reason}"
            failure = Failure("listen", where, hint="choose other ports with --listen")
            raise CommandError(failure, exit_code=ExitCode.FAILED) from None
        path = stack.enter_context(configuration_of(simulator, "simulate", ca_file=authority))
        if server is not None:
            path.with_name(FILE).write_text(json.dumps(_admin(server)), encoding="utf-8")
        if server is not None and access is not None and not options.quiet:
            diagnostics.lines(
                (
                    "`revvlink simulate ctl` controls the nodes. In another terminal, type first:",
                    "",
                    f"  export REVVLINK_SIMULATE_ADMIN={server.uri}",
                    f"  export REVVLINK_SIMULATE_ADMIN_TOKEN={access.shown}",
                    "",
                )
            )
        yield path


def _admin(server: AdminServer) -> dict[str, Any]:
    """The admin API in the ready file, and in the file in which `simulate ctl` finds it."""
    return {"admin": {"uri": server.uri, "token": server.token}}


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


def _row(node: str, event: str, detail: str, uri: str | None = None) -> SimulateRow:
    return SimulateRow(time=timestamp(), node=node, event=event, detail=detail, uri=uri)
