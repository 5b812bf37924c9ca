"""One request to a node and its answer, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yarl import URL

    from revvlink_cli.client.connection.transport import Progress

MAX_BODY = 16 * 1024 * 1024
"""Bytes of the largest answer with tracks or players that is read; a playlist of 10,000 tracks has about 7 MiB."""

MAX_PLAIN_BODY = 1024 * 1024
"""Bytes of any other answer, refusals too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request; its `repr` shows neither address nor data, which may hold a session's id or a voice token.

    Attributes:
        method: HTTP method.
        url: The full address.
        data: Sent as JSON unless None.
        timeout: Seconds for the answer.
        accept: Content type to ask for.
        progress: Records how far the request has come.
        max_body: Bytes that the answer may have.
        sample: Bytes after which reading a stream that may never end stops, None to read all of the answer.
    """

    method: str
    url: URL = field(repr=False)
    data: Any = field(default=None, repr=False)
    timeout: float
    accept: str = "application/json"
    progress: Progress
    max_body: int = MAX_PLAIN_BODY
    sample: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read in full; its `repr` shows neither headers nor body, which may echo secrets.

    Attributes:
        status: HTTP status.
        headers: Response headers, looked up without regard to case.
        body: The whole body.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
