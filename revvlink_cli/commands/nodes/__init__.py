"""``revvlink nodes``: what is configured, how it is doing, what each node is; and adding one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.commands.nodes import penalties, status, transfer
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Record, Rows, Work, command, make_app, options_of
from revvlink_cli.commands.shared.options import Nodes, OneNode, Region, Tags, regions
from revvlink_cli.commands.shared.values import files
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, column
from revvlink_cli.output.text import MISSING, human

if TYPE_CHECKING:
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options

app = make_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """A configured node; never its password, only where that comes from."""

    node: str = column("NODE")
    uri: str = column("URI", flexible=True)
    region: str | None = column("REGION")
    tags: tuple[str, ...] = column("TAGS", rank=2)
    password_from: str = column("PASSWORD", rank=3)


@command(
    app,
    "list",
    prints=lambda: {"": Rows(NodeRow)},
    examples=("revvlink nodes list", "revvlink nodes list --tag prod -o json"),
)
def list_nodes(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
) -> Result:
    """List the configured nodes without connecting to them."""
    options = options_of(ctx)
    settings = node_selection.load_settings(options)
    chosen = node_selection.select(settings, nodes or (), options, tags=tag or (), region=region)
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


penalties.add_to(app)
status.add_to(app)


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
    speaks_dave: bool | None
    voice: str = column("Voice", wraps=True)
    build_time: str | None = column("Built")
    commit: str | None = column("Commit")
    branch: str | None = column("Branch")
    runtime: str | None = column("Runtime", cell=_runtime)
    lavaplayer: str | None = column("Lavaplayer")
    sources: tuple[str, ...] | None = column("Sources")
    filters: tuple[str, ...] | None = column("Filters")
    plugins: tuple[str, ...] = column("Plugins")


@command(app, "info", prints=lambda: {"": Record(InfoRecord)}, examples=("revvlink nodes info us-1",))
def info(
    ctx: typer.Context,
    node: OneNode = None,
) -> Work:
    """Show a node's version, sources, filters and plugins."""
    options = options_of(ctx)
    return _info(node_selection.load_node(options, node), options)


async def _info(chosen: NodeSettings, options: Options) -> Result:
    from revvlink_cli.health.voice import voice_ability
    from revvlink_cli.services.fleet_session import open_fleet

    async with open_fleet((chosen,), timeout=options.timeout) as fleet:
        (node,) = fleet.snapshot().nodes
    failure = node_selection.node_failure(node, options.timeout)
    if node.info is None and failure is None:
        failure = (
            node_selection.failure_of(node.error, node.identifier)
            if node.error is not None
            else Failure("bad_answer", "the node sent no information about itself", node=node.identifier)
        )
    if failure is not None or node.info is None:
        failures = (failure,) if failure is not None else ()
        return Result(None, InfoRecord, node_selection.exit_code_for(failures, 1), failures)
    what = node.info
    ability = voice_ability(what, node.dialect)
    return Result(
        InfoRecord(
            node=node.identifier,
            uri=node.uri,
            server=str(node.dialect) if node.dialect is not None else None,
            version=what.version or None,
            speaks_dave=ability.speaks_dave,
            voice=ability.reason,
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


@command(
    app,
    "add",
    prints=lambda: {"": Rows(NodeRow)},
    examples=("revvlink nodes add us-2 https://us-2.example.com --password-env US_2",),
)
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
    """Add a node to the end of the configuration file.

    The rest of the file stays as it is.
    """
    from pathlib import Path

    from revvlink_cli.config.editing import append_node
    from revvlink_cli.config.problems import ConfigError

    options = options_of(ctx)
    password_env, password_file = password_env or None, password_file or None
    if (password_env is None) == (password_file is None):
        raise typer.BadParameter("give one of --password-env and --password-file", param_hint="password")
    if password_file is not None:  # typed here, it counts from here; in the file it would count from the file's folder
        password_file = str(Path(password_file).expanduser().absolute())
    settings = node_selection.load_settings(options)
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
        added = append_node(path, values)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    row = NodeRow(
        node=identifier,
        uri=uri,
        region=region,
        tags=tuple(tag or ()),
        password_from=f"env {password_env}" if password_env else f"file {password_file}",
    )
    warnings = [f"{problem.message} ({problem.hint})" for problem in added.mistakes(added.nodes[-1])]
    if not settings.source.trusted:
        warnings.append(f"{path} is not trusted with this; run `revvlink config trust {path}`")
    return Result((row,), NodeRow, notes=(f"added to {path}",), warnings=tuple(warnings))


transfer.add_to(app)
