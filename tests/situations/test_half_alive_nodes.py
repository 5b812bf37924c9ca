"""Nodes that take connections and then say nothing, or only half of what they should: each is named for what it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.conftest import run_cli
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_server import PASSWORD, read_request, serving
from tests.fidelity.scripted_node import Listening

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.conftest import Ran

    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Takes everything, answers nothing."""
    await reader.read()


def only(*, websocket: bool, resets: bool) -> Handler:
    """A node of which only the websocket answers, or only REST; the other half is silent, or hangs up."""
    script = Listening(LAVALINK)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            if (request.path == "/v4/websocket") is not websocket:
                if not resets:
                    await reader.read()
                return
            await script.answer(request, reader, writer)

    return handle


def test_one_that_answers_no_ping(write_config: Callable[..., Path]) -> None:
    """A node that answers everything but pings is shown as what it is otherwise, without a latency, and soon."""
    script = Listening(LAVALINK)
    script.answers_pings = False

    async def work() -> Ran:
        async with serving(script.handle) as uri:
            path = write_config({"identifier": "deaf", "uri": uri, "password": PASSWORD, "heartbeat": 60})
            command = ("nodes", "status", "--config", str(path), "--timeout", "50", "-o", "json")
            return await asyncio.to_thread(run_cli, *command, timeout=30)

    ran = asyncio.run(work())
    assert ran.code == 0, ran.err
    assert (ran.rows[0]["state"], ran.rows[0]["latency_ms"]) == ("connected", None)


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (mute, "accepts connections but gave no answer within 1 s"),
        (only(websocket=True, resets=False), "takes websockets, but REST gave no answer within 1 s"),
        (only(websocket=True, resets=True), "takes websockets, but REST closed the connection before it had answered"),
        (only(websocket=False, resets=False), "answers REST, but its websocket gave no answer within 1 s"),
        (only(websocket=False, resets=True), "answers REST, but its websocket closed the connection before it had"),
    ],
    ids=["nothing", "websocket only", "websocket only, reset", "REST only", "REST only, reset"],
)
def test_what_it_is_called(handler: Handler, told: str, write_config: Callable[..., Path]) -> None:
    """Connect, status and check say in one line which half is missing and what to do, with their exit codes."""
    commands = (("connect", 3), ("nodes status", 3), ("check", 2))

    async def work() -> list[Ran]:
        async with serving(handler) as uri:
            path = write_config({"identifier": "sick", "uri": uri, "password": PASSWORD, "timeout": 1.0})
            return [
                await asyncio.to_thread(
                    run_cli, *command.split(), "--config", str(path), "--timeout", "15", "-o", "json"
                )
                for command, _ in commands
            ]

    for (command, code), ran in zip(commands, asyncio.run(work()), strict=True):
        (error,) = ran.json["errors"]
        assert told in error["message"], command
        assert "log" in error["hint"] or "uri" in error["hint"], command
        assert ran.code == code, (command, ran.err)
