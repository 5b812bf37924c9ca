"""Every command on real servers, as a person would type it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from revvlink_cli.health.failure_codes import FailureCode
from tests.conftest import run_cli

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Ran
    from tests.real.conftest import Server


@pytest.fixture
def run(server: Server, write_config: Callable[..., Path]) -> Callable[..., Ran]:
    """Runs a command with a configuration that has the server as its one node."""
    path = write_config({"identifier": "one", "uri": server.uri, "password": server.password, "region": "us"})

    def run_with_config(*arguments: str, **more: Any) -> Ran:
        ran = run_cli("--config", str(path), *arguments, **more)
        assert server.password not in ran.out + ran.err
        return ran

    return run_with_config


def wanted(value: str | None) -> str:
    """An identifier the server's catalogue has, or a skip."""
    if value is None:
        pytest.skip("the server has nothing of the kind")
    return value


@contextmanager
def killed(server: Server) -> Iterator[None]:
    """The server dead for a while."""
    server.kill()
    try:
        yield
    finally:
        server.restart()


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """The server frozen for a while."""
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def test_connect_shows_a_ready_node(run: Callable[..., Ran]) -> None:
    """A healthy node is connected, with its server, version, session and time to ready."""
    ran = run("connect", "-o", "json")

    assert ran.code == 0
    (row,) = ran.rows
    assert (row["node"], row["state"], row["reason"]) == ("one", "connected", None)
    assert row["server"] in ("Lavalink", "NodeLink")
    assert re.fullmatch(r"\S+", row["session_id"])
    assert row["ready_ms"] > 0


def test_status_shows_figures(run: Callable[..., Ran]) -> None:
    """Status has players, memory, uptime, a penalty and a round trip of a healthy node."""
    ran = run("nodes", "status", "-o", "json")

    assert ran.code == 0
    (row,) = ran.rows
    assert row["state"] == "connected"
    for figure in ("players", "playing", "memory_used_bytes", "uptime_ms", "penalty", "latency_ms"):
        assert row[figure] is not None, figure
        assert row[figure] >= 0, figure
    assert row["stats_origin"] in ("websocket", "rest")
    assert row["unexpected_fields"] == []


def test_status_in_plain_is_one_line_of_tabs(run: Callable[..., Ran]) -> None:
    """Through a pipe each node is one line, fields separated by tabs, and nothing is on stderr."""
    ran = run("nodes", "status")

    assert ran.code == 0
    assert ran.err == ""
    assert len(ran.out.splitlines()) == 1
    assert ran.out.split("\t")[:3] == ["one", "connected", "us"]


def test_info_tells_what_the_node_is(run: Callable[..., Ran]) -> None:
    """Info names version, sources and runtime."""
    ran = run("nodes", "info", "one", "-o", "json")

    assert ran.code == 0
    assert ran.rows["version"]
    assert ran.rows["sources"]
    assert ran.rows["runtime"]


def test_search_finds_a_track(run: Callable[..., Ran], server: Server) -> None:
    """An identifier that is one track gives that track."""
    ran = run("search", "--raw", server.catalogue.track, "-o", "json")

    assert ran.code == 0, ran.err
    (row,) = ran.rows
    assert row["encoded"]
    assert row["length_ms"] is None or row["length_ms"] > 0
    if server.catalogue.track_title is not None:
        assert row["title"] == server.catalogue.track_title


def test_search_finds_words(run: Callable[..., Ran], server: Server) -> None:
    """A search gives several tracks; --limit cuts them and says so."""
    words = wanted(server.catalogue.words)

    ran = run("search", words, "-o", "json")
    one = run("search", words, "--limit", "1", "-o", "table")

    assert ran.code == 0
    assert len(ran.rows) > 1
    assert "more of" in one.err


def test_search_shows_a_playlist(run: Callable[..., Ran], server: Server) -> None:
    """A playlist is shown as one, with its name; a selected track is marked."""
    ran = run("search", wanted(server.catalogue.playlist), "-o", "table")
    selected = run("search", wanted(server.catalogue.selected_playlist), "-o", "json")

    assert ran.code == 0
    assert ran.out.startswith("Playlist ")
    assert [row["is_selected"] for row in selected.rows].count(True) == 1


def test_search_shows_a_stream_as_live(run: Callable[..., Ran], server: Server) -> None:
    """A stream has no length: it is live."""
    identifier = wanted(server.catalogue.stream)

    ran = run("search", identifier, "-o", "table")
    data = run("search", identifier, "-o", "json")

    assert "live" in ran.out
    assert data.rows[0]["is_stream"] is True
    assert data.rows[0]["length_ms"] is None


def test_search_that_finds_nothing(run: Callable[..., Ran], server: Server) -> None:
    """No match is exit 1, an empty list, and a word on stderr."""
    identifier = wanted(server.catalogue.nothing)

    ran = run("search", identifier, "-o", "json")
    said = run("search", identifier)

    assert (ran.code, ran.json["status"], ran.rows, ran.json["errors"]) == (1, "empty", [], [])
    assert "nothing found" in said.err


