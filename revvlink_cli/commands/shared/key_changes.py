"""Changes of single keys in the configuration file, for every command that makes some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from revvlink_cli.commands.shared import config_file, node_selection
from revvlink_cli.commands.shared.silence_changes import SilenceChanges
from revvlink_cli.config import schema
from revvlink_cli.config.documents import read_toml
from revvlink_cli.config.files import read_text
from revvlink_cli.config.key_names import NamedKey, UnknownKeyError, find_key
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.show import MASK
from revvlink_cli.output.result import CommandError, Failure, Result, column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.settings import Settings
    from revvlink_cli.config.toml_edit import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedRow:
    """A key that was changed; secrets are masked."""

    key: str = column("KEY")
    before: Any = column("BEFORE", flexible=True)
    after: Any = column("AFTER", flexible=True)


def read_document(options: Options) -> dict[str, Any]:
    """The configuration as it is in the file, also when it has mistakes.

    Raises:
        CommandError: There is no file, or it is not TOML.
    """
    source, path = config_file.find_file(options)
    try:
        return read_toml(read_text(path) if source.text is None else source.text, path)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None


def find(name: str, document: Mapping[str, Any], options: Options) -> NamedKey:
    """The key that a name stands for.

    Raises:
        CommandError: There is no such key.
    """
    try:
        return find_key(name, document)
    except UnknownKeyError as error:
        failure = Failure("usage", str(error), hint=error.hint)
        raise CommandError(failure, exit_code=options.usage_exit_code) from None


def change(
    options: Options,
    wanted: Sequence[tuple[NamedKey, Any]],
    follow: Callable[[Settings], SilenceChanges] | None = None,
) -> Result:
    """Set these keys, and remove those whose value is None.

    Args:
        options: The global options.
        wanted: The keys, each with its value, or with a function that makes it from the value in the file.
        follow: Brings the silences in step with the changed configuration, and says what that means for them.

    Raises:
        CommandError: The result would be wrong, or cannot be written.
    """
    from revvlink_cli.config.toml_edit import Remove, Set

    rows: list[ChangedRow] = []

    def plan(document: dict[str, Any]) -> list[Change]:
        changes: list[Change] = []
        for named, value in wanted:
            now = find(named.name, document, options)  # another run may have moved the node
            wish = value(_at(document, now.path)) if callable(value) else value
            others = _replaced_by(now) if wish is not None else []
            for key, new in (*((other, None) for other in others), (now, wish)):
                before = _at(document, key.path)
                if before != new or type(before) is not type(new):
                    rows.append(ChangedRow(key=key.name, before=_masked(key, before), after=_masked(key, new)))
                    changes.append(Remove(key.path) if new is None else Set(key.path, new))
        return changes

    edited, path, warnings = config_file.change_file(options, plan)
    if not edited.is_changed:
        return Result((), ChangedRow, notes=(f"no change in {path}",))
    followed = follow(edited.settings) if follow is not None else SilenceChanges()
    notes = (f"changed {path}", *followed.notes)
    return Result(tuple(rows), ChangedRow, notes=notes, warnings=(*warnings, *followed.warnings))


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
