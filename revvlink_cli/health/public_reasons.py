"""Reasons for strangers: why a node is not well, without anything that a server or the configuration says.

The message of an error may have an address, and that of a server anything at all. A public page has a code of ours and
these words only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code
from revvlink_cli.health.catalogue import BY_CODE
from revvlink_cli.health.damping import UNSTABLE
from revvlink_cli.health.findings import Finding, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from revvlink_cli.health.findings import Outcome

OTHER = "other"
"""The reason that has no words of its own."""

CONNECTING = "connecting"
"""The first attempt to connect is not over."""

REASONS = {
    Code.CONFIGURATION: "the monitor's settings for it are wrong",
    Code.RESOLVE_FAILED: "its name is not found",
    Code.REFUSED: "nothing listens",
    Code.UNREACHABLE: "it cannot be reached",
    Code.RESET: "it breaks connections off",
    Code.TIMEOUT: "it does not answer in time",
    Code.TLS_FAILED: "no secure connection is possible",
    Code.CERTIFICATE_EXPIRED: "its certificate has expired",
    Code.CERTIFICATE_NOT_YET_VALID: "its certificate is not valid yet",
    Code.CERTIFICATE_UNTRUSTED: "its certificate is not trusted",
    Code.CERTIFICATE_WRONG_HOST: "its certificate is for another host",
    Code.WRONG_PASSWORD: "it refuses the monitor",
    Code.FORBIDDEN: "it refuses the monitor",
    Code.CHALLENGE: "something in front of it answers",
    Code.REDIRECTED: "something in front of it answers",
    Code.NOT_LAVALINK: "another server answers",
    Code.LAVALINK_V3: "its version is too old",
    Code.WEBSOCKET_REFUSED: "it refuses connections of bots",
    Code.NO_READY: "it does not finish connecting",
    Code.CLOSED: "it closed the connection",
    Code.SILENT: "it does not answer in time",
    Code.REST_UNRESPONSIVE: "it hangs",
    Code.BAD_ANSWER: "its answers make no sense",
    Code.TOO_LARGE: "its answers make no sense",
    Code.RATE_LIMITED: "it answers too many requests",
    Code.SERVER_ERROR: "its server has errors",
    Code.LOAD_FAILED: "tracks do not load",
}
"""Code of an error -> the reason in plain words."""

_OF_CHECK = {
    "reach": "it cannot be reached",
    "certificate": "its certificate ends soon",
    "auth": "it refuses the monitor",
    "version": "its version is too old",
    "info": "it lacks something that is required",
    "stats": "it sends no figures",
    "cpu": "its processor is busy",
    "memory": "its memory is nearly full",
    "rest": "it answers slowly",
    "players": "it has many players",
    "uptime": "it restarted a short while ago",
    "websocket": "bots cannot connect",
    "penalty": "it is loaded",
    "load": "tracks do not load",
    "play": "tracks do not play",
    "packets": "the sound is interrupted",
    "frames": "the sound is interrupted",
    "silence": "the sound is silent",
    "voice": "voice connections fail",
    "routeplanner": "some of its addresses are blocked",
    "youtube": "YouTube is not set up",
}
"""Code of a check -> what its failure means to users."""

WORDS = {
    **{str(code): words for code, words in REASONS.items()},
    CONNECTING: "the first attempt to connect is not over",
    OTHER: "a check failed",
    UNSTABLE: "it is well and not well in turn",
    **{f"check_{check}": _OF_CHECK.get(check, f"its {check.replace('_', ' ')} is out of bounds") for check in BY_CODE},
}
"""Every reason that a public page may show -> its words."""


def reason_of(code: str | None) -> str:
    """The public reason for the code of an error."""
    return str(code) if code is not None and str(code) in WORDS else OTHER


def reason_of_findings(outcomes: Iterable[Outcome]) -> str:
    """The public reason for the gravest of some findings; "" where all is well."""
    found = [each for each in outcomes if isinstance(each, Finding) and each.verdict is not Verdict.OK]
    if not found:
        return ""
    gravest = max(found, key=lambda each: each.verdict.gravity)
    if gravest.code is not None and gravest.code in WORDS:
        return gravest.code
    return f"check_{gravest.check}" if f"check_{gravest.check}" in WORDS else OTHER
