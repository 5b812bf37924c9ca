"""The handshake with one node: ``/v4/info`` and the upgrade to a websocket, and the reason when one of them fails."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import TYPE_CHECKING

import aiohttp

from revvlink_cli._version import __version__
from revvlink_cli.client import clock
from revvlink_cli.client.connection.exchange import Progress, under_way
from revvlink_cli.client.connection.http_client import request_headers
from revvlink_cli.client.connection.rate_limits import Purpose
from revvlink_cli.client.connection.transport import explain, proxy_of
from revvlink_cli.client.errors import (
    AuthorizationFailedException,
    Code,
    NodeException,
    RevvlinkException,
    Stage,
)
from revvlink_cli.client.settings import host_and_port

if TYPE_CHECKING:
    from revvlink_cli.client.connection.rest import Rest
    from revvlink_cli.client.protocol.models import NodeInfo
    from revvlink_cli.client.settings import NodeSettings

MAX_MESSAGE = 4 * 1024 * 1024
"""Bytes of the largest websocket message that is read."""

CLOSE_TIMEOUT = 0.5
"""Seconds to wait for the other side's close frame; a frozen server sends none."""

_TIMEOUTS = aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT)

_SILENCES = (Code.TIMEOUT, Code.SILENT, Code.RESET)
"""Failures of a connection that was accepted and not answered."""

CLIENT_NAME = f"revvlink-cli/{__version__}"


class Handshake:
    """One attempt to open a websocket to a node.

    Attributes:
        progress: How far the request for ``/v4/info`` has come.
        info: The node's ``/v4/info``, None when its answer could not be read.
        info_error: Why `info` is None.
        socket: The open websocket, None before `run` has succeeded.
        certificate_expires: Monotonic second at which the node's certificate expires, None without TLS.
    """

    __slots__ = (
        "_refused",
        "_rest",
        "_session",
        "_settings",
        "_user_id",
        "certificate_expires",
        "info",
        "info_error",
        "progress",
        "socket",
    )

    def __init__(self, settings: NodeSettings, rest: Rest, session: aiohttp.ClientSession, *, user_id: int) -> None:
        self._settings = settings
        self._rest = rest
        self._session = session
        self._user_id = user_id
        self._refused: RevvlinkException | None = None
        self.progress = Progress()
        self.info: NodeInfo | None = None
        self.info_error: RevvlinkException | None = None
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        self.certificate_expires: float | None = None

    async def run(self, resume: str | None) -> None:
        """Ask for ``/v4/info`` and open the websocket, both at once.

        The first shows the kind of server and whether it accepts the password; waiting for it would double the time to
        connect.

        Args:
            resume: The session to resume, or None.

        Raises:
            RevvlinkException: Why there is no websocket.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._shake_hands(resume))
            try:
                self.info = await self._rest.info(self.progress)
            except RevvlinkException as error:
                self.info_error = error
        self._check_both()

    async def _shake_hands(self, resume: str | None) -> None:
        timeout = self._settings.timeout
        progress = Progress()
        under_way.set(progress)
        began = clock.monotonic()
        try:
            async with self._rest.rate_limiter.acquire(Purpose.OBSERVER), asyncio.timeout(timeout):
                response = await self._session.ws_connect(
                    self._rest.url("/v4/websocket"),
                    headers=self._headers(resume),
                    ssl=self._rest.context(),
                    proxy=proxy_of(self._settings),
                    autoping=False,
                    max_msg_size=MAX_MESSAGE,
                    timeout=_TIMEOUTS,
                )
        except RevvlinkException as error:
            self._refused = error
        except aiohttp.WSServerHandshakeError as error:
            self._refused = self._handshake_refusal(error)
        except (aiohttp.ClientError, OSError) as error:
            failure = explain(error, self._settings, stage=progress.reached, waited=timeout)
            self._refused = await self._rest.diagnose(failure, began + timeout)
        else:
            self.socket = response
            self.certificate_expires = _end_of_certificate(response.get_extra_info("ssl_object"))

    def _headers(self, resume: str | None) -> dict[str, str]:
        """The headers of the handshake. No frame holds them in a variable, since error trackers record variables."""
        own = {"User-Id": str(self._user_id), "Client-Name": CLIENT_NAME}
        if resume is not None:
            own["Session-Id"] = resume
        return {**request_headers(self._settings), **own}

    def _check_both(self) -> None:
        """Raise unless the websocket is open and ``/v4/info`` was answered, or was only unreadable."""
        refused, unknown = self._refused, self.info_error
        for error in (unknown, refused):
            if isinstance(error, AuthorizationFailedException):
                raise error
        if refused is None:
            if unknown is None or (unknown.code is Code.BAD_ANSWER and isinstance(unknown, NodeException)):
                return
            if unknown.code in _SILENCES:
                raise self._half(unknown.code, "takes websockets, but REST", "restart the node") from unknown
            raise unknown
        is_silent = refused.code in _SILENCES and refused.stage is not Stage.TLS
        if unknown is None and self.info is not None and is_silent:
            hint = "any proxy before the node must pass websockets on; else restart the node"
            raise self._half(refused.code, "answers REST, but its websocket", hint) from refused
        raise unknown or refused

    def _half(self, code: Code, what: str, hint: str) -> NodeException:
        """The exception for a node of which only REST or only websockets work; `what` ends with the other."""
        how = "closed the connection before it had answered"
        if code is not Code.RESET:
            how = f"gave no answer within {self._settings.timeout:g} s"
        return self._rest.errors.failure(code, f"{what} {how}", f"look at the node's log; {hint}")

    def _handshake_refusal(self, error: aiohttp.WSServerHandshakeError) -> RevvlinkException:
        where = host_and_port(self._settings.uri)
        if error.status == 401:
            return AuthorizationFailedException(
                f"{where} refused the password",
                node=self._settings.identifier,
                hint="correct the node's password in the configuration",
            )
        hint = "look at the node's log, and at any proxy before it: it must pass websockets on"
        if error.status == 400:
            hint = "let proxies pass websockets on; check user_id: NodeLink takes 18 or 19 digits, no server takes 0"
        return NodeException(
            f"{where} refused the websocket with status {error.status}",
            code=Code.WEBSOCKET_REFUSED,
            node=self._settings.identifier,
            stage=Stage.READY,
            hint=hint,
            status=error.status,
        )


def _end_of_certificate(tls: ssl.SSLObject | None) -> float | None:
    """The monotonic second at which the other side's certificate expires, None when it is not known."""
    certificate = tls.getpeercert() if tls is not None else None
    ends = certificate.get("notAfter") if certificate else None
    if not isinstance(ends, str):
        return None
    return ssl.cert_time_to_seconds(ends) - time.time() + clock.monotonic()
