"""Players and sessions of NodeLink 3: other payloads, more events, and no messages after a resume."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from revvlink_cli.simulator.music import FILES, Failing, failing, file_name
from revvlink_cli.simulator.player import PING, Player
from revvlink_cli.simulator.session import Session

if TYPE_CHECKING:
    from aiohttp import web

    from revvlink_cli.client.protocol.tracks import Playable

_LINEAR = {"duration": 0, "curve": "linear", "type": "volume"}
_TAPE = {"duration": 0, "curve": "sinusoidal", "type": "tape"}

FADING = {
    "enabled": False,
    "trackStart": _LINEAR,
    "trackEnd": _LINEAR,
    "trackStop": _LINEAR,
    "seek": _LINEAR,
    "pause": _TAPE,
    "resume": _TAPE,
    "ducking": {"enabled": False, "duration": 0, "targetVolume": 0.3, "curve": "linear"},
}
"""The fading settings of a player: all of them are off."""

RECONNECTS = 4015
"""The close code of Discord after which the server reconnects and loses the track."""


class NodeLinkPlayer(Player):
    """A player of a simulated NodeLink. Its track waits for voice.

    Attributes:
        pending_voice: The voice state to connect once the request has been answered.
        starts_next: Whether to start its track once the request has been answered.
        has_sounded: Whether its track has sounded.
        stream_began_at: Milliseconds at which its track, a seek or new filters began to stream: there it begins again
            after another voice connection.
    """

    pending_voice: dict[str, Any] | None = None
    starts_next = False
    ahead = 0.0
    decoding = 0.0
    heartbeat = 5.0
    position_follows_tempo = True
    has_sounded = False
    stream_began_at = 0

    @property
    def _length(self) -> float:
        if self.track is not None and self.track.length < 0:  # the length is unknown before playback
            name = file_name(self.track)
            return float(FILES[name][2] if name in FILES else 3000)
        return super()._length

    @property
    def position(self) -> int:
        """Milliseconds into the track; 0 before it sounds."""
        return super().position if self.has_sounded else 0

    def _place(self, position: float, last_frame: int) -> None:
        super()._place(position, last_frame)
        self._shown_until = -math.inf  # a new position is reported at once
        self.stream_began_at = int(position)

    def set_filters(self, filters: dict[str, Any], tempo: float) -> None:
        """Replace its filters; the tempo is the speed of the sound in their timescale."""
        super().set_filters(filters, tempo)
        self.stream_began_at = int(self._sound)

    def _ends_at(self) -> float:
        return super()._ends_at() if self.is_sending else math.inf

    def _failure_due(self) -> float:
        return super()._failure_due() if self.is_sending else math.inf

    def due(self) -> float:
        """The moment of the next change: at once while a voice state or a track is pending."""
        return -math.inf if self.pending_voice is not None or self.starts_next else super().due()

    def begin(self, track: Playable, user_data: dict[str, Any], position: int, end_time: int | None) -> None:
        """Play a track at once, or as soon as there is voice."""
        self.has_sounded = False
        self.start(track, user_data, position, end_time, failure=failing(track), stuck_after=math.inf)

    def connect(self, voice: dict[str, Any]) -> None:
        """Handle a new voice connection; a ping that is known stays."""
        answered_at = self._answered_at if self._has_ping else math.inf
        super().connect(voice)
        self._answered_at = min(self._answered_at, answered_at)

    def lose_voice(self) -> None:
        """Handle a voice connection that Discord has closed: the track pauses."""
        self._hold()
        super().lose_voice()
        self.is_sending = False

    def needs_update(self, now: float, interval: float) -> bool:
        """Whether a ``playerUpdate`` is due; a player without voice sends none."""
        return super().needs_update(now, interval) and bool(self.voice.get("sessionId"))

    def _ping(self) -> int:
        """Milliseconds to the voice server: 0 before any voice state, -1 before the first answer to a heartbeat."""
        if self._has_ping:
            return PING
        return -1 if self.voice.get("sessionId") else 0

    def track_payload(self) -> dict[str, Any] | None:
        """The track in the form of players and events."""
        if self.track is None:
            return None
        track = self.track.to_payload()
        payload = {"encoded": track["encoded"], "info": track["info"], "endTime": self._end_time or 0}
        return payload | ({"userData": self.user_data} if self.user_data else {})

    def payload(self) -> dict[str, Any]:
        """The player in the form of the responses."""
        payload = super().payload()
        voice = {key: self.voice[key] or None for key in ("sessionId", "token", "endpoint", "channelId")}
        return payload | {"fading": FADING, "loudnessNormalizer": False, "voice": voice}

    @property
    def frames(self) -> int:
        """The number of frames sent of the current track."""
        return self.position // 20


class NodeLinkSession(Session):
    """A session of a simulated NodeLink: the server sends its statistics, and no message is queued."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._next_stats = math.inf
        self._muted: set[str] = set()

    async def open(self, socket: web.WebSocketResponse, *, resumed: bool) -> None:
        """Send ``ready``. Players from before a resume never send a message again."""
        self.socket = socket
        self._muted |= self.players.keys()
        await self.send({"op": "ready", "resumed": resumed, "sessionId": self.identifier})

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message, or drop it while the session has no connection."""
        if self.is_open and message.get("guildId") not in self._muted:
            await super().send(message)

    async def send_shared_stats(self, stats: dict[str, Any]) -> None:
        """Send the statistics, which are the same for every session."""
        await self.send(self.faults.stats({"op": "stats", **stats}))

    async def created(self, player: NodeLinkPlayer) -> None:
        """Send the event of a new player."""
        await self.event(player, "PlayerCreatedEvent", player=player.payload())

    async def update(self, player: Player) -> None:
        """Send a ``playerUpdate``."""
        await self.send({"op": "playerUpdate", "guildId": player.guild_id, "state": player.state()})

    async def _fail(self, player: Player, failure: Failing) -> None:
        exception = {"message": failure.message, "severity": "fault", "cause": failure.cause}
        await self.event(player, "TrackExceptionEvent", track=player.track_payload(), exception=exception)
        payload = player.track_payload()
        player.stop()
        for reason in ("loadFailed", "stopped"):
            await self.event(player, "TrackEndEvent", track=payload, reason=reason)

    async def _send_of(self, player: Player, now: float) -> None:
        if not isinstance(player, NodeLinkPlayer):
            return
        if player.starts_next:
            player.starts_next = False
            await self.filters_changed(player)
            await self.announce(player)
        if player.pending_voice is not None:
            await self._connect(player, player.pending_voice)
        await super()._send_of(player, now)

    async def filters_changed(self, player: Player) -> None:
        """Send the event of applied filters; a player without any reports empty filters from now on."""
        player.filters = player.filters or {"filters": {}}
        await self.event(player, "FiltersChangedEvent", filters=player.filters)

    async def announce(self, player: NodeLinkPlayer) -> None:
        """Send the events of a track that starts to sound."""
        if player.track is None:
            return
        player.has_sounded = True
        await self.event(player, "TrackStartEvent", track=player.track_payload(), playingQuality=None)
        await self.update(player)

    async def _connect(self, player: NodeLinkPlayer, voice: dict[str, Any]) -> None:
        """Connect to a voice server after the request has been answered."""
        player.pending_voice = None
        host = voice["endpoint"].rpartition("://")[2].partition("/")[0].partition(":")[0]
        if host.lower().endswith(".invalid") or not await self.reach(player, voice):
            player.voice = {"channelId": None, **voice}
            if player.track is not None:
                message = f"connect ECONNREFUSED {voice['endpoint']}"
                await self._fail(player, Failing(message, f"Error: {message}"))
            await self.event(player, "WebSocketClosedEvent", byRemote=True)
            await self.update(player)
            return
        player.connect({"channelId": None, **voice})
        await self.event(player, "PlayerConnectedEvent", voice=voice)
        await self.update(player)
        if player.track is not None:
            if player.has_sounded:
                player.seek(player.stream_began_at)
            else:
                await self.filters_changed(player)
            await self.announce(player)

    async def lose_voice(self, player: Player, code: int) -> None:
        """Simulate that Discord closes the player's voice connection."""
        if code != RECONNECTS:
            await super().lose_voice(player, code)
            return
        if player.track is not None:
            message = f"Voice WS closed with reconnect code {code} (Voice server crashed). Reconnect attempt 1/5"
            await self._fail(player, Failing(message, f"Error: {message}"))
        player.lose_voice()
        await self.update(player)
        player.connect(dict(player.voice))
        await self.event(player, "PlayerConnectedEvent", voice=dict(player.voice))
        await self.update(player)

    async def destroy(self, player: Player) -> None:
        """Close the voice connection of a destroyed player, and send its last events."""
        await self.close_link(player.guild_id)
        if player.voice.get("sessionId") or player.track is not None:
            closed = {"code": 1000, "reason": "destroyed by client", "byRemote": False}
            await self.event(player, "WebSocketClosedEvent", **closed)
        await self.event(player, "PlayerDestroyedEvent")
