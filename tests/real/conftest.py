"""The servers that the commands are tried on: the simulator always, a genuine Lavalink where there is one.

A genuine one is started from the folder named by ``REVVLINK_TEST_GENUINE``; any other is used as it is when
``REVVLINK_TEST_URI``, ``REVVLINK_TEST_PASSWORD`` and ``REVVLINK_TEST_TRACK`` (an identifier that loads) name it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "a-password-for-tests"


@dataclass(frozen=True)
class Catalogue:
    """Identifiers and what they are; None where a server has no such thing."""

    track: str
    track_title: str | None = None
    words: str | None = None
    playlist: str | None = None
    selected_playlist: str | None = None
    stream: str | None = None
    nothing: str | None = None
    fails: str | None = None
    failure: str | None = None


class Server(Protocol):
    """A server under test."""

    uri: str
    password: str
    catalogue: Catalogue

    def kill(self) -> None:
        """End it without a word."""

    def freeze(self) -> None:
        """Let it take connections and answer nothing."""

    def thaw(self) -> None:
        """Undo `freeze`."""

    def restart(self) -> None:
        """Bring it back on the same port."""


class Simulated:
    """A simulated node."""

    catalogue = Catalogue(
        track="https://sim.invalid/1",
        words="night",
        playlist="sim:playlist",
        selected_playlist="sim:playlist",
        stream="sim:stream",
        nothing="ytsearch:zzzz-nothing-of-that-name",
        fails="sim:fails",
    )

    def __init__(self, simulator: Simulator) -> None:
        self._node = simulator["real"]
        self.uri = self._node.uri
        self.password = self._node.password

    def kill(self) -> None:
        self._node.kill()

    def freeze(self) -> None:
        self._node.freeze()

    def thaw(self) -> None:
        self._node.thaw()

    def restart(self) -> None:
        self._node.start()


class Genuine:
    """A genuine Lavalink 4.2.2, a process of its own."""

    catalogue = Catalogue(
        track="music/two.mp3",
        track_title="Two & a half + ü",
        words="demosearch:words",
        playlist="demo:playlist",
        selected_playlist="demo:playlist-selected",
        stream="demo:stream",
        nothing="demosearch:nothing",
        fails="demo:fails",
        failure="a plugin's own failure",
    )

    def __init__(self, folder: Path, run_dir: Path, *options: str) -> None:
        self._script = folder / "start.sh"
        self._options = options
        self._run_dir = run_dir
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}"
        self.password = PASSWORD
        self._pid = 0
        self.restart()

    def restart(self) -> None:
        started = subprocess.run(
            [str(self._script), str(self._port), self.password, *self._options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            env={**os.environ, "RUN_DIR": str(self._run_dir)},
            check=False,
        )
        assert started.returncode == 0, f"the genuine server did not start: {started.stdout}"
        self._pid = int(started.stdout.split()[-1])

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._gone()

    def stop(self) -> None:
        if self._pid:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGTERM)
            self._gone()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._pid:
            os.kill(self._pid, number)

    def _gone(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                self._pid = 0
                return
            time.sleep(0.05)
        raise AssertionError("the genuine server did not end")


class External:
    """A server somebody else runs: it is used, never stopped."""

    def __init__(self) -> None:
        self.uri = os.environ["REVVLINK_TEST_URI"]
        self.password = os.environ["REVVLINK_TEST_PASSWORD"]
        self.catalogue = Catalogue(track=os.environ["REVVLINK_TEST_TRACK"])

    def _not_ours(self) -> None:
        pytest.skip("the server named by REVVLINK_TEST_URI is not ours to stop")

    kill = freeze = thaw = restart = _not_ours


def genuine_folder() -> Path | None:
    """Where a genuine server can be started from."""
    named = os.environ.get("REVVLINK_TEST_GENUINE")
    return Path(named) if named else None


@pytest.fixture(scope="session")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Genuine]:
    """One genuine server for all tests."""
    folder = genuine_folder()
    if folder is None:
        pytest.skip("there is no genuine Lavalink here: set REVVLINK_TEST_GENUINE to a folder with one")
    server = Genuine(folder, tmp_path_factory.mktemp("lavalink"))
    yield server
    server.stop()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A stand-in for Discord's voice servers: its port, and the folder with its certificate."""
    folder = genuine_folder()
    if folder is None:
        pytest.skip("there is no genuine Lavalink here: set REVVLINK_TEST_GENUINE to a folder with one")
    port, place = free_port(), tmp_path_factory.mktemp("voice")
    with subprocess.Popen(
        [sys.executable, str(folder / "voice.py"), str(port), str(place)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        yield port, place
        process.terminate()


@pytest.fixture(scope="session", params=["simulator", "genuine", "external"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Every kind of server that is to be had."""
    match request.param:
        case "simulator":
            with Simulator([NodeProfile(identifier="real", region="us", password=PASSWORD)]) as simulator:
                yield Simulated(simulator)
        case "genuine":
            yield request.getfixturevalue("genuine")
        case _:
            if not os.environ.get("REVVLINK_TEST_URI"):
                pytest.skip("REVVLINK_TEST_URI names no server")
            yield External()
