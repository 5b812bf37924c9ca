"""``revvlink play`` on simulated nodes: each verdict with its reason and exit code, and nothing left on any node."""

from __future__ import annotations

import json
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.simulator import NodeProfile, Simulator
from tests.conftest import run_cli, start_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Ran
    from tests.warm_command_line import RunningCommand

PASSWORD = "pw"
LISTEN = ("--listen", "127.0.0.1:0", "--for", "1s")
PROFILES = (
    NodeProfile(identifier="one", password=PASSWORD, audio="sound"),
    NodeProfile(identifier="old", password=PASSWORD, version="4.1.1", audio="sound"),
    NodeProfile(identifier="closed", password=PASSWORD, version="4.0.8", audio="sound", requires_dave=True),
    NodeProfile.nodelink(identifier="link", password=PASSWORD, audio="sound"),
    NodeProfile.nodelink(identifier="decoder", password=PASSWORD, load_stream=True),
    NodeProfile.nodelink(identifier="mute", password=PASSWORD, load_stream=True, audio="silence"),
    NodeProfile(identifier="blocked", password=PASSWORD, audio="blocked"),
    NodeProfile(identifier="foreign", password=PASSWORD, audio="foreign"),
    NodeProfile(identifier="silent", password=PASSWORD, audio="silence"),
    NodeProfile(identifier="late", password=PASSWORD, answer_delay=0.5),
    NodeProfile(identifier="pauses", password=PASSWORD, audio="pauses"),
    NodeProfile(identifier="tube", password=PASSWORD, youtube_plugin="1.18.2"),
    NodeProfile(identifier="distrusted", password=PASSWORD, youtube_plugin="1.18.2", youtube_failure="bot"),
)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Nodes of every kind."""
    with Simulator(PROFILES) as running:
        yield running


@pytest.fixture
def config(simulator: Simulator, write_config: Callable[..., Path]) -> Path:
    """Their configuration."""
    return write_config(*({"identifier": n.profile.identifier, "uri": n.uri, "password": PASSWORD} for n in simulator))


@pytest.fixture
def play(config: Path) -> Callable[..., Ran]:
    """Plays on named nodes, with the result as JSON."""

    def run(nodes: str, *arguments: str) -> Ran:
        named = [word for node in nodes.split() for word in ("--node", node)]
        return run_cli("play", "--config", str(config), *named, "-o", "json", *arguments)

    return run


def only(ran: Ran) -> dict[str, Any]:
    """The one row of a run."""
    (row,) = ran.rows
    return dict(row)


def test_track_starts_without_voice(play: Callable[..., Ran], simulator: Simulator) -> None:
    """No failure within the time is `starts`, muted, with the steps on the way; the player is gone again."""
    ran = play("one", "--for", "1s", "night", "garden")
    row = only(ran)
    assert ran.code == 0
    assert row["verdict"] == "starts"
    assert "--listen" in row["message"]
    assert [step["step"] for step in row["steps"]] == ["loaded", "accepted", "started"]
    assert row["load_ms"] > 0
    patched = [path for method, path in simulator["one"].requests if method == "PATCH"]
    deleted = [path for method, path in simulator["one"].requests if method == "DELETE"]
    assert len({path.rpartition("/")[2] for path in patched}) == len(deleted)


def test_track_is_heard(play: Callable[..., Ran], tmp_path: Path) -> None:
    """With a voice server of our own, packets are counted and kept, on a Lavalink and on a NodeLink."""
    file = tmp_path / "packets.jsonl"
    ran = play("one link", *LISTEN, "--save", str(file), "night", "garden")
    assert ran.code == 0
    for row in ran.rows:
        assert row["verdict"] == "heard"
        assert row["dave_version"] == 1
        assert row["packet_rate"] == pytest.approx(50, abs=8)
        assert (row["lost_packets"], row["foreign_packets"]) == (0, 0)
        assert row["silence_ratio"] < 0.1
        assert row["first_packet_ms"] > 0
        assert [step["step"] for step in row["steps"]][:3] == ["loaded", "connected", "accepted"]
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert {line["node"] for line in lines} == {"one", "link"}
    assert all(line["type"] == "rtp" for line in lines)


def test_node_without_dave_is_named(play: Callable[..., Ran]) -> None:
    """What sounds here would not on Discord: the code says so, with voice and without."""
    for arguments in (LISTEN, ("--for", "1s")):
        row = only(play("old", *arguments, "night", "garden"))
        assert row["code"] == "voice_dave_required"
        assert "4017" in row["message"]
        assert "4.2.0" in row["advice"]
    assert only(play("old", *LISTEN, "night", "garden"))["dave_version"] == 0


@pytest.mark.parametrize(
    ("node", "code", "words"),
    [
        ("closed", "voice_dave_required", "4017"),
        ("blocked", "voice_unreachable", "UDP port"),
        ("foreign", "foreign_audio", "another player"),
        ("silent", "silence", "silence"),
        ("pauses", "audio_interrupted", "pauses"),
    ],
)
def test_voice_that_fails_has_its_reason(play: Callable[..., Ran], node: str, code: str, words: str) -> None:
    """Closed by Discord, UDP blocked, another guild's audio, silence, pauses: each its own reason, exit code 1."""
    ran = play(node, "--listen", "127.0.0.1:0", "--for", "4s" if node == "pauses" else "1s", "night", "garden")
    row = only(ran)
    assert (ran.code, row["verdict"], row["code"]) == (1, "fails", code)
    assert words in row["message"]
    assert ran.json["errors"][0]["code"] == code


