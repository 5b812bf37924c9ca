"""Reads scenarios of the simulator from TOML, and reports every mistake with its line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from revvlink_cli._suggestions import nearest
from revvlink_cli.config.checker import DocumentChecker
from revvlink_cli.config.documents import read_toml
from revvlink_cli.config.json_schema import table_schema
from revvlink_cli.config.schema import Key, Kind
from revvlink_cli.simulator.message_faults import FIGURES
from revvlink_cli.simulator.profile import AUDIO, DIALECTS, PLAYER_LOAD, VOICE, NodeProfile
from revvlink_cli.simulator.routeplanner import PLANNERS
from revvlink_cli.simulator.scenario import ACTIONS, MOMENTARY, REQUEST_ACTIONS, Fault, Scenario
from revvlink_cli.simulator.track_rules import ALL_SOURCES, RESULTS, SEVERITIES, TrackRule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FRAMES_A_MINUTE = 3000
"""Frames that a player sends in a minute."""

UNSENDABLE = (1004, 1005, 1006, 1015)
"""Close codes that stand for a connection without a close frame."""

TOP = (
    Key(name="seed", kind=Kind.INTEGER, minimum=0, maximum=2**63 - 1, example="7",
        help="Makes everything random the same in every run"),
)  # fmt: skip
"""Keys of the whole scenario."""

NODE = (
    Key(name="name", kind=Kind.TEXT, required=True, example='"us-1"', help="Name of the node, unique"),
    Key(name="kind", kind=Kind.TEXT, default="lavalink", choices=DIALECTS, help="The server it is"),
    Key(name="version", kind=Kind.TEXT, example='"4.2.2"', help="Version that it reports"),
    Key(name="region", kind=Kind.TEXT, example='"us"', help="Region in the configurations that `simulate` prints"),
    Key(name="password", kind=Kind.TEXT, secret=True, default="youshallnotpass", help="Password that it accepts"),
    Key(name="sources", kind=Kind.TEXTS, example='["youtube", "soundcloud", "http"]',
        help="Source managers that are on; youtube, soundcloud, spotify, local, http and sim if left out"),
    Key(name="voice", kind=Kind.TEXT, default="accept", choices=VOICE,
        help="What a voice state brings: an answer, one after voice_delay, none ever, or a voice server out of reach"),
    Key(name="voice_delay", kind=Kind.DURATION, default="2s", help='Time that voice = "delay" takes'),
    Key(name="audio", kind=Kind.TEXT, choices=AUDIO,
        help="Sound that it sends to voice servers outside of Discord; without it, it connects to none"),
    Key(name="players", kind=Kind.INTEGER, default=0, minimum=0, maximum=10**6, help="Players of other sessions"),
    Key(name="playing", kind=Kind.INTEGER, default=0, minimum=0, maximum=10**6, help="How many of these play"),
    Key(name="load", kind=Kind.NUMBER, default=0.05, minimum=0, maximum=1, example="0.05",
        help="Load of its machine without players, 0 to 1"),
    Key(name="player_load", kind=Kind.NUMBER, default=PLAYER_LOAD, minimum=0, maximum=100, example="0.018",
        help="Share of one core that each playing player adds to the load"),
    Key(name="cores", kind=Kind.INTEGER, default=4, minimum=1, maximum=4096, help="Processor cores"),
    Key(name="stats_interval", kind=Kind.DURATION, example='"60s"',
        help="Time between two messages of statistics; 60 s, or 30 s for a NodeLink, if left out"),
    Key(name="answer_delay", kind=Kind.NUMBER, default=0.0, minimum=0, maximum=3600, example="0.05",
        help="Seconds before each answer"),
    Key(name="route_planner", kind=Kind.TEXT, choices=tuple(PLANNERS), help="Its route planner; none if left out"),
    Key(name="failing_addresses", kind=Kind.INTEGER, default=0, minimum=0, maximum=10**6,
        help="Addresses that its route planner has found failing"),
    Key(name="plugins", kind=Kind.TEXTS, example='["lavasrc-plugin:4.8.1"]',
        help="Names and versions of its plugins, each as name:version"),
    Key(name="nulled_frames", kind=Kind.INTEGER, default=0, minimum=0, maximum=FRAMES_A_MINUTE, example="30",
        help="Frames a minute, of the 3,000 of each player, that are silence"),
    Key(name="missing_frames", kind=Kind.INTEGER, default=0, minimum=0, maximum=FRAMES_A_MINUTE, example="60",
        help="Frames a minute of each player that are not sent"),
    Key(name="youtube_plugin", kind=Kind.TEXT, example='"1.18.0"', help="Version of its YouTube plugin"),
    Key(name="needs_dave", kind=Kind.BOOLEAN, default=False,
        help="Whether Discord closes its voice connections with 4017 where its version has no DAVE"),
    Key(name="ogg_breaks_when_moved", kind=Kind.BOOLEAN, default=False,
        help="Whether an Ogg track fails that starts in the middle, as after a move to a genuine Lavalink"),
    Key(name="guards", kind=Kind.BOOLEAN, default=True, help="Whether a NodeLink limits requests and bans"),
)  # fmt: skip
"""Keys of ``[[nodes]]``."""

TRACK = (
    Key(name="match", kind=Kind.TEXT, example='"ytsearch:*"',
        help="Pattern of the identifiers that the rule is for; * stands for any text"),
    Key(name="regex", kind=Kind.TEXT, example='"https://youtu\\\\.be/.*"',
        help="Regular expression of the whole identifier, in place of match"),
    Key(name="result", kind=Kind.TEXT, default="auto", choices=RESULTS,
        help="What such a load gives; auto is what the source gives for words, or for an address of it"),
    Key(name="title", kind=Kind.TEXT, help="Title of the first track, or name of the playlist; invented if left out"),
    Key(name="author", kind=Kind.TEXT, help="Author of the tracks; invented if left out"),
    Key(name="length", kind=Kind.DURATION, example='"3m30s"', help="How long each track is; invented if left out"),
    Key(name="count", kind=Kind.INTEGER, default=5, minimum=0, maximum=10_000, help="Tracks of a search or playlist"),
    Key(name="message", kind=Kind.TEXT, default="Something went wrong while looking up the track.",
        help="Message of an error"),
    Key(name="severity", kind=Kind.TEXT, default="fault", choices=SEVERITIES, help="Severity of an error"),
    Key(name="cause", kind=Kind.TEXT, default="java.lang.IllegalStateException: the scenario says so",
        help="Innermost cause of an error, as a Lavalink writes it"),
)  # fmt: skip
"""Keys of ``[[tracks]]``."""

FAULT = (
    Key(name="do", kind=Kind.TEXT, required=True, choices=ACTIONS, example='"kill"', help="What goes wrong"),
    Key(name="nodes", kind=Kind.TEXT, default="*", example='"us-*"', help="Pattern of the names of its nodes"),
    Key(name="at", kind=Kind.DURATION, example='"10s"', help="When it begins; at the start if left out"),
    Key(name="for", kind=Kind.DURATION, example='"12s"',
        help="How long it lasts; to the end if left out. A killed node starts again after this time"),
    Key(name="every", kind=Kind.DURATION, example='"90s"', help="Time from one begin to the next; once if left out"),
    Key(name="route", kind=Kind.TEXT, default="*", example='"GET /v4/loadtracks"',
        help="Method and path of the requests that have it; * stands for any text"),
    Key(name="chance", kind=Kind.NUMBER, default=1.0, minimum=0, maximum=1, example="0.1",
        help="Share of these requests, websockets or messages that have it"),
    Key(name="status", kind=Kind.INTEGER, default=503, minimum=200, maximum=599, help='Status of do = "status"'),
    Key(name="retry_after", kind=Kind.NUMBER, minimum=0, maximum=86_400, example="2", help="Seconds of Retry-After"),
    Key(name="delay", kind=Kind.DURATION, default="1s", help='Time of do = "delay" and "slow"'),
    Key(name="jitter", kind=Kind.DURATION, example='"200ms"', help="Time by which delay varies"),
    Key(name="code", kind=Kind.INTEGER, minimum=1000, maximum=4999, example="4006",
        help='Code of do = "close_voice", 4006 if left out, and of do = "close", 1011 if left out'),
    Key(name="guild", kind=Kind.TEXT, example='"81384788765712384"', help='Guild of do = "close_voice", or all'),
    Key(name="players", kind=Kind.INTEGER, minimum=0, maximum=10**6, help='Players of other sessions, of do = "load"'),
    Key(name="playing", kind=Kind.INTEGER, minimum=0, maximum=10**6, help='How many of these play, of do = "load"'),
    Key(name="load", kind=Kind.NUMBER, minimum=0, maximum=1, help='Load of the machine, of do = "load"'),
    Key(name="nulled_frames", kind=Kind.INTEGER, minimum=0, maximum=FRAMES_A_MINUTE,
        help='Frames a minute of each player that are silence, of do = "load"'),
    Key(name="missing_frames", kind=Kind.INTEGER, minimum=0, maximum=FRAMES_A_MINUTE,
        help='Frames a minute of each player that are not sent, of do = "load"'),
    Key(name="figures", kind=Kind.TEXT, default=FIGURES[0], choices=FIGURES,
        help='Wrong statistics of do = "false_stats": figures that do not fit, are below zero, left out, or old'),
)  # fmt: skip
"""Keys of ``[[faults]]``."""

_LOAD = dict.fromkeys(("players", "playing", "load", "nulled_frames", "missing_frames"), ("load",))

USED_BY: Mapping[str, tuple[str, ...]] = {
    "for": tuple(action for action in ACTIONS if action not in MOMENTARY),
    "route": REQUEST_ACTIONS,
    "chance": (*REQUEST_ACTIONS, "close", "reorder"),
    "status": ("status",),
    "retry_after": ("status",),
    "delay": ("delay", "slow"),
    "jitter": ("delay",),
    "code": ("close", "close_voice"),
    "guild": ("close_voice",),
    "figures": ("false_stats",),
    **_LOAD,
}
"""Key of ``[[faults]]`` -> the faults that use it; the other keys are for every fault."""

TABLES: Mapping[str, tuple[Key, ...]] = {"nodes": NODE, "tracks": TRACK, "faults": FAULT}
"""Array of tables -> its keys."""

MOST_NODES = 5000

PLUGIN = r"\S.*:\S+"
"""A plugin in ``plugins``: name and version."""


def read_scenario(text: str, path: Path | None = None) -> Scenario:
    """The scenario in a text.

    Raises:
        ConfigError: It has mistakes; every one is named.
    """
    return _Reader(read_toml(text, path), text, path).scenario()


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a scenario, for editors."""
    properties: dict[str, Any] = dict(table_schema(TOP)["properties"])
    for name, keys in TABLES.items():
        table = table_schema(keys)
        table["required"] = [key.name for key in keys if key.required]
        properties[name] = {"type": "array", "items": table}
    properties["nodes"]["minItems"] = 1
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "revvlink scenario",
        "type": "object",
        "additionalProperties": False,
        "required": ["nodes"],
        "properties": properties,
    }


