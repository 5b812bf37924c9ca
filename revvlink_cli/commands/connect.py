"""``revvlink connect``: connects to every node as a bot would, and reports the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands.shared import node_selection, penalty_columns, watch_options
from revvlink_cli.commands.shared.command import Rows, Work, command, make_app, options_of, refuse_endless_json
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.output.problems import UNSERVED
from revvlink_cli.output.result import Kind, Result, Stream, column

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings

app = make_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectRow:
    """The result of connecting to one node."""

    node: str = column("NODE", rank=0)
    state: str = column("STATE", Kind.STATE, rank=0)
    server: str | None = column("SERVER", rank=3)
    version: str | None = column("VERSION", rank=2)
    session_id: str | None = column("SESSION", rank=4)
    ready_ms: float | None = column("READY IN", Kind.LATENCY_MS)
    reason: str | None = column("REASON", cell=penalty_columns.reason_of, wraps=True)
    message: str | None
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """A node's new state, while connections are held."""

    time: str = column("TIME", Kind.TIME)
    node: str = column("NODE", rank=0)
    state: str = column("STATE", Kind.STATE, rank=0)
    session_id: str | None = column("SESSION", rank=4)
    reason: str | None = column("REASON", rank=3)
    message: str | None = column("MESSAGE", wraps=True)

    @property
    def repeat_key(self) -> object:
        """What is equal for a change and its repetitions, which a terminal folds into one row."""
        return self.node, self.state, self.reason, self.message


@command(
    app,
    prints=lambda: {"": Rows(ConnectRow), "--hold": Rows(ChangeRow, in_json=False)},
    examples=("revvlink connect", "revvlink connect us-1 --hold"),
)
def connect(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="Stay connected and print every change of state until interrupted.")
    ] = False,
) -> Work | Stream:
    """Connect to every node as a bot would.

    Each node gets a row: its state, the server and its version, the session, and how long it took to be ready, or why
    it failed.
    """
    options = options_of(ctx)
    settings, chosen = node_selection.load_nodes(options, nodes, tag, region)
    if not hold:
        return _connect(settings, chosen, options)
    refuse_endless_json(options, "--hold")
    return Stream(ChangeRow, _hold(settings, chosen, options), is_endless=True)


async def _connect(settings: Settings, chosen: tuple[NodeSettings, ...], options: Options) -> Result:
    from revvlink_cli.services.fleet_session import open_fleet

    async with open_fleet(chosen, regions=settings.regions, timeout=options.timeout) as fleet:
        snapshots = fleet.snapshot().nodes
    failures = node_selection.failures_of(snapshots, options.timeout)
    rows = tuple(_row(node, options.timeout) for node in snapshots)
    return Result(rows, ConnectRow, node_selection.exit_code_for(failures, len(rows)), failures)


def _row(node: NodeSnapshot, timeout: float) -> ConnectRow:
    failure = node_selection.node_failure(node, timeout)
    return ConnectRow(
        node=node.identifier,
        state="connected" if failure is None else "failed",
        server=str(node.dialect) if node.dialect is not None and node.info is not None else None,
        version=node.info.version if node.info is not None else None,
        session_id=node.session_id,
        ready_ms=node.ready_ms,
        reason=failure.code if failure is not None else None,
        message=failure.message if failure is not None else str(node.error) if node.error is not None else None,
        uri=node.uri,
    )


async def _hold(
    settings: Settings, chosen: tuple[NodeSettings, ...], options: Options
) -> AsyncGenerator[ChangeRow | Result, None]:
    """Yield each change of a node's state, until all nodes have failed for good."""
    import asyncio

    from revvlink_cli.services.fleet_session import open_fleet

    shown: dict[str, tuple[str, str | None, str | None]] = {}
    async with open_fleet(chosen, regions=settings.regions, timeout=options.timeout) as fleet:
        while True:
            seen = fleet.snapshot()
            for node in seen.nodes:
                row = _change(node, seen.at, shown.get(node.identifier))
                if row is not None:
                    shown[node.identifier] = (row.state, row.session_id, row.message)
                    yield row
            if not any(node.is_supervised for node in fleet.members):
                yield node_selection.final_result(fleet.snapshot().nodes, options.timeout)
                return
            await fleet.changed()
            await asyncio.sleep(0)  # changes of one moment are one change


def _change(node: NodeSnapshot, now: float, before: tuple[str, str | None, str | None] | None) -> ChangeRow | None:
    """The row to print, None if nothing has changed that an operator acts on."""
    error = node.rest_failure or node.error
    state = node.condition(now) if node.rest_failure is not None else str(node.status)
    if state == "connecting" and before is not None:
        return None  # it tries again: a row when it succeeds, or fails in another way
    if state == "disconnected":
        state = "lost" if before is not None and before[0] in ("connected", *UNSERVED, "lost") else "failed"
    message = error.message if error is not None else None
    if before == (state, node.session_id, message):
        return None
    return ChangeRow(
        time=watch_options.timestamp(),
        node=node.identifier,
        state=state,
        session_id=node.session_id,
        reason=str(error.code) if error is not None else None,
        message=message,
    )
