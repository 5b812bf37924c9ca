"""The connection of a simulated node to a real voice server, to which it sends RTP packets.

Only nodes whose profile has `audio` connect; the others accept any voice server without a connection. Packets have the
headers and the lengths of genuine ones, with random content.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import ssl
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from revvlink_cli.simulator.player import Player
    from revvlink_cli.simulator.profile import NodeProfile


FRAME = 0.02
"""Seconds of audio in a packet."""

SILENCE, MUSIC = 35, 280
"""Bytes of a packet of silence, and average bytes of a packet of music."""

CONNECTING = 5.0
"""Seconds that a connection may take."""

TRAILING = 5
"""Packets of silence that follow audio."""


class VoiceLink:
    """One player's connection to a voice server."""

    def __init__(self, player: Player, profile: NodeProfile, thawed: asyncio.Event) -> None:
        self._player = player
        self._profile = profile
        self._thawed = thawed
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self, voice: dict[str, Any], dave_version: int) -> bool:
        """Connect; False when the voice server cannot be reached."""
        task = self._task = asyncio.create_task(self._run(voice, dave_version), name="voice")
        ready = asyncio.ensure_future(self._ready.wait())
        await asyncio.wait([task, ready], timeout=CONNECTING, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        return self._ready.is_set()

    async def close(self) -> None:
        """Close the connection to the voice server."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, voice: dict[str, Any], dave_version: int) -> None:
        context = ssl.create_default_context(cafile=self._profile.voice_ca or None)
        scheme = "ws" if self._profile.voice_ca is None else "wss"
        url = f"{scheme}://{voice['endpoint']}/?v=8"
        with suppress(aiohttp.ClientError, OSError, ValueError):
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(url, ssl=context, timeout=aiohttp.ClientWSTimeout(ws_close=0.2)) as gateway,
            ):
                await self._talk(gateway, voice, dave_version)

    async def _talk(self, gateway: aiohttp.ClientWebSocketResponse, voice: dict[str, Any], dave_version: int) -> None:
        identify = {
            "server_id": self._player.guild_id,
            "user_id": "170000000000000001",
            "session_id": voice["sessionId"],
            "token": voice["token"],
            "max_dave_protocol_version": dave_version,
        }
        await gateway.send_json({"op": 0, "d": identify})
        sending: asyncio.Task[None] | None = None
        try:
            async for message in gateway:
                payload = json.loads(message.data) if message.type is aiohttp.WSMsgType.TEXT else {}
                if payload.get("op") == 2:
                    sending = asyncio.create_task(self._send(gateway, payload["d"]), name="audio")
                elif payload.get("op") == 4:
                    self._ready.set()
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, gateway: aiohttp.ClientWebSocketResponse, ready: dict[str, Any]) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET6 if ":" in ready["ip"] else socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.setblocking(False)
            await loop.sock_connect(udp, (ready["ip"], ready["port"]))
            if self._profile.audio == "blocked":
                await asyncio.sleep(3600)
            await loop.sock_sendall(udp, struct.pack("!HHI66x", 1, 70, ready["ssrc"]))
            async with asyncio.timeout(CONNECTING):
                answer = await loop.sock_recv(udp, 100)
            address, port = answer[8:72].rstrip(b"\0").decode(), int.from_bytes(answer[72:74])
            mode = {"address": address, "port": port, "mode": ready["modes"][0]}
            await gateway.send_json({"op": 1, "d": {"protocol": "udp", "data": mode}})
            await self._ready.wait()
            await self._stream(udp, ready["ssrc"] + (self._profile.audio == "foreign"))

    async def _stream(self, udp: socket.socket, ssrc: int) -> None:
        """Send a packet every 20 ms while the track gives audio, and a few packets of silence after it."""
        loop = asyncio.get_running_loop()
        number, trailing, due = secrets.randbelow(0x10000), 0, loop.time()
        while True:
            due = max(due + FRAME, loop.time() - 1.0)
            await asyncio.sleep(due - loop.time())
            await self._thawed.wait()
            is_paused = self._profile.audio == "pauses" and loop.time() % 2.0 > 0.4
            sounds = self._player.is_playing and not self._player.is_silent and not is_paused
            trailing = TRAILING if sounds else trailing - 1
            if trailing < 0:
                continue
            is_silence = not sounds or self._player.volume == 0 or self._profile.audio == "silence"
            length = SILENCE if is_silence else MUSIC + secrets.randbelow(20) - 10
            header = struct.pack("!BBHII", 0x80, 120, number % 0x10000, number * 960 % 2**32, ssrc)
            with suppress(OSError):
                await loop.sock_sendall(udp, header + secrets.token_bytes(length - len(header)))
            number += 1
