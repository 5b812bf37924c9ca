"""The connections of a pool: one connector for all nodes, and an explanation for each failure of the network."""

from __future__ import annotations

import errno
import os
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from revvlink_cli.client.connection.connector import Connector
from revvlink_cli.client.connection.exchange import note_connected, note_stage
from revvlink_cli.client.connection.local_limits import limit_of
from revvlink_cli.client.connection.tls_failures import explain_certificate, explain_tls
from revvlink_cli.client.errors import Code, NodeException, Stage
from revvlink_cli.client.redaction import Redactor
from revvlink_cli.client.settings import host_and_port, is_proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import SimpleNamespace

    from revvlink_cli.client.connection.rate_limits import SharedPaces
    from revvlink_cli.client.settings import NodeSettings


class Transport:
    """Connector and sessions of one pool. Made inside a running loop, closed by `close`.

    Attributes:
        redact: Masks what is secret of any of the pool's nodes.
        paces: Bounds the requests per second to each server together with other pools, or None.
    """

    def __init__(self, redact: Redactor | None = None, paces: SharedPaces | None = None) -> None:
        self._connector = Connector()
        self._requests: aiohttp.ClientSession | None = None
        self._websockets: aiohttp.ClientSession | None = None
        self._made: list[aiohttp.ClientSession] = []
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.redact = redact if redact is not None else Redactor()
        self.paces = paces

    def for_requests(self) -> aiohttp.ClientSession:
        """The session for requests to all nodes. They do not follow redirects, so it has no trace, see `Connector`."""
        if self._requests is None:
            self._requests = self._make(self._connector)
        return self._requests

    def for_websockets(self) -> aiohttp.ClientSession:
        """The session for websockets to all nodes."""
        if self._websockets is None:
            trace = aiohttp.TraceConfig(_no_context)  # type: ignore[arg-type]  # aiohttp only calls it
            trace.on_request_redirect.append(_refuse_redirect)
            self._websockets = self._make(self._connector, trace)
        return self._websockets

    def on_connector(self, connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
        """A session of this client on a bot's connector: the bot's session may follow redirects, raise, or time out."""
        return self._make(connector, _stages())

    def _make(self, connector: aiohttp.BaseConnector, *traces: aiohttp.TraceConfig) -> aiohttp.ClientSession:
        """Make a session.

        It does not trust the environment: aiohttp would look for passwords in ``.netrc`` then, and fail where it finds
        one. See `proxy_of` for the proxies.
        """
        session = aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            trace_configs=list(traces),
        )
        self._made.append(session)
        return session

    def context(self, settings: NodeSettings) -> ssl.SSLContext | bool:
        """What verifies the node's certificate: its own authority, or the system's.

        Raises:
            NodeException: The authority's file cannot be used.
        """
        if settings.ca_file is None:
            return True
        if settings.ca_file not in self._contexts:
            try:
                self._contexts[settings.ca_file] = ssl.create_default_context(cafile=settings.ca_file)
            except OSError as error:  # ssl.SSLError is one
                raise NodeException(
                    f"ca_file {settings.ca_file} cannot be used: {error.strerror or error}",
                    code=Code.CA_FILE_UNUSABLE,
                    node=settings.identifier,
                    stage=Stage.TLS,
                    hint="name a PEM file with the certificate authority in ca_file",
                ) from None
        return self._contexts[settings.ca_file]

    async def close(self) -> None:
        """Close every session and connection."""
        for session in self._made:
            await session.close()
        self._made.clear()
        self._requests = self._websockets = None
        await self._connector.close()


def proxy_of(settings: NodeSettings) -> str | None:
    """The proxy on the way to a node: its own, or where it trusts the environment the one of the usual variables.

    Raises:
        NodeException: The environment names none that can be used.
    """
    if settings.proxy is not None or not settings.trust_env:
        return settings.proxy
    from urllib.request import getproxies, proxy_bypass  # loaded by aiohttp

    parts = urlsplit(settings.uri)
    proxy = getproxies().get(parts.scheme)
    if not proxy or proxy_bypass(parts.netloc):
        return None
    if not is_proxy(proxy):
        raise NodeException(
            f"{parts.scheme.upper()}_PROXY is not the address of an HTTP proxy",
            code=Code.PROXY_FAILED,
            node=settings.identifier,
            stage=Stage.CONNECT,
            hint="write it as in http://127.0.0.1:3128, or leave out trust_env",
        )
    return proxy


def _stages() -> aiohttp.TraceConfig:
    """A trace that does on a bot's connector what `Connector` does on the pool's own, and refuses redirects."""

    def call(note: Callable[[], None]) -> Any:
        async def on_signal(_session: aiohttp.ClientSession, _context: SimpleNamespace, _params: Any) -> None:
            note()

        return on_signal

    trace = aiohttp.TraceConfig(_no_context)  # type: ignore[arg-type]  # as above
    trace.on_dns_resolvehost_start.append(call(partial(note_stage, Stage.RESOLVE)))
    trace.on_dns_resolvehost_end.append(call(partial(note_stage, Stage.CONNECT)))
    trace.on_connection_create_end.append(call(note_connected))
    trace.on_connection_reuseconn.append(call(note_connected))
    trace.on_request_redirect.append(_refuse_redirect)
    return trace


def _no_context(**_: object) -> None:
    """No context for a request's traces: no callback reads it, and an open websocket would keep it."""


