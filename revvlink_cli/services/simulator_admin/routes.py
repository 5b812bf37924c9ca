"""The table of routes of the admin API. The server, the OpenAPI document and the tests derive from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from revvlink_cli._suggestions import nearest
from revvlink_cli.config.schema import Key, Kind
from revvlink_cli.services.scenario_files import FAULT, fault_of, misplaced
from revvlink_cli.services.simulator_admin.views import (
    clock_view,
    event_view,
    fault_view,
    node_view,
    player_view,
    request_view,
)
from revvlink_cli.simulator.conditions import CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from revvlink_cli.simulator import Simulation
    from revvlink_cli.simulator.node_control import NodeControl

LONGEST_WAIT = 300.0
"""Seconds that a wait may take."""

EVENTS = ("track_started", "track_ended", "voice_closed", "event", "request")
"""What can be waited for besides `CONDITIONS`."""

EVENT_KINDS = {
    "track_started": "TrackStartEvent", "track_ended": "TrackEndEvent", "voice_closed": "WebSocketClosedEvent",
}  # fmt: skip
"""What is waited for -> the kind of the event."""


class UnknownNodeError(LookupError):
    """No node has this name."""


class Mistake(NamedTuple):
    """A mistake in a request.

    Attributes:
        key: The key of the query or the body, "" for all of it.
        message: What is wrong.
        hint: What to do, None if that is clear.
    """

    key: str
    message: str
    hint: str | None = None


class MistakesError(ValueError):
    """A request is wrong.

    Attributes:
        mistakes: All mistakes in it.
    """

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("; ".join(f"{mistake.key}: {mistake.message}".removeprefix(": ") for mistake in mistakes))
        self.mistakes = mistakes


class Call(NamedTuple):
    """One request to the admin API.

    Attributes:
        simulation: The nodes.
        path: The parts of the path by name.
        values: The checked values of query and body.
        body: The whole body, where that is any object.
    """

    simulation: Simulation
    path: Mapping[str, str]
    values: Mapping[str, Any]
    body: dict[str, Any]

    @property
    def node(self) -> NodeControl:
        """The node of the path.

        Raises:
            UnknownNodeError: There is none of this name.
        """
        return self.node_named(self.path["node"])

    def node_named(self, name: str) -> NodeControl:
        """The node of a name.

        Raises:
            UnknownNodeError: There is none.
        """
        names = [node.profile.identifier for node in self.simulation]
        if name not in names:
            raise UnknownNodeError(f"there is no node {name}: {nearest(name, names)}")
        return self.simulation[name]

    def selected(self) -> list[NodeControl]:
        """The node that the query names, or all.

        Raises:
            UnknownNodeError: There is none of this name.
        """
        name = self.values.get("node")
        return list(self.simulation) if name is None else [self.node_named(name)]

    def given(self, *names: str, **renamed: str) -> dict[str, Any]:
        """The values that are given, by their name; `renamed` has other names for some."""
        fields = dict(zip(names, names, strict=True)) | renamed
        return {field: self.values[key] for field, key in fields.items() if key in self.values}


class Route(NamedTuple):
    """One route.

    Attributes:
        method: Its method.
        path: Its path, with ``{node}`` and ``{number}`` for parts.
        name: Its name in the OpenAPI document.
        help: What it does.
        act: Does it; gives the answer.
        returns: Schema of the answer in `views.SCHEMAS`, with ``[]`` for a list in an object.
        query: Keys of the query.
        body: Keys of the JSON body; None is any object.
    """

    method: str
    path: str
    name: str
    help: str
    act: Callable[[Call], Awaitable[Any]]
    returns: str
    query: tuple[Key, ...] = ()
    body: tuple[Key, ...] | None = ()


GUILD = Key(name="guild", kind=Kind.TEXT, example='"81384788765712384"', help="Id of the guild, as text")
NODE = Key(name="node", kind=Kind.TEXT, example='"us-1"', help="Name of the node; all if left out")
AFTER = Key(name="after", kind=Kind.INTEGER, default=0, minimum=0,
            help="Only those with a greater number; 0 is all since the start or the last reset")  # fmt: skip
LIMIT = Key(name="limit", kind=Kind.INTEGER, default=100, minimum=1, maximum=10_000, help="Most of them, the latest")
ROUTE = Key(name="route", kind=Kind.TEXT, default="*", example='"PATCH /v4/sessions/*"',
            help="Pattern of method and path, or of the path; * stands for any text")  # fmt: skip
KIND = Key(name="kind", kind=Kind.TEXT, example='"TrackEndEvent"', help="Kind of the event")


def _on_node(action: Callable[[Call, NodeControl], Awaitable[object]]) -> Callable[[Call], Awaitable[Any]]:
    """An action on the node of the path, after which the node is shown."""

    async def act(call: Call) -> dict[str, Any]:
        node = call.node
        await action(call, node)
        return node_view(node)

    return act


async def _nodes(call: Call) -> dict[str, Any]:
    return {"nodes": [node_view(node) for node in call.simulation]}


async def _node(call: Call) -> dict[str, Any]:
    return node_view(call.node)


async def _players(call: Call) -> dict[str, Any]:
    guild = call.values.get("guild")
    found = [
        player_view(node, name, player)
        for node in call.selected()
        for name, session in node.sessions.items()
        for player in session.players.values()
        if guild in (None, player.guild_id)
    ]
    return {"players": found}


async def _faults(call: Call) -> dict[str, Any]:
    return {"faults": [fault_view(planned) for planned in call.simulation.faults]}


async def _begin_fault(call: Call) -> dict[str, Any]:
    fault = fault_of(call.values)
    wrong = [Mistake(key, f"is not used by {fault.do}", hint) for key, hint in misplaced(call.values).items()]
    names = [node.profile.identifier for node in call.simulation]
    if not any(map(fault.is_for, names)):
        wrong.append(Mistake("nodes", "is the pattern of no node", nearest(fault.nodes, names)))
    if fault.every is not None and fault.every < (fault.lasts or 0):
        wrong.append(Mistake("every", "is shorter than for: the fault would begin before it has ended"))
    if wrong:
        raise MistakesError(*wrong)
    return {"faults": [fault_view(planned) for planned in call.simulation.begin_fault(fault)]}


async def _end_fault(call: Call) -> dict[str, Any]:
    await call.simulation.faults.end(int(call.path["number"]))
    return await _faults(call)


async def _requests(call: Call) -> dict[str, Any]:
    found = [
        (node, request)
        for node in call.selected()
        for request in node.received
        if request.number > call.values.get("after", 0)
        and request.matches(call.values.get("route", "*"), call.values.get("guild"))
    ]
    found.sort(key=lambda pair: pair[1].number)
    latest = found[-call.values.get("limit", LIMIT.default) :]
    return {"requests": [request_view(node, request) for node, request in latest]}


async def _events(call: Call) -> dict[str, Any]:
    names = [node.profile.identifier for node in call.selected()]
    found = [
        event
        for event in call.simulation.events.events
        if event.number > call.values.get("after", 0)
        and event.node in names
        and call.values.get("kind") in (None, event.kind)
        and call.values.get("guild") in (None, event.guild)
    ]
    return {"events": [event_view(event) for event in found[-call.values.get("limit", LIMIT.default) :]]}


async def _wait(call: Call) -> dict[str, Any]:
    what = call.values["for"]
    call.selected()
    given: dict[str, Any] = call.given("node", "guild", "timeout")
    if what in CONDITIONS:
        return {"node": node_view(await call.simulation.wait(what, **given))}
    given |= call.given("after")
    if what == "request":
        request = await call.simulation.wait_for_request(call.values.get("route", "*"), **given)
        node = next(node for node in call.simulation if request in node.received)
        return {"request": request_view(node, request)}
    kind = EVENT_KINDS.get(what) or call.values.get("kind")
    if kind is None:
        raise MistakesError(Mistake("kind", "is missing", 'for=event needs one, such as kind="TrackStuckEvent"'))
    return {"event": event_view(await call.simulation.wait_for_event(kind, **given))}


async def _reset(call: Call) -> dict[str, Any]:
    await call.simulation.reset()
    return await _nodes(call)


async def _clock(call: Call) -> dict[str, Any]:
    return clock_view(call.simulation.clock)


async def _advance(call: Call) -> dict[str, Any]:
    await call.simulation.clock.advance(call.values["time"])
    return clock_view(call.simulation.clock)


async def _send(call: Call) -> dict[str, Any]:
    sessions = await call.node.send(call.body, guild=call.values.get("guild"))
    return {"sessions": sessions}


_OF_NODE = "/nodes/{node}"

ROUTES = (
    Route("GET", "/nodes", "listNodes", "List the nodes", _nodes, "Node[]"),
    Route("GET", _OF_NODE, "showNode", "Show a node", _node, "Node"),
    Route("POST", f"{_OF_NODE}/kill", "killNode", "End its process at once: connections are reset",
          _on_node(lambda _, node: node.kill()), "Node"),
    Route("POST", f"{_OF_NODE}/stop", "stopNode", "End its process properly: its websockets are closed",
          _on_node(lambda _, node: node.stop()), "Node"),
    Route("POST", f"{_OF_NODE}/start", "startNode", "Start it again on its port, without its sessions",
          _on_node(lambda _, node: node.start()), "Node"),
    Route("POST", f"{_OF_NODE}/drop", "dropConnections", "Reset its connections; sessions wait for their clients",
          _on_node(lambda _, node: node.drop()), "Node"),
    Route("POST", f"{_OF_NODE}/freeze", "freezeNode", "Accept connections, and answer nothing",
          _on_node(lambda call, node: node.freeze(**call.given("websockets"))), "Node",
          body=(Key(name="websockets", kind=Kind.BOOLEAN, default=True,
                    help="Whether open websockets freeze too; if not, only requests hang"),)),
    Route("POST", f"{_OF_NODE}/thaw", "thawNode", "End a freeze", _on_node(lambda _, node: node.thaw()), "Node"),
    Route("POST", f"{_OF_NODE}/lose-sessions", "loseSessions", "Forget sessions that wait for their clients",
          _on_node(lambda _, node: node.lose_sessions()), "Node"),
    Route("POST", f"{_OF_NODE}/load", "setLoad", "Change figures of its statistics, and send them",
          _on_node(lambda call, node: node.set_load(**call.given("players", "playing", system_load="load"))), "Node",
          body=(
              Key(name="players", kind=Kind.INTEGER, minimum=0, maximum=10**6, help="Players of other sessions"),
              Key(name="playing", kind=Kind.INTEGER, minimum=0, maximum=10**6, help="How many of these play"),
              Key(name="load", kind=Kind.NUMBER, minimum=0, maximum=1, help="Load of its machine, 0 to 1"),
          )),
    Route("POST", f"{_OF_NODE}/frames", "setFrames", "Lose frames of audio, of 3,000 a minute",
          _on_node(lambda call, node: node.set_frames(**call.given("nulled", "deficit"))), "Node",
          body=(
              Key(name="nulled", kind=Kind.INTEGER, default=0, minimum=0, maximum=3000, help="Frames of silence"),
              Key(name="deficit", kind=Kind.INTEGER, default=0, minimum=0, maximum=3000, help="Frames not sent at all"),
          )),
    Route("POST", f"{_OF_NODE}/delay", "setDelay", "Delay every later answer",
          _on_node(lambda call, node: node.set_delay(call.values["time"])), "Node",
          body=(Key(name="time", kind=Kind.NUMBER, minimum=0, maximum=3600, required=True, example="0.5",
                    help="Seconds before each answer"),)),
    Route("POST", f"{_OF_NODE}/password", "setPassword", "Accept another password; open websockets stay",
          _on_node(lambda call, node: node.set_password(call.values["password"])), "Node",
          body=(Key(name="password", kind=Kind.TEXT, required=True, secret=True, example='"secret"',
                    help="The password"),)),
    Route("POST", f"{_OF_NODE}/close-voice", "closeVoice", "Close voice connections, as Discord does",
          _on_node(lambda call, node: node.close_voice(call.values.get("guild", ""), call.values.get("code", 4006))),
          "Node",
          body=(GUILD, Key(name="code", kind=Kind.INTEGER, default=4006, minimum=1000, maximum=4999,
                           help="Close code"))),
    Route("POST", f"{_OF_NODE}/messages", "sendMessage", "Send any message to clients, as if the node had sent it",
          _send, "Sent", query=(GUILD,), body=None),
    Route("GET", "/players", "listPlayers", "List the players of all sessions", _players, "Player[]",
          query=(NODE, GUILD)),
    Route("GET", "/faults", "listFaults", "List the faults that are planned or active", _faults, "Fault[]"),
    Route("POST", "/faults", "beginFault", "Let nodes have a fault, as in [[faults]] of a scenario, from now on",
          _begin_fault, "Fault[]", body=FAULT),
    Route("DELETE", "/faults/{number}", "endFault", "End a fault, and let it not begin again", _end_fault, "Fault[]"),
    Route("GET", "/requests", "listRequests", "List the requests that nodes received", _requests, "Request[]",
          query=(NODE, ROUTE, GUILD, AFTER, LIMIT)),
    Route("GET", "/events", "listEvents", "List what happened", _events, "Event[]",
          query=(NODE, KIND, GUILD, AFTER, LIMIT)),
    Route("GET", "/wait", "wait", "Wait for a state, an event or a request", _wait, "Found",
          query=(
              Key(name="for", kind=Kind.TEXT, required=True, choices=(*CONDITIONS, *EVENTS), example="player_playing",
                  help="What to wait for; what holds or has happened already is found at once"),
              NODE, GUILD, KIND, ROUTE, AFTER,
              Key(name="timeout", kind=Kind.NUMBER, default=10.0, minimum=0, maximum=LONGEST_WAIT,
                  help="Seconds of real time"),
          )),
    Route("POST", "/reset", "reset", "Begin again as at the start: nodes, faults, clock, requests, events", _reset,
          "Node[]"),
    Route("GET", "/clock", "showClock", "Show the clock", _clock, "Clock"),
    Route("POST", "/clock/advance", "advanceClock", "Move a manual clock on; what is due happens in its order",
          _advance, "Clock",
          body=(Key(name="time", kind=Kind.DURATION, required=True, example='"30s"', help="How far"),)),
)  # fmt: skip
"""All routes."""
