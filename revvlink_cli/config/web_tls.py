"""Builds the TLS context of the exporter from ``tls_server_config``, as far as Python's ssl can."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from revvlink_cli.config.web_document import Entry, Reader

SECTION = "tls_server_config"

TLS_KEYS = (
    "cert_file",
    "key_file",
    "client_auth_type",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
)
"""Keys of the section that are supported."""

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}

_OLD_VERSIONS = ("TLS10", "TLS11")

_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}

_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert")

_CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
"""Go's names of the cipher suites of TLS 1.2, with OpenSSL's."""

_CIPHERS_OF_13 = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Cipher suites of TLS 1.3, which Go accepts in the list and always offers."""


class MadeTls(NamedTuple):
    """What the section gives.

    Attributes:
        context: What connections are made with.
        asks_certificate: Whether every client must present a certificate.
        allowed_sans: Names of which a client's certificate must have one; empty accepts all.
        files: The files that the context was made of.
    """

    context: ssl.SSLContext
    asks_certificate: bool
    allowed_sans: frozenset[str]
    files: tuple[Path, ...]


def read_tls(reader: Reader, table: Mapping[str, Entry], line: int) -> MadeTls | None:
    """The context of the section; None after a mistake, which the reader then has.

    Args:
        reader: Collects the mistakes.
        table: The section.
        line: Its line.
    """
    before = len(reader.problems)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    _versions(reader, table, context)
    _ciphers(reader, table, context)
    _client_auth(reader, table, context)
    _certificate(reader, table, context, line)
    sans = frozenset(text for text, _ in reader.texts(table, "client_allowed_sans", SECTION))
    if sans and context.verify_mode is not ssl.CERT_REQUIRED:
        place = table["client_allowed_sans"].line
        reader.refuse(place, f"{SECTION}.client_allowed_sans", "needs client_auth_type: RequireAndVerifyClientCert")
    if len(reader.problems) > before:
        return None
    named = [reader.text(table, name, SECTION) for name in ("cert_file", "key_file", "client_ca_file")]
    files = tuple(reader.path.parent / text for text in named if text is not None)
    return MadeTls(context, context.verify_mode is ssl.CERT_REQUIRED, sans, files)


def _versions(reader: Reader, table: Mapping[str, Entry], context: ssl.SSLContext) -> None:
    names: dict[str, str] = {}
    for name, default in (("min_version", "TLS12"), ("max_version", "TLS13")):
        names[name] = default
        text = reader.text(table, name, SECTION)
        if text in _OLD_VERSIONS:
            message = f"{text} is not supported: it is not secure, and OpenSSL refuses it; TLS12 and TLS13 are"
            reader.refuse(table[name].line, f"{SECTION}.{name}", message)
        elif text is not None:
            names[name] = reader.choice(table, name, SECTION, VERSIONS) or default
    if names["min_version"] > names["max_version"]:
        line = table["min_version" if "min_version" in table else "max_version"].line
        reader.refuse(line, f"{SECTION}.min_version", "is above max_version")
        return
    context.minimum_version, context.maximum_version = VERSIONS[names["min_version"]], VERSIONS[names["max_version"]]


def _ciphers(reader: Reader, table: Mapping[str, Entry], context: ssl.SSLContext) -> None:
    key = f"{SECTION}.cipher_suites"
    chosen: list[str] = []
    texts = reader.texts(table, "cipher_suites", SECTION)
    for text, line in texts:
        if text in _CIPHERS:
            chosen.append(_CIPHERS[text])
        elif text not in _CIPHERS_OF_13:
            reader.refuse(line, key, f"{text[:60]!r} is not supported", f"known here: {', '.join(_CIPHERS)}")
    if chosen:
        try:
            context.set_ciphers(":".join(chosen))
        except ssl.SSLError:
            reader.refuse(texts[0][1], key, "the OpenSSL of this Python has none of these")
    if reader.flag(table, "prefer_server_cipher_suites", SECTION, default=True):
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE


def _client_auth(reader: Reader, table: Mapping[str, Entry], context: ssl.SSLContext) -> None:
    key = f"{SECTION}.client_auth_type"
    kind = reader.text(table, "client_auth_type", SECTION)
    authority = _file(reader, table, "client_ca_file")
    if kind in _UNVERIFIED:
        message = f"{kind} is not supported: Python's ssl verifies every certificate that it asks for"
        reader.refuse(table["client_auth_type"].line, key, message, f"possible are {', '.join(_CLIENT_AUTH)}")
        return
    if kind is not None:
        kind = reader.choice(table, "client_auth_type", SECTION, _CLIENT_AUTH)
        if kind is None:
            return
    mode = _CLIENT_AUTH[kind or "NoClientCert"]
    if "client_ca_file" in table and mode is ssl.CERT_NONE:
        line = table["client_ca_file"].line
        reader.refuse(line, f"{SECTION}.client_ca_file", "has no effect without client_auth_type",
                      "add client_auth_type: RequireAndVerifyClientCert")  # fmt: skip
        return
    if mode is not ssl.CERT_NONE and "client_ca_file" not in table:
        reader.refuse(table["client_auth_type"].line, key, "needs client_ca_file, whose clients are accepted")
        return
    context.verify_mode = mode
    if authority is not None:
        try:
            context.load_verify_locations(cafile=str(authority))
        except (ssl.SSLError, ValueError):
            line = table["client_ca_file"].line
            reader.refuse(line, f"{SECTION}.client_ca_file", f"{authority} has no certificate in PEM form")


def _certificate(reader: Reader, table: Mapping[str, Entry], context: ssl.SSLContext, line: int) -> None:
    for name in ("cert_file", "key_file"):
        if name not in table or table[name].value in (None, ""):
            reader.refuse(table[name].line if name in table else line, f"{SECTION}.{name}", "is missing")
    cert, key = _file(reader, table, "cert_file"), _file(reader, table, "key_file")
    if cert is None or key is None:
        return
    if b"ENCRYPTED" in key.read_bytes():
        message = f"{key} is encrypted, and there is no key for its passphrase"
        reader.refuse(table["key_file"].line, f"{SECTION}.key_file", message, "use a key without a passphrase")
        return
    try:
        context.load_cert_chain(cert, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            reader.refuse(table["key_file"].line, f"{SECTION}.key_file", f"{key} is not the key of {cert}")
            return
        name, wrong = ("key_file", key) if b"-----BEGIN CERTIFICATE" in cert.read_bytes() else ("cert_file", cert)
        reason = (error.reason or "not in PEM form").replace("_", " ").lower()
        reader.refuse(table[name].line, f"{SECTION}.{name}", f"{wrong} cannot be used: {reason}")


def _file(reader: Reader, table: Mapping[str, Entry], name: str) -> Path | None:
    """A file that can be read; a relative path begins at the folder of the web configuration."""
    text = reader.text(table, name, SECTION)
    if text is None:
        return None
    path = reader.path.parent / text
    try:
        with path.open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        reader.refuse(table[name].line, f"{SECTION}.{name}", f"{path} cannot be read: {reason}")
        return None
    return path
