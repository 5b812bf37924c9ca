"""A configuration with comments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
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
