"""What this pool has put on one node: the players there, those on their way, and what is to be cleared away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from revvlink_cli.client.player import Player

STATS_LAG = 1.0
"""Seconds that statistics may lag behind: younger assignments are not in them yet."""


class NodePlayers:
    """The players of one node, by this pool's account.

    Attributes:
        players: By guild, those that the node serves.
        orphans: Guilds of which the node may still have a player that is not wanted there, with the monotonic
            second until which it may still make one.
        is_unchecked: Whether the session was taken up again and its players have not been compared with ours since.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.players: dict[int, Player] = {}
        self.orphans: dict[int, float] = {}
        self.is_unchecked = False
        self._reservations: list[float] = []
        self._on_change = on_change

    def unseen(self, shown: int) -> int:
        """Players that statistics with `shown` players do not show: those assigned since, or more than there can be."""
        return max(len(self._reservations), len(self.players) - shown)

    def add(self, player: Player) -> None:
        """The node serves the player."""
        self.players[player.guild_id] = player
        self.orphans.pop(player.guild_id, None)
        self._on_change()

    def remove(self, player: Player) -> None:
        """It serves the player no more."""
        self.players.pop(player.guild_id, None)
        self._on_change()

    def reserve(self) -> float:
        """Count a player that is on its way, until statistics show it; gives what `release` takes."""
        self._reservations.append(time.monotonic())
        self._on_change()
        return self._reservations[-1]

    def release(self, reservation: float) -> None:
        """The player is not coming."""
        if reservation in self._reservations:
            self._reservations.remove(reservation)
            self._on_change()

    def seen(self, now: float) -> None:
        """Statistics have come in: what was assigned before them is in them."""
        self._reservations = [made for made in self._reservations if now - made < STATS_LAG]

    def add_orphan(self, guild_id: int, until: float = 0.0) -> None:
        """What the node has of a guild, or may make of it until this monotonic second, is not wanted."""
        if guild_id not in self.players:
            self.orphans[guild_id] = max(until, time.monotonic())

    def cleared(self, *guilds: int) -> None:
        """Nothing is left of these guilds now."""
        now = time.monotonic()
        for guild in guilds:
            if self.orphans.get(guild, now) <= now:
                self.orphans.pop(guild, None)

    def begin_session(self, *, resumed: bool) -> None:
        """The node is connected: a new session has no players, one that was taken up again has to be compared."""
        self.is_unchecked = resumed
        if not resumed:
            self.orphans.clear()