@pytest.mark.parametrize(
    ("query", "verdict", "code"),
    [
        ("sim:login", "fails", "youtube_login_required"),
        ("sim:bot", "fails", "youtube_ip_blocked"),
        ("sim:region", "fails", "region_blocked"),
        ("sim:unplayable", "fails", "play_failed"),
        ("sim:fails", "not_loaded", "load_failed"),
        ("ytsearch:no such words at all", "not_loaded", "empty"),
        ("sim:playlist-empty", "not_loaded", "empty"),
    ],
)
def test_query_that_does_not_play(play: Callable[..., Ran], query: str, verdict: str, code: str) -> None:
    """What loads and fails is `fails` with the real reason; what does not load is `not_loaded`. Both exit with 1."""
    ran = play("one", "--for", "1s", query)
    row = only(ran)
    assert (ran.code, row["verdict"], row["code"]) == (1, verdict, code)
    assert row["steps"][-1]["step"] == "failed"


def test_track_that_ends_without_sound_has_its_own_advice(play: Callable[..., Ran]) -> None:
    """A track of silence that has ended does not send the operator to the UDP route: packets did come."""
    row = only(play("silent", *LISTEN, "--raw", "music/one.wav"))
    assert (row["verdict"], row["code"]) == ("fails", "no_audio")
    assert "ended" in row["message"]
    assert "UDP" not in row["advice"]
    assert "another player" in row["advice"]


@pytest.mark.parametrize("query", ["sim:playlist", "sim:stream"])
def test_playlists_and_streams(play: Callable[..., Ran], query: str) -> None:
    """The first track of a playlist is played, and a stream for the time of the measurement."""
    row = only(play("one", *LISTEN, query))
    assert row["verdict"] == "heard"
    assert row["title"]


def test_nodelink_without_voice(play: Callable[..., Ran]) -> None:
    """It decodes on request, where that is on; silence is told from sound; else nothing is proven."""
    row = only(play("decoder", "--for", "1s", "night", "garden"))
    assert (row["verdict"], row["pcm_bytes"]) == ("heard", 192_000)
    row = only(play("mute", "--for", "1s", "night", "garden"))
    assert (row["verdict"], row["code"]) == ("fails", "silence")
    ran = play("link", "night", "garden")
    assert (ran.code, only(ran)["verdict"]) == (0, "unproven")
    assert "enableLoadStreamEndpoint" in only(ran)["advice"]
    assert play("link", "--strict", "night", "garden").code == 1


def test_nodelink_decodes_as_recorded(play: Callable[..., Ran]) -> None:
    """Three seconds of a WAV are 576,000 bytes; for a broken file it answers 200 without a body."""
    row = only(play("decoder", "--for", "5s", "--raw", "local:one.wav"))
    assert (row["verdict"], row["pcm_bytes"]) == ("heard", 576_000)
    row = only(play("decoder", "--for", "5s", "--raw", "local:broken.flac"))
    assert (row["verdict"], row["code"]) == ("fails", "no_audio")


