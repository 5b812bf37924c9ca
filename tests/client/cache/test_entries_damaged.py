"""What others wrote where entries are kept: one bad entry costs no other, and whoever looks is told."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.client.cache.redis_server import loads, redis_server
from tests.run_in_process import run_in_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from revvlink_cli.simulator import SimulatedNode
    from tests.client.cache.redis_server import RedisServer
    from tests.conftest import Ran


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A genuine Redis."""
    with redis_server(tmp_path, "--maxmemory-policy", "allkeys-lfu") as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is to be."""
    return tmp_path / "tracks.sqlite3"


@pytest.fixture
def run(node: SimulatedNode, write_config: Callable[..., Path], path: Path) -> Callable[..., Ran]:
    """Runs a command on the database, or on another cache; in this process, as each test runs about ten of them."""

    def run_on(*arguments: str, cache: dict[str, Any] | None = None) -> Ran:
        one = {"identifier": "one", "uri": node.uri, "password": node.password}
        config = write_config(one, cache=cache or {"path": str(path)})
        ran = run_in_process(("--config", str(config), *arguments))
        assert "Traceback" not in ran.err, ran.err
        return ran

    return run_on


def healed(run: Callable[..., Ran], node: SimulatedNode, **more: Any) -> None:
    """See that a damaged entry of ``night`` beside one of ``day`` does no harm, and goes with the next search."""
    shown = run("cache", "show", "night", **more)
    assert shown.code == 1
    assert "is damaged" in shown.err
    assert "revvlink cache clear -- ytsearch:night" in shown.err
    exported = run("cache", "export", **more)
    assert exported.code == 0
    assert [json.loads(line)["identifier"] for line in exported.out.splitlines()] == ["ytsearch:day"]
    assert exported.err.count("warning: 1 damaged entry") == 1
    before = loads(node)
    search = run("search", "night", **more)
    assert (search.code, search.err, loads(node)) == (0, "", before + 1)
    assert "from the cache" in run("search", "night", **more).err
    assert run("cache", "list", **more).err == ""
    assert len(run("cache", "export", **more).out.splitlines()) == 2


def unlisted(run: Callable[..., Ran], **more: Any) -> None:
    """See that lists, figures and the doctor leave out a damaged entry, and say so once."""
    for command in (("list",), ("stats",)):
        ran = run("cache", *command, "-o", "json", **more)
        assert ran.code == 0
        assert ran.err.count("warning: 1 damaged entry of the cache was left out") == 1
    assert ran.rows["entries"] == 1
    assert "crashed" not in run("doctor", "--offline", **more).out


def written(path: Path, statement: str, values: tuple[Any, ...] = ()) -> None:
    """Let another program write to the database."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(statement, values)
        connection.commit()


GARBAGE = [
    b"\xff",
    b"[1]",
    b'{"loadType":"search","data":[1]}',
    b'{"loadType":"search","data":null}',
    b'{"loadType":"search","data":[{"encoded":1,"info":{}}]}',
    b'{"loadType":"playlist","data":{"tracks":5}}',
    b'{"loadType":"error","data":{}}',
    b'{"loadType":"track","data":{}}',
]


@pytest.mark.parametrize("body", GARBAGE)
def test_a_result_that_is_none(run: Callable[..., Ran], node: SimulatedNode, path: Path, body: bytes) -> None:
    """Behind a description that is right, in a database: shown as damaged, not exported, put right by a search."""
    run("search", "day")
    run("search", "night")
    written(path, "UPDATE bodies SET body = ? WHERE id = (SELECT id FROM entries"
                           " WHERE identifier = 'ytsearch:night')", (body,))  # fmt: skip

    healed(run, node)


def test_a_title_that_is_no_text(run: Callable[..., Ran], node: SimulatedNode, path: Path) -> None:
    """A track is shown as it is, or not at all."""
    run("search", "night")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        ((body,),) = connection.execute("SELECT body FROM bodies")
        told = json.loads(body)
        told["data"][0]["info"]["title"] = {"x": 1}
        connection.execute("UPDATE bodies SET body = ?", (json.dumps(told).encode(),))
        connection.commit()

    assert "is damaged" in run("cache", "show", "night").err
    assert run("search", "night").code == 0
    assert loads(node) == 2


@pytest.mark.parametrize(
    "change",
    ["stored_at = 'x'", "expires_at = 'x'", "expires_at = 9e999", "stored_at = x'00'", "tracks = 'x'",
     "tracks = 9e999", "uses = 'x'", "size = 'x'", "kind = x'00'"],
)  # fmt: skip
def test_columns_of_another_type(run: Callable[..., Ran], node: SimulatedNode, path: Path, change: str) -> None:
    """A column takes anything: what an entry cannot be is not an entry, to any command."""
    run("search", "day")
    run("search", "night")
    written(path, f"UPDATE entries SET {change} WHERE identifier = 'ytsearch:night'")

    unlisted(run)
    healed(run, node)


@pytest.mark.parametrize("text", ["'{}'", "CAST(x'ff' AS TEXT)"])
def test_a_result_of_type_text(run: Callable[..., Ran], node: SimulatedNode, path: Path, text: str) -> None:
    """Also when it is in no encoding that text is in."""
    run("search", "day")
    run("search", "night")
    written(path, f"UPDATE bodies SET body = {text} WHERE id = 2")

    healed(run, node)


def test_figures_of_another_type(run: Callable[..., Ran], path: Path) -> None:
    """Numbers that are none count as nothing."""
    run("search", "night")
    written(path, "UPDATE fleets SET hits = 'x', misses = 'y', uses_left = 'z'")

    assert run("search", "night").code == 0
    assert run("cache", "stats", "-o", "json").rows["misses"] == 0


