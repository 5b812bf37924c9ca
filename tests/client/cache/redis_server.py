"""What the tests of the cache share: results to keep, and a genuine Redis server."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from revvlink_cli.client.cache.entries import Key, entry_for
from revvlink_cli.client.protocol.tracks import Playable, Playlist, PlaylistInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from revvlink_cli.client.cache.entries import Entry, Loaded
    from revvlink_cli.simulator import SimulatedNode


def track(title: str = "Night", **more: object) -> Playable:
    """A track."""
    return Playable(encoded=f"QAAA{title}", title=title, author="A", length=1000, identifier=title, **more)  # type: ignore[arg-type]


def entry(query: str, *titles: str, node: str | None = None, age: float = 0.0, ttl: float = 60.0) -> Entry:
    """An entry with these tracks, stored `age` seconds ago."""
    loaded: Loaded = tuple(map(track, titles or ("Night",)))
    made = entry_for(Key.of(query, node), loaded, now=time.time() - age, ttl=ttl)
    assert made is not None
    return made


def loads(node: SimulatedNode) -> int:
    """How many loads were asked of the node."""
    return sum(path.startswith("/v4/loadtracks") for _, path in node.requests)


def playlist() -> Playlist:
    """A playlist with all that one can have."""
    info = PlaylistInfo("Mix", "https://example.invalid/mix")
    return Playlist(
        name="Mix",
        selected=1,
        tracks=(track("One", playlist=info), track("Two \ud800", playlist=info, user_data={"by": ["me", 1]})),
        type="album",
        url="https://example.invalid/mix",
        author="Somebody",
        plugin_info={"type": "album", "url": "https://example.invalid/mix", "author": "Somebody"},
        extra={"info": {"colour": "blue"}},
    )


class RedisServer:
    """A genuine Redis on a free loopback port.

    Attributes:
        url: Its address.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        self._process = subprocess.Popen(
            [*command, str(self._folder), *self._options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                probe.settimeout(1)
                probe.sendall(b"PING\r\n")
                if probe.recv(64):
                    return
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

    def send(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[RedisServer]:
    """A genuine Redis server; where none is installed the test is skipped, unless CI says that there is one."""
    if shutil.which("redis-server") is None and not os.environ.get("REVVLINK_TEST_REDIS"):
        pytest.skip("redis-server is not installed")
    server = RedisServer(folder, *options)
    try:
        yield server
    finally:
        server.stop()
