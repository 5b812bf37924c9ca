"""The folders of the program's files."""

from __future__ import annotations

import platformdirs
import pytest

from revvlink_cli import _folders


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s/", "XDG_CACHE_HOME": "/x/y", "XDG_CONFIG_DIRS": "/a:/b"},
        {"XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "", "XDG_CACHE_HOME": "", "XDG_CONFIG_DIRS": ""},
        {"XDG_CONFIG_HOME": "not/absolute", "XDG_STATE_HOME": "~/s", "XDG_CACHE_HOME": " ", "XDG_CONFIG_DIRS": "a"},
        {"HOME": "/"},
        {"HOME": None},
    ],
)
def test_folders_are_those_of_platformdirs(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str | None]) -> None:
    """The short way on Linux gives what platformdirs gives, also for variables that are empty, relative or not set."""
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/operator")
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)

    assert _folders.user_config_folder() == platformdirs.user_config_path("revvlink")
    assert _folders.user_state_folder() == platformdirs.user_state_path("revvlink")
    assert _folders.user_cache_folder() == platformdirs.user_cache_path("revvlink")
    assert _folders.site_config_folder() == platformdirs.site_config_path("revvlink")
