"""TLS that fails, each way with its own sentence, code and next step: over REST, and on the websocket alone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import trustme

from revvlink_cli.client.connection.local_limits import limit_of
from revvlink_cli.client.errors import Code, RevvlinkException, Stage
from revvlink_cli.client.fleet import Fleet
from revvlink_cli.client.node import Node
from revvlink_cli.client.settings import NodeSettings
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AUTHORITY = trustme.CA()
NOW = datetime.now(UTC)

Meeting = "Callable[[socket.socket], None]"
"""What a server does with a connection."""

# asyncio may leave the socket of a handshake that was reset to the garbage collector: it is collected where it belongs.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.usefixtures("collected"),
]


@pytest.fixture
def collected() -> Iterator[None]:
    """Collects garbage after each test, so that none of it is blamed on another."""
    yield
    gc.collect()


def tls(certificate: trustme.LeafCert | None = None, **more: Any) -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (certificate or AUTHORITY.issue_cert("127.0.0.1")).configure_cert(context)
    for name, value in more.items():
        setattr(context, name, value)
    return context


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server that shows a certificate which nobody but itself has signed."""
    authority = trustme.CA()
    file = folder / "self.pem"
    file.write_bytes(authority.cert_pem.bytes() + authority.private_key_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def with_ciphers(ciphers: str) -> ssl.SSLContext:
    """A server that speaks TLS 1.2 with these ciphers only."""
    context = tls(maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(ciphers)
    return context


def shakes(context: ssl.SSLContext) -> Any:
    """Shakes hands, reads, and says nothing."""

    def meet(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(65536)

    return meet


def says(*data: bytes) -> Any:
    """Waits for the client's first bytes, sends these, and closes."""

    def meet(connection: socket.socket) -> None:
        connection.recv(65536)
        for part in data:
            connection.sendall(part)

    return meet


def alert(number: int) -> Any:
    """Answers with an alert."""
    return says(bytes([21, 3, 3, 0, 2, 2, number]))


def resets(connection: socket.socket) -> None:
    """Resets the connection in the middle of the handshake."""
    connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hangs(connection: socket.socket) -> None:
    """Takes the connection, and nothing follows."""
    connection.settimeout(10)
    while connection.recv(65536):
        pass


def hangs_halfway(connection: socket.socket) -> None:
    """Begins a handshake and stops in the middle of a message."""
    connection.recv(65536)
    connection.sendall(bytes([22, 3, 3, 0, 200, 2]))
    hangs(connection)


class Told(NamedTuple):
    """What is to be said of a failure."""

    code: str
    stage: str
    message: str
    hint: str


UNTRUSTED = "certificate_untrusted"
FAULTS: dict[str, tuple[Callable[[Path], Any], Told]] = {
    "expired": (
        lambda _: shakes(tls(AUTHORITY.issue_cert("127.0.0.1", not_after=NOW - timedelta(days=1)))),
        Told("certificate_expired", "tls", "the certificate of {} has expired", "renew"),
    ),
    "not valid yet": (
        lambda _: shakes(tls(AUTHORITY.issue_cert("127.0.0.1", not_before=NOW + timedelta(days=1),
                                                  not_after=NOW + timedelta(days=9)))),
        Told("certificate_not_yet_valid", "tls", "the certificate of {} is not valid yet", "clock"),
    ),
    "unknown authority": (
        lambda _: shakes(tls(trustme.CA().issue_cert("127.0.0.1"))),
        Told(UNTRUSTED, "tls", "the certificate of {} is signed by an authority that is not trusted here", "ca_file"),
    ),
    "self-signed": (
        lambda folder: shakes(self_signed(folder)),
        Told(UNTRUSTED, "tls", "the certificate of {} is self-signed", "ca_file"),
    ),
    "another host": (
        lambda _: shakes(tls(AUTHORITY.issue_cert("example.org"))),
        Told("certificate_wrong_host", "tls", "the certificate of {} is for another host", "uri"),
    ),
    "no common version": (
        lambda _: alert(70),
        Told("tls_failed", "tls", "{} speaks no TLS version that this machine takes", "TLS 1.2"),
    ),
    "no common cipher": (
        lambda _: shakes(with_ciphers("AES128-SHA:@SECLEVEL=0")),
        Told("tls_failed", "tls", "{} has no TLS version or cipher in common with this machine", "cipher"),
    ),
    "client certificate, TLS 1.3": (
        lambda _: shakes(tls(verify_mode=ssl.CERT_REQUIRED)),
        Told("client_certificate_required", "tls", "{} requires a client certificate that it trusts", "without one"),
    ),
    "client certificate, TLS 1.2": (
        lambda _: shakes(tls(verify_mode=ssl.CERT_REQUIRED, maximum_version=ssl.TLSVersion.TLSv1_2)),
        Told("client_certificate_required", "tls", "{} requires a client certificate that it trusts", "without one"),
    ),
    "plain HTTP": (
        lambda _: says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        Told("tls_failed", "tls", "{} does not speak TLS", "http://"),
    ),
    "another protocol": (
        lambda _: says(b"SSH-2.0-OpenSSH_9.6\r\n"),
        Told("tls_failed", "tls", "{} does not speak TLS", "http://"),
    ),
    "closed in the middle": (
        lambda _: says(),
        Told("tls_failed", "tls", "{} closed the connection during the TLS handshake", "port"),
    ),
    "reset in the middle": (
        lambda _: resets,
        Told("tls_failed", "tls", "{} closed the connection during the TLS handshake", "port"),
    ),
    "hangs": (
        lambda _: hangs,
        Told("timeout", "tls", "{} accepts connections but did not finish the TLS handshake within 1 s", "hangs"),
    ),
    "hangs halfway": (
        lambda _: hangs_halfway,
        Told("timeout", "tls", "{} accepts connections but did not finish the TLS handshake within 1 s", "hangs"),
    ),
    "alert: name": (
        lambda _: alert(112), Told("tls_failed", "tls", "{} serves no host of that name", "host in uri"),
    ),
    "alert: internal error": (
        lambda _: alert(80),
        Told("tls_failed", "tls", "{} ended the TLS handshake with the alert 'internal error'", "log"),
    ),
    "alert: unknown authority": (
        lambda _: alert(48),
        Told("client_certificate_required", "tls", "{} requires a client certificate that it trusts", "without one"),
    ),
}  # fmt: skip
"""Name -> what the server does, and what is said of it."""


class Front:
    """A server in front of another, which may be told to do something else with new connections."""

    def __init__(self, meet: Any) -> None:
        self.meet = meet
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._held.append(connection)
            threading.Thread(target=self._meet, args=(connection, self.meet), daemon=True).start()

    def _meet(self, connection: socket.socket, meet: Any) -> None:
        with contextlib.suppress(OSError), connection:
            meet(connection)

    def close(self) -> None:
        """End."""
        self._listener.close()
        for connection in self._held:
            connection.close()


@contextlib.contextmanager
def standing(meet: Any) -> Iterator[Front]:
    """A `Front` for the time of the block."""
    front = Front(meet)
    try:
        yield front
    finally:
        front.close()


def settings(port: int, folder: Path, scheme: str = "https", **more: Any) -> NodeSettings:
    """A node behind that port, whose authority is known."""
    (folder / "ca.pem").write_bytes(AUTHORITY.cert_pem.bytes())
    node: dict[str, Any] = {"timeout": 1.0, "retries": 0, "ca_file": str(folder / "ca.pem"), **more}
    return NodeSettings(identifier="n", uri=f"{scheme}://127.0.0.1:{port}", password="a-password", **node)


async def refusal(node: NodeSettings) -> RevvlinkException:
    """Why a node cannot be connected to."""
    fleet = Fleet()
    try:
        with pytest.raises(RevvlinkException) as caught:
            await fleet.connect([Node.from_settings(node)])
    finally:
        await fleet.close()
    return caught.value


def check(error: RevvlinkException, told: Told, port: int) -> None:
    """The sentence, the code, the stage, and a hint about the right thing."""
    assert (error.code, error.stage, error.message) == (
        told.code, told.stage, told.message.format(f"127.0.0.1:{port}"),
    )  # fmt: skip
    assert told.hint in (error.hint or "")


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("attempt", range(3))
def test_first_connection(name: str, attempt: int, tmp_path: Path) -> None:
    """Nothing was ever answered: what REST met is what is said, every time the same."""
    if attempt and "hangs" in name:
        pytest.skip("takes its time, and no luck is in it")
    make, told = FAULTS[name]
    with standing(make(tmp_path)) as front:
        error = asyncio.run(refusal(settings(front.port, tmp_path)))
        check(error, told, front.port)


@pytest.mark.parametrize("name", [name for name in FAULTS if "TLS 1.3" not in name])
def test_websocket_alone(name: str, tmp_path: Path) -> None:
    """A node that was connected, and whose next websocket meets the fault, while REST goes on over its connection."""
    make, told = FAULTS[name]
    fault = make(tmp_path)

    async def work(port: int) -> None:
        context = tls()
        sockets: list[ssl.SSLSocket] = []

        def pass_on(connection: socket.socket) -> None:
            with (
                context.wrap_socket(connection, server_side=True) as secure,
                socket.create_connection(("127.0.0.1", port)) as behind,
            ):
                first = secure.recv(65536)
                if b"/v4/websocket" in first:
                    sockets.append(secure)
                behind.sendall(first)
                threading.Thread(target=pump, args=(behind, secure), daemon=True).start()
                pump(secure, behind)

        with standing(pass_on) as front:
            fleet = Fleet()
            try:
                await fleet.connect([Node.from_settings(settings(front.port, tmp_path, retries=9, retry_within=0.1))])
                front.meet = fault
                for secure in sockets:
                    secure.shutdown(socket.SHUT_RDWR)
                async with asyncio.timeout(8):
                    while (error := fleet.snapshot().nodes[0].error) is None or error.code is Code.CLOSED:
                        await fleet.changed()
                check(error, told, front.port)
            finally:
                await fleet.close()

    with Simulator([NodeProfile(identifier="n", password="a-password")]) as simulator:
        asyncio.run(work(simulator["n"].port))


def pump(source: socket.socket, target: socket.socket) -> None:
    """Carry over what comes, until either end is closed."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


@pytest.mark.parametrize(
    "meet",
    [
        shakes(tls()),
        says(bytes([21, 3, 1, 0, 2, 2, 70])),
        says(
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 48\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
        ),
    ],
    ids=["says nothing", "answers with an alert", "answers with words"],
)
def test_tls_behind_http(meet: Any, tmp_path: Path) -> None:
    """An address that should have been written with https://, however the server takes it."""
    answered = [0]

    def first_plain(connection: socket.socket) -> None:
        """Plain HTTP meets what was given; a handshake is answered as TLS does."""
        begun = connection.recv(1, socket.MSG_PEEK)
        answered[0] += 1
        (shakes(tls()) if begun == b"\x16" else meet)(connection)

    with standing(first_plain) as front:
        error = asyncio.run(refusal(settings(front.port, tmp_path, "http", ca_file=None)))

    assert error.message == f"127.0.0.1:{front.port} speaks TLS, not plain HTTP"
    assert error.hint == "write https:// instead of http:// in uri"
    assert answered[0] > 0


def test_a_plain_server_that_just_closes_is_not_said_to_speak_tls(tmp_path: Path) -> None:
    """The second look brings nothing to light: the first failure stands."""
    with standing(says()) as front:
        error = asyncio.run(refusal(settings(front.port, tmp_path, "http", ca_file=None)))

    assert (error.code, error.stage) == (Code.RESET, Stage.REQUEST)
    assert "closed the connection before it had answered" in error.message


def test_the_second_look_sends_no_password(tmp_path: Path) -> None:
    """A server that closes every connection gets the password with requests only, never in the handshake after them."""
    heard: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))

    with standing(listen) as front:
        asyncio.run(refusal(settings(front.port, tmp_path, "http", ca_file=None)))

    handshakes = [data for data in heard if data[:1] == b"\x16"]
    assert handshakes
    assert not any(b"a-password" in data for data in handshakes)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("files", [7, 12, 30])
def test_too_many_open_files(write_config: Callable[..., Path], host: str, files: int) -> None:
    """The limit is this process' own: no node is blamed for it, nor this machine's DNS; the fix is named."""
    path = write_config(*({"identifier": f"n{i}", "uri": f"http://{host}:9", "password": "x"} for i in range(40)))
    line = [sys.executable, "-m", "revvlink_cli", "--config", str(path), "connect", "-o", "json"]
    ran = subprocess.run(
        ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *line], capture_output=True, encoding="utf-8", check=False
    )

    limited = [line for line in ran.stdout.splitlines() if "this process has as many files open as it may" in line]
    assert limited, ran.stdout + ran.stderr
    assert "ulimit -n" in ran.stdout
    assert '"local_limit"' in ran.stdout
    assert "cannot be resolved" not in ran.stdout
    assert "defect" not in ran.stdout


