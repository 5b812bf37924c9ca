"""Mafic."""

from __future__ import annotations

import mafic
from discord_client import DiscordClient
from steps import run


class Mafic(DiscordClient):
    """Its pool and player."""

    end_event = "track_end"

    async def connect(self) -> None:
        await self.log_in()
        self.pool = mafic.NodePool(self.bot)
        for number, node in enumerate(self.setting.nodes):
            await self.pool.create_node(label=f"node-{number}", **node)

    async def _fetch(self, identifier: str) -> list[mafic.Track] | mafic.Playlist | None:
        words = identifier.removeprefix("ytsearch:")  # it adds the prefix
        return await self.pool.get_random_node().fetch_tracks(words, search_type="ytsearch")

    async def load(self, identifier: str) -> str:
        found = await self._fetch(identifier)
        if isinstance(found, mafic.Playlist):
            return "playlist"
        count = len(found or ())
        return ("nothing", "track")[count] if count < 2 else "tracks"

    async def join(self) -> None:
        self.player = await self.channel.connect(cls=mafic.Player)

    async def play(self, identifier: str) -> None:
        found = await self._fetch(identifier)
        await self.player.play(found[0])

    async def pause(self, paused: bool) -> None:
        await self.player.pause(paused)

    async def seek(self, milliseconds: int) -> None:
        await self.player.seek(milliseconds)

    async def volume(self, percent: int) -> None:
        await self.player.set_volume(percent)

    async def filters(self) -> None:
        await self.player.add_filter(mafic.Filter(timescale=mafic.Timescale(speed=2.0)), label="faster")

    async def move(self) -> None:
        (left,) = (node for node in self.pool.nodes if node.available and node is not self.player.node)
        await self.player.transfer_to(left)


run(Mafic)
