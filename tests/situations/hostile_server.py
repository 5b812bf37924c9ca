"""A server, and a configuration, with text that would take over a terminal in every field that they can fill."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import unicodedata
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web

from revvlink_cli.client.protocol.encoded_tracks import encode_track
from revvlink_cli.client.protocol.tracks import Playable

if TYPE_CHECKING:
    from collections.abc import Iterator

EMOJI = "\U0001f469\U0001f3fd\u200d\U0001f680"
"""One emoji of four characters; what joins them is invisible, and no offence."""

HOSTILE = (
    f"{EMOJI}\x1b]52;c;aGE=\x07\x1b]8;;http://e.invalid\x1b\\x\x1b]8;;\x1b\\\x1b[2J\x1b[31m\x9b1m\x90q\x9c\x01\x7f\x85"
    "\u202eevil\u202c\u2066\u2069\u200b\u200d\u200f\u061c\u2028\ufeff\u00ad\u115f\U000e0041\ufe0f\tt\nl\r[red]|<b>*=1+1"
)
"""A clipboard that is written to, a link, an empty screen, colours, other directions, nothing seen, fields, lines."""

LABEL = f"={EMOJI}\u202eevil\u202c\u2066\u2069\u200b\u200d\u200f\u061c\ufeff\u00ad\u115f\U000e0041\ufe0f[red]|<b>*1"
"""The same for regions and tags, in which a configuration refuses control characters."""

NAME = "=no\u115f\ufe0f\u3164|<b>1"
"""The same for nodes, whose names are visible text, or what Python takes for it."""

FORMULA = "=HYPERLINK(1)"

GUILD = "817327181659110001"
SESSION = "session"
PASSWORD = "pw-hostile"

_INVISIBLE = set("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u3164\uffa0") | set(
    map(chr, range(0xFE00, 0xFE10))
)


def offences(text: str, allowed: str = "\n") -> list[str]:
    """Characters of an output that a terminal acts on, or that are not to be seen."""
    return sorted(
        {
            f"U+{ord(char):04X}"
            for char in text.replace(EMOJI, "")
            if (unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") or char in _INVISIBLE)
            and char not in allowed
        }
    )


def without_screen(text: str) -> str:
    """What a command wrote on a terminal, without the sequences that this program itself draws with."""
    return re.sub(r"\x1b\[(?:\?(?:1049|25|2026|7)[hl]|[0-2]?[JKH]|\d+A|\d+;1H|[0127]m)", "", text).replace("\r", "")


def track(title: str = HOSTILE, *, is_stream: bool = False) -> dict[str, Any]:
    """A track in the form of the protocol."""
    playable = Playable(
        encoded="-", identifier=HOSTILE, title=title, author=HOSTILE, length=1000, is_stream=is_stream, uri=HOSTILE,
        artwork=HOSTILE, isrc=HOSTILE, source="http", plugin_info={HOSTILE: HOSTILE},
    )  # fmt: skip
    payload: dict[str, Any] = playable.to_payload()
    return payload | {"encoded": encode_track(playable)}


def _found(identifier: str) -> dict[str, Any]:
    if "fails" in identifier:
        told = {"message": HOSTILE, "severity": "fault", "cause": HOSTILE, "causeStackTrace": HOSTILE}
        return {"loadType": "error", "data": told}
    if "list" in identifier:
        info = {"name": HOSTILE, "selectedTrack": 1}
        return {"loadType": "playlist", "data": {"info": info, "pluginInfo": {}, "tracks": [track(), track(FORMULA)]}}
    return {"loadType": "search", "data": [track(), track(FORMULA), track(is_stream=True)]}


_PLAYER = {
    "guildId": GUILD,
    "track": track(),
    "volume": 100,
    "paused": False,
    "state": {"time": 1, "position": 1, "connected": True, "ping": 1},
    "voice": {"token": HOSTILE, "endpoint": HOSTILE, "sessionId": HOSTILE, "channelId": HOSTILE},
    "filters": {HOSTILE: HOSTILE},
}
_STATS = {
    "frameStats": None,
    "players": 1,
    "playingPlayers": 1,
    "uptime": 60_000,
    "memory": {"free": 1, "used": 2, "allocated": 3, "reservable": 4},
    "cpu": {"cores": 4, "systemLoad": 0.5, "lavalinkLoad": 0.1},
}
_INFO = {
    "version": {"semver": HOSTILE, "major": 4, "minor": 2, "patch": 2, "preRelease": HOSTILE, "build": HOSTILE},
    "buildTime": 1,
    "git": {"branch": HOSTILE, "commit": HOSTILE, "commitTime": 1},
    "jvm": HOSTILE,
    "lavaplayer": HOSTILE,
    "sourceManagers": ["http", "youtube", HOSTILE],
    "filters": [HOSTILE],
    "plugins": [{"name": HOSTILE, "version": HOSTILE}],
    HOSTILE: HOSTILE,
}
_PLANNER = {
    "class": HOSTILE,
    "details": {
        "ipBlock": {"type": HOSTILE, "size": HOSTILE},
        "failingAddresses": [{"failingAddress": HOSTILE, "address": HOSTILE, "failingTime": HOSTILE}],
    },
}
_MESSAGES = (
    {"op": "ready", "resumed": False, "sessionId": HOSTILE},
    {"op": "stats", **_STATS},
    {"op": HOSTILE},
    {"op": "event", "type": HOSTILE, "guildId": GUILD, HOSTILE: HOSTILE},
    {"op": "event", "type": "TrackStartEvent", "guildId": HOSTILE, "track": track()},
    {"op": "event", "type": "TrackExceptionEvent", "guildId": HOSTILE, "track": track(),
     "exception": {"message": HOSTILE, "severity": "fault", "cause": HOSTILE, "causeStackTrace": HOSTILE}},
    {"op": "event", "type": "WebSocketClosedEvent", "guildId": HOSTILE, "code": 4006, "reason": HOSTILE,
     "byRemote": True},
    {"op": "playerUpdate", "guildId": HOSTILE, "state": {"time": 1, "position": HOSTILE}},
)  # fmt: skip


def _application() -> web.Application:
    def answer(value: Any, status: int = 200) -> web.Response:
        return web.Response(
            text=json.dumps(value),
            status=status,
            content_type="application/json",
            headers={"Lavalink-Api-Version": "4"},
        )

    async def handle(request: web.Request) -> web.StreamResponse:
        path = request.path
        if path == "/version":
            return web.Response(text=HOSTILE, headers={"Lavalink-Api-Version": "4"})
        if path.startswith("/broken"):
            return answer({"timestamp": 1, "status": 500, "error": HOSTILE, "message": HOSTILE, "path": HOSTILE}, 500)
        if path == "/v4/websocket":
            return await _socket(request)
        if path == "/v4/decodetracks":
            return answer([track()])
        if path.startswith("/v4/sessions/"):
            return answer([_PLAYER] if request.method == "GET" else None)
        answers = {"/v4/info": _INFO, "/v4/stats": _STATS, "/v4/routeplanner/status": _PLANNER}
        if path in answers:
            return answer(answers[path])
        if path == "/v4/loadtracks":
            return answer(_found(request.query["identifier"]))
        return answer({"timestamp": 1, "status": 400, "error": HOSTILE, "message": HOSTILE, "path": HOSTILE}, 400)

    async def _socket(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for message in _MESSAGES:
            await socket.send_str(json.dumps(message))
        await asyncio.sleep(1.5)
        await socket.close(code=4000, message=HOSTILE.encode()[:100])
        return socket

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    return app


@contextmanager
def serving() -> Iterator[int]:
    """Such a server on a port of its own, in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[web.AppRunner, int]:
        runner = web.AppRunner(_application(), shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, runner.addresses[0][1]

    runner, port = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    try:
        yield port
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
