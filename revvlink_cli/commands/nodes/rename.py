"""``revvlink nodes rename``: another name for a configured node."""

from __future__ import annotations

from typing import Annotated

import typer

from revvlink_cli.commands.nodes.edit import NodeName, refuse_unless_one
from revvlink_cli.commands.shared import key_changes, silence_changes
from revvlink_cli.commands.shared.command import Rows, command, options_of
from revvlink_cli.output.result import Result


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "rename",
        prints=lambda: {"": Rows(key_changes.ChangedRow)},
        examples=("revvlink nodes rename us-1 us-east-1",),
    )(rename)


def rename(
    ctx: typer.Context,
    node: NodeName,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
) -> Result:
    """Rename a node in the configuration file.

    Its silences get the new name. Recordings, cached searches and the state of alerts keep the old one.
    """
    options = options_of(ctx)
    document = key_changes.read_document(options)
    refuse_unless_one(node, document)
    wanted = [(key_changes.find(f"nodes[{node}].identifier", document, options), new)]
    before = silence_changes.find_entry(options, node)
    return key_changes.change(options, wanted, lambda after: silence_changes.after_rename(before, after, node, new))
