"""The documentation says what is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import typer

from revvlink_cli.app import COMMANDS, app

ROOT = Path(__file__).resolve().parents[2]


def test_generated_tables_are_current() -> None:
    """Exit codes, environment, error codes and the configuration's keys stand in the pages as they are in the code."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_every_variable_is_documented() -> None:
    """Every REVVLINK_ variable that the code names is in the table, and every one in the table is in the code."""
    documented = set(re.findall(r"`(REVVLINK_\w+)`", (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")))
    named: set[str] = set()
    for path in (ROOT / "revvlink_cli").rglob("*.py"):
        named |= set(re.findall(r"REVVLINK_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")))
    shown = set(re.findall(r"REVVLINK_\w+", _help()))

    assert named | shown <= documented
    assert documented - named - shown <= {"REVVLINK_IDENTIFIER", "REVVLINK_REGION", "REVVLINK_USER_ID"}


def test_every_command_is_in_the_readme() -> None:
    """No command is missing from the table."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    for name in COMMANDS:
        assert f"| `revvlink {name}" in readme, name


def _help() -> str:
    done = subprocess.run(
        [sys.executable, "-m", "revvlink_cli", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert typer.main.get_command(app) is not None
    return re.sub(r"\s+", " ", done)
