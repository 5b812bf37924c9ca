"""One life of one websocket: handshake, ``ready``, messages, and the reason why it ended.

A connection is opened once and never again; the node makes a new one. Everything that can go wrong ends in one
`RevvlinkException` that says at which stage, and every way out closes the socket with a close frame: a NodeLink whose
socket just vanishes while it has players may end altogether.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, Any

import aiohttp

from revvlink_cli._version import __version__
from revvlink_cli.client.connection.http_client import request_headers
from revvlink_cli.client.connection.rate_limits import Purpose
from revvlink_cli.client.connection.session_players import read_state, read_update
from revvlink_cli.client.connection.transport import Progress, explain, proxy_of, under_way
from revvlink_cli.client.errors import (
    AuthorizationFailedException,
    Code,
    NodeException,
    RevvlinkException,
    Stage,
)
from revvlink_cli.client.protocol.dialects import TRAITS, Dialect
from revvlink_cli.client.protocol.messages import read_event, read_guild
from revvlink_cli.client.protocol.models import UndecodableError, WireMessage, WireReady, WireStats, decode, decode_json
from revvlink_cli.client.settings import host_and_port

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket
    from collections.abc import Awaitable, Callable, Iterable

    from revvlink_cli.client.connection.rest import Rest
    from revvlink_cli.client.connection.session_players import SessionPlayers
    from revvlink_cli.client.protocol.messages import Event
    from revvlink_cli.client.protocol.models import Decoded, NodeInfo
    from revvlink_cli.client.settings import NodeSettings

log = logging.getLogger(__name__)

MAX_MESSAGE = 4 * 1024 * 1024
"""Bytes of the largest websocket message that is read."""

CLOSE_TIMEOUT = 0.5
"""Seconds to wait for the other side's close frame; a frozen server sends none."""

STALE_INTERVALS = 2.5
"""Intervals without statistics after which they are too old, and after which the connection counts as dead."""

_SILENCES = (Code.TIMEOUT, Code.SILENT, Code.RESET)
"""Failures of a connection that was taken and not answered."""

_ENDINGS: dict[int | None, str] = {
    None: "dropped the connection",
    1000: "closed the connection",
    1001: "is shutting down",
    1006: "dropped the connection",
}

CLIENT_NAME = f"revvlink-cli/{__version__}"


