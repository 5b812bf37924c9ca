"""A stand-in for Discord behind a discord.py bot: one guild with one voice channel, and the events of joining it."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
from discord.ext import commands
from discord.user import ClientUser
from steps import CHANNEL, GUILD, USER, Client, Setting


class StandIn(commands.Bot):
    """A bot that is logged in nowhere; what it would send to the gateway is answered here."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(command_prefix="!", intents=discord.Intents.none())
        self._endpoint = endpoint
        self._heard: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def log_in(self) -> None:
        """Become a bot with a guild."""
        await self._async_setup_hook()
        state: Any = self._connection
        user = {"id": str(USER), "username": "bot", "discriminator": "0", "avatar": None, "bot": True}
        state.user = ClientUser(state=state, data=user)
        state._users[USER] = state.user
        channel = {"id": str(CHANNEL), "type": 2, "name": "music", "position": 0, "permission_overwrites": [],
                   "bitrate": 64000, "user_limit": 0, "nsfw": False, "parent_id": None}  # fmt: skip
        role = {"id": str(GUILD), "name": "@everyone", "permissions": "8", "position": 0, "color": 0, "colors": {},
                "hoist": False, "managed": False, "mentionable": False, "flags": 0}  # fmt: skip
        member = {"user": user, "roles": [], "joined_at": "2024-01-01T00:00:00+00:00", "flags": 0, "deaf": False,
                  "mute": False}  # fmt: skip
        guild: Any = {"id": str(GUILD), "name": "guild", "owner_id": str(USER), "channels": [channel], "roles": [role],
                      "members": [member], "member_count": 1, "emojis": [], "stickers": [], "features": []}  # fmt: skip
        state._add_guild(discord.Guild(data=guild, state=state))
        self.ws = self  # see `voice_state`
        self._ready = asyncio.Event()
        self._ready.set()

    @property
    def channel(self) -> discord.VoiceChannel:
        """The voice channel."""
        channel = self.get_channel(CHANNEL)
        assert isinstance(channel, discord.VoiceChannel)
        return channel

    def when(self, event: str) -> asyncio.Event:
        """Is set when the client library dispatches this event, such as ``wavelink_track_end``."""
        return self._heard.setdefault(event, asyncio.Event())

    def dispatch(self, event: str, /, *_args: Any, **_kwargs: Any) -> None:
        """Note an event in place of calling a bot's listeners."""
        self.when(event).set()

    async def voice_state(
        self, guild_id: int, channel_id: int | None, self_mute: bool = False, self_deaf: bool = False
    ) -> None:
        """Answer op 4 of the gateway, as the gateway does: a moment later."""
        task = asyncio.create_task(self._answer(guild_id, channel_id, self_mute, self_deaf))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, guild_id: int, channel_id: int | None, self_mute: bool, self_deaf: bool) -> None:
        state: Any = self._connection
        state.parse_voice_state_update(
            {"guild_id": str(guild_id), "channel_id": str(channel_id) if channel_id else None, "user_id": str(USER),
             "session_id": "voice-session", "deaf": False, "mute": False, "self_deaf": self_deaf,
             "self_mute": self_mute, "self_video": False, "suppress": False}
        )  # fmt: skip
        if channel_id:
            state.parse_voice_server_update({"guild_id": str(guild_id), "token": "t", "endpoint": self._endpoint})


class DiscordClient(Client):
    """A client that works with discord.py.

    Attributes:
        end_event: What it dispatches when a track ends.
        bot: The stand-in.
        player: Its player, once it has joined.
    """

    end_event: str
    player: Any

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.bot = StandIn(setting.endpoint)
        self.ended = self.bot.when(self.end_event)
