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
    return _user_folder("config", "XDG_CONFIG_HOME", ".config")


def user_state_folder() -> Path:
    """The folder for what the program remembers between runs."""
    return _user_folder("state", "XDG_STATE_HOME", ".local/state")


def user_cache_folder() -> Path:
    """The folder for what the program can make again."""
    return _user_folder("cache", "XDG_CACHE_HOME", ".cache")


def site_config_folder() -> Path:
    """The folder of the configuration for every user of this machine."""
    if _is_plain_linux() and not os.environ.get("XDG_CONFIG_DIRS"):
        return Path("/etc/xdg", NAME)
    import platformdirs

    return Path(platformdirs.site_config_path(NAME, appauthor=False))


def _user_folder(kind: str, variable: str, usual: str) -> Path:
    """The folder that a variable names, else the usual one below the home folder; platformdirs decides elsewhere."""
    named, home = os.environ.get(variable, ""), os.environ.get("HOME", "")
    if _is_plain_linux():
        if named.startswith("/"):
            return Path(named, NAME)
        if not named and home.startswith("/"):
            return Path(home, usual, NAME)
    import platformdirs

    return Path(getattr(platformdirs, f"user_{kind}_path")(NAME, appauthor=False))


def _is_plain_linux() -> bool:
    return sys.platform == "linux" and "ANDROID_DATA" not in os.environ
