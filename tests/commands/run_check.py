"""Runs `check` and reads its verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conftest import run_cli

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Ran


def check(path: Path, *arguments: str) -> Ran:
    """Run `check`."""
    return run_cli("check", "--config", str(path), "--timeout", "5", *arguments)


def verdicts(ran: Ran) -> dict[tuple[str | None, str], str]:
    """By node and check, the verdict in the JSON output."""
    return {(row["node"], row["check"]): row["verdict"] for row in ran.rows}
