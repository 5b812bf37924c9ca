"""A player: what a bot wants for one guild, whichever node serves it now.

Its wishes count once a node has accepted them. They are kept here, so that another node can be given all of them. What
the node says of the player stands in the node's `session_players`.
"""

from __future__ import annotations

import time
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from revvlink_cli.client.errors import Code, NodeException, RevvlinkException, is_refusal
from revvlink_cli.client.node import state_of
from revvlink_cli.client.protocol.guild_ids import checked_guild_id
from revvlink_cli.client.routing.effects import Effects, is_same
from revvlink_cli.client.routing.wishes import (
    TRACK_FIELDS,
    VoiceState,
    Wishes,
    check_flag,
    check_number,
    check_track,
    checked_filters,
)
from revvlink_cli.client.snapshot import NodeStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from revvlink_cli.client.node import Node
    from revvlink_cli.client.protocol.messages import TrackEnd
    from revvlink_cli.client.protocol.tracks import Playable
    from revvlink_cli.client.routing.turn import Turn

TOO_SOON = 5.0
"""Seconds within which a track of which five times as much was left cannot have been played to its end."""

DOUBTFUL = 2.0
"""Times a node's timeout within which it may still do what it has not answered."""


class PlayerPlacement(Protocol):
    """What a player needs of the pool that places it, see `Placement`."""

    def turn_of(self, guild_id: int) -> Turn:
        """The turn of a guild, the same for all who hold or await it."""

    def check(self, player: Player) -> None:
        """Check that the player is one of the pool.

        Raises:
            PlayerDestroyedException: It was destroyed, or the pool closed.
        """

    async def place(self, player: Player) -> None:
        """Find a node that takes the player."""

    async def switch(self, player: Player, node: Node) -> None:
        """Move the player to one node and no other."""

    async def destroy(self, player: Player) -> None:
        """End the player."""


