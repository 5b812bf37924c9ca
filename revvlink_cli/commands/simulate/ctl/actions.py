"""``revvlink simulate ctl kill``, ``stop``, ``start``, ``drop``, ``freeze`` and ``thaw``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands.shared.command import Rows, command
from revvlink_cli.commands.shared.simulator_access import ReadyFile, simulator_of
from revvlink_cli.commands.simulate.ctl.lists import SimulatedNodeRow, node_row
from revvlink_cli.output.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable

ACTIONS = {
    "kill": "End the process of a node at once: connections are reset.",
    "stop": "End the process of a node properly: websockets are closed.",
    "start": "Start a node again, without its sessions.",
    "drop": "Reset the connections of a node; its sessions wait.",
    "freeze": "Let a node accept connections and answer nothing.",
    "thaw": "End a freeze.",
}
"""Command -> its help."""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for name, text in ACTIONS.items():
        examples = (f"revvlink simulate ctl {name} us-2",)
        command(app, name, prints=lambda: {"": Rows(SimulatedNodeRow)}, examples=examples, help=text)(_action(name))


def _action(name: str) -> Callable[..., Result]:
    def act(
        ctx: typer.Context,
        nodes: Annotated[list[str], typer.Argument(metavar="NODE...", help="Names of simulated nodes.")],
        ready_file: ReadyFile = None,
    ) -> Result:
        with simulator_of(ctx, ready_file) as admin:
            rows = tuple(node_row(admin.ask("POST", "nodes", node, name)) for node in dict.fromkeys(nodes))
        return Result(rows, row=SimulatedNodeRow)

    return act
