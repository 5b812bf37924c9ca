"""Makes a scenario of the simulator from what was seen of genuine nodes, without their secrets and addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from revvlink_cli.client.errors import LavalinkLoadException
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.tracks import Playlist
from revvlink_cli.config.schema import Kind
from revvlink_cli.config.secrets_in_use import redact
from revvlink_cli.config.values import read_value
from revvlink_cli.services.address_redaction import AddressRedactor, hosts_in
from revvlink_cli.services.scenario_files import FIELDS, NODE, PLUGIN, TRACK, profile_of
from revvlink_cli.simulator.invented import place_of
from revvlink_cli.simulator.profile import PLAYER_LOAD
from revvlink_cli.simulator.routeplanner import PLANNERS
from revvlink_cli.simulator.scenario import Scenario
from revvlink_cli.simulator.track_rules import ANY_WORDS, SEVERITIES, TrackRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from revvlink_cli.client.protocol.models import NodeStats
    from revvlink_cli.client.protocol.plugin_answers import RoutePlanner
    from revvlink_cli.client.protocol.tracks import Playable
    from revvlink_cli.client.snapshot import NodeSnapshot
    from revvlink_cli.config.schema import Key

YOUTUBE_PLUGIN = "youtube-plugin"


@dataclass(frozen=True, slots=True)
class SeenNode:
    """What was seen of a node.

    Attributes:
        snapshot: Its last snapshot.
        stats: Its statistics over a time, oldest first.
        planner: Its route planner, None if it was not asked or did not answer.
    """

    snapshot: NodeSnapshot
    stats: tuple[NodeStats, ...] = ()
    planner: RoutePlanner | None = None

    def typical(self, figure: Callable[[NodeStats], float | None]) -> float | None:
        """The median of a figure of the statistics, None where it is unknown."""
        known = [value for stats in self.stats if (value := figure(stats)) is not None]
        return median(known) if known else None


@dataclass(frozen=True, slots=True)
class SeenLoad:
    """What a node found for an identifier.

    Attributes:
        identifier: The identifier.
        found: The tracks, or the failure that the node reported.
    """

    identifier: str
    found: Sequence[Playable] | Playlist | LavalinkLoadException


@dataclass(frozen=True, slots=True)
class RecordedScenario:
    """A scenario, and what is not in it.

    Attributes:
        scenario: The scenario.
        renamed: Name of a node -> its name in the scenario, where that is another one.
        left_out: The identifiers that no rule has, because they may hold a key or an address.
    """

    scenario: Scenario
    renamed: Mapping[str, str]
    left_out: tuple[str, ...]


def record_scenario(nodes: Sequence[SeenNode], loads: Iterable[SeenLoad] = ()) -> RecordedScenario:
    """The scenario in which simulated nodes are like these, and find the same for these identifiers.

    For everything else they find invented tracks. A text in which a secret or an address is found is left out.

    Args:
        nodes: The nodes, at least one.
        loads: What was loaded.
    """
    public = _Public(node.snapshot.uri for node in nodes)
    rules, left_out = [], []
    for load in loads:
        rule = _allowed(TRACK, {"match": public.pattern(load.identifier), **_rule(load, public)})
        if "match" in rule:
            rules.append(TrackRule(**{FIELDS.get(key, key): value for key, value in rule.items()}))
        else:
            left_out.append(load.identifier)
    tracks = (*rules, *ANY_WORDS)
    names = _names([node.snapshot.identifier for node in nodes], public)
    profiles = []
    for name, node in zip(names.values(), nodes, strict=True):
        values = {key: value(node) for key, value in OBSERVED.items()}
        values = {key: public.value(value) for key, value in values.items()}
        profiles.append(profile_of(_allowed(NODE, {"name": name, **values}), tracks))
    renamed = {before: name for before, name in names.items() if name != before}
    return RecordedScenario(Scenario(nodes=tuple(profiles)), renamed, tuple(left_out))


def _names(identifiers: Sequence[str], public: _Public) -> dict[str, str]:
    """Identifier of a node -> its name in the scenario: ``node-1`` and so on where the identifier is an address."""
    new = (name for number in count(1) if (name := f"node-{number}") not in identifiers)
    return {name: name if _allowed(NODE, {"name": public.text(name)}) else next(new) for name in identifiers}


def _kind(node: SeenNode) -> str:
    return "nodelink" if node.snapshot.dialect is Dialect.NODELINK else "lavalink"


def _version(node: SeenNode) -> str | None:
    return node.snapshot.info.version if node.snapshot.info is not None else None


def _sources(node: SeenNode) -> list[str] | None:
    sources = node.snapshot.info.sources if node.snapshot.info is not None else None
    return None if sources is None else list(sources)


def _plugins(node: SeenNode) -> list[str] | None:
    """All plugins but that for YouTube, which has a key of its own."""
    if node.snapshot.info is None:
        return None
    named = [f"{one.name}:{one.version}" for one in node.snapshot.info.plugins if one.name != YOUTUBE_PLUGIN]
    return [plugin for plugin in named if re.fullmatch(PLUGIN, plugin)]


def _youtube_plugin(node: SeenNode) -> str | None:
    plugins = node.snapshot.info.plugins if node.snapshot.info is not None else ()
    return next((plugin.version for plugin in plugins if plugin.name == YOUTUBE_PLUGIN), None)


def _players(node: SeenNode) -> int:
    return round(max(node.typical(lambda stats: stats.players) or 0, _playing(node)))


def _playing(node: SeenNode) -> int:
    return round(node.typical(lambda stats: stats.playing) or 0)


def _cores(node: SeenNode) -> int | None:
    cores = node.typical(lambda stats: stats.cores)
    return None if cores is None else max(round(cores), 1)


def _player_load(node: SeenNode) -> float:
    """The usual load of a playing player, or less where the whole load is less than that of so many players."""
    load, playing = node.typical(lambda stats: stats.system_load), _playing(node)
    if load is None or not playing:
        return PLAYER_LOAD
    return min(PLAYER_LOAD, round(load * (_cores(node) or 4) / playing, 5))


def _load(node: SeenNode) -> float | None:
    """The load without that of the players."""
    load = node.typical(lambda stats: stats.system_load)
    if load is None:
        return None
    return round(max(load - _player_load(node) * _playing(node) / (_cores(node) or 4), 0), 4)


def _answer_delay(node: SeenNode) -> float | None:
    seconds = node.snapshot.rest_latency_s or 0.0
    return round(seconds, 2) or None  # a few milliseconds differ from run to run, and no bot notices them


def _route_planner(node: SeenNode) -> str | None:
    kind = node.planner.kind if node.planner is not None else None
    return next((name for name, status in PLANNERS.items() if status["class"] == kind), None)


def _failing_addresses(node: SeenNode) -> int:
    failing = node.planner.failing_addresses if node.planner is not None else None
    return len(failing or ()) if _route_planner(node) is not None else 0


OBSERVED: Mapping[str, Callable[[SeenNode], Any]] = {
    "kind": _kind,
    "version": _version,
    "region": lambda node: node.snapshot.region,
    "sources": _sources,
    "plugins": _plugins,
    "players": _players,
    "playing": _playing,
    "load": _load,
    "player_load": _player_load,
    "cores": _cores,
    "answer_delay": _answer_delay,
    "route_planner": _route_planner,
    "failing_addresses": _failing_addresses,
    "youtube_plugin": _youtube_plugin,
}
"""Key of a node's table -> its value in a recording, None for the default."""

