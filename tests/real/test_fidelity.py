"""The recorded requests, asked of a genuine Lavalink again: a recording that has become stale shows here."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web

from revvlink_cli.client.connection.transport import Transport
from revvlink_cli.simulator.music import FILES, look_up
from tests.conftest import run_cli
from tests.fidelity.read_recordings import LAVALINK, exchanges
from tests.fidelity.replay_requests import Bot, ask, compared, in_order
from tests.fidelity.replay_server import rest
from tests.real.conftest import PASSWORD, Genuine, genuine_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.conftest import Ran

RECORDED_WEB, RECORDED_VOICE = "24390", "localhost:24391"
"""Where the recorder's web server and its stand-in for voice servers listened; nothing did on 24392."""

EXCEPTIONS = {
    "metrics-disabled": "this server has its metrics page",
    "loadtracks-http-timeout": "its web server's patience is the recorder's own",
}
"""Requests that this server cannot be asked as it is set up."""


@asynccontextmanager
async def web_server(music: Path) -> AsyncIterator[int]:
    """The music on the web, and any status that is asked for."""

    async def status(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]))

    app = web.Application()
    app.router.add_get("/status/{status}", status)
    app.router.add_static("/", music, follow_symlinks=True)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def more_music(folder: Path, run_dir: Path) -> None:
    """The files the recorder had, in place of the folder that the server was started with."""
    music = run_dir / "music"
    music.unlink()
    music.mkdir()
    for file in (folder / "music").iterdir():
        (music / file.name).symlink_to(file)
    (music / "with space + plus & amp.wav").symlink_to(folder / "music" / "one.wav")
    (music / "text.txt").write_text("no music\n")
    (music / "list.pls").write_text("[playlist]\nNumberOfEntries=1\nFile1=nowhere.mp3\n")
    (music / "empty.mp3").touch()


def test_every_request(voice: tuple[int, Path], tmp_path: Path) -> None:
    """Every route and every handshake answers as it did when it was recorded."""
    folder = genuine_folder()
    assert folder is not None
    port, certificate = voice
    server = Genuine(folder, tmp_path, "--voice", str(certificate))
    try:
        more_music(folder, tmp_path)
        asked = [entry for entry in in_order(LAVALINK, "rest", "handshake") if entry.name not in EXCEPTIONS]

        async def work() -> dict[str, list[str]]:
            async with web_server(tmp_path / "music") as served:
                changes = {
                    "localhost:24392": "refused.invalid",
                    RECORDED_VOICE: f"localhost:{port}",
                    f"%3A{RECORDED_WEB}": f"%3A{served}",
                    f":{RECORDED_WEB}": f":{served}",
                }
                return await compared(server.uri, PASSWORD, asked, changes)

        found = asyncio.run(work())
    finally:
        server.stop()

    assert {name: told for name, told in found.items() if told} == {}
    assert len(found) > 180


def test_plugins_filters_and_route_planners(tmp_path: Path) -> None:
    """With a plugin, a filter that is off and a route planner it answers as recorded."""
    folder = genuine_folder()
    if folder is None:
        pytest.skip("there is no genuine Lavalink here: set REVVLINK_TEST_GENUINE to a folder with one")
    options = ("filters.karaoke=false", "ratelimit.ipBlocks[0]=2001:db8::/48", "ratelimit.strategy=RotatingNanoSwitch")
    server = Genuine(folder, tmp_path, *(f"lavalink.server.{option}" for option in options))
    try:
        asked = [
            entry
            for entry in in_order(LAVALINK, "rest-plugin", "rest-routeplanner")
            if not entry.name.startswith("status-") or entry.name == "status-RotatingNanoSwitch"
        ]
        found = asyncio.run(compared(server.uri, PASSWORD, asked, {}))
    finally:
        server.stop()

    assert {name: told for name, told in found.items() if told} == {}
    assert len(found) == 18


def test_the_simulators_tracks_are_genuine(genuine: Genuine) -> None:
    """Every file the simulator knows, in its encoded form, decodes on a genuine Lavalink to what the simulator says."""
    tracks = [track for name in FILES for track in look_up(f"music/{name}").tracks + look_up(f"http://h/{name}").tracks]

    async def work() -> None:
        transport = Transport()
        try:
            node = rest(genuine.uri, transport, password=genuine.password)
            decoded = await node.decode_tracks([track.encoded for track in tracks])
        finally:
            await transport.close()
        assert [track.to_payload() for track in decoded] == [track.to_payload() for track in tracks]

    asyncio.run(work())
    assert len(tracks) > 10


def test_a_server_that_voice_has_stopped(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    """A genuine server that forty voice requests have stopped is named: it takes connections and answers nothing."""
    folder = genuine_folder()
    if folder is None:
        pytest.skip("there is no genuine Lavalink here: set REVVLINK_TEST_GENUINE to a folder with one")
    server = Genuine(folder, tmp_path)
    path = write_config({"identifier": "sick", "uri": server.uri, "password": PASSWORD})
    commands = {"connect": 3, "nodes status": 3, "check": 2}  # to `check` a node without an answer is down

    async def hang(http: aiohttp.ClientSession, player: str) -> None:
        voice = {"token": "t", "endpoint": "localhost:1", "sessionId": "s", "channelId": "300000000000000003"}
        async with http.patch(player, json={"voice": voice}):
            raise AssertionError("a voice server that nobody runs was reached")

    async def work() -> list[Ran]:
        headers = {"Authorization": PASSWORD}
        async with aiohttp.ClientSession(server.uri, headers=headers) as http:
            bot = await Bot.connect(server.uri, PASSWORD)
            base = f"/v4/sessions/{bot.session}/players/8173271816591114"
            hung = [asyncio.create_task(hang(http, f"{base}{number}")) for number in range(10, 50)]
            try:
                async with asyncio.timeout(60):  # until the last thread is taken
                    while (await ask(server.uri, version, {}, PASSWORD, patience=1.0)).status is not None:
                        continue
                return [
                    await asyncio.to_thread(run_cli, *told.split(), "--config", str(path), "-o", "json")
                    for told in commands
                ]
            finally:
                for task in hung:
                    task.cancel()
                await asyncio.wait(hung)
                await bot.drop()

    version = next(entry for entry in exchanges(LAVALINK, "rest") if entry.name == "version")
    try:
        for (command, code), ran in zip(commands.items(), asyncio.run(work()), strict=True):
            (error,) = ran.json["errors"]
            assert "accepts connections but gave no answer within 5 s" in error["message"], command
            assert "voice" in error["hint"]
            assert ran.code == code
    finally:
        server.kill()
