"""The steps with Wavelink, and with libraries that have its interface."""

from __future__ import annotations

from typing import Any

from discord_client import DiscordClient
from steps import run, until


def run_with(library: Any) -> None:
    """Do the steps with this module."""

    class Wavelink(DiscordClient):
        """Its pool and player."""

        end_event = f"{library.__name__}_track_end"

        async def connect(self) -> None:
            await self.log_in()
            nodes = [
                library.Node(uri=f"http://{node['host']}:{node['port']}", password=node["password"])
                for node in self.setting.nodes
            ]
            await library.Pool.connect(nodes=nodes, client=self.bot)
            await until(lambda: all(node.status is library.NodeStatus.CONNECTED for node in nodes))

        async def load(self, identifier: str) -> str:
            found = await library.Pool.fetch_tracks(identifier)
            if isinstance(found, library.Playlist):
                return "playlist"
            return ("nothing", "track")[len(found)] if len(found) < 2 else "tracks"

        async def join(self) -> None:
            self.player = await self.channel.connect(cls=library.Player)

        async def play(self, identifier: str) -> None:
            found = await library.Pool.fetch_tracks(identifier)
            await self.player.play(found[0])

        async def pause(self, paused: bool) -> None:
            await self.player.pause(paused)

        async def seek(self, milliseconds: int) -> None:
            await self.player.seek(milliseconds)

        async def volume(self, percent: int) -> None:
            await self.player.set_volume(percent)

        async def filters(self) -> None:
            filters = library.Filters()
            filters.timescale.set(speed=2.0)
            await self.player.set_filters(filters)

        async def move(self) -> None:
            await self.player.switch_node(library.Pool.get_node())

    run(Wavelink)
