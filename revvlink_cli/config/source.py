"""Finds the configuration.

The order, first found wins: ``--config`` or ``--uri``, a node in the environment (``REVVLINK_URI``),
``REVVLINK_CONFIG``, ``./revvlink.toml``, the user's configuration folder, the site's. A file in the working directory
is read to see whether it is trusted; nothing else is read, so that commands without a configuration start fast.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from revvlink_cli.config.problems import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_NAME = "revvlink.toml"


class SourceKind(StrEnum):
    """How a configuration was found."""

    FLAG = "--config"
    URI = "--uri"
    ENVIRONMENT = "REVVLINK_URI"
    VARIABLE = "REVVLINK_CONFIG"
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
    """

    kind: SourceKind
    path: Path | None
    trusted: bool
    environment: Mapping[str, str]
    text: str | None = None
    instead_of: Path | None = None

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


def find(flag: str | None, environment: Mapping[str, str], directory: Path, *, uri: str | None = None) -> Source:
    """The configuration to use.

    Args:
        flag: The path that ``--config`` gives.
        environment: The variables that count; with `uri` those of `one_node`.
        directory: The working directory.
        uri: The node that ``--uri`` gives, in place of any file.

    Raises:
        ConfigError: There is no configuration; the hint says how to write one.
    """
    if uri is not None:
        return Source(SourceKind.URI, None, trusted=True, environment=environment)
    if flag is not None:
        return Source(SourceKind.FLAG, Path(flag), trusted=True, environment=environment)
    if environment.get("REVVLINK_URI"):
        return Source(SourceKind.ENVIRONMENT, None, trusted=True, environment=environment)
    if environment.get("REVVLINK_CONFIG"):
        return Source(SourceKind.VARIABLE, Path(environment["REVVLINK_CONFIG"]), trusted=True, environment=environment)
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
    raise ConfigError(
        [
            Problem(
                "there is no configuration",
                hint="write one with `revvlink init`, or try the tool on a simulated fleet with `revvlink demo`",
            )
        ],
        is_missing=True,
    )


def _is_file(path: Path) -> bool:
    """Whether there is such a file; False if its folder cannot be searched."""
    try:
        return path.is_file()
    except OSError:
        return False


def user_path() -> Path:
    """The user's own configuration file."""
    import platformdirs

    return Path(platformdirs.user_config_path("revvlink")) / FILE_NAME


def site_path() -> Path:
    """The configuration file for everybody on this machine."""
    import platformdirs

    return Path(platformdirs.site_config_path("revvlink")) / FILE_NAME
