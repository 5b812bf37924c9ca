"""What went wrong with TLS: certificates, alerts, handshakes that end or never end, and ports that do not speak it."""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from revvlink_cli.client.errors import Code, NodeException, Stage
from revvlink_cli.client.settings import DEFAULT_PORTS, host_and_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from revvlink_cli.client.settings import NodeSettings

LOOK = 1.0
"""Seconds for a second look at a port that has closed a connection without a word."""


class Failed(NamedTuple):
    """What a failure is called, and what to do about it.

    Attributes:
        message: One sentence.
        code: Its code.
        hint: The next step.
    """

    message: str
    code: Code
    hint: str


def explain_certificate(error: Exception, where: str) -> Failed:
    """Why the node's certificate does not do; `error` is what Python's verification raised."""
    told = getattr(error, "verify_message", None) or " ".join(str(error).split())
    match getattr(error, "verify_code", None):  # OpenSSL's X509_V_ERR_...
        case 10:
            return Failed(
                f"the certificate of {where} has expired", Code.CERTIFICATE_EXPIRED, "renew the node's certificate"
            )
        case 9:
            hint = "set this machine's clock, or the clock of the machine that made the certificate"
            return Failed(f"the certificate of {where} is not valid yet", Code.CERTIFICATE_NOT_YET_VALID, hint)
        case 62 | 64:
            hint = "use the certificate's host in uri, or renew the certificate"
            return Failed(f"the certificate of {where} is for another host", Code.CERTIFICATE_WRONG_HOST, hint)
        case 18:
            hint = "name that certificate in ca_file"
            return Failed(f"the certificate of {where} is self-signed", Code.CERTIFICATE_UNTRUSTED, hint)
        case 2 | 19 | 20 | 21:
            hint = "name its certificate authority in ca_file; the node has to send intermediate certificates itself"
            what = f"the certificate of {where} is signed by an authority that is not trusted here"
            return Failed(what, Code.CERTIFICATE_UNTRUSTED, hint)
    hint = "name its certificate authority in ca_file, or renew the node's certificate"
    return Failed(f"the certificate of {where} is not trusted: {told}", Code.CERTIFICATE_UNTRUSTED, hint)


def explain_tls(error: BaseException, where: str) -> Failed:
    """Why there is no TLS; `error` is OpenSSL's, or what ended the connection in the middle of the handshake."""
    reason = (error.reason if isinstance(error, ssl.SSLError) else None) or ""
    if reason in _NO_TLS:
        return Failed(f"{where} does not speak TLS", Code.TLS_FAILED, "write http:// instead of https:// in uri")
    if reason in _ENDED or isinstance(error, (ConnectionError, EOFError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        hint = "check the port in uri, and that it speaks TLS; look at the log of the node, or of the proxy before it"
        return Failed(f"{where} closed the connection during the TLS handshake", Code.TLS_FAILED, hint)
    alert = re.sub(r"^(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?", "", reason)
    if alert in _ABOUT_CLIENT:
        return _client_certificate(where)
    if alert == "HANDSHAKE_FAILURE":
        hint = "enable TLS 1.2 or 1.3 with a current cipher on the node, or on the proxy before it"
        return Failed(f"{where} has no TLS version or cipher in common with this machine", Code.TLS_FAILED, hint)
    if alert in _VERSIONS:
        hint = "enable TLS 1.2 or 1.3 on the node, or on the proxy before it"
        return Failed(f"{where} speaks no TLS version that this machine takes", Code.TLS_FAILED, hint)
    if alert == "UNRECOGNIZED_NAME":
        hint = "use the host in uri that the proxy before the node expects"
        return Failed(f"{where} serves no host of that name", Code.TLS_FAILED, hint)
    words = alert.replace("_", " ").lower() or " ".join(str(error).split()) or type(error).__name__
    what = f"{where} ended the TLS handshake with the alert '{words}'"
    if "ALERT" not in reason:
        what = f"TLS with {where} failed: {words}"
    return Failed(what, Code.TLS_FAILED, "look at the log and the TLS settings of the node, or of the proxy before it")


_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_TOO_SMALL",
           "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")  # fmt: skip
"""OpenSSL's reasons when what answers is no TLS."""

_ENDED = ("UNEXPECTED_EOF_WHILE_READING", "UNEXPECTED_EOF")

_VERSIONS = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "WRONG_SSL_VERSION",
             "INAPPROPRIATE_FALLBACK", "INSUFFICIENT_SECURITY", "VERSION_TOO_LOW")  # fmt: skip
