"""The players of a session, ordered by the moment at which each has something to send."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from revvlink_cli.simulator.player import Player


class DueTimes:
    """A heap of players by their due time: the cost of a change does not grow in proportion to the players.

    A player that becomes due earlier is entered once more; its older entry is skipped. One that becomes due later keeps
    its entry, and is entered anew when that has come.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Player]] = []
        self._planned: dict[Player, float] = {}
        self._entered = 0

    @property
    def next(self) -> float:
        """The earliest due time, which may have passed; infinite without one."""
        return self._heap[0][0] if self._heap else math.inf

    def plan(self, player: Player) -> bool:
        """Enter a player whose due time may have changed; gives whether it is due before all others."""
        due, earliest = player.due(), self.next
        if due < self._planned.get(player, math.inf):
            self._planned[player] = due
            self._entered += 1  # players that are due at the same time keep their order
            heapq.heappush(self._heap, (due, self._entered, player))
        return due < earliest

    def take(self, now: float) -> list[Player]:
        """Remove the players that are due, in their order; each is to be planned again."""
        players = []
        while self._heap and self._heap[0][0] <= now:
            due, _, player = heapq.heappop(self._heap)
            if self._planned.get(player) == due:
                del self._planned[player]
                players.append(player)
        return players
