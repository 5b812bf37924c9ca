"""Lavalink.py, with the gateway's events as any Discord library passes them on."""

from __future__ import annotations

import lavalink
from steps import CHANNEL, GUILD, USER, Client, run, until


class LavalinkPy(Client):
    """Its client and player."""

    async def connect(self) -> None:
        self.lavalink = lavalink.Client(USER)
        for node in self.setting.nodes:
            self.lavalink.add_node(**node, region="us")
        self.lavalink.add_event_hook(self._note, event=lavalink.TrackEndEvent)
        await until(lambda: len(self.lavalink.node_manager.available_nodes) == len(self.setting.nodes))

    async def _note(self, _event: lavalink.TrackEndEvent) -> None:
        self.ended.set()

    async def load(self, identifier: str) -> str:
        found = await self.lavalink.get_tracks(identifier)
        words = {"SEARCH": "tracks", "TRACK": "track", "PLAYLIST": "playlist", "EMPTY": "nothing", "ERROR": "error"}
        return words[found.load_type.name]

    async def join(self) -> None:
        self.player = self.lavalink.player_manager.create(GUILD)
        state = {"guild_id": str(GUILD), "user_id": str(USER), "channel_id": str(CHANNEL), "session_id": "voice"}
        server = {"guild_id": str(GUILD), "token": "t", "endpoint": self.setting.endpoint}
        await self.lavalink.voice_update_handler({"t": "VOICE_STATE_UPDATE", "d": state})
        await self.lavalink.voice_update_handler({"t": "VOICE_SERVER_UPDATE", "d": server})

    async def play(self, identifier: str) -> None:
        found = await self.lavalink.get_tracks(identifier)
        await self.player.play(found.tracks[0])

    async def pause(self, paused: bool) -> None:
        await self.player.set_pause(paused)

    async def seek(self, milliseconds: int) -> None:
        await self.player.seek(milliseconds)

    async def volume(self, percent: int) -> None:
        await self.player.set_volume(percent)

    async def filters(self) -> None:
        await self.player.set_filter(lavalink.Timescale(speed=2.0))

    async def move(self) -> None:
        left = self.lavalink.node_manager.find_ideal_node()
        await self.player.change_node(left)


run(LavalinkPy)
