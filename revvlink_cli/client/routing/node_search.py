"""What is known of the search for a node that takes one player, and of players that are moved together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from revvlink_cli.client import clock
from revvlink_cli.client.errors import InvalidNodeException, RevvlinkException, is_refusal
from revvlink_cli.client.node_access import state_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from revvlink_cli.client.node import Node
    from revvlink_cli.client.player import Player


@dataclass(slots=True, eq=False)
class Batch:
    """Players that tasks of the fleet move.

    No caller can cancel such a task, so the task sends its requests itself. Any other task may be cancelled at any
    time, so each of its requests is a task of its own.

    Attributes:
        on_wait: Called each time before a player waits for a node: other work may begin meanwhile.
        is_stopped: Whether the players are not to be moved any more. A request that is under way completes.
    """

    on_wait: Callable[[], None] = lambda: None
    is_stopped: bool = False


@dataclass(slots=True, eq=False)
class Search:
    """The search for a node that takes one player.

    Attributes:
        player: The player.
        start: The player's node and session at the beginning of the search.
        exclude: Nodes that must not get it.
        deadline: Monotonic second at which the search ends.
        pause: Seconds, at most, before the nodes in `retryable` are asked again.
        batch: The players of which the player is one, or None.
        refused: The nodes that did not accept it, with their reasons.
        retryable: The nodes that may accept it later: they are asked again after a pause.
        rejecting: The nodes that refused it for good.
        no_candidate: The reason why no node is left to ask, None while there may be one.
        wake: Set to end a pause early; None before the first pause.
    """

    player: Player
    start: tuple[Node | None, str | None]
    exclude: frozenset[str]
    deadline: float
    pause: float
    batch: Batch | None
    refused: tuple[tuple[str, RevvlinkException], ...] = ()
    retryable: frozenset[str] = frozenset()
    rejecting: frozenset[str] = frozenset()
    no_candidate: InvalidNodeException | None = None
    wake: asyncio.Event | None = None

    def note(self, node: Node, error: RevvlinkException) -> None:
        """Note that a node did not accept the player."""
        self.refused += ((node.identifier, error),)
        if is_refusal(error):
            self.rejecting |= {node.identifier}
        else:
            self.retryable |= {node.identifier}

    @property
    def is_met(self) -> bool:
        """Whether it can end: another call placed the player, its node is back with it, or its batch was stopped."""
        if self.batch is not None and self.batch.is_stopped:
            return True
        node, session = self.start
        if (self.player.node, self.player.session) != self.start:
            return True
        is_back = node is not None and session is not None and node.session_id == session
        return is_back and node is not None and node.identifier not in self.exclude

    @property
    def is_refused(self) -> bool:
        """Whether every candidate has refused for good."""
        return self.no_candidate is not None and bool(self.rejecting) and not self.retryable

    def is_over(self, members: Iterable[Node]) -> bool:
        """Whether to give up: the time is over, or all nodes refused and no other node can come.

        A first placement does not wait for other nodes, because a bot waits for it.
        """
        if clock.monotonic() >= self.deadline:
            return self.no_candidate is not None
        others = (node for node in members if node.identifier not in self.rejecting | self.exclude)
        return self.is_refused and (self.start[0] is None or not any(state_of(node).is_supervised for node in others))
