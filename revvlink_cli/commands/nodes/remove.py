"""``revvlink nodes remove``: nodes out of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.commands.shared import config_file, key_changes, node_selection, silence_changes
from revvlink_cli.commands.shared.command import Rows, command, options_of
from revvlink_cli.commands.shared.options import node_names
from revvlink_cli.commands.shared.questions import confirm
from revvlink_cli.config import key_names
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result, column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from revvlink_cli.config.toml_edit import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedRow:
    """A node that was removed."""

    node: str = column("REMOVED")
    uri: str | None = column("URI", flexible=True)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "remove",
        prints=lambda: {"": Rows(RemovedRow)},
        examples=("revvlink nodes remove us-1 --yes", "revvlink nodes remove 'us-*' --yes"),
    )(remove)


def remove(
    ctx: typer.Context,
    nodes: Annotated[
        list[str],
        typer.Argument(
            metavar="NODE...",
            help="Nodes by identifier, or by pattern such as 'us-*'.",
            autocompletion=node_names,
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> Result:
    """Remove nodes from the configuration file.

    Comments outside of the tables of these nodes stay. Silences that are for these nodes alone are removed.
    """
    from revvlink_cli.config.toml_edit import Remove

    options = options_of(ctx)
    document = key_changes.read_document(options)
    names = _names(nodes, document)
    path = config_file.find_file(options)[1]
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    confirm(f"Remove {shown} from {path}?", yes=yes)
    rows: list[RemovedRow] = []

    def plan(now: dict[str, Any]) -> list[Change]:
        positions = sorted(position for name in names for position in key_names.node_positions(now, name))
        found = [now["nodes"][position] for position in positions]
        rows.extend(RemovedRow(node=node["identifier"], uri=node.get("uri")) for node in found)
        return [Remove(("nodes", position)) for position in reversed(positions)]

    edited, path, warnings = config_file.change_file(options, plan)
    followed = silence_changes.after_removal(edited.settings, names)
    notes = (f"changed {path}", *followed.notes)
    return Result(tuple(rows), RemovedRow, notes=notes, warnings=(*warnings, *followed.warnings))


def _names(patterns: Sequence[str], document: Mapping[str, Any]) -> list[str]:
    """The names of the nodes to remove, in the order of the configuration.

    Raises:
        CommandError: A pattern fits no node, or together they fit all.
    """
    known = key_names.node_names(document)
    for pattern in patterns:
        if not any(node_selection.fits(name, pattern) for name in known):
            raise CommandError(node_selection.unknown_node(pattern, known), exit_code=ExitCode.USAGE)
    found = [name for name in known if any(node_selection.fits(name, pattern) for pattern in patterns)]
    if len(set(found)) < len(found):
        double = next(name for name in found if found.count(name) > 1)
        failure = Failure("configuration", f"{found.count(double)} nodes have this name", node=double,
                          hint="remove one with `revvlink config edit`")  # fmt: skip
        raise CommandError(failure, exit_code=ExitCode.USAGE)
    if len(found) == len(known):
        failure = Failure("configuration", "these are all nodes, and a configuration has at least one",
                          hint="add another node before, or delete the file")  # fmt: skip
        raise CommandError(failure, exit_code=ExitCode.USAGE)
    return found
