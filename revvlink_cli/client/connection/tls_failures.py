"""Explains TLS failures: certificates, alerts, broken or endless handshakes, and ports without TLS."""

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

PROBE_TIMEOUT = 1.0
"""Seconds for a handshake of its own with a port that has closed a connection without an answer."""


class Explanation(NamedTuple):
    """The message, the code and the hint for one failure.

    Attributes:
        message: One sentence.
        code: Its code.
        hint: The next step.
    """

    message: str
    code: Code
    hint: str


def explain_certificate(error: Exception, where: str) -> Explanation:
    """Why the node's certificate was refused; `error` comes from Python's verification."""
    reason = getattr(error, "verify_message", None) or " ".join(str(error).split())
    match getattr(error, "verify_code", None):  # OpenSSL's X509_V_ERR_...
        case 10:
            return Explanation(
                f"the certificate of {where} has expired", Code.CERTIFICATE_EXPIRED, "renew the node's certificate"
            )
        case 9:
            hint = "set this machine's clock, or the clock of the machine that made the certificate"
            return Explanation(f"the certificate of {where} is not valid yet", Code.CERTIFICATE_NOT_YET_VALID, hint)
        case 62 | 64:
            hint = "use the certificate's host in uri, or renew the certificate"
            return Explanation(f"the certificate of {where} is for another host", Code.CERTIFICATE_WRONG_HOST, hint)
        case 18:
            hint = "name that certificate in ca_file"
            return Explanation(f"the certificate of {where} is self-signed", Code.CERTIFICATE_UNTRUSTED, hint)
        case 2 | 19 | 20 | 21:
            hint = "name its certificate authority in ca_file; the node has to send intermediate certificates itself"
            what = f"the certificate of {where} is signed by an authority that is not trusted here"
            return Explanation(what, Code.CERTIFICATE_UNTRUSTED, hint)
    hint = "name its certificate authority in ca_file, or renew the node's certificate"
    return Explanation(f"the certificate of {where} is not trusted: {reason}", Code.CERTIFICATE_UNTRUSTED, hint)


def explain_tls(error: BaseException, where: str) -> Explanation:
    """Why the TLS handshake failed; `error` is OpenSSL's, or the one that ended the connection during the handshake."""
    reason = (error.reason if isinstance(error, ssl.SSLError) else None) or ""
    if reason in _NO_TLS:
        return Explanation(f"{where} does not speak TLS", Code.TLS_FAILED, "write http:// instead of https:// in uri")
    if reason in _ENDED or isinstance(error, (ConnectionError, EOFError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        hint = "check the port in uri, and that it speaks TLS; look at the log of the node, or of the proxy before it"
        return Explanation(f"{where} closed the connection during the TLS handshake", Code.TLS_FAILED, hint)
    alert = re.sub(r"^(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?", "", reason)
    if alert in _ABOUT_CLIENT:
        return _client_certificate(where)
    if alert == "HANDSHAKE_FAILURE":
        hint = "enable TLS 1.2 or 1.3 with a current cipher on the node, or on the proxy before it"
        return Explanation(f"{where} has no TLS version or cipher in common with this machine", Code.TLS_FAILED, hint)
    if alert in _VERSIONS:
        hint = "enable TLS 1.2 or 1.3 on the node, or on the proxy before it"
        return Explanation(f"{where} speaks no TLS version that this machine takes", Code.TLS_FAILED, hint)
    if alert == "UNRECOGNIZED_NAME":
        hint = "use the host in uri that the proxy before the node expects"
        return Explanation(f"{where} serves no host of that name", Code.TLS_FAILED, hint)
    words = alert.replace("_", " ").lower() or " ".join(str(error).split()) or type(error).__name__
    what = f"{where} ended the TLS handshake with the alert '{words}'"
    if "ALERT" not in reason:
        what = f"TLS with {where} failed: {words}"
    return Explanation(
        what, Code.TLS_FAILED, "look at the log and the TLS settings of the node, or of the proxy before it"
    )


_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_TOO_SMALL",
           "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")  # fmt: skip
"""OpenSSL's reasons when the other side does not speak TLS."""

_ENDED = ("UNEXPECTED_EOF_WHILE_READING", "UNEXPECTED_EOF")

_VERSIONS = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "WRONG_SSL_VERSION",
             "INAPPROPRIATE_FALLBACK", "INSUFFICIENT_SECURITY", "VERSION_TOO_LOW")  # fmt: skip
