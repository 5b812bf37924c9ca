"""The output format of monitoring plugins, and a run of a monitoring system that collects it."""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING, Any

from tests.docs.recipes.recipe_host import VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
RANGE = rf"@?(?:(?:~|{NUMBER}):(?:{NUMBER})?|{NUMBER})"
LIMITS = rf"(?:;(?P<warning>{RANGE})?(?:;(?P<critical>{RANGE})?(?:;(?:{NUMBER})?(?:;(?:{NUMBER})?)?)?)?)?"
DATUM = rf"'(?P<label>[^'=|\n]+)'=(?P<value>{NUMBER})(?P<unit>us|ms|s|%|[KMGT]?B|c)?{LIMITS}"
DATA = re.sub(r"\?P<\w+>", "?:", f"{DATUM}(?: {DATUM})*")
OUTPUT = re.compile(rf"(?P<verdict>{'|'.join(VERDICTS)}): [^|\n]+\n(?:[^|\n]+\n)*[^|\n]+?(?: \| (?P<data>{DATA}))?\n")
"""What a plugin may print. Source: Monitoring Plugins Development Guidelines, "Plugin Output for Nagios"."""


def performance(data: str) -> dict[str, re.Match[str]]:
    """Performance data by label; there is nothing else in it, and no label twice."""
    found = list(re.finditer(DATUM, data))
    assert " ".join(datum[0] for datum in found) == data.strip()
    assert len({datum["label"] for datum in found}) == len(found)
    return {datum["label"]: datum for datum in found}


def collected(line: list[str], folder: Path, pattern: str, services: int, start: Callable[[], None]) -> dict[str, Any]:
    """Run a monitoring system until so many services are in the files it writes; their fields by name."""
    found: dict[str, Any] = {}
    with (folder / "output").open("w", encoding="utf-8") as output:
        running = subprocess.Popen(line, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
        try:
            start()
            deadline = time.monotonic() + 40
            while len(found) < services and time.monotonic() < deadline:
                time.sleep(0.2)
                for path in folder.glob(pattern):
                    for entry in path.read_text(encoding="utf-8").splitlines():
                        name, *fields = entry.split("\t")
                        found[name] = fields
        finally:
            running.terminate()
            running.wait(20)
    assert len(found) == services, (found, (folder / "output").read_text(encoding="utf-8"))
    return found
