"""The certificate of simulated nodes that speak TLS."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple


class TlsError(ValueError):
    """A certificate or its key cannot be used."""


class SimulatedTls(NamedTuple):
    """TLS for nodes.

    Attributes:
        context: What they serve with.
        authority: The certificate, if it is its own authority, which clients have to trust; None if another one
            signed it.
    """

    context: ssl.SSLContext
    authority: Path | None


def load_tls(cert: str, key: str) -> SimulatedTls:
    """Read a certificate and its key from PEM files.

    Raises:
        TlsError: They cannot be used.
    """
    for name in (cert, key):
        try:
            Path(name).read_bytes()
        except OSError as error:
            raise TlsError(f"{name}: {error.strerror or error}") from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key, password=lambda: "")  # no question for the passphrase on the terminal
    except (ssl.SSLError, ValueError) as error:
        if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
            raise TlsError(f"{key} is not the key of {cert}") from None
        raise TlsError(f"{cert} and {key} are not a certificate and its key, in PEM form and not encrypted") from None
    return SimulatedTls(context, Path(cert).resolve() if _is_own_authority(context, cert) else None)


def _is_own_authority(context: ssl.SSLContext, cert: str) -> bool:
    """Whether a client that trusts only this certificate accepts it: a handshake in memory."""
    try:
        client_context = ssl.create_default_context(cafile=cert)
        client_context.check_hostname = False
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context.wrap_bio(to_client, to_server)
        server = context.wrap_bio(to_server, to_client, server_side=True)
        for _ in range(4):
            for side in (client, server):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
    except ssl.SSLError:
        return False
    return True
