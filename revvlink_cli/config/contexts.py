"""Contexts: the configurations of several fleets, one file each in the folder ``contexts``.

The file ``contexts/prod.toml`` beside the user's configuration is the context ``prod``. What the program keeps of a
context has folders of its own, so that two contexts with a node of the same name share nothing. Only names of files are
read here.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from revvlink_cli._folders import user_config_folder, user_state_folder
from revvlink_cli._suggestions import closest
from revvlink_cli.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FOLDER = "contexts"

ENDING = ".toml"

LONGEST = 64
"""Characters of a name."""

NAMES = "letters, digits, '-', '_' and '.', and begins with a letter or digit"
"""What a name is made of."""


def name_problem(name: str) -> str | None:
    """What is wrong with the name of a context; None when nothing is. A good name is never a path."""
    if len(name) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?", name) is None:
        return f"is not a valid name of a context: use {NAMES}"
    return None


def check_name(name: str) -> None:
    """Refuse an invalid name of a context.

    Raises:
        ConfigError: It is none.
    """
    if (problem := name_problem(name)) is not None:
        hint = "to name a file, use --config" if "/" in name or "\\" in name else None
        raise ConfigError([Problem(f"{name[:LONGEST]!r} {problem}", hint=hint)])


def contexts_folder() -> Path:
    """The folder with the configuration of each context."""
    return user_config_folder() / FOLDER


def context_path(name: str) -> Path:
    """The configuration file of a context, also of one that does not exist."""
    return contexts_folder() / f"{name}{ENDING}"


def context_names() -> tuple[str, ...]:
    """The contexts in order. Files with a name that no context can have are left out."""
    return tuple(name for name in _stems() if name_problem(name) is None)


def unusable_names() -> tuple[str, ...]:
    """The configuration files of the folder that are not contexts because of their name."""
    return tuple(f"{name}{ENDING}" for name in _stems() if not name.startswith(".") and name_problem(name) is not None)


def _stems() -> list[str]:
    try:
        return sorted(name.removesuffix(ENDING) for name in os.listdir(contexts_folder()) if name.endswith(ENDING))  # noqa: PTH208 - names are enough
    except OSError:
        return []


def find_context(name: str, *, origin: str = "") -> Path:
    """The configuration file of an existing context.

    Args:
        name: The context. Its letters are compared as they are, also where the file system ignores their case.
        origin: Where the name came from if the user has not just typed it, as the end of the message.

    Raises:
        ConfigError: There is no such context; the hint names the nearest one.
    """
    check_name(name)
    known = context_names()
    if name not in known:
        raise ConfigError([Problem(f"there is no context {name}{origin}", hint=_hint(name, known))])
    return context_path(name)


def _hint(name: str, known: Sequence[str]) -> str:
    if not known:
        return "add one with `revvlink context add NAME`"
    near = closest(name, known)
    return f"did you mean {near}?" if near is not None else "see `revvlink context list`"


def choice_file() -> Path:
    """The file that holds the name of the context that ``context use`` has chosen."""
    return state_folder(None) / "context"


def chosen_context() -> str | None:
    """The context that ``context use`` has chosen; None when it has chosen none.

    Raises:
        ConfigError: The choice cannot be read. No other configuration may take its place silently.
    """
    path = choice_file()
    try:
        text = path.read_text(encoding="utf-8", errors="replace")[: LONGEST * 2].strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        hint = "choose a context again with `revvlink context use`"
        raise ConfigError([Problem(f"cannot be read: {error.strerror or error}", path, hint=hint)]) from None
    return text or None


def state_folder(context: str | None) -> Path:
    """Where the program keeps what it remembers of a fleet, such as reported alerts.

    Args:
        context: The context; None for a configuration that is none.
    """
    folder = user_state_folder()
    return folder if context is None else folder / FOLDER / context
