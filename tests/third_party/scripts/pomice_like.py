"""The steps with Pomice, and with libraries that have its interface."""

from __future__ import annotations

from typing import Any

from discord_client import DiscordClient
from steps import run, until


def run_with(library: Any, events: str) -> None:
    """Do the steps with this module, whose events begin with this word."""

    class Pomice(DiscordClient):
        """Its pool and player."""

        end_event = f"{events}_track_end"

        async def connect(self) -> None:
            await self.log_in()
            for number, node in enumerate(self.setting.nodes):
                await library.NodePool.create_node(bot=self.bot, identifier=f"node-{number}", **node)
            nodes = library.NodePool().nodes
            await until(lambda: all(node.is_connected and node._session_id for node in nodes.values()))

        async def load(self, identifier: str) -> str:
            found = await library.NodePool.get_node().get_tracks(identifier)
            if isinstance(found, library.Playlist):
                return "playlist"
            count = len(found or ())
            return ("nothing", "track")[count] if count < 2 else "tracks"

        async def join(self) -> None:
            self.player = await self.channel.connect(cls=library.Player)

        async def play(self, identifier: str) -> None:
            found = await self.player.get_tracks(identifier)
            await self.player.play(found[0])

        async def pause(self, paused: bool) -> None:
            await self.player.set_pause(paused)

        async def seek(self, milliseconds: int) -> None:
            await self.player.seek(milliseconds)

        async def volume(self, percent: int) -> None:
            await self.player.set_volume(percent)

        async def filters(self) -> None:
            await self.player.add_filter(library.Timescale(tag="faster", speed=2.0))

        async def move(self) -> str:
            return "has no call for it"

    run(Pomice)
