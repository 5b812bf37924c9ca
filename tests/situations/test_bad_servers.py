"""Servers that are dead, lie or stumble: one line of reason each, the right exit code, in time, and no secret told."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Ran

CANARY = "canary-pass-phrase"
LAVALINK = "Lavalink-Api-Version: 4\r\n"
NODELINK = "Nodelink-Api-Version: 4\r\nIamNodelink: true\r\n"
INFO = '{"version":{"semver":"4.2.2","major":4},"sourceManagers":["http"],"filters":[],"plugins":[],"jvm":"17"}'

Handler = "Callable[[socket.socket, str], None]"


def http(status: str, body: str | bytes = "", headers: str = "", kind: str = "application/json") -> bytes:
    """An HTTP answer."""
    data = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n{headers}"
    return f"{head}Connection: close\r\n\r\n".encode() + data


def always(answer: bytes) -> Any:
    """A server that gives the same answer to everything."""
    return lambda connection, _request: connection.sendall(answer)


def by_path(answers: dict[str, bytes], otherwise: bytes) -> Any:
    """A server that answers by the path asked for."""

    def handle(connection: socket.socket, request: str) -> None:
        path = request.split(" ")[1] if " " in request else ""
        connection.sendall(next((answer for part, answer in answers.items() if path.startswith(part)), otherwise))

    return handle


def hang(connection: socket.socket, _request: str) -> None:
    """Never answers."""
    connection.settimeout(30)
    try:
        while connection.recv(4096):
            continue
    except OSError:
        return


def half_an_answer(connection: socket.socket, request: str) -> None:
    """Announces more than it sends, and hangs."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
    hang(connection, request)


