"""The interface of `Fleet` that its parts use: a protocol, because `Fleet` imports them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection, Coroutine

    from revvlink_cli.client.events import PoolEvent
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.player import Player
    from revvlink_cli.client.protocol.messages import Event
    from revvlink_cli.client.routing.penalty import Penalty
    from revvlink_cli.client.routing.ranking import Ranking

T = TypeVar("T")


class FleetAccess(Protocol):
    """The methods of a fleet that placement, failover and events call."""

    @property
    def is_open(self) -> bool:
        """Whether the fleet is connected and not closing."""

    @property
    def is_closing(self) -> bool:
        """Whether `close` has begun."""

    @property
    def members(self) -> tuple[Node, ...]:
        """All nodes, in the order they were added."""

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

    def has_player(self, player: Player) -> bool:
        """Whether the player is the one of its guild in this fleet."""

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
        """Handle a player's event that a node has sent."""

    def start_failover(self, node: Node) -> None:
        """Start the failover task of a node, if it is needed."""

    def publish(self, event: PoolEvent) -> None:
        """Send an event to the readers and to the client."""

    def on_move_ended(self, player: Player) -> None:
        """Handle the events that were deferred while the player moved."""

    def on_change(self, node: Node | None = None) -> None:
        """Wake waiting tasks, and read again the node that has changed, if there is one."""

    async def changed(self) -> None:
        """Wait until something about a node changes."""

    async def changed_within(self, seconds: float) -> None:
        """Wait until something about a node changes, or the time is over."""

    def check_loop(self) -> None:
        """Check that the caller runs on the event loop of the fleet.

        Raises:
            RuntimeError: It runs on another loop, or in another thread.
        """

    def spawn(
        self, work: Coroutine[Any, Any, T], *, name: str, on_end: Callable[[asyncio.Task[T]], object] | None = None
    ) -> asyncio.Task[T]:
        """Start a task of the fleet; `on_end` is called with it when it has ended in any way."""
