"""Finds the configuration.

The order, first found wins: ``--config``, a node in the environment (``REVVLINK_URI``), ``REVVLINK_CONFIG``,
``./revvlink.toml``, the user's configuration folder, the site's. Nothing is read but to see whether a file found in the
working directory is trusted, so that commands which can do without a configuration start fast.
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
        environment: The variables that count.
    """

    kind: SourceKind
    path: Path | None
    trusted: bool
    environment: Mapping[str, str]

    def __repr__(self) -> str:
        """Without the environment, which holds secrets."""
        return f"Source({self.kind!s}, {self.path})"


def find(flag: str | None, environment: Mapping[str, str], directory: Path) -> Source:
    """The configuration to use.

    Raises:
        ConfigError: There is none; the problem says how to come by one.
    """
    if flag is not None:
        return Source(SourceKind.FLAG, Path(flag), trusted=True, environment=environment)
    if environment.get("REVVLINK_URI"):
        return Source(SourceKind.ENVIRONMENT, None, trusted=True, environment=environment)
    if environment.get("REVVLINK_CONFIG"):
        return Source(SourceKind.VARIABLE, Path(environment["REVVLINK_CONFIG"]), trusted=True, environment=environment)
    here = directory / FILE_NAME
    if here.is_file():
        here = here.resolve()  # what is trusted is the file itself, and its paths count from its own folder
        from revvlink_cli.config.files import read_text
        from revvlink_cli.config.trust import is_trusted

        return Source(SourceKind.DIRECTORY, here, trusted=is_trusted(here, read_text(here)), environment=environment)
    for kind, path in ((SourceKind.USER, user_path()), (SourceKind.SITE, site_path())):
        if path.is_file():
            return Source(kind, path, trusted=True, environment=environment)
    raise ConfigError(
        [
            Problem(
                "there is no configuration",
                hint="write one with `revvlink init`, or try the tool on a simulated fleet with `revvlink demo`",
            )
        ],
        is_missing=True,
    )


def user_path() -> Path:
    """The user's own configuration file."""
    import platformdirs

    return Path(platformdirs.user_config_path("revvlink")) / FILE_NAME


def site_path() -> Path:
    """The configuration file for everybody on this machine."""
    import platformdirs

    return Path(platformdirs.site_config_path("revvlink")) / FILE_NAME
