"""Chooses the format of metrics by the header ``Accept`` of a scrape, and responds in it.

Source: RFC 9110, "Accept"; OpenMetrics 1.0, "Protocol Negotiation".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from revvlink_cli.health.exposition import TextFormat

if TYPE_CHECKING:
    from collections.abc import Iterable

_VERSIONS = {"", "0.0.1", "1.0.0"}
"""Versions of OpenMetrics that the text satisfies; the draft 0.0.1 is what older Prometheus asks for."""


class _Wanted(NamedTuple):
    kind: str
    version: str
    quality: float


def negotiated(accept: Iterable[str]) -> TextFormat:
    """The format that a client prefers: OpenMetrics if it names it and likes plain text no better.

    Args:
        accept: The values of the header, none if it has none.
    """
    wanted = [_wanted(part) for value in accept for part in value.split(",")]
    named = [entry.quality for entry in wanted if _is_openmetrics(entry)]
    plain = [entry.quality for entry in wanted if entry.kind == "text/plain"]
    best = max(named, default=0.0)
    return TextFormat.OPENMETRICS if best > 0 and best >= max(plain, default=0.0) else TextFormat.PROMETHEUS


def requested_format(request: web.Request) -> TextFormat:
    """The format that a request asks for."""
    return negotiated(request.headers.getall("Accept", ()))


def metrics_response(text: bytes, form: TextFormat) -> web.Response:
    """The response with metrics in this format."""
    return web.Response(body=text, headers={"Content-Type": form.value, "Vary": "Accept"})


def _is_openmetrics(entry: _Wanted) -> bool:
    return entry.kind == "application/openmetrics-text" and entry.version in _VERSIONS


def _wanted(part: str) -> _Wanted:
    kind, *more = (word.strip() for word in part.split(";"))
    given = {
        name.strip().lower(): value.strip().strip('"') for name, _, value in (word.partition("=") for word in more)
    }
    try:
        quality = float(given.get("q", "1"))
    except ValueError:
        quality = 0.0
    return _Wanted(kind.lower(), given.get("version", ""), quality if 0 <= quality <= 1 else 0.0)
