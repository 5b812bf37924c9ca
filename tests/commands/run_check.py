"""Runs `check` and reads its verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conftest import run_cli
from tests.run_in_process import run_in_process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Ran


def check(path: Path, *arguments: str) -> Ran:
    """Run `check` in this process."""
    ran = run_in_process(("check", "--config", str(path), "--timeout", "5", *arguments), COLUMNS="200")
    assert "Traceback" not in ran.err, ran.err
    return ran


def check_beside(path: Path, *arguments: str) -> Ran:
    """Run `check` in a process of its own, as beside a server that runs in this one."""
    return run_cli("check", "--config", str(path), "--timeout", "5", *arguments)


def verdicts(ran: Ran) -> dict[tuple[str | None, str], str]:
    """By node and check, the verdict in the JSON output."""
    return {(row["node"], row["check"]): row["verdict"] for row in ran.rows}
