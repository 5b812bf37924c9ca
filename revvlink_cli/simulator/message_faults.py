"""Faults of what a simulated node says about itself: messages out of order, and statistics that are wrong."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from revvlink_cli.simulator.scenario import Fault

FIGURES = ("contradictory", "negative", "absent", "stale")
"""How statistics can be wrong: figures that do not fit each other, below zero, left out, or old."""


class MessageFaults:
    """The faults that the messages and statistics of one node have at the moment."""

    def __init__(self, chance: random.Random) -> None:
        """`chance` decides which messages and which websockets have a fault."""
        self._chance = chance
        self._active: list[Fault] = []
        self._old: dict[str, Any] | None = None

    def begin(self, fault: Fault) -> None:
        """Let a fault begin; the latest one goes before the others."""
        self._active.insert(0, fault)
        self._old = None

    def end(self, fault: Fault) -> None:
        """Let a fault end."""
        if fault in self._active:
            self._active.remove(fault)

    def hits(self, fault: Fault) -> bool:
        """Whether chance lets one message or websocket have the fault."""
        return self._chance.random() < fault.chance

    def holds_back(self) -> bool:
        """Whether the next message comes after the one that follows it."""
        return any(fault.do == "reorder" and self.hits(fault) for fault in self._active)

    def stats(self, true: dict[str, Any]) -> dict[str, Any]:
        """The statistics that the node reports in place of the true ones."""
        fault = next((fault for fault in self._active if fault.do == "false_stats"), None)
        if fault is None:
            return true
        match fault.figures:
            case "absent":
                return {name: value for name, value in true.items() if name in ("op", "uptime")}
            case "stale":
                self._old = self._old or true
                return {name: self._old.get(name, value) for name, value in true.items()}
            case "negative":
                return {name: _negative(value) for name, value in true.items()}
        memory = {**true["memory"], "used": true["memory"]["reservable"] * 2}
        cpu = {**true["cpu"], "cores": 0, "systemLoad": true["cpu"]["systemLoad"] + true["cpu"]["cores"] * 10}
        return true | {"playingPlayers": true["players"] + 5, "memory": memory, "cpu": cpu}


def _negative(value: Any) -> Any:
    """The figures in a value, each below zero."""
    if isinstance(value, dict):
        return {name: _negative(entry) for name, entry in value.items()}
    return -abs(value) - 1 if isinstance(value, (int, float)) else value


NO_FAULTS = MessageFaults(random.Random(0))  # noqa: S311 - it has no fault
"""Of a node without faults."""
