"""Sends requests to one node within its rate limits, limits the size of answers, and classifies every failure."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from revvlink_cli.client import clock
from revvlink_cli.client.connection.circuit_breaker import CircuitBreaker
from revvlink_cli.client.connection.exchange import MAX_PLAIN_BODY, Answer, Progress, Request, under_way
from revvlink_cli.client.connection.node_errors import NodeErrors
from revvlink_cli.client.connection.rate_limits import Purpose, RateLimiter, StuckError
from revvlink_cli.client.connection.tls_failures import diagnose
from revvlink_cli.client.connection.transport import explain, proxy_of
from revvlink_cli.client.errors import Code, LavalinkException, NodeException, RevvlinkException, Stage
from revvlink_cli.client.protocol import dialects
from revvlink_cli.client.protocol.models import NOTHING
from revvlink_cli.client.redaction import Redactor

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from revvlink_cli.client.protocol.dialects import Dialect
    from revvlink_cli.client.settings import NodeSettings

MAX_UNKNOWN = 64
"""Kinds of unknown messages that are counted separately."""

PATIENCE = 10.0
"""Seconds of ``Retry-After`` that one request waits for in all; after that the refusal is raised."""

LOOP_LAG = 0.25
"""Seconds by which a timeout may be late; beyond that this program's own event loop was slow, not the node."""

GATEWAY_STATUSES = (502, 503, 504)
"""Statuses with which a proxy answers for a node that does not answer."""

MAX_RETRY_AFTER = 2
"""How often one request is sent again after a ``Retry-After``."""

_NO_FIELDS: frozenset[str] = frozenset()
"""Shared by all nodes that answer as expected: an empty set takes 216 bytes."""

STREAM_SHARE = 0.7
"""Share of a request's time limit for which a stream is read."""