def test_nodelink_is_not_endangered(play: Callable[..., Ran], simulator: Simulator) -> None:
    """Its session may be resumed for no time at all before the player is made: a killed run does not kill it."""
    assert only(play("link", *LISTEN, "night", "garden"))["verdict"] == "heard"
    patched = [path for method, path in simulator["link"].requests if method == "PATCH"]
    first_player = next(turn for turn, path in enumerate(patched) if "/players/" in path)
    assert any("/players/" not in path for path in patched[:first_player])


def test_mixed_results_are_partial(play: Callable[..., Ran]) -> None:
    """Some nodes play and some do not: exit code 5, and the errors name the bad ones."""
    ran = play("one silent", *LISTEN, "night", "garden")
    assert ran.code == 5
    assert [error["node"] for error in ran.json["errors"]] == ["silent"]


def test_unreachable_node(write_config: Callable[..., Path]) -> None:
    """Nodes that are not there are exit code 3."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        path = write_config({"identifier": "x", "uri": f"http://127.0.0.1:{unused.getsockname()[1]}", "password": "p"})
        assert run_cli("play", "--config", str(path), "night", "-o", "json").code == 3


def test_node_dies_in_mid_play(simulator: Simulator, config: Path) -> None:
    """The report says that the node was lost; it does not wait for the end of the time."""
    process = _started(config, "one", "--listen", "127.0.0.1:0", "--for", "20s", "night", "garden")
    _until_played(simulator, "one")
    time.sleep(1.0)
    simulator["one"].kill()
    try:
        out, err = process.communicate(timeout=30)
    finally:
        simulator["one"].start()
    row = json.loads(out)["data"][0]
    assert process.returncode == 1, err
    assert row["verdict"] == "fails"
    assert "lost in mid-play" in row["message"]


def test_source_that_stalls_is_found(play: Callable[..., Ran]) -> None:
    """A track that starts, sounds for half a second and then gives nothing more has not been heard."""
    ran = play("one", "--listen", "127.0.0.1:0", "--for", "4s", "--raw", "music/stall.wav")
    row = only(ran)
    assert (ran.code, row["verdict"], row["code"]) == (1, "fails", "audio_stopped")
    assert "stopped after" in row["message"]


def test_node_that_freezes_in_mid_play(simulator: Simulator, config: Path) -> None:
    """The report comes in time though the node answers nothing, not even the end of the player."""
    process = _started(config, "one", "--listen", "127.0.0.1:0", "--for", "6s", "night", "garden")
    _until_played(simulator, "one")
    time.sleep(1.5)
    simulator["one"].freeze()
    try:
        out, err = process.communicate(timeout=30)
    finally:
        simulator["one"].thaw()
    assert process.returncode == 1, err
    assert json.loads(out)["data"][0]["code"] == "audio_stopped"


def test_killed_run_leaves_nothing(simulator: Simulator, config: Path) -> None:
    """After kill -9 in mid-play the nodes are up, without a session of the run."""
    for node in ("one", "link"):
        process = _started(config, node, "--listen", "127.0.0.1:0", "--for", "20s", "night", "garden")
        _until_played(simulator, node)
        process.kill()
        process.communicate()
        until = time.monotonic() + 10
        while simulator[node].open_sockets and time.monotonic() < until:
            time.sleep(0.1)
        assert simulator[node].open_sockets == 0


def test_interrupted_run_leaves_no_player(simulator: Simulator, config: Path) -> None:
    """Ctrl-C destroys the player before the connection is closed, and exits with 130."""
    process = _started(config, "one", "--for", "20s", "night", "garden")
    guild = _until_played(simulator, "one")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    assert any(m == "DELETE" and path.endswith(guild) for m, path in simulator["one"].requests)


def test_node_that_hangs_at_the_load_is_unreachable(simulator: Simulator, config: Path) -> None:
    """A node that stops answering before anything is played is exit code 3, as one that does not answer at all."""
    process = _started(config, "late", "--for", "1s", "night", "garden")
    _until_requested(simulator, "late", "/loadtracks")
    simulator["late"].freeze()
    try:
        out, err = process.communicate(timeout=40)
    finally:
        simulator["late"].thaw()
    assert process.returncode == 3, err
    assert json.loads(out)["data"][0]["verdict"] == "fails"


def test_node_that_hangs_at_the_player_is_unreachable(simulator: Simulator, config: Path) -> None:
    """The same at the request that makes the player; the report shows that the track was loaded."""
    process = _started(config, "late", "--for", "1s", "night", "garden")
    _until_requested(simulator, "late", "/players/")
    simulator["late"].freeze()
    try:
        out, err = process.communicate(timeout=40)
    finally:
        simulator["late"].thaw()
    assert process.returncode == 3, err
    assert [step["step"] for step in json.loads(out)["data"][0]["steps"]] == ["loaded", "failed"]


def test_report_in_markdown(config: Path) -> None:
    """`-o markdown` writes a table with the verdict of each node, and what to do about those that fail."""
    nodes = ("--node", "one", "--node", "link")
    ran = run_cli("play", "--config", str(config), *nodes, "--for", "1s", "-o", "markdown", "sim:login")
    assert ran.code in (1, 5)
    assert "| NODE | VERDICT |" in ran.out
    assert "| one | fails |" in ran.out
    assert "- one: Set up OAuth" in ran.out


def _started(config: Path, node: str, *arguments: str) -> RunningCommand:
    return start_cli("play", "--config", str(config), "--node", node, "-o", "json", *arguments)


def _until_played(simulator: Simulator, node: str) -> str:
    """Wait until a new player is made; gives its guild."""
    return _until_requested(simulator, node, "/players/").rpartition("/")[2]


def _until_requested(simulator: Simulator, node: str, words: str) -> str:
    """Wait for a new request whose path has these words; gives the path."""
    before = len(simulator[node].requests)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for _, path in simulator[node].requests[before:]:
            if words in path:
                return path
        time.sleep(0.05)
    raise AssertionError(f"no request for {words}")


def test_youtube_plugin_is_asked(play: Callable[..., Ran], simulator: Simulator) -> None:
    """A YouTube track's own bytes are fetched through the plugin, a few of them."""
    row = only(play("tube", "--for", "1s", "night", "garden"))
    assert row["verdict"] == "starts"
    assert "streamed" in [step["step"] for step in row["steps"]]
    assert any(path.startswith("/youtube/stream/") for _, path in simulator["tube"].requests)


