"""One websocket to a node from ``ready`` to its end: messages, liveness, and the reason for the end.

A connection is opened once; the supervisor makes a new one for the next attempt. Every failure becomes one
`RevvlinkException` with its stage. Every end sends a close frame: a NodeLink with players may crash when its socket
vanishes without one.
"""

from __future__ import annotations

import asyncio
import logging
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, Any

import aiohttp

from revvlink_cli.client import clock
from revvlink_cli.client.connection.handshake import CLOSE_TIMEOUT, Handshake
from revvlink_cli.client.connection.session_players import read_frequent, read_state
from revvlink_cli.client.errors import Code, NodeException, Stage
from revvlink_cli.client.protocol.dialects import TRAITS, Dialect
from revvlink_cli.client.protocol.messages import OtherEvent, read_event, read_guild
from revvlink_cli.client.protocol.models import UndecodableError, WireMessage, WireReady, WireStats, decode, decode_json

if TYPE_CHECKING:
    from asyncio.trsock import TransportSocket
    from collections.abc import Awaitable, Callable, Iterable

    from revvlink_cli.client.connection.rest import Rest
    from revvlink_cli.client.connection.session_players import SessionPlayers
    from revvlink_cli.client.protocol.messages import Event, TrackEnd, TrackStart
    from revvlink_cli.client.protocol.models import Decoded
    from revvlink_cli.client.settings import NodeSettings

log = logging.getLogger(__name__)

TEXT = aiohttp.WSMsgType.TEXT

STALE_INTERVALS = 2.5
"""Intervals without statistics after which these are too old and the connection is considered dead."""

_ENDINGS: dict[int | None, str] = {
    None: "dropped the connection",
    1000: "closed the connection",
    1001: "is shutting down",
    1006: "dropped the connection",
}