class HttpClient:
    """Sends requests to one node within its rate limits, and raises an exception for each kind of refusal.

    Attributes:
        rate_limiter: Limits requests to the node.
        breaker: Opens when requests to the node keep failing.
        on_health: Called when `breaker` opens or closes.
        answered_at: Monotonic second of the node's last answer of any status, a proxy's not included; minus infinity
            before the first.
        on_answer: Called after each such answer.
        served_at: Monotonic second of the last answer that shows that the node itself has served a request: of a status
            below 300, and with the header of a node. Minus infinity before the first.
        on_served: Called after each such answer.
        context: Returns the TLS context for the node; raises NodeException when there is none.
        dialect: Kind of server according to its answers, None before the first that shows it.
        redact: Masks secrets in texts of the node. The nodes of a pool share it, since one server may be several nodes
            and echo the secret of one to another.
        errors: Makes the exceptions of this node.
        latency_s: Seconds from the last request to the end of its answer, None before the first. Connecting does not
            count, and neither do loads and requests for players, which wait for other servers.
        has_answered: Whether the node has answered any request over HTTP.
        unexpected_fields: Fields of answers whose type no known server sends.
        unknown: Counts of messages that this client does not know, by name (``event FooEvent``).
    """

    __slots__ = (
        "_probe",
        "_session",
        "_settings",
        "answered_at",
        "breaker",
        "context",
        "errors",
        "has_answered",
        "latency_s",
        "on_answer",
        "on_health",
        "on_served",
        "rate_limiter",
        "redact",
        "served_at",
        "unexpected_fields",
        "unknown",
    )

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
        self.served_at = float("-inf")
        self.on_served: Callable[[], None] = lambda: None
        self.unexpected_fields = _NO_FIELDS
        self.has_answered = False
        self.unknown: Mapping[str, int] = NOTHING  # most nodes send none: an empty dictionary each would take memory
        self.redact = redact if redact is not None else Redactor()
        self.redact.add_node(settings)
        self.errors = NodeErrors(settings, self.redact)
        self.latency_s: float | None = None

    @property
    def dialect(self) -> Dialect | None:
        """Kind of server according to its answers."""
        return self.rate_limiter.dialect

    def count_unknown(self, what: str) -> None:
        """Count a message that this client does not know; `MAX_UNKNOWN` bounds the memory for names."""
        name = self.errors.excerpt(what)
        if name not in self.unknown and len(self.unknown) >= MAX_UNKNOWN:
            name = "others"
        self.unknown = {**self.unknown, name: self.unknown.get(name, 0) + 1}

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
        max_body: int = MAX_PLAIN_BODY,
        sample: int | None = None,
    ) -> Answer:
        """Send one request and check the answer.

        Args:
            method: HTTP method.
            path: Path below the node's address, with or without a leading slash.
            params: Query parameters, not encoded yet.
            data: Sent as JSON unless None.
            purpose: Whose share of the rate limits it uses.
            timeout: Seconds for the answer; None is the node's own. Waiting for the rate limiter does not count.
            accept: Content type to ask for.
            progress: Records how far the request has come.
            voice: The voice server that the request makes the node connect to, if it does.
            max_body: Bytes that the answer may have.
            sample: Bytes after which reading a stream that may never end stops, None to read all of the answer.

        Raises:
            AuthorizationFailedException: The password was refused.
            LavalinkException: The node answered with an error.
            NodeException: The node did not answer, or not as Lavalink does; or nothing was sent, because requests for
                that voice server, or for players altogether, never end.
        """
        if voice is not None and not self.rate_limiter.may_reach(voice):
            raise self._unreachable(
                f"has never reached the voice server {self.errors.excerpt(voice)}; not tried again so soon"
            )
        patience = PATIENCE
        request = Request(
            method=method,
            url=self.url(path, params),
            data=data,
            timeout=timeout or self._settings.timeout,
            accept=accept,
            progress=progress or Progress(),
            max_body=max_body,
            sample=sample,
        )
        request.progress.is_timed = purpose is Purpose.OBSERVER
        for tried in range(MAX_RETRY_AFTER + 1):
            try:
                async with self.rate_limiter.acquire(purpose) as slot:
                    request.progress.began = began = clock.monotonic()
                    try:
                        answer = self._checked(request, await self._exchange(request))
                    except NodeException as error:
                        # With a slow event loop the answer may have arrived and not been read.
                        is_slow_here = clock.monotonic() - began > request.timeout + LOOP_LAG
                        is_silent = error.code in (Code.SILENT, Code.TIMEOUT) and not is_slow_here
                        if voice is not None and is_silent and await self._answers():
                            slot.is_kept = True
                            self.rate_limiter.mark_hung(voice)
                        raise
            except StuckError as error:
                raise self._unreachable(f"takes no requests for players: {error}") from None
            except (LavalinkException, NodeException) as error:
                if _is_node_failure(error):
                    self._note_health(ok=False)
                wait = error.retry_after
                if wait is None or wait > patience or tried == MAX_RETRY_AFTER:
                    raise
            else:
                if request.progress.is_timed:
                    self._note_latency(request.progress)
                self._note_health(ok=True)
                return answer
            await asyncio.sleep(wait)  # without a slot of the rate limiter, so that other requests go on
            patience -= wait
        raise AssertionError("unreachable")  # pragma: no cover

    def _note_latency(self, progress: Progress) -> None:
        """Note how long the node took to answer.

        Time in which this program itself was busy, with a thousand other nodes perhaps, is not the node's: the answer
        may have arrived and not been read.
        """
        if progress.sent is not None:
            began, used = progress.sent
            self.latency_s = max(clock.monotonic() - began - (time.process_time() - used), 0.0)

    async def _answers(self) -> bool:
        """Whether the node answers ``/version``. If it does not, the voice server is not the reason for its silence.

        Callers at the same time share one request.
        """
        if self._probe is None or self._probe.done():
            self._probe = asyncio.ensure_future(self._probed())
        return await asyncio.shield(self._probe)

    async def _probed(self) -> bool:
        try:
            async with self.rate_limiter.acquire(Purpose.OBSERVER):
                url, timeout = self.url("/version"), self._settings.timeout
                request = Request(method="GET", url=url, timeout=timeout, accept="*/*", progress=Progress())
                self._checked(request, await self._exchange(request))
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
        return self.errors.failure(Code.VOICE_UNREACHABLE, what, hint)

    async def _exchange(self, request: Request) -> Answer | RevvlinkException:
        """Send one request once; returns the answer with any status, or the failure.

        `_checked` raises the failure. Raised here, it would have aiohttp's exception in its chain, which holds the
        request with the password, and error trackers would record that.
        """
        under_way.set(request.progress)
        began = clock.monotonic()
        try:
            async with (
                asyncio.timeout(request.timeout),
                self._session.request(
                    request.method,
                    request.url,
                    data=None if request.data is None else msgspec.json.encode(request.data),
                    headers=self._headers(request),
                    ssl=self.context(),
                    proxy=proxy_of(self._settings),
                    allow_redirects=False,
                ) as response,
            ):
                request.progress.stage = Stage.REQUEST
                if response.status >= 300:
                    body = await self._read(response, min(request.max_body, MAX_PLAIN_BODY))
                elif request.sample is not None:
                    body = await _read_some(response, request.sample, request.timeout)
                else:
                    body = await self._read(response, request.max_body)
                return Answer(response.status, response.headers, body)
        except RevvlinkException as error:
            return error
        except (RuntimeError, AssertionError):  # aiohttp raises both when the session is closed during a request
            if not self._session.closed:
                raise
            return NodeException(
                "the pool was closed before the node answered",
                code=Code.NOT_CONNECTED,
                node=self._settings.identifier,
                hint="connect the pool again",
            )
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            failure = explain(error, self._settings, stage=request.progress.reached, waited=request.timeout)
        return await self.diagnose(failure, began + request.timeout)

    def _checked(self, request: Request, outcome: Answer | RevvlinkException) -> Answer:
        """The answer of an exchange, if it is not a failure or a refusal; raises as `request` does."""
        if isinstance(outcome, RevvlinkException):
            raise outcome
        self.has_answered = True
        if outcome.status not in GATEWAY_STATUSES:
            self.answered_at = clock.monotonic()
            self.on_answer()
        dialect = dialects.from_headers(outcome.headers)
        if dialect is not None:
            if dialect is not self.dialect:
                self.rate_limiter.identify(dialect)
            if outcome.status < 300:
                self.served_at = clock.monotonic()
                self.on_served()
        elif (challenge := self.errors.challenge(outcome)) is not None:
            raise challenge
        if outcome.status >= 300:
            raise self.errors.refusal(outcome, request.url.raw_path)
        return outcome

    def _headers(self, request: Request) -> dict[str, str]:
        """The headers of one request. No frame holds them in a variable, since error trackers record variables."""
        headers = {**request_headers(self._settings), "Accept": request.accept, "Accept-Encoding": "identity"}
        if request.data is not None:
            headers["Content-Type"] = "application/json"
        return headers

    async def diagnose(self, failure: NodeException, deadline: float) -> NodeException:
        """The same failure, or a more precise one that a TLS handshake of its own has found.

        A node that has answered before is not tried again: it needs no client certificate, and speaks the same
        protocol as before.
        """
        if self.has_answered and failure.code is not Code.TLS_FAILED:
            return failure
        return await diagnose(failure, self._settings, self.context(), deadline - clock.monotonic())

    def url(self, path: str, params: Mapping[str, str] | None = None) -> URL:
        """The full address of `path`; parameters are percent-encoded once, spaces as ``%20``."""
        full = f"{self._settings.uri}/{path.lstrip('/')}"
        if params:
            query = "&".join(f"{quote(key, safe='')}={_quote(value)}" for key, value in params.items())
            full += f"{'&' if '?' in full else '?'}{query}"
        return URL(full, encoded=True)

    async def _read(self, response: aiohttp.ClientResponse, most: int) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            raise self.errors.failure(Code.BAD_ANSWER, "answered compressed though nothing but plain was offered")
        length = response.content_length
        if length is not None and length > most:
            what = f"announced an answer of {length} bytes; the limit is {most}"
            raise self.errors.failure(Code.TOO_LARGE, what)
        if length is not None:  # no more than that is read
            return await response.read()
        body = bytearray()
        while chunk := await response.content.readany():
            body += chunk
            if len(body) > most:
                raise self.errors.failure(Code.TOO_LARGE, f"sent an answer larger than the limit of {most} bytes")
        return bytes(body)


async def _read_some(response: aiohttp.ClientResponse, most: int, timeout: float) -> bytes:
    """The first `most` bytes of a stream, or fewer when `STREAM_SHARE` of the time limit has passed."""
    body = bytearray()
    try:
        async with asyncio.timeout(timeout * STREAM_SHARE):
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) >= most:
                    break
    except TimeoutError:
        pass  # a live stream sends no faster than it plays
    return bytes(body[:most])


def _is_node_failure(error: RevvlinkException) -> bool:
    """Whether the node or the network failed, as opposed to a node that refused the request."""
    if isinstance(error, LavalinkException):
        return error.status in GATEWAY_STATUSES
    return error.code in (Code.SILENT, Code.TIMEOUT, Code.RESET, Code.REFUSED, Code.UNREACHABLE, Code.TLS_FAILED)


def request_headers(settings: NodeSettings) -> dict[str, str]:
    """The headers that every request to the node carries."""
    return {**dict(settings.headers), "Authorization": settings.password}


def _quote(value: str) -> str:
    try:
        return quote(value.encode("utf-8", "surrogateescape"), safe="")  # bytes of the command line, unchanged
    except UnicodeEncodeError:
        return quote(value.encode("utf-8", "surrogatepass"), safe="")
