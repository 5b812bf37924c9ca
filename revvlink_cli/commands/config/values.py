"""``revvlink config get``, ``set`` and ``unset``: single keys of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revvlink_cli.commands.shared import config_file, node_selection
from revvlink_cli.commands.shared.command import Record, Rows, command, options_of
from revvlink_cli.config import schema
from revvlink_cli.config.documents import read_toml
from revvlink_cli.config.files import read_text
from revvlink_cli.config.key_names import NamedKey, UnknownKeyError, find_key, key_names
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.show import MASK, in_force
from revvlink_cli.output.result import CommandError, ExitCode, Failure, Result, column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.toml_edit import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRecord:
    """The value of one key that is in force."""

    key: str = column("Key")
    value: Any = column("Value")
    origin: str = column("From")
    line: int | None = column("Line")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRow:
    """A key that was changed; secrets are masked."""

    key: str = column("KEY")
    before: Any = column("BEFORE", flexible=True)
    after: Any = column("AFTER", flexible=True)


def complete_keys(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The keys that can be set, each with its meaning."""
    try:
        document = _document(options_of(ctx))
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
        prints=lambda: {"": Rows(ChangedRow)},
        examples=(
            "revvlink config set check.warning.cpu 85%",
            "revvlink config set defaults.timeout=3 nodes.us-1.tags=prod,canary",
        ),
    )(set_values)
    command(app, "unset", prints=lambda: {"": Rows(ChangedRow)}, examples=("revvlink config unset nodes.us-1.region",))(
        unset
    )


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
        document = _document(options)
    named = _find(key, document, options)
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
    document = _document(options)
    wanted = [
        (named, _value(named, text, options))
        for named, text in ((_find(name, document, options), text) for name, text in _split(assignments, options))
    ]
    return _change(options, wanted)


def unset(ctx: typer.Context, keys: Keys) -> Result:
    """Remove keys, so that their defaults apply.

    The rest of the configuration file stays as it is.
    """
    options = options_of(ctx)
    document = _document(options)
    found = [_find(name, document, options) for name in keys]
    for named in found:
        if named.path[0] == "nodes" and named.key is None:
            hint = "remove it with `revvlink nodes remove`"
            raise CommandError(Failure("usage", f"{named.name} is a node", hint=hint), exit_code=ExitCode.USAGE)
    return _change(options, [(named, None) for named in found])


def shown(value: Any) -> str:
    """A value as text that `config set` reads."""
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _document(options: Options) -> dict[str, Any]:
    """The configuration as it is in the file, also when it has mistakes.

    Raises:
        CommandError: There is no file, or it is no TOML.
    """
    source, path = config_file.find_file(options)
    try:
        return read_toml(read_text(path) if source.text is None else source.text, path)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None


def _find(name: str, document: Mapping[str, Any], options: Options) -> NamedKey:
    try:
        return find_key(name, document)
    except UnknownKeyError as error:
        failure = Failure("usage", str(error), hint=error.hint)
        raise CommandError(failure, exit_code=options.usage_exit_code) from None


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


def _change(options: Options, wanted: Sequence[tuple[NamedKey, Any]]) -> Result:
    """Set these keys, and remove those whose value is None."""
    from revvlink_cli.config.toml_edit import Remove, Set

    rows: list[ChangedRow] = []

    def plan(document: dict[str, Any]) -> list[Change]:
        changes: list[Change] = []
        for named, value in wanted:
            now = _find(named.name, document, options)  # another run may have moved the node
            others = _replaced_by(now) if value is not None else []
            for key, new in (*((other, None) for other in others), (now, value)):
                before = _at(document, key.path)
                if before != new or type(before) is not type(new):
                    rows.append(ChangedRow(key=key.name, before=_masked(key, before), after=_masked(key, new)))
                    changes.append(Remove(key.path) if new is None else Set(key.path, new))
        return changes

    edited, source = config_file.change_file(options, plan)
    if not edited.is_changed:
        return Result((), ChangedRow, notes=(f"no change in {source.path}",))
    return Result(
        tuple(rows),
        ChangedRow,
        notes=(f"changed {source.path}",),
        warnings=(*edited.warnings, *config_file.trust_warning(source)),
    )


def _replaced_by(named: NamedKey) -> list[NamedKey]:
    """The keys that may not stand beside this one, such as two sources of one password."""
    *table, last = named.path
    section = schema.SECTIONS.get(str(named.path[0]), ())
    group = next((group for group in (schema.PASSWORDS, schema.WEBHOOKS) if last in group), ())
    prefix = named.name.removesuffix(str(last))
    return [
        NamedKey(f"{prefix}{key.name}", (*table, key.name), key)
        for key in section
        if key.name in group and key.name != last
    ]


def _masked(named: NamedKey, value: Any) -> Any:
    """A value without secrets: those of a whole section are not shown."""
    if isinstance(value, (dict, list)) and named.key is None:
        return "a table"
    return MASK if value is not None and named.key is not None and named.key.secret else value


def _at(document: Any, path: Sequence[str | int]) -> Any:
    """The value at a path of a document, None where there is none."""
    for part in path:
        if isinstance(document, dict):
            document = document.get(str(part))
        elif isinstance(document, list) and isinstance(part, int):
            document = document[part]
        else:
            return None
    return document