def test_limits_are_told_from_openssls_numbers() -> None:
    """OpenSSL counts its errors from 1, as the system does: neither is taken for the other."""
    assert limit_of(ssl.SSLError(1, "[SSL: WHATEVER]")) is None
    assert limit_of(ConnectionRefusedError(111, "refused")) is None
    for number in (24, 23, 12, 105, 99):
        found = limit_of(OSError(number, "whatever"))
        assert sys.platform != "linux" or (found is not None and found.hint)
    several = OSError("Multiple exceptions: [Errno 24] Too many open files, [Errno 24] Too many open files")
    assert (found := limit_of(several)) is not None
    assert "ulimit" in found.hint


def test_no_command_says_operation_not_permitted(write_config: Callable[..., Path], tmp_path: Path) -> None:
    """OpenSSL's code is never taken for the system's number 1."""
    began = time.monotonic()
    for name in ("client certificate, TLS 1.3", "alert: internal error", "no common cipher"):
        make, _ = FAULTS[name]
        (tmp_path / "ca.pem").write_bytes(AUTHORITY.cert_pem.bytes())
        with standing(make(tmp_path)) as front:
            node = {"identifier": "n", "uri": f"https://127.0.0.1:{front.port}", "password": "x-password"}
            path = write_config({**node, "ca_file": str(tmp_path / "ca.pem")}, defaults={"timeout": 1.0})
            for command in ("connect", "doctor", "check"):
                ran = run_cli("--config", str(path), "-vv", "--timeout", "3", command)
                assert "not permitted" not in ran.out + ran.err
    assert time.monotonic() - began < 60
