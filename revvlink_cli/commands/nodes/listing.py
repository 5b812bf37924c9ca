"""``revvlink nodes list``: what is configured."""

from __future__ import annotations

import typer

from revvlink_cli.commands.nodes.node_row import NodeRow, row_of
from revvlink_cli.commands.shared import node_selection
from revvlink_cli.commands.shared.command import Rows, command, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Tags
from revvlink_cli.output.result import Result


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "list",
        prints=lambda: {"": Rows(NodeRow)},
        examples=("revvlink nodes list", "revvlink nodes list --tag prod -o json"),
    )(list_nodes)


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
    rows = tuple(map(row_of, chosen))
    return Result(rows, NodeRow)