class _Reader(DocumentChecker):
    """Reads a scenario and collects every mistake."""

    def scenario(self) -> Scenario:
        self.numbers()
        known = [key.name for key in TOP] + list(TABLES)
        for name in self.document:
            if name not in known:
                self.problem((name,), "is not a key", nearest(name, known))
        top = {name: value for name, value in self.document.items() if name in {key.name for key in TOP}}
        values = self.values(top, (), TOP)
        tracks = tuple(self.rule(index, table) for index, table in self.tables("tracks"))
        nodes = self.nodes(tracks)
        faults = tuple(self.fault(index, table, nodes) for index, table in self.tables("faults"))
        self.raise_problems()
        return Scenario(
            nodes=nodes, faults=tuple(fault for fault in faults if fault is not None), seed=values.get("seed")
        )

    def tables(self, name: str) -> list[tuple[int, dict[str, Any]]]:
        """The checked values of an array of tables, each with its index."""
        raw = self.document.get(name, [])
        if not isinstance(raw, list) or not all(isinstance(table, dict) for table in raw):
            self.problem((name,), f"must be tables, each written [[{name}]]")
            return []
        found = []
        for index, table in enumerate(raw):
            for key in TABLES[name]:
                if key.required and key.name not in table:
                    self.problem((name, index), f"has no {key.name}", f"add {key.name} = {key.example}")
            found.append((index, self.values(table, (name, index), TABLES[name])))
        return found

    def nodes(self, tracks: tuple[TrackRule, ...]) -> tuple[NodeProfile, ...]:
        tables = self.tables("nodes")
        if not tables and not self.problems:
            self.problem(("nodes",), "there are no nodes", 'add a [[nodes]] table with name = "us-1"')
        if len(tables) > MOST_NODES:
            self.problem(("nodes", MOST_NODES), f"is one node more than the {MOST_NODES} that are allowed")
        found: dict[str, NodeProfile] = {}
        for index, values in tables:
            name = values.get("name")
            if name in found:
                self.problem(("nodes", index, "name"), f"{name} is the name of a node above", "give it another name")
            if values.get("playing", 0) > values.get("players", 0):
                self.problem(("nodes", index, "playing"), "is more than players")
            if values.get("nulled_frames", 0) + values.get("missing_frames", 0) > FRAMES_A_MINUTE:
                self.problem(("nodes", index, "missing_frames"), "and nulled_frames are more than 3000 together")
            for at, plugin in enumerate(values.get("plugins", ())):
                if not re.fullmatch(PLUGIN, plugin):
                    where = ("nodes", index, "plugins", at)
                    self.problem(where, f"{plugin} is not name:version", 'for example "lavasrc-plugin:4.8.1"')
            if name is not None and not self.problems:
                found[name] = profile_of(values, tracks)
        return tuple(found.values())

    def rule(self, index: int, values: dict[str, Any]) -> TrackRule:
        if ("match" in values) == ("regex" in values):
            self.problem(("tracks", index), "needs one of match and regex", 'for example match = "ytsearch:*"')
        try:
            re.compile(values.get("regex", ""))
        except re.error as error:
            self.problem(("tracks", index, "regex"), f"is not a regular expression: {error}")
        return TrackRule(**_fields(values))

    def fault(self, index: int, values: dict[str, Any], nodes: tuple[NodeProfile, ...]) -> Fault | None:
        if "do" not in values:
            return None
        for key, hint in misplaced(values).items():
            self.problem(("faults", index, key), f'is not used by do = "{values["do"]}"', hint)
        if "every" in values and values["every"] < values.get("for", 0):
            self.problem(("faults", index, "every"), "is shorter than for: the fault would begin before it has ended")
        if values["do"] == "close" and values.get("code") in UNSENDABLE:
            self.problem(("faults", index, "code"), "is never sent over a websocket", 'use do = "drop"')
        fault = fault_of(values)
        if nodes and not any(fault.is_for(node.identifier) for node in nodes):
            hint = nearest(fault.nodes, [node.identifier for node in nodes])
            self.problem(("faults", index, "nodes"), "is the pattern of no node", hint)
        return fault


