"""Why Discord closes a voice connection, in words, and what to do about it.

The numbers are those of Discord's voice gateway (4001 to 4022) and the usual ones of a websocket. The same table serves
the library's `VoiceClosed` event and the commands.
"""

from __future__ import annotations

from typing import NamedTuple

DAVE_REQUIRED = 4017
"""Discord wants end-to-end encryption (DAVE) and the node cannot speak it."""


class VoiceClose(NamedTuple):
    """A close code of a voice connection.

    Attributes:
        meaning: What happened.
        advice: What to do about it.
        is_failure: Whether something is wrong; moves and normal ends are not.
    """

    meaning: str
    advice: str
    is_failure: bool = True


_SEND_AGAIN = "The bot has to send a new voice update; the node itself is fine."
_CLIENT_FAULT = "Update Lavalink, or report it to the server's project."

VOICE_CLOSES: dict[int, VoiceClose] = {
    1000: VoiceClose("The voice connection ended normally.", "Nothing to do.", is_failure=False),
    1001: VoiceClose("Discord's voice server goes away.", _SEND_AGAIN),
    1006: VoiceClose("The voice connection broke without a close message.", "Look at the node's network."),
    4001: VoiceClose("Discord does not know a message that the node sent.", _CLIENT_FAULT),
    4002: VoiceClose("Discord could not read a message that the node sent.", _CLIENT_FAULT),
    4003: VoiceClose("The node sent a message before it had identified itself.", _CLIENT_FAULT),
    4004: VoiceClose("Discord refused the voice token.", _SEND_AGAIN),
    4005: VoiceClose("The node identified itself twice.", _CLIENT_FAULT),
    4006: VoiceClose("The voice session is no longer valid.", _SEND_AGAIN),
    4009: VoiceClose("The voice session timed out.", _SEND_AGAIN),
    4011: VoiceClose("Discord has no such voice server.", _SEND_AGAIN),
    4012: VoiceClose("Discord does not know the voice protocol that the node chose.", "Update Lavalink."),
    4014: VoiceClose(
        "The bot was disconnected from the channel: kicked, moved, or the channel is gone.",
        "Join again if that was not meant; a node does not reconnect on its own.",
        is_failure=False,
    ),
    4015: VoiceClose("Discord's voice server crashed.", "Servers try to resume; send a voice update if they do not."),
    4016: VoiceClose("Discord does not know the encryption mode that the node chose.", "Update Lavalink."),
    DAVE_REQUIRED: VoiceClose(
        "Discord requires end-to-end encryption (DAVE), and this node cannot speak it.",
        "Update to Lavalink 4.2.0 or newer, and use a client that sends channelId with its voice updates.",
    ),
    4020: VoiceClose("Discord could not read the voice request.", _CLIENT_FAULT),
    4021: VoiceClose(
        "Discord disconnected the bot because of a rate limit.", "Join less often, and do not reconnect at once."
    ),
    4022: VoiceClose(
        "Discord ended the call for everybody: the channel was deleted or the call was stopped.",
        "Do not reconnect.",
        is_failure=False,
    ),
}
"""Close code -> what it means."""


def explain_close(code: int | None) -> str | None:
    """What a close code means and what to do, in one line; None for a code without a meaning.

    Args:
        code: The code; None where a NodeLink had no connection to close.
    """
    if code is None:
        return "The node could not connect to the voice endpoint. Look at its network and the endpoint's certificate."
    known = VOICE_CLOSES.get(code)
    return None if known is None else f"{known.meaning} {known.advice}"
