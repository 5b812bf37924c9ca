"""``revvlink nodes import`` and ``nodes export``: nodes from and for the lists of other programs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from revvlink_cli.commands.shared import config_file, node_selection
from revvlink_cli.commands.shared.command import Record, Rows, command, options_of
from revvlink_cli.commands.shared.options import Nodes, Region, Tags, regions
from revvlink_cli.commands.shared.values import files
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result, column

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from revvlink_cli.config.node_lists.formats.node_format import NodeFormat
    from revvlink_cli.config.node_lists.importing import PlannedNode
    from revvlink_cli.config.node_lists.listed_node import ListedNode
    from revvlink_cli.config.problems import Problem

_MOST_NAMED = 20
"""Faulty entries that are named one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """The outcome for one node of a list.

    `outcome` is ``added``, ``replaced``, ``exists`` for a node that is configured already, or ``duplicate`` for one
    with the address of an earlier one; after ``--dry-run`` it is what would be done. `line` is its line in the list.
    """

    node: str = column("NODE")
    uri: str = column("URI", flexible=True)
    region: str | None = column("REGION", rank=3)
    tags: tuple[str, ...] = column("TAGS", rank=4)
    password_from: str | None = column("PASSWORD", flexible=True, rank=2)
    outcome: str = column("OUTCOME")
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRecord:
    """Nodes in the form of another program. `variables` are those that must hold the passwords."""

    client: str = column("Client")
    text: str = column("Text")
    variables: tuple[str, ...] = column("Variables")


def add_to(app: typer.Typer) -> None:
    """Make these the app's commands."""
    command(
        app,
        "import",
        prints=lambda: {"": Rows(ImportRow)},
        examples=("revvlink nodes import application.yml --dry-run", "revvlink nodes import nodes.json --tag public"),
    )(import_)
    command(
        app,
        "export",
        prints=lambda: {"": Record(ExportRecord)},
        examples=("revvlink nodes export --for wavelink", "revvlink nodes export --tag prod --for json"),
    )(export)


def _readable(incomplete: str) -> list[tuple[str, str]]:
    from revvlink_cli.config.node_lists.catalogue import FORMATS

    return [(entry.name, entry.title) for entry in FORMATS if entry.name.startswith(incomplete)]


def _writable(incomplete: str) -> list[tuple[str, str]]:
    from revvlink_cli.config.node_lists.catalogue import WRITABLE

    return [found for found in _readable(incomplete) if found[0] in WRITABLE]


def _format(name: str, names: Sequence[str], option: str) -> NodeFormat:
    """The format of that name.

    Raises:
        typer.BadParameter: It is none of these.
    """
    from revvlink_cli._suggestions import nearest
    from revvlink_cli.config.node_lists.catalogue import format_named

    if name.casefold() not in names:
        raise typer.BadParameter(f"{name!r} is not a known format; {nearest(name, names)}", param_hint=option)
    return format_named(name.casefold())


def import_(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE | -", help="The list; - reads standard input.", autocompletion=files),
    ],
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="NAME", help="Format of the list; recognised if left out.", autocompletion=_readable
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be added, and write nothing.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also update nodes that are configured already, found by address.")
    ] = False,
    password_env: Annotated[
        str | None,
        typer.Option("--password-env", metavar="NAME", help="Variable that holds the password of every node."),
    ] = None,
    inline: Annotated[
        bool, typer.Option("--inline", help="Write passwords into the configuration, not into files of their own.")
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(
            "--host", metavar="HOST", help="Host, or host and port, of a server whose own configuration has none."
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option("--region", metavar="LABEL", help="Region of nodes without one.", autocompletion=regions),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag for every node; may be given again.")
    ] = None,
) -> Result:
    """Add the nodes of another program's list.

    It reads Lavalink's application.yml, NodeLink's config.js, the lists of Wavelink, revvlink, Lavalink.py,
    lavalink-client, Shoukaku and Lavalink4NET, lists of public nodes, and .env files. Code is read, never run.

    Each password goes into a file of its own in the folder `passwords` beside the configuration, which only you can
    read. A password that the list takes from a variable stays in that variable.
    """
    from pathlib import Path

    from revvlink_cli.config.node_lists.catalogue import READABLE, read_list
    from revvlink_cli.config.node_lists.entries import Rules
    from revvlink_cli.config.node_lists.importing import Wishes, apply_import, configured_nodes, plan_import
    from revvlink_cli.config.node_lists.list_text import read_list_text

    options = options_of(ctx)
    if inline and password_env:
        raise typer.BadParameter("give one of --inline and --password-env", param_hint="password")
    kind = _format(format_name, READABLE, "--format") if format_name is not None else None
    try:
        text, path = read_list_text(file)
        listed = read_list(text, path, kind, Rules(needs_password=not password_env, host=host or None))
    except ConfigError as error:
        raise CommandError(*_failures(error.problems, "not_a_list"), exit_code=options.usage_exit_code) from None
    nodes = listed.reading.nodes
    _mask(nodes)
    failures = _failures(listed.reading.problems, "bad_entry")
    if not nodes:
        return Result((), ImportRow, ExitCode.FAILED, failures)
    wishes = Wishes(
        password_env=password_env or None,
        inline=inline,
        region=region or None,
        tags=tuple(tag or ()),
        replaces=replace,
        folder=Path() if file == "-" else Path(file).parent,
    )
    target, is_trusted, _ = config_file.find_target(options)
    edited = None
    try:
        if dry_run:
            planned = plan_import(nodes, configured_nodes(target), target, wishes)
        else:
            planned, edited = apply_import(target, nodes, wishes, is_trusted_source=is_trusted)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    warnings = [f"{entry.identifier}: {note}" for entry in planned if entry.values for note in entry.node.notes]
    unset = dict.fromkeys(
        name for entry in planned if (name := entry.values.get("password_env")) is not None and name not in os.environ
    )
    if unset:
        warnings.append(f"set the variable{'s' if len(unset) > 1 else ''} of the passwords: {', '.join(unset)}")
    if edited is not None:
        warnings += [f"{one.message} ({one.hint})" for one in edited.settings.warnings if "password" in (one.key or "")]
        warnings += config_file.trust_warning(target, is_trusted=is_trusted)
    return Result(
        tuple(_row(entry, dry_run=dry_run) for entry in planned),
        ImportRow,
        ExitCode.PARTIAL if failures else ExitCode.OK,
        failures,
        notes=tuple(_notes(planned, listed.kind, target, is_written=edited is not None, dry_run=dry_run)),
        warnings=tuple(warnings),
    )


