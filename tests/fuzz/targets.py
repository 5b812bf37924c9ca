"""The parsers that read what comes from outside, and samples that they read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from revvlink_cli.client.cache.entries import Key, entry_for, result_from
from revvlink_cli.client.connection.session_players import SessionPlayers, read_frequent, read_state
from revvlink_cli.client.protocol.encoded_tracks import TrackDecodeError, decode_track
from revvlink_cli.client.protocol.messages import read_event, read_guild
from revvlink_cli.client.protocol.models import (
    UndecodableError,
    WireMessage,
    WireReady,
    WireStats,
    decode,
    decode_json,
)
from revvlink_cli.client.routing.regions import GLOBAL, LABELS, region_from_endpoint, unknown_place
from revvlink_cli.config import secrets_in_use
from revvlink_cli.config.load import parse
from revvlink_cli.config.node_lists.catalogue import read_list
from revvlink_cli.config.node_lists.entries import Rules
from revvlink_cli.config.node_lists.importing import Wishes, plan_import
from revvlink_cli.config.problems import ConfigError
from revvlink_cli.config.silences import read_silences
from revvlink_cli.config.source import Source, SourceKind
from revvlink_cli.config.web_config import load_web_config
from revvlink_cli.health import ranges
from revvlink_cli.health.silences import silenced_nodes
from revvlink_cli.services.alerting import state
from revvlink_cli.services.availability import extent, history_of
from revvlink_cli.services.recorded_events import read_events
from revvlink_cli.services.recording import read
from revvlink_cli.services.scenario_files import read_scenario
from tests.config.node_lists.test_formats import SAMPLES as NODE_LISTS
from tests.fidelity.read_recordings import LAVALINK, NODELINK, exchanges, transcripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

NOW = 1_780_000_000.0
"""A time at which the silences of the sample are in force."""


@dataclass(frozen=True)
class Target:
    """A parser.

    Attributes:
        read: Reads an input to the end. It gives the errors that the user would see; what it raises is a defect.
        samples: Inputs that it reads.
        tokens: Words of its language.
    """

    read: Callable[[str], Iterable[str]]
    samples: tuple[str, ...]
    tokens: tuple[str, ...] = ()


def _track(text: str) -> Iterator[str]:
    try:
        track = decode_track(text)
    except TrackDecodeError as error:
        yield str(error)
    else:
        assert len(repr(track)) < 20 * len(text) + 1000, "a track is not larger than what it was read from"


def _message(text: str) -> Iterator[str]:
    players = SessionPlayers()
    try:
        frequent = read_frequent(text)
        if isinstance(frequent, tuple):
            players.update(*frequent, 0.0)
        elif frequent is not None:
            players.apply(frequent)
        match decode(text, WireMessage).value.op:
            case "ready":
                yield from decode(text, WireReady).odd
            case "stats":
                yield from decode(text, WireStats).odd
            case "playerUpdate":
                raw = decode_json(text)
                guild = read_guild(raw)
                players.update(guild or 0, read_state(raw.get("state")), 0.0)
            case "event":
                event, odd = read_event(decode_json(text))
                players.apply(event)
                yield from odd
    except UndecodableError as error:
        yield str(error)


def _configuration(text: str) -> Iterator[str]:
    secrets_in_use.forget()
    source = Source(SourceKind.FLAG, Path("revvlink.toml"), trusted=True, environment={})
    try:
        parse(text, source)
    except ConfigError as error:
        yield from map(str, error.problems)
        yield from (problem.hint or "" for problem in error.problems)


def _scenario(text: str) -> Iterator[str]:
    try:
        read_scenario(text)
    except ConfigError as error:
        yield from map(str, error.problems)
        yield from (problem.hint or "" for problem in error.problems)


def _endpoint(text: str) -> Iterator[str]:
    assert region_from_endpoint(text) in (*LABELS, GLOBAL, None)
    assert region_from_endpoint(text, {"a": ("us-", "x"), "b": ()}) in ("a", "b", GLOBAL, None)
    place = unknown_place(text)
    yield place or ""


def _range(text: str) -> Iterator[str]:
    for unit in ranges.Unit:
        try:
            found = ranges.parse(text, unit)
        except ValueError as error:
            yield str(error)
        else:
            found.alerts(1.5)
            assert ranges.Bounds(found, found).are_swapped in (True, False)
            yield from (found.written(), found.shown)


def _recording(text: str) -> Iterator[str]:
    lines = list(enumerate(text.split("\n"), 1))
    recording = read(lines)
    if (span := extent([recording])) is not None:
        history = history_of([recording], *span)
        assert history is None or history.availability is None or 0.0 <= history.availability <= 1.0
    events, problems = read_events(lines)
    yield from problems
    assert len(events) <= 10 * len(text)


def _cache_entry(text: str) -> Iterator[str]:
    try:
        fields = json.loads(text)
        entry = entry_for(Key.of(str(fields["identifier"])), result_from(fields["result"]), now=NOW)
        if entry is not None:
            assert entry.loaded() == result_from(entry.payload()), "what is kept is read again"
            assert len(entry.body) < 20 * len(text) + 1000
    except (RecursionError, KeyError, TypeError):  # of the first two lines: no JSON object
        return
    except ValueError as error:
        yield str(error)


def _node_list(text: str) -> Iterator[str]:
    try:
        listed = read_list(text, Path("list"), None, Rules())
    except ConfigError as error:
        yield from map(str, error.problems)
        return
    planned = plan_import(listed.reading.nodes, (), Path("revvlink.toml"), Wishes())
    names = [entry.identifier for entry in planned if entry.values]
    assert len(set(names)) == len(names), names
    yield from (*map(str, listed.reading.problems), *names)


@dataclass(frozen=True)
class _Node:
    identifier: str
    region: str | None
    tags: tuple[str, ...]


def _silences(text: str) -> Iterator[str]:
    path = Path("silences.json")
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        silences = read_silences(path)
    except ConfigError as error:
        yield from map(str, error.problems)
        return
    silenced_nodes((_Node("eu-1", "eu", ("paid",)), _Node("us-" * 20, None, ())), silences, NOW)
    yield from (part for silence in silences for part in (silence.shown, silence.reason, silence.created_by))


def _web_config(text: str) -> Iterator[str]:
    path = Path("web.yml")
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load_web_config(path)
    except ConfigError as error:
        yield from map(str, error.problems)


def _alert_state(text: str) -> Iterator[str]:
    states = state.read(text)
    assert state.read(state.dumped(states)).keys() <= states.keys()
    yield from ()


def _messages() -> tuple[str, ...]:
    """One recorded message of each type."""
    found: dict[Any, str] = {}
    for server in (LAVALINK, NODELINK):
        for transcript in transcripts(server):
            for step in transcript.steps:
                if step.direction == "in" and step.kind == "text":
                    message = json.loads(step.fields["text"])
                    found.setdefault((server, message.get("op"), message.get("type")), step.fields["text"])
    return tuple(found.values())


def _tracks() -> tuple[dict[str, Any], ...]:
    """Recorded tracks."""
    values = (entry.value for server in (LAVALINK, NODELINK) for entry in exchanges(server, "rest"))
    found = (value.get("data") for value in values if isinstance(value, dict) and value.get("loadType") == "track")
    return tuple(value for value in found if isinstance(value, dict))[:8]


_CONFIGURATION = """\
[defaults]
timeout = 3.5
headers = { X-A = "b" }
[cache]
ttl = "1h"
backend = "sqlite"
[check]
min_healthy = 1
skip = ["load"]
[check.warning]
latency = "200ms"
[regions]
us = ["iad", "us-"]
[alert]
after = "3 runs"
[[nodes]]
identifier = "us-1"
uri = "https://us-1.example.com:443"
password = "example"
region = "us"
tags = ["paid"]
[[nodes]]
identifier = "eu-1"
uri = "http://127.0.0.1:2333"
password_env = "EU_PASSWORD"
user_id = 170000000000000001
"""

_WEB = """\
tls_server_config:
  cert_file: cert.pem
  key_file: key.pem
  client_auth_type: RequireAndVerifyClientCert
  min_version: TLS12
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
http_server_config:
  http2: true
  headers:
    X-Frame-Options: deny
