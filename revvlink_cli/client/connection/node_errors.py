"""The exceptions for what one node, or something before it, answers in place of data."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from revvlink_cli.client.errors import AuthorizationFailedException, Code, LavalinkException, NodeException, Stage
from revvlink_cli.client.protocol import dialects
from revvlink_cli.client.protocol.dialects import TRAITS, Dialect
from revvlink_cli.client.protocol.models import UndecodableError, WireError, decode
from revvlink_cli.client.redaction import LONGEST_ECHO
from revvlink_cli.client.settings import host_and_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from revvlink_cli.client.connection.exchange import Answer
    from revvlink_cli.client.redaction import Redactor
    from revvlink_cli.client.settings import NodeSettings

_WANTS_TLS = re.compile(
    rb"plain HTTP request was sent to HTTPS|HTTP request to an HTTPS server|plain HTTP to an SSL-enabled", re.IGNORECASE
)
"""Answers of nginx, Go and Apache servers to plain HTTP on a TLS port."""

_CHALLENGES = (b"challenge", b"just a moment")
"""Words in pages that let only browsers pass."""

_DEFECT = "look at the node's log, and at any proxy before it"

_HINTS = {
    407: "a proxy before the node wants a password of its own: let this machine pass without, or use another address",
    429: "ask again later, and less often",
    502: "a proxy stands before the node and cannot reach it: start the node",
    503: "the node, or a proxy before it, takes no requests now: look at their logs",
    504: "a proxy stands before the node and gets no answer from it: look at the node's log",
}

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class NodeErrors:
    """Makes the exceptions of one node: they name the node, the stage and the next step, and hold no secret."""

    __slots__ = (
        "_redact",
        "_settings",
    )

    def __init__(self, settings: NodeSettings, redact: Redactor) -> None:
        self._settings = settings
        self._redact = redact

    def excerpt(self, text: str) -> str:
        """The first words of a server's text on one line, without the secrets it may echo."""
        masked = self._redact(text)
        line = " ".join(masked.split())
        if line == masked:
            line = masked  # the same object for all nodes that sent it
        return line if len(line) <= 200 else f"{line[:199]}…"

    def failure(
        self,
        code: Code,
        what: str,
        hint: str = _DEFECT,
        *,
        stage: Stage = Stage.REQUEST,
        status: int | None = None,
        timed_out: bool = False,
    ) -> NodeException:
        """The exception for a failure of the node; `what` follows its address."""
        return NodeException(
            f"{host_and_port(self._settings.uri)} {what}",
            code=code,
            node=self._settings.identifier,
            stage=stage,
            hint=hint,
            status=status,
            timed_out=timed_out,
        )

    def refusal(self, answer: Answer, path: str) -> AuthorizationFailedException | LavalinkException | NodeException:
        """The exception for an answer with status 300 and above.

        Args:
            answer: The answer.
            path: Path of the request, for an answer that names none.
        """
        status, headers, body = answer.status, answer.headers, answer.body
        if status < 400:
            target = self.excerpt(headers.get("Location", "an address it does not name"))
            what = f"redirects to {target}; the password is not sent there"
            hint = "put the final address in uri"
            return self.failure(Code.REDIRECTED, what, hint, stage=Stage.VERSION, status=status)
        kind = dialects.from_headers(headers)
        means_password = kind is not None and TRAITS[kind].empty_403_is_password and not body.strip()
        if status == 401 or (status == 403 and means_password):
            return AuthorizationFailedException(
                f"{host_and_port(self._settings.uri)} refused the password",
                node=self._settings.identifier,
                hint="correct the node's password in the configuration",
            )
        retry_after = _retry_after(headers.get("Retry-After")) if status in (429, 503) else None
        if status == 403:
            return self._forbidden(kind)
        if status == 400 and _WANTS_TLS.search(body):
            what, hint = "speaks TLS, not plain HTTP", "write https:// instead of http:// in uri"
            return self.failure(Code.NOT_LAVALINK, what, hint, stage=Stage.VERSION, status=status)
        error, reason, named = self._error_body(body, headers)
        return LavalinkException(
            status=status,
            error=error or _REASONS.get(status, ""),
            reason=reason,
            path=named or self.excerpt(path),  # the excerpt masks a session's id
            node=self._settings.identifier,
            code=Code.RATE_LIMITED if status == 429 else Code.SERVER_ERROR,
            retry_after=retry_after,
            hint=_HINTS.get(status, _DEFECT if status >= 500 else None),
        )

    def challenge(self, answer: Answer) -> NodeException | None:
        """The exception for a page that wants to see a browser, None for any other answer.

        Cloudflare marks such a page in a header. Another page with a status other than 403 must say what it is.
        """
        status, headers = answer.status, answer.headers
        if status not in (200, 403, 429, 503):
            return None
        page = answer.body.lower() if "html" in headers.get("Content-Type", "") else b""
        is_page = bool(page) and (status == 403 or any(word in page for word in _CHALLENGES))
        if not is_page and "cf-mitigated" not in headers:
            return None
        what = f"answers {status} with a web page, not with Lavalink"
        hint = "a proxy or challenge stands before the node: let this machine pass, or use the node's own address"
        return self.failure(Code.CHALLENGE, what, hint, status=status)

    def _forbidden(self, kind: Dialect | None) -> NodeException:
        if kind is Dialect.NODELINK:
            what = "answers Forbidden: NodeLink's flood guard has banned this address"
            hint = "wait some minutes; poll the node less often"
        else:
            what = "answers 403 Forbidden, and not as Lavalink does"
            hint = "look at the proxy or firewall before the node"
        return self.failure(Code.FORBIDDEN, what, hint, stage=Stage.AUTH, status=403)

    def _error_body(self, body: bytes, headers: Mapping[str, str]) -> tuple[str, str, str]:
        """``error``, ``message`` and ``path`` of an error answer, empty where it has none."""
        try:
            wire = decode(body, WireError).value
        except UndecodableError:
            text = "" if "html" in headers.get("Content-Type", "") else body[:LONGEST_ECHO].decode(errors="replace")
            return "", self.excerpt(text), ""
        return self.excerpt(wire.error), self.excerpt(wire.message or ""), self.excerpt(wire.path)


def _retry_after(value: str | None) -> float | None:
    """Seconds named by a ``Retry-After`` header, as a number or as a date."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    return max(seconds, 0.0) if seconds == seconds and seconds != float("inf") else None  # noqa: PLR0124 - NaN
