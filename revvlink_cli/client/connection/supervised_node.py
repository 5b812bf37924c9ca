"""The node as its supervisor sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from revvlink_cli.client.connection.session_players import SessionPlayers
    from revvlink_cli.client.connection.websocket import WebSocketConnection
    from revvlink_cli.client.errors import RevvlinkException
    from revvlink_cli.client.protocol.messages import Event
    from revvlink_cli.client.protocol.models import Decoded, NodeStats, WireStats
    from revvlink_cli.client.settings import NodeSettings


class SupervisedNode(Protocol):
    """What the supervisor needs of its node, and what it reports to it."""

    @property
    def settings(self) -> NodeSettings:
        """The node's settings."""

    @property
    def session_players(self) -> SessionPlayers:
        """Takes the players of the session, as the node describes them."""

    @property
    def has_players(self) -> bool:
        """Whether the node serves players of the pool, for whom the lost session is worth another try."""

    @property
    def has_stats(self) -> bool:
        """Whether the node has sent statistics since it was connected."""

    async def until_stats(self) -> None:
        """Wait for statistics."""

    async def fetch_stats(self) -> NodeStats | None:
        """Ask for statistics over REST."""

    def forget_stats(self) -> None:
        """Forget the statistics: they are those of a server that is lost."""

    def on_change(self) -> None:
        """The state of the connection has changed."""

    def on_ready(self, connection: WebSocketConnection) -> None:
        """A connection is ready."""

    def on_lost(self, reason: RevvlinkException) -> None:
        """A connection that was ready has ended."""

    def on_rest_change(self) -> None:
        """The node has stopped serving requests, or serves them again."""

    def on_failed(self, reason: RevvlinkException, attempts: int) -> None:
        """An attempt to connect has failed."""

    def on_closed(self) -> None:
        """The supervisor has ended."""

    def on_event(self, event: Event) -> None:
        """The node has sent an event."""

    def on_stats(self, answer: Decoded[WireStats]) -> NodeStats:
        """The node has sent statistics."""
