"""One player's connection to the voice server, and the address that nodes are given."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from revvlink_cli.services.voice.rtp import RtpStatistics

if TYPE_CHECKING:
    from collections.abc import Callable

    from revvlink_cli.services.voice.rtp import RtpHeader


@dataclass(slots=True, eq=False)
class VoiceCall:
    """One player's voice connection, expected or open.

    Attributes:
        guild_id: Its guild.
        user_id: The bot's id.
        ssrc: The SSRC of its stream.
        session_id: Voice session id that the node is given.
        token: Voice token that the node is given.
        connected_at: When its websocket identified itself, on `time.monotonic`; None before.
        dave_version: Version of end-to-end encryption that the node offers: 0 is none; None before it has connected.
        discovered_at: When its first UDP datagram came; None before.
        selected_at: When it chose an encryption mode; None before.
        foreign: Packets that it sent with another stream's SSRC.
        statistics: Its RTP packets.
        packets: Each packet with its time, if packets are kept.
    """

    guild_id: str
    user_id: str
    ssrc: int
    session_id: str
    token: str
    connected_at: float | None = None
    dave_version: int | None = None
    discovered_at: float | None = None
    selected_at: float | None = None
    foreign: int = 0
    statistics: RtpStatistics = field(default_factory=RtpStatistics)
    packets: list[tuple[float, RtpHeader]] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def voice_state(self, endpoint: str) -> dict[str, str]:
        """``voice`` of a player that is to connect here."""
        channel = str(int(self.guild_id) + 1)
        return {"token": self.token, "endpoint": endpoint, "sessionId": self.session_id, "channelId": channel}

    def note(self) -> None:
        """Wake those who wait for a change."""
        self._changed.set()

    async def until(self, is_done: Callable[[], bool], timeout: float) -> bool:
        """Wait until a condition holds; False if it does not within the time."""
        try:
            async with asyncio.timeout(timeout):
                while not is_done():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return is_done()
        return True
