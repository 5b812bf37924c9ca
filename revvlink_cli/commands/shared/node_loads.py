"""``revvlink search --all-nodes`` and ``--sources``: which node or source cannot load this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from revvlink_cli._awaited import awaiting
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.output.result import ExitCode, Kind, Result, column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.output.result import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLoadRow:
    """One query on one node: loaded, empty or failed."""

    node: str = column("NODE")
    query: str = column("QUERY", rank=2, flexible=True)
    state: str = column("STATE", Kind.STATE)
    took_ms: float = column("TOOK", Kind.LATENCY_MS)
    tracks: int | None = column("TRACKS", Kind.COUNT)
    message: str | None = column("MESSAGE", wraps=True)
    code: str | None
    advice: str | None


async def compare(
    settings: Settings, chosen: Sequence[NodeSettings], identifiers: Sequence[str], options: Options
) -> Result:
    """Load each identifier on each node; the cache is not used, for it is the nodes that are compared."""
    from revvlink_cli.client.snapshot import NodeStatus
    from revvlink_cli.services import fleet_session
    from revvlink_cli.services.comparing import load_everywhere

    async with fleet_session.open_fleet(chosen, regions=settings.regions, timeout=options.timeout) as fleet:
        unreachable = node_selection.failures_of(fleet.snapshot().nodes, options.timeout)
        there = [node for node in fleet.members if node.status is NodeStatus.CONNECTED]
        names = [node.identifier for node in there]
        with awaiting(lambda: f"loading {', '.join(identifiers)} on {', '.join(names)}"):
            attempts = await load_everywhere(there, identifiers)
    rows, failures = [], list(unreachable)
    for attempt in attempts:
        failure: Failure | None = None
        if attempt.error is not None:
            failure = node_selection.failure_of(attempt.error, attempt.node)
            failures.append(failure)
        state = "failed" if failure is not None else "loaded" if attempt.tracks else "empty"
        rows.append(
            NodeLoadRow(
                node=attempt.node,
                query=attempt.identifier,
                state=state,
                took_ms=attempt.took_ms,
                tracks=attempt.tracks,
                message=failure.message if failure is not None else attempt.title,
                code=failure.code if failure is not None else None,
                advice=failure.hint if failure is not None else None,
            )
        )
    return Result(tuple(rows), NodeLoadRow, _exit_code(rows, unreachable), tuple(failures))


def _exit_code(rows: Sequence[NodeLoadRow], unreachable: tuple[Failure, ...]) -> ExitCode:
    """0 where all have loaded it, 1 where none has, 5 where some have."""
    if not rows:
        return node_selection.exit_code_for(unreachable, len(unreachable))
    loaded = sum(row.state == "loaded" for row in rows)
    if loaded == 0 and not unreachable:
        return ExitCode.FAILED
    return ExitCode.OK if loaded == len(rows) and not unreachable else ExitCode.PARTIAL
