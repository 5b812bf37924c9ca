"""Clients that work with discord.py, on the stand-in for Discord of the documentation."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
from discord.ext import commands
from discord_stand_in import log_in_nowhere
from steps import Client, Setting


class Bot(commands.Bot):
    """A bot that notes events in place of calling listeners."""

    def __init__(self) -> None:
        super().__init__(command_prefix="!", intents=discord.Intents.none())
        self._heard: dict[str, asyncio.Event] = {}

    def when(self, event: str) -> asyncio.Event:
        """Is set when the client dispatches this event, such as ``wavelink_track_end``."""
        return self._heard.setdefault(event, asyncio.Event())

    def dispatch(self, event: str, /, *_args: Any, **_kwargs: Any) -> None:
        """Note an event."""
        self.when(event).set()


class DiscordClient(Client):
    """A client that works with discord.py.

    Attributes:
        end_event: What it dispatches when a track ends.
        bot: The bot.
        channel: The voice channel, once the bot is logged in.
        player: Its player, once it has joined.
    """

    end_event: str
    channel: discord.VoiceChannel
    player: Any

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.bot = Bot()
        self.ended = self.bot.when(self.end_event)

    async def log_in(self) -> None:
        """Log the bot in."""
        self.channel = await log_in_nowhere(self.bot, self.setting.endpoint)