def _row(entry: PlannedNode, *, dry_run: bool) -> ImportRow:
    return ImportRow(
        node=entry.identifier,
        uri=entry.node.uri,
        region=entry.values.get("region"),
        tags=tuple(entry.values.get("tags", ())),
        password_from=entry.password_from if entry.values else None,
        outcome=f"{entry.outcome}{' (dry run)' if dry_run and entry.values else ''}",
        line=entry.node.line,
    )


def _notes(
    planned: Sequence[PlannedNode], kind: NodeFormat, target: Path, *, is_written: bool, dry_run: bool
) -> Iterable[str]:
    from revvlink_cli.config.node_lists.importing import Outcome

    yield f"read as {kind.name}: {kind.title}"
    known = sum(entry.outcome is Outcome.EXISTS for entry in planned)
    if known:
        are = "nodes of the list are" if known > 1 else "node of the list is"
        yield f"{known} {are} configured already and stay unchanged; --replace updates them"
    if is_written:
        yield f"wrote {target}; next: revvlink nodes status"
    elif dry_run:
        yield f"nothing was written; without --dry-run the nodes go to {target}"


def _mask(nodes: Iterable[ListedNode]) -> None:
    """Mask the passwords of a list in everything that this run shows."""
    from revvlink_cli.config import secrets_in_use

    for node in nodes:
        secrets = secrets_in_use.of_setting("password", node.password) if node.password is not None else ()
        secrets_in_use.use(secrets, (node.identifier or "", node.uri, node.region or "", *node.tags))


def _failures(problems: Sequence[Problem], code: str) -> tuple[Failure, ...]:
    failures = [Failure(code, str(problem), hint=problem.hint) for problem in problems[:_MOST_NAMED]]
    if len(problems) > _MOST_NAMED:
        failures.append(Failure(code, f"and {len(problems) - _MOST_NAMED} more entries that cannot be used"))
    return tuple(failures)


def export(
    ctx: typer.Context,
    client: Annotated[
        str,
        typer.Option(
            "--for", metavar="CLIENT", help="The program to write for; Tab lists them.", autocompletion=_writable
        ),
    ],
    nodes: Nodes = None,
    tag: Tags = None,
    region: Region = None,
) -> Result:
    """Print nodes in the form of another program.

    CLIENT is wavelink, revvlink, lavalink.py, lavalink-client, shoukaku, lavalink4net, json or env. Passwords are
    never printed: the text names the variables that hold them, and `revvlink nodes import` reads it back.
    """
    from revvlink_cli.config.node_lists.catalogue import WRITABLE
    from revvlink_cli.config.node_lists.exporting import export_nodes

    options = options_of(ctx)
    kind = _format(client, WRITABLE, "--for")
    settings = node_selection.load_settings(options)
    chosen = node_selection.select(settings, nodes or (), options, tags=tag or (), region=region)
    done = export_nodes(chosen, kind)
    failures = tuple(Failure("not_exported", reason, node=name) for name, reason in done.refused)
    own = {str(entry.values.get("password_env")) for entry in chosen}
    notes = [
        f"put the password of {node.identifier} into the variable {node.variable}"
        for node in done.nodes
        if node.variable not in own
    ]
    if done.without:
        notes.append(f"{kind.title} has no place for the {' and '.join(done.without)} of a node")
    if not done.nodes:
        return Result(None, ExportRecord, ExitCode.FAILED, failures)
    record = ExportRecord(
        client=kind.name,
        text=done.text,
        variables=tuple(dict.fromkeys(node.variable for node in done.nodes)),
    )
    code = ExitCode.PARTIAL if failures else ExitCode.OK
    return Result(record, ExportRecord, code, failures, tuple(notes), text=done.text.removesuffix("\n"))