def wrote(server: RedisServer, *command: str | bytes) -> None:
    """What somebody else does to the server."""
    import redis

    with redis.Redis.from_url(server.url) as client:
        client.execute_command(*command)


HEADS = ['"tracks":1e999', '"tracks":"x"', '"expires_at":1e400', '"stored_at":NaN', '"stored_at":{}', '"kind":1']


@pytest.mark.parametrize("head", HEADS)
def test_descriptions_in_redis(run: Callable[..., Ran], node: SimulatedNode, server: RedisServer, head: str) -> None:
    """One that says what cannot be."""
    cache = {"backend": "redis", "url": server.url}
    now = time.time()
    told = {"kind": "tracks", "tracks": 1, "stored_at": now, "expires_at": now + 60}
    name = head.partition(":")[0].strip('"')
    line = json.dumps(told).replace(json.dumps({name: told[name]})[1:-1], head)
    run("search", "day", cache=cache)
    wrote(server, "SET", "revvlink:1:entry::ytsearch:night", line + '\n{"loadType":"empty"}')

    unlisted(run, cache=cache)
    healed(run, node, cache=cache)


@pytest.mark.parametrize("body", GARBAGE)
def test_results_in_redis(run: Callable[..., Ran], node: SimulatedNode, server: RedisServer, body: bytes) -> None:
    """Behind a description that is right."""
    cache = {"backend": "redis", "url": server.url}
    now = time.time()
    head = json.dumps({"kind": "tracks", "tracks": 1, "stored_at": now, "expires_at": now + 60})
    run("search", "day", cache=cache)
    wrote(server, "SET", "revvlink:1:entry::ytsearch:night", head.encode() + b"\n" + body)

    healed(run, node, cache=cache)


def test_a_key_of_another_type(run: Callable[..., Ran], node: SimulatedNode, server: RedisServer) -> None:
    """A list where an entry should be is not an entry, and a search puts one there."""
    cache = {"backend": "redis", "url": server.url}
    run("search", "day", cache=cache)
    wrote(server, "LPUSH", "revvlink:1:entry::ytsearch:night", "x")

    unlisted(run, cache=cache)
    healed(run, node, cache=cache)


def test_a_server_that_refuses(run: Callable[..., Ran], server: RedisServer) -> None:
    """What may not be read is not taken for damaged."""
    cache = {"backend": "redis", "url": server.url}
    run("search", "day", cache=cache)
    wrote(server, "ACL", "SETUSER", "default", "-getrange")

    ran = run("cache", "list", cache=cache)

    assert ran.code == 3
    assert "cannot be used" in ran.err
    assert "damaged" not in ran.err


@pytest.mark.parametrize("command", [("HSET", "hits", "abc"), ("SET", "x")])
def test_counts_in_redis(run: Callable[..., Ran], server: RedisServer, command: tuple[str, ...]) -> None:
    """Numbers of hits that are none cost neither a search nor the figures."""
    cache = {"backend": "redis", "url": server.url}
    wrote(server, command[0], "revvlink:1:counts", *command[1:])

    assert run("search", "night", cache=cache).err == ""
    stats = run("cache", "stats", "-o", "json", cache=cache)
    assert (stats.code, stats.rows["entries"], stats.rows["hits"]) == (0, 1, 0)


def test_warming_what_is_damaged(run: Callable[..., Ran], node: SimulatedNode, path: Path) -> None:
    """It is asked for as if nothing were kept."""
    run("search", "night")
    written(path, "UPDATE bodies SET body = x'ff'")

    queries = path.with_name("queries.txt")
    queries.write_text("night\n", encoding="utf-8")
    ran = run("cache", "warm", str(queries), "-o", "json")

    assert (ran.code, ran.rows[0]["outcome"], loads(node)) == (0, "loaded", 2)


def test_entries_from_the_future(run: Callable[..., Ran], path: Path) -> None:
    """When the clock was set back they count for nobody: not for a search, nor for lists, figures and copies."""
    run("search", "night")
    written(path, "UPDATE entries SET stored_at = stored_at + 7200, expires_at = expires_at + 7200")

    assert run("cache", "show", "night").code == 1
    assert run("cache", "list", "-o", "json").rows == []
    assert run("cache", "export").out == ""
    stats = run("cache", "stats", "-o", "json").rows
    assert (stats["entries"], stats["expired"], stats["oldest_ms"]) == (0, 0, None)


@pytest.mark.parametrize(
    "foreign",
    [
        "CREATE TRIGGER mine AFTER INSERT ON entries BEGIN DELETE FROM bodies; END",
        "DROP TRIGGER entry_gone; CREATE TRIGGER entry_gone AFTER DELETE ON entries BEGIN DELETE FROM fleets; END",
        "CREATE VIEW mine AS SELECT * FROM entries",
        "CREATE TABLE mine (name TEXT)",
        "CREATE INDEX mine ON entries (upper(identifier))",
        "ALTER TABLE entries ADD COLUMN mine TEXT",
        "ALTER TABLE bodies RENAME TO real; CREATE VIEW bodies AS SELECT * FROM real",
    ],
)
def test_a_database_with_what_others_put_there(run: Callable[..., Ran], path: Path, foreign: str) -> None:
    """It is not used: it is set aside as it is, a new one takes its place, and that is said."""
    run("search", "night")
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(foreign)

    ran = run("search", "night")

    assert ran.code == 0
    assert "from the cache" not in ran.err
    assert "is kept as tracks.sqlite3.aside-" in ran.err
    assert "from the cache" in run("search", "night").err
