"""Requests to one node: within its rate limits, their answers bounded and checked, every failure told apart."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from revvlink_cli.client.connection.circuit_breaker import CircuitBreaker
from revvlink_cli.client.connection.rate_limits import Purpose, RateLimiter, StuckError
from revvlink_cli.client.connection.tls_failures import look_closer
from revvlink_cli.client.connection.transport import Progress, explain, proxy_of, under_way
from revvlink_cli.client.errors import (
    AuthorizationFailedException,
    Code,
    LavalinkException,
    NodeException,
    RevvlinkException,
    Stage,
)
from revvlink_cli.client.protocol import dialects
from revvlink_cli.client.protocol.dialects import TRAITS, Dialect
from revvlink_cli.client.protocol.models import (
    UndecodableError,
    WireError,
    decode,
)
from revvlink_cli.client.redaction import LONGEST_ECHO, Redactor
from revvlink_cli.client.settings import host_and_port

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from revvlink_cli.client.settings import NodeSettings

MAX_BODY = 16 * 1024 * 1024
"""Bytes of the largest answer with tracks or players that is read; a playlist of 10,000 tracks has about 7 MiB."""

MAX_PLAIN_BODY = 1024 * 1024
"""Bytes of any other answer, refusals too."""

MAX_UNKNOWN = 64
"""Kinds of unknown messages that are told apart."""

PATIENCE = 10.0
"""Seconds of ``Retry-After`` that a request waits for before it gives the refusal back."""

LOOP_LAG = 0.25
"""Seconds by which a timeout may come late before this program's own event loop is to blame."""

GATEWAY_STATUSES = (502, 503, 504)
"""Statuses that a proxy answers for a node which does not."""

MAX_RETRY_AFTER = 2
"""How often one request comes back after it was told to wait."""

