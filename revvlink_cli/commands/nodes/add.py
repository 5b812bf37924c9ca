"""``revvlink nodes add``: a new node in the configuration, tested at once."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli._record import record
from revvlink_cli.commands.nodes.node_row import NodeRow, row_of
from revvlink_cli.commands.shared import config_file, node_selection
from revvlink_cli.commands.shared.command import Rows, Work, command, options_of
from revvlink_cli.commands.shared.node_keys import NodeKeysCommand, key_values, read_password
from revvlink_cli.commands.shared.values import files
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.output.result import Kind, Result, column

if TYPE_CHECKING:
    from pathlib import Path

    from revvlink_cli.client.settings import NodeSettings
    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.editing import Edited

LONGEST_TEST = 10.0
"""Seconds that the test of a new node may take."""


@record(frozen=True, kw_only=True)
class AddedRow(NodeRow):
    """A node that was added, and how its test ended; None if it was not tested."""

    test: str | None = column("TEST", Kind.STATE)


PasswordEnv = Annotated[
    str | None, typer.Option("--password-env", metavar="NAME", help="Environment variable that holds the password.")
]
PasswordFile = Annotated[
    str | None,
    typer.Option(
        "--password-file", metavar="PATH", help="File whose first line is the password.", autocompletion=files
    ),
]
PasswordStdin = Annotated[
    bool,
    typer.Option(
        "--password-stdin",
        help="Write the password into the file: the first line of standard input. A terminal is asked for it.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "add",
        prints=lambda: {"": Rows(AddedRow)},
        cls=NodeKeysCommand,
        examples=(
            "revvlink nodes add us-3 https://us-3.example.com --password-env US_3",
            "revvlink nodes add eu-3 http://127.0.0.1:2334 --password-stdin < pw.txt",
        ),
    )(add)


def add(
    ctx: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="NAME", help="Name of the node.")],
    uri: Annotated[str, typer.Argument(metavar="URI", help="Its address, such as http://127.0.0.1:2333.")],
    password_env: PasswordEnv = None,
    password_file: PasswordFile = None,
    password_stdin: PasswordStdin = False,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; may be given more than once.")
    ] = None,
    no_test: Annotated[bool, typer.Option("--no-test", help="Do not connect to the node.")] = False,
) -> Result | Work:
    """Add a node to the end of the configuration file.

    The rest of the file stays as it is. On a terminal, revvlink asks for the password when no option names its source.
    The node is tested at once, for at most 10 seconds; when the test fails, the node stays and the exit code is 0.
    """
    options = options_of(ctx)
    target = config_file.find_target(options)
    path = target.path
    password = read_password(password_env, password_file, password_stdin, identifier, is_needed=True)
    values = {"identifier": identifier, "uri": uri, **password, **({"tags": tag} if tag else {}), **key_values(ctx)}
    edited = _write(target, values, options)
    entry = edited.settings.nodes[-1]
    notes = (f"{'wrote' if target.is_new else 'added to'} {path}",)
    warnings = [*edited.warnings, *config_file.trust_warning(path, is_trusted=target.is_trusted)]
    mistakes = [f"{problem.message} ({problem.hint})" for problem in edited.settings.mistakes(entry)]
    if no_test or mistakes or not target.is_trusted:
        rows = (_added(row_of(entry), None),)
        return Result(rows, AddedRow, notes=notes, warnings=(*warnings, *mistakes))
    (chosen,) = node_selection.with_secrets(edited.settings, (entry,), options)
    return _tested(chosen, Result((row_of(entry),), AddedRow, notes=notes, warnings=tuple(warnings)), path, options)


def _write(target: config_file.Target, values: dict[str, Any], options: Options) -> Edited:
    from revvlink_cli.config.editing import change
    from revvlink_cli.config.toml_edit import Append

    try:
        return change(
            target.path,
            lambda _: [Append("nodes", values)],
            is_trusted_source=target.is_trusted,
            may_create=target.is_new,
        )
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None


def _added(row: NodeRow, test: str | None) -> AddedRow:
    return AddedRow(**{field.name: getattr(row, field.name) for field in fields(NodeRow)}, test=test)


async def _tested(chosen: NodeSettings, result: Result, path: Path, options: Options) -> Result:
    """The result of adding the node, with that of its test. A failure of the test is a warning: the node is there."""
    import asyncio
    from dataclasses import replace

    from revvlink_cli.commands.nodes.test import try_nodes
    from revvlink_cli.output import diagnostics

    try:
        (row,), failures = await try_nodes((chosen,), min(options.timeout, LONGEST_TEST))
    except asyncio.CancelledError:
        if not options.quiet:
            diagnostics.notes([f"{chosen.identifier} is in {path}; its test was interrupted"])
        raise
    name = chosen.identifier
    warnings = [
        f"{name} is added, but its test failed: {': '.join(part for part in (failure.stage, failure.message) if part)}"
        f" ({failure.hint or 'check the node'}; then run `revvlink nodes test {name}`)"
        for failure in failures
    ]
    found = () if failures else (f"{name} answers: {row.server} {row.version or ''}".rstrip(),)
    return replace(
        result,
        data=(_added(result.data[0], row.state),),
        notes=(*result.notes, *found),
        warnings=(*result.warnings, *warnings),
    )
