"""``revvlink wait``: until nodes are ready, or healthy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Rows, WaitCommand, command, make_app, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.output.result import Failure, Kind, Result, Stream, column

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from revvlink_cli.services.waiting import Waited

app = make_app()


class Goal(StrEnum):
    """What to wait for."""

    READY = "ready"
    HEALTHY = "healthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitRow:
    """A node that is there, or is not: ``ready``, ``healthy`` or ``failed``."""

    node: str = column("NODE", rank=0)
    state: str = column("STATE", Kind.STATE, rank=0)
    waited_ms: int = column("WAITED", Kind.DURATION_MS)
    message: str | None = column("MESSAGE", wraps=True)


@command(
    app,
    prints=lambda: {"": Rows(WaitRow)},
    cls=WaitCommand,
    examples=("revvlink wait", "revvlink wait us-1 --for healthy --timeout 2m"),
)
def wait(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
    goal: Annotated[
        Goal, typer.Option("--for", help="Ready to take players; or healthy, as `check` without canaries has it.")
    ] = Goal.READY,
) -> Stream:
    """Wait until the nodes are ready or healthy.

    The time limit is 60 seconds unless --timeout is given. A node that has not been started yet is tried again every
    second, and so is a proxy that answers in its place; one that refuses the password is not waited for. Exit code 0
    when all are there, 3 when none is, 5 when some are, 4 when all refused the password.
    """
    options = options_of(ctx)
    settings = node_selection.load_settings(options, for_verdict=True)
    chosen = node_selection.make_chooser(options, nodes, tag, region)(settings)
    policy = settings.policy if goal is Goal.HEALTHY else None

    async def items() -> AsyncGenerator[WaitRow | Result, None]:
        from contextlib import aclosing

        from revvlink_cli.services.waiting import wait_for

        failures: list[Failure] = []
        async with aclosing(wait_for(chosen, policy, regions=settings.regions, timeout=options.timeout)) as found:
            async for waited in found:
                failure = None if waited.has_reached_goal else _failure(waited, options.timeout)
                if failure is not None:
                    failures.append(failure)
                yield WaitRow(
                    node=waited.node.identifier,
                    state=str(goal) if waited.has_reached_goal else "failed",
                    waited_ms=round(waited.took * 1000),
                    message=failure.message if failure is not None else None,
                )
        yield Result(exit_code=node_selection.exit_code_for(failures, len(chosen)), errors=tuple(failures))

    return Stream(WaitRow, items(), has_verdict=True)


def _failure(waited: Waited, timeout: float) -> Failure:
    """Why a node is not there."""
    finding = waited.finding
    if finding is not None:
        return Failure(
            finding.code or "unhealthy", finding.message, waited.node.identifier, finding.stage, finding.hint
        )
    found = node_selection.node_failure(waited.node, timeout)
    return found or Failure("unhealthy", "not there in time", waited.node.identifier, hint="see `revvlink check`")