STREAM_SHARE = 0.7
"""Share of a request's time in which a stream is read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read in full; its `repr` shows nothing of it that could be an echo.

    Attributes:
        status: HTTP status.
        headers: Response headers, looked up without regard to case.
        body: The whole body.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class HttpClient:
    """Sends requests to one node, within its rate limits, and tells refusals apart.

    Attributes:
        rate_limiter: What may be asked of the node.
        breaker: Whether its requests fail so often that it is left alone.
        on_health: Called when `breaker` has changed its mind.
        answered_at: Monotonic second of the last answer of the node's own, whatever its status; minus infinity before.
        on_answer: Called after each such answer.
        context: Gives what verifies the node's certificate; raises NodeException when that cannot be had.
        dialect: Kind of server as far as its answers have told, or None.
        redact: Masks what is secret in texts of the node. The nodes of a pool share it: one server may be several of
            them, and say to one what it heard from another.
        has_answered: Whether the node has answered any request over HTTP.
        unexpected_fields: Fields of answers that had another type than any known server sends.
        unknown: How often the node sent what this client does not know, by its name (``event FooEvent``).
    """

    def __init__(
        self,
        settings: NodeSettings,
        session: aiohttp.ClientSession,
        context: Callable[[], ssl.SSLContext | bool],
        rate_limiter: RateLimiter,
        redact: Redactor | None = None,
    ) -> None:
        self._settings = settings
        self._session = session
        self.context = context
        self.rate_limiter = rate_limiter
        self.breaker = CircuitBreaker()
        self._probe: asyncio.Future[bool] | None = None
        self.on_health: Callable[[], None] = lambda: None
        self.answered_at = float("-inf")
        self.on_answer: Callable[[], None] = lambda: None
        self.unexpected_fields: set[str] = set()
        self.has_answered = False
        self.unknown: Counter[str] = Counter()
        self.redact = redact if redact is not None else Redactor()
        self.redact.add_node(settings)

    @property
    def dialect(self) -> Dialect | None:
        """Kind of server as far as its answers have told."""
        return self.rate_limiter.dialect

    def count_unknown(self, what: str) -> None:
        """Count something this client does not know; a node that never stops inventing fills no memory."""
        name = self.excerpt(what)
        self.unknown[name if name in self.unknown or len(self.unknown) < MAX_UNKNOWN else "others"] += 1

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: Any = None,
        purpose: Purpose = Purpose.OBSERVER,
        timeout: float | None = None,
        accept: str = "application/json",
        progress: Progress | None = None,
        voice: str | None = None,
        most: int = MAX_PLAIN_BODY,
        sample: int | None = None,
    ) -> Answer:
        """Send one request and check the answer.

        Args:
            method: HTTP method.
            path: Path below the node's address, with or without a leading slash.
            params: Query parameters, encoded here and only once.
            data: Sent as JSON unless None.
            purpose: Whose share of the rate limits it uses.
            timeout: Seconds for the answer; None is the node's own. Waiting for the rate limiter does not count.
            accept: Content type to ask for.
            progress: Told how far the request has come.
            voice: The voice server that the request makes the node connect to, if it does.
            most: Bytes that the answer may have.
            sample: Bytes after which reading a stream that may never end stops, None to read all of the answer.

        Raises:
            AuthorizationFailedException: The password was refused.
            LavalinkException: The node answered with an error.
            NodeException: No answer, or one that is no server's of this kind; or nothing was sent because requests for
                that voice server, or for players altogether, never end.
        """
        if voice is not None and not self.rate_limiter.may_reach(voice):
            raise self._unreachable(
                f"has never reached the voice server {self.excerpt(voice)}; not tried again so soon"
            )
        patience = PATIENCE
        limit = timeout or self._settings.timeout
        progress = progress or Progress()
        for tried in range(MAX_RETRY_AFTER + 1):
            try:
                async with self.rate_limiter.acquire(purpose) as slot:
                    progress.began = began = time.monotonic()
                    try:
                        answer = await self._send(
                            method,
                            self.url(path, params),
                            data,
                            timeout=limit,
                            accept=accept,
                            progress=progress,
                            most=most,
                            sample=sample,
                        )
                    except NodeException as error:
                        is_slow_here = time.monotonic() - began > limit + LOOP_LAG  # the answer may lie unread
                        is_silent = error.code in (Code.SILENT, Code.TIMEOUT) and not is_slow_here
                        if voice is not None and is_silent and await self._answers():
                            slot.is_kept = True
                            self.rate_limiter.mark_hung(voice)
                        raise
            except StuckError as error:
                raise self._unreachable(f"takes no requests for players: {error}") from None
            except (LavalinkException, NodeException) as error:
                if _is_the_nodes(error):
                    self._note_health(ok=False)
                wait = error.retry_after
                if wait is None or wait > patience or tried == MAX_RETRY_AFTER:
                    raise
            else:
                self._note_health(ok=True)
                return answer
            await asyncio.sleep(wait)  # outside the budget's slot: others may go on meanwhile
            patience -= wait
        raise AssertionError("unreachable")  # pragma: no cover

    async def _answers(self) -> bool:
        """Whether the node answers anything at all: if it does not, it is no voice server that keeps it.

        One question serves all who ask at the same time.
        """
        if self._probe is None or self._probe.done():
            self._probe = asyncio.ensure_future(self._probed())
        return await asyncio.shield(self._probe)

    async def _probed(self) -> bool:
        try:
            async with self.rate_limiter.acquire(Purpose.OBSERVER):
                url, timeout = self.url("/version"), self._settings.timeout
                await self._send("GET", url, None, timeout=timeout, accept="*/*", progress=Progress())
        except LavalinkException:
            return True
        except RevvlinkException:
            return False
        return True

    def _note_health(self, *, ok: bool) -> None:
        if self.breaker.succeeded() if ok else self.breaker.failed():
            self.on_health()

    def _unreachable(self, what: str) -> NodeException:
        hint = "check the voice endpoint and the node's network; restart the node to free it"
        return self.bad(Code.VOICE_UNREACHABLE, what, hint)

    async def _send(
        self,
        method: str,
        url: URL,
        data: Any,
        *,
        timeout: float,
        accept: str,
        progress: Progress,
        most: int = MAX_PLAIN_BODY,
        sample: int | None = None,
    ) -> Answer:
        under_way.set(progress)
        began = time.monotonic()
        outcome = await self._exchange(
            method, url, data, timeout=timeout, accept=accept, progress=progress, most=most, sample=sample
        )
        if isinstance(outcome, NodeException):
            raise await self.look_closer(outcome, began + timeout)
        if isinstance(outcome, RevvlinkException):
            raise outcome
        self.has_answered = True
        if outcome.status not in GATEWAY_STATUSES:
            self.answered_at = time.monotonic()
            self.on_answer()
        told = dialects.from_headers(outcome.headers)
        if told is not None:
            self.rate_limiter.dialect = told
        elif _is_challenge(outcome.status, outcome.headers, outcome.body):
            raise self._challenge(outcome.status)
        if outcome.status >= 300:
            raise self._refusal(outcome.status, outcome.headers, outcome.body, url.raw_path)
        return outcome

    async def _exchange(
        self,
        method: str,
        url: URL,
        data: Any,
        *,
        timeout: float,
        accept: str,
        progress: Progress,
        most: int,
        sample: int | None,
    ) -> Answer | RevvlinkException:
        """Send one request; returns the answer whatever its status, or why there is none.

        The failure is returned, and raised by the caller: raised here it would carry aiohttp's own exceptions in its
        chain, and they carry the request with the password to every error tracker.
        """
        try:
            async with (
                asyncio.timeout(timeout),
                self._session.request(
                    method,
                    url,
                    data=None if data is None else msgspec.json.encode(data),
                    headers=self._headers(data, accept),
                    ssl=self.context(),
                    proxy=proxy_of(self._settings),
                    allow_redirects=False,
                ) as response,
            ):
                progress.stage = Stage.REQUEST
                if sample is not None and response.status < 300:
                    body = await _read_some(response, sample, timeout)
                else:
                    body = await self._read(response, most if response.status < 300 else min(most, MAX_PLAIN_BODY))
                return Answer(response.status, response.headers, body)
        except RevvlinkException as error:
            return error
        except (RuntimeError, AssertionError):  # both are what aiohttp says of a session that was closed under it
            if not self._session.closed:
                raise
            return NodeException(
                "the pool was closed before the node answered",
                code=Code.NOT_CONNECTED,
                node=self._settings.identifier,
                hint="connect the pool again",
            )
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            return explain(error, self._settings, stage=progress.reached, waited=timeout)

    def _headers(self, data: Any, accept: str) -> dict[str, str]:
        """The headers of one request. They are in no frame's variables, which error trackers send along."""
        headers = {**request_headers(self._settings), "Accept": accept, "Accept-Encoding": "identity"}
        return headers if data is None else {**headers, "Content-Type": "application/json"}

    async def look_closer(self, failure: NodeException, deadline: float) -> NodeException:
        """A failure of the network, with what TLS alone brings to light.

        A node that has answered before wants no certificate, and speaks what it spoke: it is not asked again whenever
        it drops a connection.
        """
        if self.has_answered and failure.code is not Code.TLS_FAILED:
            return failure
        return await look_closer(failure, self._settings, self.context(), deadline - time.monotonic())

    def url(self, path: str, params: Mapping[str, str] | None = None) -> URL:
        """The full address of `path`; parameters are percent-encoded once, spaces as ``%20``."""
        query = "&".join(f"{quote(key, safe='')}={_quote(value)}" for key, value in (params or {}).items())
        full = f"{self._settings.uri}/{path.lstrip('/')}"
        if query:
            full += f"{'&' if '?' in full else '?'}{query}"
        return URL(full, encoded=True)

    async def _read(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            raise self.bad(Code.BAD_ANSWER, "answered compressed though nothing but plain was offered")
        length = response.content_length
        if length is not None and length > most:
            raise self.bad(Code.TOO_LARGE, f"announced an answer of {length} bytes, more than {most} are not read")
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > most:
                raise self.bad(Code.TOO_LARGE, f"sent an answer of more than {most} bytes")
        return bytes(body)

    def bad(
        self,
        code: Code,
        what: str,
        hint: str = "look at the node's log, and at any proxy before it",
        *,
        stage: Stage = Stage.REQUEST,
        status: int | None = None,
        timed_out: bool = False,
    ) -> NodeException:
        """A failure of the node's; `what` follows its address."""
        return NodeException(
            f"{host_and_port(self._settings.uri)} {what}",
            code=code,
            node=self._settings.identifier,
            stage=stage,
            hint=hint,
            status=status,
            timed_out=timed_out,
        )

    def _refusal(
        self, status: int, headers: Mapping[str, str], body: bytes, path: str
    ) -> AuthorizationFailedException | LavalinkException | NodeException:
        """The exception for an answer of 300 and above."""
        if status < 400:
            target = self.excerpt(headers.get("Location", "an address it does not name"))
            what = f"redirects to {target}; the password is not sent there"
            return self.bad(Code.REDIRECTED, what, "put the final address in uri", stage=Stage.VERSION, status=status)
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
            hint = "write https:// instead of http:// in uri"
            return self.bad(Code.NOT_LAVALINK, "speaks TLS, not plain HTTP", hint, stage=Stage.VERSION, status=status)
        error, reason, named = self._error_body(body, headers)
        return LavalinkException(
            status=status,
            error=error or _REASONS.get(status, ""),
            reason=reason,
            path=named or self.excerpt(path),  # which may have a session's id in it
            node=self._settings.identifier,
            code=Code.RATE_LIMITED if status == 429 else Code.SERVER_ERROR,
            retry_after=retry_after,
            hint=_HINTS.get(status, _DEFECT if status >= 500 else None),
        )

    def _challenge(self, status: int) -> NodeException:
        what = f"answers {status} with a web page, not with Lavalink"
        hint = "a proxy or challenge stands before the node: let this machine pass, or use the node's own address"
        return self.bad(Code.CHALLENGE, what, hint, status=status)

    def _forbidden(self, kind: Dialect | None) -> NodeException:
        if kind is Dialect.NODELINK:
            what = "answers Forbidden: NodeLink's flood guard has banned this address"
            hint = "wait some minutes; poll the node less often"
        else:
            what = "answers 403 Forbidden, and not as Lavalink does"
            hint = "look at the proxy or firewall before the node"
        return self.bad(Code.FORBIDDEN, what, hint, stage=Stage.AUTH, status=403)

    def _error_body(self, body: bytes, headers: Mapping[str, str]) -> tuple[str, str, str]:
        """``error``, ``message`` and ``path`` of an error answer, as far as there are such."""
        try:
            wire = decode(body, WireError).value
        except UndecodableError:
            text = "" if "html" in headers.get("Content-Type", "") else body[:LONGEST_ECHO].decode(errors="replace")
            return "", self.excerpt(text), ""
        return self.excerpt(wire.error), self.excerpt(wire.message or ""), self.excerpt(wire.path)

    def excerpt(self, text: str) -> str:
        """The first words of a server's text on one line, without the secrets it may echo."""
        line = " ".join(self.redact(text).split())
        return line if len(line) <= 200 else f"{line[:199]}…"


async def _read_some(response: aiohttp.ClientResponse, most: int, timeout: float) -> bytes:
    """The first bytes of a stream: so many at most, and no more than come within most of the request's time."""
    body = bytearray()
    try:
        async with asyncio.timeout(timeout * STREAM_SHARE):
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) >= most:
                    break
    except TimeoutError:
        pass  # a live stream gives no more than time passes
    return bytes(body[:most])


