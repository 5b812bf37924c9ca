"""``revvlink routeplanner``: the addresses that nodes load tracks from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli._awaited import awaiting
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Rows, Work, command, make_app, options_of
from revvlink_cli.commands.shared.node_flag import ONE_AND_ADDRESS, given_node
from revvlink_cli.commands.shared.options import Nodes, Region, Tags, node_names
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Kind, Result, column

if TYPE_CHECKING:
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.protocol.plugin_answers import RoutePlanner
    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings

app = make_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerRow:
    """A node's route planner; `planner` is null where a node has none."""

    node: str = column("NODE")
    planner: str | None = column("PLANNER")
    block: str | None = column("BLOCK", rank=3)
    block_size: str | None = column("SIZE", rank=4)
    failing: int | None = column("FAILING", Kind.COUNT)
    addresses: tuple[str, ...] = column("ADDRESSES", wraps=True)

    @property
    def problem_gravity(self) -> int:
        """Failing addresses play no track until they are free again."""
        return 3 if self.failing else 0


@command(app, prints=lambda: {"": Rows(PlannerRow)}, examples=("revvlink routeplanner status",))
def status(
    ctx: typer.Context,
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
) -> Work:
    """Show each node's route planner and its failing addresses."""
    options = options_of(ctx)
    _, chosen = node_selection.load_nodes(options, nodes, tag, region)
    return _each(chosen, options, None)


@command(
    app,
    prints=lambda: {"": Rows(PlannerRow)},
    examples=("revvlink routeplanner free us-1 --all", "revvlink routeplanner free 192.0.2.7 --node us-1"),
)
def free(
    ctx: typer.Context,
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar=ONE_AND_ADDRESS,
            help="The node, not needed where there is only one; the address to try again.",
            autocompletion=node_names,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Try all failing addresses again.")] = False,
) -> Work:
    """Free a failing address of a node, or all of them."""
    options = options_of(ctx)
    settings = node_selection.load_settings(options)
    names, addresses = _node_and_address(what or [], settings, all_=all_)
    entry = node_selection.select_one(settings, given_node(ctx, names[0] if names else None), options)
    if len(addresses) != (0 if all_ else 1):
        raise CommandError(
            Failure("usage", "name one address, or say --all", hint="see `revvlink routeplanner status`"),
            exit_code=ExitCode.USAGE,
        )
    return _each(node_selection.with_secrets(settings, (entry,), options), options, addresses[0] if addresses else "")


def _node_and_address(what: list[str], settings: Settings, *, all_: bool) -> tuple[list[str], list[str]]:
    """Split the arguments of `free` into nodes and addresses. One alone without ``--all`` may be either."""
    if len(what) == 1 and not all_ and all(entry.identifier != what[0] for entry in settings.nodes):
        return [], what
    return what[:1], what[1:]


async def _each(chosen: tuple[NodeSettings, ...], options: Options, freed: str | None) -> Result:
    """Free an address if one is given ("" for all of them), then show each node's route planner."""
    import asyncio

    from revvlink_cli.client.errors import RevvlinkException
    from revvlink_cli.services.fleet_session import open_fleet

    async def one(node: Node) -> PlannerRow | Failure:
        failure = node_selection.node_failure(node.snapshot(), options.timeout)
        if failure is not None:
            return failure
        try:
            if freed is not None:
                await node.rest.free_address(freed or None)
            planner = await node.rest.route_planner()
        except RevvlinkException as error:
            return node_selection.failure_of(error, node.identifier)
        return _row(node.identifier, planner)

    async with open_fleet(chosen, timeout=options.timeout) as fleet:
        with awaiting(lambda: f"waiting for route planners of {len(chosen)} nodes"):
            answers = await asyncio.gather(*map(one, fleet.members))
    rows = tuple(row for row in answers if isinstance(row, PlannerRow))
    failures = tuple(row for row in answers if isinstance(row, Failure))
    code = node_selection.exit_code_for(failures, len(answers))
    unreachable = {"timeout", "silent", "connection_refused", "unreachable", "resolve_failed", "connection_reset",
                   "tls_failed", "local_limit"}  # fmt: skip
    if code is ExitCode.UNREACHABLE and not any(failure.code in unreachable for failure in failures):
        code = ExitCode.FAILED  # they answered, and refused
    return Result(rows, PlannerRow, code, failures)


def _row(node: str, planner: RoutePlanner) -> PlannerRow:
    block = planner.details.get("ipBlock")
    block = block if isinstance(block, dict) else {}
    addresses = planner.failing_addresses
    return PlannerRow(
        node=node,
        planner=planner.kind,
        block=_text(block.get("type")),
        block_size=_text(block.get("size")),
        failing=len(addresses) if addresses is not None else None,
        addresses=addresses or (),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
