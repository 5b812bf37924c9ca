"""Adds, renames, removes and chooses contexts. What the program keeps of a context goes with its file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revvlink_cli._renaming import replace
from revvlink_cli.client.cache.backends import cache_folder
from revvlink_cli.config import schema
from revvlink_cli.config.contexts import (
    check_name,
    choice_file,
    chosen_context,
    context_names,
    context_path,
    contexts_folder,
    find_context,
    state_folder,
)
from revvlink_cli.config.documents import read_toml
from revvlink_cli.config.files import read_text, write_atomically
from revvlink_cli.config.load import parse
from revvlink_cli.config.locking import changing
from revvlink_cli.config.problems import ConfigError, Problem
from revvlink_cli.config.silences_path import path_beside
from revvlink_cli.config.source import Source, SourceKind
from revvlink_cli.config.toml_edit import CannotEditError, Set, edit

if TYPE_CHECKING:
    from collections.abc import Iterator


def add_context(name: str, text: str, *, force: bool = False) -> Path:
    """Write the configuration of a new context, readable by its owner alone.

    Args:
        name: The context.
        text: The configuration.
        force: Whether to replace the file of an existing context.

    Returns:
        The file.

    Raises:
        ConfigError: The name is none or is taken, or the file cannot be written.
    """
    check_name(name)
    path = context_path(name)
    with changing(contexts_folder()), changing(path):
        if _is_taken(path) and not force:
            raise ConfigError(
                [Problem(f"there is a context {name} already", path, hint="remove it, or take another name")]
            )
        write_atomically(path, text)
    return path


def text_from(path: Path) -> str:
    """The text of a configuration for another folder: relative paths are made absolute, the rest stays as it is.

    Raises:
        ConfigError: The configuration cannot be read or has mistakes.
    """
    text = read_text(path)
    parse(text, Source(SourceKind.FLAG, path, trusted=True, environment=os.environ))
    folder = path.absolute().parent
    moved = [
        Set(place, str(folder / name))
        for place, name in _named_files(read_toml(text))
        if not Path(name).is_absolute() and not name.startswith("~")
    ]
    try:
        return edit(text, moved)
    except CannotEditError as error:
        message = f"has relative paths that cannot be made absolute: {error}"
        hint = "write absolute paths, or give each key a line of its own"
        raise ConfigError([Problem(message, path, hint=hint)]) from None


def _named_files(document: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The place and the value of each key that names a file, in a configuration without mistakes."""
    for section, keys in schema.SECTIONS.items():
        found: Any = document.get(section, {})
        tables: list[tuple[tuple[str | int, ...], Any]] = [((section,), found)]
        if isinstance(found, list):
            tables = [((section, index), table) for index, table in enumerate(found)]
        for place, table in tables:
            for key in keys:
                if key.names_file and isinstance(table.get(key.name), str):
                    yield (*place, key.name), table[key.name]


def rename_context(old: str, new: str) -> tuple[Path, tuple[str, ...]]:
    """Give a context another name. Its state and its cache, and the choice of it, get the new name too.

    Returns:
        The new file, and warnings about what could not be moved.

    Raises:
        ConfigError: There is no such context, the new name is none or is taken, or the file cannot be renamed.
    """
    check_name(new)
    before, after = find_context(old), context_path(new)
    with changing(contexts_folder()), changing(before), changing(after):
        if _is_taken(after) and not (new not in context_names() and after.samefile(before)):
            raise ConfigError([Problem(f"there is a context {new} already", hint="take another name")])
        is_chosen = chosen_context() == old
        try:
            before.rename(after)
        except OSError as error:
            raise ConfigError([Problem(f"cannot be renamed: {error.strerror or error}", before)]) from None
        if is_chosen:
            write_atomically(choice_file(), f"{new}\n")
        warnings = [
            warning
            for folder in (state_folder, cache_folder)
            if (warning := _move(folder(old), folder(new))) is not None
        ]
        if (warning := _move_file(path_beside(before), path_beside(after))) is not None:
            warnings.append(warning)
    return after, tuple(warnings)


def _move(before: Path, after: Path) -> str | None:
    """Move a folder to the place of another one; gives a warning if that fails."""
    import shutil

    try:
        if after.is_dir() and not (before.is_dir() and after.samefile(before)):
            shutil.rmtree(after)  # of a context whose file was deleted by hand: another fleet
        if before.is_dir():
            before.rename(after)
    except OSError as error:
        return f"{before} cannot be moved to {after}: {error.strerror or error}"
    return None


def _move_file(before: Path, after: Path) -> str | None:
    """Move a file that belongs to a context; gives a warning if that fails."""
    try:
        if before.exists():
            replace(before, after)
        else:
            after.unlink(missing_ok=True)  # of a context whose file was deleted by hand: another fleet
    except OSError as error:
        return f"{before} cannot be moved to {after}: {error.strerror or error}"
    return None


def remove_context(name: str) -> tuple[Path, tuple[str, ...]]:
    """Delete a context: its file, its state and its cache.

    Returns:
        The deleted file, and warnings about what could not be deleted.

    Raises:
        ConfigError: There is no such context, it is the chosen one, or the file cannot be deleted.
    """
    import shutil

    path = find_context(name)
    with changing(contexts_folder()), changing(path):
        if chosen_context() == name:
            hint = "choose another with `revvlink context use NAME`, or none with `revvlink context use --none`"
            raise ConfigError([Problem(f"the context {name} is in use", path, hint=hint)])
        try:
            path.unlink()
        except OSError as error:
            raise ConfigError([Problem(f"cannot be deleted: {error.strerror or error}", path)]) from None
        warnings = []
        for folder in (state_folder(name), cache_folder(name)):
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                warnings.append(f"{folder} cannot be deleted: {error.strerror or error}")
        try:
            path_beside(path).unlink(missing_ok=True)
        except OSError as error:
            warnings.append(f"{path_beside(path)} cannot be deleted: {error.strerror or error}")
    return path, tuple(warnings)


def choose_context(name: str | None) -> Path | None:
    """Make a context the one that commands use; None makes them use the plain configuration again.

    Returns:
        The configuration file of the context, None without one.

    Raises:
        ConfigError: There is no such context, or the choice cannot be kept.
    """
    store = choice_file()
    if name is None:
        try:
            store.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError([Problem(f"cannot be deleted: {error.strerror or error}", store)]) from None
        return None
    path = find_context(name)
    write_atomically(store, f"{name}\n")
    return path


def _is_taken(path: Path) -> bool:
    return path.exists() or path.is_symlink()
