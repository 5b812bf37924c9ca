"""Every recorded answer to a websocket handshake, byte for byte, as the pool meets it when it connects."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from revvlink_cli import Node, Pool
from revvlink_cli.client.errors import RevvlinkException
from tests.fidelity.read_recordings import LAVALINK, NODELINK, Exchange, exchanges
from tests.fidelity.replay_server import PASSWORD, failure, read_request, serving
from tests.fidelity.websocket_frames import switching

PINS = Path(__file__).parent.parent / "data" / "fidelity"


async def shake(exchange: Exchange) -> dict[str, Any]:
    """What connecting comes to when the handshake is answered so, and ``/v4/info`` as that server answers it."""
    server = exchange.id.partition("/")[0]
    info = next(entry for entry in exchanges(server, "rest") if entry.name == "info")
    sockets = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sockets
        while (request := await read_request(reader)) is not None:
            if request.path != "/v4/websocket":
                writer.write(info.wire)
                continue
            sockets += 1
            if exchange.status != 101:
                writer.write(exchange.wire)
                continue
            writer.write(switching(request.headers["sec-websocket-key"], exchange.headers))
            await reader.read()  # and not a word more
            return

    class Fresh(Pool):
        """A pool of its own."""

    async with asyncio.timeout(20), serving(handle) as uri:
        try:
            await Fresh.connect(nodes=[Node(identifier="node", uri=uri, password=PASSWORD, timeout=5, retries=0)])
        except RevvlinkException as error:
            told = failure(error)
            told["message"] = told["message"].replace(uri.removeprefix("http://"), "NODE")
        else:
            told = {"value": "connected"}
        finally:
            await Fresh.close()
    return {**told, "sockets": sockets}


@pytest.mark.parametrize("server", [LAVALINK, NODELINK])
def test_every_handshake_is_understood(server: str) -> None:
    """Each comes to the failure that is pinned, at once, and is tried once."""

    async def work() -> dict[str, Any]:
        async with asyncio.TaskGroup() as group:
            tasks = {entry.id: group.create_task(shake(entry)) for entry in exchanges(server, "handshake")}
        return {name: task.result() for name, task in tasks.items()}

    found = asyncio.run(work())
    path = PINS / f"{server}-handshake.json"
    if os.environ.get("REVVLINK_TEST_GOLDEN") == "write":
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    pinned = json.loads(path.read_text(encoding="utf-8"))
    assert found.keys() == pinned.keys()
    assert [name for name in found if found[name] != pinned[name]] == []
    assert all(told["sockets"] == 1 for told in found.values())