class Player:
    """A guild's player. `Pool.create_player` makes it; its first voice update places it on a node.

    Changes are made one after the other, in the order of the calls. While its node is connected a change reaches it at
    once, and counts when the node has accepted it: a call that raises leaves the player as it was. Only a new voice
    state that got no answer is kept, as Discord has ended the one before; and a track whose request got no answer
    counts when it begins on the node all the same. Changes made while there is no node, or while
    it is lost, are kept; they reach the node that serves the player next, and those that it refuses are dropped.

    A call that is cancelled after its request was sent lets the request come to its end. After `destroy`, and after the
    pool was closed, every change raises `PlayerDestroyedException`.

    Attributes:
        guild_id: Its guild.
        node: The node that serves it, None before the first voice update.
        region: Region to prefer over that of its voice endpoint, or None.
        session: The session of `node` in which it was made, None before that.
        bound_for: The node that is being asked to take it, None when none is: its first events may come before it has
            answered.
        turn: Held while the player is changed or moved: one after the other, also if another `Player` had the guild
            before.
        refusal: The last answer by which kept changes were refused, None if none ever was.
        effects: Which of the events to come the pool has caused itself.
        held_events: Ends of tracks on the node that it leaves, while another is asked to take it.
    """

    def __init__(self, placement: PlayerPlacement, guild_id: int | str, *, region: str | None = None) -> None:
        self.guild_id = checked_guild_id(guild_id)
        self.node: Node | None = None
        self.region = region
        self.session: str | None = None
        self.bound_for: Node | None = None
        self.turn = placement.turn_of(self.guild_id)
        self.refusal: RevvlinkException | None = None
        self.effects = Effects()
        self.held_events: list[tuple[Node, TrackEnd]] = []
        self._placement = placement
        self._wishes = Wishes()
        self._accepted: Wishes | None = None  # what counted before changes were kept, None when none are
        self._kept = self._wishes  # those that were kept, while some of them are left out
        self._untried: list[Wishes] | None = None  # what is left to try with fewer of them
        self._starting: Playable | None = None  # the track of a change that is under way
        self._has_begun = False  # the node has said that this track begins
        self._unanswered: Wishes | None = None  # with a track that the node may play though it did not say so
        self._is_bare = False  # its node has a player of the guild, but not its wishes
        self._is_stuck = False  # a Lavalink is still busy with its last voice state
        self._began_at = 0
        self._began_when: float | None = None  # not before the node has answered

    def __repr__(self) -> str:
        """Guild, node and track."""
        where = self.node.identifier if self.node is not None else "no node"
        return f"<Player {self.guild_id} on {where} {self.track.title if self.track else 'idle'}>"

    @property
    def voice(self) -> VoiceState | None:
        """Its voice state, or None."""
        return self._wishes.voice

    @property
    def track(self) -> Playable | None:
        """What it plays, or None."""
        return self._wishes.track

    @property
    def volume(self) -> int:
        """Per cent, 0..1000."""
        return self._wishes.volume

    @property
    def paused(self) -> bool:
        """Whether it stands still."""
        return self._wishes.paused

    @property
    def filters(self) -> Mapping[str, Any]:
        """Its filters, as in the protocol."""
        return MappingProxyType(dict(self._wishes.filters))

    @property
    def position(self) -> int:
        """Milliseconds into the track, from the node's last word and the time since."""
        if self.track is None:
            return 0
        held = self._wishes.position
        told = state_of(self.node).session_players.state_of(self.guild_id) if self.node is not None else None
        if held is not None or told is None:
            return held or 0
        state, heard_at = told
        position = state.position
        if self._began_when is not None:  # the node is to begin there; until it has, a Lavalink says 0
            position = max(position, self._began_at)
        if not self.paused and state.connected:
            position += int((time.monotonic() - heard_at) * 1000)
        duration = self.track.duration
        return position if duration is None else min(position, duration)

    async def update_voice(self, *, token: str, endpoint: str, session_id: str, channel_id: int | str) -> None:
        """Pass on what Discord said of the voice connection; the first time this places the player.

        Raises:
            TypeError: Something is of another type: nothing was sent.
            ValueError: Something is missing: nothing was sent.
            PlayerDestroyedException: The player was destroyed.
            RevvlinkException: No node took it, or none took what was wanted before; see `node` for which.
        """
        channel: Any = str(channel_id) if type(channel_id) is int else channel_id
        voice = VoiceState(token=token, endpoint=endpoint, session_id=session_id, channel_id=channel)
        async with self.turn:
            await self._change(voice=voice)
            is_placed = self.node is not None
        if not is_placed:
            await self._placement.place(self)

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

        Raises:
            TypeError: An argument is of another type: nothing was sent.
            ValueError: `end_time` is not above 0, or the track's `user_data` cannot be sent: nothing was sent.
            PlayerDestroyedException: The player was destroyed.
            RevvlinkException: The node refused, or did not answer.
        """
        check_track(track)
        check_number("position", position)
        check_flag("paused", paused)
        check_flag("no_replace", no_replace)
        if end_time is not None:
            check_number("end_time", end_time)
            if end_time <= 0:
                raise ValueError(f"end_time must be above 0, not {end_time}")
        async with self.turn:
            if no_replace and self.track is not None:
                self._placement.check(self)
                return
            self.effects.expect_no_end()
            await self._change(track=track, position=max(position, 0), end_time=end_time, paused=paused)

    async def stop(self) -> None:
        """Play nothing; raises as `play`."""
        async with self.turn:
            self.effects.expect_no_end()
            await self._change(track=None, position=0, end_time=None, paused=False)

    async def pause(self, paused: bool = True) -> None:
        """Stand still, or go on; raises as `play`."""
        check_flag("paused", paused)
        async with self.turn:
            await self._change(paused=paused)

    async def seek(self, position: int) -> None:
        """Go to a position of the track, milliseconds; raises as `play`."""
        check_number("position", position)
        async with self.turn:
            await self._change(position=max(position, 0))

    async def set_volume(self, volume: int) -> None:
        """Set the volume, 0..1000 per cent; raises as `play`."""
        check_number("volume", volume)
        async with self.turn:
            await self._change(volume=min(max(volume, 0), 1000))

    async def set_filters(self, filters: Mapping[str, Any]) -> None:
        """Set the filters, as in the protocol; an empty mapping takes them off. Raises as `play`."""
        checked = checked_filters(filters)
        async with self.turn:
            await self._change(filters=checked)

    async def switch_node(self, node: Node) -> None:
        """Be served by another node from now on.

        Raises:
            TypeError: `node` is no `Node`.
            PlayerDestroyedException: The player was destroyed.
            RevvlinkException: It refused; the player is where it was.
        """
        await self._placement.switch(self, node)

    async def destroy(self) -> None:
        """End it everywhere, for good. `Pool.create_player` makes another one."""
        await self._placement.destroy(self)

    # Changes: whoever calls what follows holds the turn.

    async def _change(self, **wanted: Any) -> None:
        """Have wishes accepted by the node; without a connected one they are kept."""
        self._placement.check(self)
        node = self.node
        if node is None or node.status is not NodeStatus.CONNECTED:
            self._keep(wanted)
        else:
            await self.turn.finish(lambda: self._ask(node, wanted))

    def _keep(self, wanted: Mapping[str, Any]) -> None:
        self.hold()
        if self._accepted is None:
            self._accepted = self._wishes
        self._wishes, self._untried = replace(self._wishes, **wanted), None

    async def _ask(self, node: Node, wanted: Mapping[str, Any]) -> None:
        """Ask the node for a change; for all wishes where it does not have the others."""
        if node.session_id is None:  # it was lost a moment ago
            self._keep(wanted)
            return
        voice = wanted.get("voice")
        try:
            if voice is not None and self._is_stuck:  # such a Lavalink takes no other voice state
                self.hold()
                self._is_bare = True
                self.effects.expect_end()
                await node.destroy_player(self.guild_id)
            is_foreign = self.session not in (None, node.session_id)
            names = None if self._is_bare or is_foreign else wanted.keys()
            self.session = await self._send(node, replace(self._wishes, **wanted), names)
        except RevvlinkException as error:
            if voice is not None and not is_refusal(error):
                self._wishes = replace(self._wishes, voice=voice)
                self._is_stuck = error.code in (Code.SILENT, Code.TIMEOUT)
            raise
        if voice is not None:
            self._is_stuck = False

    async def _send(self, node: Node, wishes: Wishes, names: Collection[str] | None) -> str | None:
        """Send fields of `wishes` to a node, None is all, and count them when it has accepted them; gives its session.

        Raises:
            RevvlinkException: It refused, or did not answer: nothing has changed here.
        """
        if names is None and wishes.position is None:
            wishes = replace(wishes, position=self.position)
        session, began = node.session_id, (self._began_at, self._began_when)
        if names is None or "track" in names:
            self._starting, self._has_begun = wishes.track, False
            self._began_at, self._began_when = wishes.position or 0, None
        if node is self.node and self.voice is not None and (names is None or "voice" in names):
            self.effects.expect_close()
        starting = self._starting
        try:
            data = wishes.payload() if names is None else wishes.changes(names)
            await node.update_player(self.guild_id, data)
            if names is None:
                _check_session(node, session)
        except BaseException as error:
            self._began_at, self._began_when = began
            if not is_refusal(error):
                self.turn.doubt(DOUBTFUL * node.settings.timeout)
                if names is None or starting is not None:  # a change of something else says nothing of a track
                    self._unanswered = wishes if names is not None else None
                if self._unanswered is wishes and self._has_begun:
                    self._count_begun(wishes if self._starting is starting else wishes.idle())
            raise
        finally:
            has_ended, self._starting = self._starting is not starting, None
        self._count(wishes.idle() if has_ended else wishes, names)
        if node.session_id != session:
            self.hold()
        return session

    def _count(self, wishes: Wishes, names: Collection[str] | None) -> None:
        """A node has accepted these fields of `wishes`, None is all."""
        self._untried = None
        if names is None:
            self._wishes, self._accepted, self._is_bare = replace(wishes, position=None), None, False
        else:
            fields = {name: getattr(wishes, name) for name in names}
            self._wishes = replace(self._wishes, **fields)
            if self._accepted is not None:
                self._accepted = replace(self._accepted, **fields)
            if self._accepted is None or not self._wishes.differing(self._accepted):
                self._wishes, self._accepted = replace(self._wishes, position=None), None
        if names is None or "track" in names:
            self._began_when, self._unanswered = time.monotonic(), None
        elif "position" in names:
            self._began_at = 0  # it has been where somebody wanted it

    async def move_to(self, node: Node) -> None:
        """Be served by a node from now on: it gets all wishes.

        Raises:
            RevvlinkException: It refused, or did not answer; the player is where it was.
        """
        self.session = await self._send(node, replace(self._wishes, position=self.position), None)
        self._is_stuck = False
        self.attach(node)

    async def catch_up(self, node: Node, *, is_there: bool) -> None:
        """Send its node what it lacks, as after a loss; kept changes that it refuses are dropped.

        Args:
            node: Its node.
            is_there: Whether the node has the player at all.

        Raises:
            RevvlinkException: The node refused it altogether, or did not answer.
        """
        self._is_bare = self._is_bare or not is_there
        while self._is_bare or self._accepted is not None:
            names = None if self._is_bare or self._accepted is None else self._wishes.differing(self._accepted)
            if names is None:
                self.effects.expect_end()
            try:
                self.session = await self._send(node, self._wishes, names)
            except RevvlinkException as error:
                if not is_refusal(error) or not self.drop_kept(error, voice=True):
                    raise
        self._wishes = replace(self._wishes, position=None)

    def drop_kept(self, refusal: RevvlinkException, *, voice: bool) -> bool:
        """Do without kept changes that no node accepts, as few as can be; False when none is left to do without.

        Args:
            refusal: The answer.
            voice: Whether to do without a new voice state in the end; a first placement cannot.
        """
        if self._accepted is None:
            return False
        if self._untried is None:
            self._kept, self._untried = self._wishes, self._wishes.without(self._accepted, voice=voice)
        if not self._untried:
            return False
        self._wishes, self.refusal = self._untried.pop(0), refusal
        if self._wishes == self._accepted:
            self._accepted = None
        return True

    def drop_voice(self, refusal: RevvlinkException) -> None:
        """No node accepts the new voice state, whatever else it is sent with: the other kept changes stay kept."""
        if self._accepted is not None:
            kept = self._wishes if self._untried is None else self._kept
            self._wishes, self._untried = replace(kept, voice=self._accepted.voice), None
            self.refusal = refusal
            if self._wishes == self._accepted:
                self._accepted = None

    # What follows is for Placement, Failover and Fleet.

    @property
    def is_served(self) -> bool:
        """Whether its node is connected, with the session in which the player was made, and has all of its wishes."""
        session = self.node.session_id if self.node is not None else None
        return session is not None and self.session in (None, session) and self._accepted is None

    def hold(self) -> None:
        """Remember the position: the node that knew it is lost."""
        if self._wishes.position is None:
            self._wishes = replace(self._wishes, position=self.position)

    def attach(self, node: Node) -> None:
        """This node serves it now."""
        if self.node is not None and self.node is not node:
            state_of(self.node).players.remove(self.guild_id)
        self.node = node
        state_of(node).players.add(self.guild_id)

    def detach(self) -> None:
        """No node serves it any more."""
        node, self.node, self.session = self.node, None, None
        if node is not None:
            state_of(node).players.remove(self.guild_id)

    async def start_over(self, track: Playable) -> None:
        """Play a track from its beginning, if it is still the one."""
        async with self.turn:
            if self.track is track:
                await self._change(track=track, position=0, end_time=self._wishes.end_time, paused=self.paused)

    def to_start_over(self, ended: Playable | None, reason: str) -> Playable | None:
        """The track that has ended, if it began in the middle and is worth playing from its beginning; once.

        A Lavalink whose decoder fails there says so, or, when two of its threads meet badly, that it is finished.
        """
        track = self.expected_track
        if track is None or self._began_at == 0 or not is_same(ended, track):
            return None
        if reason not in ("finished", "loadFailed"):
            return None
        began_at, self._began_at = self._began_at, 0
        ends = [end for end in (track.duration, self._wishes.end_time) if end is not None]
        left_ms = min(ends, default=0) - began_at
        too_soon = self._is_new and left_ms > TOO_SOON * 5000
        return track if reason == "loadFailed" or too_soon else None

    @property
    def expected_track(self) -> Playable | None:
        """The track of a change that is under way, else what it plays."""
        return self._starting or self.track

    @property
    def begins_in_the_middle(self) -> bool:
        """Whether its track was begun in the middle a moment ago: a failure now makes it start over."""
        return self.expected_track is not None and self._began_at != 0 and self._is_new

    @property
    def _is_new(self) -> bool:
        """Whether its track was begun a moment ago."""
        return self._began_when is None or time.monotonic() - self._began_when < TOO_SOON

    def note_started(self, track: Playable | None) -> None:
        """A track begins on its node; one that was asked for without an answer has been accepted then."""
        late, self._unanswered = self._unanswered, None
        self._has_begun = self._has_begun or is_same(track, self._starting)
        if late is not None and self._starting is None and is_same(track, late.track):
            self._count_begun(late)

    def _count_begun(self, wishes: Wishes) -> None:
        self._count(wishes, TRACK_FIELDS)
        self._began_at = wishes.position or 0

    def forget_track(self, track: Playable | None) -> None:
        """A track has ended on the node: its own, or one that a change under way has started."""
        if self._starting is not self.track and is_same(track, self.track):
            self._wishes = self._wishes.idle()
        elif is_same(track, self._starting):
            self._starting = None
        if self._accepted is not None and is_same(track, self._accepted.track):
            self._accepted = self._accepted.idle()


def _check_session(node: Node, session: str | None) -> None:
    """Whether the session in which a node was given a player is still there.

    Raises:
        NodeException: It is not.
    """
    if node.session_id != session:
        raise NodeException(
            f"{node.identifier} was lost while it took the player",
            code=Code.CLOSED,
            node=node.identifier,
            hint="another node is tried",
        )