class WebSocketConnection:
    """A websocket to one node.

    Attributes:
        handshake: The attempt to open the websocket, and what it has found.
        session_id: The session, once ready.
        shown_session_id: The same with secrets masked, for output.
        resumed: Whether the session was resumed.
        ready_ms: Milliseconds from the first packet to ``ready``.
        latency_ms: Milliseconds of the last round trip of a ping, None before the first.
        unparsed: Messages that could not be understood.
    """

    __slots__ = (
        "_heard_at",
        "_on_change",
        "_on_event",
        "_on_stats",
        "_pinged_at",
        "_rest",
        "_session_players",
        "_settings",
        "_socket",
        "_stats_at",
        "handshake",
        "latency_ms",
        "ready_ms",
        "resumed",
        "session_id",
        "shown_session_id",
        "unparsed",
    )

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
        self.handshake = Handshake(settings, rest, session, user_id=user_id)
        self._settings = settings
        self._rest = rest
        self._session_players = session_players
        self._on_stats = on_stats
        self._on_event = on_event
        self._on_change = on_change
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._pinged_at: float | None = None
        self._heard_at = 0.0
        self._stats_at = 0.0
        self.session_id: str | None = None
        self.shown_session_id: str | None = None
        self.resumed = False
        self.ready_ms: float | None = None
        self.latency_ms: float | None = None
        self.unparsed = 0

    @property
    def dialect(self) -> Dialect:
        """Kind of server; Lavalink until an answer shows another."""
        return self._rest.dialect or Dialect.LAVALINK

    async def open(self, resume: str | None) -> None:
        """Open the websocket and wait for ``ready``.

        Args:
            resume: The session to resume, or None.

        Raises:
            RevvlinkException: Why there is no connection.
        """
        began = clock.monotonic()
        try:
            await self.handshake.run(resume)
        finally:
            self._socket = self.handshake.socket  # also when it fails: `close` must close an open one
        self.handshake.progress.stage = Stage.READY
        try:
            async with asyncio.timeout(self._settings.timeout):
                await self._receive(until_ready=True)
        except TimeoutError:
            raise self._failure(
                Code.NO_READY,
                Stage.READY,
                f"took the websocket but sent no ready message within {self._settings.timeout:g} s",
                "look at the node's log; restart it if it hangs",
                timed_out=True,
            ) from None
        self.ready_ms = (clock.monotonic() - began) * 1000.0

    async def listen(self) -> None:
        """Receive messages until the connection ends.

        Raises:
            RevvlinkException: Always; why it ended.
        """
        await self.ping()
        loop = asyncio.get_running_loop()
        while True:
            now = clock.monotonic()
            self._check_liveness(now)
            # One timer for many messages: when it fires, the next turn computes a later deadline.
            try:
                async with asyncio.timeout_at(loop.time() + max(self._deadline() - now, 0.001)):
                    await self._receive()
            except TimeoutError:
                await self._after_silence()

    def _deadline(self) -> float:
        """When to act if no other message comes."""
        return min(self._quiet_until(), self._stats_at + self._stats_patience())

    def _quiet_until(self) -> float:
        """When a silence is too long: first to send a ping, then, if it is unanswered, to give the connection up."""
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
        now = clock.monotonic()
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
        """Send a ping unless one is unanswered; its pong gives `latency_ms`. NodeLink's pongs carry no payload."""
        if self._socket is None or self._pinged_at is not None:
            return
        self._pinged_at = clock.monotonic()
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

    async def _receive(self, *, until_ready: bool = False) -> None:
        """Receive messages, until the session is ready if that is wanted, else until the connection ends."""
        socket = self._socket
        if socket is None:
            raise self._lost(None)
        while not until_ready or self.session_id is None:
            message = await socket.receive()
            self._heard_at = clock.monotonic()
            if message.type is TEXT:
                frequent = read_frequent(message.data)
                if isinstance(frequent, tuple):  # nearly all messages are these
                    self._session_players.update(*frequent, self._heard_at)
                else:
                    self._dispatch(message.data, frequent)
                continue
            match message.type:
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

    def _dispatch(self, text: str, event: TrackStart | TrackEnd | None) -> None:
        """Process one message, which is perhaps decoded already. One that cannot be read is only counted."""
        try:
            if event is not None:
                self._apply(event)
            else:
                self._dispatch_any(text)
        except UndecodableError as error:
            self._count_unparsed(f"a message that is {error}")
        except Exception:  # the boundary of one message: a defect here must not end the connection and its players
            log.exception("%s: defect in reading a message", self._settings.identifier)
            self._count_unparsed("a message that made this client fail")

    def _apply(self, event: Event) -> None:
        if not self._session_players.apply(event) and isinstance(event, OtherEvent):
            self._count_unknown(f"event {event.type}")
        self._on_event(event)

    def _dispatch_any(self, text: str) -> None:
        """Process one message of any kind.

        Raises:
            UndecodableError: It cannot be read.
        """
        message = decode(text, WireMessage).value
        match message.op:
            case "ready":
                ready, odd, _ = decode(text, WireReady)
                self._note("ready", odd)
                if ready.session_id:
                    self.session_id, self.resumed = ready.session_id, ready.resumed
                    self.shown_session_id = self._rest.errors.excerpt(ready.session_id)
                    self._stats_at = max(self._stats_at, clock.monotonic())
                else:
                    self._count_unparsed("a ready message without a session")
            case "stats":
                stats = decode(text, WireStats)
                self._note("stats", stats.odd)
                self._stats_at = clock.monotonic()
                self._on_stats(stats)
            case "playerUpdate":
                self._take_update(decode_json(text))
            case "event":
                event, odd = read_event(decode_json(text))
                self._note("event", odd)
                self._apply(event)
            case "":
                self._count_unparsed("a message without an op")
            case other:
                self._count_unknown(f"op {other}")

    def _take_update(self, raw: dict[str, Any]) -> None:
        guild = read_guild(raw)
        if guild is None:
            self._note("playerUpdate", ("guildId",))
        else:
            self._session_players.update(guild, read_state(raw.get("state")), self._heard_at)

    def _note(self, what: str, fields: Iterable[str]) -> None:
        """Record fields whose type no known server sends."""
        for field in fields:
            if (odd := f"{what} {field}") not in self._rest.unexpected_fields:
                self._rest.unexpected_fields |= {odd}
                self._on_change()

    def _count_unknown(self, what: str) -> None:
        """Count a message that this client does not know: plugins have their own events, later servers more ops."""
        self._rest.count_unknown(what)
        self._on_change()

    def _count_unparsed(self, what: str) -> None:
        self.unparsed += 1
        log.debug("%s sent %s", self._settings.identifier, what)
        self._on_change()

    def _lost(self, code: int | None, error: object = None) -> NodeException:
        """The exception for a connection that the other side or the network has ended."""
        if self.session_id is None:
            hint = "look at the node's log"
            if code == 1011:
                hint = "check user_id: it must be the bot's id, a number of 17 to 20 digits"
            ending = f"closed the websocket with code {code}" if code else "dropped the websocket"
            return self._failure(Code.NO_READY, Stage.READY, f"{ending} before it was ready", hint)
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
    """Close the TCP connection under TLS as soon as the websocket is closed.

    Otherwise the event loop waits for the other side to close TLS too, and may end before that.
    """
    try:
        beneath.shutdown(SHUT_RDWR)
    except (OSError, TypeError):
        return  # it is closed, or another kind of event loop does not allow it
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            while beneath.fileno() != -1:  # noqa: ASYNC110 - a few turns of the loop, for which there is no event
                await asyncio.sleep(0)
    except TimeoutError:
        log.debug("a TLS connection was not closed within %g s", CLOSE_TIMEOUT)
