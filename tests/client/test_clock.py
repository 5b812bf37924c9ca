"""The clock of the client stands in one place, so that a process can simulate time for all of it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from revvlink_cli.client import clock
from revvlink_cli.client.cache.memory import LFUCache

if TYPE_CHECKING:
    import pytest

CLIENT = Path(clock.__file__).parent

REAL = {"clock.py", "cache/database.py"}
"""Modules that read the real clock: the clock itself, and waits for locks on a file that other processes hold."""


def test_no_other_module_reads_the_real_clock() -> None:
    """A module of the client that read ``time.monotonic`` itself would stay in real time in a simulation."""
    found = set()
    for path in CLIENT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_read = isinstance(node, ast.Attribute) and node.attr == "monotonic" and ast.unparse(node.value) == "time"
            is_imported = isinstance(node, ast.ImportFrom) and node.module == "time"
            if is_read or is_imported:
                found.add(path.relative_to(CLIENT).as_posix())

    assert found == REAL


def test_a_replaced_clock_is_used_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made before the replacement follows the new clock too."""
    cache: LFUCache[str, int] = LFUCache(2)
    cache.put("a", 1, ttl=60.0)

    monkeypatch.setattr(clock, "monotonic", lambda: float("inf"))

    assert cache.get("a") is None
