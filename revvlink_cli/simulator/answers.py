"""Answers as a genuine Lavalink writes them: headers, error bodies, and the uniform way in which loads fail."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import Any

from aiohttp import web

API_HEADERS = {"Lavalink-Api-Version": "4"}
"""On every answer, but for those to defects of the server."""


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """Ends a request with an error body.

    Attributes:
        status: HTTP status.
        message: The body's ``message``.
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


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer, without a charset in its content type."""
    return web.Response(
        body=json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"),
        status=status,
        headers={"Content-Type": "application/json", **(API_HEADERS if headers is None else headers)},
    )


def error_answer(request: web.Request, refusal: Refusal) -> web.Response:
    """The error body for a refusal; a trace only for who asks for one."""
    body: dict[str, Any] = {
        "timestamp": int(time.time() * 1000),
        "status": refusal.status,
        "error": HTTPStatus(refusal.status).phrase,
    }
    if request.query.get("trace") == "true":
        body["trace"] = f"simulated.Refusal: {refusal.message}\n\tat simulated.Handler.handle(Handler.java:1)\n"
    body |= {"message": refusal.message, "path": request.path}
    headers = {} if refusal.is_defect else {**API_HEADERS, **refusal.headers}
    return json_answer(body, refusal.status, headers)


def load_failure() -> dict[str, Any]:
    """The data of a failed load: the message is always the same, the reason stands in the trace."""
    message = "Something went wrong while looking up the track."
    exception = f"com.sedmelluq.discord.lavaplayer.tools.FriendlyException: {message}"
    return {
        "message": message,
        "severity": "fault",
        "cause": exception,
        "causeStackTrace": (
            f"{exception}\n\tat lavalink.server.util.LoadingKt.loadAudioItem(loading.kt:20)\n"
            "Caused by: java.lang.IllegalStateException: the simulated source is out of order\n"
            "\tat simulated.Source.load(Source.java:1)\n\t... 1 more\n"
        ),
    }
