"""The codes of failed loads and plays, and what each means in general."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from revvlink_cli.client.protocol.voice_codes import DAVE_REQUIRED, VOICE_CLOSES

YOUTUBE_SOURCE = "https://github.com/lavalink-devs/youtube-source"
LAVALINK = "https://github.com/lavalink-devs/Lavalink"
LAVASRC = "https://github.com/topi314/LavaSrc"

_CLASS = re.compile(r"^(?:[a-z]\w*\.)+\w+(?:Exception|Error): (?=\S)")
"""The Java class before an exception's message."""


class FailureCode(StrEnum):
    """The reason why a track does not load or play. Codes never change, so that scripts can rely on them."""

    YOUTUBE_LOGIN_REQUIRED = "youtube_login_required"
    YOUTUBE_IP_BLOCKED = "youtube_ip_blocked"
    YOUTUBE_CIPHER_OUTDATED = "youtube_cipher_outdated"
    YOUTUBE_CLIENT_BROKEN = "youtube_client_broken"
    SOURCE_DISABLED = "source_disabled"
    RATE_LIMITED = "rate_limited"
    TRACK_UNAVAILABLE = "track_unavailable"
    REGION_BLOCKED = "region_blocked"
    AGE_RESTRICTED = "age_restricted"
    UNSUPPORTED_FORMAT = "unsupported_format"
    NODE_DNS = "node_dns"
    NODE_NETWORK = "node_network"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    SPOTIFY_CREDENTIALS = "spotify_credentials"
    PLUGIN_ERROR = "plugin_error"
    VOICE_DAVE_REQUIRED = "voice_dave_required"
    VOICE_DISCONNECTED = "voice_disconnected"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of a failure.

    Attributes:
        code: Its code.
        meaning: What happened, in one sentence; "" where only the server's own words are known.
        advice: What to do about it, "" if nothing is known.
        link: Where to read more, "" if nowhere.
    """

    code: FailureCode
    meaning: str = ""
    advice: str = ""
    link: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is more to say than the server's own words."""
        return bool(self.meaning)

    def sentence(self, words: str) -> str:
        """The meaning with the server's words in parentheses; the words alone where the meaning is unknown."""
        words = _CLASS.sub("", words.strip())
        if not self.meaning:
            return words
        return f"{self.meaning.removesuffix('.')} ({words})" if words else self.meaning

    @property
    def next_step(self) -> str | None:
        """The advice, with the link; None where there is none."""
        return " ".join(filter(None, (self.advice, self.link))) or None


EXPLANATIONS: dict[FailureCode, Explanation] = {
    explanation.code: explanation
    for explanation in (
        Explanation(
            FailureCode.YOUTUBE_LOGIN_REQUIRED,
            "YouTube asks this client to log in.",
            "Set up OAuth in the YouTube plugin, and keep a client beside the TV ones (ANDROID_VR, MWEB, WEB).",
            f"{YOUTUBE_SOURCE}#using-oauth-tokens",
        ),
        Explanation(
            FailureCode.YOUTUBE_IP_BLOCKED,
            "YouTube takes the node's address for a bot.",
            "Use another address or rotate IPv6 addresses; OAuth or a poToken may help.",
            f"{YOUTUBE_SOURCE}/issues/14",
        ),
        Explanation(
            FailureCode.YOUTUBE_CIPHER_OUTDATED,
            "YouTube changed its player script, and the node cannot decipher addresses any more.",
            "Use a remote cipher server, or update the YouTube plugin (a snapshot where its release lags).",
            f"{YOUTUBE_SOURCE}#using-a-remote-cipher-server",
        ),
        Explanation(
            FailureCode.YOUTUBE_CLIENT_BROKEN,
            "YouTube does not serve the clients that the node uses.",
            "Update the YouTube plugin, configure several clients, and turn the built-in YouTube source off.",
            f"{YOUTUBE_SOURCE}#available-clients",
        ),
        Explanation(
            FailureCode.SOURCE_DISABLED,
            "The node does not have this source.",
            "Enable the source on the node, or search with another one (--source).",
        ),
        Explanation(
            FailureCode.RATE_LIMITED,
            "The source limits how often this node's address may ask.",
            "Ask less often, or rotate addresses with a route planner.",
            f"{LAVALINK}/issues/369",
        ),
        Explanation(
            FailureCode.TRACK_UNAVAILABLE,
            "The track is gone, private or not public.",
            "Nothing is wrong with the node; choose another track.",
        ),
        Explanation(
            FailureCode.REGION_BLOCKED,
            "The track is not available in the country of the node's address.",
            "Choose another track, or a node in another country.",
        ),
        Explanation(
            FailureCode.AGE_RESTRICTED,
            "The track has an age limit and needs a login.",
            "Set up OAuth with an adult account in the YouTube plugin, or choose another track.",
            f"{YOUTUBE_SOURCE}#using-oauth-tokens",
        ),
        Explanation(
            FailureCode.UNSUPPORTED_FORMAT,
            "The node cannot decode what the address gave it.",
            "Check that the address is an audio file. A page of a music service needs that service's source enabled.",
        ),
        Explanation(
            FailureCode.NODE_DNS,
            "The node cannot resolve the source's host name.",
            "Check the name servers of the node's machine; in a container, /etc/resolv.conf inside it.",
            f"{YOUTUBE_SOURCE}/issues/93",
        ),
        Explanation(
            FailureCode.NODE_NETWORK,
            "The node cannot connect to the source.",
            "Check the node's network: firewall, proxy, IPv6 routes.",
        ),
        Explanation(
            FailureCode.UPSTREAM_TIMEOUT,
            "The source took too long to answer the node.",
            "Try again; if it stays, check the source and the node's network.",
        ),
        Explanation(
            FailureCode.SPOTIFY_CREDENTIALS,
            "Spotify refused the node's credentials.",
            "Check clientId and clientSecret (or the token service) in the node's configuration.",
            f"{LAVASRC}#spotify",
        ),
        Explanation(
            FailureCode.PLUGIN_ERROR,
            "A plugin of the node failed.",
            "Check the plugin's configuration, and that its version fits the server's.",
        ),
        Explanation(
            FailureCode.VOICE_DAVE_REQUIRED,
            VOICE_CLOSES[DAVE_REQUIRED].meaning,
            VOICE_CLOSES[DAVE_REQUIRED].advice,
            f"{LAVALINK}/pull/1191",
        ),
        Explanation(
            FailureCode.VOICE_DISCONNECTED,
            "The voice connection was closed.",
            "The bot has to send a new voice update; the node itself is fine.",
            f"{LAVALINK}/issues/287",
        ),
        Explanation(FailureCode.OTHER),
    )
}
"""Code -> what it means in general."""
