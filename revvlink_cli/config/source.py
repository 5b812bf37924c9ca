"""Finds the configuration.

The order, first found wins: ``--config``, ``--context`` or ``--uri``, a node in the environment (``REVVLINK_URI``),
``REVVLINK_CONFIG`` or ``REVVLINK_CONTEXT``, the context that ``context use`` has chosen, ``./revvlink.toml``, the
user's configuration folder, the site's. What the user has named goes before what is only found. A file in the working
directory is read to see whether it is trusted; nothing else is read, so that commands without a configuration start
fast.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from revvlink_cli._folders import site_config_folder, user_config_folder
from revvlink_cli._record import NamedTuple
from revvlink_cli.config.contexts import chosen_context, context_names, find_context
from revvlink_cli.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NAME = "revvlink.toml"


class SourceKind(StrEnum):
    """How a configuration was found."""

    FLAG = "--config"
    URI = "--uri"
    CONTEXT = "--context"
    ENVIRONMENT = "REVVLINK_URI"
    VARIABLE = "REVVLINK_CONFIG"
    CONTEXT_VARIABLE = "REVVLINK_CONTEXT"
    CHOICE = "context use"
    DIRECTORY = "working directory"
    USER = "user folder"
    SITE = "site folder"


class Source(NamedTuple):
    """Where the configuration is.

    Attributes:
        kind: How it was found.
        path: The file, None when it is the environment.
        trusted: Whether it may use the environment and other files.
        environment: The environment variables.
        text: The text of the file, where it was read to decide about trust: the judged text is the one that is used.
        instead_of: The user's or the site's configuration whose place a file in the working directory takes, or None.
        context: The name of the fleet, where the configuration is that of a context; else None.
        passed_over: A file in the working directory that is not used because ``context use`` has chosen a context.
    """

    kind: SourceKind
    path: Path | None
    trusted: bool
    environment: Mapping[str, str]
    text: str | None = None
    instead_of: Path | None = None
    context: str | None = None
    passed_over: Path | None = None

    @property
    def is_doubtful(self) -> bool:
        """Whether an untrusted file in the working directory replaces the user's own configuration."""
        return self.instead_of is not None and not self.trusted

    def __repr__(self) -> str:
        """Without the environment and the text, which hold secrets."""
        return f"Source({self.kind!s}, {self.path})"


def one_node(uri: str, password: str | None, environment: Mapping[str, str]) -> dict[str, str]:
    """An environment whose configuration is this one node.

    Variables that describe another node are left out. A password of None leaves those of the environment.
    """
    others = {"REVVLINK_IDENTIFIER", "REVVLINK_REGION"}
    given = {"REVVLINK_URI": uri} | ({} if password is None else {"REVVLINK_PASSWORD": password})
    return {name: value for name, value in environment.items() if name not in others} | given


def find(
    flag: str | None,
    environment: Mapping[str, str],
    directory: Path,
    *,
    uri: str | None = None,
    context: str | None = None,
) -> Source:
    """The configuration to use.

    Args:
        flag: The path that ``--config`` gives.
        environment: The variables that count; with `uri` those of `one_node`.
        directory: The working directory.
        uri: The node that ``--uri`` gives, in place of any file.
        context: The context that ``--context`` gives.

    Raises:
        ConfigError: There is no configuration, or not that context; the hint says what to do.
    """
    if uri is not None:
        return Source(SourceKind.URI, None, trusted=True, environment=environment)
    if flag is not None:
        return Source(SourceKind.FLAG, Path(flag), trusted=True, environment=environment)
    if context is not None:
        return context_source(context, SourceKind.CONTEXT, environment)
    if environment.get("REVVLINK_URI"):
        return Source(SourceKind.ENVIRONMENT, None, trusted=True, environment=environment)
    if environment.get("REVVLINK_CONFIG") and environment.get("REVVLINK_CONTEXT"):
        message = "REVVLINK_CONFIG and REVVLINK_CONTEXT are both set, and name two configurations"
        raise ConfigError([Problem(message, hint="unset one of them, or use --config or --context")])
    if environment.get("REVVLINK_CONFIG"):
        return Source(SourceKind.VARIABLE, Path(environment["REVVLINK_CONFIG"]), trusted=True, environment=environment)
    if environment.get("REVVLINK_CONTEXT"):
        return context_source(environment["REVVLINK_CONTEXT"], SourceKind.CONTEXT_VARIABLE, environment)
    chosen = chosen_context()
    if chosen is not None:
        here = directory / FILE_NAME
        found = context_source(chosen, SourceKind.CHOICE, environment)
        return found._replace(passed_over=here.resolve() if _is_file(here) else None)
    usual = ((SourceKind.USER, user_path()), (SourceKind.SITE, site_path()))
    own = next((found for found in usual if _is_file(found[1])), None)
    here = directory / FILE_NAME
    if _is_file(here):
        here = here.resolve()  # what is trusted is the file itself, and its paths count from its own folder
        from revvlink_cli.config.files import read_text
        from revvlink_cli.config.trust import is_trusted

        text = read_text(here)
        instead_of = own[1] if own is not None and own[1].resolve() != here else None
        return Source(SourceKind.DIRECTORY, here, is_trusted(here, text), environment, text, instead_of)
    if own is not None:
        return Source(*own, trusted=True, environment=environment)
    hint = "write one with `revvlink init`, or try the tool on a simulated fleet with `revvlink demo`"
    if names := context_names():
        shown = f"{', '.join(names[:5])}{' ...' if len(names) > 5 else ''}"
        hint = f"choose a context with `revvlink context use` or --context: {shown}"
    raise ConfigError([Problem("there is no configuration", hint=hint)], is_missing=True)


def context_source(name: str, kind: SourceKind, environment: Mapping[str, str]) -> Source:
    """The configuration of a context. It is in the user's own folder, and so it is trusted.

    Raises:
        ConfigError: There is no such context.
    """
    origins = {
        SourceKind.CHOICE: ", which `revvlink context use` has chosen",
        SourceKind.CONTEXT_VARIABLE: ", which REVVLINK_CONTEXT names",
    }
    try:
        path = find_context(name, origin=origins.get(kind, ""))
    except ConfigError as error:
        if kind is not SourceKind.CHOICE:
            raise
        hint = "choose another with `revvlink context use NAME`, or none with `revvlink context use --none`"
        raise ConfigError([problem._replace(hint=hint) for problem in error.problems]) from None
    return Source(kind, path, trusted=True, environment=environment, context=name)


def _is_file(path: Path) -> bool:
    """Whether there is such a file; False if its folder cannot be searched."""
    try:
        return path.is_file()
    except OSError:
        return False


def user_path() -> Path:
    """The user's own configuration file."""
    return user_config_folder() / FILE_NAME


def site_path() -> Path:
    """The configuration file for everybody on this machine."""
    return site_config_folder() / FILE_NAME
