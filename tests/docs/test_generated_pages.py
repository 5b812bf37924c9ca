"""The documentation says what is so."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from revvlink_cli.cli.app import app
from revvlink_cli.commands.shared.help_topics import ENVIRONMENT, FILES, TOPICS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Ran

ROOT = Path(__file__).resolve().parents[2]

SECTIONS = (
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "OPTIONS",
    "COMMANDS",
    "EXIT STATUS",
    "ENVIRONMENT",
    "FILES",
    "EXAMPLES",
    "SEE ALSO",
)
"""Sections that readers of manual pages expect."""


def test_generated_tables_are_current() -> None:
    """Exit codes, environment, error codes and the configuration's keys stand in the pages as they are in the code."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_manual_page_is_current() -> None:
    """It says what ``--help`` says; `make docs` writes it."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "man.py"), "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_pages_of_the_commands_are_current() -> None:
    """Each command has a page that says what ``--help`` says; `make docs` writes them."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "commands.py"), "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_manual_page_is_one() -> None:
    """The formatter of manual pages takes it without a complaint, and every command is in it."""
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", str(ROOT / "man" / "revvlink.1")],
        capture_output=True,
        text=True,
        check=True,
        env={"MANWIDTH": "100", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )

    assert done.stderr == ""
    for name in ("nodes status", "cache warm", "route", *SECTIONS):
        assert name in done.stdout


def test_the_manual_page_has_the_usual_sections() -> None:
    """They stand in the usual order; files, variables and exit codes are those of the help topics."""
    page = (ROOT / "man" / "revvlink.1").read_text(encoding="utf-8")
    titles = re.findall(r"^\.SH (.*)$", page, re.MULTILINE)

    assert [title for title in titles if title in SECTIONS] == list(SECTIONS)
    for name in (*ENVIRONMENT, *FILES):
        assert f"\\fB{name.replace('-', chr(92) + '-').replace('.', chr(92) + '&.')}\\fR" in page


@pytest.mark.parametrize("topic", [*TOPICS, "", "nodes status", "region"])
def test_help(topic: str, cli: Callable[..., Ran]) -> None:
    """Every topic and every command explains itself, as text and as JSON."""
    ran = cli("help", *topic.split())

    assert ran.code == 0
    assert len(ran.out) > 100
    assert cli("help", *topic.split(), "-o", "json").rows["text"].rstrip() == ran.out.rstrip()


def test_help_on_nothing(cli: Callable[..., Ran]) -> None:
    """What is misspelt names the nearest."""
    assert "did you mean penalty?" in cli("help", "penlty").err
    assert "did you mean status?" in cli("help", "nodes", "stats").err
    assert cli("help", "xyzzy").code == 2
    assert "--output" in cli("nodes", "list", "--outptu", "json").err


def test_every_variable_is_documented() -> None:
    """Every REVVLINK_ variable that the code names is in the table, and every one in the table is in the code."""
    documented = set(re.findall(r"`(REVVLINK_\w+)`", (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")))
    named: set[str] = set()
    for path in (ROOT / "revvlink_cli").rglob("*.py"):
        named |= set(re.findall(r"\bREVVLINK_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")))
    shown = set(re.findall(r"REVVLINK_\w+", _help()))

    assert named | shown <= documented
    assert documented - named - shown <= {"REVVLINK_IDENTIFIER", "REVVLINK_REGION", "REVVLINK_USER_ID"}


def _help() -> str:
    done = subprocess.run(
        [sys.executable, "-m", "revvlink_cli", "--help"], capture_output=True, text=True, check=True
    ).stdout
    assert typer.main.get_command(app) is not None
    return re.sub(r"\s+", " ", done)
