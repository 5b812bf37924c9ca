"""A player: what a bot wants for one guild, whichever node serves it now.

Its wishes are kept here, so that another node can be given all of them. What the node says of it stands in the node's
roster.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.effects import Effects
from revvlink_cli.client.errors import Code, NodeException
from revvlink_cli.client.guilds import checked_guild_id
from revvlink_cli.client.snapshot import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.client.events import TrackEnd
    from revvlink_cli.client.failover import Failover
    from revvlink_cli.client.node import Node
    from revvlink_cli.client.roster import RemotePlayer
    from revvlink_cli.client.tracks import Playable


TOO_SOON = 5.0
"""Seconds within which a track of which five times as much was left cannot have been played to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceState:
    """What a node needs to speak in a guild.

    Attributes:
        token: From Discord's VOICE_SERVER_UPDATE.
        endpoint: From the same.
        session_id: From VOICE_STATE_UPDATE.
        channel_id: From the same; Lavalink 4.2 needs it.

    Raises:
        ValueError: Something is missing; the text names all that is.
    """

    token: str
    endpoint: str
    session_id: str
    channel_id: str

    def __post_init__(self) -> None:
        """Refuse what a server would."""
        names = ("token", "endpoint", "session_id", "channel_id")
        missing = [name for name in names if not str(getattr(self, name) or "").strip()]
        if missing:
            raise ValueError(f"the voice state has no {' and no '.join(missing)}")
        if not str(self.channel_id).isascii() or not str(self.channel_id).isdigit():
            raise ValueError(f"channel_id is a channel's number, not {self.channel_id!r}")

    def payload(self) -> dict[str, str]:
        """As the protocol writes it."""
        return {
            "token": self.token,
            "endpoint": self.endpoint,
            "sessionId": self.session_id,
            "channelId": str(self.channel_id),
        }


