"""TLS of simulated nodes: which certificates can be used, and whom clients have to trust."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from revvlink_cli.services.simulated_fleet import configuration_of
from revvlink_cli.services.simulated_tls import TlsError, load_tls
from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli

if TYPE_CHECKING:
    from pathlib import Path


def self_signed(folder: Path) -> tuple[str, str]:
    """The files of a certificate for 127.0.0.1 that signed itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "simulated")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


def test_nodes_serve_https(isolated: Path) -> None:
    """This tool connects over TLS with the configuration that is written for nodes; a killed node starts again."""
    tls = load_tls(*self_signed(isolated))
    assert tls.authority == (isolated / "cert.pem").resolve()
    with (
        Simulator([NodeProfile(identifier="a")], tls=tls.context) as simulator,
        configuration_of(simulator, "test", ca_file=tls.authority) as path,
    ):
        simulator["a"].kill()
        simulator["a"].start()
        assert simulator["a"].uri.startswith("https://127.0.0.1:")
        ran = run_cli("--config", str(path), "connect", "-o", "json")
    assert (ran.code, ran.rows[0]["state"]) == (0, "connected")


def test_a_certificate_of_another_authority_needs_no_trust_of_its_own(isolated: Path) -> None:
    """Clients trust who signed it."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(isolated / "cert.pem")
    issued.private_key_pem.write_to_path(isolated / "key.pem")
    other = trustme.CA().issue_cert("127.0.0.1")
    other.private_key_pem.write_to_path(isolated / "other.pem")

    assert load_tls(str(isolated / "cert.pem"), str(isolated / "key.pem")).authority is None
    with pytest.raises(TlsError, match="is not the key of"):
        load_tls(str(isolated / "cert.pem"), str(isolated / "other.pem"))
    with pytest.raises(TlsError, match="No such file"):
        load_tls("nothing.pem", str(isolated / "key.pem"))
