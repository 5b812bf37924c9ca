"""The cache as a person meets it on the command line, on simulated nodes, real databases and a genuine Redis."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_app_start_up import SLOW, loaded
from tests.client.cache.redis_server import loads, redis_server
from tests.conftest import run_cli
from tests.fake_terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from revvlink_cli.simulator import SimulatedNode
    from tests.conftest import Ran


@pytest.fixture
def database(run: Callable[..., Ran]) -> Path:
    """Where the database is."""
    from pathlib import Path

    return Path(run("cache", "path").out.strip())


@pytest.mark.parametrize("output", ["table", "plain", "json", "jsonl"])
@pytest.mark.parametrize("query", ["night", "sim:playlist", "ytsearch:zzzz nothing of that name"])
def test_the_same_search_three_times(run: Callable[..., Ran], node: SimulatedNode, output: str, query: str) -> None:
    """The third time the node is gone: the same output and exit code, one load, and stderr says where it is from."""
    first = run("search", query, "-o", output)
    second = run("search", query, "-o", output)
    node.kill()
    third = run("search", query, "-o", output)

    assert first.out == second.out == third.out
    assert first.code == second.code == third.code
    assert loads(node) == 1
    assert "from the cache" not in first.err
    for again in (second, third):
        assert re.search(r"note: from the cache, \d+s old", again.err)
    assert "from the cache" not in run("search", query, "-o", output, "-q").err


def test_what_is_kept_needs_no_password(node: SimulatedNode, isolated: Path) -> None:
    """A search that is kept reads no secret."""
    path = isolated / "secret.toml"
    path.write_text(f'[[nodes]]\nidentifier = "one"\nuri = "{node.uri}"\npassword_env = "P"\n', encoding="utf-8")

    assert run_cli("search", "night", "--config", str(path), P=node.password).code == 0
    assert run_cli("search", "night", "--config", str(path)).code == 0
    assert run_cli("search", "day", "--config", str(path)).code == 2


@pytest.mark.parametrize("way", ["option", "variable"])
def test_modes(run: Callable[..., Ran], node: SimulatedNode, way: str) -> None:
    """prefer, refresh, bypass and only do what they say, by option and by variable."""

    def search(query: str, mode: str) -> Ran:
        if way == "option":
            return run("search", query, "--cache-mode", mode)
        return run("search", query, REVVLINK_CACHE_MODE=mode)

    missing = search("night", "only")
    assert (missing.code, missing.out, loads(node)) == (1, "", 0)
    assert "is not in the cache" in missing.err
    assert search("night", "bypass").code == 0
    assert search("night", "only").code == 1
    assert search("night", "refresh").code == 0
    assert search("night", "only").code == 0
    assert loads(node) == 2
    assert search("night", "refresh").code == 0
    assert search("night", "bypass").code == 0
    assert loads(node) == 4
    assert search("night", "prefer").code == 0
    assert loads(node) == 4
    assert search("night", "sometimes").code == 2


def test_a_named_node_and_another_limit(run: Callable[..., Ran], node: SimulatedNode) -> None:
    """What a named node found is kept for itself; limits and encoded forms are a matter of showing."""
    whole = run("search", "night", "-o", "json").rows
    assert loads(node) == 1
    assert run("search", "night", "-o", "json", "--limit", "1").rows == whole[:1]
    encoded = run("search", "night", "--encoded")
    assert encoded.out.count("\n") == len(whole)
    assert whole[0]["encoded"] in encoded.out
    assert loads(node) == 1
    assert run("search", "night", "--node", "one", "-o", "json").rows == whole
    assert loads(node) == 2
    run("search", "night", "--node", "one")
    assert loads(node) == 2
    assert {row["node"] for row in run("cache", "list", "-o", "json").rows} == {None, "one"}


def test_errors_and_streams_are_not_kept(run: Callable[..., Ran], node: SimulatedNode) -> None:
    """They are asked for again."""
    for query in ("sim:stream", "sim:fails"):
        before = loads(node)
        outcomes = [run("search", query) for _ in range(2)]
        assert outcomes[0].out == outcomes[1].out
        assert loads(node) == before + 2
    assert run("cache", "list", "-o", "json").rows == []


def test_stats_list_show_clear(run: Callable[..., Ran], node: SimulatedNode, database: Path) -> None:
    """The figures add up, an entry can be looked at without being used, and goes when it is told to."""
    for query in ("night", "night", "sim:playlist"):
        run("search", query)
    stats = run("cache", "stats", "-o", "json").rows
    assert stats["backend"] == "sqlite"
    assert stats["location"] == str(database)
    assert (stats["capacity"], stats["entries"], stats["hits"], stats["misses"]) == (512, 2, 1, 2)
    assert stats["hit_ratio"] == pytest.approx(1 / 3, abs=1e-3)
    assert stats["oldest_ms"] < 60_000
    rows = run("cache", "list", "-o", "json").rows
    assert [(row["query"], row["uses"]) for row in rows] == [("ytsearch:night", 2), ("sim:playlist", 1)]
    assert stats["size_bytes"] == sum(row["size_bytes"] for row in rows)
    assert len(run("cache", "list", "--limit", "1", "--sort", "size", "-o", "json").rows) == 1
    shown = run("cache", "show", "Night", "-o", "json").rows
    assert shown["found"] == run("search", "night", "-o", "json").rows
    assert shown["tracks"] == len(shown["titles"]) == len(shown["found"])
    assert "Titles" in run("cache", "show", "sim:playlist", "-o", "table").out
    assert run("cache", "show", "nothing").code == 1
    assert run("cache", "clear", "nothing").code == 1
    assert run("cache", "clear", "--expired", "-o", "json").rows == {"removed": 0}
    assert run("cache", "clear", "night", "-o", "json").rows == {"removed": 1}
    assert run("cache", "clear", "-o", "json").rows == {"removed": 1}
    assert run("cache", "list").out == ""
    assert loads(node) == 2


def test_queries_that_were_sent_raw(run: Callable[..., Ran]) -> None:
    """An entry that `cache list` shows can be named as it stands there."""
    run("search", "--raw", "some file of mine.mp3")
    (row,) = run("cache", "list", "-o", "json").rows

    assert run("cache", "show", row["query"], "-o", "json").rows["query"] == "some file of mine.mp3"
    assert run("cache", "clear", row["query"]).code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("clear", "x", "--expired"),
        ("clear", "--node", "one"),
        ("show",),
        ("show", " "),
        ("show", "x", "--node", "nobody"),
        ("list", "--limit", "0"),
        ("list", "--sort", "name"),
        ("warm", "nowhere.txt"),
        ("warm", "-"),
        ("import", "nowhere.jsonl"),
    ],
)
def test_wrong_command_lines(run: Callable[..., Ran], arguments: tuple[str, ...]) -> None:
    """They are usage errors, in a line."""
    ran = run("cache", *arguments, stdin="")

    assert ran.code == 2
    assert ran.err.count("\n") == 1


def test_warming(run: Callable[..., Ran], node: SimulatedNode, tmp_path: Path) -> None:
    """Each query once, those already kept not at all; what fails is told and costs the others nothing."""
    queries = ["night", "Night", "", "zzzz nothing of that name", "sim:fails", "sim:stream", "sim:playlist", "harbour"]
    path = tmp_path / "queries.txt"
    path.write_text("\ufeff" + "\r\n".join(queries), encoding="utf-8")
    run("search", "harbour")

    ran = run("cache", "warm", str(path), "-o", "json")

    assert ran.code == 5
    outcomes = {row["query"]: row["outcome"] for row in ran.rows}
    assert (
        outcomes
        == {
            "ytsearch:night": "loaded",
            "ytsearch:Night": "cached",
            "ytsearch:zzzz nothing of that name": "empty",
            "sim:fails": "failed",
            "sim:stream": "stream",
            "sim:playlist": "loaded",
            "ytsearch:harbour": "cached",
        }
        or outcomes["ytsearch:Night"] == "loaded"
    )  # asked together with the other spelling
    before = loads(node)
    again = run("cache", "warm", "-", "-o", "jsonl", stdin="night\nharbour\n")
    assert again.code == 0
    assert {json.loads(line)["outcome"] for line in again.out.splitlines()} == {"cached"}
    assert loads(node) == before
    assert run("cache", "warm", "-", "--refresh", stdin="night\n").code == 0
    assert loads(node) == before + 1


def test_warming_takes_longer_than_a_command_may(run: Callable[..., Ran], node: SimulatedNode) -> None:
    """The time-out is for reaching the nodes; and no more is asked in a second than was said."""
    begun = time.monotonic()
    queries = "\n".join(map(str, range(60)))
    assert run("cache", "warm", "-", "--timeout", "0.8", "--rate", "20", stdin=queries).code == 0
    assert time.monotonic() - begun > 59 / 20
    assert loads(node) == 60


def test_warming_without_nodes(run: Callable[..., Ran], node: SimulatedNode) -> None:
    """It says which node failed, and why, once."""
    node.kill()
    ran = run("cache", "warm", "-", stdin="\n".join(map(str, range(500))))

    assert ran.code == 3
    assert ran.err.count("error:") == 1


def test_an_interrupted_warming_loses_nothing(
    run: Callable[..., Ran], node: SimulatedNode, write_config: Callable[..., Path]
) -> None:
    """Ctrl-C ends it at once with 130; what was found is kept."""
    path = write_config({"identifier": "one", "uri": node.uri, "password": node.password})
    command = [sys.executable, "-m", "revvlink_cli", "--config", str(path), "cache", "warm", "-", "-o", "jsonl"]
    command += ["--rate", "200"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(f"query {number}\n" for number in range(5000)))
        process.stdin.close()
        seen = [json.loads(process.stdout.readline())["query"] for _ in range(20)]
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(timeout=10) == 130

    listed = {row["query"] for row in run("cache", "list", "-o", "json").rows}
    assert set(seen) <= listed
    assert len(listed) < 4000


def test_export_and_import(run: Callable[..., Ran], node: SimulatedNode, database: Path, tmp_path: Path) -> None:
    """What goes out comes in elsewhere, to the byte; what is too old only with --renew; what is none is told."""
    for query in ("night", "night", "sim:playlist", "zzzz nothing of that name"):
        run("search", query)
    exported = run("cache", "export")
    assert exported.code == 0
    assert len(exported.out.splitlines()) == 3
    path = tmp_path / "cache.jsonl"
    path.write_text(exported.out, encoding="utf-8")
    before = run("search", "sim:playlist", "-o", "json").out

    database.rename(tmp_path / "old")
    assert run("cache", "import", str(path), "-o", "json").rows == {"imported": 3, "expired": 0, "invalid": 0}
    node.kill()
    assert run("search", "sim:playlist", "-o", "json").out == before
    assert run("cache", "list", "-o", "json").rows[0]["uses"] == 2
    assert min(run("cache", "export").out.splitlines()).split(",")[0] == '{"identifier":"sim:playlist"'

    lines = [json.loads(line) for line in exported.out.splitlines()]
    for line in lines:
        line["expires_at"] = "2020-01-01T00:00:00Z"
    text = "\n".join([*map(json.dumps, lines), "nonsense", "{}", '{"identifier":"x","result":{"loadType":"search"}}'])
    odd = run("cache", "import", "-", "-o", "json", stdin=text)
    assert (odd.code, odd.rows) == (1, {"imported": 0, "expired": 3, "invalid": 3})
    assert len(odd.json["errors"]) == 3
    renewed = run("cache", "import", "-", "--renew", "-o", "json", stdin=text)
    assert (renewed.code, renewed.rows) == (5, {"imported": 3, "expired": 0, "invalid": 3})


def test_imports_that_would_break_the_rules(run: Callable[..., Ran]) -> None:
    """Neither streams nor entries that outlast the configured time get in."""
    run("search", "night")
    line = json.loads(run("cache", "export").out)
    line["expires_at"] = "2199-01-01T00:00:00Z"
    stream = json.loads(json.dumps(line))
    stream["result"]["data"][0]["info"]["isStream"] = True
    stream["identifier"] = "radio"

    ran = run("cache", "import", "-", "-o", "json", stdin=json.dumps(line) + "\n" + json.dumps(stream))

    assert ran.rows == {"imported": 1, "expired": 0, "invalid": 1}
    (row,) = run("cache", "list", "-o", "json").rows
    assert row["expires_in_ms"] <= 3_600_000


# What goes wrong.


def test_garbage(run: Callable[..., Ran], database: Path) -> None:
    """The search works, the file is kept under another name, and that is said once, whatever the format."""
    database.parent.mkdir(parents=True, exist_ok=True)
    database.write_bytes(os.urandom(9999))

    first, second = run("search", "night", "-o", "json"), run("search", "night", "-o", "json")

    assert first.code == second.code == 0
    assert first.out == second.out
    (aside,) = database.parent.glob("*.aside-*")
    assert f"warning: the cache {database} was unusable" in first.err
    assert aside.name in first.err
    assert "warning" not in second.err


def test_a_database_from_the_future(run: Callable[..., Ran], node: SimulatedNode, database: Path) -> None:
    """Searches go on without it, with one warning; commands on the cache refuse."""
    run("search", "night")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA user_version = 2")

    ran = run("search", "night")

    assert ran.code == 0
    assert ran.err.count("\n") == 1
    assert "warning: the cache" in ran.err
    assert "newer revvlink" in ran.err
    assert loads(node) == 2
    stats = run("cache", "stats", "-o", "json")
    assert stats.code == 1
    assert stats.json["errors"][0]["code"] == "cache_newer"
    assert stats.json["errors"][0]["hint"]


def test_a_place_that_cannot_be_written(run: Callable[..., Ran], tmp_path: Path) -> None:
    """One warning with what to do, and the search works."""
    (tmp_path / "file").touch()

    ran = run("search", "night", cache={"path": str(tmp_path / "file" / "c.db")})

    assert ran.code == 0
    assert ran.out
    assert ran.err.count("\n") == 1
    assert "--cache-mode bypass" in ran.err
    failed = run("cache", "list", cache={"path": str(tmp_path / "file" / "c.db")})
    assert failed.code == 1
    assert failed.err.count("\n") == 1


def test_a_full_disk(write_config: Callable[..., Path], node: SimulatedNode) -> None:
    """The same, when there is no room for what was found."""
    path = write_config({"identifier": "one", "uri": node.uri, "password": node.password})
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "from revvlink_cli.cli.app import run; sys.exit(run(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "--config", str(path), "search", "night"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0
    assert done.stdout
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("warning: the cache")


def test_sixteen_runs_at_once(run: Callable[..., Ran], node: SimulatedNode, write_config: Callable[..., Path]) -> None:
    """All of them succeed, what each found is kept, and every one is counted."""
    path = write_config({"identifier": "one", "uri": node.uri, "password": node.password})
    command = [sys.executable, "-m", "revvlink_cli", "--config", str(path), "search"]
    runs = [
        subprocess.Popen([*command, f"query {number}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for number in range(16)
    ]
    told = [process.communicate(timeout=60)[1] for process in runs]

    assert {process.returncode for process in runs} <= {0, 1}
    assert not [text for text in told if "warning" in text]
    stats = run("cache", "stats", "-o", "json").rows
    assert (stats["entries"], stats["misses"]) == (16, 16)


def test_fleets_do_not_share(run: Callable[..., Ran], write_config: Callable[..., Path]) -> None:
    """What one fleet found is not shown for another."""
    run("search", "night")
    other = write_config({"identifier": "one", "uri": "http://127.0.0.1:1", "password": "x"})

    assert run_cli("--config", str(other), "search", "night").code == 3
    assert run_cli("--config", str(other), "cache", "list").out == ""


def test_a_configuration_that_is_not_trusted(node: SimulatedNode, isolated: Path) -> None:
    """A file found in a folder neither reads what others found nor leaves anything to them, nor names files."""
    text = f'[[nodes]]\nidentifier = "one"\nuri = "{node.uri}"\npassword = "{node.password}"\n'
    found, named = isolated / "revvlink.toml", isolated / "named.toml"
    for path in (found, named):
        path.write_text(text, encoding="utf-8")
    assert run_cli("search", "night", "--config", str(named)).code == 0
    assert run_cli("search", "night").code == 0
    assert loads(node) == 2
    for key in ('path = "mine.db"', 'backend = "redis"\nurl = "redis://127.0.0.1"'):
        found.write_text(f"[cache]\n{key}\n{text}", encoding="utf-8")
        ran = run_cli("search", "night")
        assert ran.code == 2
        assert "not trusted" in ran.err
    assert not (isolated / "mine.db").exists()


def test_no_cache_at_all(run: Callable[..., Ran], node: SimulatedNode, isolated: Path) -> None:
    """Capacity 0 and the memory backend keep nothing between runs, and commands say so."""
    for cache in ({"capacity": 0}, {"backend": "memory"}):
        before = loads(node)
        for _ in range(2):
            assert run("search", "night", cache=cache).code == 0
        assert loads(node) == before + 2
        assert run("search", "night", "--cache-mode", "only", cache=cache).code == 1
        listing = run("cache", "list", cache=cache)
        assert listing.code == 2
        assert listing.err.count("\n") == 1
        assert run("cache", "stats", cache=cache).code == 0
    assert not list((isolated / "cache").rglob("*.sqlite3"))


def test_redis(run: Callable[..., Ran], node: SimulatedNode, tmp_path: Path) -> None:
    """A genuine Redis keeps what was found; stopped between two searches it costs a warning and little time."""
    with redis_server(tmp_path) as server:
        cache = {"backend": "redis", "url": f"redis://:sesame@127.0.0.1:{server.port}/0".replace(":sesame@", "")}
        first = run("search", "night", cache=cache)
        second = run("search", "night", cache=cache)
        assert first.out == second.out
        assert "from the cache" in second.err
        assert loads(node) == 1
        stats = run("cache", "stats", "-o", "json", cache=cache)
        assert (stats.rows["entries"], stats.rows["hits"], stats.rows["capacity"]) == (1, 1, None)
        assert "maxmemory-policy is noeviction" in stats.err
        assert run("cache", "path", cache=cache).out == f"redis://127.0.0.1:{server.port}/0\n"
        assert [row["query"] for row in run("cache", "list", "-o", "json", cache=cache).rows] == ["ytsearch:night"]
        assert run("cache", "show", "night", "-o", "json", cache=cache).rows["tracks"] == 3
        assert len(run("cache", "export", cache=cache).out.splitlines()) == 1
        server.stop()
        begun = time.monotonic()
        third = run("search", "night", cache=cache)
        assert time.monotonic() - begun < 10
        assert third.code == 0
        assert third.out == first.out
        assert third.err.count("warning:") == 1
        down = run("cache", "stats", "-o", "json", cache=cache)
        assert down.code == 3
        assert down.json["errors"][0]["code"] == "cache_unavailable"
        assert run("search", "night", "--cache-mode", "only", cache=cache).code == 1
        server.start()
        assert run("cache", "warm", "-", cache=cache, stdin="night\n").code == 0
        assert run("cache", "clear", "--yes", "-o", "json", cache=cache).rows == {"removed": 1}


def test_what_others_share_is_not_forgotten_unasked(run: Callable[..., Ran], isolated: Path, tmp_path: Path) -> None:
    """Without a terminal everything on a shared server takes --yes; on one the answer counts; a part needs neither."""
    with redis_server(tmp_path) as server:
        cache = {"backend": "redis", "url": f"redis://127.0.0.1:{server.port}/0"}
        run("search", "night", cache=cache)
        unasked = run("cache", "clear", cache=cache)
        assert unasked.code == 2
        assert "add --yes" in unasked.err
        terminal = Terminal(isolated / "nodes.toml", "cache", "clear", columns=150)
        terminal.press("n\n")
        assert terminal.end() == 130
        assert f"redis://127.0.0.1:{server.port}/0" in terminal.seen
        assert run("cache", "stats", "-o", "json", cache=cache).rows["entries"] == 1
        assert run("cache", "clear", "--expired", cache=cache).code == 0
        assert run("cache", "clear", "night", "-o", "json", cache=cache).rows == {"removed": 1}


@pytest.mark.parametrize("url", [None, "http://127.0.0.1", "127.0.0.1:6379"])
def test_a_redis_without_an_address(run: Callable[..., Ran], url: str | None) -> None:
    """It is a mistake of the configuration, with its line."""
    ran = run("search", "night", cache={"backend": "redis", **({"url": url} if url else {})})

    assert ran.code == 2
    assert "cache." in ran.err


def test_what_redis_has_no_package_for(write_config: Callable[..., Path]) -> None:
    """Without the extra a search goes on, and a command on the cache says what to install."""
    node = {"identifier": "one", "uri": "http://127.0.0.1:1", "password": "x"}
    path = write_config(node, cache={"backend": "redis", "url": "redis://127.0.0.1:1"})
    code = (
        "import sys; sys.modules['redis.asyncio'] = None;"
        " from revvlink_cli.cli.app import run; sys.exit(run(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "--config", str(path)]
    search = subprocess.run([*command, "search", "x"], capture_output=True, text=True, check=False, timeout=60)
    stats = subprocess.run([*command, "cache", "stats"], capture_output=True, text=True, check=False, timeout=60)

    assert search.returncode == 3
    assert "pip install 'revvlink-cli[redis]'" in search.stderr
    assert stats.returncode == 2
    assert "pip install 'revvlink-cli[redis]'" in stats.stderr


# Start-up.


@pytest.mark.parametrize(
    "arguments",
    [
        ("search", "night", "-o", "plain"),
        ("search", "sim:playlist", "-o", "json", "--encoded"),
        ("cache", "list"),
        ("cache", "stats", "-o", "json"),
        ("cache", "show", "night", "-o", "jsonl"),
        ("cache", "path"),
        ("cache", "clear", "--expired"),
        ("cache", "--help"),
    ],
)
def test_what_is_kept_is_shown_fast(
    run: Callable[..., Ran], node: SimulatedNode, write_config: Callable[..., Path], arguments: tuple[str, ...]
) -> None:
    """A cached search and a look inside load neither asyncio, aiohttp, msgspec nor Rich."""
    run("search", "night")
    run("search", "sim:playlist")
    path = write_config({"identifier": "one", "uri": node.uri, "password": node.password})

    assert loaded("--config", str(path), *arguments).isdisjoint({*SLOW, "redis"})


# Disks.


@pytest.mark.parametrize("room", [0, 20_000, 60_000])
def test_warming_on_a_full_disk(run: Callable[..., Ran], isolated: Path, room: int) -> None:
    """Several queries are under way when it is full: the reason is one line."""
    queries = isolated / "queries"
    queries.write_text("".join(f"night {number}\n" for number in range(60)), encoding="utf-8")
    cache = {"path": str(isolated / "small" / "cache.sqlite3")}
    run("cache", "path", cache=cache)
    done = subprocess.run(
        [sys.executable, "-m", "revvlink_cli", "--config", str(isolated / "nodes.toml"), "cache", "warm", str(queries),
         "--parallel", "8", "--rate", "500"],
        capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )  # fmt: skip

    assert done.returncode in (1, 5)
    assert done.stderr.startswith("error: the cache ")
    assert done.stderr.count("\n") == 1, done.stderr
