"""``revvlink nodes edit``: other values for keys of a configured node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.commands.nodes.add import PasswordEnv, PasswordFile, PasswordStdin
from revvlink_cli.commands.shared import key_changes, node_selection, silence_changes
from revvlink_cli.commands.shared.command import Rows, command, options_of
from revvlink_cli.commands.shared.node_keys import NodeKeysCommand, key_values, read_password
from revvlink_cli.commands.shared.options import node_names as complete_nodes
from revvlink_cli.commands.shared.options import tags
from revvlink_cli.config import schema
from revvlink_cli.config.key_names import node_names, node_positions
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


NodeName = Annotated[str, typer.Argument(metavar="NODE", help="The node.", autocompletion=complete_nodes)]
"""The node that is changed."""


def complete_keys(incomplete: str) -> list[tuple[str, str]]:
    """The keys of a node that may be left out."""
    return [(key.name, key.help) for key in schema.NODE if not key.required and key.name.startswith(incomplete)]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "edit",
        prints=lambda: {"": Rows(key_changes.ChangedRow)},
        cls=NodeKeysCommand,
        examples=(
            "revvlink nodes edit us-1 --region us --tag canary",
            "revvlink nodes edit us-1 --unset region --untag prod",
        ),
    )(edit)


def edit(
    ctx: typer.Context,
    node: NodeName,
    uri: Annotated[str | None, typer.Option("--uri", metavar="URI", help="Its address.")] = None,
    password_env: PasswordEnv = None,
    password_file: PasswordFile = None,
    password_stdin: PasswordStdin = False,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="Add a tag; may be given more than once.")
    ] = None,
    untag: Annotated[
        list[str] | None,
        typer.Option("--untag", metavar="TAG", help="Remove a tag; may be given more than once.", autocompletion=tags),
    ] = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(
            "--unset",
            metavar="KEY",
            help="Remove a key, so that its default applies; may be given more than once.",
            autocompletion=complete_keys,
        ),
    ] = None,
) -> Result:
    """Change keys of a node in the configuration file.

    The rest of the file stays as it is. One source of the password replaces another. `revvlink config set` also takes
    keys without an option here, such as nodes.us-1.check.skip and secrets.
    """
    options = options_of(ctx)
    document = key_changes.read_document(options)
    refuse_unless_one(node, document)
    values: dict[str, Any] = dict.fromkeys(unset or ())
    values |= {"uri": uri} if uri is not None else {}
    values |= read_password(password_env, password_file, password_stdin, node, is_needed=False)
    values |= key_values(ctx)
    if tag or untag:
        values["tags"] = change_tags(tag or (), untag or ())
    if not values:
        failure = Failure("usage", "nothing to change", hint=f"add an option, see `{ctx.command_path} --help`")
        raise CommandError(failure, exit_code=ExitCode.USAGE)
    found = {name: key_changes.find(f"nodes[{node}].{name}", document, options) for name in values}
    before = silence_changes.find_entry(options, node)
    return key_changes.change(
        options,
        [(found[name], value) for name, value in values.items()],
        lambda after: silence_changes.after_edit(before, after, node),
    )


def refuse_unless_one(name: str, document: Mapping[str, Any]) -> None:
    """Refuse a name that no node has, or several.

    Raises:
        CommandError: There is not one such node.
    """
    count = len(node_positions(document, name))
    if count == 0:
        raise CommandError(node_selection.unknown_node(name, node_names(document)), exit_code=ExitCode.USAGE)
    if count > 1:
        failure = Failure(
            "configuration", f"{count} nodes have this name", node=name,
            hint="rename one with `revvlink config edit`",
        )  # fmt: skip
        raise CommandError(failure, exit_code=ExitCode.USAGE)


def change_tags(added: Sequence[str], removed: Sequence[str]) -> Callable[[Any], list[str] | None]:
    """Make a function that adds and removes tags; without a tag left, there is no key."""

    def change(before: Any) -> list[str] | None:
        known = before if isinstance(before, list) else []
        return [tag for tag in dict.fromkeys((*known, *added)) if tag not in removed] or None

    return change
