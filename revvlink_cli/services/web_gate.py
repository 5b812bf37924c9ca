"""Authenticates requests to the exporter, by the users of its web configuration.

A bcrypt verification takes a tenth of a second on purpose. It runs in two threads, so it never delays other requests,
and a successful one is remembered, so that a scrape every 15 seconds costs none. A name that is not configured costs as
much time as one that is.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import TYPE_CHECKING

from aiohttp import web

from revvlink_cli.config.web_config import WebConfig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

THREADS = 2
"""Verifications at the same time."""

MOST_WAITING = 32
"""Verifications that may run or wait; more requests get 503."""

REMEMBERED = 256
"""Successful verifications that are remembered."""

LONGEST_PASSWORD = 72
"""Bytes of a password that bcrypt reads."""

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="revvlink", charset="UTF-8"'}


class BusyError(Exception):
    """Too many passwords wait for their verification."""


class PasswordVerifier:
    """Verifies names and passwords against bcrypt hashes."""

    def __init__(self, users: Mapping[str, bytes]) -> None:
        """Prepare; `users` are the names with their hashes."""
        from bcrypt import checkpw

        self._users = {name.encode(): hashed for name, hashed in users.items()}
        self._check = checkpw
        cost = max((hashed[4:6] for hashed in users.values()), default=b"10")
        self._nobody = b"$2b$" + cost + b"$" + b"." * 53  # fits no password, and takes as long as those that do
        self._secret = secrets.token_bytes(32)
        self._known: dict[bytes, None] = {}  # the oldest first
        self._running: dict[bytes, asyncio.Future[bool]] = {}
        self._threads = ThreadPoolExecutor(THREADS, "passwords")

    async def is_right(self, name: bytes, password: bytes) -> bool:
        """Whether the password is that of the name.

        Raises:
            BusyError: Too many verifications wait.
        """
        digest = hmac.new(self._secret, len(name).to_bytes(8) + name + password, hashlib.sha256).digest()
        if digest in self._known:
            return True
        running = self._running.get(digest)
        if running is None:
            if len(self._running) >= MOST_WAITING:
                raise BusyError
            loop = asyncio.get_running_loop()
            running = loop.run_in_executor(self._threads, self._verify, name, password)
            self._running[digest] = running
            running.add_done_callback(lambda done: self._remember(digest, done))
        return await asyncio.shield(running)  # other requests with this password wait for the same result

    def close(self) -> None:
        """Start no more verifications."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, name: bytes, password: bytes) -> bool:
        hashed = self._users.get(name)
        try:
            fits = self._check(password[:LONGEST_PASSWORD], hashed or self._nobody)
        except ValueError:  # a password that bcrypt does not take, such as one with a null byte
            return False
        return bool(fits) and hashed is not None

    def _remember(self, digest: bytes, done: asyncio.Future[bool]) -> None:
        self._running.pop(digest, None)
        if done.cancelled() or done.exception() is not None or not done.result():
            return
        self._known[digest] = None
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]


class Gate:
    """Lets requests through that the web configuration allows, and adds its headers.

    Attributes:
        is_public: Whether a request needs no password, decided by its path.
    """

    def __init__(self, config: WebConfig | None, is_public: Callable[[str], bool] = lambda _: False) -> None:
        self.is_public = is_public
        self._config = WebConfig()
        self._verifier: PasswordVerifier | None = None
        self.use(config)

    def use(self, config: WebConfig | None) -> None:
        """Apply another web configuration; None asks nothing."""
        config = config or WebConfig()
        if config.users != self._config.users:
            self.close()
            self._verifier = PasswordVerifier(config.users) if config.users else None
        self._config = config

    def close(self) -> None:
        """Verify no more passwords."""
        if self._verifier is not None:
            self._verifier.close()

    def accepts(self, transport: asyncio.BaseTransport) -> bool:
        """Whether a connection is allowed by the names in its client's certificate."""
        if not self._config.allowed_sans:
            return True
        certificate = transport.get_extra_info("peercert") or {}
        return any(name in self._config.allowed_sans for _, name in certificate.get("subjectAltName", ()))

    async def add_headers(self, _: web.Request, response: web.StreamResponse) -> None:
        """Add the configured headers to a response, as a signal of the application."""
        for name, value in self._config.headers:
            response.headers.setdefault(name, value)

    def middleware(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        """The middleware that the application needs."""

        @web.middleware
        async def authenticate(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            if self._verifier is not None and not self.is_public(request.path):
                try:
                    is_right = await _is_right(self._verifier, request.headers.get("Authorization", ""))
                except BusyError:
                    text = "too many passwords to verify; try again\n"
                    return web.Response(status=503, text=text, headers={"Retry-After": "1"})
                if not is_right:
                    return web.Response(status=401, text="a name and its password are required\n", headers=_CHALLENGE)
            return await handler(request)

        return authenticate

    def may_administer(self, request: web.Request) -> bool:
        """Whether a request that got through may change the exporter.

        It is authenticated by a password or a certificate, or a program on this machine sent it.
        """
        asks_password = self._verifier is not None and not self.is_public(request.path)
        return asks_password or self._config.asks_certificate or _is_local(request)


def _is_local(request: web.Request) -> bool:
    """Whether a program on this machine sent a request.

    One that a proxy passed on, or a web page sent, comes from elsewhere though its connection is local.
    """
    if any(name in request.headers for name in ("Origin", "Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")):
        return False
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    try:
        address = ip_address(str(peer[0]).partition("%")[0]) if peer else None
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped is not None and mapped.is_loopback


async def _is_right(verifier: PasswordVerifier, header: str) -> bool:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        name, colon, password = base64.b64decode(text.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return False
    return bool(colon) and await verifier.is_right(name, password)
