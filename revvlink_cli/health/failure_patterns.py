"""The table of known failures: patterns in the words of servers, and the code that each means."""

from __future__ import annotations

from typing import NamedTuple

from revvlink_cli.health.failure_codes import LAVALINK, LAVASRC, YOUTUBE_SOURCE, FailureCode


class Pattern(NamedTuple):
    """One row of the table.

    Attributes:
        text: Regular expression for the server's words; case is ignored.
        code: The code.
        context: Regular expression that must also match somewhere in the failure; "" for none.
        meaning: A sentence that replaces the code's meaning; "" keeps it.
        advice: The same for the advice.
        link: The same for the link.
    """

    text: str
    code: FailureCode
    context: str = ""
    meaning: str = ""
    advice: str = ""
    link: str = ""


YOUTUBE = r"youtube|googlevideo|yts\.version"
SPOTIFY = (
    r"lavasrc\.spotify|(?:api|open|accounts)\.spotify\.com|spotify ?token|Spotify API|(?s:\A(?!.*youtube).*spotify)"
)
"""Words that name Spotify. A mirrored track fails on YouTube, although its source is Spotify."""

PATTERNS: tuple[Pattern, ...] = (
    # Voice. 4006 alternates with 4017 in the same loop, so 4017 comes first.
    Pattern(
        r"(?:code|closed?|with|event)\W{1,4}4017\b|\b4017\W{1,3}E2EE|E2EE/DAVE|DAVE protocol (?:is )?required",
        FailureCode.VOICE_DAVE_REQUIRED,
    ),
    Pattern(
        r"(?:closed?|code|ws)\b.{0,40}\b40(?:04|06|09|14|15)\b",
        FailureCode.VOICE_DISCONNECTED,
        context=r"voice|websocket|discord\.media",
    ),
    # The track itself, as far as a service says so without doubt.
    Pattern(r"(?:confirm|verify) your age|age[- ]restricted|age verification", FailureCode.AGE_RESTRICTED),
    Pattern(r"inappropriate for some users", FailureCode.AGE_RESTRICTED),
    Pattern(
        r"(?:available|blocked|playable)\b.{0,40}\bin (?:your|this) (?:country|region)", FailureCode.REGION_BLOCKED
    ),
    Pattern(r"from your (?:country|location)|in your location\b", FailureCode.REGION_BLOCKED),
    Pattern(r"geo[-_ ]?(?:restrict|block)", FailureCode.REGION_BLOCKED),
    Pattern(r"not readable\. Available countries: \[[^\]]", FailureCode.REGION_BLOCKED),
    Pattern(r"not readable\. Available countries: \[\]", FailureCode.TRACK_UNAVAILABLE),
    Pattern(r"(?:is a|this) private video|video is private|private track", FailureCode.TRACK_UNAVAILABLE),
    Pattern(
        r"removed by the (?:uploader|user)|(?:video|track|playlist) has been removed", FailureCode.TRACK_UNAVAILABLE
    ),
    Pattern(r"copyright (?:claim|grounds)|account .{0,60}\bterminated", FailureCode.TRACK_UNAVAILABLE),
    Pattern(r"(?:video|track|stream|recording|live event) is no longer available", FailureCode.TRACK_UNAVAILABLE),
    Pattern(r"live (?:event|stream) has ended|live stream recording is not", FailureCode.TRACK_UNAVAILABLE),
    Pattern(r"live event will begin|Premieres in|premiere will begin", FailureCode.TRACK_UNAVAILABLE),
    Pattern(
        r"members[- ]only|channel's members|requires payment|users who have paid|Premium members",
        FailureCode.TRACK_UNAVAILABLE,
    ),
    # YouTube takes the node for a bot, or wants a login.
    Pattern(r"confirm (?:that )?you.{1,8}re not a (?:bot|robot)", FailureCode.YOUTUBE_IP_BLOCKED),
    Pattern(r"IP address has been blocked by YouTube", FailureCode.YOUTUBE_IP_BLOCKED),
    Pattern(r"unusual traffic from your", FailureCode.YOUTUBE_IP_BLOCKED),
    Pattern(r"video requires login|\bLOGIN_REQUIRED\b", FailureCode.YOUTUBE_LOGIN_REQUIRED),
    Pattern(r"(?<!\w)Please sign in", FailureCode.YOUTUBE_LOGIN_REQUIRED),
    Pattern(r"cannot be viewed anonymously", FailureCode.YOUTUBE_LOGIN_REQUIRED),
    Pattern(
        r"Refreshing access token returned error|access token without a refresh token",
        FailureCode.YOUTUBE_LOGIN_REQUIRED,
        meaning="YouTube refused the node's OAuth token.",
        advice="Sign in again with the YouTube plugin, and put the new refresh token into its configuration.",
    ),
    Pattern(
        r"Invalid status code for oauth2 token fetch: 4\d\d\b",
        FailureCode.YOUTUBE_LOGIN_REQUIRED,
        meaning="YouTube refused to give the node an OAuth token.",
        advice="Start the login of the YouTube plugin again, and enter its code before it expires.",
    ),
    # Too many requests: before the other statuses.
    Pattern(
        r"\b429\b|too many requests|rate limit exceeded",
        FailureCode.RATE_LIMITED,
        context=SPOTIFY,
        meaning="Spotify answers 429 (too many requests).",
        advice="At the first requests this often means refused credentials: check clientId and clientSecret.",
        link=f"{LAVASRC}/issues/332",
    ),
    Pattern(
        r"(?:status(?: code)?|response|code|error|HTTP)\b[^\n]{0,40}[ :]429\b",
        FailureCode.RATE_LIMITED,
        context=YOUTUBE,
        meaning="YouTube limits the node's address (429).",
        advice="Rotate IPv6 addresses with a route planner, use another address, or wait some days.",
    ),
    Pattern(r"(?:status(?: code)?|response|code|error|HTTP)\b[^\n]{0,40}[ :]429\b", FailureCode.RATE_LIMITED),
    Pattern(r"too many requests|rate[- ]?limit(?:ed| exceeded)", FailureCode.RATE_LIMITED),
    Pattern(
        r"content isn.t available, try again later",
        FailureCode.RATE_LIMITED,
        meaning="YouTube limits how many videos this session may load.",
        advice="Ask less often, or wait an hour.",
        link="https://github.com/yt-dlp/yt-dlp/issues/11426",
    ),
    # YouTube's script.
    Pattern(r"Must find (?:\w+ )*?(?:functions?|timestamp|actions?|variable)\b", FailureCode.YOUTUBE_CIPHER_OUTDATED),
    Pattern(r"Must find \w[\w ]* from script", FailureCode.YOUTUBE_CIPHER_OUTDATED),
    Pattern(r"Problematic YouTube player script", FailureCode.YOUTUBE_CIPHER_OUTDATED),
    Pattern(r"no actions match|ScriptExtractionException", FailureCode.YOUTUBE_CIPHER_OUTDATED),
    Pattern(
        r"(?:failed to extract|could not (?:parse|extract|find))\b.{0,60}"
        r"\b(?:sig|signature|n[- ]?(?:function|param|code)|cipher|decipher|player script|timestamp)",
        FailureCode.YOUTUBE_CIPHER_OUTDATED,
    ),
    Pattern(
        r"IllegalStateException: No match found|ScriptException", FailureCode.YOUTUBE_CIPHER_OUTDATED, context=r"cipher"
    ),
    Pattern(
        r"Failed to find the \w+ variant n function|\bn challenge solving failed|Signature solving failed",
        FailureCode.YOUTUBE_CIPHER_OUTDATED,
    ),
    Pattern(
        r"Received non-success response code \d+",
        FailureCode.YOUTUBE_CIPHER_OUTDATED,
        context=r"SignatureCipherManager\.validateResponseCode",
    ),
    Pattern(
        r"remote cipher service|\bdecryption proxy\b",
        FailureCode.YOUTUBE_CIPHER_OUTDATED,
        meaning="The remote cipher server of the YouTube plugin failed.",
        advice="Update and restart the cipher server; check its address and password in the plugin's configuration.",
    ),
    # The machine's name servers and network.
    Pattern(
        r"UnknownHostException|\bENOTFOUND\b|EAI_AGAIN|\bgaierror\b|getaddrinfo failed"
        r"|name resolution|Name or service not known",
        FailureCode.NODE_DNS,
    ),
    Pattern(
        r"ConnectTimeoutException|connect timed out|Connection to \S+ timed out|ETIMEDOUT", FailureCode.NODE_NETWORK
    ),
    Pattern(
        r"HttpHostConnectException|Connect to \S+(?: \[[^\]]*\])? failed|\bECONNREFUSED\b|Connection refused",
        FailureCode.NODE_NETWORK,
    ),
    Pattern(r"Read timed out|SocketTimeoutException", FailureCode.UPSTREAM_TIMEOUT),
    Pattern(r"Network is unreachable|No route to host|ENETUNREACH|EHOSTUNREACH", FailureCode.NODE_NETWORK),
    Pattern(
        r"Connection reset|\bConnection timed out\b|ECONNRESET|terminated the handshake",
        FailureCode.NODE_NETWORK,
    ),
    Pattern(r"(?:request|operation|loading)\b.{0,30} timed out|HeadersTimeoutError", FailureCode.UPSTREAM_TIMEOUT),
    Pattern(
        r"PKIX path|unable to find valid certification path|SSLHandshakeException",
        FailureCode.OTHER,
        meaning="The node does not trust the source's certificate, or they share no TLS version.",
        advice="Update the node's Java and the machine's certificates; look for a proxy that opens TLS.",
        link=f"{LAVALINK}/issues/351",
    ),
    # Spotify and other services of plugins, behind what plays their tracks.
    Pattern(r"Not success status code: 403", FailureCode.YOUTUBE_CLIENT_BROKEN, context=YOUTUBE),
    Pattern(
        r"Missing/invalid (?:account )?credentials|\binvalid_client\b|Invalid TOTP|client ?(?:id|secret) must be set",
        FailureCode.SPOTIFY_CREDENTIALS,
        context=SPOTIFY,
    ),
    Pattern(
        r"fetching (?:account |anonymous )?access token|spDc must be set|accessible via anonymous tokens"
        r"|Failed to retrieve secret from Spotify|not permitted under the Spotify Developer Terms",
        FailureCode.SPOTIFY_CREDENTIALS,
        context=SPOTIFY,
    ),
    Pattern(
        r"(?:Response code from channel info is|(?<!success )status(?: code)?\"?:?|HTTP) (?:401|403)\b",
        FailureCode.SPOTIFY_CREDENTIALS,
        context=SPOTIFY,
    ),
    Pattern(
        r"License token has no sufficient rights|\bcode\"?: ?1002\b",
        FailureCode.PLUGIN_ERROR,
        meaning="Deezer does not allow this playback without an account.",
        advice="Set an arl in the Deezer part of LavaSrc's configuration.",
        link=f"{LAVASRC}/issues/250",
    ),
    Pattern(
        r"Failed to get media URL: ?\d+",
        FailureCode.PLUGIN_ERROR,
        meaning="Deezer refused to give the track's address.",
        advice="Update LavaSrc, and check the arl and the master key in its configuration.",
        link=f"{LAVASRC}/issues/95",
    ),
    Pattern(
        r"ArrayIndexOutOfBoundsException",
        FailureCode.PLUGIN_ERROR,
        context=r"DeezerAudioTrack\.getTrackDecryptionKey",
        meaning="LavaSrc cannot decrypt Deezer's tracks with the master key it was given.",
        advice="Correct masterDecryptionKey in the Deezer part of LavaSrc's configuration: it has 16 characters.",
        link=f"{LAVASRC}/issues/336",
    ),
    Pattern(
        r"(?:Deezer|Yandex Music|Tidal|Vk Music)\b.{0,60}\bmust be (?:set|provided)|secret key is not provided",
        FailureCode.PLUGIN_ERROR,
        meaning="A plugin's source has no key or token.",
        advice="Fill in the source's part of the plugin's configuration, or turn the source off.",
    ),
    Pattern(
        r"No mirror found for track",
        FailureCode.PLUGIN_ERROR,
        meaning="The plugin found no playable track of another source for this one.",
        advice="Check LavaSrc's providers, and that their sources can search on this node.",
        link=f"{LAVASRC}/issues/230",
    ),
    Pattern(
        r"NoSuchMethodError|NoClassDefFoundError|ClassNotFoundException|AbstractMethodError|NoSuchFieldError",
        FailureCode.PLUGIN_ERROR,
        meaning="A plugin does not fit the server's version.",
        advice="Update the server and its plugins to versions that belong together.",
    ),
    # The source.
    Pattern(r"Source or search alias not found|has not ['\"`]?[\w .]+['\"`]? enabled", FailureCode.SOURCE_DISABLED),
    Pattern(r"source manager is not registered|No source manager\b", FailureCode.SOURCE_DISABLED),
    # The format.
    Pattern(r"Unknown file format|Unsupported (?:audio|content|file) (?:format|type)", FailureCode.UNSUPPORTED_FORMAT),
    Pattern(
        r"No supported audio streams available",
        FailureCode.UNSUPPORTED_FORMAT,
        context=YOUTUBE,
        meaning="YouTube offered this client no audio that the node can decode.",
        advice="Configure other clients in the YouTube plugin, and update it.",
        link=f"{YOUTUBE_SOURCE}#available-clients",
    ),
    Pattern(r"No supported audio (?:streams|tracks|format)|No track formats found", FailureCode.UNSUPPORTED_FORMAT),
    Pattern(
        r"Unknown MP4 format|Unsupported bits per sample|Did not detect any supported"
        r"|audio codec used in the track is not supported|Invalid audio format \d+, must be"
        r"|Configuring failed with error",
        FailureCode.UNSUPPORTED_FORMAT,
    ),
    # YouTube's clients.
    Pattern(
        r"Invalid status code for (?:player api|video page|video info|search|playlist)(?: music)? response: 4\d\d",
        FailureCode.YOUTUBE_CLIENT_BROKEN,
    ),
    Pattern(r"page needs to be reloaded|Video player configuration error", FailureCode.YOUTUBE_CLIENT_BROKEN),
    Pattern(r"Received unexpected response from YouTube|isn't what was requested", FailureCode.YOUTUBE_CLIENT_BROKEN),
    Pattern(r"None of the registered clients supports", FailureCode.YOUTUBE_CLIENT_BROKEN),
    Pattern(
        r"content is not available on this app|client does not provide direct track URLs",
        FailureCode.YOUTUBE_CLIENT_BROKEN,
    ),
    # The track, in words that may also stand for something named above.
    Pattern(r"video (?:is )?unavailable|this track is not available", FailureCode.TRACK_UNAVAILABLE),
    Pattern(r"\bFileNotFoundException\b|No such file or directory|\bENOENT\b", FailureCode.TRACK_UNAVAILABLE),
    Pattern(
        r"(?:HTTP error|status code:?) (?:404|410)\b",
        FailureCode.TRACK_UNAVAILABLE,
        meaning="The address leads nowhere (404).",
        advice="Check the address.",
    ),
    # Known failures without a code of their own.
    # The same words for a track that is gone and for a client that YouTube no longer serves.
    Pattern(
        r"This video is not available|This video cannot be played|This video is unplayable",
        FailureCode.OTHER,
        meaning="The track is gone, or YouTube does not give it to the client that the node uses.",
        advice="Try a second track: if every track fails so, configure other clients or update the YouTube plugin.",
        link="https://github.com/lavalink-devs/lavaplayer/issues/148",
    ),
    Pattern(
        r"soundcloud stream: 40[14]|client ID from application script",
        FailureCode.OTHER,
        meaning="SoundCloud changed, and this server's version cannot play from it any more.",
        advice="Update Lavalink.",
        link="https://github.com/sedmelluq/lavaplayer/issues/636",
    ),
    Pattern(
        r"(?:HTTP error|status code:?) (?:401|403)\b|Invalid status code from \S+ URL: 40[13]\b",
        FailureCode.OTHER,
        meaning="The source refused the node (403).",
        advice="Open the address from the node's machine: it may need a login, another user agent or another address.",
    ),
    Pattern(
        r"(?:HTTP error|status code:?) 5\d\d\b|Invalid status code for [\w ]+: 5\d\d\b",
        FailureCode.OTHER,
        meaning="The source answered with an error of its own (5xx).",
        advice="Try again later; nothing is wrong with the node.",
    ),
    Pattern(
        r"EOFException|Premature end of (?:chunk coded message body|Content-Length)",
        FailureCode.OTHER,
        meaning="The track's data ends too early.",
        advice="Try the address in another player: the file is damaged, or its server closed the connection.",
    ),
)
"""The table: the first row whose words are in a text decides that text."""
