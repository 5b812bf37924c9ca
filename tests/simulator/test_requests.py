"""The log of requests that a user sees with `-v`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

import aiohttp

from revvlink_cli.simulator import NodeProfile, Simulator
from revvlink_cli.simulator.scenario import Fault
from tests.simulator.node_client import HEADERS, PASSWORD

if TYPE_CHECKING:
    import pytest


def test_each_request_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Node, method, path, status and time of each answer, that of a closed websocket too; never a header."""
    caplog.set_level(logging.INFO, "revvlink_cli.simulator.requests")

    async def work(uri: str) -> None:
        async with aiohttp.ClientSession(headers=HEADERS) as http:
            async with http.get(f"{uri}/v4/info") as answer:
                assert answer.status == 200
            async with http.get(f"{uri}/v4/nothing") as answer:
                assert answer.status == 404
            with contextlib.suppress(aiohttp.ClientError):  # the fault resets the connection
                await http.get(f"{uri}/v4/stats")
            socket = await http.ws_connect(f"{uri}/v4/websocket")
            await socket.close()

    faults = [Fault(do="refuse", route="GET /v4/stats")]
    with Simulator([NodeProfile(identifier="us-1", password=PASSWORD)], faults=faults) as simulator:
        asyncio.run(work(simulator["us-1"].uri))

    lines = [record.getMessage().partition(" s ")[2] for record in caplog.records]  # without the time of the clock
    words = [line.rsplit(" ", 2)[0] for line in lines]
    assert words[:2] == ["us-1 GET /v4/info 200", "us-1 GET /v4/nothing 404"]
    assert any(line.startswith("us-1 GET /v4/stats") for line in lines)
    assert "us-1 websocket /v4/websocket opens" in lines
    assert words[-1] == "us-1 GET /v4/websocket 101"
    assert not any(record.args and PASSWORD in map(str, record.args) for record in caplog.records)
