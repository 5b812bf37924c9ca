"""The clients of other people that are tried, and what is pinned of them."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUTCOMES = HERE / "outcomes.json"
"""Kind of server -> client -> phase -> step -> what it comes to."""

PHASES = {"controls": 1, "drop": 1, "kill": 2}
"""Phase of the scripts -> the nodes that it needs."""


@dataclass(frozen=True)
class ThirdParty:
    """One client.

    Attributes:
        name: Its name.
        language: ``python`` or ``node``.
        packages: What is installed, with versions; the first is the client.
        python: The lowest Python that it runs on.
        kinds: The kinds of server that it is tried on.
    """

    name: str
    language: str
    packages: tuple[str, ...]
    python: str
    kinds: tuple[str, ...]

    @property
    def script(self) -> str:
        """The name of its script, after ``try_`` and without its ending."""
        return re.sub(r"\W", "_", self.name)

    @property
    def version(self) -> str:
        """The version of the client."""
        return re.split("==|@", self.packages[0])[-1]


def third_parties() -> list[ThirdParty]:
    """The clients of ``clients.toml``."""
    entries = tomllib.loads((HERE / "clients.toml").read_text(encoding="utf-8"))
    return [
        ThirdParty(
            name=name,
            language=entry["language"],
            packages=tuple(entry["packages"]),
            python=entry.get("python", "3.11"),
            kinds=tuple(entry.get("kinds", ("lavalink",))),
        )
        for name, entry in entries.items()
    ]


def pinned() -> Any:
    """The pinned outcomes."""
    return json.loads(OUTCOMES.read_text(encoding="utf-8"))
