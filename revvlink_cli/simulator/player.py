"""A player of a simulated node: its track advances by the clock."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from revvlink_cli.client.protocol.encoded_tracks import encode_track
from revvlink_cli.simulator.music import STALL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.client.protocol.tracks import Playable
    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.music import Failing

NO_VOICE: Mapping[str, Any] = {"token": "", "endpoint": "", "sessionId": "", "channelId": None}
"""The voice state of a player without voice."""

STALLED_FOR = 15.0
"""Seconds after its start when the source gives up a track that stalls."""

FRAME = 20
"""Milliseconds of audio in a frame: a track ends with its last frame, not after it."""

MINUTE = 60.0
"""Seconds for which a player has to play before the statistics include its frames."""

FAILS_AFTER = 0.02
"""Seconds after its start when an unplayable track fails."""

CLEANUP = 64.0
"""Seconds after which lavaplayer ends a track without a voice connection."""

DECODING = 0.05
"""Seconds from a start, a seek or the end of a pause to the next frame; until then a Lavalink reports the last one."""

AHEAD = 0.36
"""Seconds by which the frames of a Lavalink are ahead of the sound; its tracks end so much earlier."""

PING = 1
"""Milliseconds that the voice server takes to answer a heartbeat."""


class Player:
    """A player of one guild. Its track advances only with a voice connection.

    It knows two positions. The sound of the track advances with the tempo of a timescale. The position that a Lavalink
    reports advances with the time: lavaplayer counts what it has sent.

    Attributes:
        guild_id: The guild.
        track: Its track, or None.
        user_data: The bot's data for the track.
        volume: Per cent, 0..1000.
        paused: Whether it is paused.
        voice: Its voice state, as the client sent it.
        is_connected: Whether it has a voice connection.
        is_sending: Whether it sends audio; it continues after Discord has closed the voice connection.
        is_stuck: Whether it tries for ever to reach a voice server.
        filters: Its filters in the form of the responses.
        ahead: Seconds by which its frames are ahead of the sound.
        decoding: Seconds until its next frame after a start, a seek or a pause.
        heartbeat: Seconds from a voice connection to the first answer to a heartbeat, which gives the ping.
        position_follows_tempo: Whether the reported position is that of the sound.
    """

    ahead: ClassVar[float] = AHEAD
    decoding: ClassVar[float] = DECODING
    heartbeat: ClassVar[float] = 13.75
    position_follows_tempo: ClassVar[bool] = False

    def __init__(self, guild_id: str, clock: Clock) -> None:
        self.guild_id = guild_id
        self._clock = clock
        self.track: Playable | None = None
        self.user_data: dict[str, Any] = {}
        self.volume = 100
        self.paused = False
        self.voice = NO_VOICE
        self.is_connected = False
        self.is_sending = False
        self.is_stuck = False
        self.filters: dict[str, Any] = {}
        self._tempo = 1.0
        self._end_time: int | None = None
        self._sound = 0.0
        self._reported = 0.0
        self._since = clock.now()
        self._last_frame = 0.0
        self._shown = 0.0
        self._shown_until = -math.inf
        self._is_asked = False
        self._answered_at = math.inf
        self._next_update = math.inf
        self._unheard_since = clock.now()
        self._playing_since = math.inf
        self._failing: Failing | None = None
        self._fails_at = math.inf
        self._stuck_at = math.inf

    @property
    def is_playing(self) -> bool:
        """Whether it counts as playing in the statistics."""
        return self.track is not None and not self.paused

    @property
    def _advances(self) -> bool:
        return self.is_playing and self.is_sending

    @property
    def _length(self) -> float:
        """Milliseconds of sound in the track."""
        length = self.track.duration if self.track is not None else None
        return math.inf if length is None else length

    def _sound_at(self, now: float) -> float:
        """Milliseconds of the track that have been heard."""
        sound = self._sound + ((now - self._since) * 1000 * self._tempo if self._advances else 0.0)
        return min(sound, STALL) if self._stalls else sound

    def _reported_at(self, now: float) -> float:
        """The position that the server reports when its decoder does not seek."""
        if self.position_follows_tempo:
            return self._sound_at(now)
        reported = self._reported + ((now - self._since) * 1000 if self._advances else 0.0)
        return min(reported, STALL) if self._stalls else reported

    @property
    def _stalls(self) -> bool:
        return self._failing is not None and self._failing.stalls

    @property
    def is_silent(self) -> bool:
        """Whether its track gives no audio because it fails or has stalled."""
        if self._failing is None:
            return False
        return not self._stalls or self._sound_at(self._clock.now() - self.ahead) >= STALL

    @property
    def sound_position(self) -> float:
        """Milliseconds into the sound of the track, wherever the server reports it to be."""
        return self._sound_at(self._clock.now())

    @property
    def position(self) -> int:
        """Milliseconds into the track, as the server reports them."""
        if self.track is None:
            return 0
        now = self._clock.now()
        if now < self._shown_until:
            return round(self._shown)
        return round(self._reported_at(min(now, max(self._sound_ends_at() - FRAME / 1000, self._since))))

    def start(
        self,
        track: Playable,
        user_data: dict[str, Any],
        position: int,
        end_time: int | None,
        *,
        failure: Failing | None,
        stuck_after: float,
    ) -> None:
        """Play a track, and send updates from now on.

        Args:
            track: The track.
            user_data: The bot's data for it.
            position: Milliseconds at which it starts.
            end_time: Milliseconds at which it ends; None is its end.
            failure: How it fails, None if it does not.
            stuck_after: Seconds without audio after which it is reported as stuck.
        """
        now = self._clock.now()
        self.track, self.user_data, self._end_time, self._failing = track, user_data, end_time, failure
        self._next_update = self._unheard_since = now
        self._playing_since = min(self._playing_since, now)
        if self._stalls:
            self._stuck_at = now + STALL / 1000 + stuck_after
        elif self._failing is not None:
            self._fails_at = now + FAILS_AFTER
        self._place(position, last_frame=0)

    def stop(self) -> None:
        """Stop the track."""
        self.track, self.user_data, self._end_time, self._next_update = None, {}, None, math.inf
        self._failing, self._fails_at, self._stuck_at = None, math.inf, math.inf
        self._place(0, last_frame=0)

    def seek(self, position: float) -> None:
        """Set the position in milliseconds."""
        self._place(position, last_frame=self.position)

    def _place(self, position: float, last_frame: int) -> None:
        """Continue at a position, which is reported until `report_frames`; the last frame is of another one."""
        self._sound = self._reported = self._shown = max(position, 0.0)
        self._last_frame, self._shown_until, self._is_asked = last_frame, math.inf, True
        self._since = self._clock.now() - (self.ahead if self._advances else 0.0)

    def report_frames(self) -> None:
        """Report the last frame from now on, in place of a position that a client has just set, until the next frame.

        No frame comes while the player is paused or without voice.
        """
        if self._is_asked:
            self._is_asked, self._shown = False, self._last_frame
            self._shown_until = self._clock.now() + self.decoding if self._advances else math.inf

    def set_filters(self, filters: dict[str, Any], tempo: float) -> None:
        """Replace its filters; the tempo is the speed of the sound in their timescale."""
        self._hold()
        self.filters, self._tempo = filters, tempo

    def end_at(self, end_time: int | None) -> None:
        """End the track at this position; None is the end of the track."""
        self._end_time = end_time

    def pause(self, paused: bool) -> None:
        """Pause or resume."""
        self._hold()
        was_sending, self.paused = self._advances, paused
        self._resume(was_sending)

    def connect(self, voice: dict[str, Any]) -> None:
        """Handle a new voice connection."""
        self._hold()
        was_sending = self._advances
        self.voice, self.is_connected, self.is_sending = voice, True, True
        self._playing_since = self._clock.now() if self.track is not None else math.inf
        self._answered_at = self._clock.now() + self.heartbeat
        self._resume(was_sending)

    def lose_voice(self) -> None:
        """Handle a voice connection that Discord has closed."""
        self.is_connected = False
        if not self._has_ping:  # no answer comes any more
            self._answered_at = math.inf

    @property
    def _has_ping(self) -> bool:
        return self._clock.now() >= self._answered_at

    def disconnect(self) -> None:
        """Handle a voice connection that the node has closed."""
        self._hold()
        self.is_connected = self.is_sending = False
        self._unheard_since, self._playing_since = self._clock.now(), math.inf

    def _hold(self) -> None:
        """Store the current position before its advance changes."""
        now = self._clock.now()
        self._sound, self._reported, self._since = self._sound_at(now), self._reported_at(now), now

    def _resume(self, was_sending: bool) -> None:
        """Handle that frames come again, if they do: the first ones at once, as many as are sent ahead."""
        if self._advances and not was_sending:
            now = self._clock.now()
            self._shown, self._shown_until, self._since = self.position, now + self.decoding, now - self.ahead

    def due(self) -> float:
        """The moment on the node's clock of the next update, end, failure or stall."""
        return min(self._next_update, self._ends_at(), self._failure_due(), self._stuck_due())

    def _failure_due(self) -> float:
        return self._fails_at

    def _stuck_due(self) -> float:
        return self._stuck_at if self.is_sending else math.inf  # without voice no track is stuck

    def _ends_at(self) -> float:
        if self.track is None:
            return math.inf
        if not self.is_sending:
            return self._unheard_since + CLEANUP
        if self._stalls:
            return self._unheard_since + STALLED_FOR
        return max(self._sound_ends_at(), -math.inf if self._shown_until == math.inf else self._shown_until)

    def _sound_ends_at(self) -> float:
        """The moment of the last frame of the track."""
        if not self._advances:
            return math.inf
        to_end = (self._length - self._sound) / 1000 / self._tempo
        if self._end_time is None:
            return self._since + to_end
        position, pace = (self._sound, self._tempo) if self.position_follows_tempo else (self._reported, 1.0)
        return self._since + min(to_end, (self._end_time - position) / 1000 / pace)

    def has_ended(self, now: float) -> str | None:
        """Why the track has ended by now, None when it has not."""
        if now < self._ends_at():
            return None
        return "finished" if self.is_sending else "cleanup"

    @property
    def fails_at_once(self) -> bool:
        """Whether the track fails before it gives audio."""
        return self._failing is not None and not self._stalls and self._failing.reason == "loadFailed"

    def take_failure(self, now: float) -> Failing | None:
        """The failure of the track if it is due; given once."""
        if now < self._failure_due():
            return None
        self._fails_at = math.inf
        return self._failing

    def take_stuck(self, now: float) -> bool:
        """Whether the track is stuck by now; True is given once."""
        is_stuck = now >= self._stuck_due()
        if is_stuck:
            self._stuck_at = math.inf
        return is_stuck

    def has_frames(self, now: float) -> bool:
        """Whether it has sent audio for long enough that the statistics include its frames."""
        return self.is_playing and self.is_sending and now - self._playing_since > MINUTE

    def needs_update(self, now: float, interval: float) -> bool:
        """Whether a ``playerUpdate`` is due; the next one is due an interval later."""
        if now < self._next_update:
            return False
        self._next_update += interval * (1 + (now - self._next_update) // interval)
        return True

    def state(self) -> dict[str, Any]:
        """The ``state`` of a ``playerUpdate``."""
        return {
            "time": int(time.time() * 1000),
            "position": self.position,
            "connected": self.is_connected,
            "ping": self._ping(),
        }

    def _ping(self) -> int:
        """Milliseconds to the voice server: -1 without one, 0 before the first answer to a heartbeat."""
        if not self.is_sending:
            return -1
        return PING if self._has_ping else 0

    def track_payload(self) -> dict[str, Any] | None:
        """The track in the form of the responses; its position is the player's, also in the encoded form."""
        if self.track is None:
            return None
        track = replace(self.track, position=self.position, user_data=self.user_data)
        return replace(track, encoded=encode_track(track)).to_payload()

    def payload(self) -> dict[str, Any]:
        """The player in the form of the responses."""
        return {
            "guildId": self.guild_id,
            "track": self.track_payload(),
            "volume": self.volume,
            "paused": self.paused,
            "state": self.state(),
            "voice": dict(self.voice),
            "filters": self.filters,
        }
