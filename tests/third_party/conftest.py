"""The servers that other people's clients are tried on: simulated ones always, genuine ones where there are some."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import wave
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest
from aiohttp import web

from revvlink_cli.simulator import NodeProfile, Simulator
from revvlink_cli.simulator.track_rules import TrackRule
from tests.real.conftest import PASSWORD, Genuine, genuine_folder, voice

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["servers", "voice"]

TRACKS = {
    "search": "ytsearch:night",
    "url": "https://demo.invalid/1",
    "playlist": "https://demo.invalid/playlist",
    "empty": "ytsearch:zzzz-nothing-of-that-name",
    "error": "https://demo.invalid/fails",
}
"""Identifiers of a Lavalink; a genuine one has a plugin that answers them as `RULES` do."""

RULES = (
    TrackRule(match=TRACKS["url"], result="track"),
    TrackRule(match=TRACKS["playlist"], result="playlist"),
    TrackRule(match=TRACKS["error"], result="error"),
)

FILE, SECONDS = "long.wav", 60
"""What every node plays, from the web."""


class Servers(Protocol):
    """Nodes of one origin.

    Attributes:
        are_genuine: Whether they are real servers.
        endpoint: The voice endpoint that they reach.
    """

    are_genuine: bool
    endpoint: str

    def nodes(self, kind: str, count: int) -> list[tuple[int, str]]:
        """Port and password of that many nodes of a kind; skips the test where there are none."""

    def tracks(self, kind: str) -> dict[str, str]:
        """Identifiers, by what a node of that kind makes of them."""


def identifiers(kind: str, music: str) -> dict[str, str]:
    """What scripts load; a NodeLink has no plugin with made-up tracks."""
    return (TRACKS if kind == "lavalink" else {}) | {"long": f"{music}/{FILE}"}


class Simulated:
    """Simulated nodes, two of each kind."""

    are_genuine = False
    endpoint = "us-east1234.discord.media:443"

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def nodes(self, kind: str, count: int) -> list[tuple[int, str]]:
        found = [node for node in self._simulator if node.profile.dialect == kind]
        return [(node.port, node.password) for node in found[:count]]

    def tracks(self, kind: str) -> dict[str, str]:
        return identifiers(kind, "http://127.0.0.1:9")


class Real:
    """Genuine nodes, each started when it is first needed."""

    are_genuine = True

    def __init__(self, stack: ExitStack, folder: Path, voice: tuple[int, Path], music: Path) -> None:
        self.endpoint = f"localhost:{voice[0]}"
        self._stack, self._folder, self._certificate, self._music = stack, folder, voice[1], music
        self._started: dict[str, list[Genuine]] = {"lavalink": [], "nodelink": []}

    @cached_property
    def _address(self) -> str:
        return self._stack.enter_context(served(self._music))

    def nodes(self, kind: str, count: int) -> list[tuple[int, str]]:
        started = self._started[kind]
        named = str(self._folder) if kind == "lavalink" else os.environ.get("REVVLINK_TEST_GENUINE_NODELINK")
        if not named:
            pytest.skip("there is no genuine NodeLink here: set REVVLINK_TEST_GENUINE_NODELINK to a folder with one")
        options = ("--voice", str(self._certificate), *(("--no-guards", "--cluster") if kind == "nodelink" else ()))
        while len(started) < count:
            run_dir = self._music.parent / f"{kind}-{len(started)}"
            server = Genuine(Path(named), run_dir, *options)
            self._stack.callback(self._stop, server)
            started.append(server)
        for server in started[:count]:
            if not self._is_up(server):  # a NodeLink may end when a connection is lost
                server.restart()
        return [(int(server.uri.rpartition(":")[2]), PASSWORD) for server in started[:count]]

    def tracks(self, kind: str) -> dict[str, str]:
        return identifiers(kind, self._address)

    @staticmethod
    def _is_up(server: Genuine) -> bool:
        try:
            socket.create_connection(("127.0.0.1", int(server.uri.rpartition(":")[2])), timeout=5.0).close()
        except OSError:
            return False
        return True

    @staticmethod
    def _stop(server: Genuine) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself
            server.stop()


def record(file: Path) -> None:
    """Write silence of the right length."""
    with wave.open(str(file), "wb") as audio:
        audio.setnchannels(2)
        audio.setsampwidth(2)
        audio.setframerate(48_000)
        audio.writeframes(bytes(4 * 48_000 * SECONDS))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a web server with the files of a folder."""
    loop = asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_static("/", folder)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="session", params=["simulated", "genuine"])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Nodes of each origin that is to be had."""
    with ExitStack() as stack:
        if request.param == "simulated":
            profiles = [NodeProfile(identifier=f"lavalink-{n}", tracks=RULES) for n in (1, 2)]
            profiles += [NodeProfile.nodelink(identifier=f"nodelink-{n}", guards=()) for n in (1, 2)]
            yield Simulated(stack.enter_context(Simulator(profiles)))
            return
        folder = genuine_folder()
        if folder is None:
            pytest.skip("there is no genuine Lavalink here: set REVVLINK_TEST_GENUINE to a folder with one")
        music = tmp_path_factory.mktemp("genuine") / "files"
        music.mkdir()
        record(music / FILE)
        yield Real(stack, folder, request.getfixturevalue("voice"), music)
