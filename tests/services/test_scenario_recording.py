"""Scenarios from what was seen of nodes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.client.errors import LavalinkLoadException
from revvlink_cli.client.protocol.dialects import Dialect
from revvlink_cli.client.protocol.models import NodeInfo, NodeStats, Plugin
from revvlink_cli.client.protocol.plugin_answers import RoutePlanner
from revvlink_cli.client.protocol.tracks import Playable, Playlist
from revvlink_cli.client.redaction import Secret
from revvlink_cli.client.snapshot import NodeSnapshot, NodeStatus
from revvlink_cli.config import secrets_in_use
from revvlink_cli.services.scenario_files import NODE, read_scenario
from revvlink_cli.services.scenario_recording import NOT_OBSERVED, OBSERVED, SeenLoad, SeenNode, record_scenario
from revvlink_cli.services.scenario_text import scenario_text
from revvlink_cli.simulator.track_rules import TrackRule

SONG = Playable(encoded="x", title="Night Garden", author="Mira Solvang", length=187_000)


def _info(**changes: Any) -> NodeInfo:
    values: dict[str, Any] = {
        "version": "4.1.1", "build_time": None, "branch": "HEAD", "commit": "", "runtime": None, "lavaplayer": None,
        "sources": ("youtube", "http"), "filters": None,
        "plugins": (Plugin("youtube-plugin", "1.13.5"), Plugin("lavasrc-plugin", "4.8.1"), Plugin("odd", "")),
    }  # fmt: skip
    return NodeInfo(**(values | changes))


def _stats(players: int, playing: int, load: float | None, cores: int | None = 4) -> NodeStats:
    return NodeStats(
        players=players, playing=playing, uptime_ms=1, memory_free=1, memory_used=1, memory_allocated=1,
        memory_reservable=1, cores=cores, system_load=load, server_load=load, frames=None,
        has_cpu_baseline=load is not None,
    )  # fmt: skip


def _node(
    name: str = "us-1", uri: str = "http://10.0.0.1:2333", stats: tuple[NodeStats, ...] = (), **more: Any
) -> SeenNode:
    planner = more.pop("planner", None)
    values: dict[str, Any] = {"region": None, "status": NodeStatus.CONNECTED, "info": _info()}
    return SeenNode(NodeSnapshot(identifier=name, uri=uri, **(values | more)), stats, planner)


def test_every_key_of_a_node_is_observed_or_has_a_reason() -> None:
    """A new key of scenarios must be recorded, or the table says why not."""
    assert {*OBSERVED, *NOT_OBSERVED} == {key.name for key in NODE}
    assert not {*OBSERVED} & {*NOT_OBSERVED}


def test_a_node_is_recorded() -> None:
    """What it is, and its usual load: with as many players, the simulated node shows the same."""
    planner = RoutePlanner("RotatingIpRoutePlanner", {"failingAddresses": [{"failingAddress": "/192.0.2.7"}]})
    stats = (_stats(9, 6, None), _stats(12, 10, 0.30), _stats(20, 14, 0.34))
    seen = _node(region="us", dialect=Dialect.LAVALINK, stats=stats, planner=planner, rest_latency_s=0.0214)

    (node,) = record_scenario([seen]).scenario.nodes

    assert (node.identifier, node.dialect, node.version, node.region) == ("us-1", "lavalink", "4.1.1", "us")
    assert (node.sources, node.youtube_plugin) == (("youtube", "http"), "1.13.5")
    assert node.plugins == ("lavasrc-plugin:4.8.1",)
    assert (node.players, node.playing, node.cores) == (12, 10, 4)
    assert node.system_load + node.player_load * node.playing / node.cores == pytest.approx(0.32)
    assert (node.route_planner, node.failing_addresses, node.answer_delay) == ("RotateOnBan", 1, 0.02)


def test_a_node_without_statistics_has_the_usual_ones() -> None:
    """A node that has measured no load, and one of which nothing is known but its kind."""
    idle = _node("a", stats=(_stats(3, 3, 0.0),))
    unknown = _node("b", dialect=Dialect.NODELINK, info=None)

    first, second = record_scenario([idle, unknown]).scenario.nodes

    assert (first.system_load, first.player_load, first.playing) == (0.0, 0.0, 3)
    assert (second.dialect, second.version, second.players) == ("nodelink", "3.7.0", 0)


def test_searches_become_rules() -> None:
    """Each kind of answer; for all other words the nodes find invented tracks."""
    loads = [
        SeenLoad("ytsearch:night [live]*", [SONG, SONG]),
        SeenLoad("https://youtu.be/dQw4w9WgXcQ", [SONG]),
        SeenLoad("https://open.spotify.com/playlist/7x", Playlist(name="Mix", tracks=(SONG,) * 3)),
        SeenLoad("scsearch:nothing", []),
        SeenLoad("ytsearch:gone", LavalinkLoadException("X.FriendlyException: It is gone", severity="COMMON")),
        SeenLoad("ytsearch:broken", LavalinkLoadException("SocketException: timed out", severity="odd")),
    ]
    song: dict[str, Any] = {"title": "Night Garden", "author": "Mira Solvang", "length_s": 187.0}

    recorded = record_scenario([_node()], loads)
    rules = recorded.scenario.nodes[0].tracks

    assert rules == (
        TrackRule(match="ytsearch:night [[]live][*]", result="search", count=2, **song),
        TrackRule(match="https://youtu.be/dQw4w9WgXcQ", result="track", **song),
        TrackRule(
            match="https://open.spotify.com/playlist/7x", result="playlist", count=3, **(song | {"title": "Mix"})
        ),
        TrackRule(match="scsearch:nothing", result="empty"),
        TrackRule(match="ytsearch:gone", result="error", message="It is gone", severity="common",
                  cause="X.FriendlyException: It is gone"),
        TrackRule(match="ytsearch:broken", result="error", cause="SocketException: timed out"),
        TrackRule(match="*"),
    )  # fmt: skip
    assert rules[0].takes("ytsearch:night [live]*")
    assert not rules[0].takes("ytsearch:night [live] more")


@pytest.mark.parametrize(
    ("identifier", "match"),
    [
        ("https://youtu.be/abc?si=TRACKING", "https://youtu.be/abc*"),
        ("https://www.youtube.com/watch?app=x&v=abc&t=9", "https://www.youtube.com/watch[?]*v=abc*"),
        ("https://www.youtube.com/watch?v=abc", "https://www.youtube.com/watch[?]v=abc"),
        ("https://me:secret@youtu.be/abc", None),
        ("https://soundcloud.com/mira/demo/s-Ab12Cd", None),
        ("https://soundcloud.com/mira/sets/demo/s-Ab12Cd", None),
        ("https://cdn.example.com/song.mp3?token=1", None),
        ("http://[", None),
        ("/home/me/music/song.mp3", None),
        ("local:C:\\music\\song.mp3", None),
        ("ytsearch:10.0.0.1", None),
        ("ytsearch:radio.example.com", None),
        ("ytsearch:line\nbreak", None),
        ("ytsearch:hunter22", None),
    ],
)
def test_which_identifiers_are_recorded(identifier: str, match: str | None) -> None:
    """Addresses that anyone can open, without what is not their id, and words; none with a key, host or path."""
    secrets_in_use.use([Secret("hunter22")])
    try:
        recorded = record_scenario([_node(uri="http://radio.example.com")], [SeenLoad(identifier, [SONG])])
    finally:
        secrets_in_use.forget()
    rules = recorded.scenario.nodes[0].tracks

    assert [rule.match for rule in rules] == ([match] if match is not None else []) + ["*"]
    assert recorded.left_out == (() if match is not None else (identifier,))
    assert match is None or rules[0].takes(identifier)


def test_nothing_private_is_recorded() -> None:
    """Passwords, hosts and addresses, wherever the node wrote them; nodes named after their host get another name."""
    secret, host = "correct-horse", "lava.example.com"
    secrets_in_use.use([Secret(secret)])
    hostile = Playable(encoded="x", title=f"{secret} {host}", author="[2001:db8::7]:80", length=1)
    try:
        recorded = record_scenario(
            [
                _node(host, f"http://{host}:2333", region=host, info=_info(version=secret, sources=("http",))),
                _node("node-1", "http://10.1.2.3"),
                _node("10.1.2.3:2333", "http://10.1.2.3:2333"),
            ],
            [
                SeenLoad("ytsearch:a", [hostile]),
                SeenLoad("ytsearch:b", LavalinkLoadException(f"{host}/10.1.2.3: refused {secret}", severity="common")),
            ],
        )
    finally:
        secrets_in_use.forget()
    text = scenario_text(recorded.scenario)

    assert [node.identifier for node in recorded.scenario.nodes] == ["node-2", "node-1", "node-3"]
    assert recorded.renamed == {host: "node-2", "10.1.2.3:2333": "node-3"}
    assert read_scenario(text) == recorded.scenario
    for private in (secret, "example", "10.1", "2001", "2333", "password"):
        assert private not in text


@given(
    texts=st.lists(st.text(max_size=30), min_size=8, max_size=8),
    figures=st.lists(st.floats(-1e300, 1e300) | st.integers(-(2**40), 2**70) | st.none(), min_size=4, max_size=4),
    found=st.sampled_from(["tracks", "playlist", "error"]),
)
def test_any_node_makes_a_scenario(texts: list[str], figures: list[Any], found: str) -> None:
    """What a server writes never makes a file that cannot be read."""
    version, source, plugin, title, author, identifier, region, name = texts
    song = Playable(encoded="x", title=title, author=author, length=int(figures[1] or 0))
    answers: dict[str, Any] = {
        "tracks": [song],
        "playlist": Playlist(name=title, tracks=(song,)),
        "error": LavalinkLoadException(title, severity=author),
    }
    info = _info(version=version, sources=(source,), plugins=(Plugin("youtube-plugin", plugin), Plugin(plugin, source)))
    seen = _node(name, region=region, info=info, stats=(_stats(*figures),), rest_latency_s=figures[0])

    recorded = record_scenario([seen], [SeenLoad(identifier, answers[found])])

    assert read_scenario(scenario_text(recorded.scenario)) == recorded.scenario
