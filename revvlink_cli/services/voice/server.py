"""A voice server: nodes connect to it as they would to Discord's, and it measures what they send.

It speaks version 8 of Discord's voice gateway on TCP (with TLS, which genuine nodes require, or without it behind a
proxy) and takes RTP on UDP of the same port. It never decrypts: the headers show packets, losses, gaps and silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING, Any, cast

from aiohttp import WSMsgType, web

from revvlink_cli.config.address import Address
from revvlink_cli.services.voice.call import VoiceCall
from revvlink_cli.services.voice.rtp import read_header
from revvlink_cli.services.voice.tls import TlsHandshakes

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from revvlink_cli.services.voice.rtp import RtpHeader

HEARTBEAT_MS = 13_750
"""Milliseconds between two heartbeats that a node is asked for."""

MODES = ("aead_aes256_gcm_rtpsize", "aead_xchacha20_poly1305_rtpsize")
"""Encryption modes that are offered: the ones that Discord offers."""

DISCOVERY = struct.Struct("!HHI64sH")
"""A request or an answer of IP discovery: type, length of the rest, ssrc, address, port."""

DISCOVERY_REQUEST, DISCOVERY_ANSWER, DISCOVERY_LENGTH = 1, 2, 70

MAX_PACKETS = 1_000_000
"""Packets of a call that are kept for `VoiceCall.packets`."""


class VoiceServer:
    """Listens for nodes while the ``async with`` block runs.

    Attributes:
        endpoint: What nodes are given: the advertised name and port.
        handshakes: The TLS handshakes so far.
        requests: HTTP requests so far, websockets included.

    Raises:
        OSError: On entering: the port is taken, the advertised name does not resolve, or the certificate is unusable.
    """

    def __init__(
        self, listen: Address, *, cert: str | None = None, key: str | None = None, advertise: Address | None = None,
        keep_packets: bool = False,
    ) -> None:  # fmt: skip
        """Prepare; nothing listens yet.

        Args:
            listen: Where to listen; port 0 takes a free one.
            cert: PEM file of the certificate chain; None is without TLS.
            key: PEM file of its key, None where `cert` has it.
            advertise: What nodes are given, None for the address listened on.
            keep_packets: Whether calls keep each packet.
        """
        self._listen = listen
        self._advertise = advertise
        self._files = (cert, key)
        self._keep_packets = keep_packets
        self._calls: dict[str, VoiceCall] = {}
        self._streams: dict[int, VoiceCall] = {}
        self._senders: dict[Any, VoiceCall] = {}
        self._sockets: set[web.WebSocketResponse] = set()
        self._runner: web.AppRunner | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._announced = ""
        self.endpoint = ""
        self.handshakes = TlsHandshakes()
        self.requests = 0

    async def __aenter__(self) -> Self:
        """Listen."""
        context = self._context()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await self._bind(self._runner, context)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        await self.close()

    async def close(self) -> None:
        """Close every connection and both ports."""
        await asyncio.gather(*(socket_.close(code=1001) for socket_ in tuple(self._sockets)), return_exceptions=True)
        if self._udp is not None:
            self._udp.close()
            self._udp = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _context(self) -> ssl.SSLContext | None:
        cert, key = self._files
        if cert is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, key)
        self.handshakes.watch(context)
        return context

    async def _bind(self, runner: web.AppRunner, context: ssl.SSLContext | None) -> None:
        """Take the port on TCP, and the same one on UDP."""
        site = web.TCPSite(runner, self._listen.host, self._listen.port, ssl_context=context)
        await site.start()
        bound = runner.addresses[0]
        self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self), local_addr=(bound[0], bound[1])
        )
        given = self._advertise or Address(self._listen.host, bound[1])
        self.endpoint = str(given)
        family = socket.AF_INET6 if ":" in bound[0] else socket.AF_INET
        found = await asyncio.get_running_loop().getaddrinfo(given.host, given.port, family=family)
        self._announced = str(found[0][4][0])

    def expect(self, guild_id: str, user_id: str) -> VoiceCall:
        """Expect a player's connection."""
        ssrc = secrets.randbelow(2**31 - 1) + 1
        call = VoiceCall(guild_id, user_id, ssrc, secrets.token_hex(16), secrets.token_hex(8))
        call.packets = [] if self._keep_packets else None
        self._calls[call.token] = self._streams[ssrc] = call
        return call

    def forget(self, call: VoiceCall) -> None:
        """Forget a player that is gone."""
        self._calls.pop(call.token, None)
        self._streams.pop(call.ssrc, None)
        self._senders = {sender: other for sender, other in self._senders.items() if other is not call}

    def why_unreached(self, call: VoiceCall) -> str:
        """Why a node has not got through to here, as far as this side can see."""
        if call.discovered_at is not None:
            return "it connected and its UDP arrived, but it did not finish the voice handshake"
        if call.connected_at is not None:
            return f"it connected, but no UDP packet arrived: UDP port {Address.parse(self.endpoint).port} is blocked"
        tls = self.handshakes
        if tls.failures:
            return f"it refused the certificate (TLS: {tls.failures[-1]}): its trust store does not know the issuer"
        if tls.begun > tls.completed:
            return "it broke off the TLS handshake: its trust store does not know the certificate's issuer"
        if tls.completed > self.requests:
            return "it closed the connection right after the TLS handshake: it does not trust the certificate"
        return f"no connection arrived at {self.endpoint}"

    # The websocket.

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        socket_ = web.WebSocketResponse(heartbeat=None, autoping=True)
        if not socket_.can_prepare(request):
            return web.Response(text="A voice server of revvlink play.\n")
        await socket_.prepare(request)
        self._sockets.add(socket_)
        call: VoiceCall | None = None
        try:
            await socket_.send_json({"op": 8, "d": {"v": 8, "heartbeat_interval": HEARTBEAT_MS}})
            async for message in socket_:
                if message.type is not WSMsgType.TEXT:
                    continue  # end-to-end encryption, which was not agreed on
                call = await self._answer(socket_, message.data, call)
        except ConnectionError:
            pass  # the node has left in the middle of an answer
        finally:
            self._sockets.discard(socket_)
        return socket_

    async def _answer(self, socket_: web.WebSocketResponse, text: str, call: VoiceCall | None) -> VoiceCall | None:
        """Answer one message; returns the call that the websocket belongs to."""
        try:
            message = json.loads(text)
            op, data = message["op"], message.get("d")
        except (ValueError, TypeError, KeyError):
            await socket_.close(code=4002, message=b"Failed to decode payload.")
            return call
        if op == 3:  # a heartbeat: version 8 sends an object, older ones a number
            nonce = data.get("t") if isinstance(data, dict) else data
            await socket_.send_json({"op": 6, "d": {"t": nonce} if isinstance(data, dict) else nonce})
        elif op in (0, 7):
            call = self._calls.get(str(data.get("token"))) if isinstance(data, dict) else None
            if call is None or str(data.get("session_id")) != call.session_id:
                await socket_.close(code=4004, message=b"Authentication failed.")
                return None
            if op == 7:
                await socket_.send_json({"op": 9, "d": {}})
            else:
                await self._greet(socket_, call, data)
        elif call is None:
            await socket_.close(code=4003, message=b"Not authenticated.")
        elif op == 1:
            await self._describe(socket_, call, data)
        return call

    async def _greet(self, socket_: web.WebSocketResponse, call: VoiceCall, data: dict[str, Any]) -> None:
        version = data.get("max_dave_protocol_version", 0)
        call.dave_version = version if isinstance(version, int) else 0
        call.connected_at = call.connected_at or time.monotonic()
        call.note()
        port = Address.parse(self.endpoint).port
        ready = {"ssrc": call.ssrc, "ip": self._announced, "port": port, "modes": list(MODES), "heartbeat_interval": 1}
        await socket_.send_json({"op": 2, "d": ready})

    async def _describe(self, socket_: web.WebSocketResponse, call: VoiceCall, data: Any) -> None:
        chosen = data.get("data") if isinstance(data, dict) else None
        mode = chosen.get("mode") if isinstance(chosen, dict) else None
        if mode not in MODES:
            await socket_.close(code=4016, message=b"Unknown encryption mode.")
            return
        description = {
            "mode": mode,
            "secret_key": list(secrets.token_bytes(32)),
            "dave_protocol_version": 0,
            "audio_codec": "opus",
            "media_session_id": secrets.token_hex(16),
        }
        await socket_.send_json({"op": 4, "d": description})
        call.selected_at = time.monotonic()
        call.note()

    # The datagrams.

    def receive(self, datagram: bytes, sender: Any) -> bytes | None:
        """Take a datagram; returns the answer to it, None without one."""
        now = time.monotonic()
        if len(datagram) == DISCOVERY.size and (answer := self._discover(datagram, sender, now)) is not None:
            return answer
        if len(datagram) == 8:  # a keep-alive: Discord echoes it
            return datagram
        header = read_header(datagram)
        if header is not None:
            self._count(header, sender, now)
        return None

    def _discover(self, datagram: bytes, sender: Any, now: float) -> bytes | None:
        kind, length, ssrc, _, _ = DISCOVERY.unpack(datagram)
        if kind != DISCOVERY_REQUEST or length != DISCOVERY_LENGTH:
            return None
        call = self._streams.get(ssrc)
        if call is not None:
            self._senders[sender] = call
            call.discovered_at = call.discovered_at or now
            call.note()
        address = str(sender[0]).encode()[:63]
        return DISCOVERY.pack(DISCOVERY_ANSWER, DISCOVERY_LENGTH, ssrc, address, sender[1])

    def _count(self, header: RtpHeader, sender: Any, now: float) -> None:
        owner, call = self._senders.get(sender), self._streams.get(header.ssrc)
        if owner is not None and owner is not call:
            owner.foreign += 1
            owner.note()
            return
        if call is None:
            return
        call.discovered_at = call.discovered_at or now
        call.statistics.add(now, header)
        if call.packets is not None and len(call.packets) < MAX_PACKETS:
            call.packets.append((now, header))
        call.note()


class _Datagrams(asyncio.DatagramProtocol):
    """The UDP port."""

    def __init__(self, server: VoiceServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.DatagramTransport", transport)  # on Python 3.11 it is none by its class

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Take a datagram, and answer it."""
        answer = self._server.receive(data, addr)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, addr)


async def self_test(server: VoiceServer) -> str | None:
    """Check that the advertised address leads here; returns what is wrong, None if nothing is.

    A node that cannot reach the endpoint may hang in its request for ever, so this is checked first. Behind a router
    without hairpin NAT the check fails for an address that nodes can reach.
    """
    address = Address.parse(server.endpoint)
    try:
        async with asyncio.timeout(3.0):
            _, writer = await asyncio.open_connection(address.host, address.port)
    except OSError as error:  # TimeoutError is one
        why = error.strerror or str(error) or "no answer within 3 s"
        return f"{server.endpoint} does not lead here from this machine: {why}"
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    await asyncio.sleep(0.05)
    server.handshakes.begun = server.handshakes.completed  # this was not a node
    return None
