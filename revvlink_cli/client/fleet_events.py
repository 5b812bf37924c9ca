"""Turns the reports of nodes into events of the pool, and hides from the bot the events that the pool has caused."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.errors import Code, PlayerDestroyedException, RevvlinkException
from revvlink_cli.client.events import (
    EventFeed,
    NodeAnswering,
    NodeClosed,
    NodeEvent,
    NodeFailed,
    NodeHanging,
    NodeLost,
    NodeReady,
    NodeRefusing,
    PoolEvent,
    StatsReceived,
    name_of,
)
from revvlink_cli.client.node_access import state_of
from revvlink_cli.client.protocol.messages import TrackEnd, TrackStart
from revvlink_cli.client.routing.effects import ON_REQUEST, is_effect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.client.node import Node
    from revvlink_cli.client.player import Player
    from revvlink_cli.client.protocol.messages import Event
    from revvlink_cli.client.protocol.models import NodeStats
    from revvlink_cli.client.protocol.tracks import Playable
    from revvlink_cli.client.routing.fleet_access import FleetAccess
    from revvlink_cli.client.routing.penalty import Penalty

log = logging.getLogger(__name__)

RESTART_PAUSES = (1.0, 3.0, 9.0)
"""Seconds to wait after each failed request to play a track from its beginning."""


class FleetMember:
    """The connection from one node to its fleet: it passes on the node's reports. See `NodeObserver`."""

    __slots__ = (
        "_fleet",
        "_node",
    )

    def __init__(self, fleet: FleetAccess, node: Node) -> None:
        self._fleet = fleet
        self._node = node

    def on_change(self) -> None:
        """Pass on that a value of the node's snapshot has changed."""
        self._fleet.on_change(self._node)

    def on_arrival(self) -> None:
        """Wake the tasks that wait for a change."""
        self._fleet.on_change()

    def on_ready(self, session_id: str, *, resumed: bool) -> None:
        """Publish that the node is connected, and start its failover if players need it."""
        self._fleet.publish(NodeReady(node=self._node.identifier, session_id=session_id, resumed=resumed))
        self._fleet.start_failover(self._node)

    def on_lost(self, reason: RevvlinkException) -> None:
        """Save the positions of the node's players, publish the loss and start the failover."""
        players = self._fleet.players_on(self._node)
        for player in players:
            player.save_position()
        self._fleet.publish(NodeLost(node=self._node.identifier, reason=reason, players=len(players)))
        self._fleet.start_failover(self._node)

    def on_rest_change(self, reason: RevvlinkException | None) -> None:
        """Publish that the connected node stopped serving requests, or with None that it serves them again.

        Its players stay: they still play.
        """
        if reason is None:
            self._fleet.publish(NodeAnswering(node=self._node.identifier))
            if state_of(self._node).players.orphans:  # players that left it meanwhile
                self._fleet.start_failover(self._node)
        else:
            players = len(self._fleet.players_on(self._node))
            kind = NodeHanging if reason.code is Code.REST_UNRESPONSIVE else NodeRefusing
            self._fleet.publish(kind(node=self._node.identifier, reason=reason, players=players))

    def on_failed(self, reason: RevvlinkException, attempts: int) -> None:
        """Publish that an attempt to connect the node has failed."""
        self._fleet.publish(NodeFailed(node=self._node.identifier, reason=reason, attempts=attempts))

    def on_closed(self) -> None:
        """Publish that the node is closed, or that the client has given it up."""
        self._fleet.publish(NodeClosed(node=self._node.identifier))

    def on_stats(self, stats: NodeStats) -> None:
        """Publish the statistics of the node."""
        self._fleet.publish(StatsReceived(node=self._node.identifier, stats=stats))

    def on_event(self, event: Event) -> None:
        """Pass on an event of a player."""
        self._fleet.on_event(self._node, event)

    async def changed(self) -> None:
        """Wait until something about a node of the fleet changes."""
        await self._fleet.changed()

    def check_loop(self) -> None:
        """Raise RuntimeError unless the caller runs on the event loop of the fleet."""
        self._fleet.check_loop()

    def penalty(self) -> Penalty | None:
        """The node's penalty among the nodes of the fleet."""
        return self._fleet.penalty_of(self._node)

    def players(self) -> Mapping[int, Player]:
        """The players that the node serves, by guild."""
        return {player.guild_id: player for player in self._fleet.players_on(self._node)}

    async def close(self, *, eject: bool) -> None:
        """Move the node's players to others and close it; see `Node.close`."""
        await self._fleet.close_node(self._node, eject=eject)


