"""The configuration file that a command changes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.commands.shared import node_selection
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.output.result import CommandError, ExitCode, Failure

if TYPE_CHECKING:
    from pathlib import Path

    from revvlink_cli.commands.shared.command import Options
    from revvlink_cli.config.editing import Edited, Plan
    from revvlink_cli.config.source import Source


def find_file(options: Options) -> tuple[Source, Path]:
    """Find the configuration file to change.

    Raises:
        CommandError: There is none, or the configuration is in the environment.
    """
    try:
        source = node_selection.find_source(options)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    if source.path is None:
        raise CommandError(
            Failure("configuration", "the configuration is in the environment, there is no file to change",
                    hint="unset REVVLINK_URI, or name a file with --config"),
            exit_code=ExitCode.USAGE,
        )  # fmt: skip
    return source, source.path


class Target(NamedTuple):
    """The file to which nodes are added.

    Attributes:
        path: The file.
        is_trusted: Whether it may use the environment and other files.
        is_new: Whether it is not there yet: the first node makes the user's own file.
    """

    path: Path
    is_trusted: bool
    is_new: bool


def find_target(options: Options) -> Target:
    """Find the file to which nodes are added; the user's own where there is no configuration at all.

    Raises:
        CommandError: The configuration is in the environment, or the one that is chosen is not there.
    """
    import os

    from revvlink_cli.config.contexts import context_names
    from revvlink_cli.config.source import user_path

    try:
        node_selection.find_source(options)
    except ConfigError as error:
        has_choice = bool(options.context or os.environ.get("REVVLINK_CONTEXT") or context_names())
        if has_choice or not error.is_missing:
            raise node_selection.config_failure(error, options) from None
        return Target(user_path(), is_trusted=True, is_new=True)
    source, path = find_file(options)
    return Target(path, source.trusted, is_new=False)


def change_file(options: Options, plan: Plan) -> tuple[Edited, Path, tuple[str, ...]]:
    """Change the configuration file that is in force.

    Returns:
        The configuration, its file, and warnings about the change.

    Raises:
        CommandError: There is none, or the change would make it wrong; it is then unchanged.
    """
    from revvlink_cli.config.editing import change

    source, path = find_file(options)
    try:
        edited = change(path, plan, is_trusted_source=source.trusted)
    except ConfigError as error:
        raise node_selection.config_failure(error, options) from None
    return edited, path, (*edited.warnings, *trust_warning(path, is_trusted=source.trusted))


def trust_warning(path: Path, *, is_trusted: bool) -> tuple[str, ...]:
    """The warning that a changed file may use nothing outside it; none for a trusted file."""
    return () if is_trusted else (f"{path} is not trusted with this; run `revvlink config trust {path}`",)


def is_terminal() -> bool:
    """Whether a person at a terminal can answer questions."""
    return sys.stdin is not None and sys.stdin.isatty()


def read_secret(question: str, *, is_asked: bool, hint: str) -> str:
    """Read a secret: from a terminal without showing it, else the first line of standard input.

    Args:
        question: The question on a terminal, without colon.
        is_asked: Whether standard input is to be read where it is not a terminal.
        hint: What to do where there is no secret.

    Raises:
        CommandError: There is none.
    """
    from revvlink_cli.client.redaction import Secret
    from revvlink_cli.config import secrets_in_use
    from revvlink_cli.output.text import clean

    if is_terminal():
        from getpass import getpass

        try:
            found = getpass(f"{clean(question)}: ")
        except EOFError:
            found = ""
    elif is_asked and sys.stdin is not None and not sys.stdin.closed:
        found = sys.stdin.readline(LONGEST_SECRET)
    else:
        raise CommandError(Failure("usage", f"{question}: there is none", hint=hint), exit_code=ExitCode.USAGE)
    found = found.rstrip("\r\n")
    if not found.strip():
        raise CommandError(Failure("usage", f"{question}: it is empty", hint=hint), exit_code=ExitCode.USAGE)
    secrets_in_use.use([Secret(found)])
    return found


LONGEST_SECRET = 65_536
"""Characters of a secret that are read."""
