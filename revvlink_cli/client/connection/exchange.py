"""One request to a node and its answer, as values."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from revvlink_cli.client import clock
from revvlink_cli.client.errors import Stage

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from yarl import URL

MAX_BODY = 16 * 1024 * 1024
"""Bytes of the largest answer with tracks or players that is read; a playlist of 10,000 tracks has about 7 MiB."""

MAX_PLAIN_BODY = 1024 * 1024
"""Bytes of any other answer, refusals too."""


class Progress:
    """How far one request has come; filled in while it is under way, so that a timeout can be named.

    Attributes:
        stage: Where it is.
        began: Monotonic second at which it was sent, its turn having come; None before.
        is_timed: Whether `sent` is wanted: only the latency of some requests is measured.
        sent: Monotonic second at which it had an open connection, to which it is written at once, and the seconds of
            processor time that this program had used by then; None before.
        sockets: Those that were made for it, until one of them is connected, TLS included.
    """

    __slots__ = ("began", "is_timed", "sent", "sockets", "stage")

    def __init__(self) -> None:
        self.stage = Stage.CONNECT
        self.began: float | None = None
        self.is_timed = False
        self.sent: tuple[float, float] | None = None
        self.sockets: tuple[socket.socket, ...] = ()

    @property
    def reached(self) -> Stage:
        """The stage, with TLS separate from the TCP connection under it."""
        return Stage.TLS if self.stage is Stage.CONNECT and any(map(_is_connected, self.sockets)) else self.stage


under_way: ContextVar[Progress | None] = ContextVar("under_way", default=None)
"""The progress of the running task's request, for code that knows only the connection."""


def note_stage(stage: Stage) -> None:
    """Note where the running task's request is before it has a connection."""
    progress = under_way.get()
    if progress is not None:
        progress.stage, progress.sockets = stage, ()


def note_connected() -> None:
    """Note that the running task's request has an open connection, and is written to it now."""
    progress = under_way.get()
    if progress is not None:
        progress.stage, progress.sockets = Stage.REQUEST, ()
        if progress.is_timed:
            progress.sent = (clock.monotonic(), time.process_time())


def _is_connected(made: socket.socket) -> bool:
    try:
        made.getpeername()
    except OSError:
        return False
    return True


@dataclass(slots=True, kw_only=True, eq=False)  # not frozen: that takes three times as long to make
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


@dataclass(slots=True, eq=False)
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