class FleetEvents:
    """Finds out which events the pool has caused, and sends all events to the readers and to the client.

    Attributes:
        feed: The queues of the readers.
    """

    def __init__(self, fleet: FleetAccess) -> None:
        self.feed = EventFeed()
        self._fleet = fleet

    def publish(self, event: PoolEvent, client: Any) -> None:
        """Send an event to the readers, and to the client unless the pool has caused it."""
        self.feed.publish(event)
        if isinstance(event, NodeEvent) and event.event.caused_by_pool:
            return  # the bot did not ask for it, and must not act on it
        dispatch = getattr(client, "dispatch", None)
        if callable(dispatch):
            try:
                named = event.event if isinstance(event, NodeEvent) else event
                dispatch(f"revvlink_{name_of(type(named))}", event)
            except Exception:  # the bot's code: its defects must not end a connection
                log.exception("the client's dispatch failed")

    def on_event(self, node: Node, event: Event) -> None:
        """Handle a player's event that a node has sent."""
        player = self._fleet.get_player(event.guild_id) if event.guild_id else None
        if player is not None and isinstance(event, TrackEnd) and self._depends_on_move(player, node, event):
            player.deferred_events += ((node, event),)
            return
        if isinstance(event, TrackStart) and player is not None and node is (player.target_node or player.node):
            player.note_started(event.track)
        is_ours = is_effect(event, player, node)
        if player is not None and not is_ours and isinstance(event, TrackEnd):
            is_ours = self._restarts(player, node, event)
        if is_ours:
            event = replace(event, caused_by_pool=True)
        self._fleet.publish(NodeEvent(node=node.identifier, event=event))

    @staticmethod
    def _depends_on_move(player: Player, node: Node, event: TrackEnd) -> bool:
        """Whether only the result of a move shows the meaning of an end.

        On the node that the player leaves, it applies when the move fails. On the target, the failure of a track that
        started in the middle applies when the move succeeds.
        """
        if player.target_node is not node:
            return player.target_node is not None
        return node is not player.node and event.reason not in ON_REQUEST and player.begins_in_the_middle

    def on_move_ended(self, player: Player) -> None:
        """Handle the ends of tracks that came while the player moved; call it after success and after failure."""
        held, player.deferred_events = player.deferred_events, ()
        for node, event in held:
            self.on_event(node, event)

    def _restarts(self, player: Player, node: Node, event: TrackEnd) -> bool:
        """Whether a track that has ended is played again from its beginning; the bot then gets no end event.

        lavaplayer cannot begin in the middle of some containers, Ogg among them.
        """
        track = player.take_restart(event.track, event.reason)
        if track is None or not self._fleet.is_open:
            self._end_track(player, event)
            return False
        player.effects.expect_end()  # a NodeLink ends a track that fails twice
        self._fleet.spawn(self._restart(player, node, track, event), name=f"start over {player.guild_id}")
        return True

    @staticmethod
    def _end_track(player: Player, event: TrackEnd) -> None:
        player.effects.ended()
        if event.reason != "replaced":
            player.forget_track(event.track)

    async def _restart(self, player: Player, node: Node, track: Playable, event: TrackEnd) -> None:
        """Play a track from its beginning. When all requests fail, the bot gets the deferred end event."""
        for pause in RESTART_PAUSES:
            try:
                await player.restart(track)
            except PlayerDestroyedException:
                return
            except RevvlinkException as error:
                log.info("guild %s: its track could not be started over: %s", player.guild_id, error)
                await asyncio.sleep(pause)
            else:
                return
        if player.track is track:
            self._end_track(player, event)
            self._fleet.publish(NodeEvent(node=node.identifier, event=event))