def test_the_same_search_three_times(run: Callable[..., Ran], server: Server) -> None:
    """The third time the server is dead: the same output, and stderr says where it is from."""
    first = run("search", "--raw", server.catalogue.track, "-o", "json")
    second = run("search", "--raw", server.catalogue.track, "-o", "json")
    with killed(server):
        third = run("search", "--raw", server.catalogue.track, "-o", "json")
        refreshed = run("search", "--raw", server.catalogue.track, "--cache-mode", "refresh")

    assert first.code == 0
    assert first.out == second.out == third.out
    assert [("from the cache" in ran.err) for ran in (first, second, third)] == [False, True, True]
    assert refreshed.code == 3


def test_search_that_fails_tells_the_real_reason(run: Callable[..., Ran], server: Server) -> None:
    """A failed load is exit 1 with the innermost reason, not the uniform message."""
    ran = run("search", wanted(server.catalogue.fails), "-o", "json")

    assert ran.code == 1
    (error,) = ran.json["errors"]
    assert error["code"] in {"load_failed", *FailureCode}
    assert "Something went wrong while looking up the track" not in error["message"]
    if server.catalogue.failure is not None:
        assert server.catalogue.failure in error["message"]


def test_decode_agrees_with_the_node(run: Callable[..., Ran], server: Server) -> None:
    """A track decoded here and by the node is the same track."""
    (track,) = run("search", "--raw", server.catalogue.track, "-o", "json").rows

    here = run("track", "decode", track["encoded"], "-o", "json")
    there = run("track", "decode", "--node", "one", track["encoded"], "-o", "json")

    assert (here.code, there.code) == (0, 0)
    assert here.rows[0] == there.rows[0]
    assert here.rows[0]["title"] == track["title"]


def test_decode_refused_by_the_node(run: Callable[..., Ran]) -> None:
    """What the node cannot decode is exit 1, with the node's own words."""
    ran = run("track", "decode", "--node", "one", "QAAAgarbage", "-o", "json")

    assert ran.code == 1
    assert ran.json["errors"]


def test_check_is_ok(run: Callable[..., Ran]) -> None:
    """A healthy node passes every check: exit 0, one line for a mail."""
    ran = run("check")

    assert ran.code == 0
    assert ran.out == "OK: 1 of 1 node healthy\n"


def test_wrong_password(server: Server, write_config: Callable[..., Path]) -> None:
    """A refused password is exit 4 at stage auth, CRITICAL for check; neither password is shown."""
    path = write_config({"identifier": "one", "uri": server.uri, "password": "canary-wrong-password"})

    for command in (["connect"], ["nodes", "status"], ["nodes", "info", "one"], ["search", "x"]):
        ran = run_cli("--config", str(path), *command, "-o", "json")
        assert ran.code == 4, command
        assert [(e["code"], e["stage"], e["node"]) for e in ran.json["errors"]] == [("wrong_password", "auth", "one")]
        assert "canary" not in ran.out + ran.err
    check = run_cli("--config", str(path), "check")
    assert check.code == 2
    assert "canary" not in check.out + check.err


def test_killed_server(run: Callable[..., Ran], server: Server) -> None:
    """A dead server is exit 3 with the reason and the next step, and CRITICAL for check."""
    with killed(server):
        ran = run("nodes", "status", "-o", "json")
        check = run("check")

    assert ran.code == 3
    (error,) = ran.json["errors"]
    assert (error["code"], error["stage"]) == ("connection_refused", "connect")
    assert error["hint"]
    assert ran.rows[0]["state"] == "failed"
    assert ran.rows[0]["players"] is None
    assert check.code == 2
    assert run("connect").code == 0  # and it is well again after its restart


def test_frozen_server(run: Callable[..., Ran], server: Server) -> None:
    """A server that takes connections and answers nothing is named as such, within the command's time."""
    with frozen(server):
        began = time.monotonic()
        ran = run("connect", "-o", "json", "--timeout", "8")
        took = time.monotonic() - began

    assert ran.code == 3
    assert ran.json["errors"][0]["code"] == "silent"
    assert took < 12  # the command's own 8 s, and the start of a process on a busy machine
    assert run("connect").code == 0


@pytest.mark.usefixtures("run")
def test_hold_tells_of_loss_and_return(server: Server, isolated: Path) -> None:
    """``connect --hold`` prints a node's loss and its return, and ends with 130 on Ctrl-C."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "revvlink_cli",
            "--config",
            str(isolated / "nodes.toml"),
            "connect",
            "--hold",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        first = process.stdout.readline()
        assert "\tconnected\t" in first
        with killed(server):
            assert "\tlost\t" in process.stdout.readline()
        while "\tconnected\t" not in (line := process.stdout.readline()):
            assert line, "the command ended instead of reconnecting"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "nclosed" not in err