FIELDS = {
    "name": "identifier", "load": "system_load", "needs_dave": "requires_dave", "length": "length_s", "for": "lasts",
}  # fmt: skip
"""Key of a table -> the field of its class, where that has another name."""


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the class of a table, without those that are not given."""
    return {FIELDS.get(name, name): value for name, value in values.items()}


def misplaced(values: Mapping[str, Any]) -> dict[str, str]:
    """The keys of a fault's table that its ``do`` does not use, with which it goes."""
    return {
        key: f"it goes with do = {', '.join(actions)}"
        for key, actions in USED_BY.items()
        if key in values and values["do"] not in actions
    }


def fault_of(values: Mapping[str, Any]) -> Fault:
    """The fault of a table."""
    return Fault(**_fields(values))


def profile_of(values: Mapping[str, Any], tracks: tuple[TrackRule, ...]) -> NodeProfile:
    """The node of a table; what is not given is as in `NodeProfile`, but for the sources and the load of players."""
    given: dict[str, Any] = {"sources": ALL_SOURCES, "player_load": PLAYER_LOAD, "tracks": tracks}
    given |= _fields(values)
    kind = given.pop("kind", "lavalink")
    if not given.pop("guards", True):
        given["guards"] = ()
    return NodeProfile.nodelink(**given) if kind == "nodelink" else NodeProfile(**given)
