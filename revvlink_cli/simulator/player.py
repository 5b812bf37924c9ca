"""A player of a simulated node: it plays time."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.tracks import Playable, encode_track

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_VOICE: Mapping[str, Any] = {"token": "", "endpoint": "", "sessionId": "", "channelId": None}
"""Voice state of a player that has none."""

FRAME = 20
"""Milliseconds of audio that are sent at a time: a track ends with the last of them, not after it."""

CLEANUP = 60.0
"""Seconds after which lavaplayer ends a track that nobody listens to."""


class Player:
    """A player of one guild. Only with a voice connection does a track advance.

    Attributes:
        guild_id: The guild.
        track: What it plays, or None.
        user_data: What the bot has attached to the track.
        volume: Per cent, 0..1000.
        paused: Whether it stands still.
        voice: Its voice state, as it was given.
        is_connected: Whether it has a voice connection.
        is_stuck: Whether it tries for ever to reach a voice server.
        filters: As they are answered.
    """

    def __init__(self, guild_id: str) -> None:
        self.guild_id = guild_id
        self.track: Playable | None = None
        self.user_data: dict[str, Any] = {}
        self.volume = 100
        self.paused = False
        self.voice = NO_VOICE
        self.is_connected = False
        self.is_stuck = False
        self.filters: dict[str, Any] = {}
        self._end_time: int | None = None
        self._position = 0.0
        self._since = time.monotonic()
        self._next_update = math.inf
        self._unheard_since = time.monotonic()

    @property
    def is_playing(self) -> bool:
        """Whether it counts as playing in the statistics."""
        return self.track is not None and not self.paused

    @property
    def _end(self) -> float:
        """Milliseconds at which the track ends."""
        length = self.track.duration if self.track is not None else None
        return min(math.inf if length is None else length, math.inf if self._end_time is None else self._end_time)

    def _position_at(self, now: float) -> float:
        advances = self.is_playing and self.is_connected
        return self._position + ((now - self._since) * 1000 if advances else 0.0)

    @property
    def position(self) -> int:
        """Milliseconds into the track."""
        if self.track is None:
            return 0
        return int(min(self._position_at(time.monotonic()), max(self._end - FRAME, self._position)))

    def start(self, track: Playable, user_data: dict[str, Any], position: int, end_time: int | None) -> None:
        """Play a track, with updates from now on."""
        self.track, self.user_data, self._end_time = track, user_data, end_time
        self._next_update = self._unheard_since = time.monotonic()
        self.seek(position)

    def stop(self) -> None:
        """Play nothing."""
        self.track, self.user_data, self._end_time, self._next_update = None, {}, None, math.inf
        self.seek(0)

    def seek(self, position: float) -> None:
        """Go to a position of the track."""
        self._position, self._since = max(position, 0.0), time.monotonic()

    def end_at(self, end_time: int | None) -> None:
        """End the track at this position, or with its own end."""
        self._end_time = end_time

    def pause(self, paused: bool) -> None:
        """Stand still, or go on."""
        self._hold()
        self.paused = paused

    def connect(self, voice: dict[str, Any]) -> None:
        """Reach a voice server."""
        self._hold()
        self.voice, self.is_connected = voice, True

    def disconnect(self) -> None:
        """Part with the voice server."""
        self._hold()
        self.is_connected, self._unheard_since = False, time.monotonic()

    def _hold(self) -> None:
        """Fix the position before something about its advance changes."""
        self.seek(self._position_at(time.monotonic()))

    def due(self) -> float:
        """When, by the monotonic clock, something happens by itself."""
        return min(self._next_update, self._ends_at())

    def _ends_at(self) -> float:
        if self.track is None:
            return math.inf
        if not self.is_connected:
            return self._unheard_since + CLEANUP
        return self._since + (self._end - self._position) / 1000 if self.is_playing else math.inf

    def has_ended(self, now: float) -> str | None:
        """Why the track has ended by now, None when it has not."""
        if now < self._ends_at():
            return None
        return "finished" if self.is_connected else "cleanup"

    def needs_update(self, now: float, interval: float) -> bool:
        """Whether a ``playerUpdate`` is due by now; the next is due an interval later."""
        if now < self._next_update:
            return False
        self._next_update += interval * (1 + (now - self._next_update) // interval)
        return True

    def state(self) -> dict[str, Any]:
        """``state`` as in ``playerUpdate``."""
        return {
            "time": int(time.time() * 1000),
            "position": self.position,
            "connected": self.is_connected,
            "ping": 0 if self.is_connected else -1,
        }

    def track_payload(self) -> dict[str, Any] | None:
        """The track as sent: its position, in the encoded form too, is that of the player."""
        if self.track is None:
            return None
        track = replace(self.track, position=self.position, user_data=self.user_data)
        return replace(track, encoded=encode_track(track)).to_payload()

    def payload(self) -> dict[str, Any]:
        """The player as sent."""
        return {
            "guildId": self.guild_id,
            "track": self.track_payload(),
            "volume": self.volume,
            "paused": self.paused,
            "state": self.state(),
            "voice": dict(self.voice),
            "filters": self.filters,
        }
