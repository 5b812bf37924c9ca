"""The routes of a simulated NodeLink 3 that clients of Lavalink use.

It behaves as a single process of the recorded NodeLink 3.7.0, without its crashes.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from revvlink_cli.simulator.answers import match_headers
from revvlink_cli.simulator.music import SEARCHES, UNPLAYABLE_FILES, any_file, failing
from revvlink_cli.simulator.node import CLOSING, Node, version_info
from revvlink_cli.simulator.nodelink.answers import (
    HEADERS,
    Refused,
    decoded,
    decoded_payload,
    is_number,
    json_body,
    json_response,
    load_error,
    loaded_track,
    plain,
)
from revvlink_cli.simulator.nodelink.guards import FloodGuard, RateLimits
from revvlink_cli.simulator.nodelink.patches import apply, check
from revvlink_cli.simulator.nodelink.session import NodeLinkPlayer, NodeLinkSession
from revvlink_cli.simulator.track_rules import load

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.profile import NodeProfile
    from revvlink_cli.simulator.request_faults import RequestFaults

FIRST_STATS = 5.0
"""Seconds from the server's start to its first ``stats`` message."""

HEARTBEAT = 45.0
"""Seconds between two pings of the server."""

FILTERS = (
    "tremolo", "vibrato", "lowpass", "highpass", "rotation", "karaoke", "distortion", "channelMix", "equalizer",
    "chorus", "compressor", "echo", "phaser", "timescale",
)  # fmt: skip


async def _match_headers(request: web.Request, answer: web.StreamResponse) -> None:
    """Match the headers as for a Lavalink, and add those of a NodeLink to a 101."""
    await match_headers(request, answer)
    if answer.status == 101:
        answer.headers.update({"Upgrade": "websocket", "Sec-WebSocket-Version": "13"})


