"""Handles the players of a node that is lost, back, or drained, until each is served or reported as lost.

The players of a lost node wait up to `resume_timeout` seconds for it to come back with its session. They move at once
when its process is surely gone. When the node is back with its session, its players are compared with the pool's.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from revvlink_cli.client import clock
from revvlink_cli.client.errors import Code, NodeException, PlayerDestroyedException, RevvlinkException, is_refusal
from revvlink_cli.client.events import NodeDrained
from revvlink_cli.client.node_access import state_of
from revvlink_cli.client.protocol.dialects import TRAITS, Dialect
from revvlink_cli.client.routing import placement
from revvlink_cli.client.routing.node_search import Batch
from revvlink_cli.client.routing.placement import is_gone
from revvlink_cli.client.snapshot import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Collection

    from revvlink_cli.client.node import Node
    from revvlink_cli.client.player import Player
    from revvlink_cli.client.routing.fleet_access import FleetAccess
    from revvlink_cli.client.routing.placement import Placement

log = logging.getLogger(__name__)

RETRY_PAUSES = (1.0, 30.0)
"""Seconds, at first and at most, before the next try for a node whose players are not all served."""

GONE_AFTER = 2.0
"""Seconds for which a lost node must refuse connections to count as dead: a restarting proxy refuses for one."""

PROBE_PAUSE = 1.0
"""Seconds between two checks whether the process of a lost node is gone."""


@dataclass(frozen=True, slots=True)
class DrainReport:
    """The result of a drain.

    Attributes:
        node: The node's identifier.
        moved: Guild -> the node that serves it now.
        failed: Guild -> why it could not be moved.
    """

    node: str
    moved: dict[int, str]
    failed: dict[int, RevvlinkException]


class Failover:
    """Moves the players of lost and drained nodes, and reconciles the players of nodes that are back."""

    def __init__(self, fleet: FleetAccess, placement: Placement) -> None:
        self._fleet = fleet
        self._placement = placement

    def is_needed_for(self, node: Node) -> bool:
        """Whether a node has players that it does not serve, or may have unwanted ones."""
        if any(not player.is_served for player in self._fleet.players_on(node)):
            return True
        assigned = state_of(node).players
        return node.session_id is not None and (assigned.is_unchecked or bool(assigned.orphans))

    async def run(self, node: Node) -> None:
        """Work on the players of a node until each is served or reported as lost, and no unwanted one is left there."""
        pause, longest = RETRY_PAUSES
        while self.is_needed_for(node):
            try:
                if node.session_id is not None:
                    await self._reconcile(node)
                elif not await self._returns_in_time(node):
                    limit = placement.PLACEMENT_LIMIT + node.settings.resume_timeout
                    await self._move_all(self._fleet.players_on(node), limit=limit)
                else:
                    continue
            except RevvlinkException as error:
                log.info("%s: failover is not complete yet: %s", node.identifier, error)
            if self.is_needed_for(node):
                await self._wait_to_retry(node, pause)
                pause = min(2 * pause, longest)

    async def _wait_to_retry(self, node: Node, seconds: float) -> None:
        """Wait so many seconds, or until the node is lost or back."""
        session = node.session_id
        try:
            async with asyncio.timeout(seconds):
                while node.session_id == session:
                    await self._fleet.changed()
        except TimeoutError:
            return

    async def _reconcile(self, node: Node) -> None:
        """Make the players of a connected node equal to the pool's.

        Orphans are destroyed. After a resume, unknown players are destroyed too: they were made by a request whose
        answer was lost. Players that a program made with `Node.update_player` stay. Deferred changes are sent. Players
        that the server has lost are made again, on this node or on another.

        Raises:
            RevvlinkException: The node did not answer for all of them.
        """
        session, is_unchecked = node.session_id, state_of(node).players.is_unchecked
        mine = set(state_of(node).players.guilds)
        listed = await self._destroy_unwanted(node) if is_unchecked or state_of(node).players.orphans else mine
        gone: list[Player] = []
        refused: list[Player] = []
        trouble: RevvlinkException | None = None
        for player in self._fleet.players_on(node):
            async with player.turn:
                if player.node is not node or node.session_id != session:
                    continue
                if is_gone(node, player.session):
                    gone.append(player)
                    continue
                has_gone = is_unchecked and player.session is not None and player.guild_id in mine - listed
                try:
                    await player.turn.finish(player.synchronize(node, is_there=not has_gone))
                except RevvlinkException as error:
                    if is_refusal(error):
                        refused.append(player)
                    else:
                        trouble = error
        if node.session_id == session and trouble is None:
            state_of(node).players.is_unchecked = False
        await self._move_all(gone)
        await self._move_all(refused, exclude=(node.identifier,))
        if trouble is not None:
            raise trouble

    async def _destroy_unwanted(self, node: Node) -> set[int]:
        """Destroy the unwanted players on a node; return the guilds that it had before.

        Raises:
            RevvlinkException: The node did not answer.
        """
        known, orphans = set(state_of(node).session_players.players), dict(state_of(node).players.orphans)
        is_unchecked = state_of(node).players.is_unchecked and self._fleet.has_players
        listed = {player.guild_id for player in await node.fetch_players()}
        strangers = listed - known - set(state_of(node).players.guilds) if is_unchecked else set()
        for guild in listed & (orphans.keys() | strangers):
            turn = self._placement.turn_of(guild)
            async with turn:
                player = self._fleet.get_player(guild)
                if player is None or player.node is not node:
                    await turn.finish(node.destroy_player(guild))
        since = state_of(node).players.orphans
        state_of(node).players.remove_orphans(*(guild for guild, until in orphans.items() if since.get(guild) == until))
        return listed

    async def _returns_in_time(self, node: Node) -> bool:
        """Wait up to `resume_timeout` for a lost node, or until its process is gone; return whether it is back."""
        gone = asyncio.create_task(_until_gone(node), name=f"is {node.identifier} gone")
        gone.add_done_callback(lambda _: self._fleet.on_change())
        try:
            async with asyncio.timeout(node.settings.resume_timeout):
                while node.status is not NodeStatus.CONNECTED:
                    if gone.done() or not state_of(node).is_supervised:
                        return False
                    await self._fleet.changed()
        except TimeoutError:
            return node.status is NodeStatus.CONNECTED
        finally:
            gone.cancel()
            await asyncio.wait([gone])
        return True

    async def _move_all(
        self, players: Collection[Player], *, exclude: Collection[str] = (), limit: float | None = None
    ) -> None:
        """Move players, `MAX_CONCURRENT` at once: a failure of one does not stop the others.

        A player that waits for a node does not delay the others, because another worker begins meanwhile. On
        cancellation the requests under way complete, and the other players stay.
        """
        if not players:
            return
        left = iter(tuple(players))

        async def work() -> None:
            for player in left:
                if batch.is_stopped:
                    return
                home = (player.node, player.session)
                try:
                    await self._placement.place(player, exclude=exclude, limit=limit, batch=batch)
                except PlayerDestroyedException:
                    continue
                except RevvlinkException as error:
                    log.warning("guild %s: not moved: %s", player.guild_id, error)
                except Exception:  # the boundary of one player: a defect must not cancel the moves of the others
                    log.exception("guild %s: defect in moving it", player.guild_id)
                else:
                    continue
                await self._detach_unplaced(player, *home, batch)

        async def move_all() -> None:
            async with asyncio.TaskGroup() as group:

                def start_worker() -> None:
                    group.create_task(work(), name="move players")

                batch.on_wait = start_worker
                for _ in range(min(len(players), placement.MAX_CONCURRENT)):
                    start_worker()

        batch = Batch()
        try:
            await asyncio.wait([self._fleet.spawn(move_all(), name="move players")])
        except asyncio.CancelledError:
            self._placement.stop(batch)
            raise

    async def _detach_unplaced(self, player: Player, node: Node | None, session: str | None, batch: Batch) -> None:
        """Remove an unplaced player from the node that lost it, unless that node is back or its batch was stopped."""
        async with player.turn:
            if batch.is_stopped:
                return
            if node is None or (player.node, player.session) != (node, session) or node.session_id == session:
                return
            player.detach()
            if not is_gone(node, session):
                await player.turn.finish(self._placement.leave(player.guild_id, node))

    async def drain(self, node: Node) -> DrainReport:
        """Cordon a node and move its players to others, as many at once as one node accepts requests.

        Players that are moving to the node are moved away afterwards. On cancellation the moves under way complete,
        and the other players stay. `NodeDrained` is published in each case.
        """
        node.cordon()
        moved: dict[int, str] = {}
        failed: dict[int, RevvlinkException] = {}
        waiting: list[Player] = []

        async def work() -> None:
            while waiting:
                player = waiting.pop()
                try:
                    await self._placement.place(player, exclude=(node.identifier,), limit=0.0, batch=batch)
                except PlayerDestroyedException:
                    continue
                except RevvlinkException as error:
                    failed[player.guild_id] = error
                except Exception as error:  # as in `_move_all`
                    log.exception("guild %s: defect in moving it", player.guild_id)
                    message = f"internal error: {type(error).__name__}: {error}"
                    failed[player.guild_id] = NodeException(message, code=Code.INTERNAL, node=node.identifier)
                else:
                    if player.node is not None:
                        moved[player.guild_id] = player.node.identifier
                    else:
                        failed[player.guild_id] = NodeException("it lost its node meanwhile", code=Code.NOT_CONNECTED)

        batch = Batch()
        at_once = TRAITS[Dialect.LAVALINK].players_at_once
        workers: list[asyncio.Task[None]] = []
        try:
            while (
                waiting := [player for player in await self._players_of(node) if player.guild_id not in failed]
            ) and self._fleet.is_open:
                workers = [
                    self._fleet.spawn(work(), name=f"drain {node.identifier}")
                    for _ in range(min(at_once, len(waiting)))
                ]
                await asyncio.wait(workers)
        except asyncio.CancelledError:
            waiting.clear()
            if workers:
                await asyncio.wait(workers)
            raise
        finally:
            for guild in set(state_of(node).players.guilds) - failed.keys():
                failed[guild] = NodeException("the drain was given up", code=Code.NOT_CONNECTED)
            self._fleet.publish(NodeDrained(node=node.identifier, moved=moved, failed=failed))
        return DrainReport(node.identifier, moved, failed)

    async def _players_of(self, node: Node) -> list[Player]:
        """Return the players of a node, after those that are moving to it have arrived or failed."""
        for player in self._fleet.players:
            if player.target_node is node:
                async with player.turn:
                    pass  # the move has ended
        return list(self._fleet.players_on(node))


async def _until_gone(node: Node) -> None:
    """Wait until the process of a lost node is surely gone: its port refuses for a while, or another process answers.

    A silent node may still play: this waits for ever then.
    """
    refused_since: float | None = None
    while True:
        try:
            if await state_of(node).is_another_process():
                return
            refused_since = None
        except RevvlinkException as error:
            now = clock.monotonic()
            refused_since = (refused_since or now) if error.code is Code.REFUSED else None
            if refused_since is not None and now - refused_since >= GONE_AFTER:
                return
        await asyncio.sleep(PROBE_PAUSE)
