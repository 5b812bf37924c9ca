"""Explains failed loads and tracks: matches a server's messages with the table of known failures.

A server's own message is often only "Something broke when playing the track"; the reason is in its causes. So the
texts are read in this order, and the first known one decides:

1. the ``Caused by:`` lines of the stack trace, the innermost first,
2. the head of the stack trace, then ``cause``, then ``message``.

An ``AllClientsFailedException`` of the YouTube plugin is only a header. Its clients' reasons are judged together: one
that names the cause for certain (an age limit, a login) is preferred to one that may follow from it (a 403).

A failure that is not known for sure is `FailureCode.OTHER`: a wrong code is worse than none.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import Code
from revvlink_cli.client.protocol.voice_codes import DAVE_REQUIRED, VOICE_CLOSES
from revvlink_cli.health.failure_codes import EXPLANATIONS, Explanation, FailureCode
from revvlink_cli.health.failure_patterns import PATTERNS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from revvlink_cli.client.errors import LavalinkLoadException
    from revvlink_cli.client.protocol.messages import TrackException


_CERTAINTY = (
    FailureCode.VOICE_DAVE_REQUIRED,
    FailureCode.REGION_BLOCKED,
    FailureCode.AGE_RESTRICTED,
    FailureCode.YOUTUBE_IP_BLOCKED,
    FailureCode.YOUTUBE_LOGIN_REQUIRED,
    FailureCode.RATE_LIMITED,
    FailureCode.NODE_DNS,
    FailureCode.NODE_NETWORK,
    FailureCode.UPSTREAM_TIMEOUT,
    FailureCode.YOUTUBE_CIPHER_OUTDATED,
    FailureCode.YOUTUBE_CLIENT_BROKEN,
    FailureCode.UNSUPPORTED_FORMAT,
    FailureCode.TRACK_UNAVAILABLE,
)
"""Order of preference where several YouTube clients give different reasons."""

_COMPILED = tuple(
    (re.compile(row.text, re.IGNORECASE), re.compile(row.context, re.IGNORECASE), row) for row in PATTERNS
)
_CLIENT = re.compile(r"Client \[[^\]\n]+\] failed:")
_FRAME = re.compile(r"^[^\n]*?(?:\sat [\w.$/@<>]+\(|\.\.\. \d+ (?:more|common frames))", re.MULTILINE)
_ENVIRONMENT = re.compile(r"Suppressed: \S*(?:EnvironmentInformation|ClientInformation)")


def explain(message: str, cause: str = "", stack_trace: str = "", *, source: str = "") -> Explanation:
    """What a failure means.

    Args:
        message: ``exception.message`` as the server wrote it, or any text of a log.
        cause: ``exception.cause``, "" if unknown.
        stack_trace: ``exception.causeStackTrace``, "" if unknown.
        source: The track's source (``youtube``), "" if not known.
    """
    everything = f"{stack_trace}\n{cause}\n{message}\n{source}"
    if clients := _clients(everything):
        return _of_clients(clients, everything)
    for text in _texts(message, cause, stack_trace):
        found = _match(text, everything)
        if found is not None:
            return found
    return EXPLANATIONS[FailureCode.OTHER]


def explain_load(error: LavalinkLoadException) -> Explanation:
    """What the failure of a load means."""
    if error.code is Code.SOURCE_MISSING:
        return EXPLANATIONS[FailureCode.SOURCE_DISABLED]
    if error.code is not Code.LOAD_FAILED:
        return EXPLANATIONS[FailureCode.OTHER]
    return explain(error.reason, error.cause, error.stack_trace)


def explain_track(event: TrackException) -> Explanation:
    """What the failure of a track that plays means."""
    source = event.track.source if event.track is not None else ""
    return explain(event.message, event.cause, event.stack_trace, source=source)


def words_of(event: TrackException) -> str:
    """The most specific of a server's own words: a message alone is often the same for everything."""
    return event.cause.partition("\n")[0] or event.message


def explain_voice_close(code: int | None, reason: str = "") -> Explanation:
    """What the end of a voice connection means; `FailureCode.OTHER` without words for a normal end."""
    if code == DAVE_REQUIRED or "DAVE" in reason:
        return EXPLANATIONS[FailureCode.VOICE_DAVE_REQUIRED]
    known = VOICE_CLOSES.get(code) if code is not None else None
    if known is None or code == 1000:
        return EXPLANATIONS[FailureCode.OTHER]
    link = EXPLANATIONS[FailureCode.VOICE_DISCONNECTED].link
    return Explanation(FailureCode.VOICE_DISCONNECTED, known.meaning, known.advice, link)


def _texts(*parts: str) -> Iterator[str]:
    """The texts of a failure in the order in which they are read: the stack trace, the cause, the message."""
    message, cause, stack_trace = parts
    for text in (stack_trace, cause, message):
        head, *causes = text.split("Caused by: ")
        for thrown in (*reversed(causes), head):
            if thrown.strip():
                yield _before_frames(thrown)


def _before_frames(text: str) -> str:
    """An exception's class and message, without where it was thrown."""
    stop = _FRAME.search(text)
    words = text[: stop.start()] if stop else text
    words = _ENVIRONMENT.split(words, maxsplit=1)[0]
    return words if words.strip() else text


def _clients(text: str) -> list[str]:
    """What YouTube's clients wrote, each with its own causes."""
    starts = [found.start() for found in _CLIENT.finditer(text)]
    return [text[start:end] for start, end in pairwise([*starts, len(text)])]


def _of_clients(clients: list[str], everything: str) -> Explanation:
    """The reason that counts among those of several clients."""
    found = []
    for client in clients:
        for text in _texts(client, "", ""):
            if (match := _match(text, everything)) is not None:
                found.append(match)
                break
    ranked = [match for match in found if match.code in _CERTAINTY]
    if ranked:
        return min(ranked, key=lambda match: _CERTAINTY.index(match.code))
    return EXPLANATIONS[FailureCode.YOUTUBE_CLIENT_BROKEN]


def _match(text: str, everything: str) -> Explanation | None:
    """The first row of the table that fits a text."""
    for words, context, row in _COMPILED:
        if words.search(text) and context.search(everything):
            usual = EXPLANATIONS[row.code]
            return Explanation(
                row.code, row.meaning or usual.meaning, row.advice or usual.advice, row.link or usual.link
            )
    return None