class NodeLink(Node):
    """The state and the handlers of one simulated NodeLink."""

    closing_code = 1000

    def __init__(
        self, profile: NodeProfile, clock: Clock, names: random.Random, faults: RequestFaults, *, uptime_ms: int
    ) -> None:
        super().__init__(profile, clock, names, faults, uptime_ms=uptime_ms)
        self._limits = RateLimits(self.clock) if "rate" in profile.guards else None
        self._guard = FloodGuard(self.clock) if "flood" in profile.guards else None
        self._asked: dict[str, int] = {}
        self._started = self.clock.now()

    def application(self) -> web.Application:
        """The routes, and the task that sends the statistics to all sessions at the same time."""
        app = web.Application(middlewares=[self.faults.middleware, self._frame], client_max_size=16 * 2**20)
        app.on_response_prepare.append(_match_headers)
        player = "/v4/sessions/{session}/players/{guild}"
        app.add_routes(
            [
                web.get("/version", self._version, allow_head=False),
                web.get("/v4/info", self._info, allow_head=False),
                web.get("/v4/stats", self._stats, allow_head=False),
                web.get("/v4/loadtracks", self._load, allow_head=False),
                web.get("/v4/decodetrack", self._decode, allow_head=False),
                web.post("/v4/decodetracks", self._decode_all),
                web.patch("/v4/sessions/{session}", self._patch_session),
                web.get("/v4/sessions/{session}/players", self._list_players, allow_head=False),
                web.get(player, self._get_player, allow_head=False),
                web.delete(player, self._delete_player),
                web.patch(player, self._patch_player),
                web.post("/v4/loadstream", self._load_stream),
                web.get("/v4/routeplanner", self._no_planner, allow_head=False),
            ]
        )
        app.on_startup.append(self._begin)
        return app

    async def _begin(self, _app: web.Application) -> None:
        task = asyncio.create_task(self._send_stats(), name=f"statistics of {self.profile.identifier}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send_stats(self) -> None:
        due = self._started + FIRST_STATS
        while True:
            await self.clock.wait(due)
            await self.clock.wait(math.inf, self.thawed)
            due = max(due + self.profile.stats_interval, self.clock.now())
            await self.push_stats()

    async def push_stats(self) -> None:
        """Send the statistics to every open session."""
        stats = self.stats()
        for session in tuple(self.sessions.values()):
            if isinstance(session, NodeLinkSession) and session.is_open and self.thawed.is_set():
                await session.send_shared_stats(stats)

    # The middleware around every route.

    @web.middleware
    async def _frame(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        await self._arrive()
        if request.headers.get("Upgrade", "").lower() == "websocket":  # the guards do not apply to handshakes
            return await self._shake_hands(request)
        if self._guard is not None:
            delay = self._guard.delay()
            if delay is None:
                return self._error(request, Refused(403, "Forbidden"))
            await self.clock.sleep(self.clock.of_client(delay))
        counted = None
        if self._limits is not None:
            guild = re.search("/players/([0-9]+)", request.path)
            counted = self._limits.count(request.headers.get("User-Id"), guild[1] if guild else None)
        if counted is not None and counted.is_refused:
            message = "You are sending too many requests. Please try again later."
            answer: web.StreamResponse = self._error(request, Refused(429, message))
        else:
            answer = await self._answered(request, handler)
        if counted is not None:
            answer.headers.update(counted.headers)
        return answer

    async def _answered(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        resource = request.match_info.route.resource
        route = re.sub(r"\{(\w+)\}", r":\1", resource.canonical if resource is not None else request.path)
        self._asked[route] = self._asked.get(route, 0) + 1
        if request.headers.get("Authorization") not in (self.profile.password, f"Bearer {self.profile.password}"):
            return plain("Unauthorized", 401)
        try:
            return await handler(request)
        except Refused as refused:
            return self._error(request, refused)
        except web.HTTPNotFound:
            return self._error(request, Refused(404, "The requested route was not found."))
        except web.HTTPMethodNotAllowed as error:
            allowed = [method for method in ("GET", "DELETE", "PATCH", "POST") if method in error.allowed_methods]
            if request.path.startswith("/v4/sessions/") and "/players" in request.path:
                allowed = ["GET", "DELETE", "PATCH"]
            return self._error(request, Refused(405, f"Method must be one of {', '.join(allowed)}"))
        except web.HTTPException as error:
            return self._error(request, Refused(error.status, error.reason))

    def _error(self, request: web.Request, refused: Refused) -> web.Response:
        body: dict[str, Any] = {
            "timestamp": int(time.time() * 1000),
            "status": refused.status,
            "error": refused.error,
        }
        if refused.traced or request.query.get("trace") == "true":
            body["trace"] = "Error\n    at simulated (file:///nodelink/simulated.js:1:1)"
        path = request.path if refused.status != 404 else request.path.removeprefix("//v4")
        return json_response(body | {"message": refused.message, "path": path}, refused.status)

    # Routes without a session.

    async def _version(self, _request: web.Request) -> web.Response:
        return plain(self.profile.version, 200)

    async def _info(self, _request: web.Request) -> web.Response:
        version = version_info(self.profile.version)
        del version["preRelease"]
        return json_response(
            {
                "version": {**version, "prerelease": [], "build": []},
                "buildTime": 1775339511000,
                "git": {"branch": "main", "commit": "5ca1ab1e", "commitTime": 1775339511000},
                "node": "v20.20.2",
                "voice": {"name": "@performanc/voice", "version": "github:PerformanC/voice"},
                "isNodelink": True,
                "sourceManagers": list(self.profile.sources),
                "filters": [name for name in FILTERS if name not in self.profile.disabled_filters],
                "plugins": self.profile.plugin_versions(),
            }
        )

    def stats(self, *, cpu_since: float | None = None) -> dict[str, Any]:
        """The statistics: the host's memory, the load average, and frames as totals of all sessions."""
        stats = super().stats(cpu_since=cpu_since)
        del stats["frameStats"]
        stats["memory"]["reservable"] = self.profile.memory_reservable
        stats["memory"]["free"] = self.profile.memory_reservable - stats["memory"]["used"]
        stats["cpu"] = {
            "cores": self.profile.cores,
            "systemLoad": round((self.system_load + self.load_of_players()) * self.profile.cores, 2),
            "nodelinkLoad": 0,
        }
        players = [player for session in self.sessions.values() for player in session.players.values()]
        expected = sum(player.frames for player in players if isinstance(player, NodeLinkPlayer))
        nulled = expected * self.profile.nulled_frames // 3000
        missing = expected * self.profile.missing_frames // 3000
        frames = {"sent": expected - nulled - missing, "nulled": nulled, "deficit": missing, "expected": expected}
        return stats | {"frameStats": frames if players else None}

    async def _stats(self, _request: web.Request) -> web.Response:
        api = {"requests": dict(self._asked), "errors": {}}
        stats = self.message_faults.stats(self.stats())
        return json_response(stats | {"detailedStats": {"api": api, "sources": {}, "playback": {"events": {}}}})

    async def _load(self, request: web.Request) -> web.Response:
        identifier = request.query.get("identifier", "").strip()
        if not identifier:
            raise Refused(400, "identifier parameter is required.", "missing identifier parameter", traced=True)
        prefix, colon, words = identifier.partition(":")
        known = prefix in ("local", "search", "sim") or SEARCHES.get(prefix) in self.profile.sources
        if colon and not known and not words.startswith("//"):
            message = f"Source or search alias not found for: {prefix}"
            raise Refused(500, message, "failed to load track", traced=True)
        if prefix == "local" and ".." in words:
            return json_response(load_error("Path traversal is not allowed."))
        return json_response(self._loaded(identifier))

    def _loaded(self, identifier: str) -> dict[str, Any]:
        if identifier.startswith("local:"):
            identifier = f"music/{identifier.removeprefix('local:').removeprefix('/media/')}"
        elif ":" not in identifier:
            identifier = f"music/{identifier.removeprefix('/media/')}"
        if identifier.startswith("music/") and identifier.removeprefix("music/") in (*UNPLAYABLE_FILES, "/media"):
            return {"loadType": "track", "data": loaded_track(any_file(identifier))}  # loaded does not mean playable
        found = load(identifier, self.profile.sources, self.profile.tracks)
        match found.kind:
            case "track":
                return {"loadType": "track", "data": loaded_track(found.tracks[0])}
            case "search":
                return {"loadType": "search", "data": [loaded_track(track) for track in found.tracks]}
            case "playlist":
                info = {"name": found.name, "selectedTrack": found.selected}
                tracks = [loaded_track(track) for track in found.tracks]
                return {"loadType": "playlist", "data": {"info": info, "pluginInfo": {}, "tracks": tracks}}
            case "error":
                if self.profile.tracks:
                    return load_error(found.message, found.severity)
                return load_error("Failed to resolve URL: the simulated source is out of order")
        if identifier.startswith(("http://", "https://")):
            return load_error("HTTP error 404 while resolving")
        return {"loadType": "empty", "data": {}}

    async def _decode(self, request: web.Request) -> web.Response:
        encoded = request.query.get("encodedTrack")
        if not encoded:
            raise Refused(400, "Missing encodedTrack parameter.", traced=True)
        return json_response(decoded_payload(encoded))

    async def _decode_all(self, request: web.Request) -> web.Response:
        tracks = await json_body(request)
        if not isinstance(tracks, list) or not tracks or not all(isinstance(track, str) for track in tracks):
            message = "encodedTracks parameter must be a non-empty array of strings."
            raise Refused(400, message, "Invalid request", traced=True)
        return json_response([decoded_payload(track) | {"details": []} for track in tracks])

    async def _load_stream(self, request: web.Request) -> web.Response:
        """Return three seconds of decoded audio, or none of a track that fails during playback."""
        if not self.profile.load_stream:
            raise Refused(404, "The requested route was not found.")
        body = await json_body(request)
        encoded = body.get("encodedTrack") if isinstance(body, dict) else None
        if not isinstance(encoded, str):
            raise Refused(400, "encodedTrack is required.", traced=True)
        track = decoded(encoded)
        seconds = 0 if failing(track) else 3
        wave = b"\0\0\0\0" if self.profile.audio == "silence" else b"\x00\x10\x00\xf0"
        headers = {**HEADERS, "Content-Type": "audio/l16;rate=48000;channels=2"}
        return web.Response(body=wave * 48_000 * seconds, headers=headers)

    async def _no_planner(self, _request: web.Request) -> web.Response:
        raise Refused(404, "The requested route planner endpoint was not found.")

    # Sessions and players.

    def _known(self, request: web.Request) -> NodeLinkSession:
        """The session of a request, whether it is open or not."""
        session = self.sessions.get(request.match_info["session"])
        if not isinstance(session, NodeLinkSession):
            raise Refused(404, "The provided sessionId doesn't exist.")
        return session

    async def _patch_session(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        session = self._known(request)
        if not isinstance(body, dict):
            raise Refused(400, "Invalid PATCH payload")
        resuming, timeout = body.get("resuming", session.resuming), body.get("timeout", session.timeout)
        if not isinstance(resuming, bool) or not is_number(timeout) or timeout < 0:
            raise Refused(400, "Invalid PATCH payload")
        session.resuming, session.timeout = resuming, timeout
        return json_response({"resuming": resuming, "timeout": timeout})

    async def _list_players(self, request: web.Request) -> web.Response:
        return json_response([player.payload() for player in self._known(request).players.values()])

    def _place(self, request: web.Request) -> tuple[NodeLinkSession, str]:
        guild = request.match_info["guild"]
        if not re.fullmatch(r"[0-9]{17,20}", guild):
            raise Refused(400, "Invalid path parameters")
        return self._known(request), guild

    async def _player(self, session: NodeLinkSession, guild: str) -> NodeLinkPlayer:
        """The player, which is created if there is none."""
        player = session.players.get(guild)
        if not isinstance(player, NodeLinkPlayer):
            player = session.players[guild] = NodeLinkPlayer(guild, self.clock)
            await session.created(player)
        return player

    async def _get_player(self, request: web.Request) -> web.Response:
        return json_response((await self._player(*self._place(request))).payload())

    async def _delete_player(self, request: web.Request) -> web.Response:
        session, guild = self._place(request)
        player = session.players.pop(guild, None)
        if player is None:
            raise Refused(404, "Player not found locally.")
        await session.destroy(player)
        return web.Response(status=204, headers=HEADERS)

    async def _patch_player(self, request: web.Request) -> web.Response:
        session, guild = self._place(request)
        body = await json_body(request)
        if request.query.get("noReplace", "false") not in ("true", "false"):
            raise Refused(400, "Invalid query parameters")
        track = check(body)
        player = await self._player(session, guild)
        try:
            await apply(session, player, body, track, no_replace=request.query.get("noReplace") == "true")
        finally:
            session.plan(player)  # a refused change may follow others that took effect
        return json_response(player.payload())

    # The websocket.

    async def _shake_hands(self, request: web.Request) -> web.StreamResponse:
        wrong = self._refusal_of(request)
        if wrong is not None:
            return plain(wrong[1], wrong[0], chunked=False)
        session = self.sessions.get(request.headers.get("Session-Id", ""))
        resumed = session is not None and session.claim()
        if session is None or not resumed:
            session = NodeLinkSession(self.new_id(), self.profile, self.clock, self.stats, self.thawed)
        heartbeat = self.clock.real(self.clock.of_client(HEARTBEAT))
        socket = web.WebSocketResponse(timeout=CLOSING, compress=False, autoping=False, heartbeat=heartbeat)
        try:
            await socket.prepare(request)
            if not resumed:
                self._register(session)
            await session.open(socket, resumed=resumed)
            async for message in socket:
                if message.type is WSMsgType.PING:
                    await socket.pong(b"")  # a NodeLink leaves out the payload of the ping
        finally:
            session.disconnected()
        return socket

    def _refusal_of(self, request: web.Request) -> tuple[int, str] | None:
        """Status and text of the response to an invalid handshake, None for a valid one."""
        user = request.headers.get("User-Id", "")
        if request.headers.get("Authorization") != self.profile.password:
            return 401, "Invalid password provided."
        if request.path.startswith("/v4/websocket/voice/"):
            return 404, "Voice websocket endpoint is disabled."
        if request.path != "/v4/websocket":
            return 404, "Invalid path for WebSocket upgrade."
        if not request.headers.get("Client-Name"):
            return 400, "Invalid or missing Client-Name header."
        if not user:
            return 400, "User-Id header is missing."
        if not re.fullmatch(r"[0-9]{18,19}", user):
            return 400, "Invalid User-Id header."
        return None
