"""A discord.py bot without Discord: one guild with one voice channel, and a gateway that answers when the bot joins it.

It sets attributes of discord.py that are not public; it was tried with discord.py 2.7.
"""

from __future__ import annotations

import asyncio
from typing import Any

import discord
from discord.user import ClientUser

GUILD, CHANNEL, BOT = 81384788765712384, 155101607195836416, 170939974227541168


async def log_in_nowhere(bot: Any, endpoint: str = "us-east1.discord.media:443") -> Any:
    """Give a bot a user and a guild, and return the guild's voice channel, whose voice server has this endpoint."""
    await bot._async_setup_hook()
    bot._ready = asyncio.Event()
    bot._ready.set()
    state = bot._connection
    user = {"id": str(BOT), "username": "bot", "discriminator": "0", "avatar": None, "bot": True}
    state.user = ClientUser(state=state, data=user)
    state._users[BOT] = state.user
    channel = {"id": str(CHANNEL), "type": 2, "name": "music", "position": 0, "permission_overwrites": [],
               "bitrate": 64000, "user_limit": 0, "nsfw": False, "parent_id": None}  # fmt: skip
    everyone = {"id": str(GUILD), "name": "@everyone", "permissions": "8", "position": 0, "color": 0, "colors": {},
                "hoist": False, "managed": False, "mentionable": False, "flags": 0}  # fmt: skip
    member = {"user": user, "roles": [], "joined_at": "2024-01-01T00:00:00+00:00", "flags": 0, "deaf": False,
              "mute": False}  # fmt: skip
    guild = {"id": str(GUILD), "name": "guild", "owner_id": str(BOT), "channels": [channel], "roles": [everyone],
             "members": [member], "member_count": 1, "emojis": [], "stickers": [], "features": []}  # fmt: skip
    state._add_guild(discord.Guild(data=guild, state=state))
    bot.ws = Gateway(state, endpoint)
    return bot.get_channel(CHANNEL)


class Gateway:
    """Answers the voice states of the bot as Discord's gateway does."""

    def __init__(self, state: Any, endpoint: str) -> None:
        self._state = state
        self._endpoint = endpoint

    async def voice_state(self, guild_id: int, channel_id: int | None, *_flags: bool, **_more: bool) -> None:
        """Let the bot join a voice channel, or leave with None."""
        guild, channel = str(guild_id), str(channel_id) if channel_id is not None else None
        self._state.parse_voice_state_update(
            {"guild_id": guild, "channel_id": channel, "user_id": str(BOT), "session_id": "voice-session",
             "deaf": False, "mute": False, "self_deaf": False, "self_mute": False, "self_video": False,
             "suppress": False}
        )  # fmt: skip
        if channel is not None:
            self._state.parse_voice_server_update({"guild_id": guild, "token": "t", "endpoint": self._endpoint})