class Player:
    """A guild's player. `Pool.create_player` makes it; its first voice update places it on a node.

    Changes reach the node at once while it is connected; made while it is lost they are kept, and reach it, or the
    node the player is moved to, as soon as there is one.

    Attributes:
        guild_id: Its guild.
        node: The node that serves it, None before the first voice update.
        voice: Its voice state, or None.
        track: What it plays, or None.
        volume: Per cent, 0..1000.
        paused: Whether it stands still.
        filters: Its filters, as in the protocol.
        region: Region to prefer over that of its voice endpoint, or None.
        session: The session of `node` in which it was made, None before that.
        bound_for: The node that is being asked to take it, None when none is: its first events may come before it has
            answered.
    """

    def __init__(self, failover: Failover, guild_id: int | str, *, region: str | None = None) -> None:
        self.guild_id = checked_guild_id(guild_id)
        self.node: Node | None = None
        self.voice: VoiceState | None = None
        self.track: Playable | None = None
        self.volume = 100
        self.paused = False
        self.filters: Mapping[str, Any] = {}
        self.region = region
        self.session: str | None = None
        self.bound_for: Node | None = None
        self._failover = failover
        self._end_time: int | None = None
        self._held: int | None = 0
        self._is_behind = False
        self._began_at = 0
        self._began_when: float | None = None  # not before the node has answered
        self._is_stuck = False  # a Lavalink is still busy with its last voice state
        self.effects = Effects()
        self.held_events: list[tuple[Node, TrackEnd]] = []  # of the node it leaves, while another is asked to take it
        self.turn = asyncio.Lock()
        """Held while the player is changed or moved: one after the other."""

    def __repr__(self) -> str:
        """Guild, node and track."""
        where = self.node.identifier if self.node is not None else "no node"
        return f"<Player {self.guild_id} on {where} {self.track.title if self.track else 'idle'}>"

    @property
    def position(self) -> int:
        """Milliseconds into the track, from the node's last word and the time since."""
        if self.track is None:
            return 0
        told = self.node.roster.state_of(self.guild_id) if self.node is not None else None
        if self._held is not None or told is None:
            return self._held or 0
        state, heard_at = told
        position = state.position
        if not self.paused and state.connected:
            position += int((time.monotonic() - heard_at) * 1000)
        duration = self.track.duration
        return position if duration is None else min(position, duration)

    async def update_voice(self, *, token: str, endpoint: str, session_id: str, channel_id: int | str) -> None:
        """Pass on what Discord said of the voice connection; the first time this places the player.

        Raises:
            ValueError: Something is missing: nothing was sent.
            RevvlinkException: No node took it.
        """
        self.voice = VoiceState(token=token, endpoint=endpoint, session_id=session_id, channel_id=str(channel_id or ""))
        if self.node is None:
            await self._failover.place(self)
            return
        try:
            if self._is_stuck:
                await self._failover.renew(self)
            else:
                await self._change({"voice": self.voice.payload()})
        except NodeException as error:
            self._is_stuck = error.code in (Code.SILENT, Code.TIMEOUT)
            raise
        self._is_stuck = False

    async def play(
        self,
        track: Playable,
        *,
        position: int = 0,
        end_time: int | None = None,
        paused: bool = False,
        no_replace: bool = False,
    ) -> None:
        """Play a track in place of what plays.

        Args:
            track: The track.
            position: Where to begin, milliseconds.
            end_time: Where to end, milliseconds; None is at the track's end.
            paused: Whether to stand still at first.
            no_replace: Whether to leave a track alone that plays already.
        """
        if no_replace and self.track is not None:
            return
        self.track, self._end_time, self.paused = track, end_time, paused
        self._held = position
        await self._change(self._track_payload(), played=True)

    async def stop(self) -> None:
        """Play nothing."""
        self.track, self._end_time, self._held = None, None, 0
        await self._change({"track": {"encoded": None}})

    async def pause(self, paused: bool = True) -> None:
        """Stand still, or go on."""
        if self._held is None:
            self._held = self.position
        self.paused = paused
        await self._change({"paused": paused}, played=True)

    async def seek(self, position: int) -> None:
        """Go to a position of the track, milliseconds."""
        self._held = max(position, 0)
        await self._change({"position": self._held}, played=True)

    async def set_volume(self, volume: int) -> None:
        """Set the volume, 0..1000 per cent."""
        self.volume = min(max(volume, 0), 1000)
        await self._change({"volume": self.volume})

    async def set_filters(self, filters: Mapping[str, Any]) -> None:
        """Set the filters, as in the protocol; an empty mapping takes them off."""
        self.filters = dict(filters)
        await self._change({"filters": self.filters})

    async def start_over(self) -> None:
        """Play the track from its beginning."""
        self._held = 0
        await self._change(self._track_payload(), played=True)

    async def switch_node(self, node: Node) -> None:
        """Be served by another node from now on.

        Raises:
            RevvlinkException: It refused; the player is where it was.
        """
        await self._failover.switch(self, node)

    async def destroy(self) -> None:
        """End it everywhere."""
        await self._failover.destroy(self)

    async def _change(self, data: Mapping[str, Any], *, played: bool = False) -> None:
        """Tell the node, if there is one to be told now."""
        async with self.turn:
            node = self.node
            if node is None:
                return
            if node.status is not NodeStatus.CONNECTED:
                self._is_behind = True
                return
            told = await node.update_player(self.guild_id, data)
            self.session = node.session_id
            if played or told.track is None:
                self._held = None
                self._began_when = time.monotonic()

    # What follows is for Failover and Fleet.

    def hold(self) -> None:
        """Remember the position: the node that knew it is lost."""
        if self._held is None:
            self._held = self.position

    def attach(self, node: Node, told: RemotePlayer | None) -> None:
        """This node serves it now, and has all of its wishes."""
        if self.node is not None and self.node is not node:
            self.node.assignments.let_go(self)
        self.node = node
        node.assignments.hold(self)
        if told is not None:
            self.session = node.session_id
            self._held = None
            self._began_when = time.monotonic()
            self._is_behind = False

    def detach(self) -> None:
        """No node serves it any more."""
        node, self.node, self.session = self.node, None, None
        if node is not None:
            node.assignments.let_go(self)

    @property
    def is_behind(self) -> bool:
        """Whether there were changes that its node has not been told of."""
        return self._is_behind

    def resumed(self) -> None:
        """Its node is back with the player as it was."""
        self._held = None

    @property
    def begins_in_the_middle(self) -> bool:
        """Whether its track was begun in the middle a moment ago: a failure now makes it start over."""
        is_new = self._began_when is None or time.monotonic() - self._began_when < TOO_SOON
        return self.track is not None and self._began_at != 0 and is_new

    def starts_over(self, reason: str) -> bool:
        """Whether its track, which ended as it began in the middle, is worth playing from its beginning; once.

        A Lavalink whose decoder fails there says so, or, when two of its threads meet badly, that it is finished.
        """
        if self.track is None or self._began_at == 0 or reason not in ("finished", "loadFailed"):
            return False
        began_at, self._began_at = self._began_at, 0
        left_ms = (self.track.duration or 0) - began_at
        is_new = self._began_when is None or time.monotonic() - self._began_when < TOO_SOON
        too_soon = is_new and left_ms > TOO_SOON * 5000
        return reason == "loadFailed" or too_soon

    def forget_track(self, track: Playable | None) -> None:
        """Its track has ended on the node."""
        if track is None or self.track is None or track.identifier == self.track.identifier:
            self.track, self._end_time, self._held = None, None, 0

    def payload(self) -> dict[str, Any]:
        """All its wishes, for a node that knows nothing of it."""
        wishes: dict[str, Any] = {"volume": self.volume}
        if self.voice is not None:
            wishes["voice"] = self.voice.payload()
        if self.filters:
            wishes["filters"] = dict(self.filters)
        return wishes | (self._track_payload() if self.track is not None else {})

    def _track_payload(self) -> dict[str, Any]:
        if self.track is None:
            return {}
        told = self.track.to_payload()
        track: dict[str, Any] = {"encoded": told["encoded"]}
        if told["userData"]:
            track["userData"] = told["userData"]
        wishes: dict[str, Any] = {"track": track, "paused": self.paused}
        self._began_at, self._began_when = self.position, None
        if self._began_at:
            wishes["position"] = self._began_at
        if self._end_time is not None:
            wishes["endTime"] = self._end_time
        return wishes
