"""Where one player goes: placed when its voice comes, moved to another node, destroyed.

One guild is on one node, whatever is called at once: everything that changes where a player is holds the guild's
`Turn`, and checks again, once it has it, what it was called for. It gives the turn up while it waits for a node.

Every assignment reserves its cost at once, so that a crowd spreads; the rate limiter of each target bounds how many
requests it gets. A player that no node takes is told of, and kept.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn
from weakref import WeakValueDictionary

from revvlink_cli.client.errors import (
    Code,
    InvalidNodeException,
    NodeException,
    PlayerDestroyedException,
    RevvlinkException,
    is_refusal,
)
from revvlink_cli.client.events import PlayerLost, PlayerMoved
from revvlink_cli.client.node import Node, state_of
from revvlink_cli.client.routing.turn import Turn
from revvlink_cli.client.snapshot import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from revvlink_cli.client.player import Player
    from revvlink_cli.client.routing.fleet_access import FleetAccess

log = logging.getLogger(__name__)

PLACEMENT_LIMIT = 120.0
"""Seconds for which a player waits for a node that takes it."""

ROUND_PAUSE = 2.0
"""Seconds, at most, before nodes that have all refused a player are asked again; twice as many each time."""

AT_ONCE = 128
"""Players that are being given to nodes at one moment: a choice made later knows more, and a crowd of thousands that
chose at once would keep the event loop from the answers."""


@dataclass(slots=True, eq=False)
class _Search:
    """The search for a node that takes one player.

    Attributes:
        player: The player.
        home: The player's node and session when it began.
        exclude: Nodes that are out of the question.
        deadline: Monotonic second at which it is given up.
        refused: The nodes that did not take it, with their reasons.
        asked: Those that may take it later: they are asked again after a pause.
        final: Those that refused it for good.
        nobody: Why no node is left to ask, None while there may be one.
        pause: Seconds, at most, before those in `asked` are asked again.
        wake: Set when a pause has to end early.
    """

    player: Player
    home: tuple[Node | None, str | None]
    exclude: frozenset[str]
    deadline: float
    refused: list[tuple[str, RevvlinkException]] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    final: set[str] = field(default_factory=set)
    nobody: InvalidNodeException | None = None
    pause: float = field(default_factory=lambda: ROUND_PAUSE)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, node: Node, error: RevvlinkException) -> None:
        """A node did not take the player."""
        self.refused.append((node.identifier, error))
        (self.final if is_refusal(error) else self.asked).add(node.identifier)

    @property
    def is_refused(self) -> bool:
        """Whether every node that could be asked has refused for good."""
        return self.nobody is not None and bool(self.final) and not self.asked

    def is_over(self, members: Iterable[Node]) -> bool:
        """Whether no node takes it, or none in time. A first placement, for which a bot waits, waits for no others."""
        if time.monotonic() >= self.deadline:
            return self.nobody is not None
        others = (node for node in members if node.identifier not in self.final | self.exclude)
        return self.is_refused and (self.home[0] is None or not any(state_of(node).is_supervised for node in others))


class Placement:
    """Decides for each player of one fleet which node serves it."""

    def __init__(self, fleet: FleetAccess) -> None:
        self._fleet = fleet
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._turns: WeakValueDictionary[int, Turn] = WeakValueDictionary()
        self._paused: list[_Search] = []
        self._serving: frozenset[str] = frozenset()  # the nodes that can serve, kept while a search is paused

    def turn_of(self, guild_id: int) -> Turn:
        """The turn of a guild, the same for all who hold or await it."""
        turn = self._turns.get(guild_id)
        if turn is None:
            turn = self._turns[guild_id] = Turn(guild_id, self._fleet.spawn, self._fleet.check_loop)
        return turn

    def check(self, player: Player) -> None:
        """Whether the player is one of this fleet.

        Raises:
            PlayerDestroyedException: It was destroyed, or the pool closed.
        """
        if self._fleet.is_closing or self._fleet.get_player(player.guild_id) is not player:
            raise PlayerDestroyedException(player.guild_id)

    async def place(self, player: Player, *, exclude: Collection[str] = (), limit: float | None = None) -> None:
        """Find a node that takes the player, waiting for one if there is none.

        When another call has placed the player meanwhile, or its node is back with it, nothing is left to do.

        Args:
            player: The player.
            exclude: Nodes that are out of the question.
            limit: Seconds to wait for a node that takes it, None for `PLACEMENT_LIMIT`; with 0 each is asked once.

        Raises:
            PlayerDestroyedException: It was destroyed meanwhile.
            RevvlinkException: None took it, and the feed says so. Or, where it had no node before: it was placed, but
                without the changes that were kept, as every node refused them.
        """
        deadline = time.monotonic() + (PLACEMENT_LIMIT if limit is None else limit)
        search = _Search(player, (player.node, player.session), frozenset(exclude), deadline)
        is_first = player.node is None
        before = seen = player.refusal
        while True:
            async with player.turn:
                self.check(player)
                if self._is_settled(player, search) or (is_first and player.refusal is not seen):
                    break
                if await player.turn.finish(lambda: self._try_next(player, search)):
                    break
                if search.is_refused and player.drop_kept(search.refused[-1][1], voice=not is_first):
                    seen = player.refusal
                    search.final.clear()
                    continue
                if search.is_over(self._fleet.members):
                    self._lose(player, search)
            if search.nobody is not None:
                await self._pause(search)
        if is_first and player.refusal is not None and player.refusal is not before:
            raise player.refusal

    @staticmethod
    def _is_settled(player: Player, search: _Search) -> bool:
        """Whether the player was placed since the search began, or its node is back with it."""
        node, session = search.home
        is_back = node is not None and session is not None and node.session_id == session
        return (player.node, player.session) != search.home or (
            is_back and node is not None and node.identifier not in search.exclude
        )

    async def _try_next(self, player: Player, search: _Search) -> bool:
        """Give the player to the best node that was not asked yet; whether it took it."""
        region = player.region
        if region is None and player.voice is not None:
            region = self._fleet.region_from_endpoint(player.voice.endpoint)
        async with self._gate:
            try:
                node = self._fleet.best(region, exclude=search.exclude | search.asked | search.final)
            except InvalidNodeException as error:
                search.nobody = error
                return False
            search.nobody = None
            try:
                await self._settle(player, node, search.refused)
            except RevvlinkException as error:
                log.info("guild %s: %s refused it: %s", player.guild_id, node.identifier, error)
                search.note(node, error)
                return False
        return True

    async def _settle(self, player: Player, node: Node, refused: Sequence[tuple[str, RevvlinkException]] = ()) -> None:
        """Give the player to a node, and take it from the one it leaves.

        Raises:
            RevvlinkException: The node did not take it; the player is where it was.
        """
        guild, origin, session = player.guild_id, player.node, player.session
        assigned = state_of(node).players
        reservation = assigned.reserve()
        player.bound_for = node
        try:
            if guild in assigned.orphans:  # what an attempt before left there would block this one
                player.effects.expect_end()
                await node.destroy_player(guild)
            await player.move_to(node)
        except BaseException:
            assigned.release(reservation)
            assigned.add_orphan(guild, player.turn.doubtful_until)  # it may have been made all the same
            self._fleet.care_for(node)
            raise
        finally:
            player.bound_for = None
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
                refused=tuple(refused),
            )
        )

    async def leave(self, guild: int, origin: Node) -> None:
        """Destroy what is left of a player on a node; one that cannot be asked now is cleared when it is back."""
        assigned = state_of(origin).players
        assigned.add_orphan(guild, self.turn_of(guild).doubtful_until)
        if origin.status is not NodeStatus.CONNECTED or origin.snapshot().hanging is not None:
            return
        try:
            await origin.destroy_player(guild)
        except RevvlinkException as error:
            log.info("guild %s: left on %s for now: %s", guild, origin.identifier, error)
        else:
            assigned.remove_orphans(guild)
        self._fleet.care_for(origin)

    def _lose(self, player: Player, search: _Search) -> NoReturn:
        """Give the search up: the feed and the caller get the last reason."""
        reason = search.refused[-1][1] if search.refused else search.nobody
        if reason is None:
            raise AssertionError("a search is not over before a node was looked for")
        if search.is_refused and search.home[0] is None:
            player.drop_voice(reason)
        origin = search.home[0]
        self._fleet.publish(
            PlayerLost(
                guild_id=player.guild_id, origin=origin.identifier if origin is not None else None, reason=reason
            )
        )
        raise reason

    async def _pause(self, search: _Search) -> None:
        """Wait for a node to ask: for any change, or, when all were asked, for a pause that doubles each time.

        The pause ends early when another node can serve, when the player is destroyed and when the pool closes.
        """
        left = search.deadline - time.monotonic()
        if not search.asked:
            await self._fleet.changed_within(left)
            return
        search.asked.clear()
        search.wake.clear()
        waited = random.uniform(search.pause / 2, search.pause)  # noqa: S311 - no secret
        search.pause *= 2
        if not self._paused:
            self._serving = self._find_serving()
        self._paused.append(search)
        try:
            async with asyncio.timeout(min(waited, left)):
                await search.wake.wait()
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

    def end_pauses(self, player: Player | None = None) -> None:
        """End the pauses between two rounds of a player's search, or of all searches, at once."""
        for search in self._paused:
            if player is None or search.player is player:
                search.wake.set()

    async def switch(self, player: Player, node: Node) -> None:
        """Move a player to one node and no other.

        Raises:
            TypeError: `node` is no node.
            PlayerDestroyedException: The player was destroyed.
            RevvlinkException: It refused.
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
            await player.turn.finish(lambda: self._settle(player, node))

    async def destroy(self, player: Player) -> None:
        """End a player; a second time does nothing."""
        async with player.turn:
            if self._fleet.get_player(player.guild_id) is not player:
                return
            self._fleet.drop_player(player)
            self.end_pauses(player)
            node, session = player.node, player.session
            player.detach()
            if node is not None and not is_gone(node, session):
                await player.turn.finish(lambda: self.leave(player.guild_id, node))


def is_gone(node: Node, session: str | None) -> bool:
    """Whether a player that was made in this session of the node has ended with it: the node has another now."""
    return node.session_id is not None and session is not None and session != node.session_id
