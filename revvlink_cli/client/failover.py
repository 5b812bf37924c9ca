"""Where players go: placed when their voice comes, moved when their node is lost, drained when an operator asks.

A node that is lost gets its `resume_timeout` to come back with its session, then its players move. Every assignment
reserves its cost at once, so that a crowd spreads; the budget of each target bounds how many requests it gets. A player
that no node takes is told of, and kept.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from revvlink_cli.client.dialect import TRAITS, Dialect
from revvlink_cli.client.errors import Code, InvalidNodeException, NodeException, RevvlinkException
from revvlink_cli.client.feed import NodeDrained, PlayerLost, PlayerMoved
from revvlink_cli.client.snapshot import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Collection

    from revvlink_cli.client.fleet import Fleet
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.player import Player

log = logging.getLogger(__name__)

PLACEMENT_LIMIT = 120.0
"""Seconds for which a player waits for a node that takes it."""

ROUND_PAUSE = 2.0
"""Seconds, at most, before nodes that have all refused a player are asked again; twice as many each time."""


AT_ONCE = 128
"""Players that are being given to nodes at one moment: a choice made later knows more, and a crowd of thousands that
chose at once would keep the event loop from the answers."""


@dataclass(frozen=True, slots=True)
class DrainReport:
    """What became of a drained node's players.

    Attributes:
        node: The node's identifier.
        moved: Guild -> the node that serves it now.
        failed: Guild -> why it is still where it was.
    """

    node: str
    moved: dict[int, str]
    failed: dict[int, RevvlinkException]


class Failover:
    """Places and moves the players of one fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._is_over = False

    def end(self) -> None:
        """The pool is closed: its players are placed no more."""
        self._is_over = True

    def _check(self) -> None:
        """Refuse to act for a pool that was closed, or from another event loop than its own.

        Raises:
            NodeException: The pool was closed.
            RuntimeError: The event loop is another.
        """
        self._fleet.check_loop()
        if self._is_over:
            raise NodeException(
                "the pool was closed, and its players with it",
                code=Code.NOT_CONNECTED,
                hint="make another player with Pool.create_player",
            )

    async def place(
        self,
        player: Player,
        *,
        origin: Node | None = None,
        exclude: Collection[str] = (),
        limit: float = PLACEMENT_LIMIT,
    ) -> None:
        """Find a node that takes the player, waiting for one if there is none.

        Args:
            player: The player.
            origin: The node it leaves, if any.
            exclude: Nodes that are out of the question.
            limit: Seconds to wait for a node that takes it; with 0 each is asked once.

        Raises:
            RevvlinkException: None took it in time; the same has been told in the feed.
        """
        self._check()
        async with player.turn:
            await self._place(player, origin, frozenset(exclude), limit)

    async def _place(self, player: Player, origin: Node | None, exclude: frozenset[str], limit: float) -> None:
        refused: list[tuple[str, RevvlinkException]] = []
        asked: set[str] = set()
        deadline = time.monotonic() + limit
        pause = ROUND_PAUSE
        while True:
            try:
                node, refusal = await self._attempt(player, origin, exclude | asked)
            except InvalidNodeException as error:
                if time.monotonic() >= deadline:
                    self._lose(player, origin, refused[-1][1] if refused else error)
                if asked:  # all refused: once more, after a while
                    asked.clear()
                    waited = random.uniform(pause / 2, pause)  # noqa: S311 - no secret
                    pause *= 2
                    await self._change_or(min(waited, deadline - time.monotonic()), anything=False)
                else:
                    await self._change_or(deadline - time.monotonic(), anything=True)
                continue
            if refusal is not None:
                log.info("guild %s: %s refused it: %s", player.guild_id, node.identifier, refusal)
                refused.append((node.identifier, refusal))
                asked.add(node.identifier)
                continue
            self._fleet.tell(
                PlayerMoved(
                    guild_id=player.guild_id,
                    origin=origin.identifier if origin is not None else None,
                    target=node.identifier,
                    refused=tuple(refused),
                )
            )
            return

    async def _attempt(
        self, player: Player, origin: Node | None, exclude: Collection[str]
    ) -> tuple[Node, RevvlinkException | None]:
        """Give the player to the best node for it; that node, and why it refused if it did.

        Raises:
            InvalidNodeException: No node can serve.
        """
        self._check()  # again: it may have waited long
        region = player.region
        if region is None and player.voice is not None:
            region = self._fleet.region_from_endpoint(player.voice.endpoint)
        async with self._gate:
            node = self._fleet.best(region, exclude=exclude)
            try:
                await self._settle(player, node, origin)
            except RevvlinkException as error:
                return node, error
        return node, None

    async def _settle(self, player: Player, node: Node, origin: Node | None) -> None:
        """Give the player to a node, and take it from the one it leaves."""
        reservation, session = node.assignments.reserve(), node.session_id
        player.bound_for = node
        try:
            if player.guild_id in node.assignments.abandoned:  # what an attempt before left there would block this one
                player.effects.expect_end()
                await node.destroy_player(player.guild_id)
                node.assignments.cleared(player.guild_id)
            told = await node.update_player(player.guild_id, player.payload())
            self._check_session(node, session)
        except BaseException:
            node.assignments.release(reservation)
            node.assignments.abandon(player.guild_id)  # a request that was given up may still have made it
            raise
        else:
            player.attach(node, told)
        finally:
            player.bound_for = None
            self._fleet.note_held_events(player)
        if origin is not None and origin is not node:
            await self._leave(player.guild_id, origin)

    @staticmethod
    def _check_session(node: Node, session: str | None) -> None:
        if node.session_id != session:
            raise NodeException(
                f"{node.identifier} was lost while it took the player",
                code=Code.CLOSED,
                node=node.identifier,
                hint="another node is tried",
            )

    async def _leave(self, guild: int, origin: Node) -> None:
        """Destroy what is left of a player on a node; one that cannot be asked now is cleared when it is back."""
        origin.assignments.abandon(guild)
        if origin.status is NodeStatus.CONNECTED:
            try:
                await origin.destroy_player(guild)
            except RevvlinkException as error:
                log.info("guild %s: left on %s for now: %s", guild, origin.identifier, error)
            else:
                origin.assignments.cleared(guild)

    def _lose(self, player: Player, origin: Node | None, reason: RevvlinkException) -> NoReturn:
        self._fleet.tell(
            PlayerLost(
                guild_id=player.guild_id, origin=origin.identifier if origin is not None else None, reason=reason
            )
        )
        raise reason

    async def _change_or(self, seconds: float, *, anything: bool) -> None:
        """Wait until something about a node changes, or so long; with `anything` unset the time is waited in full."""
        try:
            async with asyncio.timeout(max(seconds, 0.001)):
                while True:
                    await self._fleet.changed()
                    if anything:
                        return
        except TimeoutError:
            return

    async def switch(self, player: Player, node: Node) -> None:
        """Move a player to one node and no other.

        Raises:
            RevvlinkException: It refused.
        """
        self._check()
        async with player.turn:
            origin = player.node
            if origin is node:
                return
            if node.status is not NodeStatus.CONNECTED or node.fleet is not self._fleet:
                raise NodeException(
                    f"{node.identifier} is not connected in this pool",
                    code=Code.NOT_CONNECTED,
                    node=node.identifier,
                    hint="choose a node with Pool.get_node",
                )
            await self._settle(player, node, origin)
            name = origin.identifier if origin is not None else None
            self._fleet.tell(PlayerMoved(guild_id=player.guild_id, origin=name, target=node.identifier))

    async def renew(self, player: Player) -> None:
        """Make a player anew where it is: a Lavalink that waits for its last voice server takes no other before that.

        Raises:
            RevvlinkException: The node refused.
        """
        self._check()
        async with player.turn:
            node = player.node
            if node is not None:
                player.hold()
                player.effects.expect_end()
                await node.destroy_player(player.guild_id)
                player.attach(node, await node.update_player(player.guild_id, player.payload()))

    async def destroy(self, player: Player) -> None:
        """End a player; one whose pool was closed has ended with it."""
        self._fleet.check_loop()
        async with player.turn:
            self._fleet.drop_player(player)
            node = player.node
            player.detach()
            if node is not None:
                await self._leave(player.guild_id, node)

    @staticmethod
    def needs_care(node: Node) -> bool:
        """Whether a node has players that it does not serve: it is lost, or its session is not theirs."""
        session = node.session_id
        return any(session is None or player.session not in (None, session) for player in node.players.values())

    async def rescue(self, node: Node) -> None:
        """Care for the players of a node that was lost, or is back without them, until each is served or told of."""
        for player in node.players.values():
            player.hold()
        pause = 1.0
        while self.needs_care(node):
            if node.session_id is None and not await self._back_in_time(node):
                await self._move_all(node.players.values(), node)
                continue
            try:
                if node.snapshot().resumed:
                    await self.synchronise(node)
            except RevvlinkException as error:
                log.info("%s: lost again before its players were cared for: %s", node.identifier, error)
                await self._change_or(pause, anything=False)
                pause = min(2 * pause, 30.0)
                continue
            session = node.session_id
            if session is not None:  # those of an older session are gone with it
                gone = [player for player in node.players.values() if player.session not in (None, session)]
                await self._move_all(gone, None)

    async def _back_in_time(self, node: Node) -> bool:
        """Whether a lost node comes back within its `resume_timeout`."""
        try:
            async with asyncio.timeout(node.settings.resume_timeout):
                while node.status is not NodeStatus.CONNECTED:
                    if not node.is_supervised:
                        return False
                    await self._fleet.changed()
        except TimeoutError:
            return node.status is NodeStatus.CONNECTED
        return True

    async def _move_all(self, players: Collection[Player], origin: Node | None) -> None:
        """Move players side by side; each tells by itself how it went."""

        async def move(player: Player) -> None:
            try:
                await self.place(player, origin=origin)
            except RevvlinkException as error:
                log.warning("guild %s: not moved: %s", player.guild_id, error)
                player.detach()

        async with asyncio.TaskGroup() as group:
            for player in tuple(players):
                group.create_task(move(player), name=f"move {player.guild_id}")

    async def synchronise(self, node: Node) -> None:
        """Bring the players of a session and ours together, as after a resume.

        Orphans are destroyed: what was abandoned there, and players that nobody here has ever been told of (the answer
        to the request that made them was lost). Those that a program made by `Node.update_player` are its own.

        Raises:
            RevvlinkException: The node could not be asked.
        """
        known = set(node.roster.players)
        listed = {told.guild_id for told in await node.fetch_players()}
        strangers = listed - known - set(node.players) if self._fleet.has_players else set()
        for guild in listed & (node.assignments.abandoned | strangers):
            player = self._fleet.get_player(guild)
            if player is None or node not in (player.node, player.bound_for):
                await node.destroy_player(guild)
        node.assignments.cleared(*node.assignments.abandoned)
        for player in tuple(node.players.values()):
            async with player.turn:
                if player.node is not node:
                    continue
                if player.guild_id not in listed or player.is_behind:
                    player.effects.expect_end()
                    player.attach(node, await node.update_player(player.guild_id, player.payload()))
                else:
                    player.resumed()

    async def drain(self, node: Node) -> DrainReport:
        """Cordon a node and move its players to others, as many at once as one node may be asked.

        When cancelled, the moves in flight are finished; the rest stay. Either way the feed has the report.
        """
        node.cordon()
        players = list(node.players.values())
        waiting = players.copy()
        moved: dict[int, str] = {}
        failed: dict[int, RevvlinkException] = {}

        async def work() -> None:
            while waiting:
                player = waiting.pop()
                try:
                    await self.place(player, origin=node, exclude=(node.identifier,), limit=0.0)
                except RevvlinkException as error:
                    failed[player.guild_id] = error
                else:
                    moved[player.guild_id] = player.node.identifier if player.node is not None else ""

        workers = [
            self._fleet.spawn(work(), name=f"drain {node.identifier}")
            for _ in range(min(TRAITS[Dialect.LAVALINK].players_at_once, len(players)))
        ]
        try:
            if workers:
                await asyncio.wait(workers)
        except asyncio.CancelledError:
            waiting.clear()
            await asyncio.wait(workers)
            raise
        finally:
            for player in players:
                if player.guild_id not in moved and player.guild_id not in failed:
                    failed[player.guild_id] = NodeException("the drain was given up", code=Code.NOT_CONNECTED)
            self._fleet.tell(NodeDrained(node=node.identifier, moved=moved, failed=failed))
        return DrainReport(node.identifier, moved, failed)
