"""The folders for the program's files, by the conventions of each operating system.

platformdirs knows them. On Linux they follow from one variable, by the XDG Base Directory Specification, so that a
start does not load that library for three paths.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

NAME = "revvlink"
"""The program's folder within each of them. On Windows no folder of an author stands around it."""


def user_config_folder() -> Path:
    """The folder of the user's configurations."""
    if (found := _xdg_folder("XDG_CONFIG_HOME", ".config")) is not None:
        return found
    import platformdirs

    return Path(platformdirs.user_config_path(NAME, appauthor=False))


def user_state_folder() -> Path:
    """The folder for what the program remembers between runs."""
    if (found := _xdg_folder("XDG_STATE_HOME", ".local/state")) is not None:
        return found
    import platformdirs

    return Path(platformdirs.user_state_path(NAME, appauthor=False))


def user_cache_folder() -> Path:
    """The folder for what the program can make again."""
    if (found := _xdg_folder("XDG_CACHE_HOME", ".cache")) is not None:
        return found
    import platformdirs

    return Path(platformdirs.user_cache_path(NAME, appauthor=False))


def site_config_folder() -> Path:
    """The folder of the configuration for every user of this machine."""
    if _is_plain_linux() and not os.environ.get("XDG_CONFIG_DIRS"):
        return Path("/etc/xdg", NAME)
    import platformdirs

    return Path(platformdirs.site_config_path(NAME, appauthor=False))


def _xdg_folder(variable: str, usual: str) -> Path | None:
    """The folder that a variable names, else the usual one below the home folder; None where that is not enough."""
    if not _is_plain_linux():
        return None
    named, home = os.environ.get(variable, ""), os.environ.get("HOME", "")
    if named.startswith("/"):
        return Path(named, NAME)
    return Path(home, usual, NAME) if not named and home.startswith("/") else None


def _is_plain_linux() -> bool:
    return sys.platform == "linux" and "ANDROID_DATA" not in os.environ
