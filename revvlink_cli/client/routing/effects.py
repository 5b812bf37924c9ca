"""Finds the events of a player that the pool has caused itself. A bot that plays a queue must not act on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from revvlink_cli.client import clock
from revvlink_cli.client.protocol.messages import OtherEvent, TrackEnd, TrackException, TrackStart, VoiceClosed

if TYPE_CHECKING:
    from revvlink_cli.client.protocol.messages import Event
    from revvlink_cli.client.protocol.tracks import Playable

EXPECTED_FOR = 10.0
"""Seconds after a request of the pool's own within which the end that it brings about is expected."""

ON_REQUEST = ("stopped", "replaced", "cleanup")
"""Reasons of ends that a request brings about."""


class AffectedPlayer(Protocol):
    """The part of a player that `is_effect` reads."""

    @property
    def node(self) -> object | None:
        """The node that serves it."""

    @property
    def target_node(self) -> object | None:
        """The node to which it is moving, or None."""

    @property
    def effects(self) -> Effects:
        """The events that the pool expects for it."""

    @property
    def expected_track(self) -> Playable | None:
        """The track of a request under way, else the present track."""

    @property
    def begins_in_the_middle(self) -> bool:
        """Whether its track has just begun in the middle."""


class Effects(msgspec.Struct, gc=False):  # it can be in no cycle
    """The events of one player that the pool expects, because it asked for them and the bot did not.

    Attributes:
        end_expected_until: Monotonic second until which a request of the pool's own may end the track.
        close_expected_until: Monotonic second until which a voice state may close the voice connection.
        started: The track whose beginning the bot has seen, or None.
    """

    end_expected_until: float = 0.0
    close_expected_until: float = 0.0
    started: Playable | None = None

    def expect_end(self) -> None:
        """The pool is about to send the player's track again to its node, which ends the one there."""
        self.end_expected_until = clock.monotonic() + EXPECTED_FOR

    def expect_no_end(self) -> None:
        """The bot is about to play or stop something: it causes the next end itself."""
        self.end_expected_until = 0.0

    def expect_close(self) -> None:
        """The pool is about to send another voice state to the player's node."""
        self.close_expected_until = clock.monotonic() + EXPECTED_FOR

    def include(self, event: Event, player: AffectedPlayer, node: object) -> bool:
        """Whether an event of `node`, which serves the player or is about to, is one of them."""
        match event:
            case TrackStart():
                return self._starts_again(event, player.expected_track)
            case TrackEnd():
                return self._ends_on_request(event, player, node)
            case TrackException():  # the end that follows is that of a start that the pool repeats
                return player.begins_in_the_middle and is_same(event.track, player.expected_track)
            case VoiceClosed(code=1000):  # Discord's answer to the node's own close may be what the node reports
                return clock.monotonic() < self.close_expected_until
            case OtherEvent():  # a NodeLink reports everything that is set when a player comes
                return node is not player.node is not None
        return False

    def ended(self) -> None:
        """The bot has seen the end of the track: the next start is an event for it."""
        self.started = None

    def _starts_again(self, event: TrackStart, track: Playable | None) -> bool:
        """Whether a track begins again that the bot has seen begin: its player was moved, or made anew."""
        if not is_same(event.track, track):
            return False
        if self.started is track:
            return True
        self.started = track
        return False

    def _ends_on_request(self, event: TrackEnd, player: AffectedPlayer, node: object) -> bool:
        if event.reason not in ON_REQUEST:
            return False
        if node is not player.node:  # what is cleared away there before the player comes
            return True
        is_expected = clock.monotonic() < self.end_expected_until
        return is_expected and is_same(event.track, player.expected_track)


def is_effect(event: Event, player: AffectedPlayer | None, node: object) -> bool:
    """Whether the pool has caused an event of a node itself.

    Args:
        event: The event.
        player: The pool's player of its guild, if there is one.
        node: The node that sent it.
    """
    if isinstance(event, VoiceClosed) and event.code == 1000 and (player is None or not event.by_remote):
        return True  # the node left the voice server, as it does when a player is moved, destroyed, or given another
    if player is None:
        return False
    if node is not player.node and node is not player.target_node:
        return True  # what is left of the player where it was before
    return player.effects.include(event, player, node)


def is_same(named: Playable | None, track: Playable | None) -> bool:
    """Whether an event names this track. A track that could not be read may be any."""
    return track is not None and (named is None or named.identifier == track.identifier)