def endless(connection: socket.socket, _request: str) -> None:
    """Sends without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    try:
        for _ in range(100_000):
            connection.sendall(b"[" * 65536)
    except OSError:
        return


@contextmanager
def serving(handle: Any, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A raw server on a free port, a thread for each connection; it ends with the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        try:
            if context is not None:
                connection = context.wrap_socket(connection, server_side=True)
            handle(connection, connection.recv(65536).decode("latin-1"))
        except (OSError, IndexError):
            return
        finally:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        for connection in held:
            connection.close()


BAD = {
    "silent": (hang, "silent", 3),
    "closes at once": (lambda *_: None, "connection_reset", 3),
    "half an answer": (half_an_answer, "silent", 3),
    "endless": (endless, "answer_too_large", 3),
    "garbage": (always(b"\x00\x01garbage\r\n\r\n"), "not_lavalink", 3),
    "web page": (always(http("200 OK", "<html>hello</html>", kind="text/html")), "not_lavalink", 3),
    "404 everywhere": (always(http("404 Not Found", "nothing", kind="text/plain")), "not_lavalink", 3),
    "other JSON": (always(http("200 OK", '{"hello":"world"}')), "not_lavalink", 3),
    "a list": (always(http("200 OK", "[]")), "not_lavalink", 3),
    "deep JSON": (always(http("200 OK", "[" * 100_000)), "not_lavalink", 3),
    "v3": (by_path({"/version": http("200 OK", "3.7.13", kind="text/plain")}, http("404 Not Found")), "lavalink_v3", 3),
    "refused 401": (always(http("401 Unauthorized", headers=LAVALINK)), "wrong_password", 4),
    "refused 403": (by_path({"/v4/info": http("403 Forbidden", headers=LAVALINK)}, http("401")), "wrong_password", 4),
    "NodeLink 401": (always(http("401 Unauthorized", "Unauthorized", NODELINK, "text/plain")), "wrong_password", 4),
    "NodeLink ban": (always(http("403 Forbidden", "Forbidden", NODELINK, "text/plain")), "forbidden", 3),
    "challenge": (always(http("403 Forbidden", "<html>prove it</html>", kind="text/html")), "challenge_page", 3),
    "500": (always(http("500 Internal Server Error", '{"message":"boom"}')), "server_error", 3),
    "502": (always(http("502 Bad Gateway", "<html>", kind="text/html")), "server_error", 3),
    "503, come back": (always(http("503 Service Unavailable", headers="Retry-After: 9000\r\n")), "server_error", 3),
    "429, come back": (always(http("429 Too Many Requests", headers="Retry-After: 9000\r\n")), "rate_limited", 3),
    "compressed": (always(http("200 OK", b"\x1f\x8b\x08", "Content-Encoding: gzip\r\n")), "bad_answer", 3),
    "REST without websocket": (
        by_path({"/v4/info": http("200 OK", INFO, LAVALINK)}, http("404 Not Found", headers=LAVALINK)),
        "websocket_refused", 3,
    ),
    "echoes the password": (
        lambda connection, request: connection.sendall(http("500 Oops", request, kind="text/plain")), "server_error", 3,
    ),
}  # fmt: skip
"""Name -> what the server does, the code of the error, the exit code."""


@pytest.fixture
def run(write_config: Callable[..., Path]) -> Callable[..., Ran]:
    """Runs a command on a node at that address."""

    def run_on(uri: str, *arguments: str, **more: Any) -> Ran:
        node = {"identifier": "bad", "uri": uri, "password": CANARY}
        path = write_config({**node, **more}, defaults={"timeout": 1.5})
        began = time.monotonic()
        ran = run_cli("--config", str(path), "--timeout", "5", *arguments)
        assert CANARY not in ran.out + ran.err
        assert time.monotonic() - began < 20  # five seconds of its own, and the start of a process on a busy machine
        return ran

    return run_on


@pytest.mark.parametrize("name", BAD)
def test_bad_servers(run: Callable[..., Ran], name: str) -> None:
    """Each ends with its own reason, stage and next step on one line; check makes it CRITICAL."""
    handle, code, exit_code = BAD[name]

    with serving(handle) as port:
        status = run(f"http://127.0.0.1:{port}", "nodes", "status", "-o", "json")
        search = run(f"http://127.0.0.1:{port}", "search", "x", "-vv")
        check = run(f"http://127.0.0.1:{port}", "check")

    (error,) = status.json["errors"]
    assert (status.code, error["code"]) == (exit_code, code), error
    assert error["node"] == "bad"
    assert error["stage"]
    assert error["hint"]
    assert "\n" not in error["message"]
    assert search.code == exit_code
    assert [line for line in search.err.splitlines() if line.startswith("error: bad: ")] != []
    assert check.code == 2
    assert len(check.out.splitlines()) == 1


def test_distinct_reasons() -> None:
    """Unlike faults have unlike codes, as far as an operator would do unlike things."""
    codes = [code for _, code, _ in BAD.values()]

    assert len(set(codes)) >= 12


def test_nothing_listens_and_no_such_name(run: Callable[..., Ran]) -> None:
    """A refused port and a name that cannot be resolved are told apart."""
    refused = run("http://127.0.0.1:1", "connect", "-o", "json")
    unknown = run("http://no-such-host.invalid:2333", "connect", "-o", "json")

    assert [(r.code, r.json["errors"][0]["code"], r.json["errors"][0]["stage"]) for r in (refused, unknown)] == [
        (3, "connection_refused", "connect"),
        (3, "resolve_failed", "resolve"),
    ]


def test_redirects_take_nothing_along(run: Callable[..., Ran]) -> None:
    """Neither REST nor the websocket follows a redirect: the other host never hears from us."""
    heard: list[str] = []
    with serving(lambda _connection, request: heard.append(request)) as other:
        for status in ("301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"):
            answer = always(http(status, headers=f"Location: http://127.0.0.1:{other}/v4/info\r\n"))
            with serving(answer) as port:
                ran = run(f"http://127.0.0.1:{port}", "connect", "-o", "json", headers={"X-Secret": CANARY})
            assert (ran.code, ran.json["errors"][0]["code"]) == (3, "redirected")

    assert heard == []


def test_tls(run: Callable[..., Ran], isolated: Path) -> None:
    """Expired, unknown authority, wrong host, plain HTTP behind https and TLS behind http: each its own code."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(isolated / "ca.pem"))
    expired = authority.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1))
    found = {}
    for name, cert, more in (
        ("expired", expired, {"ca_file": "ca.pem"}),
        ("stranger", authority.issue_cert("127.0.0.1"), {}),
        ("wrong host", authority.issue_cert("example.org"), {"ca_file": "ca.pem"}),
        ("well", authority.issue_cert("127.0.0.1"), {"ca_file": "ca.pem"}),
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cert.configure_cert(context)
        with serving(always(http("401 Unauthorized", headers=LAVALINK)), context) as port:
            ran = run(f"https://127.0.0.1:{port}", "connect", "-o", "json", **more)
            found[name] = ran.json["errors"][0]["code"]
            if name == "well":
                plain = run(f"http://127.0.0.1:{port}", "connect", "-o", "json")
                found["TLS behind http"] = plain.json["errors"][0]["code"]
    with serving(always(http("200 OK"))) as port:
        ran = run(f"https://127.0.0.1:{port}", "connect", "-o", "json")
        found["plain behind https"] = ran.json["errors"][0]["code"]
    ran = run("https://127.0.0.1:1", "connect", "-o", "json", ca_file="missing.pem")
    found["no authority"] = ran.json["errors"][0]["code"]
    (isolated / "empty.pem").touch()
    ran = run("https://127.0.0.1:1", "connect", "-o", "json", ca_file="empty.pem")
    found["an authority that is none"] = ran.json["errors"][0]["code"]

    assert found == {
        "expired": "certificate_expired",
        "stranger": "certificate_untrusted",
        "wrong host": "certificate_wrong_host",
        "well": "wrong_password",
        "TLS behind http": "connection_reset",
        "plain behind https": "tls_failed",
        "no authority": "configuration",
        "an authority that is none": "ca_file_unusable",
    }


HOSTILE = "a\x1b[31mred\x1b]52;c;ZXZpbA==\x07 [bold]b[/bold] \u202eevil\u202c\nnew\tline\x00\x9b31m\u200b"


def test_hostile_titles(run: Callable[..., Ran]) -> None:
    """A title can neither colour nor move nor split anything; JSON stays JSON, and says the same."""
    import json

    title = HOSTILE
    info = {"identifier": "i", "isSeekable": True, "author": title, "length": 1000, "isStream": False, "position": 0,
            "title": title, "uri": title, "sourceName": title, "artworkUrl": None, "isrc": None}  # fmt: skip
    track = {"encoded": "QAAA", "info": info, "pluginInfo": {}, "userData": {}}
    body = json.dumps({"info": {"name": title, "selectedTrack": 0}, "pluginInfo": {}, "tracks": [track]})
    answer = http("200 OK", f'{{"loadType":"playlist","data":{body}}}', LAVALINK)
    from revvlink_cli.simulator import NodeProfile, Simulator

    with Simulator([NodeProfile(identifier="bad", password=CANARY)]) as simulator:
        real = simulator["bad"]

        def handle(connection: socket.socket, request: str) -> None:
            if "/v4/websocket" not in request:
                connection.sendall(answer if "/v4/loadtracks" in request else http("200 OK", INFO, LAVALINK))
                return
            with socket.create_connection(("127.0.0.1", real.port)) as upstream:
                upstream.sendall(request.encode("latin-1"))
                pump = threading.Thread(target=_pump, args=(connection, upstream), daemon=True)
                pump.start()
                _pump(upstream, connection)

        with serving(handle) as port:
            uri = f"http://127.0.0.1:{port}"
            table = run(uri, "search", "x:y", "-o", "table")
            plain = run(uri, "search", "x:y", "-o", "plain")
            data = run(uri, "search", "x:y", "-o", "json")

    assert (table.code, plain.code, data.code) == (0, 0, 0), table.err + plain.err + data.err
    for text in (table.out, plain.out, data.out):
        assert not set(text) & set("\x1b\x07\x00\x9b\u202e\u202c\u200b\r")
    assert len(plain.out.splitlines()) == 1
    assert plain.out.count("\t") == 5
    assert len(table.out.splitlines()) == 4
    assert "[bold]b[/bold]" in table.out
    assert data.rows[0]["title"] == title


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        return


def test_sockets_that_drop_are_not_stormed(run: Callable[..., Ran]) -> None:
    """A websocket that closes after every ready is tried again with pauses, and one socket at a time."""
    connects: list[float] = []
    import base64
    import hashlib

    def handle(connection: socket.socket, request: str) -> None:
        if "/v4/websocket" not in request:
            connection.sendall(http("200 OK", INFO, LAVALINK))
            return
        connects.append(time.monotonic())
        key = request.split("Sec-WebSocket-Key: ")[1].split("\r\n", maxsplit=1)[0]
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        ready = b'{"op":"ready","resumed":false,"sessionId":"s"}'
        connection.sendall(head.encode() + accept + b"\r\n\r\n" + bytes([0x81, len(ready)]) + ready)
        time.sleep(0.1)

    with serving(handle) as port:
        ran = run(f"http://127.0.0.1:{port}", "connect", "--hold", retries=2)

    assert ran.code == 3
    assert len(connects) == 3
    assert "lost" in ran.out
