"""The routes of a simulated node."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from revvlink_cli.client.tracks import Playable, TrackDecodeError, decode_track
from revvlink_cli.simulator.answers import API_HEADERS, Refusal, error_answer, json_answer, load_failure
from revvlink_cli.simulator.catalogue import FILTERS, SOURCES, look_up
from revvlink_cli.simulator.players import update_player
from revvlink_cli.simulator.session import Session, new_session_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from revvlink_cli.simulator.profile import NodeProfile

REMEMBERED = 1000
"""Requests that are remembered."""


class Node:
    """The state and the handlers of one simulated node, from one start to the next stop."""

    def __init__(self, profile: NodeProfile) -> None:
        self.profile = profile
        self.players = profile.players
        self.playing = profile.playing
        self.system_load = profile.system_load
        self.sessions: dict[str, Session] = {}
        self.requests: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)
        self.thawed = asyncio.Event()
        self.thawed.set()
        self._random = random.Random(profile.identifier)  # noqa: S311 - names for a simulation
        self._began = time.monotonic()

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=[self._frame], client_max_size=16 * 2**20)
        add = app.router.add_route
        add("GET", "/version", self._version)
        add("GET", "/v4/info", self._info)
        add("GET", "/v4/stats", self._stats)
        add("GET", "/v4/loadtracks", self._load)
        add("GET", "/v4/decodetrack", self._decode)
        add("POST", "/v4/decodetracks", self._decode_all)
        add("GET", "/v4/routeplanner/status", self._no_planner)
        add("POST", "/v4/routeplanner/free/address", self._free)
        add("POST", "/v4/routeplanner/free/all", self._free)
        add("PATCH", "/v4/sessions/{session}", self._patch_session)
        add("GET", "/v4/sessions/{session}/players", self._list_players)
        add("GET", "/v4/sessions/{session}/players/{guild}", self._get_player)
        add("PATCH", "/v4/sessions/{session}/players/{guild}", self._patch_player)
        add("DELETE", "/v4/sessions/{session}/players/{guild}", self._delete_player)
        add("GET", "/v4/websocket", self._websocket)
        add("GET", "/", self._empty)
        add("GET", "/v3/websocket", self._empty)
        return app

    @web.middleware
    async def _frame(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """What stands around every route: the freeze, the delay, the password, and error bodies."""
        self.requests.append((request.method, request.path_qs))
        await self.thawed.wait()
        if self.profile.answer_delay:
            await asyncio.sleep(self.profile.answer_delay)
        try:
            if not isinstance(request.match_info.http_exception, web.HTTPNotFound):
                refused = self._refuse_password(request)
                if refused is not None:
                    return refused
            return await handler(request)
        except Refusal as refusal:
            return error_answer(request, refusal)
        except web.HTTPNotFound:
            return error_answer(request, Refusal(404, f"No endpoint {request.method} {request.path}."))
        except web.HTTPMethodNotAllowed as error:
            allowed = ",".join(sorted(error.allowed_methods - {"HEAD"}))
            message = f"Method '{request.method}' is not supported."
            return error_answer(request, Refusal(405, message, headers={"Allow": allowed}))

    def _refuse_password(self, request: web.Request) -> web.Response | None:
        given = request.headers.get("Authorization")
        if given == self.profile.password:
            return None
        missing = given is None or request.path == "/v4/websocket"
        return web.Response(status=401 if missing else 403, headers=API_HEADERS)

    async def _version(self, _request: web.Request) -> web.Response:
        kind = {"Content-Type": "text/plain;charset=ISO-8859-1"}
        if _request.headers.get("Accept") == "application/json":
            kind = {"Content-Type": "application/json"}
        return web.Response(body=self.profile.version.encode(), headers={**API_HEADERS, **kind})

    async def _empty(self, _request: web.Request) -> web.Response:
        return web.Response(headers=API_HEADERS)

    async def _info(self, _request: web.Request) -> web.Response:
        numbers = self.profile.version.split("-")[0].split(".")
        major, minor, patch = (int(part) if part.isdecimal() else 0 for part in (*numbers, "0", "0")[:3])
        return json_answer(
            {
                "version": {
                    "semver": self.profile.version,
                    "major": major,
                    "minor": minor,
                    "patch": patch,
                    "preRelease": "",
                },
                "buildTime": 1772839275000,
                "git": {"branch": "HEAD", "commit": "5ca1ab1e", "commitTime": 1772839275000},
                "jvm": "17.0.15",
                "lavaplayer": "2.2.6",
                "sourceManagers": list(SOURCES),
                "filters": list(FILTERS),
                "plugins": [{"name": "simulator", "version": "1.0.0"}],
            }
        )

    def stats(self) -> dict[str, Any]:
        """The statistics; never with frames, as for a session without players of its own."""
        mine = [player for session in self.sessions.values() if session.is_open for player in session.players.values()]
        used, total = self.profile.memory_used, self.profile.memory_reservable
        return {
            "frameStats": None,
            "players": self.players + len(mine),
            "playingPlayers": self.playing + sum(player.is_playing for player in mine),
            "uptime": self.profile.uptime_ms + int((time.monotonic() - self._began) * 1000),
            "memory": {"free": max(total // 2 - used, 0), "used": used, "allocated": total // 2, "reservable": total},
            "cpu": {
                "cores": self.profile.cores,
                "systemLoad": self.system_load,
                "lavalinkLoad": self.profile.lavalink_load,
            },
        }

    async def _stats(self, _request: web.Request) -> web.Response:
        return json_answer(self.stats())

    async def push_stats(self) -> None:
        """Send the statistics to every session now."""
        message = {"op": "stats", **self.stats()}
        for session in tuple(self.sessions.values()):
            if session.is_open:
                await session.send(message)

    async def _load(self, request: web.Request) -> web.Response:
        if "identifier" not in request.query:
            raise Refusal(400, "Required parameter 'identifier' is not present.")
        found = look_up(request.query["identifier"])
        data: Any = None
        match found.kind:
            case "track":
                data = found.tracks[0].to_payload()
            case "search":
                data = [track.to_payload() for track in found.tracks]
            case "playlist":
                data = {
                    "info": {"name": found.name, "selectedTrack": found.selected},
                    "pluginInfo": {},
                    "tracks": [track.to_payload() for track in found.tracks],
                }
            case "error":
                data = load_failure()
        return json_answer({"loadType": found.kind, "data": data})

    async def _decode(self, request: web.Request) -> web.Response:
        encoded = request.query.get("encodedTrack", request.query.get("track", ""))
        if not encoded:
            raise Refusal(400, "No track to decode provided")
        return json_answer(decoded(encoded).to_payload())

    async def _decode_all(self, request: web.Request) -> web.Response:
        tracks = await json_body(request)
        if not isinstance(tracks, list) or not all(isinstance(track, str) for track in tracks):
            raise Refusal(400, "Bad Request")
        if not tracks:
            raise Refusal(400, "No tracks to decode provided")
        return json_answer([decoded(track).to_payload() for track in tracks])

    async def _no_planner(self, _request: web.Request) -> web.Response:
        return web.Response(status=204, headers=API_HEADERS)

    async def _free(self, _request: web.Request) -> web.Response:
        raise Refusal(500, "Can't access disabled route planner")

    def _session(self, request: web.Request) -> Session:
        session = self.sessions.get(request.match_info["session"])
        if session is None or not session.is_open:  # one that waits to be resumed is not to be seen
            raise Refusal(404, "Session not found")
        return session

    async def _patch_session(self, request: web.Request) -> web.Response:
        session = self._session(request)
        body = await json_body(request)
        resuming, timeout = body.get("resuming", session.resuming), body.get("timeout", session.timeout)
        if not isinstance(resuming, bool) or not isinstance(timeout, int) or isinstance(timeout, bool):
            raise Refusal(400, "Bad Request")
        session.resuming, session.timeout = resuming, timeout
        return json_answer({"resuming": resuming, "timeout": timeout})

    async def _list_players(self, request: web.Request) -> web.Response:
        return json_answer([player.payload() for player in self._session(request).players.values()])

    def _guild(self, request: web.Request) -> str:
        guild = request.match_info["guild"]
        if not guild.isdecimal():
            raise Refusal(400, "Bad Request")
        return guild

    async def _get_player(self, request: web.Request) -> web.Response:
        player = self._session(request).players.get(self._guild(request))
        if player is None:
            raise Refusal(404, "Player not found")
        return json_answer(player.payload())

    async def _patch_player(self, request: web.Request) -> web.Response:
        session, guild = self._session(request), self._guild(request)
        no_replace = request.query.get("noReplace", "false").lower()
        if no_replace not in ("true", "false"):
            raise Refusal(400, "Bad Request")
        player = await update_player(session, guild, await json_body(request), no_replace=no_replace == "true")
        return json_answer(player.payload())

    async def _delete_player(self, request: web.Request) -> web.Response:
        session, guild = self._session(request), self._guild(request)
        player = session.players.pop(guild, None)
        if player is not None:
            await session.end(player, "stopped")
        return web.Response(status=204, headers=API_HEADERS)

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("User-Id", "") in ("", "0"):
            return web.Response(status=400, headers=API_HEADERS)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            headers = {**API_HEADERS, "Session-Resumed": "false"}
            return web.Response(status=400, text='Can "Upgrade" only to "WebSocket".', headers=headers)
        wanted = self.sessions.get(request.headers.get("Session-Id", ""))
        resumed = wanted is not None and not wanted.is_open
        session = wanted if wanted is not None and resumed else Session(new_session_id(self._random))
        socket = web.WebSocketResponse(timeout=1.0, compress=False)
        socket.headers.update({**API_HEADERS, "Session-Resumed": str(resumed).lower()})
        await socket.prepare(request)
        if not is_long(request.headers["User-Id"]):
            await socket.close(code=1011)
            return socket
        session.socket = socket
        self.sessions[session.identifier] = session
        try:
            async with asyncio.TaskGroup() as group:
                pulse = group.create_task(self._pulse(session, resumed=resumed))
                await self._read(socket)
                pulse.cancel()
        finally:
            session.socket = None
            self._part_with(session)
        return socket

    async def _read(self, socket: web.WebSocketResponse) -> None:
        """Until the client leaves: text is ignored, binary is not borne."""
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.close(code=1003)
                return

    async def _pulse(self, session: Session, *, resumed: bool) -> None:
        """What a session is sent by itself."""
        await session.send({"op": "ready", "resumed": resumed, "sessionId": session.identifier})
        if resumed:
            await session.replay()
        else:
            await session.send({"op": "stats", **self.stats()})
        async with asyncio.TaskGroup() as group:
            group.create_task(session.run(self.profile.player_update_interval))
            while True:
                await asyncio.sleep(self.profile.stats_interval)
                await self.thawed.wait()
                await session.send({"op": "stats", **self.stats()})

    def _part_with(self, session: Session) -> None:
        """Forget the session, now or when nobody has taken it up again in time."""
        if not session.resuming:
            self.sessions.pop(session.identifier, None)
            return

        def expire() -> None:
            if not session.is_open:
                self.sessions.pop(session.identifier, None)

        asyncio.get_running_loop().call_later(max(session.timeout, 0), expire)


def decoded(encoded: str) -> Playable:
    """A track from its encoded form, or the stumble of the genuine server."""
    try:
        return decode_track(encoded)
    except TrackDecodeError as error:
        message = f"Request processing failed: java.lang.IllegalArgumentException: {error}"
        raise Refusal(500, message, is_defect=True) from None


async def json_body(request: web.Request) -> Any:
    """The request's JSON, or the genuine server's refusal."""
    kind = request.content_type
    data = await request.read()
    if data and kind != "application/json" and not kind.endswith("+json"):
        sent = request.headers.get("Content-Type", "application/octet-stream")
        accepted = {"Accept": "application/json, application/*+json"}
        raise Refusal(415, f"Content-Type '{sent}' is not supported.", headers=accepted)
    with suppress(ValueError, RecursionError):
        body = json.loads(data)
        if isinstance(body, (dict, list)):
            return body
    raise Refusal(400, "Bad Request")


def is_long(text: str) -> bool:
    """Whether Java reads the text as a ``long``."""
    digits = text.removeprefix("-")
    return digits.isdecimal() and digits.isascii() and -(2**63) <= int(text) < 2**63
