"""Keeps what a run has measured in a file, and writes the tables of docs/performance.md from it.

The file has all that the page says of a run, so that the page needs no second one: ``make docs`` writes it anew.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Figure, chart, digits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.measure import Row

RESULTS = Path(__file__).parent / "results.json"
"""The figures of docs/performance.md."""


def machine() -> dict[str, Any]:
    """What the figures depend on; no name of a host."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def save(figures: Mapping[str, Figure], rows: Mapping[str, Row], path: Path = RESULTS) -> None:
    """Keep figures; those of other rows stay if they were measured on a machine like this one.

    Raises:
        ValueError: The file has rows of another machine that were not measured now.
    """
    kept = load(path) if path.exists() else {"machine": machine(), "rows": {}}
    others = {name: row for name, row in kept["rows"].items() if name in rows and name not in figures}
    if others and kept["machine"] != machine():
        raise ValueError(f"{path.name} is of another machine: measure all rows, not some")
    made = {name: {"meaning": rows[name].meaning, **asdict(figure)} for name, figure in figures.items()}
    both = {**others, **made}
    document = {"machine": machine(), "rows": {name: both[name] for name in rows if name in both}}
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load(path: Path = RESULTS) -> dict[str, Any]:
    """The kept figures."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def figure(row: Mapping[str, Any]) -> Figure:
    """The figure of a kept row."""
    return Figure(**{name: value for name, value in row.items() if name != "meaning"})


def machine_line() -> str:
    """The machine of the run, in a sentence."""
    found = load()["machine"]
    return (
        f"The figures come from one run on a machine with {found['cores']} cores ({found['system']}, "
        f"{found['architecture']}) and {found['python']}."
    )


def figures_table() -> str:
    """All rows with their figures."""
    lines = ["| row | ours | beside | ratio | spread | target |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    for name, row in load()["rows"].items():
        made = figure(row)
        target = made.target if made.is_met else f"{made.target} (**missed**)"
        lines.append(f"| `{name}` | {made.ours} | {made.beside} | {digits(made.ratio)} | {made.spread} | {target} |")
    return "\n".join(lines)


def meanings() -> str:
    """What each row means for a user."""
    return "\n".join(f"- `{name}`: {row['meaning']}" for name, row in load()["rows"].items())


def charts() -> str:
    """Cost against size, of each row that measures growth."""
    parts = []
    for name, row in load()["rows"].items():
        made = figure(row)
        if made.points:
            parts.append("\n".join([f"`{name}` ({made.ours}):", "", "```text", *chart(made), "```"]))
    return "\n\n".join(parts)


def limits() -> str:
    """What was seen where a process breaks."""
    rows = load()["rows"]
    return "\n".join(f"- `{name}`: {note}." for name, row in rows.items() for note in row["notes"])


def missed() -> list[str]:
    """The kept rows that miss their targets."""
    return [name for name, row in load()["rows"].items() if not row["is_met"]]