NOT_OBSERVED = {
    "name": "see `record_scenario`",
    "password": "a secret",
    "stats_interval": "follows from the kind",
    "guards": "follows from the kind",
    "nulled_frames": "reported to the session that plays only",
    "missing_frames": "reported to the session that plays only",
    "voice": "seen with players only",
    "voice_delay": "seen with players only",
    "audio": "seen with players only",
    "needs_dave": "depends on the voice channel",
    "ogg_breaks_when_moved": "seen with players only",
}
"""Every other key of a node's table, and why a recording does not have it."""


def _rule(load: SeenLoad, public: _Public) -> dict[str, Any]:
    """What a rule gives, as keys of its table; None for the default."""
    match load.found:
        case LavalinkLoadException() as error:
            severity = error.severity.lower()
            cause = public.text(error.reason)
            # A common failure is shown to users, so its cause is a message for them.
            message = cause.rpartition("Exception: ")[2] if cause is not None and severity == "common" else None
            return {
                "result": "error",
                "message": message,
                "severity": severity if severity in SEVERITIES else None,
                "cause": cause,
            }
        case Playlist() as playlist:
            return {**_first(playlist.tracks, public), "result": "playlist", "title": public.text(playlist.name),
                    "count": len(playlist.tracks)}  # fmt: skip
        case tracks if not tracks:
            return {"result": "empty"}
        case tracks:
            is_track = "://" in load.identifier
            return {**_first(tracks, public), "result": "track" if is_track else "search",
                    "count": None if is_track else len(tracks)}  # fmt: skip


