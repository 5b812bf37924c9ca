"""Changes a configuration file: what is written is checked first, and the rest of the file stays as it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli._shell import make_writable
from revvlink_cli.config.documents import read_toml
from revvlink_cli.config.files import MAX_SIZE, read_text, write_atomically
from revvlink_cli.config.load import parse
from revvlink_cli.config.locking import changing
from revvlink_cli.config.problems import ConfigError, Problem
from revvlink_cli.config.source import Source, SourceKind
from revvlink_cli.config.toml_edit import Append, CannotEditError, Change, edit
from revvlink_cli.config.trust import is_trusted, trust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from revvlink_cli.config.settings import Settings

    Plan = Callable[[dict[str, Any]], Sequence[Change]]
    """The changes, made from the document as it is in the file at that moment."""

_MARK = "\ufeff"
"""Some editors begin a file with it."""


class Edited(NamedTuple):
    """A changed configuration.

    Attributes:
        settings: The configuration as it is in the file now.
        is_changed: Whether the file was written; it is not when every value was there already.
        warnings: What the change makes doubtful, such as a password that others can read.
    """

    settings: Settings
    is_changed: bool
    warnings: tuple[str, ...] = ()


def change(path: Path, plan: Plan, *, is_trusted_source: bool = True, may_create: bool = False) -> Edited:
    """Make changes in a configuration file.

    The whole result is checked before the file is replaced. A trusted file stays trusted.

    Args:
        path: The file.
        plan: Makes the changes from the parsed document.
        is_trusted_source: Whether the file may be used as it is. One that is not trusted, and uses the environment or
            other files, is refused.
        may_create: Whether a missing file counts as an empty one.

    Raises:
        ConfigError: The result would be wrong, a change has no safe place in the file, or it cannot be written. The
            file is then unchanged.
    """
    with changing(path):
        is_new = may_create and not path.exists()
        mark, text = ("", "") if is_new else read_with_mark(path)
        document = read_toml(text, path)
        if not is_trusted_source:
            parse(text, Source(SourceKind.DIRECTORY, path, trusted=False, environment=os.environ))
        try:
            changed = edit(text, plan(document))
        except CannotEditError as error:
            message = f"cannot be changed here without rewriting other lines: {error}"
            raise ConfigError([Problem(message, path, hint="change it with `revvlink config edit`")]) from None
        settings, warnings = _check(changed, text, path)
        if changed == text:
            return Edited(settings, is_changed=False)
        _replace(path, text, mark, changed)
        return Edited(settings, is_changed=True, warnings=warnings)


def append_node(path: Path, values: Mapping[str, Any]) -> Settings:
    """Add a node to the end of a configuration file, see `change`.

    Args:
        path: The file.
        values: The keys of the node.

    Returns:
        The new configuration; the new node is its last.

    Raises:
        ConfigError: The node is wrong or its name is taken, or the file cannot be written. It is then unchanged.
    """
    return change(path, lambda _: [Append("nodes", dict(values))]).settings


def replace(path: Path, before: str, after: str) -> Settings:
    """Replace the whole text of a configuration file.

    Args:
        path: The file.
        before: The text that it had when `after` was made from it, with its byte order mark if it has one.
        after: The new text, likewise.

    Raises:
        ConfigError: The new text is wrong, the file was changed meanwhile, or it cannot be written. It is then
            unchanged.
    """
    with changing(path):
        text = after.removeprefix(_MARK)
        settings = parse(text, _as_trusted(path))
        mark, now = read_with_mark(path)
        if mark + now != before:
            message = "was changed by another program meanwhile"
            raise ConfigError([Problem(message, path, hint="compare the two, and edit it again")])
        _replace(path, now, after[: len(after) - len(text)], text)
        return settings


def read_with_mark(path: Path) -> tuple[str, str]:
    """The byte order mark of a configuration file, "" if it has none, and its text.

    Raises:
        ConfigError: The file cannot be read, is not text, or is too large.
    """
    text = read_text(path)
    with path.open("rb") as file:
        return (_MARK if file.read(3) == _MARK.encode() else ""), text


def _as_trusted(path: Path) -> Source:
    """A file whose text is checked as a whole, also where it is not trusted yet."""
    return Source(SourceKind.FLAG, path, trusted=True, environment=os.environ)


def _replace(path: Path, before: str, mark: str, after: str) -> None:
    """Write the file, and keep it trusted if it was."""
    if path.exists() and not (path.stat().st_mode & 0o222 and os.access(path, os.W_OK)):  # root could write it
        raise ConfigError([Problem("is read-only", path, hint=f"make it writable with {make_writable(path)}")])
    if len((mark + after).encode()) > MAX_SIZE:
        raise ConfigError([Problem(f"would be larger than {MAX_SIZE} bytes, and could not be read again", path)])
    was_trusted = is_trusted(path, before)
    write_atomically(path, mark + after, keeps_mode=True)
    if was_trusted:
        trust(path, after)


def _check(changed: str, text: str, path: Path) -> tuple[Settings, tuple[str, ...]]:
    """The configuration in a changed text, and its warnings that the old text does not have.

    Raises:
        ConfigError: It is wrong. Mistakes that the file has already come with their lines in it.
    """
    old: tuple[Problem, ...] = ()
    try:
        old = parse(text, _as_trusted(path)).warnings
    except ConfigError as error:
        old = error.problems
    try:
        settings = parse(changed, _as_trusted(path))
    except ConfigError as error:
        known = {(problem.key, problem.message): problem for problem in old}
        raise ConfigError(
            known.get((problem.key, problem.message), problem._replace(line=None, column=None))
            for problem in error.problems
        ) from None
    messages = [problem.message for problem in old]
    warnings: list[str] = []
    for problem in settings.warnings:
        if problem.message in messages:
            messages.remove(problem.message)
        else:
            warnings.append(f"{problem._replace(line=None, column=None)} ({problem.hint})")
    return settings, tuple(warnings)