class WebSocketConnection:
    """A websocket to one node.

    Attributes:
        progress: How far it has come.
        info: What the node is, None when it answered something else there.
        info_error: Why `info` is None.
        session_id: The session, once ready.
        shown_session_id: The same as it may be shown.
        resumed: Whether the session is one taken up again.
        ready_ms: Milliseconds from the first packet to ``ready``.
        latency_ms: Milliseconds of the last round trip of a ping, None before the first.
        certificate_expires: Monotonic second at which the node's certificate ends, None where it showed none.
        unparsed: Messages that could not be understood.
    """

    def __init__(
        self,
        settings: NodeSettings,
        rest: Rest,
        session: aiohttp.ClientSession,
        *,
        user_id: int,
        session_players: SessionPlayers,
        on_stats: Callable[[Decoded[WireStats]], object],
        on_event: Callable[[Event], None],
        on_change: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._rest = rest
        self._session = session
        self._user_id = user_id
        self._session_players = session_players
        self._on_stats = on_stats
        self._on_event = on_event
        self._on_change = on_change
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._refused: RevvlinkException | None = None
        self._pinged_at: float | None = None
        self._heard_at = 0.0
        self._stats_at = 0.0
        self.progress = Progress()
        self.info: NodeInfo | None = None
        self.info_error: RevvlinkException | None = None
        self.session_id: str | None = None
        self.shown_session_id: str | None = None
        self.resumed = False
        self.ready_ms: float | None = None
        self.latency_ms: float | None = None
        self.certificate_expires: float | None = None
        self.unparsed = 0

    @property
    def dialect(self) -> Dialect:
        """Kind of server; one that has not told is taken for a Lavalink."""
        return self._rest.dialect or Dialect.LAVALINK

    async def open(self, resume: str | None) -> None:
        """Get to ``ready``.

        ``/v4/info`` and the handshake are under way together: the one tells what the server is and whether it takes
        the password, and waiting for it first would double the time to connect.

        Args:
            resume: The session to take up again, or None.

        Raises:
            RevvlinkException: Why there is no connection.
        """
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._identify())
            group.create_task(self._shake_hands(resume))
        self._check_both()
        self.progress.stage = Stage.READY
        try:
            async with asyncio.timeout(self._settings.timeout):
                while self.session_id is None:
                    await self._receive()
        except TimeoutError:
            raise self._failure(
                Code.NO_READY,
                Stage.READY,
                f"took the websocket but sent no ready message within {self._settings.timeout:g} s",
                "look at the node's log; restart it if it hangs",
                timed_out=True,
            ) from None
        self.ready_ms = (time.monotonic() - began) * 1000.0

    async def _identify(self) -> None:
        try:
            self.info = await self._rest.info(self.progress)
        except RevvlinkException as error:
            self.info_error = error

    async def _shake_hands(self, resume: str | None) -> None:
        timeout = self._settings.timeout
        progress = Progress()
        under_way.set(progress)
        began = time.monotonic()
        try:
            async with self._rest.rate_limiter.acquire(Purpose.OBSERVER), asyncio.timeout(timeout):
                response = await self._session.ws_connect(
                    self._rest.url("/v4/websocket"),
                    headers=self._headers(resume),
                    ssl=self._rest.context(),
                    proxy=proxy_of(self._settings),
                    autoping=False,
                    max_msg_size=MAX_MESSAGE,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT),
                )
        except RevvlinkException as error:
            self._refused = error
        except aiohttp.WSServerHandshakeError as error:
            self._refused = self._handshake_refusal(error)
        except (aiohttp.ClientError, OSError) as error:
            failure = explain(error, self._settings, stage=progress.reached, waited=timeout)
            self._refused = await self._rest.diagnose(failure, began + timeout)
        else:
            self._socket = response
            self.certificate_expires = _end_of_certificate(response.get_extra_info("ssl_object"))

    def _headers(self, resume: str | None) -> dict[str, str]:
        """The headers of the handshake. They are in no frame's variables, which error trackers send along."""
        own = {"User-Id": str(self._user_id), "Client-Name": CLIENT_NAME}
        if resume is not None:
            own["Session-Id"] = resume
        return {**request_headers(self._settings), **own}

    def _check_both(self) -> None:
        """Raise unless the websocket is open and REST is at least no stranger."""
        refused, unknown = self._refused, self.info_error
        for error in (unknown, refused):
            if isinstance(error, AuthorizationFailedException):
                raise error
        if refused is None:
            if unknown is None or (unknown.code is Code.BAD_ANSWER and isinstance(unknown, NodeException)):
                return
            if unknown.code in _SILENCES:
                raise self._half(unknown.code, "takes websockets, but REST", "restart the node") from unknown
            raise unknown
        is_silent = refused.code in _SILENCES and refused.stage is not Stage.TLS
        if unknown is None and self.info is not None and is_silent:
            hint = "any proxy before the node must pass websockets on; else restart the node"
            raise self._half(refused.code, "answers REST, but its websocket", hint) from refused
        raise unknown or refused

    def _half(self, code: Code, what: str, hint: str) -> NodeException:
        """The failure of a node of which one half works; `what` ends with the other."""
        how = "closed the connection before it had answered"
        if code is not Code.RESET:
            how = f"gave no answer within {self._settings.timeout:g} s"
        return self._failure(code, Stage.REQUEST, f"{what} {how}", f"look at the node's log; {hint}")

    def _handshake_refusal(self, error: aiohttp.WSServerHandshakeError) -> RevvlinkException:
        where = host_and_port(self._settings.uri)
        if error.status == 401:
            return AuthorizationFailedException(
                f"{where} refused the password",
                node=self._settings.identifier,
                hint="correct the node's password in the configuration",
            )
        hint = "look at the node's log, and at any proxy before it: it must pass websockets on"
        if error.status == 400:
            hint = "check user_id: NodeLink takes 18 or 19 digits only, and no server takes 0"
        return NodeException(
            f"{where} refused the websocket with status {error.status}",
            code=Code.WEBSOCKET_REFUSED,
            node=self._settings.identifier,
            stage=Stage.READY,
            hint=hint,
            status=error.status,
        )

    async def listen(self) -> None:
        """Take messages until the connection ends.

        Raises:
            RevvlinkException: Always; why it ended.
        """
        await self.ping()
        loop = asyncio.get_running_loop()
        while True:
            now = time.monotonic()
            self._check_liveness(now)
            # One timer for many messages: it fires at the deadline there was, and the next turn finds a later one.
            try:
                async with asyncio.timeout_at(loop.time() + max(self._deadline() - now, 0.001)):
                    while True:
                        await self._receive()
            except TimeoutError:
                await self._after_silence()

    def _deadline(self) -> float:
        """When, without another message, something has to be done."""
        return min(self._quiet_until(), self._stats_at + self._stats_patience())

    def _quiet_until(self) -> float:
        """When a silence has lasted too long: first for a ping, then, with the ping unanswered, for the connection."""
        return max(self._heard_at, self._pinged_at or 0.0) + self._settings.heartbeat

    def _stats_patience(self) -> float:
        return TRAITS[self.dialect].stats_interval * STALE_INTERVALS

    def _check_liveness(self, now: float) -> None:
        if now >= self._stats_at + self._stats_patience():
            raise self._failure(
                Code.SILENT,
                Stage.REQUEST,
                f"has sent no statistics for {now - self._stats_at:.0f} s",
                "the server hangs or is overloaded: look at its log",
            )

    async def _after_silence(self) -> None:
        now = time.monotonic()
        if now < self._quiet_until():
            return
        if self._pinged_at is None:
            await self.ping()
        else:
            raise self._failure(
                Code.SILENT,
                Stage.REQUEST,
                f"did not answer a ping for {now - self._pinged_at:.0f} s",
                "the server hangs, is overloaded, or the network dropped the connection",
            )

    async def ping(self) -> None:
        """Send a ping; its pong gives `latency_ms`. NodeLink's pongs carry no payload, so one is out at a time."""
        if self._socket is None or self._pinged_at is not None:
            return
        self._pinged_at = time.monotonic()
        await self._control(self._socket.ping())

    async def _control(self, sending: Awaitable[None]) -> None:
        """Send a control frame.

        Raises:
            NodeException: The connection is lost; aiohttp's own exception is not in its chain.
        """
        is_sent = True
        try:
            await sending
        except (aiohttp.ClientError, OSError):
            is_sent = False
        if not is_sent:
            raise self._lost(None)

    async def _receive(self) -> None:
        """Take one message."""
        socket = self._socket
        if socket is None:
            raise self._lost(None)
        message = await socket.receive()
        self._heard_at = time.monotonic()
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                self._dispatch(message.data)
            case aiohttp.WSMsgType.PONG:
                if self._pinged_at is not None:
                    self.latency_ms = (self._heard_at - self._pinged_at) * 1000.0
                    self._pinged_at = None
                    self._on_change()
            case aiohttp.WSMsgType.PING:
                await self._control(socket.pong(message.data))
            case aiohttp.WSMsgType.BINARY:
                self._count_unparsed("a binary message")
            case aiohttp.WSMsgType.CLOSE:
                raise self._lost(message.data)
            case aiohttp.WSMsgType.ERROR:
                raise self._lost(socket.close_code, message.data)
            case _:
                raise self._lost(socket.close_code)

    def _dispatch(self, text: str) -> None:
        """Take in one message. One that cannot be understood is counted, and costs nothing else."""
        if (update := read_update(text)) is not None:  # nearly all messages are these
            self._session_players.update(*update)
            return
        try:
            message = decode(text, WireMessage).value
            match message.op:
                case "ready":
                    ready, odd, _ = decode(text, WireReady)
                    self._note("ready", odd)
                    if ready.session_id:
                        self.session_id, self.resumed = ready.session_id, ready.resumed
                        self.shown_session_id = self._rest.errors.excerpt(ready.session_id)
                        self._stats_at = max(self._stats_at, time.monotonic())
                    else:
                        self._count_unparsed("a ready message without a session")
                case "stats":
                    stats = decode(text, WireStats)
                    self._note("stats", stats.odd)
                    self._stats_at = time.monotonic()
                    self._on_stats(stats)
                case "playerUpdate":
                    self._take_update(decode_json(text))
                case "event":
                    event, odd = read_event(decode_json(text))
                    self._note("event", odd)
                    if not self._session_players.apply(event):
                        self._count_unknown(f"event {message.type}")
                    self._on_event(event)
                case "":
                    self._count_unparsed("a message without an op")
                case other:
                    self._count_unknown(f"op {other}")
        except UndecodableError as error:
            self._count_unparsed(f"a message that is {error}")
        except Exception:  # the boundary of one message: a defect here must not take the connection and its players
            log.exception("%s: defect in reading a message", self._settings.identifier)
            self._count_unparsed("a message that this client stumbled over")

    def _take_update(self, raw: dict[str, Any]) -> None:
        guild = read_guild(raw)
        if guild is None:
            self._note("playerUpdate", ("guildId",))
        else:
            self._session_players.update(guild, read_state(raw.get("state")))

    def _note(self, what: str, fields: Iterable[str]) -> None:
        """Remember fields that are unlike what any known server sends."""
        for field in fields:
            if (odd := f"{what} {field}") not in self._rest.unexpected_fields:
                self._rest.unexpected_fields.add(odd)
                self._on_change()

    def _count_unknown(self, what: str) -> None:
        """Plugins have events of their own, later servers more ops: that is no fault."""
        self._rest.count_unknown(what)
        self._on_change()

    def _count_unparsed(self, what: str) -> None:
        self.unparsed += 1
        log.debug("%s sent %s", self._settings.identifier, what)
        self._on_change()

    def _lost(self, code: int | None, error: object = None) -> NodeException:
        """The exception for a connection that the other side, or the network, has ended."""
        if self.session_id is None:
            hint = "look at the node's log"
            if code == 1011:
                hint = "check user_id: it must be the bot's id, a number of 17 to 20 digits"
            told = f"closed the websocket with code {code}" if code else "dropped the websocket"
            return self._failure(Code.NO_READY, Stage.READY, f"{told} before it was ready", hint)
        if isinstance(error, aiohttp.WebSocketError):
            return self._failure(
                Code.TOO_LARGE if error.code == 1009 else Code.BAD_ANSWER,
                Stage.REQUEST,
                f"broke the websocket protocol ({self._rest.errors.excerpt(str(error))})",
                "look at any proxy before the node",
            )
        return self._failure(
            Code.CLOSED,
            Stage.REQUEST,
            _ENDINGS.get(code, f"closed the connection with code {code}"),
            "look at the node's log to see why it ended",
        )

    def _failure(self, code: Code, stage: Stage, what: str, hint: str, *, timed_out: bool = False) -> NodeException:
        return self._rest.errors.failure(code, what, hint, stage=stage, timed_out=timed_out)

    async def close(self) -> None:
        """Close the websocket properly; a second call does nothing."""
        socket, self._socket = self._socket, None
        if socket is None:
            return
        beneath = socket.get_extra_info("socket") if socket.get_extra_info("ssl_object") is not None else None
        await socket.close()
        if beneath is not None:
            await _end_of_tls(beneath)


async def _end_of_tls(beneath: TransportSocket) -> None:
    """Close what lies beneath TLS as soon as the websocket is closed.

    Else the event loop waits for the other side to say goodbye on that level too, and may itself be over before that.
    """
    try:
        beneath.shutdown(SHUT_RDWR)
    except (OSError, TypeError):
        return  # it is closed, or another kind of event loop keeps it to itself
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            while beneath.fileno() != -1:  # noqa: ASYNC110 - a few turns of the loop, for which there is no event
                await asyncio.sleep(0)
    except TimeoutError:
        log.debug("a TLS connection was not closed within %g s", CLOSE_TIMEOUT)


def _end_of_certificate(tls: ssl.SSLObject | None) -> float | None:
    """The monotonic second at which the certificate of the other side ends, None where there is none to be seen."""
    shown = tls.getpeercert() if tls is not None else None
    ends = shown.get("notAfter") if shown else None
    if not isinstance(ends, str):
        return None
    return ssl.cert_time_to_seconds(ends) - time.time() + time.monotonic()