def _first(tracks: Sequence[Playable], public: _Public) -> dict[str, Any]:
    """Title, author and length of the first track: the one that most bots play."""
    if not tracks:
        return {}
    first = tracks[0]
    length = first.duration / 1000 if first.duration else None
    return {"title": public.text(first.title), "author": public.text(first.author), "length": length}


def _allowed(keys: Iterable[Key], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that their keys take: numbers are cut to the bounds, and what does not fit is left out."""
    allowed = {}
    for key in keys:
        value = values.get(key.name)
        if value is None:
            continue
        if key.kind in (Kind.INTEGER, Kind.NUMBER) and key.minimum is not None and key.maximum is not None:
            value = min(max(value, key.minimum), key.maximum)
        try:
            allowed[key.name] = read_value(key, value)
        except ValueError:
            continue  # such as a title of white space, or a version with a line break
    return allowed


class _Public:
    """Decides which texts may be in a file that is given to others."""

    def __init__(self, uris: Iterable[str]) -> None:
        self._addresses = AddressRedactor(host for uri in uris for host in hosts_in(uri))

    def text(self, text: str | None) -> str | None:
        """The text, or None if a secret or an address is in it."""
        if text is None or redact(text) != text or self._addresses.of(text) != text:
            return None
        return text

    def value(self, value: Any) -> Any:
        """A value of a table; of a list, the texts that are public."""
        match value:
            case str():
                return self.text(value)
            case list():
                return [item for item in value if self.text(item) is not None]
        return value

    def pattern(self, identifier: str) -> str | None:
        """The pattern of a rule for an identifier; None where it may hold a key, an address or a path.

        Of addresses only those of tracks and playlists that anyone can open have one, without what is not their id.
        """
        if "://" not in identifier:
            is_path = "/" in identifier or "\\" in identifier
            return None if is_path or self.text(identifier) is None else _escaped(identifier)
        try:
            place, parts = place_of(identifier), urlsplit(identifier)
        except ValueError:  # no address at all
            return None
        has_key = "@" in parts.netloc or "/s-" in parts.path  # a password, or the key of a private track
        if place is None or has_key or redact(identifier) != identifier:
            return None
        plain = f"{parts.scheme}://{parts.netloc}{parts.path}"
        ids = [part for part in parts.query.split("&") if part.startswith(("v=", "list="))]
        if plain + (f"?{'&'.join(ids)}" if ids else "") == identifier:
            return _escaped(identifier)
        return _escaped(plain) + ("[?]*" + "*".join(map(_escaped, ids)) if ids else "") + "*"


def _escaped(text: str) -> str:
    """A pattern that only this text fits."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)
