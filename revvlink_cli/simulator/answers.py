"""Responses in the form of a genuine Lavalink: headers, error bodies and failed loads."""

from __future__ import annotations

import html
import json
import time
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

API_HEADERS = {"Lavalink-Api-Version": "4"}
"""Headers of every response, except those of an unforeseen exception."""


class Refusal(Exception):  # noqa: N818 - it is a response, not an error of this program
    """Ends a request with an error body.

    Attributes:
        status: HTTP status.
        message: The body's ``message``.
        headers: Headers besides the API header.
        is_defect: Whether a genuine server has an unforeseen exception here. Its response then lacks the API header.
    """

    def __init__(
        self, status: int, message: str, *, is_defect: bool = False, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}
        self.is_defect = is_defect


class BadRequest(Refusal):
    """A body, path or parameter of the wrong form; the response does not say which."""

    def __init__(self) -> None:
        super().__init__(400, "Bad Request")


class InternalError(Refusal):
    """An unforeseen exception of the genuine server."""

    def __init__(self, exception: str) -> None:
        super().__init__(500, f"Request processing failed: java.lang.{exception}", is_defect=True)


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON response: chunked, and without a charset in its content type."""
    answer = web.Response(
        body=json_text(value).encode("utf-8", "surrogatepass"),
        status=status,
        headers={"Content-Type": "application/json", **(API_HEADERS if headers is None else headers)},
    )
    answer.enable_chunked_encoding()
    return answer


def json_text(value: Any) -> str:
    """The value as JSON without white space."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def empty_answer(status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A response without a body."""
    return web.Response(status=status, headers={**API_HEADERS, **(headers or {})})


def error_answer(request: web.Request, refusal: Refusal) -> web.Response:
    """The response to a refusal: JSON, or HTML where the client accepts it; with a trace if the query asks for one."""
    headers = {} if refusal.is_defect else {**API_HEADERS, **refusal.headers}
    reason = HTTPStatus(refusal.status).phrase
    if "text/html" in request.headers.get(hdrs.ACCEPT, ""):
        message = html.escape(refusal.message).replace("&#x27;", "&#39;")
        now = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime())
        page = (
            "<html><body><h1>Whitelabel Error Page</h1><p>This application has no explicit mapping for /error, so you "
            f"are seeing this as a fallback.</p><div id='created'>{now}</div>"
            f"<div>There was an unexpected error (type={reason}, status={refusal.status}).</div>"
            f"<div>{message}</div></body></html>"
        )
        kind = {"Content-Type": "text/html;charset=UTF-8", "Content-Language": "en-"}
        return web.Response(body=page.encode(), status=refusal.status, headers={**headers, **kind})
    body: dict[str, Any] = {"timestamp": int(time.time() * 1000), "status": refusal.status, "error": reason}
    if request.query.get("trace", "false").lower() != "false":
        body["trace"] = f"simulated.Refusal: {refusal.message}\n\tat simulated.Handler.handle(Handler.java:1)\n"
    return json_answer(body | {"message": refusal.message, "path": request.path}, refusal.status, headers)


async def match_headers(_request: web.Request, answer: web.StreamResponse) -> None:
    """Remove the headers that aiohttp adds and a genuine server does not, and spell the rest as it does."""
    answer.headers.pop(hdrs.SERVER, None)
    if hdrs.UPGRADE in answer.headers:
        answer.headers[hdrs.UPGRADE] = "WebSocket"
    if answer.headers.get(hdrs.CONTENT_TYPE) == "application/octet-stream":
        del answer.headers[hdrs.CONTENT_TYPE]


def load_failure(reason: str, message: str, severity: str) -> dict[str, Any]:
    """The data of a failed load; the trace holds the reason."""
    exception = f"com.sedmelluq.discord.lavaplayer.tools.FriendlyException: {message}"
    return {
        "message": message,
        "severity": severity,
        "cause": exception,
        "causeStackTrace": (
            f"{exception}\n\tat lavalink.server.util.LoadingKt.loadAudioItem(loading.kt:20)\n"
            f"Caused by: {reason}\n"
            "\tat simulated.Source.load(Source.java:1)\n\t... 1 more\n"
        ),
    }
