"""A server with one websocket for a node, on which a test says what it wants."""

from __future__ import annotations

import asyncio
from typing import Any

from revvlink_cli import Node
from tests.fidelity.read_recordings import exchanges
from tests.fidelity.replay_server import PASSWORD, Request, read_request, response
from tests.fidelity.websocket_frames import CLOSE, PING, PONG, TEXT, frame, read_frame, switching


class Listening:
    """A server with one websocket for a node, which says what the test wants."""

    def __init__(self, server: str) -> None:
        self._info = next(entry for entry in exchanges(server, "rest") if entry.name == "info")
        self._stats = next(entry for entry in exchanges(server, "rest") if entry.name == "stats-first")
        self.info: bytes = self._info.wire
        self.first = b'{"op":"ready","resumed":false,"sessionId":"a"}'
        self.handshakes = 0
        self.answers_pings = True
        self.writer: asyncio.StreamWriter | None = None
        self.pongs: asyncio.Queue[bytes] = asyncio.Queue()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while (request := await read_request(reader)) is not None:
            if await self.answer(request, reader, writer):
                return

    async def answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; True after a websocket, which is the last of its connection."""
        if request.path != "/v4/websocket":
            known = {"/v4/info": self.info, "/v4/stats": self._stats.wire}
            writer.write(known.get(request.path) or response({}, status="404 Not Found"))
            return False
        self.handshakes += 1
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        writer.write(switching(request.headers["sec-websocket-key"], upgrade))
        writer.write(frame(TEXT, self.first))
        self.writer = writer
        await self._read(reader, writer)
        return True

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                opcode, payload = await read_frame(reader)
            except EOFError:
                return
            if opcode == PONG:
                self.pongs.put_nowait(payload)
            elif opcode == PING and self.answers_pings:
                writer.write(frame(PONG, payload))
            elif opcode == CLOSE:
                writer.write(frame(CLOSE, payload))
                return

    def changed_info(self, body: bytes) -> None:
        """From now on ``/v4/info`` has this body."""
        headers = {
            name: value
            for name, value in self._info.headers.items()
            if name.lower() not in ("content-length", "transfer-encoding")
        }
        self.info = response(body, headers=headers)

    async def tell(self, *messages: bytes) -> None:
        """Send text messages; returns once the node has taken them in."""
        await self.tell_frames(*(frame(TEXT, message) for message in messages))

    async def tell_frames(self, *frames: bytes) -> None:
        """Send whole frames; returns once the node has taken them in."""
        assert self.writer is not None
        for data in frames:
            self.writer.write(data)
        self.writer.write(frame(PING, b"done"))
        async with asyncio.timeout(60):
            assert await self.pongs.get() == b"done"


def node_for(uri: str, **settings: Any) -> Node:
    """A node at this address that gives up quickly."""
    return Node(identifier="node", uri=uri, password=PASSWORD, user_id=170000000000000001, retries=0, **settings)
