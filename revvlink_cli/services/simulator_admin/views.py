"""How the admin API shows nodes, players, faults, requests and events."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from revvlink_cli.simulator.clock import Clock
    from revvlink_cli.simulator.event_log import SimulatorEvent
    from revvlink_cli.simulator.node_control import NodeControl
    from revvlink_cli.simulator.player import Player
    from revvlink_cli.simulator.requests import Request
    from revvlink_cli.simulator.timeline import PlannedFault

HIDDEN = ("authorization",)
"""Headers whose values are secrets, in small letters."""


def node_view(node: NodeControl) -> dict[str, Any]:
    """A node; its players are those of its sessions, not those of its statistics."""
    players = [player for session in node.sessions.values() for player in session.players.values()]
    profile = node.profile
    return {
        "name": profile.identifier,
        "kind": profile.dialect,
        "version": profile.version,
        "region": profile.region,
        "uri": node.uri,
        "is_up": node.is_up,
        "is_frozen": node.is_frozen,
        "sessions": len(node.sessions),
        "open_sockets": node.open_sockets,
        "players": len(players),
        "playing": sum(player.is_playing and player.is_sending for player in players),
    }


def player_view(node: NodeControl, session: str, player: Player) -> dict[str, Any]:
    """A player, with what its node answers for it."""
    return {
        "node": node.profile.identifier,
        "session": session,
        "guild": player.guild_id,
        "is_playing": player.is_playing and player.is_sending,
        "player": player.payload(),
    }


def fault_view(planned: PlannedFault) -> dict[str, Any]:
    """A fault that is planned or active; times in seconds."""
    fault = {name: value for name, value in asdict(planned.fault).items() if name not in ("do", "nodes")}
    return {
        "number": planned.number,
        "node": planned.node.profile.identifier,
        "do": planned.fault.do,
        "is_active": planned.is_active,
        "fault": fault,
    }


def request_view(node: NodeControl, request: Request) -> dict[str, Any]:
    """A request, without the values of headers that are secrets."""
    return {
        "number": request.number,
        "at_s": round(request.at, 3),
        "node": node.profile.identifier,
        "method": request.method,
        "path": request.route,
        "query": request.query,
        "guild": request.guild,
        "headers": {name: "***" if name.lower() in HIDDEN else value for name, value in request.headers.items()},
        "body": request.body,
        "status": request.status,
    }


def event_view(event: SimulatorEvent) -> dict[str, Any]:
    """An event."""
    return {
        "number": event.number,
        "at_s": round(event.at, 3),
        "node": event.node,
        "kind": event.kind,
        "guild": event.guild or None,
        "detail": event.detail,
    }


def clock_view(clock: Clock) -> dict[str, Any]:
    """The clock."""
    return {"kind": clock.kind, "speed": clock.speed, "now_s": round(clock.now(), 3)}


def _object(properties: dict[str, Any], *, title: str) -> dict[str, Any]:
    return {"title": title, "type": "object", "required": list(properties), "properties": properties}


_TEXT, _COUNT, _FLAG = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
_SECONDS = {"type": "number"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_ANY = {"type": "object"}

SCHEMAS: dict[str, dict[str, Any]] = {
    "Node": _object(
        {
            "name": _TEXT, "kind": {"enum": ["lavalink", "nodelink"]}, "version": _TEXT, "region": _TEXT_OR_NULL,
            "uri": _TEXT, "is_up": _FLAG, "is_frozen": _FLAG, "sessions": _COUNT, "open_sockets": _COUNT,
            "players": _COUNT, "playing": _COUNT,
        },
        title="A node",
    ),
    "Player": _object(
        {"node": _TEXT, "session": _TEXT, "guild": _TEXT, "is_playing": _FLAG, "player": _ANY},
        title="A player, with what its node answers for it",
    ),
    "Fault": _object(
        {"number": _COUNT, "node": _TEXT, "do": _TEXT, "is_active": _FLAG, "fault": _ANY},
        title="A fault of a node that is planned or active",
    ),
    "Request": _object(
        {
            "number": _COUNT, "at_s": _SECONDS, "node": _TEXT, "method": _TEXT, "path": _TEXT,
            "query": {"type": "object", "additionalProperties": _TEXT}, "guild": _TEXT_OR_NULL,
            "headers": {"type": "object", "additionalProperties": _TEXT}, "body": {},
            "status": {"type": ["integer", "null"]},
        },
        title="A request that a node received",
    ),
    "Event": _object(
        {
            "number": _COUNT, "at_s": _SECONDS, "node": _TEXT, "kind": _TEXT, "guild": _TEXT_OR_NULL,
            "detail": {"type": ["string", "object"]},
        },
        title="Something that happened",
    ),
    "Clock": _object(
        {"kind": {"enum": ["real", "fast", "manual"]}, "speed": {"type": "number"}, "now_s": _SECONDS},
        title="The clock of the nodes",
    ),
    "Sent": _object({"sessions": _COUNT}, title="How many sessions got a message"),
    "Found": {
        "title": "What was waited for",
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {
            "node": {"$ref": "#/components/schemas/Node"},
            "event": {"$ref": "#/components/schemas/Event"},
            "request": {"$ref": "#/components/schemas/Request"},
        },
    },
    "Error": _object(
        {
            "status": {"type": "integer"}, "message": _TEXT,
            "problems": {
                "type": "array",
                "items": _object({"key": _TEXT, "message": _TEXT, "hint": _TEXT_OR_NULL}, title="A mistake"),
            },
        },
        title="Why a request failed; problems names every mistake in it",
    ),
}  # fmt: skip
"""Name in the OpenAPI document -> the JSON Schema of each of the above."""
