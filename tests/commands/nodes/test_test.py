"""`nodes test`: how far a connection comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.conftest import run_cli
from tests.fidelity.read_recordings import LAVALINK
from tests.fidelity.replay_server import PASSWORD, read_request, serving
from tests.fidelity.scripted_node import Listening

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from revvlink_cli.simulator import Simulator
    from tests.conftest import Ran


def test_stages(line: Callable[..., Ran], path: Path, text: str, pair: Simulator) -> None:
    """A node that works passes all stages; one that refuses the password and a dead one say where they failed."""
    uri = pair["two"].uri
    path.write_text(
        f'{text}[[nodes]]\nidentifier = "two"\nuri = "{uri}"\npassword = "wrong-password"\n'
        '[[nodes]]\nidentifier = "dead"\nuri = "http://127.0.0.1:1"\npassword = "some-password"\n',
        encoding="utf-8",
    )

    ran = line("nodes", "test", "-o", "json")

    assert ran.code == 5, ran.err
    one, two, dead = ran.rows
    assert (one["state"], one["stage"], one["rest"], one["websocket"]) == ("ok", "ready", "ok", "ok")
    assert one["passed_stages"] == ["resolve", "connect", "auth", "version", "request", "ready"]
    assert one["version"] == pair["one"].profile.version
    assert one["ready_ms"] > 0
    assert one["latency_ms"] > 0
    assert (two["stage"], two["passed_stages"], two["rest"]) == ("auth", ["resolve", "connect"], "failed")
    assert (dead["stage"], dead["passed_stages"], dead["rest"]) == ("connect", ["resolve"], None)
    assert "error: dead: connect: nothing listens on 127.0.0.1:1 (" in ran.err
    assert line("nodes", "test", "two").code == 4
    assert line("nodes", "test", "dead").code == 3


@pytest.mark.usefixtures("path")
def test_a_node_that_is_not_configured(
    line: Callable[..., Ran], pair: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--uri tests any node."""
    monkeypatch.setenv("PW", "sound-of-silence")

    ran = line("nodes", "test", "--uri", pair["two"].uri, "--password-env", "PW", "-o", "json")

    assert (ran.code, ran.rows[0]["state"]) == (0, "ok")


def test_a_proxy_that_passes_no_websocket(write_config: Callable[..., Path]) -> None:
    """REST is ok and the websocket failed, as the guide to proxies says; the hint names proxies."""
    script = Listening(LAVALINK)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            if request.path == "/v4/websocket":
                writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            else:
                await script.answer(request, reader, writer)

    async def work() -> Ran:
        async with serving(handle) as uri:
            path = write_config({"identifier": "proxied", "uri": uri, "password": PASSWORD})
            return await asyncio.to_thread(run_cli, "nodes", "test", "--config", str(path), "-o", "json")

    ran = asyncio.run(work())
    (row,) = ran.rows
    assert (row["stage"], row["rest"], row["websocket"]) == ("ready", "ok", "failed"), ran.err
    assert "proxies" in ran.json["errors"][0]["hint"]