basic_auth_users:
  prometheus: $2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG
"""

_SAMPLE = {
    "time": "2026-01-01T00:00:00+00:00",
    "context": None,
    "nodes": [
        {"node": "a", "region": "eu", "state": "connected", "penalty": 1.5, "playing": 3, "latency_ms": 20.0},
        {"node": "b", "region": None, "state": "reconnecting", "reason": "refused", "message": "no", "is_stale": True},
    ],
}

_EVENT = {"time": "2026-01-01T00:00:01Z", "node": "a", "event": "track_start", "detail": "x", "guild_id": "1"}

_SILENCE = {
    "id": "abcde", "nodes": ["eu-*", "us-[12]"], "tags": ["paid"], "region": "eu", "all": False, "reason": "new disk",
    "created_by": "ada@ops", "created_at": "2026-05-28T20:00:00+00:00", "until": "2026-05-29T20:00:00+00:00",
}  # fmt: skip

_STATE = {
    "version": state.VERSION,
    "states": {
        json.dumps(["a", "load", None]): {
            "reported": "CRITICAL", "since": 1.0, "reported_at": 2.0, "seen_at": 3.0, "found": "OK", "found_since": 3.0,
            "found_runs": 1, "bad_since": 1.0, "bad_runs": 2, "changes": [1.0, 2.0], "unstable_since": None,
        }
    },
}  # fmt: skip

_ENTRIES = tuple(
    {"identifier": "ytsearch:night", "node": None, "uses": 2, "stored_at": "2026-01-01T00:00:00Z", "result": result}
    for track in _tracks()
    for result in (
        {"loadType": "search", "data": [track]},
        {"loadType": "playlist", "data": {"info": {"name": "n", "selectedTrack": 0}, "tracks": [track, track]}},
        {"loadType": "empty", "data": None},
    )
)


def _lines(*values: Any) -> str:
    return "\n".join(map(json.dumps, values))


TARGETS: dict[str, Target] = {
    "track": Target(_track, tuple(track["encoded"] for track in _tracks()), ("QAAA", "====", "_-", "/" * 40)),
    "message": Target(_message, _messages(), ('"op":"stats"', '"op":"event"', '"guildId":1', '"type":"TrackEndEvent"')),
    "configuration": Target(
        _configuration,
        (_CONFIGURATION,),
        ("[[nodes]]\n", "[check]\n", 'password = "x"\n', "a.b.c = 1\n", "30s", "1.5h", "@10:20", "[nodes]\n", "{ }"),
    ),
    "scenario": Target(
        _scenario,
        ((Path(__file__).parents[2] / "docs" / "scenario.example.toml").read_text(encoding="utf-8"),),
        ("[[faults]]\n", 'do = "kill"\n', 'regex = "("\n', "[[tracks]]\n", "at = -1\n"),
    ),
    "endpoint": Target(
        _endpoint,
        ("c-lax07-2e24eaf9.discord.media:2053", "us-east1234.discord.gg:80", "vip-us-east-1", "wss://a:b@eu1.x:1/p?q#f",
         "[2001:db8::1]:443"),
        (".discord.media", "c-", "vip-", "://", "-1-", ":443"),
    ),
    "range": Target(_range, ("10", "@10:20", "~:90%", "1.5GiB:", "-5s:5m", "200ms"), ("GiB", "ms", "%", "days", "1.")),
    "recording": Target(_recording, (_lines(_SAMPLE, _SAMPLE, _EVENT), _lines(_EVENT, {"error": {}}, _SAMPLE))),
    "cache entry": Target(_cache_entry, tuple(map(json.dumps, _ENTRIES))),
    "node list": Target(
        _node_list,
        tuple(dedent(sample.text) for sample in NODE_LISTS.values()),
        ("host: ", "password: ", "port: 1\n", "new Node(", "process.env.A", "os.environ['A']", "nodes:\n", "${A:b}"),
    ),
    "silences": Target(_silences, (json.dumps({"revvlink_silences": 1, "silences": [_SILENCE]}),), ("[!", "**")),
    "web configuration": Target(_web_config, (_WEB,), ("users:\n", "  cert: |\n", "<<: *a", "\n- ", "!!python/x")),
    "alert state": Target(
        _alert_state,
        (json.dumps(_STATE), json.dumps({json.dumps(["a", "load", None]): ["CRITICAL", 1, 2, 3]})),
    ),
}  # fmt: skip
"""Every target by its name."""