async def _refuse_redirect(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestRedirectParams
) -> None:
    """Refuse a redirect: aiohttp's websocket handshake would follow it and send the password to another host."""
    params.response.close()
    raise aiohttp.ClientConnectionError(f"redirected with status {params.response.status}")


def explain(error: Exception, settings: NodeSettings, *, stage: Stage, waited: float) -> NodeException:
    """Explain a failure of the network.

    Args:
        error: What the HTTP library or the system raised.
        settings: The node spoken to.
        stage: How far the request had come.
        waited: Seconds the request was allowed to take, named when it ran out of them.
    """
    where = host_and_port(settings.uri)
    host = urlsplit(settings.uri).hostname
    secure = settings.uri.startswith("https:")

    def failure(message: str, code: Code, at: Stage, hint: str) -> NodeException:
        return NodeException(message, code=code, node=settings.identifier, stage=at, hint=hint)

    cause: Any = getattr(error, "os_error", error)  # certificate errors have none
    if not isinstance(cause, ssl.SSLError) and isinstance(error.__cause__, ssl.SSLError):
        cause = error.__cause__  # an alert that came after the handshake: aiohttp takes OpenSSL's number for an errno
    if (limit := limit_of(error)) is not None:
        return failure(f"cannot connect to {where}: {limit.what}", Code.LOCAL_LIMIT, Stage.CONNECT, limit.hint)
    is_cut_off = secure and isinstance(error, aiohttp.ClientConnectorError) and isinstance(cause, _CUT_OFF)
    is_certificate = isinstance(error, aiohttp.ClientConnectorCertificateError)
    if not is_certificate and (isinstance(cause, ssl.SSLError) or is_cut_off):
        message, code, hint = explain_tls(cause, where)
        return failure(message, code, Stage.TLS, hint)
    match error:
        case aiohttp.ClientConnectorDNSError():
            return failure(
                f"the name {host} cannot be resolved",
                Code.RESOLVE_FAILED,
                Stage.RESOLVE,
                "check the host in uri, and this machine's DNS",
            )
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return failure(
                f"the proxy on the way to {where} cannot be used",
                Code.PROXY_FAILED,
                Stage.CONNECT,
                "check proxy in the configuration, or the proxy itself",
            )
        case aiohttp.ClientConnectorCertificateError():
            message, code, hint = explain_certificate(error.certificate_error, where)
            return failure(message, code, Stage.TLS, hint)
        case TimeoutError():
            return _explain_timeout(where, stage, waited, failure)
        case aiohttp.ClientConnectorError():
            if isinstance(cause, ConnectionRefusedError) or cause.errno == errno.ECONNREFUSED:
                return failure(
                    f"nothing listens on {where}",
                    Code.REFUSED,
                    Stage.CONNECT,
                    "start the node, or correct the port in uri",
                )
            return failure(
                f"{where} cannot be reached: {_reason(cause)}",
                Code.UNREACHABLE,
                Stage.CONNECT,
                "check the address in uri, the network and firewalls",
            )
        case (
            aiohttp.ServerDisconnectedError()
            | ConnectionError()
            | aiohttp.ClientOSError()
            | aiohttp.ClientPayloadError()
        ):
            return failure(
                f"{where} closed the connection before it had answered",
                Code.RESET,
                Stage.REQUEST,
                f"check that a Lavalink listens there{'' if secure else ', and whether uri needs https://'}",
            )
        case aiohttp.ClientResponseError() if error.message.startswith(("Got more than", "Too many headers")):
            return failure(
                f"{where} sent more headers, or longer ones, than are read",
                Code.TOO_LARGE,
                Stage.REQUEST,
                "look at any proxy before the node",
            )
        case aiohttp.ClientResponseError():
            return failure(
                f"{where} does not speak HTTP",
                Code.NOT_LAVALINK,
                Stage.VERSION,
                f"correct the port in uri{'' if secure else ', or write https://'}",
            )
    return failure(f"{where}: {_reason(error)}", Code.UNREACHABLE, stage, "check uri and the network")


def _explain_timeout(
    where: str, stage: Stage, waited: float, failure: Callable[[str, Code, Stage, str], NodeException]
) -> NodeException:
    if stage is Stage.RESOLVE:
        return failure(
            f"no name server answered for {where} within {waited:g} s", Code.TIMEOUT, stage, "check this machine's DNS"
        )
    if stage is Stage.TLS:
        return failure(
            f"{where} accepts connections but did not finish the TLS handshake within {waited:g} s",
            Code.TIMEOUT,
            stage,
            "check that the port in uri speaks TLS; the server hangs or is overloaded: look at its log, restart it",
        )
    if stage is Stage.CONNECT:
        return failure(
            f"{where} did not take the connection within {waited:g} s",
            Code.TIMEOUT,
            stage,
            "check that the machine is up and no firewall drops packets",
        )
    return failure(
        f"{where} accepts connections but gave no answer within {waited:g} s",
        Code.SILENT,
        stage,
        "the server hangs, as when voice servers leave it waiting, or is overloaded: look at its log, restart it",
    )


_CUT_OFF = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
"""Errors that end an accepted connection; with https, during its handshake."""


def _reason(error: BaseException) -> str:
    if (
        isinstance(error, OSError)
        and not isinstance(error, ssl.SSLError)
        and error.errno is not None
        and error.errno > 0
    ):
        return os.strerror(error.errno)
    return " ".join(str(error).split()) or type(error).__name__