def test_youtube_plugin_that_cannot_stream(play: Callable[..., Ran]) -> None:
    """A YouTube track that the plugin cannot stream (400) fails with its reason, before a player is made."""
    ran = play("distrusted", "--for", "1s", "night", "garden")
    row = only(ran)
    assert (ran.code, row["verdict"], row["code"]) == (1, "fails", "youtube_ip_blocked")
    assert "the YouTube plugin cannot stream it" in row["message"]
    assert [step["step"] for step in row["steps"]] == ["loaded", "failed"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--listen", "nowhere", "x"), "HOST:PORT"),
        (("--listen", "0.0.0.0:0", "x"), "--advertise"),
        (("--cert", "x.pem", "x"), "--listen"),
        (("--save", "x", "x"), "--listen"),
        (("--listen", "127.0.0.1:0", "--key", "k.pem", "x"), "--cert"),
        (("--listen", "127.0.0.1:0", "--cert", "missing.pem", "x"), "missing.pem"),
        (("--for", "20s", "--timeout", "10", "x"), "--timeout"),
        (("--for", "soon", "x"), "soon"),
        ((" ",), "empty"),
    ],
)
def test_wrong_command_lines(play: Callable[..., Ran], arguments: tuple[str, ...], words: str) -> None:
    """Each is exit code 2 with its reason, before any node is asked."""
    ran = play("one", *arguments)
    assert ran.code == 2
    assert words in ran.json["errors"][0]["message"] + ran.json["errors"][0].get("hint", "")


def test_two_runs_on_one_port(play: Callable[..., Ran]) -> None:
    """The second run says that the port is in use."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = play("one", "--listen", f"127.0.0.1:{taken.getsockname()[1]}", "x")
    assert (ran.code, ran.json["errors"][0]["code"]) == (1, "port_in_use")


def test_the_demo_is_heard() -> None:
    """Whoever tries `--listen` on the simulated fleet of `revvlink demo` hears it."""
    ran = run_cli("demo", "--", "play", "night", "garden", "--node", "us-1", *LISTEN, "-o", "json")
    assert ran.code == 0, ran.err
    assert only(ran)["verdict"] == "heard"