"""OpenSSL's reasons, and alerts, when the two sides have no version in common."""

_ABOUT_CLIENT = ("CERTIFICATE_REQUIRED", "NO_CERTIFICATE", "BAD_CERTIFICATE", "UNSUPPORTED_CERTIFICATE",
                 "CERTIFICATE_REVOKED", "CERTIFICATE_EXPIRED", "CERTIFICATE_UNKNOWN", "UNKNOWN_CA",
                 "ACCESS_DENIED")  # fmt: skip
"""Alerts that a server sends about the certificate of its client."""


def _client_certificate(where: str) -> Explanation:
    hint = "let this machine pass without one; in a bot, give Node an ssl context that has one"
    return Explanation(f"{where} requires a client certificate that it trusts", Code.CLIENT_CERTIFICATE_REQUIRED, hint)


async def diagnose(
    failure: NodeException, settings: NodeSettings, context: ssl.SSLContext | bool, within: float
) -> NodeException:
    """The same failure of a first request, or a more precise one that a TLS handshake of its own has found.

    A server that requires a client certificate sends an alert. With TLS 1.3 it sends the alert after the handshake,
    during the request, and a reset of the connection loses it. With TLS 1.2 the alert is the same as for ciphers. A
    server that speaks TLS often sends nothing in answer to plain HTTP. So this sends a handshake and no request.

    Args:
        failure: The failure.
        settings: The node.
        context: The TLS context for the node.
        within: Time limit in seconds.
    """
    is_secure = settings.uri.startswith("https:")
    if failure.code not in (Code.RESET, Code.TLS_FAILED, Code.NOT_LAVALINK) or settings.proxy or settings.trust_env:
        return failure
    try:
        async with asyncio.timeout(min(within, PROBE_TIMEOUT)):
            found = await (_wants_certificate(settings, context) if is_secure else _speaks_tls(settings))
    except (OSError, TimeoutError, ValueError):  # ssl.SSLError is an OSError
        return failure
    if not found:
        return failure
    where = host_and_port(settings.uri)
    explanation = _client_certificate(where)
    if not is_secure:
        explanation = Explanation(
            f"{where} speaks TLS, not plain HTTP", failure.code, "write https:// instead of http:// in uri"
        )
    stage = Stage.TLS if is_secure else failure.stage
    message, code, hint = explanation
    return NodeException(message, code=code, node=settings.identifier, stage=stage, hint=hint)


async def _wants_certificate(settings: NodeSettings, context: ssl.SSLContext | bool) -> bool:
    reason, tls = await _shake_hands(settings, context if isinstance(context, ssl.SSLContext) else _verifying())
    alert = re.sub(r"^(?:SSLV3|TLSV1|TLSV13)_(?:ALERT_)?", "", reason)
    has_answered = tls.cipher() is not None  # it has chosen a cipher, so it does not refuse the ciphers
    return alert in _ABOUT_CLIENT or (alert == "HANDSHAKE_FAILURE" and has_answered)


async def _speaks_tls(settings: NodeSettings) -> bool:
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE  # the handshake is all that is exchanged
    _, tls = await _shake_hands(settings, unverified, is_over_when_done=True)
    return tls.cipher() is not None


def _verifying() -> ssl.SSLContext:
    return ssl.create_default_context()


async def _shake_hands(
    settings: NodeSettings, context: ssl.SSLContext, *, is_over_when_done: bool = False
) -> tuple[str, ssl.SSLObject]:
    """OpenSSL's reason why the handshake, or the first read after it, failed; "" when both worked. Sends no request."""
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
