"""The routes of a simulated node."""

from __future__ import annotations

import asyncio
import math
import re
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from revvlink_cli.simulator import prometheus, routeplanner, youtube
from revvlink_cli.simulator.answers import (
    API_HEADERS,
    BadRequest,
    Refusal,
    empty_answer,
    error_answer,
    json_answer,
    load_failure,
    match_headers,
)
from revvlink_cli.simulator.bodies import (
    ABSENT,
    boolean,
    decoded,
    flag,
    integer,
    is_long,
    json_body,
    mapping,
    snowflake,
    strings,
    text,
)
from revvlink_cli.simulator.filters import FILTERS
from revvlink_cli.simulator.message_faults import NO_FAULTS
from revvlink_cli.simulator.patches import Patch, update_player
from revvlink_cli.simulator.session import Session, new_session_id
from revvlink_cli.simulator.track_rules import load

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.profile import NodeProfile
    from revvlink_cli.simulator.request_faults import RequestFaults

CPU_INTERVAL = 30.0
"""Seconds over which the CPU is measured."""

CLOSING = 0.2
"""Seconds in which a client must answer a close frame."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Node:
    """The state and the handlers of one simulated node, from one start to the next stop.

    Attributes:
        closing_code: The close code for websockets when it stops.
        observer: Is called with every message to a client.
        message_faults: The faults of its messages and statistics.
    """

    closing_code = 1001

    def __init__(
        self, profile: NodeProfile, clock: Clock, names: random.Random, faults: RequestFaults, *, uptime_ms: int
    ) -> None:
        self.profile = profile
        self.clock = clock
        self.players = profile.players
        self.playing = profile.playing
        self.system_load = profile.system_load
        self.lavalink_load = profile.lavalink_load
        self.memory_used = profile.memory_used
        self.answer_delay = profile.answer_delay
        self.sessions: dict[str, Session] = {}
        self.observer: Callable[[Mapping[str, Any]], None] = lambda _: None
        self.message_faults = NO_FAULTS
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.answers = asyncio.Event()
        self.answers.set()
        self._freed: set[str] = set()
        self._names = names
        self._first_session = profile.first_session
        self._tasks: set[asyncio.Task[None]] = set()
        self.faults = faults
        self._began = self.clock.now() - uptime_ms / 1000
        self._rest_began = math.inf

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(middlewares=[self.faults.middleware, self._frame], client_max_size=16 * 2**20)
        app.on_response_prepare.append(match_headers)
        player = "/v4/sessions/{session}/players/{guild}"
        app.add_routes(
            [
                web.get("/version", self._version),
                web.get("/v4/info", self._info),
                web.get("/v4/stats", self._stats),
                web.get("/v4/loadtracks", self._load),
                web.get("/v4/decodetrack", self._decode),
                web.post("/v4/decodetracks", self._decode_all),
                web.get("/v4/routeplanner/status", self._planner_status),
                web.post("/v4/routeplanner/free/address", self._free_address),
                web.post("/v4/routeplanner/free/all", self._free_all),
                web.patch("/v4/sessions/{session}", self._patch_session),
                web.get("/v4/sessions/{session}/players", self._list_players),
                web.get(player, self._get_player),
                web.patch(player, self._patch_player),
                web.delete(player, self._delete_player),
                web.get("/v4/websocket", self._websocket, allow_head=False),
                web.get("/", self._nothing),
                web.get("/v3/websocket", self._nothing),
            ]
        )
        if self.profile.youtube_plugin is not None:
            youtube.add_routes(app, self.profile)
        if self.profile.metrics:
            app.router.add_get("/metrics", self._metrics)
        return app

    async def close(self, *, code: int | None) -> None:
        """End every session; with a code, close the websockets properly first."""
        if code is not None:
            sockets = [session.socket for session in self.sessions.values() if session.socket is not None]
            await asyncio.gather(*(socket.close(code=code) for socket in sockets))
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @web.middleware
    async def _frame(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Wrap every route: freeze, delay, password and error bodies."""
        await self._arrive()
        try:
            return await self._answer(request, handler)
        except Refusal as refusal:
            return error_answer(request, refusal)
        except web.HTTPNotFound:
            return error_answer(request, Refusal(404, f"No endpoint {request.method} {request.path}."))
        except web.HTTPMethodNotAllowed as error:
            allowed = ", ".join(method for method in _METHODS if method in error.allowed_methods - {"HEAD"})
            message = f"Method '{request.method}' is not supported."
            return error_answer(request, Refusal(405, message, headers={"Allow": allowed}))
        except web.HTTPException as error:  # an invalid handshake, or a body that is too large
            return empty_answer(error.status)

    async def _arrive(self) -> None:
        """Wait while the node is frozen, and wait for the delay."""
        await self.answers.wait()
        if self.answer_delay:
            await self.clock.sleep(self.clock.of_client(self.answer_delay))
            await self.answers.wait()

    async def _answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Check the password, except for unknown routes and methods, and call the handler."""
        wrong = request.match_info.http_exception
        is_question = request.method == "OPTIONS" and isinstance(wrong, web.HTTPMethodNotAllowed)
        if request.path == "/metrics":  # Prometheus needs no password
            return await handler(request)
        given = request.headers.get("Authorization")
        if given != self.profile.password and (wrong is None or is_question):
            return empty_answer(401 if given is None or request.path == "/v4/websocket" else 403)
        if is_question and isinstance(wrong, web.HTTPMethodNotAllowed):
            allowed = [method for method in _METHODS if method in wrong.allowed_methods]
            return empty_answer(headers={"Allow": ",".join((*allowed, "OPTIONS")), "Accept-Patch": ""})
        return await handler(request)

    async def _version(self, request: web.Request) -> web.Response:
        kind = request.headers.get("Accept", "*/*").partition(",")[0]
        if kind != "application/json":
            kind = "text/html;charset=ISO-8859-1" if kind == "text/html" else "text/plain;charset=ISO-8859-1"
        return web.Response(body=self.profile.version.encode(), headers={**API_HEADERS, "Content-Type": kind})

    async def _nothing(self, _request: web.Request) -> web.Response:
        return empty_answer()

    async def _info(self, _request: web.Request) -> web.Response:
        return json_answer(
            {
                "version": version_info(self.profile.version),
                "buildTime": 1772839275000,
                "git": {"branch": "HEAD", "commit": "5ca1ab1e", "commitTime": 1772839275000},
                "jvm": "17.0.15",
                "lavaplayer": "2.2.6",
                "sourceManagers": list(self.profile.sources),
                "filters": [name for name in FILTERS if name not in self.profile.disabled_filters],
                "plugins": [*self.profile.plugin_versions(), *youtube.plugin(self.profile)],
            }
        )

    def stats(self, *, cpu_since: float | None = None) -> dict[str, Any]:
        """The statistics without frames.

        Args:
            cpu_since: The start of the CPU measurement; None is the server's start. The load is 0 until the first
                measurement ends after `CPU_INTERVAL`.
        """
        known = self.clock.now() - (self._began if cpu_since is None else cpu_since) >= CPU_INTERVAL
        mine = [player for session in self.sessions.values() if session.is_open for player in session.players.values()]
        more = self.load_of_players()
        used, total = self.memory_used, self.profile.memory_reservable
        allocated = max(total // 2, used)
        return {
            "frameStats": None,
            "players": self.players + len(mine),
            "playingPlayers": self.all_playing(),
            "uptime": int((self.clock.now() - self._began) * 1000),
            "memory": {"free": allocated - used, "used": used, "allocated": allocated, "reservable": total},
            "cpu": {
                "cores": self.profile.cores,
                "systemLoad": min(self.system_load + more, 1.0) if known else 0.0,
                "lavalinkLoad": min(self.lavalink_load + more, 1.0) if known else 0.0,
            },
        }

    def all_playing(self) -> int:
        """The number of playing players of all connected sessions."""
        sessions = [session for session in self.sessions.values() if session.is_open]
        return self.playing + sum(player.is_playing for session in sessions for player in session.players.values())

    def load_of_players(self) -> float:
        """What the playing players add to the load, 0 to 1."""
        return self.profile.player_load * self.all_playing() / self.profile.cores

    async def _stats(self, _request: web.Request) -> web.Response:
        self._rest_began = min(self._rest_began, self.clock.now())  # REST has a CPU measurement of its own
        return json_answer(self.message_faults.stats(self.stats(cpu_since=self._rest_began)))

    async def close_voice(self, guild_id: str, code: int) -> None:
        """Simulate that Discord closes the voice connection of a guild's player; "" is every guild."""
        for session in tuple(self.sessions.values()):
            for guild, player in tuple(session.players.items()):
                if guild_id in ("", guild):
                    await session.lose_voice(player, code)

    def new_id(self) -> str:
        """The id of a new session."""
        given, self._first_session = self._first_session, None
        return given or new_session_id(self._names)

    async def push_stats(self) -> None:
        """Send the statistics to every open session, unless the node is frozen."""
        for session in tuple(self.sessions.values()):
            if session.is_open and self.thawed.is_set():
                await session.send_stats()

    async def _load(self, request: web.Request) -> web.Response:
        if "identifier" not in request.query:
            raise Refusal(400, "Required parameter 'identifier' is not present.")
        found = load(",".join(request.query.getall("identifier")), self.profile.sources, self.profile.tracks)
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
                data = load_failure(found.reason, found.message, found.severity)
        return json_answer({"loadType": found.kind, "data": data})

    async def _decode(self, request: web.Request) -> web.Response:
        encoded = request.query.get("encodedTrack", request.query.get("track"))
        if encoded is None:
            raise Refusal(400, "No track to decode provided")
        return json_answer(decoded(encoded, self.profile.sources).to_payload())

    async def _decode_all(self, request: web.Request) -> web.Response:
        tracks = strings(await json_body(request))
        if not tracks:
            raise Refusal(400, "No tracks to decode provided")
        return json_answer([decoded(track, self.profile.sources).to_payload() for track in tracks])

    async def _planner_status(self, _request: web.Request) -> web.Response:
        strategy = self.profile.route_planner
        if strategy is None:
            return empty_answer(204)
        failing, block = self.profile.failing_addresses, self.profile.address_block
        return json_answer(routeplanner.status(strategy, failing=failing, freed=self._freed, block=block))

    async def _free_address(self, request: web.Request) -> web.Response:
        address = text(mapping(await json_body(request)), "address")
        if address is ABSENT:
            raise BadRequest
        if self.profile.route_planner is not None:
            routeplanner.check_address(address)
        return self._free([address])

    async def _free_all(self, _request: web.Request) -> web.Response:
        return self._free(routeplanner.failing_addresses(self.profile.failing_addresses))

    def _free(self, addresses: Iterable[str]) -> web.Response:
        if self.profile.route_planner is None:
            raise Refusal(500, "Can't access disabled route planner")
        self._freed.update(addresses)
        return empty_answer(204)

    async def _metrics(self, _request: web.Request) -> web.Response:
        kind = "text/plain;version=0.0.4;charset=utf-8"
        return web.Response(
            body=prometheus.metrics(self.stats()).encode(), headers={**API_HEADERS, "Content-Type": kind}
        )

    def _session(self, request: web.Request) -> Session:
        session = self.sessions.get(request.match_info["session"])
        if session is None or not session.is_open:  # a session that waits for a resume counts as unknown
            raise Refusal(404, "Session not found")
        return session

    async def _patch_session(self, request: web.Request) -> web.Response:
        body = mapping(await json_body(request))
        resuming, timeout = boolean(body, "resuming"), integer(body, "timeout")
        session = self._session(request)
        session.resuming = session.resuming if resuming is ABSENT else resuming
        session.timeout = session.timeout if timeout is ABSENT else timeout
        return json_answer({"resuming": session.resuming, "timeout": session.timeout})

    async def _list_players(self, request: web.Request) -> web.Response:
        return json_answer([player.payload() for player in self._session(request).players.values()])

    async def _get_player(self, request: web.Request) -> web.Response:
        guild = snowflake(request.match_info["guild"])
        player = self._session(request).players.get(guild)
        if player is None:
            raise Refusal(404, "Player not found")
        return json_answer(player.payload())

    async def _patch_player(self, request: web.Request) -> web.Response:
        guild, no_replace = snowflake(request.match_info["guild"]), flag(request.query.get("noReplace", "false"))
        patch = Patch.read(await json_body(request), needs_channel=self.profile.dave_version > 0)
        player = await update_player(self._session(request), guild, patch, no_replace=no_replace)
        answer = json_answer(player.payload())
        player.report_frames()
        return answer

    async def _delete_player(self, request: web.Request) -> web.Response:
        guild = snowflake(request.match_info["guild"])
        session = self._session(request)
        player = session.players.pop(guild, None)
        if player is not None:
            await session.end(player, "stopped")
            await session.disconnect(player)
        return empty_answer(204)

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("User-Id", "") in ("", "0"):
            return empty_answer(400)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            headers = {**API_HEADERS, "Session-Resumed": "false"}
            return web.Response(status=400, body=b'Can "Upgrade" only to "WebSocket".', headers=headers)
        session = self.sessions.get(request.headers.get("Session-Id", ""))
        resumed = session is not None and session.claim()
        if session is None or not resumed:
            session = Session(self.new_id(), self.profile, self.clock, self.stats, self.thawed)
        socket = web.WebSocketResponse(timeout=CLOSING, compress=False)
        socket.headers.update({**API_HEADERS, "Session-Resumed": str(resumed).lower()})
        socket.headers["Sec-WebSocket-Location"] = f"ws://{request.host}/v4/websocket"
        try:
            await socket.prepare(request)
            if not is_long(request.headers["User-Id"]):
                await socket.close(code=1011)
                return socket
            if not resumed:
                self._register(session)
            await session.open(socket, resumed=resumed)
            await self._read(socket)
        finally:
            session.disconnected()
        return socket

    def _register(self, session: Session) -> None:
        """Register a session, and run it in a task of its own."""
        self.sessions[session.identifier] = session
        session.observer, session.faults = self.observer, self.message_faults
        task = asyncio.create_task(self._run(session), name=f"session {session.identifier}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, session: Session) -> None:
        try:
            await session.run()
        finally:
            del self.sessions[session.identifier]

    async def _read(self, socket: web.WebSocketResponse) -> None:
        """Read until the client disconnects: ignore text, close after binary data."""
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.close(code=1003)


def version_info(version: str) -> dict[str, Any]:
    """The parts of a version in ``/v4/info``; a version that is not semantic, such as a snapshot's, has only zeros."""
    parts = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)(?:-([\w.-]+))?", version, re.ASCII)
    major, minor, patch = (int(part) for part in parts.groups()[:3]) if parts else (0, 0, 0)
    before = (parts[4] or "") if parts else None
    return {"semver": version, "major": major, "minor": minor, "patch": patch, "preRelease": before}
