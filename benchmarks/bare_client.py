"""The least that a client of a node's websocket does: it receives with aiohttp and decodes with msgspec."""

from __future__ import annotations

from typing import Any

import aiohttp
import msgspec


class State(msgspec.Struct):
    """``state`` of an update."""

    time: int
    position: int
    connected: bool
    ping: int


class Update(msgspec.Struct, tag_field="op", tag="playerUpdate", rename="camel"):
    """``playerUpdate``."""

    guild_id: str
    state: State


class Memory(msgspec.Struct):
    """``memory`` of the statistics."""

    free: int
    used: int
    allocated: int
    reservable: int


class Cpu(msgspec.Struct, rename="camel"):
    """``cpu`` of the statistics."""

    cores: int
    system_load: float
    lavalink_load: float


class Frames(msgspec.Struct):
    """``frameStats``."""

    sent: int
    nulled: int
    deficit: int


class Stats(msgspec.Struct, tag_field="op", tag="stats", rename="camel"):
    """``stats``."""

    players: int
    playing_players: int
    uptime: int
    memory: Memory
    cpu: Cpu
    frame_stats: Frames


class Info(msgspec.Struct, rename="camel"):
    """``info`` of a track."""

    identifier: str
    is_seekable: bool
    author: str
    length: int
    is_stream: bool
    position: int
    title: str
    uri: str | None
    source_name: str
    artwork_url: str | None
    isrc: str | None


class Track(msgspec.Struct, rename="camel"):
    """A track."""

    encoded: str
    info: Info
    plugin_info: dict[str, Any]
    user_data: dict[str, Any]


class Event(msgspec.Struct, tag_field="op", tag="event", rename="camel"):
    """``event`` about a track."""

    type: str
    guild_id: str
    track: Track
    reason: str = ""


class Ready(msgspec.Struct, tag_field="op", tag="ready", rename="camel"):
    """``ready``."""

    session_id: str


decode = msgspec.json.Decoder(Update | Stats | Event | Ready).decode


async def listen(uri: str, last: dict[str, int]) -> None:
    """Receive messages; `last` gets the last position of each guild, and 1 under ``ready`` once the node is."""
    async with aiohttp.ClientSession() as session, session.ws_connect(uri) as socket:
        async for frame in socket:
            match decode(frame.data):
                case Update(guild_id=guild, state=state):
                    last[guild] = state.position
                case Ready():
                    last["ready"] = 1
