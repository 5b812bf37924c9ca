"""Answers as a genuine Lavalink writes them: headers, error bodies, and the uniform way in which loads fail."""

from __future__ import annotations

import html
import json
import time
from http import HTTPStatus
from typing import Any

from aiohttp import hdrs, web

API_HEADERS = {"Lavalink-Api-Version": "4"}
"""On every answer, but for those to defects of the server."""


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """Ends a request with an error body.

    Attributes:
        status: HTTP status.
        message: The body's ``message``.
        headers: What the answer has besides the API header.
        is_defect: Whether a genuine server would have stumbled here: its answer lacks the API header then.
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
    """A body, path or parameter that cannot be read as what it should be: nothing more is told of it."""

    def __init__(self) -> None:
        super().__init__(400, "Bad Request")


class Stumble(Refusal):
    """An exception that the genuine server does not foresee."""

    def __init__(self, exception: str) -> None:
        super().__init__(500, f"Request processing failed: java.lang.{exception}", is_defect=True)


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer: chunked, and without a charset in its content type."""
    answer = web.Response(
        body=json_text(value).encode("utf-8", "surrogatepass"),
        status=status,
        headers={"Content-Type": "application/json", **(API_HEADERS if headers is None else headers)},
    )
    answer.enable_chunked_encoding()
    return answer


def json_text(value: Any) -> str:
    """JSON without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def empty_answer(status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer without a body."""
    return web.Response(status=status, headers={**API_HEADERS, **(headers or {})})


def error_answer(request: web.Request, refusal: Refusal) -> web.Response:
    """The error body for a refusal, a page for who asks for one; a trace only for who asks for that."""
    headers = {} if refusal.is_defect else {**API_HEADERS, **refusal.headers}
    reason = HTTPStatus(refusal.status).phrase
    if "text/html" in request.headers.get(hdrs.ACCEPT, ""):
        told = html.escape(refusal.message).replace("&#x27;", "&#39;")
        now = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime())
        page = (
            "<html><body><h1>Whitelabel Error Page</h1><p>This application has no explicit mapping for /error, so you "
            f"are seeing this as a fallback.</p><div id='created'>{now}</div>"
            f"<div>There was an unexpected error (type={reason}, status={refusal.status}).</div>"
            f"<div>{told}</div></body></html>"
        )
        kind = {"Content-Type": "text/html;charset=UTF-8", "Content-Language": "en-"}
        return web.Response(body=page.encode(), status=refusal.status, headers={**headers, **kind})
    body: dict[str, Any] = {"timestamp": int(time.time() * 1000), "status": refusal.status, "error": reason}
    if request.query.get("trace", "false").lower() != "false":
        body["trace"] = f"simulated.Refusal: {refusal.message}\n\tat simulated.Handler.handle(Handler.java:1)\n"
    return json_answer(body | {"message": refusal.message, "path": request.path}, refusal.status, headers)


async def undress(_request: web.Request, answer: web.StreamResponse) -> None:
    """Take off what aiohttp puts on every answer and a genuine server does not, and spell as that does."""
    answer.headers.pop(hdrs.SERVER, None)
    if hdrs.UPGRADE in answer.headers:
        answer.headers[hdrs.UPGRADE] = "WebSocket"
    if answer.headers.get(hdrs.CONTENT_TYPE) == "application/octet-stream":
        del answer.headers[hdrs.CONTENT_TYPE]


def load_failure(reason: str) -> dict[str, Any]:
    """The data of a failed load: the message is always the same, the reason stands in the trace."""
    message = "Something went wrong while looking up the track."
    exception = f"com.sedmelluq.discord.lavaplayer.tools.FriendlyException: {message}"
    return {
        "message": message,
        "severity": "fault",
        "cause": exception,
        "causeStackTrace": (
            f"{exception}\n\tat lavalink.server.util.LoadingKt.loadAudioItem(loading.kt:20)\n"
            f"Caused by: {reason}\n"
            "\tat simulated.Source.load(Source.java:1)\n\t... 1 more\n"
        ),
    }
