"""The player of one guild: the state that a bot wants, on the node that serves it now.

A change takes effect when a node has accepted it. The player keeps its whole wanted state (`Wishes`), so that it can
move to another node. The state that the node reports is in the node's `session_players`.

This file has more than 400 lines because sending, accepting and deferring a change share the same private fields:
half of it elsewhere would need all of them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import replace

from revvlink_cli.client import clock
from revvlink_cli.client.errors import Code, NodeException, RevvlinkException, is_refusal
from revvlink_cli.client.node_access import state_of
from revvlink_cli.client.protocol.guild_ids import checked_guild_id
from revvlink_cli.client.routing.effects import Effects, is_same
from revvlink_cli.client.routing.wishes import (
    NO_WISHES,
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

EARLY_END = 5.0
"""Seconds after its start within which the end of a track is too early, if five times as much was left."""

DOUBT_FACTOR = 2.0
"""Multiple of a node's timeout within which it may still carry out a request that it did not answer."""


class PlayerPlacement(Protocol):
    """The part of `Placement` that a player calls."""

    def take_turn(self, guild_id: int) -> Turn:
        """Return the turn of a guild whose player is being made: from now on the player has it."""

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
        """Destroy the player."""


class Player:
    """A guild's player. `Pool.create_player` makes it; its first voice update places it on a node.

    Changes are made one after the other, in the order of the calls. While its node is connected, a change is sent at
    once and takes effect when the node has accepted it: a call that raises leaves the player unchanged. There are two
    exceptions. A new voice state that got no answer is kept, because Discord has ended the previous one. A track whose
    request got no answer takes effect if the node starts it later.

    Changes without a node, or while the node is lost, are deferred. They are sent to the node that serves the player
    next; the changes that it refuses are dropped.

    When a call is cancelled after its request was sent, the request still completes. After `destroy`, and after the
    pool was closed, every change raises `PlayerDestroyedException`.

    Attributes:
        guild_id: Its guild.
        node: The node that serves it, None before the first voice update.
        region: Region to prefer over that of its voice endpoint, or None.
        session: The session of `node` in which the node made the player, None before that.
        target_node: The node to which the player is moving, or None. Its first events may come before its answer.
        turn: The lock for changes and moves of the guild; a later `Player` of the same guild has the same one.
        refusal: The last answer that refused deferred changes, or None.
        effects: Which of the next events the pool has caused itself.
        deferred_events: Ends of tracks on the former node that came during a move.
    """

    def __init__(self, placement: PlayerPlacement, guild_id: int | str, *, region: str | None = None) -> None:
        self.guild_id = checked_guild_id(guild_id)
        self.node: Node | None = None
        self.region = region
        self.session: str | None = None
        self.target_node: Node | None = None
        self.turn = placement.take_turn(self.guild_id)
        self.refusal: RevvlinkException | None = None
        self.effects = Effects()
        self.deferred_events: tuple[tuple[Node, TrackEnd], ...] = ()
        self._placement = placement
        self._wishes = NO_WISHES
        self._accepted: Wishes | None = None  # the state before the deferred changes, None without any
        self._all_deferred = self._wishes  # all deferred changes, while some of them are left out
        self._fallbacks: list[Wishes] | None = None  # the states to try next, with fewer deferred changes
        self._starting: Playable | None = None  # the track of a request under way
        self._has_started = False  # the node has reported the start of this track
        self._unanswered: Wishes | None = None  # a request without answer whose track may start later
        self._needs_all_fields = False  # its node has a player of the guild without this state
        self._is_voice_hanging = False  # a Lavalink is still busy with the last voice state
        self._began_at = 0
        self._began_when: float | None = None  # None until the node has answered
        self._sought: int | None = None  # where a paused player goes on: its node reports the last frame until then

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
        """The track that it plays, or None."""
        return self._wishes.track

    @property
    def volume(self) -> int:
        """The volume in per cent, 0..1000."""
        return self._wishes.volume

    @property
    def paused(self) -> bool:
        """Whether it is paused."""
        return self._wishes.paused

    @property
    def filters(self) -> Mapping[str, Any]:
        """Its filters, as in the protocol."""
        return MappingProxyType(dict(self._wishes.filters))

    @property
    def position(self) -> int:
        """Milliseconds into the track, from the node's last report and the time since then."""
        if self.track is None:
            return 0
        saved = self._wishes.position
        reported = state_of(self.node).session_players.state_of(self.guild_id) if self.node is not None else None
        if saved is not None or self._sought is not None or reported is None:
            return saved or self._sought or 0
        state, received_at = reported
        position = state.position
        if self._began_when is not None:  # a Lavalink reports 0 until it has started there
            position = max(position, self._began_at)
        if not self.paused and state.connected:
            position += int((clock.monotonic() - received_at) * 1000)
        duration = self.track.duration
        return position if duration is None else min(position, duration)

    async def update_voice(self, *, token: str, endpoint: str, session_id: str, channel_id: int | str) -> None:
        """Pass on the voice state that Discord sent; the first one places the player on a node.

        Raises:
            TypeError: An argument has another type: nothing was sent.
            ValueError: A value is missing: nothing was sent.
            PlayerDestroyedException: The player was destroyed.
            RevvlinkException: No node accepted the player. Or a node accepted it without the changes that were made
                before; then `node` is set.
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
        """Play a track in place of the present one.

        Args:
            track: The track.
            position: Milliseconds at which to start.
            end_time: Milliseconds at which to end; None is the track's end.
            paused: Whether to start paused.
            no_replace: Whether to do nothing if a track plays already.

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
        """Stop the track; raises as `play`."""
        async with self.turn:
            self.effects.expect_no_end()
            await self._change(track=None, position=0, end_time=None, paused=False)

    async def pause(self, paused: bool = True) -> None:
        """Pause or resume; raises as `play`."""
        check_flag("paused", paused)
        async with self.turn:
            await self._change(paused=paused)

    async def seek(self, position: int) -> None:
        """Seek to a position of the track, in milliseconds; raises as `play`."""
        check_number("position", position)
        async with self.turn:
            await self._change(position=max(position, 0))

    async def set_volume(self, volume: int) -> None:
        """Set the volume, 0..1000 per cent; raises as `play`."""
        check_number("volume", volume)
        async with self.turn:
            await self._change(volume=min(max(volume, 0), 1000))

    async def set_filters(self, filters: Mapping[str, Any]) -> None:
        """Set the filters, as in the protocol; an empty mapping removes them. Raises as `play`."""
        checked = checked_filters(filters)
        async with self.turn:
            await self._change(filters=checked)

    async def switch_node(self, node: Node) -> None:
        """Move the player to another node.

        Raises:
            TypeError: `node` is not a `Node`.
            PlayerDestroyedException: The player was destroyed.
            RevvlinkException: The node refused; the player stays where it was.
        """
        await self._placement.switch(self, node)

    async def destroy(self) -> None:
        """Destroy the player for good. `Pool.create_player` makes another one."""
        await self._placement.destroy(self)

    # Changes. The caller of each method below holds the turn.

    async def _change(self, **wanted: Any) -> None:
        """Send changes to the node; without a connected node they are deferred."""
        self._placement.check(self)
        node = self.node
        if node is None or node.status is not NodeStatus.CONNECTED:
            self._defer(wanted)
        else:
            await self.turn.finish(self._ask(node, wanted))

    def _defer(self, wanted: Mapping[str, Any]) -> None:
        self.save_position()
        if self._accepted is None:
            self._accepted = self._wishes
        self._wishes, self._fallbacks = replace(self._wishes, **wanted), None

    async def _ask(self, node: Node, wanted: Mapping[str, Any]) -> None:
        """Send a change to the node, or the whole state if the node does not have the rest."""
        if node.session_id is None:  # it was lost a moment ago
            self._defer(wanted)
            return
        voice = wanted.get("voice")
        try:
            if voice is not None and self._is_voice_hanging:  # such a Lavalink takes no other voice state
                self.save_position()
                self._needs_all_fields = True
                self.effects.expect_end()
                await node.destroy_player(self.guild_id)
            is_foreign = self.session not in (None, node.session_id)
            names = None if self._needs_all_fields or is_foreign else wanted.keys()
            self.session = await self._send(node, replace(self._wishes, **wanted), names)
        except RevvlinkException as error:
            if voice is not None and not is_refusal(error):
                self._wishes = replace(self._wishes, voice=voice)
                self._is_voice_hanging = error.code in (Code.SILENT, Code.TIMEOUT)
            raise
        if voice is not None:
            self._is_voice_hanging = False

    async def _send(self, node: Node, wishes: Wishes, names: Collection[str] | None) -> str | None:
        """Send fields of `wishes` to a node (None: all) and accept them after its answer; return the node's session.

        Raises:
            RevvlinkException: It refused, or did not answer: the player is unchanged.
        """
        if names is None and wishes.position is None:
            wishes = replace(wishes, position=self.position)
        session, began = node.session_id, (self._began_at, self._began_when)
        if names is None or "track" in names:
            self._starting, self._has_started = wishes.track, False
            self._began_at, self._began_when = wishes.position or 0, None
        if node is self.node and self.voice is not None and (names is None or "voice" in names):
            self.effects.expect_close()
        starting = self._starting
        try:
            data = wishes.payload() if names is None else wishes.changes(names)
            await state_of(node).update_player(self.guild_id, data)
            is_lost = node.session_id != session
            if names is None:
                _check_kept(node, is_lost=is_lost)
        except BaseException as error:
            self._began_at, self._began_when = began
            if not is_refusal(error):
                self.turn.doubt(DOUBT_FACTOR * node.settings.timeout)
                if names is None or starting is not None:  # other changes start no track
                    self._unanswered = wishes if names is not None else None
                if self._unanswered is wishes and self._has_started:
                    self._accept_started(wishes if self._starting is starting else wishes.idle())
            raise
        finally:
            has_ended, self._starting = self._starting is not starting, None
        self._accept(wishes.idle() if has_ended else wishes, names)
        if is_lost:
            self.save_position()
        return session

    def _accept(self, wishes: Wishes, names: Collection[str] | None) -> None:
        """Store fields of `wishes` that a node has accepted (None: all)."""
        self._fallbacks = None
        if names is None:
            self._wishes, self._accepted, self._needs_all_fields = replace(wishes, position=None), None, False
        else:
            fields = {name: getattr(wishes, name) for name in names}
            self._wishes = replace(self._wishes, **fields)
            if self._accepted is not None:
                self._accepted = replace(self._accepted, **fields)
            if self._accepted is None or not self._wishes.differing(self._accepted):
                self._wishes, self._accepted = replace(self._wishes, position=None), None
        if names is None or "track" in names:
            self._began_when, self._unanswered, self._sought = clock.monotonic(), None, None
        elif "position" in names:
            self._began_at = 0  # the bot has moved the position since the start
            self._hold_position(wishes.position)
        elif self._sought is not None:
            self._hold_position(self._sought)

    def _hold_position(self, position: int | None) -> None:
        """Stay at the position of a seek until the node reports it; a paused Lavalink does once it plays again."""
        self._sought = position if self.paused else None
        if self.node is not None and position is not None:
            state_of(self.node).session_players.seek(self.guild_id, position)

    async def move_to(self, node: Node) -> None:
        """Send the whole state to a node, and attach the player to it.

        Raises:
            RevvlinkException: It refused, or did not answer; the player stays where it was.
        """
        self.session = await self._send(node, replace(self._wishes, position=self.position), None)
        self._is_voice_hanging = False
        self.attach(node)

    async def synchronize(self, node: Node, *, is_there: bool) -> None:
        """Send its node the fields that it lacks, as after a loss; deferred changes that it refuses are dropped.

        Args:
            node: Its node.
            is_there: Whether the node has the player at all.

        Raises:
            RevvlinkException: The node refused the player even without them, or did not answer.
        """
        self._needs_all_fields = self._needs_all_fields or not is_there
        while self._needs_all_fields or self._accepted is not None:
            names = None if self._needs_all_fields or self._accepted is None else self._wishes.differing(self._accepted)
            if names is None:
                self.effects.expect_end()
            try:
                self.session = await self._send(node, self._wishes, names)
            except RevvlinkException as error:
                if not is_refusal(error) or not self.drop_deferred(error, voice=True):
                    raise
        self._wishes = replace(self._wishes, position=None)

    def drop_deferred(self, refusal: RevvlinkException, *, voice: bool) -> bool:
        """Leave out deferred changes that no node accepts, as few as possible; return False when none is left.

        Args:
            refusal: The answer of the node.
            voice: Whether a new voice state may be left out too; a first placement needs it.
        """
        if self._accepted is None:
            return False
        if self._fallbacks is None:
            self._all_deferred, self._fallbacks = self._wishes, self._wishes.without(self._accepted, voice=voice)
        if not self._fallbacks:
            return False
        self._wishes, self.refusal = self._fallbacks.pop(0), refusal
        if self._wishes == self._accepted:
            self._accepted = None
        return True

    def drop_deferred_voice(self, refusal: RevvlinkException) -> None:
        """Drop a new voice state that no node accepts; the other deferred changes stay deferred."""
        if self._accepted is not None:
            kept = self._wishes if self._fallbacks is None else self._all_deferred
            self._wishes, self._fallbacks = replace(kept, voice=self._accepted.voice), None
            self.refusal = refusal
            if self._wishes == self._accepted:
                self._accepted = None

    # Placement, Failover and Fleet call the methods below.

    @property
    def is_served(self) -> bool:
        """Whether its node is connected, with the session in which the player was made, and has all of its wishes."""
        session = self.node.session_id if self.node is not None else None
        return session is not None and self.session in (None, session) and self._accepted is None

    def save_position(self) -> None:
        """Save the position, because the node that reported it is lost."""
        if self._wishes.position is None:
            self._wishes = replace(self._wishes, position=self.position)

    def attach(self, node: Node) -> None:
        """Assign the player to a node."""
        if self.node is not None and self.node is not node:
            state_of(self.node).players.remove(self.guild_id)
        self.node = node
        state_of(node).players.add(self.guild_id)

    def detach(self) -> None:
        """Remove the player from its node."""
        node, self.node, self.session = self.node, None, None
        if node is not None:
            state_of(node).players.remove(self.guild_id)

    async def restart(self, track: Playable) -> None:
        """Play a track from its beginning, if it is still the present one."""
        async with self.turn:
            if self.track is track:
                await self._change(track=track, position=0, end_time=self._wishes.end_time, paused=self.paused)

    def take_restart(self, ended: Playable | None, reason: str) -> Playable | None:
        """Return the ended track if it started in the middle and failed there; the next call returns None.

        A Lavalink whose decoder fails there reports `loadFailed`, or `finished` in a race of two of its threads.
        """
        track = self.expected_track
        if track is None or self._began_at == 0 or not is_same(ended, track):
            return None
        if reason not in ("finished", "loadFailed"):
            return None
        began_at, self._began_at = self._began_at, 0
        ends = [end for end in (track.duration, self._wishes.end_time) if end is not None]
        left_ms = min(ends, default=0) - began_at
        too_soon = self._started_recently and left_ms > EARLY_END * 5000
        return track if reason == "loadFailed" or too_soon else None

    @property
    def expected_track(self) -> Playable | None:
        """The track of a request under way, else the present track."""
        return self._starting or self.track

    @property
    def begins_in_the_middle(self) -> bool:
        """Whether its track was started in the middle a moment ago: a failure now starts it from the beginning."""
        return self.expected_track is not None and self._began_at != 0 and self._started_recently

    @property
    def _started_recently(self) -> bool:
        """Whether its track was started a moment ago."""
        return self._began_when is None or clock.monotonic() - self._began_when < EARLY_END

    def note_started(self, track: Playable | None) -> None:
        """Note that a track starts on the node. It accepts a request for this track that got no answer."""
        late, self._unanswered = self._unanswered, None
        self._has_started = self._has_started or is_same(track, self._starting)
        if late is not None and self._starting is None and is_same(track, late.track):
            self._accept_started(late)

    def _accept_started(self, wishes: Wishes) -> None:
        self._accept(wishes, TRACK_FIELDS)
        self._began_at = wishes.position or 0

    def forget_track(self, track: Playable | None) -> None:
        """Forget a track that has ended on the node: the present one, or the one of a request under way."""
        if self._starting is not self.track and is_same(track, self.track):
            self._wishes = self._wishes.idle()
        elif is_same(track, self._starting):
            self._starting = None
        if self._accepted is not None and is_same(track, self._accepted.track):
            self._accepted = self._accepted.idle()


def _check_kept(node: Node, *, is_lost: bool) -> None:
    """Check that a node that took a player still has the session in which it did.

    Raises:
        NodeException: It was lost, and has another one, or none.
    """
    if is_lost:
        raise NodeException(
            f"{node.identifier} was lost while it took the player",
            code=Code.CLOSED,
            node=node.identifier,
            hint="another node is tried",
        )
