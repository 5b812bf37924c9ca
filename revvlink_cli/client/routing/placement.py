"""Places one player on a node, moves it to another one, and destroys it.

A guild's player is on one node only, also when several calls come at once. Each call that places, moves or destroys a
player holds the guild's `Turn`. When it gets the turn, it checks again whether its work is still needed. It releases
the turn while it waits for a node.

Every assignment adds its cost to the target at once, so that many players spread over the nodes. The rate limiter of
each target limits the requests to it. A player that no node takes is reported as `PlayerLost`, and kept.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, NoReturn
from weakref import WeakValueDictionary

from revvlink_cli.client import clock
from revvlink_cli.client.errors import (
    Code,
    InvalidNodeException,
    NodeException,
    PlayerDestroyedException,
    RevvlinkException,
)
from revvlink_cli.client.events import PlayerLost, PlayerMoved
from revvlink_cli.client.node import Node
from revvlink_cli.client.node_access import state_of
from revvlink_cli.client.routing.node_search import Search
from revvlink_cli.client.routing.turn import Turn
from revvlink_cli.client.snapshot import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection

    from revvlink_cli.client.player import Player
    from revvlink_cli.client.routing.fleet_access import FleetAccess
    from revvlink_cli.client.routing.node_search import Batch

log = logging.getLogger(__name__)

PLACEMENT_LIMIT = 120.0
"""Seconds for which a player waits for a node that accepts it."""

ROUND_PAUSE = 2.0
"""Seconds, at most, before the next round when all nodes have failed to accept a player; doubled each time."""

MAX_CONCURRENT = 128
"""Players that are placed at the same time. A later choice knows more, and thousands of choices at once would delay the
answers on the event loop."""


class Placement:
    """Decides which node serves each player of one fleet."""

    def __init__(self, fleet: FleetAccess) -> None:
        self._fleet = fleet
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._turns: WeakValueDictionary[int, Turn] = WeakValueDictionary()  # those of guilds without a player
        self._paused: list[Search] = []
        self._serving: frozenset[str] = frozenset()  # the nodes that can serve, kept while a search is paused

    def turn_of(self, guild_id: int) -> Turn:
        """Return the turn of a guild; all callers get the same one."""
        player = self._fleet.get_player(guild_id)
        if player is not None:
            return player.turn
        turn = self._turns.get(guild_id)
        if turn is None:
            turn = self._turns[guild_id] = Turn(guild_id, self._fleet)
        return turn

    def take_turn(self, guild_id: int) -> Turn:
        """Return the turn of a guild whose player is being made: from now on the player has it."""
        return self._turns.pop(guild_id, None) or Turn(guild_id, self._fleet)

    def check(self, player: Player) -> None:
        """Check that the player is one of this fleet.

        Raises:
            PlayerDestroyedException: It was destroyed, or the pool closed.
        """
        if self._fleet.is_closing or not self._fleet.has_player(player):
            raise PlayerDestroyedException(player.guild_id)

    async def place(
        self,
        player: Player,
        *,
        exclude: Collection[str] = (),
        limit: float | None = None,
        batch: Batch | None = None,
    ) -> None:
        """Find a node that accepts the player, and wait for one if there is none.

        The search ends without a move when another call has placed the player, when its node is back with it, or when
        its batch is stopped.

        Args:
            player: The player.
            exclude: Nodes that must not get it.
            limit: Seconds to wait for a node that accepts it, None for `PLACEMENT_LIMIT`; with 0 each is asked once.
            batch: The players of which it is one, when a task of the fleet moves them; None for any other caller.

        Raises:
            PlayerDestroyedException: It was destroyed meanwhile.
            RevvlinkException: No node accepted it, and `PlayerLost` was published. Or, for a first placement: it was
                placed without its deferred changes, because every node refused them.
        """
        deadline = clock.monotonic() + (PLACEMENT_LIMIT if limit is None else limit)
        search = Search(player, (player.node, player.session), frozenset(exclude), deadline, ROUND_PAUSE, batch)
        is_first = player.node is None
        before = seen = player.refusal
        while True:
            async with player.turn:
                self.check(player)
                if search.is_met or (is_first and player.refusal is not seen):
                    break
                await self._slots.acquire()  # here, because each waiting step would be a task
                if await self._begin_try(player, search) or search.is_met:
                    break
                if search.is_refused and player.drop_deferred(search.refused[-1][1], voice=not is_first):
                    seen = player.refusal
                    search.rejecting = frozenset()
                    continue
                if search.is_over(self._fleet.members):
                    self._give_up(player, search)
            if search.no_candidate is not None:
                if batch is not None:
                    batch.on_wait()
                await self._pause(search)
        if is_first and player.refusal is not None and player.refusal is not before:
            raise player.refusal

    def _begin_try(self, player: Player, search: Search) -> Awaitable[bool]:
        """Begin `_try_next`, which releases the slot of the caller."""
        try:
            self.check(player)  # the caller has waited for its slot
            if search.batch is not None:
                return self._try_next(player, search)
            return player.turn.begin(self._try_next(player, search))
        except RevvlinkException:
            self._slots.release()  # the pool closes
            raise

    async def _try_next(self, player: Player, search: Search) -> bool:
        """Ask the best node that was not asked yet to accept the player; return whether the search is over.

        The slot is released before the caller continues: it may need one for its next player.
        """
        try:
            if search.is_met:  # while it waited for a slot
                return True
            node = self._best_for(player, search)
            if node is None:
                return False
            try:
                await self._assign(player, node, search.refused)
            except RevvlinkException as error:
                log.info("guild %s: %s refused it: %s", player.guild_id, node.identifier, error)
                search.note(node, error)
                return False
            return True
        finally:
            self._slots.release()

    def _best_for(self, player: Player, search: Search) -> Node | None:
        """The best node that was not asked yet, None when there is none."""
        region = player.region
        if region is None and player.voice is not None:
            region = self._fleet.region_from_endpoint(player.voice.endpoint)
        search.no_candidate = None
        try:
            return self._fleet.best(region, exclude=search.exclude | search.retryable | search.rejecting)
        except InvalidNodeException as error:
            search.no_candidate = error
            return None

    async def _assign(
        self, player: Player, node: Node, refused: tuple[tuple[str, RevvlinkException], ...] = ()
    ) -> None:
        """Move the player to a node, and destroy it on its former node.

        Raises:
            RevvlinkException: The node did not accept it; the player stays where it was.
        """
        guild, origin, session = player.guild_id, player.node, player.session
        assigned = state_of(node).players
        reservation = assigned.reserve(guild)
        player.target_node = node
        try:
            if guild in assigned.orphans:  # the rest of a failed attempt would block this one
                player.effects.expect_end()
                await node.destroy_player(guild)
            await player.move_to(node)
        except BaseException:
            assigned.release(guild, reservation)
            assigned.add_orphan(
                guild, player.turn.doubtful_until
            )  # the node may have made the player although the request failed
            self._fleet.start_failover(node)
            raise
        finally:
            player.target_node = None
            self._fleet.on_move_ended(player)
        if origin is not None and is_gone(origin, session):
            origin = None
        elif origin is not None and origin is not node:
            await self.leave(guild, origin)
        self._fleet.publish(
            PlayerMoved(
                guild_id=guild,
                origin=origin.identifier if origin is not None else None,
                target=node.identifier,
                refused=refused,
            )
        )

    async def leave(self, guild: int, origin: Node) -> None:
        """Destroy the rest of a player on its former node; if the node cannot answer now, failover does it later."""
        assigned = state_of(origin).players
        assigned.add_orphan(guild, self.turn_of(guild).doubtful_until)
        state_of(origin).session_players.drop(guild)  # not only when the node is back: there may be thousands
        if origin.status is not NodeStatus.CONNECTED or origin.snapshot().hanging is not None:
            return  # a request would take its whole timeout; a node that refuses may accept this one
        try:
            await origin.destroy_player(guild)
        except RevvlinkException as error:
            log.info("guild %s: left on %s for now: %s", guild, origin.identifier, error)
        else:
            assigned.remove_orphans(guild)
        self._fleet.start_failover(origin)

    def _give_up(self, player: Player, search: Search) -> NoReturn:
        """End the search: publish `PlayerLost` and raise the last reason."""
        reason = search.refused[-1][1] if search.refused else search.no_candidate
        if reason is None:
            raise AssertionError("a search ended before its first round")
        if search.is_refused and search.start[0] is None:
            player.drop_deferred_voice(reason)
        origin = search.start[0]
        self._fleet.publish(
            PlayerLost(
                guild_id=player.guild_id, origin=origin.identifier if origin is not None else None, reason=reason
            )
        )
        raise reason

    async def _pause(self, search: Search) -> None:
        """Wait for a node to ask: for any change, or, when all were asked, for a pause that doubles each time.

        The pause ends early when another node can serve, when the player is destroyed and when the pool closes.
        """
        left = search.deadline - clock.monotonic()
        if not search.retryable:
            await self._fleet.changed_within(left)
            return
        serving = self._find_serving()
        if serving - search.retryable - search.rejecting - search.exclude:
            return  # a node can serve that could not when the round ended
        search.retryable = frozenset()
        wake = search.wake = asyncio.Event()
        waited = random.uniform(search.pause / 2, search.pause)  # noqa: S311 - no secret
        search.pause *= 2
        if not self._paused:
            self._serving = serving
        self._paused.append(search)
        try:
            async with asyncio.timeout(min(waited, left)):
                await wake.wait()
        except TimeoutError:
            return
        finally:
            self._paused.remove(search)

    def _find_serving(self) -> frozenset[str]:
        return frozenset(candidate.node.identifier for candidate in self._fleet.rank().candidates)

    def on_change(self) -> None:
        """End all pauses when a node can serve that could not before.

        Other changes end none: a crowd of waiting players would wake at each request of one of them.
        """
        if self._paused:
            former, self._serving = self._serving, self._find_serving()
            if not self._serving <= former:
                self.end_pauses()

    def stop(self, batch: Batch) -> None:
        """Move no more players of a batch; the requests under way complete."""
        batch.is_stopped = True
        self._fleet.on_change()  # those that wait for a node find the batch stopped
        for search in self._paused:
            if search.wake is not None and search.batch is batch:
                search.wake.set()

    def end_pauses(self, player: Player | None = None) -> None:
        """End the pauses between two rounds of a player's search, or of all searches, at once."""
        for search in self._paused:
            if search.wake is not None and (player is None or search.player is player):
                search.wake.set()

    def close(self) -> None:
        """End all waits, because the pool closes: the callers find that out when they continue."""
        self.end_pauses()
        self._slots.release()  # a task that was cancelled before it began kept its slot; each caller wakes the next one

    async def switch(self, player: Player, node: Node) -> None:
        """Move a player to one node and no other.

        Raises:
            TypeError: `node` is not a `Node`.
            PlayerDestroyedException: The player was destroyed.
            RevvlinkException: The node refused.
        """
        if not isinstance(node, Node):
            raise TypeError(f"node must be a Node, not {type(node).__name__}")
        async with player.turn:
            self.check(player)
            if player.node is node:
                return
            if node.status is not NodeStatus.CONNECTED or not self._fleet.has_member(node):
                raise NodeException(
                    f"{node.identifier} is not connected in this pool",
                    code=Code.NOT_CONNECTED,
                    node=node.identifier,
                    hint="choose a node with Pool.get_node",
                )
            await player.turn.finish(self._assign(player, node))

    async def destroy(self, player: Player) -> None:
        """Destroy a player; a second call does nothing."""
        async with player.turn:
            if self._fleet.get_player(player.guild_id) is not player:
                return
            self._fleet.drop_player(player)
            self._turns[player.guild_id] = player.turn
            self.end_pauses(player)
            node, session = player.node, player.session
            player.detach()
            if node is not None and not is_gone(node, session):
                await player.turn.finish(self.leave(player.guild_id, node))


def is_gone(node: Node, session: str | None) -> bool:
    """Whether a player of this session has ended, because the node has another session now."""
    return node.session_id is not None and session is not None and session != node.session_id
