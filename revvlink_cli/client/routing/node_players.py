"""The players that this pool has put on one node: those that it serves, those on their way, and orphans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from revvlink_cli.client import clock

if TYPE_CHECKING:
    from collections.abc import KeysView

STATS_LAG = 1.0
"""Seconds by which statistics may lag behind: players reserved later are not in them yet."""


class PlayersObserver(Protocol):
    """What the state of the node does when its players change."""

    def on_change(self) -> None:
        """The number of players has changed."""

    def on_arrival(self) -> None:
        """A player that was on its way, and so was counted already, has arrived."""


class NodePlayers:
    """The guilds whose players one node serves, as this pool has assigned them.

    Attributes:
        orphans: Guilds of which the node may still have a player that this pool does not want there. The value is the
            monotonic second until which the node may still make one.
        is_unchecked: Whether the session was resumed and its players have not been compared with the pool's since.
    """

    __slots__ = (
        "_coming",
        "_guilds",
        "_observer",
        "_reservations",
        "is_unchecked",
        "orphans",
    )

    def __init__(self, observer: PlayersObserver) -> None:
        self.orphans: dict[int, float] = {}
        self.is_unchecked = False
        self._guilds: dict[int, None] = {}  # a set that keeps the order
        self._coming: list[int] = []  # few at a time; an empty set would take four times the memory
        self._reservations: list[float] = []
        self._observer = observer

    @property
    def guilds(self) -> KeysView[int]:
        """The guilds whose players the node serves, in the order they came."""
        return self._guilds.keys()

    @property
    def assigned(self) -> int:
        """Players that it serves, and those on their way to it."""
        return len(self._guilds) + len(self._coming)

    def unseen(self, shown: int) -> int:
        """Players that are missing in statistics that show `shown` players: those on their way, or the difference."""
        return max(len(self._reservations), self.assigned - shown)

    def add(self, guild_id: int) -> None:
        """The node serves the guild's player from now on."""
        assigned = self.assigned
        self._guilds[guild_id] = None
        if guild_id in self._coming:
            self._coming.remove(guild_id)
        self.orphans.pop(guild_id, None)
        if self.assigned == assigned:
            self._observer.on_arrival()
        else:
            self._observer.on_change()

    def remove(self, guild_id: int) -> None:
        """The node does not serve the guild's player any more."""
        self._guilds.pop(guild_id, None)
        self._observer.on_change()

    def reserve(self, guild_id: int) -> float:
        """Count the guild's player, which is on its way; gives what `release` takes.

        Its cost is added until statistics show it.
        """
        reservation = clock.monotonic()
        if guild_id not in self._guilds:  # after a restart of the node, its own players are made again there
            self._coming.append(guild_id)
        self._reservations.append(reservation)
        self._observer.on_change()
        return reservation

    def release(self, guild_id: int, reservation: float) -> None:
        """The guild's player is not coming: its cost is taken away."""
        if guild_id in self._coming:
            self._coming.remove(guild_id)
        if reservation in self._reservations:
            self._reservations.remove(reservation)
        self._observer.on_change()

    def on_stats(self, now: float) -> None:
        """Statistics have come: they show the players that were reserved before them."""
        self._reservations = [made for made in self._reservations if now - made < STATS_LAG]

    def add_orphan(self, guild_id: int, until: float = 0.0) -> None:
        """The pool does not want the guild's player here, nor one that the node makes until this monotonic second."""
        if guild_id not in self._guilds:
            self.orphans[guild_id] = max(until, clock.monotonic())

    def remove_orphans(self, *guilds: int) -> None:
        """The node has no players of these guilds; one of which it may still make a player stays an orphan."""
        now = clock.monotonic()
        for guild in guilds:
            if self.orphans.get(guild, now) <= now:
                self.orphans.pop(guild, None)

    def begin_session(self, *, resumed: bool) -> None:
        """The node is connected: a new session has no players, those of a resumed one must be compared."""
        self.is_unchecked = resumed
        if not resumed:
            self.orphans.clear()
