"""The tool as a voice server: its part of the conversation, what it measures, and why nodes do not get through."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from revvlink_cli.config.address import Address
from revvlink_cli.services.voice.rtp import HEADER
from revvlink_cli.services.voice.server import DISCOVERY, VoiceServer, self_test

if TYPE_CHECKING:
    from collections.abc import Coroutine

VOICE = Path(__file__).parents[2] / "data" / "recordings" / "voice"
HOME = Address("127.0.0.1", 0)
GUILD, USER = "817327181659111754", "170000000000000001"


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run one test's coroutine, in time."""
    asyncio.run(asyncio.wait_for(work, 30))


def recorded(name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The datagrams and the gateway's messages of a genuine node."""
    lines = [json.loads(line) for line in (VOICE / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    datagrams = [line for line in lines if line.get("type") in ("rtp", "other")]
    return datagrams, [line for line in lines if line.get("type") == "gateway"]


async def answers(gateway: aiohttp.ClientWebSocketResponse, op: int) -> Any:
    """What the server says with this opcode, next."""
    while True:
        told = await gateway.receive_json(timeout=5)
        if told["op"] == op:
            return told["d"]


@pytest.mark.parametrize(("name", "dave"), [("lavalink-4.2.2", 0), ("nodelink-3.7.0", 1)])
def test_recorded_conversation_of_a_genuine_node(name: str, dave: int) -> None:
    """Its own messages in its own order: it is greeted, found over UDP, described, and its packets are counted."""

    async def check() -> None:
        datagrams, messages = recorded(name)
        async with VoiceServer(HOME, keep_packets=True) as server, aiohttp.ClientSession() as session:
            call = server.expect(GUILD, USER)
            async with session.ws_connect(f"ws://{server.endpoint}/?v=8") as gateway:
                assert (await answers(gateway, 8))["v"] == 8
                ready: dict[str, Any] = {}
                for message in messages:
                    data = dict(message["d"])
                    if message["op"] == 0:
                        data |= {"token": call.token, "session_id": call.session_id}
                    await gateway.send_json({"op": message["op"], "d": data})
                    if message["op"] == 0:
                        ready = await answers(gateway, 2)
                    if message["op"] == 1:
                        description = await answers(gateway, 4)
                        assert description["mode"] == "aead_aes256_gcm_rtpsize"
                        assert len(description["secret_key"]) == 32
                        assert description["dave_protocol_version"] == 0
                await gateway.send_json({"op": 3, "d": {"t": 1501184119561, "seq_ack": 10}})
                assert await answers(gateway, 6) == {"t": 1501184119561}
                await gateway.send_json({"op": 7, "d": {"token": call.token, "session_id": call.session_id}})
                assert await answers(gateway, 9) == {}
                assert call.dave_version == dave
                await _send_all(datagrams, ready)
                sent = sum(line["type"] == "rtp" for line in datagrams)
                assert await call.until(lambda: call.statistics.figures().packets == sent, 5)
                figures = call.statistics.figures()
                assert (figures.lost, figures.reordered, figures.duplicates) == (0, 0, 0)
                assert call.packets is not None
                assert len(call.packets) == sent

    run(check())


async def _send_all(datagrams: list[dict[str, Any]], ready: dict[str, Any]) -> None:
    """Send a recording's datagrams; IP discovery is answered with where they come from."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.setblocking(False)
        await loop.sock_connect(udp, (ready["ip"], ready["port"]))
        for line in datagrams:
            if line["bytes"] == 74:
                await loop.sock_sendall(udp, DISCOVERY.pack(1, 70, ready["ssrc"], b"", 0))
                kind, length, ssrc, address, port = DISCOVERY.unpack(
                    await asyncio.wait_for(loop.sock_recv(udp, 100), 5)
                )
                assert (kind, length, ssrc) == (2, 70, ready["ssrc"])
                assert (address.rstrip(b"\0").decode(), port) == udp.getsockname()[:2]
            elif line["type"] == "other":
                await loop.sock_sendall(udp, bytes.fromhex(line["head"]))
            else:
                header = HEADER.pack(line["first"], line["payload_type"], line["seq"], line["timestamp"], ready["ssrc"])
                await loop.sock_sendall(udp, header.ljust(line["bytes"], b"\0"))
            await asyncio.sleep(0)  # the server reads one datagram a turn of the loop


def test_strangers_are_turned_away() -> None:
    """A wrong token, words before the introduction, no JSON: each gets Discord's own close code; HTTP gets a page."""

    async def check() -> None:
        async with VoiceServer(HOME) as server, aiohttp.ClientSession() as session:
            call = server.expect(GUILD, USER)
            wrong = {"token": "x", "session_id": call.session_id, "server_id": GUILD}
            for text, code in (
                (json.dumps({"op": 0, "d": wrong}), 4004),
                (json.dumps({"op": 0, "d": None}), 4004),
                (json.dumps({"op": 1, "d": {}}), 4003),
                ("no JSON", 4002),
                ("[]", 4002),
            ):
                async with session.ws_connect(f"ws://{server.endpoint}/") as gateway:
                    await gateway.send_str(text)
                    while not gateway.closed:
                        await gateway.receive(timeout=5)
                    assert gateway.close_code == code, text
            async with session.get(f"http://{server.endpoint}/") as answer:
                assert answer.status == 200
            assert call.connected_at is None
            assert server.why_unreached(call) == f"no connection arrived at {server.endpoint}"

    run(check())


def test_a_node_that_leaves_in_the_middle_of_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    """A node that breaks off while it is answered is not a defect of the server: nothing is logged."""

    async def check() -> None:
        async with VoiceServer(HOME) as server, aiohttp.ClientSession() as session:
            call = server.expect(GUILD, USER)
            introduction = {"op": 0, "d": {"token": call.token, "session_id": call.session_id, "server_id": GUILD}}
            for _ in range(20):
                gateway = await session.ws_connect(f"ws://{server.endpoint}/")
                for _ in range(50):
                    await gateway.send_json(introduction)
                linger = struct.pack("ii", 1, 0)  # so that it breaks off with a reset, as a killed node does
                gateway.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection = gateway._response.connection
                assert connection is not None
                assert connection.transport is not None
                connection.transport.abort()
                await asyncio.sleep(0.02)
                await gateway.close()

    with caplog.at_level(logging.ERROR):
        run(check())
    assert not caplog.records


def test_packets_of_another_stream_are_told_apart() -> None:
    """What one node sends under another one's number counts for neither."""

    async def check() -> None:
        async with VoiceServer(HOME) as server:
            first, second = server.expect(GUILD, USER), server.expect("817327181659111755", USER)
            for call, port in ((first, 1), (second, 2)):
                assert server.receive(DISCOVERY.pack(1, 70, call.ssrc, b"", 0), ("127.0.0.1", port)) is not None
            server.receive(HEADER.pack(0x80, 120, 1, 960, second.ssrc) + bytes(200), ("127.0.0.1", 1))
            assert (first.foreign, second.statistics.figures().packets) == (1, 0)
            server.receive(HEADER.pack(0x80, 120, 1, 960, second.ssrc) + bytes(200), ("127.0.0.1", 2))
            assert second.statistics.figures().packets == 1
            assert server.receive(b"\1" * 8, ("127.0.0.1", 9)) == b"\1" * 8
            assert server.receive(b"", ("127.0.0.1", 9)) is None

    run(check())


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that nobody trusts, and its key."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "voice.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "voice.pem"), str(tmp_path / "ca.pem")


def _shake_hands(address: Address) -> None:
    """Do so as a node would, with the machine's own authorities."""
    with (
        socket.create_connection(address, timeout=5) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=address.host),
    ):
        pass


def test_certificate_that_is_not_trusted_is_named(certificate: tuple[str, str]) -> None:
    """The node's TLS alert arrives on this side, and is what the reason is made of; who trusts it gets through."""

    async def check() -> None:
        async with VoiceServer(HOME, cert=certificate[0]) as server, aiohttp.ClientSession() as session:
            call = server.expect(GUILD, USER)
            with pytest.raises(aiohttp.ClientConnectorCertificateError):  # asyncio's client sends no alert
                await session.ws_connect(f"wss://{server.endpoint}/")
            await asyncio.sleep(0.2)
            assert "broke off the TLS handshake" in server.why_unreached(call)
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.to_thread(_shake_hands, Address.parse(server.endpoint))
            await asyncio.sleep(0.2)
            assert "unknown ca" in server.why_unreached(call)
            context = ssl.create_default_context(cafile=certificate[1])
            async with session.ws_connect(f"wss://{server.endpoint}/", ssl=context) as gateway:
                assert (await answers(gateway, 8))["v"] == 8
            assert await self_test(server) is None

    run(check())


def test_port_that_is_taken() -> None:
    """A second server on the port is refused at once, and leaves nothing behind."""

    async def check() -> None:
        async with VoiceServer(HOME) as server:
            port = Address.parse(server.endpoint).port
            with pytest.raises(OSError, match="address already in use"):
                await VoiceServer(Address("127.0.0.1", port)).__aenter__()
        async with VoiceServer(Address("127.0.0.1", port)):
            pass

    run(check())


def test_advertised_address_that_leads_elsewhere() -> None:
    """A name that does not resolve is an error; a port where nobody listens is a warning before a node is asked."""

    async def check() -> None:
        with pytest.raises(OSError, match=r".+"):
            await VoiceServer(HOME, advertise=Address("nowhere.invalid", 443)).__aenter__()
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            async with VoiceServer(HOME, advertise=Address("127.0.0.1", port)) as server:
                assert server.endpoint == f"127.0.0.1:{port}"
                assert "does not lead here" in (await self_test(server) or "")

    run(check())


@pytest.mark.parametrize("text", ["", "host", "host:", ":80", "host:x", "host:70000", "::1:80"])
def test_wrong_addresses(text: str) -> None:
    """What is not HOST:PORT is refused."""
    with pytest.raises(ValueError, match=r"HOST:PORT|brackets"):
        Address.parse(text)


def test_ipv6_addresses() -> None:
    """An IPv6 address stands in brackets, both ways."""
    assert Address.parse("[::1]:80") == ("::1", 80)
    assert str(Address("::1", 80)) == "[::1]:80"
