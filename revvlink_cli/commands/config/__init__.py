"""``revvlink config``: shows, changes, validates and trusts the configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from revvlink_cli.commands.config import edit, values
from revvlink_cli.commands.shared import check_options, node_selection
from revvlink_cli.commands.shared.command import Record, Rows, command, make_app, options_of
from revvlink_cli.config.load import parse
from revvlink_cli.config.problems import ConfigError, Problem
from revvlink_cli.config.source import Source, SourceKind
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result, column

app = make_app()


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRecord:
    """The configuration in use."""

    path: str | None = column("Path")
    context: str | None
    found_by: str = column("Found by")
    trusted: bool = column("Trusted")


@command(app, "path", prints=lambda: {"": Record(PathRecord)}, examples=("revvlink config path",))
def path(ctx: typer.Context) -> Result:
    """Print which configuration file is used."""
    options = options_of(ctx)
    try:
        source = node_selection.find_source(options)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    where = str(source.path) if source.path is not None else None
    record = PathRecord(path=where, context=source.context, found_by=str(source.kind), trusted=source.trusted)
    return Result(record, text=where or f"no file ({source.kind})")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """A setting that counts, and where it came from."""

    key: str = column("KEY")
    value: Any = column("VALUE", flexible=True)
    origin: str = column("FROM")
    line: int | None = column("LINE")


@command(app, "show", prints=lambda: {"": Rows(SettingRow)}, examples=("revvlink config show",))
def show(ctx: typer.Context) -> Result:
    """Show every setting in effect and where it came from.

    Secrets are masked. In a context, the first setting is its name.
    """
    from revvlink_cli.config.show import effective

    settings = node_selection.load_settings(options_of(ctx))
    rows = tuple(
        SettingRow(key=entry.key, value=entry.value, origin=entry.origin, line=entry.line)
        for entry in effective(settings)
    )
    return Result(rows, SettingRow)


values.add_to(app)
edit.add_to(app)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidRecord:
    """A configuration without a mistake."""

    path: str | None = column("Path")
    nodes: int = column("Nodes")
    warnings: tuple[str, ...] = column("Warnings")


@command(app, "validate", prints=lambda: {"": Record(ValidRecord)}, examples=("revvlink config validate",))
def validate(ctx: typer.Context) -> Result:
    """Check the configuration and report every mistake.

    Passwords and the file of the silences are read too. A silence of nodes that do not exist is a warning. No node is
    contacted.
    """
    import time

    from revvlink_cli.config.silence_nodes import stale_silences

    options = options_of(ctx)
    settings = node_selection.load_settings(options)
    mistakes: list[Problem] = []
    stale: tuple[Problem, ...] = ()
    try:
        settings.resolve(strict=True)
    except ConfigError as error:
        mistakes += error.problems
    try:
        stale = stale_silences(settings, time.time())
    except ConfigError as error:
        mistakes += error.problems
    if mistakes:
        raise node_selection.config_failure(ConfigError(mistakes), options)
    check_options.refuse_out_of_reach(settings.policy, settings, len(settings.nodes), options.usage_exit_code)
    where = str(settings.source.path) if settings.source.path is not None else None
    usual, doubtful = tuple(map(str, settings.warnings)), tuple(f"{each} ({each.hint})" for each in stale)
    record = ValidRecord(path=where, nodes=len(settings.nodes), warnings=(*usual, *doubtful))
    count = f"{len(settings.nodes)} node{'' if len(settings.nodes) == 1 else 's'}"
    return Result(record, text=f"{where or 'the environment'}: ok, {count}", notes=usual, warnings=doubtful)


@command(app, "schema", prints=lambda: {"": Record(None)}, examples=("revvlink config schema > revvlink.schema.json",))
def schema(ctx: typer.Context) -> Result:
    """Print the configuration's JSON Schema, for editors."""
    import json

    from revvlink_cli.config.json_schema import json_schema

    options_of(ctx)
    document = json_schema()
    return Result(document, text=json.dumps(document, indent=2))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRecord:
    """A file that is trusted from now on, until its content changes."""

    path: str = column("Trusted")
    uses: tuple[str, ...] = column("Uses")


@command(app, "trust", prints=lambda: {"": Record(TrustRecord)}, examples=("revvlink config trust",))
def trust(
    ctx: typer.Context,
    path: Annotated[
        str, typer.Argument(metavar="[PATH]", help="The file; ./revvlink.toml if left out.")
    ] = "revvlink.toml",
) -> Result:
    """Trust a configuration found in the working directory.

    Until then it gets nothing from the environment or other files, so that a directory somebody else wrote cannot have
    your passwords sent to its nodes. What it may use from then on is listed. Trust ends when the file's content
    changes, when a ca_file that it names by a relative path changes, or when such a path leads to another file.
    """
    from revvlink_cli.config.files import read_text
    from revvlink_cli.config.show import uses
    from revvlink_cli.config.trust import trust as record

    options = options_of(ctx)
    target = Path(path).absolute()
    if not target.is_file():
        raise CommandError(
            Failure("configuration", f"{path} is not a file", hint="name the file to trust"), exit_code=ExitCode.USAGE
        )
    try:
        text = read_text(target)  # once: what was looked at is what is approved
        settings = parse(text, Source(SourceKind.FLAG, target, trusted=True, environment=os.environ))
        record(target, text)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    used = uses(settings)
    notes = (*(f"it may use {what}" for what in used), f"{target} is trusted until it changes")
    return Result(TrustRecord(path=str(target), uses=used), text=str(target), notes=notes)
