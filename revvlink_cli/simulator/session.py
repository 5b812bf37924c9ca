"""Sessions of a simulated node: what a websocket is told, and what goes on while nobody is connected."""

from __future__ import annotations

import asyncio
import math
import string
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from revvlink_cli.simulator.answers import json_text
from revvlink_cli.simulator.voice import VoiceLink

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from aiohttp import web

    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.music import Failing
    from revvlink_cli.simulator.player import Player
    from revvlink_cli.simulator.profile import NodeProfile


class Session:
    """A session: it has players, and outlives its connection for a while if it was told to.

    Attributes:
        identifier: Its id.
        profile: What the node is like.
        clock: Its time.
        players: Its players by guild, in the order in which they were made.
        resuming: Whether it waits for its client to come back.
        timeout: Seconds for which it does; on a NodeLink they may be a fraction.
        socket: Its connection, None while there is none.
    """

    def __init__(
        self,
        identifier: str,
        profile: NodeProfile,
        clock: Clock,
        stats: Callable[[], dict[str, Any]],
        thawed: asyncio.Event,
    ) -> None:
        self.identifier = identifier
        self.players: dict[str, Player] = {}
        self.resuming = False
        self.timeout: float = 60
        self.socket: web.WebSocketResponse | None = None
        self.profile = profile
        self.clock = clock
        self._stats = stats
        self._thawed = thawed
        self._changed = asyncio.Event()
        self._next_stats = self.clock.now() + profile.stats_interval
        self._ends = math.inf
        self._queue: list[str] = []
        self._links: dict[str, VoiceLink] = {}

    @property
    def is_open(self) -> bool:
        """Whether a connection is there."""
        return self.socket is not None

    def claim(self) -> bool:
        """Take up the session again; False when it is open, over, or taken already."""
        waits = not self.is_open and self.clock.now() < self._ends < math.inf
        if waits:
            self._ends = math.inf
        return waits

    async def open(self, socket: web.WebSocketResponse, *, resumed: bool) -> None:
        """Greet a client: with the statistics, or with what has happened since it left and where its players are."""
        self.socket = socket
        await self.send({"op": "ready", "resumed": resumed, "sessionId": self.identifier})
        if not resumed:
            await self.tell_stats()
            return
        waiting, self._queue = self._queue, []
        for text in waiting:
            await self._send(text)
        for player in self.players.values():
            await self.update(player)

    def leave(self) -> None:
        """The connection is gone: wait for another, or come to an end."""
        self.socket = None
        self._ends = self.clock.now() + (self.timeout if self.resuming else 0)
        self.change()

    def change(self) -> None:
        """Something is due at another time than before."""
        self._changed.set()

    async def live(self) -> None:
        """Let time pass until the session is over: statistics, updates, ends of tracks."""
        try:
            await self._live()
        finally:
            for guild in tuple(self._links):
                await self.part(guild)

    async def _live(self) -> None:
        while self.clock.now() < self._ends:
            self._changed.clear()
            await self._thawed.wait()
            await self._catch_up(self.clock.now())
            due = min(self._next_stats, self._ends, *(player.due() for player in self.players.values()))
            with suppress(TimeoutError):
                async with asyncio.timeout(self.clock.real_until(due)):
                    await self._changed.wait()

    async def _catch_up(self, now: float) -> None:
        for player in tuple(self.players.values()):
            if failure := player.take_failure(now):
                await self._fail(player, failure)
            elif player.take_stuck(now):
                threshold = int(self.profile.track_stuck_threshold * 1000)
                await self.event(player, "TrackStuckEvent", track=player.track_payload(), thresholdMs=threshold)
                await self.update(player)
            elif reason := player.has_ended(now):
                await self.end(player, reason)
            elif player.needs_update(now, self.profile.player_update_interval):
                await self.update(player)
        if now >= self._next_stats:
            self._next_stats = now + self.profile.stats_interval
            await self.tell_stats()

    async def _fail(self, player: Player, failure: Failing) -> None:
        await self.event(player, "TrackExceptionEvent", **exception_of(player, failure))
        await self.end(player, failure.reason)

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message now, or, all but updates of players, when the session is taken up again."""
        if self.is_open:
            await self._send(json_text(message))
        elif message["op"] != "playerUpdate":
            self._queue.append(json_text(message))

    async def _send(self, text: str) -> None:
        if self.socket is not None and not self.socket.closed:
            with suppress(ConnectionError):  # whoever reads from it notices, and leaves
                await self.socket.send_str(text)

    async def tell_stats(self) -> None:
        """The statistics, as they are now."""
        frames = None
        if any(player.has_frames(self.clock.now()) for player in self.players.values()):
            frames = {"sent": 3000, "nulled": 0, "deficit": 0}  # on the average of its players: nothing is ever late
        await self.send({"op": "stats", **self._stats(), "frameStats": frames})

    async def update(self, player: Player) -> None:
        """A ``playerUpdate`` of one player."""
        await self.send({"op": "playerUpdate", "state": player.state(), "guildId": player.guild_id})

    async def event(self, player: Player, kind: str, /, **fields: Any) -> None:
        """An event of one player."""
        await self.send({"op": "event", "type": kind, "guildId": player.guild_id, **fields})

    async def end(self, player: Player, reason: str) -> None:
        """End the player's track, if it has one."""
        payload = player.track_payload()
        player.stop()
        if payload is not None:
            await self.event(player, "TrackEndEvent", track=payload, reason=reason)

    async def reach(self, player: Player, voice: dict[str, Any]) -> bool:
        """Connect to a voice server where the node really does; False when that fails."""
        await self.part(player.guild_id)
        if self.profile.audio is None:
            return True
        link = self._links[player.guild_id] = VoiceLink(player, self.profile, self._thawed)
        return await link.open(voice, self.profile.dave_version)

    async def part(self, guild_id: str) -> None:
        """Close the real connection to a voice server, if there is one."""
        link = self._links.pop(guild_id, None)
        if link is not None:
            await link.close()

    async def refuse_without_dave(self, player: Player) -> None:
        """Let Discord close the voice connection of a node that cannot speak its encryption."""
        if self.profile.requires_dave and not self.profile.dave_version:
            await self.lose_voice(player, 4017)

    async def disconnect(self, player: Player) -> None:
        """Close the player's voice connection, if it has one."""
        await self.part(player.guild_id)
        was_connected = player.is_connected
        if player.is_sending:
            player.disconnect()
        if was_connected:
            await self.event(player, "WebSocketClosedEvent", code=1000, reason="", byRemote=False)
            await self.update(player)

    async def lose_voice(self, player: Player, code: int) -> None:
        """Discord closes the player's voice connection; after some codes the server connects again by itself."""
        if not player.is_connected or code in _TRIED_AGAIN:
            return
        player.lose_voice()
        await self.event(player, "WebSocketClosedEvent", code=code, reason=_REASONS.get(code, ""), byRemote=True)
        await self.update(player)


_TRIED_AGAIN = (4015,)

_REASONS = {4006: "Session is no longer valid.", 4014: "Disconnected.", 4017: "E2EE/DAVE protocol required."}


def exception_of(player: Player, failure: Failing) -> dict[str, Any]:
    """The fields of a ``TrackExceptionEvent``."""
    told = {"message": failure.message, "severity": "fault", "cause": failure.cause}
    trace = f"{failure.cause}\n\tat simulated.Source.play(Source.java:1)\n"
    return {"track": player.track_payload(), "exception": told | {"causeStackTrace": trace}}


def new_session_id(source: random.Random) -> str:
    """Sixteen letters and digits, as the server's own."""
    return "".join(source.choices(string.ascii_lowercase + string.digits, k=16))
