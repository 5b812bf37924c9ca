"""Sonolink."""

from __future__ import annotations

import sonolink
from discord_client import DiscordClient
from steps import run, until


class Sonolink(DiscordClient):
    """Its client and player."""

    end_event = "sonolink_track_end"

    async def connect(self) -> None:
        await self.log_in()
        self.sonolink = sonolink.Client(self.bot)
        for node in self.setting.nodes:
            self.sonolink.create_node(**node)
        await self.sonolink.start()
        await until(lambda: all(node.is_connected for node in self.sonolink.nodes))

    async def _fetch(self, identifier: str) -> sonolink.models.SearchResult:
        words = identifier.removeprefix("ytsearch:")  # it adds the prefix
        return await self.sonolink.search_track(words, source="ytsearch")

    async def load(self, identifier: str) -> str:
        found = await self._fetch(identifier)
        words = {"SEARCH": "tracks", "TRACK": "track", "PLAYLIST": "playlist", "EMPTY": "nothing", "ERROR": "error"}
        return words[found.type.name]

    async def join(self) -> None:
        self.player = await self.channel.connect(cls=sonolink.Player)

    async def play(self, identifier: str) -> None:
        found = await self._fetch(identifier)
        await self.player.play(found.result)

    async def pause(self, paused: bool) -> None:
        await (self.player.pause() if paused else self.player.resume())

    async def seek(self, milliseconds: int) -> None:
        await self.player.seek(milliseconds)

    async def volume(self, percent: int) -> None:
        await self.player.set_volume(percent)

    async def filters(self) -> None:
        await self.player.set_filters(sonolink.models.Filters(timescale=sonolink.models.Timescale(speed=2.0)))

    async def move(self) -> None:
        await self.player.move_to(self.sonolink.get_best_node())


run(Sonolink)
