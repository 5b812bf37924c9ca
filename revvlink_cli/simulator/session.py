"""Sessions of a simulated node: their websocket messages, and their life while no client is connected."""

from __future__ import annotations

import asyncio
import math
import string
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from revvlink_cli.simulator.answers import json_text
from revvlink_cli.simulator.due_times import DueTimes
from revvlink_cli.simulator.message_faults import NO_FAULTS
from revvlink_cli.simulator.voice import VoiceLink

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping

    from aiohttp import web

    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.music import Failing
    from revvlink_cli.simulator.player import Player
    from revvlink_cli.simulator.profile import NodeProfile


class Session:
    """A session with its players; with `resuming` it outlives its connection.

    Attributes:
        identifier: Its id.
        profile: The profile of the node.
        clock: The clock of the node.
        players: Its players by guild, in the order of their creation.
        resuming: Whether it waits for its client after a lost connection.
        timeout: Seconds for which it waits; a NodeLink allows fractions.
        socket: Its connection, None without one.
        observer: Is called with every message to its client.
        faults: The faults of its messages.
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
        self.observer: Callable[[Mapping[str, Any]], None] = lambda _: None
        self.faults = NO_FAULTS
        self._held: str | None = None
        self.profile = profile
        self.clock = clock
        self._stats = stats
        self._thawed = thawed
        self._changed = asyncio.Event()
        self._next_stats = self.clock.now() + profile.stats_interval
        self._ends = math.inf
        self._due = DueTimes()
        self._queue: list[str] = []
        self._links: dict[str, VoiceLink] = {}

    @property
    def is_open(self) -> bool:
        """Whether it has a connection."""
        return self.socket is not None

    def claim(self) -> bool:
        """Reserve the session for a client that resumes it; False when it is open, over or reserved already."""
        waits = not self.is_open and self.clock.now() < self._ends < math.inf
        if waits:
            self._ends = math.inf
        return waits

    async def open(self, socket: web.WebSocketResponse, *, resumed: bool) -> None:
        """Send the first messages: the statistics, or after a resume the queued messages and the players' states."""
        self.socket = socket
        await self.send({"op": "ready", "resumed": resumed, "sessionId": self.identifier})
        if not resumed:
            await self.send_stats()
            return
        waiting, self._queue = self._queue, []
        for text in waiting:
            await self._send(text)
        for player in self.players.values():
            await self.update(player)

    def disconnected(self) -> None:
        """Handle the loss of the connection: wait for a resume, or end."""
        self.socket = self._held = None
        self._ends = self.clock.now() + (self.clock.of_client(self.timeout) if self.resuming else 0)
        self._changed.set()

    def forget(self) -> None:
        """Let it not wait for its client: at once if it waits now, else after the next loss of its connection."""
        self.resuming = False
        if not self.is_open:
            self._ends = self.clock.now()
            self._changed.set()

    def plan(self, player: Player) -> None:
        """Wake the session in time for what its player has to send, after a change."""
        if self._due.plan(player):
            self._changed.set()

    async def run(self) -> None:
        """Send statistics, updates and ends of tracks when they are due, until the session is over."""
        try:
            await self._run()
        finally:
            for guild in tuple(self._links):
                await self.close_link(guild)

    async def _run(self) -> None:
        while self.clock.now() < self._ends:
            self._changed.clear()
            await self.clock.wait(math.inf, self._thawed)
            await self._send_due(self.clock.now())
            await self.clock.wait(min(self._next_stats, self._ends, self._due.next), self._changed)

    async def _send_due(self, now: float) -> None:
        for player in self._due.take(now):
            if self.players.get(player.guild_id) is player:
                await self._send_of(player, now)
                self._due.plan(player)
        if now >= self._next_stats:
            self._next_stats = now + self.profile.stats_interval
            await self.send_stats()

    async def _send_of(self, player: Player, now: float) -> None:
        """Send what a player has to send by now."""
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

    async def _fail(self, player: Player, failure: Failing) -> None:
        await self.event(player, "TrackExceptionEvent", **exception_of(player, failure))
        if player.is_sending:  # without voice the track stays until it is cleaned up
            await self.end(player, failure.reason)

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message, or queue it until the session is resumed; player updates are not queued."""
        self.observer(message)
        if self.is_open and self._held is None and message["op"] in _REORDERED and self.faults.holds_back():
            self._held = json_text(message)
        elif self.is_open:
            await self._send(json_text(message))
            await self.send_held()
        elif message["op"] != "playerUpdate":
            self._queue.append(json_text(message))

    async def _send(self, text: str) -> None:
        if self.socket is not None and not self.socket.closed:
            with suppress(ConnectionError):  # the task that reads from the socket handles the loss
                await self.socket.send_str(text)

    async def send_held(self) -> None:
        """Send a message that was held back so that a later one came first."""
        held, self._held = self._held, None
        if held is not None:
            await self._send(held)

    async def send_stats(self) -> None:
        """Send the current statistics."""
        frames = None
        if any(player.has_frames(self.clock.now()) for player in self.players.values()):
            nulled, missing = self.profile.nulled_frames, self.profile.missing_frames
            frames = {"sent": 3000 - nulled - missing, "nulled": nulled, "deficit": missing}  # averages of its players
        await self.send(self.faults.stats({"op": "stats", **self._stats(), "frameStats": frames}))

    async def update(self, player: Player) -> None:
        """Send a ``playerUpdate`` of a player."""
        await self.send({"op": "playerUpdate", "state": player.state(), "guildId": player.guild_id})

    async def event(self, player: Player, kind: str, /, **fields: Any) -> None:
        """Send an event of a player."""
        await self.send({"op": "event", "type": kind, "guildId": player.guild_id, **fields})

    async def end(self, player: Player, reason: str) -> None:
        """End the player's track, if it has one."""
        payload = player.track_payload()
        player.stop()
        if payload is not None:
            await self.event(player, "TrackEndEvent", track=payload, reason=reason)

    async def reach(self, player: Player, voice: dict[str, Any]) -> bool:
        """Connect to a voice server if the profile has `audio`; False when that fails. Its `voice` comes first.

        A voice server of Discord counts as reached: nothing leaves this machine.
        """
        await self.close_link(player.guild_id)
        match self.profile.voice:
            case "delay":
                await self.clock.sleep(self.clock.of_client(self.profile.voice_delay))
            case "hang":
                await asyncio.get_running_loop().create_future()
            case "refuse":
                return False
        host = str(voice.get("endpoint", "")).partition(":")[0].lower()
        if self.profile.audio is None or host.endswith(_DISCORD):
            return True
        link = self._links[player.guild_id] = VoiceLink(player, self.profile, self._thawed)
        return await link.open(voice, self.profile.dave_version)

    async def close_link(self, guild_id: str) -> None:
        """Close the real connection to a voice server, if there is one."""
        link = self._links.pop(guild_id, None)
        if link is not None:
            await link.close()

    async def refuse_without_dave(self, player: Player) -> None:
        """Simulate that Discord closes the voice connection of a node without DAVE, if the profile says so."""
        if self.profile.requires_dave and not self.profile.dave_version:
            await self.lose_voice(player, 4017)

    async def disconnect(self, player: Player) -> None:
        """Close the player's voice connection, if it has one."""
        await self.close_link(player.guild_id)
        was_connected = player.is_connected
        if player.is_sending:
            player.disconnect()
        if was_connected:
            await self.event(player, "WebSocketClosedEvent", code=1000, reason="", byRemote=False)
            await self.update(player)

    async def lose_voice(self, player: Player, code: int) -> None:
        """Simulate that Discord closes the player's voice connection; after some codes the server reconnects."""
        if not player.is_connected or code in _RECONNECTING_CODES:
            return
        player.lose_voice()
        await self.event(player, "WebSocketClosedEvent", code=code, reason=_REASONS.get(code, ""), byRemote=True)
        await self.update(player)


_REORDERED = ("event", "playerUpdate")

_RECONNECTING_CODES = (4015,)

_DISCORD = (".discord.gg", ".discord.media")

_REASONS = {4006: "Session is no longer valid.", 4014: "Disconnected.", 4017: "E2EE/DAVE protocol required."}


def exception_of(player: Player, failure: Failing) -> dict[str, Any]:
    """The fields of a ``TrackExceptionEvent``."""
    exception = {"message": failure.message, "severity": "fault", "cause": failure.cause}
    trace = f"{failure.cause}\n\tat simulated.Source.play(Source.java:1)\n"
    return {"track": player.track_payload(), "exception": exception | {"causeStackTrace": trace}}


def new_session_id(source: random.Random) -> str:
    """Sixteen letters and digits, as in the genuine server's ids."""
    return "".join(source.choices(string.ascii_lowercase + string.digits, k=16))
