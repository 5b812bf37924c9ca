"""``revvlink nodes test``: how far a connection to each node comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Rows, Work, command, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.output.result import Failure, Kind, Result, column
from revvlink_cli.output.text import MISSING

if TYPE_CHECKING:
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import NodeSnapshot


def _server(row: TestedRow) -> str:
    return " ".join(part for part in (row.server, row.version) if part) or MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedRow:
    """How far the connection to a node came."""

    node: str = column("NODE", rank=0)
    state: str = column("STATE", Kind.STATE, rank=0)
    stage: str = column("STAGE")
    rest: str | None = column("REST", Kind.STATE, rank=2)
    websocket: str | None = column("WEBSOCKET", Kind.STATE, rank=2)
    server: str | None
    version: str | None = column("VERSION", cell=_server, rank=1)
    ready_ms: float | None = column("READY IN", Kind.LATENCY_MS, rank=3)
    latency_ms: float | None = column("ROUND TRIP", Kind.LATENCY_MS, rank=3)
    passed_stages: tuple[str, ...]
    reason: str | None
    message: str | None = column("MESSAGE", wraps=True)
    uri: str


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "test",
        prints=lambda: {"": Rows(TestedRow)},
        examples=("revvlink nodes test us-1", "revvlink nodes test -o json"),
    )(connection_test)


def connection_test(ctx: typer.Context, nodes: Nodes = None, tag: Tags = None, region: Region = None) -> Work:
    """Test the connection to nodes, stage by stage.

    The stages are resolve, connect, tls, auth, version, request (REST) and ready (websocket). Use --uri for a node that
    is not configured. Exit code 0 when all passed, 3 when none did, 5 when some did, 4 when all refused the password.
    """
    options = options_of(ctx)
    _, chosen = node_selection.load_nodes(options, nodes, tag, region)
    return _result(chosen, options.timeout)


async def _result(chosen: tuple[NodeSettings, ...], timeout: float) -> Result:
    rows, failures = await try_nodes(chosen, timeout)
    return Result(rows, TestedRow, node_selection.exit_code_for(failures, len(rows)), failures)


async def try_nodes(
    chosen: tuple[NodeSettings, ...], timeout: float
) -> tuple[tuple[TestedRow, ...], tuple[Failure, ...]]:
    """Connect to nodes.

    Args:
        chosen: The nodes.
        timeout: Time limit in seconds.

    Returns:
        A row for each node, and why nodes failed.
    """
    from revvlink_cli.services.fleet_session import open_fleet

    async with open_fleet(chosen, timeout=timeout, settled=True) as fleet:
        snapshots = fleet.snapshot().nodes
    found = [(node, _failure(node, timeout)) for node in snapshots]
    rows = tuple(_row(node, failure) for node, failure in found)
    return rows, tuple(failure for _, failure in found if failure is not None)


def _failure(node: NodeSnapshot, timeout: float) -> Failure | None:
    """Why a node fails the test: it is not connected, or sends no information about itself."""
    failure = node_selection.node_failure(node, timeout)
    if failure is not None or node.info is not None:
        return failure
    if node.error is not None:
        return node_selection.failure_of(node.error, node.identifier)
    return Failure("bad_answer", "the node sent no information about itself", node.identifier, "request")


def _row(node: NodeSnapshot, failure: Failure | None) -> TestedRow:
    from revvlink_cli.client.errors import Stage

    order = [Stage.RESOLVE, Stage.CONNECT, Stage.TLS, Stage.AUTH, Stage.VERSION, Stage.REQUEST, Stage.READY]
    stages = [str(stage) for stage in order if stage is not Stage.TLS or urlsplit(node.uri).scheme == "https"]
    stage = "ready" if failure is None else failure.stage or "request"
    passed = stages if failure is None else stages[: stages.index(stage)] if stage in stages else []
    is_reached = {"auth", "version", "request", "ready"} & {stage}
    return TestedRow(
        node=node.identifier,
        state="ok" if failure is None else "failed",
        stage=stage,
        rest="ok" if "request" in passed else "failed" if is_reached else None,
        websocket="ok" if node.session_id is not None else "failed" if is_reached else None,
        server=str(node.dialect) if node.dialect is not None and node.info is not None else None,
        version=node.info.version or None if node.info is not None else None,
        ready_ms=node.ready_ms,
        latency_ms=node.latency_ms,
        passed_stages=tuple(passed),
        reason=failure.code if failure is not None else None,
        message=failure.message if failure is not None else None,
        uri=node.uri,
    )
