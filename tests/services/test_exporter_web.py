"""The exporter as an HTTP server: TLS, passwords, compression, readiness, reloads and discovery."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import ssl
import time
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING, NamedTuple

import bcrypt
import pytest
import trustme

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli
from tests.services.running_exporter import PASSWORD, ask, configured, eventually, exporter, fleet, samples, ups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.services.running_exporter import Exporter

USER = {"Authorization": f"Basic {base64.b64encode(b'prometheus:secret').decode()}"}


class Got(NamedTuple):
    """A response over HTTP or HTTPS."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def get(
    running: Exporter,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    tls: ssl.SSLContext | None = None,
) -> Got:
    """Send one request."""
    address = running.url.partition("://")[2]
    made = HTTPSConnection(address, timeout=20, context=tls) if tls else HTTPConnection(address, timeout=20)
    with closing(made) as connection:
        connection.request(method, path, headers=dict(headers or {}))
        response = connection.getresponse()
        return Got(response.status, dict(response.headers), response.read())


@contextmanager
def secured(write_config: Callable[..., Path], text: str) -> Iterator[tuple[Exporter, Path, trustme.CA]]:
    """An exporter of three nodes with TLS and this text in its web configuration."""
    authority = trustme.CA()
    with fleet() as simulator:
        config = configured(write_config, simulator)
        folder = config.parent
        issued = authority.issue_cert("127.0.0.1")
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
        web = folder / "web.yml"
        web.write_text(f"tls_server_config:\n  cert_file: server.pem\n  key_file: server.pem\n{text}")
        with exporter(config, "--web.config.file", str(web)) as running:
            yield running, web, authority


def client(authority: trustme.CA, name: str | None = None) -> ssl.SSLContext:
    """A client that trusts the authority, with a certificate for this name."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if name is not None:
        authority.issue_cert(name).configure_cert(context)
    return context


def test_tls_and_passwords(write_config: Callable[..., Path]) -> None:
    """Every path needs the password, has the headers, and nothing is served in plain; a reload changes the users."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")
    text = f"http_server_config:\n  headers:\n    X-Frame-Options: deny\nbasic_auth_users:\n  prometheus: {hashed}\n"
    with secured(write_config, text) as (running, web, authority):
        assert running.url.startswith("https://")
        tls = client(authority)
        paths = ("/", "/metrics", "/probe?target=us-1", "/sd", "/-/healthy", "/-/ready", "/nothing")
        for path in paths:
            refused = get(running, path, tls=tls)
            assert (refused.status, refused.headers["X-Frame-Options"]) == (401, "deny")
            assert refused.headers["WWW-Authenticate"].startswith("Basic ")
            assert b"us-1" not in refused.body
            allowed = get(running, path, USER, tls=tls)
            assert (allowed.status, allowed.headers["X-Frame-Options"]) == (404 if path == "/nothing" else 200, "deny")
        for wrong in ("Basic", "Basic !!", "Bearer x", f"Basic {base64.b64encode(b'prometheus').decode()}",
                      f"Basic {base64.b64encode(b'prometheus:wrong').decode()}"):  # fmt: skip
            assert get(running, "/metrics", {"Authorization": wrong}, tls=tls).status == 401
        assert get(running, "/-/reload", method="POST", tls=tls).status == 401
        with pytest.raises(OSError, match=r"."):
            get(running, "/metrics", USER)

        before = web.read_text()
        web.write_text(before + "  oops: secret\n")
        failed = get(running, "/-/reload", USER, method="POST", tls=tls)
        assert (failed.status, failed.body.count(b"\n")) == (500, 1)
        assert f"{web}:9: basic_auth_users.oops: is not a bcrypt hash" in failed.body.decode()
        assert get(running, "/metrics", USER, tls=tls).status == 200
        web.write_text(before.partition("basic_auth_users")[0])
        assert get(running, "/-/reload", USER, method="POST", tls=tls).status == 200
        assert get(running, "/metrics", tls=tls).status == 200
        assert PASSWORD.encode() not in get(running, "/metrics", tls=tls).body


def test_a_renewed_certificate_needs_no_reload(write_config: Callable[..., Path]) -> None:
    """The next connection has it; files that do not fit together change nothing, and are reported once."""
    with secured(write_config, "") as (running, web, authority):
        assert get(running, "/-/healthy", tls=client(authority)).status == 200
        file, renewed = web.with_name("server.pem"), trustme.CA()
        file.write_text("half a certificate")
        errors = web.with_name("nodes.err")

        def is_reported() -> bool:
            assert get(running, "/-/healthy", tls=client(authority)).status == 200
            return "the certificate stays as before" in errors.read_text("utf-8")

        eventually(is_reported, "the mistake is reported", within=10)
        assert get(running, "/-/healthy", tls=client(authority)).status == 200
        renewed.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(file))

        def is_renewed() -> bool:
            try:
                return get(running, "/-/healthy", tls=client(renewed)).status == 200
            except ssl.SSLError:
                return False

        eventually(is_renewed, "the renewed certificate is served", within=10)
        said = errors.read_text("utf-8")
        assert said.count("warning: the certificate stays as before: ") == 1
        assert f"{web}:2: tls_server_config.cert_file: {file} cannot be used" in said


