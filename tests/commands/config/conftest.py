"""A configuration with comments, and command lines run in this process."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.cli.app import run
from tests.conftest import Ran

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIG = """\
# fleet
[defaults]
timeout = 4  # seconds

[check.warning]
cpu = "85%"

# first
[[nodes]]
identifier = "us-1"
uri = "http://127.0.0.1:1"  # local
password = "first-secret-pw"
tags = ["prod"]

[[nodes]]
identifier = "eu.example"
uri = "http://127.0.0.1:2"
password_env = "EU_PASSWORD"
# end
"""


@pytest.fixture
def path(isolated: Path) -> Path:
    """The configuration, in the user's folder."""
    file = isolated / "config" / "revvlink" / "revvlink.toml"
    file.parent.mkdir()
    file.touch(mode=0o600)
    file.write_text(CONFIG, encoding="utf-8")
    return file


@pytest.fixture
def line(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs a command line in this process; `stdin` is what comes through a pipe."""

    def ran(*arguments: str, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = run(arguments)
        found = capfd.readouterr()
        return Ran(code, found.out, found.err)

    return ran
