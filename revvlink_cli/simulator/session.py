"""Sessions of a simulated node, and the players in them."""

from __future__ import annotations

import asyncio
import json
import string
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

    from aiohttp import web

    from revvlink_cli.client.tracks import Playable

NO_VOICE: dict[str, Any] = {"token": "", "endpoint": "", "sessionId": "", "channelId": None}
"""Voice state of a player that has none."""


class Player:
    """A player of one guild: it plays time."""

    def __init__(self, guild_id: str) -> None:
        self.guild_id = guild_id
        self.track: Playable | None = None
        self.user_data: dict[str, Any] = {}
        self.volume = 100
        self.paused = False
        self.voice = dict(NO_VOICE)
        self.filters: dict[str, Any] = {}
        self.end_time: int | None = None
        self._position = 0.0
        self._since = time.monotonic()

    @property
    def is_connected(self) -> bool:
        """Whether it has a voice connection."""
        return bool(self.voice["endpoint"])

    @property
    def is_playing(self) -> bool:
        """Whether a track advances."""
        return self.track is not None and not self.paused

    @property
    def position(self) -> int:
        """Milliseconds into the track; without a voice connection nothing advances."""
        if self.track is None:
            return 0
        moved = (time.monotonic() - self._since) * 1000 if self.is_playing and self.is_connected else 0.0
        return int(self._position + moved)

    def seek(self, position: int) -> None:
        """Go to a position."""
        self._position, self._since = float(max(position, 0)), time.monotonic()

    def hold(self) -> None:
        """Fix the position before something about its advance changes."""
        self.seek(self.position)

    @property
    def remaining(self) -> float | None:
        """Seconds to the end of the track, None when it has none or does not advance."""
        if self.track is None or self.track.duration is None or not self.is_playing or not self.is_connected:
            return None
        end = min(self.track.duration, self.end_time or self.track.duration)
        return max(end - self.position, 0) / 1000

    def state(self) -> dict[str, Any]:
        """``state`` as in ``playerUpdate``."""
        connected = self.is_connected
        return {
            "time": int(time.time() * 1000),
            "position": self.position,
            "connected": connected,
            "ping": 0 if connected else -1,
        }

    def track_payload(self) -> dict[str, Any] | None:
        """The track as sent, with the bot's own data."""
        return None if self.track is None else {**self.track.to_payload(), "userData": self.user_data}

    def payload(self) -> dict[str, Any]:
        """The player as sent."""
        return {
            "guildId": self.guild_id,
            "track": self.track_payload(),
            "volume": self.volume,
            "paused": self.paused,
            "state": self.state(),
            "voice": self.voice,
            "filters": self.filters,
        }


class Session:
    """A websocket session: it has players, and outlives its connection for a while if it was told to."""

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier
        self.players: dict[str, Player] = {}
        self.resuming = False
        self.timeout = 60
        self.socket: web.WebSocketResponse | None = None
        self._waiting: list[str] = []

    @property
    def is_open(self) -> bool:
        """Whether a connection is there."""
        return self.socket is not None

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message now, or when the session is resumed."""
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        if self.socket is None:
            if message["op"] != "playerUpdate":  # these are not queued
                self._waiting.append(text)
        elif not self.socket.closed:
            try:
                await self.socket.send_str(text)
            except ConnectionError:
                return  # its reader notices, and closes the session

    async def replay(self) -> None:
        """What happened while nobody was connected, then where each player is."""
        waiting, self._waiting = self._waiting, []
        for text in waiting:
            if self.socket is not None:
                await self.socket.send_str(text)
        for player in self.players.values():
            await self.update(player)

    async def update(self, player: Player) -> None:
        """A ``playerUpdate`` of one player."""
        await self.send({"op": "playerUpdate", "state": player.state(), "guildId": player.guild_id})

    async def event(self, player: Player, kind: str, **fields: Any) -> None:
        """An event of one player."""
        await self.send({"op": "event", "type": kind, "guildId": player.guild_id, **fields})

    async def run(self, interval: float) -> None:
        """Let time pass: updates every `interval` seconds, and tracks that end."""
        due = time.monotonic() + interval
        while True:
            ends = [left for player in self.players.values() if (left := player.remaining) is not None]
            await asyncio.sleep(max(min([due - time.monotonic(), *ends]), 0.005))
            for player in tuple(self.players.values()):
                if player.remaining == 0:
                    await self.end(player, "finished")
            if time.monotonic() >= due:
                due += interval
                for player in tuple(self.players.values()):
                    if player.is_playing:
                        await self.update(player)

    async def end(self, player: Player, reason: str) -> None:
        """End the player's track."""
        payload = player.track_payload()
        player.track, player.end_time = None, None
        if payload is not None:
            await self.event(player, "TrackEndEvent", track=payload, reason=reason)


def new_session_id(source: random.Random) -> str:
    """Sixteen letters and digits, as the server's own."""
    return "".join(source.choices(string.ascii_lowercase + string.digits, k=16))