"""OpenSSL's reasons, and alerts, when the two sides have no version in common."""

_ABOUT_CLIENT = ("CERTIFICATE_REQUIRED", "NO_CERTIFICATE", "BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE",
                 "CERTIFICATE_REVOKED", "CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN", "UNKNOWN_CA",
                 "ACCESS_DENIED")  # fmt: skip
"""Alerts that a server sends about the certificate of its client."""


def _client_certificate(where: str) -> Failed:
    hint = "let this machine pass without one; in a bot, give Node an ssl context that has one"
    return Failed(f"{where} requires a client certificate that it trusts", Code.CLIENT_CERTIFICATE_REQUIRED, hint)


async def look_closer(
    failure: NodeException, settings: NodeSettings, context: ssl.SSLContext | bool, within: float
) -> NodeException:
    """A failure of a first request, with what a TLS handshake of its own brings to light.

    A server that wants a client certificate says so in an alert. With TLS 1.3 that comes after the handshake, when the
    request is on its way, and is lost where the connection is reset; with TLS 1.2 it is the same as that for ciphers.
    And a server that speaks TLS often says nothing to plain HTTP. The handshake here is followed by nothing.

    Args:
        failure: The failure.
        settings: The node.
        context: What verifies the node's certificate.
        within: Seconds that this may take.
    """
    is_secure = settings.uri.startswith("https:")
    if failure.code not in (Code.RESET, Code.TLS_FAILED, Code.NOT_LAVALINK) or settings.proxy or settings.trust_env:
        return failure
    try:
        async with asyncio.timeout(min(within, LOOK)):
            found = await (_wants_certificate(settings, context) if is_secure else _speaks_tls(settings))
    except (OSError, TimeoutError, ValueError):  # ssl.SSLError is an OSError
        return failure
    if not found:
        return failure
    where = host_and_port(settings.uri)
    told = _client_certificate(where)
    if not is_secure:
        told = Failed(f"{where} speaks TLS, not plain HTTP", failure.code, "write https:// instead of http:// in uri")
    stage = Stage.TLS if is_secure else failure.stage
    return NodeException(told.message, code=told.code, node=settings.identifier, stage=stage, hint=told.hint)


async def _wants_certificate(settings: NodeSettings, context: ssl.SSLContext | bool) -> bool:
    reason, tls = await _shake_hands(settings, context if isinstance(context, ssl.SSLContext) else _verifying())
    alert = re.sub(r"^(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?", "", reason)
    has_answered = tls.cipher() is not None  # it has chosen a cipher: that was not what it objects to
    return alert in _ABOUT_CLIENT or (alert == "HANDSHAKE_FAILURE" and has_answered)


async def _speaks_tls(settings: NodeSettings) -> bool:
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE  # nothing is sent to it, and nothing believed
    _, tls = await _shake_hands(settings, anyone, is_over_when_done=True)
    return tls.cipher() is not None


def _verifying() -> ssl.SSLContext:
    return ssl.create_default_context()


async def _shake_hands(
    settings: NodeSettings, context: ssl.SSLContext, *, is_over_when_done: bool = False
) -> tuple[str, ssl.SSLObject]:
    """OpenSSL's reason why a handshake, or what comes after it, failed; "" when it did not. Nothing else is sent."""
    parts = urlsplit(settings.uri)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=host)
    reader, writer = await asyncio.open_connection(host, port)
    step: Callable[[], object] = tls.do_handshake
    try:
        while True:
            try:
                step()
                if step != tls.do_handshake or is_over_when_done:
                    return "", tls
                step = _reading(tls)
                writer.write(outgoing.read())
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                if data := await reader.read(65_536):
                    incoming.write(data)
                else:
                    incoming.write_eof()
            except ssl.SSLError as error:
                return error.reason or "", tls
    finally:
        with suppress(OSError):
            writer.close()


def _reading(tls: ssl.SSLObject) -> Callable[[], object]:
    return lambda: tls.read(1)
