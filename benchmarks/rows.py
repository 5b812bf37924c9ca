"""The rows of the benchmarks by name. A module that measures has its rows in ``ROWS``; this one puts them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import (
    checks,
    drills,
    failover,
    large_answers,
    library,
    limits,
    live,
    placing,
    processes,
    scaling,
    scrape,
    simulated,
    stores,
    storm,
)

if TYPE_CHECKING:
    from benchmarks.measure import Row

MODULES = (
    library,
    placing,
    scaling,
    processes,
    stores,
    checks,
    drills,
    failover,
    storm,
    large_answers,
    scrape,
    live,
    simulated,
    limits,
)
"""Modules that measure, in the order of the table."""

ROWS: dict[str, Row] = {name: row for module in MODULES for name, row in module.ROWS.items()}
"""Name of a row -> the row, in the order of the table."""
