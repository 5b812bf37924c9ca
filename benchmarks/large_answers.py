"""A search and a playlist whose answer has 16 MiB: how long the event loop stands still, and what memory it takes.

``python -m benchmarks.large_answers LOAD_TYPE`` is a program that loads one, a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from benchmarks.measure import A_LIMIT, Demand, Row, Samples, at_most
from benchmarks.storm import FakeNode, serving
from revvlink_cli.client.connection.exchange import MAX_BODY
from revvlink_cli.client.protocol.tracks import Playlist
from revvlink_cli.simulator.music import TRACKS

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 0.05
"""Seconds for which the event loop may stand still."""

SHARE = 6
"""How many times the answer's size the program may grow."""

REPEATS = 7
TICK = 0.001


def _tracks() -> Iterator[str]:
    """Tracks with texts of their own, until the answer is nearly as large as one may be."""
    size, number = 0, 0
    while size < MAX_BODY - 4096:
        track = TRACKS[number % len(TRACKS)].to_payload()
        track["encoded"] += f"{number:08}"
        track["info"] |= {"identifier": f"id{number}", "title": f"{track['info']['title']}, take {number}"}
        track["info"]["uri"] = f"https://tracks.invalid/watch?v={number:011}"
        text = json.dumps(track, separators=(",", ":"))
        size += len(text) + 1
        number += 1
        yield text


class _Loader(FakeNode):
    """A node whose answers to loads have 16 MiB."""

    def __init__(self) -> None:
        super().__init__(())
        tracks = ",".join(_tracks())
        playlist = f'{{"info":{{"name":"p","selectedTrack":-1}},"pluginInfo":{{}},"tracks":[{tracks}]}}'
        self._bodies = {
            "search": f'{{"loadType":"search","data":[{tracks}]}}'.encode(),
            "playlist": f'{{"loadType":"playlist","data":{playlist}}}'.encode(),
        }

    def application(self) -> web.Application:
        """Its routes."""
        app = super().application()
        app.router.add_get("/v4/loadtracks", self._load)
        return app

    async def _load(self, request: web.Request) -> web.Response:
        return web.Response(body=self._bodies[request.query["identifier"]], content_type="application/json")


def _resident(field: str) -> int:
    """Bytes of a field of this process's status: ``VmRSS`` is the memory now, ``VmHWM`` the most."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(field)


async def _load(load_type: str, uri: str) -> dict[str, Any]:
    """Load an answer of this type, while another task notes the longest time for which it could not run.

    It is the processor's time of the thread, since other programs on the machine delay a task too.
    """
    from revvlink_cli import Node, Pool

    await Pool.connect(nodes=[Node(uri=uri, password="x", resume_timeout=0)])
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            began = time.thread_time()
            await asyncio.sleep(TICK)
            longest = max(longest, time.thread_time() - began)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.05)
    longest, before = 0.0, _resident("VmRSS")
    found = await Pool.fetch_tracks(load_type)
    await asyncio.sleep(0.05)
    assert isinstance(found, Playlist) == (load_type == "playlist")
    ticking.cancel()
    await Pool.close()
    return {"blocked": longest, "grown": _resident("VmHWM") - before, "tracks": len(found)}


def _measured(load_type: str) -> Samples:
    blocked, grown = [], []
    with serving(_Loader()) as uri:
        for _ in range(REPEATS):
            command = [sys.executable, "-m", "benchmarks.large_answers", load_type, uri]
            done = json.loads(subprocess.run(command, check=True, timeout=120, stdout=subprocess.PIPE).stdout)
            blocked.append(done["blocked"])
            grown.append(done["grown"])
    times = max(grown) / MAX_BODY
    demand = Demand(f"at most {SHARE}x the answer in memory ({times:.1f}x)", times <= SHARE)
    return Samples(blocked, [LIMIT], demands=[demand])


def search() -> Samples:
    """The longest time for which the loop stands still during a search whose answer has 16 MiB."""
    return _measured("search")


def playlist() -> Samples:
    """The same for a playlist."""
    return _measured("playlist")


ROWS = {
    "search-16-mib": Row(
        search, A_LIMIT, at_most(1),
        "How long other tasks of a bot wait at most while a search with an answer of 16 MiB is read. No voice update "
        "and no heartbeat is late because one user asked for too much.",
    ),
    "playlist-16-mib": Row(
        playlist, A_LIMIT, at_most(1),
        "The same for a playlist of so many tracks.",
    ),
}  # fmt: skip

if __name__ == "__main__":
    print(json.dumps(asyncio.run(_load(sys.argv[1], sys.argv[2]))))