def _is_challenge(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether something before the node wants to see a browser: Cloudflare says so in a header, all others in a page.

    A page with another status than 403 may be anybody's, so it has to say what it is.
    """
    if status not in (200, 403, 429, 503):
        return False
    page = body.lower() if "html" in headers.get("Content-Type", "") else b""
    return "cf-mitigated" in headers or (bool(page) and (status == 403 or any(word in page for word in _CHALLENGES)))


def _is_the_nodes(error: RevvlinkException) -> bool:
    """Whether a failure says that the node, or the way to it, is out of order: not that it refused what was asked."""
    if isinstance(error, LavalinkException):
        return error.status in GATEWAY_STATUSES
    return error.code in (Code.SILENT, Code.TIMEOUT, Code.RESET, Code.REFUSED, Code.UNREACHABLE, Code.TLS_FAILED)


_WANTS_TLS = re.compile(
    rb"plain HTTP request was sent to HTTPS|HTTP request to an HTTPS server|plain HTTP to an SSL-enabled", re.IGNORECASE
)
"""What nginx, servers in Go, and Apache answer to plain HTTP on a port for TLS."""

_CHALLENGES = (b"challenge", b"just a moment")
"""Words in pages that let browsers pass and nothing else."""

_DEFECT = "look at the node's log, and at any proxy before it"

_HINTS = {
    407: "a proxy before the node wants a password of its own: let this machine pass without, or use another address",
    429: "ask again later, and less often",
    502: "a proxy stands before the node and cannot reach it: start the node",
    503: "the node, or a proxy before it, takes no requests now: look at their logs",
    504: "a proxy stands before the node and gets no answer from it: look at the node's log",
}


def request_headers(settings: NodeSettings) -> dict[str, str]:
    """The headers that every request to the node carries."""
    return {**dict(settings.headers), "Authorization": settings.password}


_REASONS = {status.value: status.phrase for status in HTTPStatus}


def _quote(value: str) -> str:
    try:
        return quote(value.encode("utf-8", "surrogateescape"), safe="")  # bytes of the command line, as they were
    except UnicodeEncodeError:
        return quote(value.encode("utf-8", "surrogatepass"), safe="")


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
