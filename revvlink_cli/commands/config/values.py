"""``revvlink config get``, ``set`` and ``unset``: single keys of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.commands.shared import config_file, key_changes, node_selection
from revvlink_cli.commands.shared.command import Record, Rows, command, options_of
from revvlink_cli.config.key_names import NamedKey, key_names
from revvlink_cli.config.show import in_force
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result, column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from revvlink_cli.commands.shared.command import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRecord:
    """The value of one key that is in force."""

    key: str = column("Key")
    value: Any = column("Value")
    origin: str = column("From")
    line: int | None = column("Line")


def complete_keys(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The keys that can be set, each with its meaning."""
    try:
        document = key_changes.read_document(options_of(ctx))
    except CommandError:
        document = {}
    return [(name, meaning) for name, meaning in key_names(document) if name.startswith(incomplete)]


Keys = Annotated[
    list[str],
    typer.Argument(metavar="KEY...", help="Keys, such as nodes.us-1.region.", autocompletion=complete_keys),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    command(
        app,
        "get",
        prints=lambda: {"": Record(ValueRecord)},
        examples=("revvlink config get nodes.us-1.region", "revvlink config get cache.ttl -o json"),
    )(get)
    command(
        app,
        "set",
        prints=lambda: {"": Rows(key_changes.ChangedRow)},
        examples=(
            "revvlink config set check.warning.cpu 85%",
            "revvlink config set defaults.timeout=3 nodes.us-1.tags=prod,canary",
        ),
    )(set_values)
    command(
        app,
        "unset",
        prints=lambda: {"": Rows(key_changes.ChangedRow)},
        examples=("revvlink config unset nodes.us-1.region",),
    )(unset)


def get(
    ctx: typer.Context,
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="Key, such as nodes.us-1.region.", autocompletion=complete_keys)
    ],
) -> Result:
    """Print the value of a key that is in force.

    Where the file does not set the key, that is the default. Secrets are masked. With --output json the value keeps its
    type. Exit code 1 when the key has no value.
    """
    options = options_of(ctx)
    settings = node_selection.load_settings(options)
    if settings.source.path is None:
        document: Mapping[str, Any] = {"nodes": [{"identifier": node.identifier} for node in settings.nodes]}
    else:
        document = key_changes.read_document(options)
    named = key_changes.find(key, document, options)
    if named.is_table:
        hint = f"name one of its keys, such as {named.name}.{(*named.inner, 'NAME')[0]}, or see `revvlink config show`"
        raise CommandError(Failure("usage", f"{named.name} is a table", hint=hint), exit_code=options.usage_exit_code)
    found = in_force(settings, named, document)
    if found.value is None:
        is_secret = named.key is not None and named.key.secret
        raise CommandError(
            Failure("not_set", f"{named.name} is not set, and has no default",
                    hint=f"set it with `revvlink config set {named.name}{'' if is_secret else ' VALUE'}`")
        )  # fmt: skip
    record = ValueRecord(key=found.key, value=found.value, origin=found.origin, line=found.line)
    return Result(record, text=shown(found.value))


def set_values(
    ctx: typer.Context,
    assignments: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY VALUE | KEY=VALUE...",
            help="A key and its value, or several of them joined by =.",
            autocompletion=complete_keys,
        ),
    ],
) -> Result:
    """Set keys of the configuration file.

    The values are checked before the file is replaced; its comments and its order stay. Lists are separated by commas.
    A secret never stands on the command line: give the key alone, and revvlink asks for it on a terminal, or reads the
    first line of standard input.
    """
    options = options_of(ctx)
    document = key_changes.read_document(options)
    wanted = [
        (named, _value(named, text, options))
        for named, text in (
            (key_changes.find(name, document, options), text) for name, text in _split(assignments, options)
        )
    ]
    return key_changes.change(options, wanted)


def unset(ctx: typer.Context, keys: Keys) -> Result:
    """Remove keys, so that their defaults apply.

    The rest of the configuration file stays as it is.
    """
    options = options_of(ctx)
    document = key_changes.read_document(options)
    found = [key_changes.find(name, document, options) for name in keys]
    for named in found:
        if named.path[0] == "nodes" and named.key is None:
            hint = "remove it with `revvlink nodes remove`"
            raise CommandError(Failure("usage", f"{named.name} is a node", hint=hint), exit_code=ExitCode.USAGE)
    return key_changes.change(options, [(named, None) for named in found])


def shown(value: Any) -> str:
    """A value as text that `config set` reads."""
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _split(assignments: Sequence[str], options: Options) -> list[tuple[str, str | None]]:
    """Names and values; None for a value that is not given."""
    if len(assignments) == 1 and "=" not in assignments[0]:
        return [(assignments[0], None)]
    if len(assignments) == 2 and "=" not in assignments[0]:
        return [(assignments[0], assignments[1])]
    found: list[tuple[str, str | None]] = []
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            hint = "write KEY VALUE, or KEY=VALUE for each of several keys"
            failure = Failure("usage", f"{assignment} has no value", hint=hint)
            raise CommandError(failure, exit_code=options.usage_exit_code)
        found.append((name, text))
    return found


def _value(named: NamedKey, text: str | None, options: Options) -> Any:
    """The value for the file, read as the table of keys says."""
    if named.key is not None and named.key.secret:
        hint = f"leave out the value: revvlink asks for it, or reads it from a pipe: revvlink config set {named.name}"
        if text is not None:
            message = f"{named.name} is a secret, which other users could read on the command line"
            raise CommandError(Failure("usage", message, hint=hint), exit_code=options.usage_exit_code)
        text = config_file.read_secret(f"Value of {named.name}", is_asked=True, hint=hint)
    if text is None:
        hint = f"write revvlink config set {named.name} VALUE"
        raise CommandError(
            Failure("usage", f"{named.name}: which value?", hint=hint), exit_code=options.usage_exit_code
        )
    try:
        return named.read(text)
    except ValueError as error:
        failure = Failure("usage", f"{named.name}: {error}")
        raise CommandError(failure, exit_code=options.usage_exit_code) from None