def test_client_certificates(write_config: Callable[..., Path]) -> None:
    """A client without a certificate, of another authority or with another name gets nothing; no password is asked."""
    text = (
        "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
        "  client_allowed_sans: [prometheus.example]\n"
    )
    with secured(write_config, text) as (running, _, authority):
        named = client(authority, "prometheus.example")
        assert get(running, "/-/healthy", tls=named).status == 200
        stranger = client(authority)
        trustme.CA().issue_cert("prometheus.example").configure_cert(stranger)
        for tls in (client(authority), client(authority, "other.example"), stranger):
            with pytest.raises(OSError, match=r"."):
                get(running, "/-/healthy", tls=tls)
        assert get(running, "/-/reload", method="POST", tls=named).status == 200


def test_handshakes_that_never_end(write_config: Callable[..., Path]) -> None:
    """Hundreds of clients that begin TLS and send nothing, or no TLS at all, do not keep others waiting."""
    with secured(write_config, "") as (running, _, authority), ExitStack() as stack:
        host, port = running.url.removeprefix("https://").split(":")
        for number in range(300):
            held = stack.enter_context(socket.create_connection((host, int(port)), timeout=20))
            if number % 2:
                held.sendall(b"GET /metrics HTTP/1.1\r\n" if number % 4 == 1 else b"\x16\x03\x01\x02\x00\x01")
        begun = time.monotonic()
        for _ in range(3):
            assert get(running, "/-/healthy", tls=client(authority)).status == 200
        assert time.monotonic() - begun < 5


def test_mistakes_in_the_web_configuration(write_config: Callable[..., Path], tmp_path: Path) -> None:
    """Each has its file, line and key, the exit code is 2, and nothing listens."""
    config = write_config({"identifier": "n", "uri": "http://127.0.0.1:1", "password": PASSWORD})
    web = tmp_path / "web.yml"
    web.write_text("tls_server_config:\n  cert_fil: a\nbasic_auth_users:\n  a: plain-password\n")
    ran = run_cli("--config", str(config), "exporter", "--web.config.file", str(web))

    assert (ran.code, ran.out) == (2, "")
    assert f"{web}:2: tls_server_config.cert_fil: unknown key" in ran.err
    assert f"{web}:4: basic_auth_users.a: is not a bcrypt hash" in ran.err
    assert "plain-password" not in ran.err
    web.write_text("http_server_config:\n  http2: false\n")
    checked = run_cli("--config", str(config), "exporter", "--web.config.file", str(web), "--check")
    assert (checked.code, checked.out, checked.err) == (0, "\t1\tthe configuration can be used\n", "")


def test_compression_targets_and_reloads_from_this_machine(write_config: Callable[..., Path]) -> None:
    """Metrics come compressed where the client accepts it; targets have labels and no secret; only POST reloads."""
    with fleet() as simulator, exporter(configured(write_config, simulator)) as running:
        everybody = {"us-1": 1.0, "us-2": 1.0, "eu-1": 1.0}
        eventually(lambda: ups(running) == everybody, "every node is up")
        small = get(running, "/metrics", {"Accept-Encoding": "gzip;q=0.5"})
        plain = get(running, "/metrics", {"Accept-Encoding": "gzip;q=0"})
        assert (small.headers["Content-Encoding"], small.headers["Vary"]) == ("gzip", "Accept, Accept-Encoding")
        assert int(small.headers["Content-Length"]) == len(small.body) < len(plain.body) / 3
        assert ("Content-Encoding" in plain.headers, plain.headers["Vary"]) == (False, "Accept, Accept-Encoding")
        assert samples(gzip.decompress(small.body).decode()).keys() == samples(plain.body.decode()).keys()

        listed = get(running, "/sd", {"Host": "exporter.example:9870"})
        assert listed.headers["Content-Type"].startswith("application/json")
        targets = json.loads(listed.body)
        assert [target["targets"] for target in targets] == [["exporter.example:9870"]] * 3
        assert targets[0]["labels"] == {
            "__scheme__": "http", "__metrics_path__": "/probe", "__param_target": "us-1", "instance": "us-1",
            "__meta_revvlink_region": "us", "__meta_revvlink_tags": "",
        }  # fmt: skip
        assert PASSWORD.encode() not in listed.body
        hostile = json.loads(get(running, "/sd", {"Host": "a/b?c"}).body)
        assert hostile[0]["targets"] == [running.url.removeprefix("http://")]

        assert get(running, "/-/reload").status == 405
        for header in ("Origin", "X-Forwarded-For", "Forwarded"):
            assert get(running, "/-/reload", {header: "http://elsewhere.example"}, method="POST").status == 403
        assert get(running, "/-/reload", method="POST")[::2] == (200, b"configuration read again\n")
        assert ups(running) == everybody
        assert [node.requests.count(("GET", "/v4/websocket")) for node in simulator] == [1, 1, 1]


def test_ready_once_every_node_was_tried(write_config: Callable[..., Path]) -> None:
    """It waits for a node that hangs, however many are down; it says so with 503, and stays ready afterwards."""
    with Simulator([NodeProfile(identifier="n", password=PASSWORD)]) as simulator:
        node = simulator["n"]
        node.freeze()
        entries = [
            {"identifier": "n", "uri": node.uri, "password": PASSWORD},
            {"identifier": "down", "uri": "http://127.0.0.1:1", "password": PASSWORD},
        ]
        with exporter(write_config(*entries, defaults={"timeout": 1.5})) as running:
            answer = ask(f"{running.url}/-/ready")
            assert (answer.status, answer.text) == (503, "not every node was tried yet\n")
            assert ask(f"{running.url}/-/healthy").status == 200
            eventually(lambda: ask(f"{running.url}/-/ready").status == 200, "it is ready", within=10)
            node.thaw()
            eventually(lambda: ups(running)["n"] == 1, "it is up")
            assert ask(f"{running.url}/-/ready").text == "ready\n"
