"""Compresses responses of the exporter with gzip where the client accepts it.

Compression runs in a thread, because that of a large fleet's metrics takes tens of milliseconds. A body that many
clients ask for is compressed once.
"""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SMALLEST = 1024
"""Bytes below which a body is sent as it is: one packet carries it anyway."""

LEVEL = 6
"""Level of gzip: higher ones take several times as long for a few percent."""

_KEPT = 4
"""Bodies whose compressed form is kept."""


class Compressor:
    """Compresses bodies and keeps the last ones."""

    def __init__(self) -> None:
        self._made: dict[bytes, asyncio.Future[bytes]] = {}  # the oldest first

    def middleware(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        """The middleware that the application needs."""

        @web.middleware
        async def compress(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            response = await handler(request)
            if not isinstance(response, web.Response) or "Content-Encoding" in response.headers:
                return response
            body = response.body
            if not isinstance(body, bytes) or len(body) < SMALLEST:
                return response
            response.headers["Vary"] = ", ".join(filter(None, (response.headers.get("Vary"), "Accept-Encoding")))
            if accepts_gzip(", ".join(request.headers.getall("Accept-Encoding", []))):
                response.body = await self.compressed(body)
                response.headers["Content-Encoding"] = "gzip"
            return response

        return compress

    async def compressed(self, body: bytes) -> bytes:
        """The body in gzip's form."""
        made = self._made.get(body)
        if made is None:
            made = asyncio.get_running_loop().run_in_executor(None, _gzipped, body)
            self._made[body] = made
            while len(self._made) > _KEPT:
                del self._made[next(iter(self._made))]
        return await asyncio.shield(made)  # a client that leaves does not take the result from the others


def _gzipped(body: bytes) -> bytes:
    return gzip.compress(body, LEVEL, mtime=0)


def accepts_gzip(header: str) -> bool:
    """Whether the ``Accept-Encoding`` of a request prefers gzip to the plain form, by its q-values (RFC 9110)."""
    qualities: dict[str, float] = {}
    for part in header.split(","):
        coding, *parameters = (text.strip().lower() for text in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        qualities[coding] = quality if 0 < quality <= 1 else 0.0
    wanted = qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0)))
    return wanted > 0 and wanted >= qualities.get("identity", 0.0)
