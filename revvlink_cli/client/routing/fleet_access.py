"""The fleet as its parts see it: they know this protocol instead of `Fleet`, which is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection, Coroutine

    from revvlink_cli.client.events import PoolEvent
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.player import Player
    from revvlink_cli.client.protocol.messages import Event
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.routing.ranking import Ranking


class FleetAccess(Protocol):
    """What placement, failover, events and the places of nodes need of their fleet."""

    @property
    def is_open(self) -> bool:
        """Whether the fleet is connected and not about to close."""

    @property
    def is_closing(self) -> bool:
        """Whether `close` has begun."""

    @property
    def members(self) -> tuple[Node, ...]:
        """All nodes, in the order they were given."""

    @property
    def players(self) -> tuple[Player, ...]:
        """All players."""

    @property
    def has_players(self) -> bool:
        """Whether there are players."""

    def has_member(self, node: Node) -> bool:
        """Whether the node belongs to this fleet."""

    def get_player(self, guild_id: int) -> Player | None:
        """The player of a guild, or None."""

    def players_on(self, node: Node) -> tuple[Player, ...]:
        """The players that a node serves."""

    def drop_player(self, player: Player) -> None:
        """Forget a destroyed player."""

    def rank(self) -> Ranking:
        """All nodes, ranked without a region."""

    def best(self, region: str | None = None, *, exclude: Collection[str] = ()) -> Node:
        """The best node for a region, without the excluded ones.

        Raises:
            InvalidNodeException: No node can serve.
        """

    def region_from_endpoint(self, endpoint: str | None) -> str | None:
        """The region of a voice endpoint."""

    def penalty_of(self, node: Node) -> Penalty | None:
        """The penalty of one node among the others."""

    async def close_node(self, node: Node, *, eject: bool) -> None:
        """Move a node's players to others, then close it."""

    def on_event(self, node: Node, event: Event) -> None:
        """A node has sent an event of a player."""

    def care_for(self, node: Node) -> None:
        """Start to care for a node's players, if that is needed."""

    def publish(self, event: PoolEvent) -> None:
        """Send an event to the readers and to the client."""

    def on_move_ended(self, player: Player) -> None:
        """Judge the events that were kept while the player moved."""

    def on_change(self) -> None:
        """Something about a node has changed."""

    async def changed(self) -> None:
        """Wait until something about a node changes."""

    async def changed_within(self, seconds: float) -> None:
        """Wait until something about a node changes, or the time is over."""

    def check_loop(self) -> None:
        """Refuse to be used from another event loop.

        Raises:
            RuntimeError: It is.
        """

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Start a task of the fleet."""
