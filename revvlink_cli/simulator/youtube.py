"""The routes of the YouTube plugin on a simulated Lavalink."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from aiohttp import web

from revvlink_cli.simulator.answers import API_HEADERS, Refusal, json_answer
from revvlink_cli.simulator.music import FAILURES

if TYPE_CHECKING:
    from revvlink_cli.simulator.profile import NodeProfile

STREAM_BYTES = 200_000
"""Bytes of a stream."""


def plugin(profile: NodeProfile) -> list[dict[str, Any]]:
    """The entry of the plugin in ``/v4/info``, if the node has it."""
    return [{"name": "youtube-plugin", "version": profile.youtube_plugin}] if profile.youtube_plugin else []


def add_routes(app: web.Application, profile: NodeProfile) -> None:
    """Add the routes of the plugin."""

    async def settings(_request: web.Request) -> web.Response:
        """Return the whole token, as the plugin does to every client with the node's password."""
        token = profile.youtube_token
        return json_answer({"refreshToken": (secrets.token_hex(20) if token is True else token) or None})

    async def stream(request: web.Request) -> web.Response:
        name = profile.youtube_failure or request.match_info["video"].removeprefix("sim-")
        if name in FAILURES:
            reason = FAILURES[name].partition(": ")[2]
            raise Refusal(400, f"This video cannot be loaded. Reason: {reason}")
        body = secrets.token_bytes(STREAM_BYTES)
        return web.Response(body=body, headers={**API_HEADERS, "Content-Type": "audio/webm"})

    app.router.add_get("/youtube", settings)
    app.router.add_get("/youtube/stream/{video}", stream)
