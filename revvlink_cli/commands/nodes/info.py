"""``revvlink nodes info``: what a node is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Record, Work, command, options_of
from revvlink_cli.commands.shared.options import OneNode
from revvlink_cli.output.result import Failure, Kind, Result, column
from revvlink_cli.output.text import MISSING, human

if TYPE_CHECKING:
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options


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


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "info", prints=lambda: {"": Record(InfoRecord)}, examples=("revvlink nodes info us-1",))(info)


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
