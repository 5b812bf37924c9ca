"""A TCP proxy before a node: it notes the node's sessions, resets connections, and can refuse them as a dead node."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of zero: closing the socket sends a reset."""

RESUMED, SESSION, POSITION = (
    re.compile(rf'"{key}"\s*:\s*"?(\w+)'.encode()) for key in ("resumed", "sessionId", "position")
)


@dataclass(frozen=True)
class Ready:
    """A ``ready`` message that a node has sent."""

    session: str
    resumed: bool


@dataclass
class Gate:
    """The proxy before one node, while the ``async with`` block runs.

    Attributes:
        upstream: Port of the node.
        password: Its password.
        port: Port of the proxy.
        ready: The ``ready`` messages so far.
        position: The position in the last ``playerUpdate``: what the client knows.
        is_dead: Whether it refuses connections.
    """

    upstream: int
    password: str
    port: int = 0
    ready: list[Ready] = field(default_factory=list)
    position: int = 0
    is_dead: bool = False
    _server: asyncio.Server | None = None
    _tasks: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close everything."""
        await self.kill()

    def drop(self) -> None:
        """Reset every connection, on both sides."""
        for writers in tuple(self._tasks.values()):
            for writer in writers:
                if writer.transport.is_closing():
                    continue
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()

    async def kill(self) -> None:
        """Refuse connections from now on, and reset those that are open."""
        self.is_dead = True
        if self._server is not None:
            self._server.close()
        self.drop()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: Any = asyncio.current_task()
        self._tasks[task] = (writer,)
        try:
            answers, requests = await asyncio.open_connection("127.0.0.1", self.upstream)
            self._tasks[task] = (writer, requests)
            await asyncio.gather(self._copy(reader, requests), self._copy(answers, writer, self._note))
        except OSError:
            pass  # a reset: by `drop`, or by one of both ends
        finally:
            for one in self._tasks.pop(task):
                one.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Any = None) -> None:
        while data := await reader.read(65536):
            if note is not None:
                note(data)
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    def _note(self, data: bytes) -> None:
        """Note what a message says: the frames of a node are neither masked nor compressed."""
        at = data.rfind(b'"playerUpdate"')
        if at >= 0 and (position := POSITION.search(data, at)):
            self.position = int(position[1])
        at = data.find(b'"ready"')
        if at >= 0 and (session := SESSION.search(data, at)) and (resumed := RESUMED.search(data, at)):
            self.ready.append(Ready(session[1].decode(), resumed[1] == b"true"))
