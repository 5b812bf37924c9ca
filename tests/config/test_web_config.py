"""The web configuration of the exporter: what is accepted, and the place of each mistake."""

from __future__ import annotations

import ssl
from pathlib import Path

import bcrypt
import pytest
import trustme

from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.web_config import load_web_config

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "prometheus" / "web.yml"

HASH = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"

TLS = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, a certificate, its key and another key."""
    made = tmp_path_factory.mktemp("web")
    authority = trustme.CA()
    first, second = authority.issue_cert("localhost"), authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(str(made / "ca.pem"))
    (made / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in first.cert_chain_pems))
    first.private_key_pem.write_to_path(str(made / "key.pem"))
    second.private_key_pem.write_to_path(str(made / "other.pem"))
    (made / "text.pem").write_text("no certificate")
    (made / "locked.pem").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
    return made


def mistakes(folder: Path, text: str) -> list[str]:
    """The mistakes of a file with this text, without its name."""
    path = folder / "web.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_web_config(path)
    assert {problem.path for problem in caught.value.problems} == {path}
    assert HASH not in str(caught.value)
    return [problem.without_file for problem in caught.value.problems]


def test_a_whole_file_is_accepted(folder: Path) -> None:
    """Every supported key has its effect; relative paths begin at the folder of the file."""
    path = folder / "web.yml"
    path.write_text(
        f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"
        "  client_allowed_sans: [prometheus.example, 10.0.0.1]\n  min_version: TLS13\n  max_version: TLS13\n"
        "  cipher_suites:\n    - TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n    - TLS_AES_128_GCM_SHA256\n"
        "  prefer_server_cipher_suites: false\nhttp_server_config:\n  http2: true\n  headers:\n"
        "    X-Frame-Options: deny\n    Strict-Transport-Security: max-age=31536000\n"
        f"basic_auth_users:\n  prometheus: {HASH}\n  '12': '{HASH}'\n"
    )
    config = load_web_config(path)

    assert config.tls is not None
    assert (config.tls.minimum_version, config.tls.verify_mode) == (ssl.TLSVersion.TLSv1_3, ssl.CERT_REQUIRED)
    assert {cipher["name"] for cipher in config.tls.get_ciphers() if cipher["protocol"] != "TLSv1.3"} == {
        "ECDHE-RSA-AES128-GCM-SHA256"
    }
    assert not config.tls.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert config.asks_certificate
    assert config.allowed_sans == {"prometheus.example", "10.0.0.1"}
    assert config.headers == (("X-Frame-Options", "deny"), ("Strict-Transport-Security", "max-age=31536000"))
    assert config.users == {"prometheus": HASH.encode(), "12": HASH.encode()}
    assert HASH not in repr(config)
    for empty in ("", "# nothing\n", "tls_server_config:\nbasic_auth_users:\nhttp_server_config:\n  headers:\n"):
        path.write_text(empty)
        config = load_web_config(path)
        assert (config.tls, config.users, config.headers) == (None, {}, ())


def test_the_example_of_the_documentation_is_accepted(folder: Path) -> None:
    """docs/prometheus/web.yml works as it is, beside a certificate, and its hash is that of the named password."""
    text = EXAMPLE.read_text("utf-8").replace("exporter.crt", "cert.pem").replace("exporter.key", "key.pem")
    (folder / "web.yml").write_text(text)
    config = load_web_config(folder / "web.yml")

    assert config.tls is not None
    assert bcrypt.checkpw(b"change me", config.users["prometheus"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", ["is not valid YAML"]),
        ("- a\n", ["line 1: must have keys"]),
        ("a: &x\n  b: *x\n", ["line 1: a.b: is nested too deep", "line 1: a: unknown key"]),
        ("basic_auth_user: {}\n", ["line 1: basic_auth_user: unknown key"]),
        ("rate_limit:\n  burst: 3\n", ["line 1: rate_limit: is not supported"]),
        ("tls_server_config: 3\n", ["line 1: tls_server_config: must have keys",
                                    "line 1: tls_server_config.cert_file: is missing",
                                    "line 1: tls_server_config.key_file: is missing"]),
        ("tls_server_config:\n  cert: x\n  key: x\n  client_ca: x\n  curve_preferences: [X25519]\n",
         ["cert_file: is missing", "key_file: is missing", "line 2: tls_server_config.cert: is not supported",
          "line 3: tls_server_config.key: is not supported", "line 4: tls_server_config.client_ca: is not supported",
          "line 5: tls_server_config.curve_preferences: is not supported"]),
        (f"{TLS}  cert_file: cert.pem\n", ["line 4: tls_server_config.cert_file: occurs twice"]),
        (f"{TLS.replace('cert.pem', 'none.pem')}", ["none.pem cannot be read: No such file"]),
        (f"{TLS.replace('key.pem', 'other.pem')}", ["line 3: tls_server_config.key_file:"]),
        (f"{TLS.replace('key.pem', 'text.pem')}", ["line 3: tls_server_config.key_file:"]),
        (f"{TLS.replace('key.pem', 'locked.pem')}", ["locked.pem is encrypted"]),
        (f"{TLS.replace('cert.pem', 'text.pem')}", ["line 2: tls_server_config.cert_file:"]),
        (f"{TLS.replace('cert.pem', '[1]')}", ["line 2: tls_server_config.cert_file: must be a text"]),
        (f"{TLS}  client_auth_type: RequestClientCert\n", ["RequestClientCert is not supported"]),
        (f"{TLS}  client_auth_type: Verify\n", ["line 4: tls_server_config.client_auth_type: 'Verify'"]),
        (f"{TLS}  client_auth_type: RequireAndVerifyClientCert\n", ["needs client_ca_file"]),
        (f"{TLS}  client_ca_file: ca.pem\n", ["line 4: tls_server_config.client_ca_file: has no effect"]),
        (f"{TLS}  client_ca_file: text.pem\n  client_auth_type: VerifyClientCertIfGiven\n",
         ["line 4: tls_server_config.client_ca_file:"]),
        (f"{TLS}  client_allowed_sans: [a]\n", ["needs client_auth_type: RequireAndVerifyClientCert"]),
        (f"{TLS}  client_allowed_sans: a\n", ["client_allowed_sans: must be a list of texts"]),
        (f"{TLS}  min_version: TLS10\n", ["line 4: tls_server_config.min_version: TLS10 is not supported"]),
        (f"{TLS}  max_version: TLS14\n", ["line 4: tls_server_config.max_version: 'TLS14' is not possible"]),
        (f"{TLS}  min_version: TLS13\n  max_version: TLS12\n", ["min_version: is above max_version"]),
        (f"{TLS}  cipher_suites:\n    - TLS_AES_128_GCM_SHA256\n    - RC4\n",
         ["line 6: tls_server_config.cipher_suites: 'RC4' is not supported"]),
        (f"{TLS}  prefer_server_cipher_suites: 3\n", ["must be true or false"]),
        ("http_server_config:\n  http2: 'true'\n", ["line 2: http_server_config.http2: must be true or false"]),
        ("http_server_config:\n  headers:\n    Server: x\n", ["line 3: http_server_config.headers.Server: unkn"]),
        ("http_server_config:\n  headers:\n    X-Frame-Options: allow\n", ["X-Frame-Options: 'allow' is not possible"]),
        ('http_server_config:\n  headers:\n    X-XSS-Protection: "1\\r\\nSet-Cookie: a"\n', ["printable ASCII"]),
        ("basic_auth_users:\n  a: secret\n", ["line 2: basic_auth_users.a: is not a bcrypt hash"]),
        (f"basic_auth_users:\n  a: {HASH[:-1]}\n", ["line 2: basic_auth_users.a: is not a bcrypt hash"]),
        (f"basic_auth_users:\n  a: {HASH.replace('$10$', '$31$')}\n", ["the cost of the hash is 31; 4 to 16"]),
        (f"basic_auth_users:\n  'a:b': {HASH}\n", ["line 2: basic_auth_users.a:b: a user's name"]),
        (f"basic_auth_users:\n  - {HASH}\n", ["line 1: basic_auth_users: must have keys"]),
    ],
)  # fmt: skip
def test_each_mistake_has_its_line_and_key(folder: Path, text: str, expected: list[str]) -> None:
    """All mistakes of a file are reported, each once, and none shows a hash or a password."""
    found = mistakes(folder, text)

    assert len(found) == len(expected), found
    for part in expected:
        assert any(part in message for message in found), found
    assert not any("secret" in message for message in found)
