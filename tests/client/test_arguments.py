"""What a program passes in: refused at once, by the parameter's name, when it is of a type that cannot work."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
import pickle
import ssl
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trustme

from revvlink_cli import Node, NodeException, Playable, Playlist, Pool, RedisStore, SQLiteStore
from revvlink_cli.client.settings import NodeSettings
from tests.faults.watched_fleet import fleet, profiles, run

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "canary-91be-password"


class Empty(Pool):
    """A pool without nodes."""


WRONG: list[tuple[str, Any]] = [
    ("identifier", 5), ("identifier", b"a"), ("identifier", ["a"]), ("identifier", 0),
    ("uri", None), ("uri", b"http://h"), ("uri", 5), ("uri", Path("/h")),
    ("password", None), ("password", 5), ("password", b"x"), ("password", object()),
    ("region", 5), ("region", ["us"]), ("region", b"us"),
    ("user_id", "5"), ("user_id", 5.0), ("user_id", True), ("user_id", [5]),
    ("session", "x"), ("session", object()), ("session", False),
    ("heartbeat", "15"), ("heartbeat", None), ("heartbeat", True), ("heartbeat", [1]),
    ("timeout", "5"), ("timeout", None), ("timeout", False), ("timeout", 5j),
    ("retries", "3"), ("retries", 2.0), ("retries", True), ("retries", []),
    ("resume_timeout", "60"), ("resume_timeout", 1.5), ("resume_timeout", None), ("resume_timeout", True),
    ("tags", "abc"), ("tags", b"abc"), ("tags", 5), ("tags", None), ("tags", ["a", 5]), ("tags", {"a": 1}),
    ("headers", "X: y"), ("headers", [("a", "b")]), ("headers", 5), ("headers", {5: "x"}), ("headers", {"X": 5}),
    ("headers", {"X": None}), ("headers", {b"X": "y"}),
    ("ssl", 5), ("ssl", True), ("ssl", False), ("ssl", b"/ca.pem"), ("ssl", ["ca.pem"]),
    ("proxy", 5), ("proxy", {"http": "x"}), ("proxy", b"http://h"),
    ("trust_env", "yes"), ("trust_env", 1), ("trust_env", None),
]  # fmt: skip
"""Arguments of `Node` that are of a wrong type."""


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[name for name, _ in WRONG])
def test_types_of_a_node(name: str, value: Any) -> None:
    """A TypeError names the parameter, what is wanted, and what was given."""
    with pytest.raises(TypeError, match=rf"(?s)\b{name}\b.* must be .*, not ") as caught:
        Node(**{"uri": "http://h", "password": SECRET, name: value})
    assert SECRET not in str(caught.value)


VALUES: list[tuple[str, Any]] = [
    ("uri", ""), ("uri", "h:2333"), ("uri", "ws://h"), ("uri", "http://"), ("uri", "http://h?x=1"), ("uri", "//h"),
    ("user_id", 0), ("user_id", -1), ("user_id", 2**64), ("user_id", 10**5000),
    ("heartbeat", 0), ("heartbeat", -1), ("heartbeat", float("nan")), ("heartbeat", float("inf")),
    ("timeout", 0), ("timeout", -0.1), ("timeout", float("nan")), ("timeout", 10**400), ("timeout", 1e300),
    ("retries", -1), ("resume_timeout", -1), ("resume_timeout", 10**400),
    ("ssl", "/nope"), ("ssl", ""), ("ssl", "\x00"), ("ssl", __file__), ("ssl", "/"), ("ssl", Path("/nope")),
    ("proxy", ""), ("proxy", "nowhere"), ("proxy", "socks5://h"),
]  # fmt: skip
"""Arguments of `Node` with which no node can be reached."""


@pytest.mark.parametrize(("name", "value"), VALUES, ids=[name for name, _ in VALUES])
def test_values_of_a_node(name: str, value: Any) -> None:
    """A ValueError names the parameter, at once, and not at the first request."""
    with pytest.raises(ValueError, match=rf"\b{name}\b"):
        Node(**{"uri": "http://h", "password": SECRET, name: value})


def test_what_works(tmp_path: Path) -> None:
    """Whatever is reasonable is taken: other iterables, whole numbers of seconds, paths and contexts."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    node = Node(uri=" http://h/ ", password="", tags=(tag for tag in ["a", "b"]), timeout=5, heartbeat=1, retries=0,
                resume_timeout=0, headers={}, user_id=2**64 - 1, ssl=tmp_path / "ca.pem")  # fmt: skip
    assert (node.uri, node.identifier, node.tags) == ("http://h", "h:80", ("a", "b"))
    Node(uri="http://h", password="x", tags={"a"}, ssl=str(tmp_path / "ca.pem"))
    Node(uri="http://h", password="x", tags=[], ssl=ssl.create_default_context())


def test_the_password_of_a_wrong_type() -> None:
    """What was given for a secret is never shown."""
    for name in ("password", "proxy"):
        with pytest.raises(TypeError, match=name) as caught:
            Node(**{"uri": "http://h", "password": "x", name: SECRET.encode()})  # type: ignore[arg-type]  # on purpose
        assert SECRET not in str(caught.value)
    with pytest.raises(TypeError, match="headers") as caught:
        Node(uri="http://h", password="x", headers=f"X: {SECRET}")  # type: ignore[arg-type]  # on purpose
    assert SECRET not in str(caught.value)


def connecting(**arguments: Any) -> Callable[[type[Pool]], Any]:
    """A call of `Pool.connect`."""
    return lambda pool: pool.connect(**{"nodes": [], **arguments})


POOL: list[tuple[str, type[Exception], Callable[[type[Pool]], Any]]] = [
    ("nodes", TypeError, connecting(nodes=["http://x"])),
    ("nodes", TypeError, connecting(nodes="http://x")),
    ("nodes", TypeError, connecting(nodes=None)),
    ("nodes", TypeError, connecting(nodes=5)),
    ("nodes", TypeError, connecting(nodes={"a": Node(uri="http://h", password="x")})),
    ("nodes", TypeError, connecting(nodes=Node(uri="http://h", password="x"))),
    ("nodes", TypeError, connecting(nodes=[Node])),
    ("regions", TypeError, connecting(regions={5: ["x"]})),
    ("regions", TypeError, connecting(regions=["us"])),
    ("regions", TypeError, connecting(regions="us")),
    ("regions", ValueError, connecting(regions={"us": "iad"})),
    ("regions", ValueError, connecting(regions={"us": 5})),
    ("regions", ValueError, connecting(regions={"us": None})),
    ("regions", ValueError, connecting(regions={"us": [5]})),
    ("cache_capacity", ValueError, connecting(cache_capacity="x")),
    ("cache_capacity", ValueError, connecting(cache_capacity=1.5)),
    ("capacity", ValueError, lambda pool: pool.cache("x")),  # type: ignore[arg-type]  # on purpose, as all of these
    ("capacity", ValueError, lambda pool: pool.cache(float("nan"))),  # type: ignore[arg-type]
    ("store", TypeError, lambda pool: pool.use_store("redis://h")),  # type: ignore[arg-type]
    ("store", TypeError, lambda pool: pool.use_store(5)),  # type: ignore[arg-type]
    ("ttl", TypeError, lambda pool: pool.use_store(None, ttl="5")),  # type: ignore[arg-type]
    ("ttl", ValueError, lambda pool: pool.use_store(None, ttl=0)),
    ("ttl", ValueError, lambda pool: pool.use_store(None, ttl=float("nan"))),
    ("path", TypeError, lambda _: SQLiteStore(5)),  # type: ignore[arg-type]
    ("capacity", TypeError, lambda _: SQLiteStore("x", capacity="5")),  # type: ignore[arg-type]
    ("url", TypeError, lambda _: RedisStore(5)),  # type: ignore[arg-type]
    ("timeout", ValueError, lambda _: RedisStore("redis://h", timeout=0)),
    ("endpoint", TypeError, lambda pool: pool.region_from_endpoint(5)),  # type: ignore[arg-type]
    ("endpoint", TypeError, lambda pool: pool.region_from_endpoint(b"us")),  # type: ignore[arg-type]
    ("identifier", TypeError, lambda pool: pool.get_node(5)),  # type: ignore[arg-type]
    ("identifier", TypeError, lambda pool: pool.get_node(Node(uri="http://h", password="x"))),  # type: ignore[arg-type]
    ("region", TypeError, lambda pool: pool.get_node(region=5)),  # type: ignore[arg-type]
    ("query", TypeError, lambda pool: pool.fetch_tracks(None)),  # type: ignore[arg-type]
    ("query", TypeError, lambda pool: pool.fetch_tracks(b"x")),  # type: ignore[arg-type]
    ("node", TypeError, lambda pool: pool.fetch_tracks("x", node="a")),  # type: ignore[arg-type]
    ("cache_mode", ValueError, lambda pool: pool.fetch_tracks("x", cache_mode="never")),
    ("cache_mode", ValueError, lambda pool: pool.fetch_tracks("x", cache_mode=5)),  # type: ignore[arg-type]
    ("node", TypeError, lambda pool: pool.create_player(5, node="a")),  # type: ignore[arg-type]
    ("region", TypeError, lambda pool: pool.create_player(5, region=5)),  # type: ignore[arg-type]
    ("node", TypeError, lambda pool: pool.add_node("http://x")),  # type: ignore[arg-type]
    ("node", TypeError, lambda pool: pool.drain("a")),  # type: ignore[arg-type]
    ("node", TypeError, lambda pool: pool.remove_node(None)),  # type: ignore[arg-type]
]
"""Calls of `Pool` that cannot work: the parameter that is to blame, and how it is refused."""


@pytest.mark.parametrize(("name", "kind", "call"), POOL, ids=[name for name, _, _ in POOL])
def test_arguments_of_a_pool(name: str, kind: type[Exception], call: Callable[[type[Pool]], Any]) -> None:
    """Each names the parameter, leaves no task, and changes nothing."""

    async def work() -> None:
        async def called() -> None:
            await call(Empty)

        with pytest.raises(kind, match=rf"\b{name}\b"):
            await called()
        assert not Empty.has_cache()
        assert Empty.get_player(5) is None
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())


def test_a_refused_connect_changes_nothing() -> None:
    """What came with an argument that is refused does not count either."""

    class Client:
        """A bot."""

        user = SimpleNamespace(id=5)

    class Fresh(Pool):
        """A pool of its own."""

    async def work() -> None:
        for wrong in ({"regions": {"us": "iad"}}, {"cache_capacity": "x"}, {"nodes": ["x"]}):
            with pytest.raises((TypeError, ValueError)):
                await Fresh.connect(**{"nodes": [], "client": Client(), "cache_capacity": 5, **wrong})  # type: ignore[arg-type]  # on purpose
            assert Fresh.fleet().client is None
            assert not Fresh.has_cache()
            assert Fresh.region_from_endpoint("us-east1.discord.gg") == "us"

    asyncio.run(work())


def test_requests_of_ones_own() -> None:
    """`Node.send` and `Node.update_player` refuse what is not a request."""

    async def work() -> None:
        async with fleet(*profiles("a")) as watched:
            node: Any = watched.pool.nodes["a"]
            for name, call in (
                ("path", node.send("GET", path=None)),
                ("method", node.send(5, path="/v4/info")),
                ("params", node.send("GET", path="/v4/info", params="a=b")),
                ("params", node.send("GET", path="/v4/info", params={5: "b"})),
                ("data", node.update_player(5, "volume")),
            ):
                with pytest.raises(TypeError, match=name):
                    await call

    run(work)


def test_nodes_of_other_pools() -> None:
    """A node of another pool is refused where one of this pool is wanted; one that has left is as good as drained."""

    async def work() -> None:
        async with fleet(*profiles("a", "b")) as watched:
            node = watched.pool.nodes["a"]
            for call in (Empty.drain, Empty.remove_node):
                with pytest.raises(NodeException, match="not of this pool"):
                    await call(node)
            with pytest.raises(NodeException, match="not of this pool"):
                Empty.create_player(5, node=node)
            assert Empty.get_player(5) is None
            await watched.pool.remove_node(node)
            assert (await watched.pool.remove_node(node)).moved == {}

    run(work)


def test_no_copy_has_the_password() -> None:
    """A node, and its settings, can be neither pickled nor copied, and show no secret."""
    node = Node(uri="http://h", password=SECRET, headers={"X-Key": SECRET}, proxy=f"http://me:{SECRET}@h:3128")
    attempts: list[Callable[[object], object]] = [partial(pickle.dumps, protocol=number) for number in range(6)]
    for holder in (node, node.settings):
        for attempt in (*attempts, copy.copy, copy.deepcopy):
            for given in (holder, [holder]) if attempt is not copy.copy else (holder,):
                with pytest.raises(TypeError, match="password"):
                    attempt(given)
        assert SECRET not in repr(holder) + str(holder)
    assert SECRET not in repr(node.snapshot())
    assert isinstance(dataclasses.replace(node.settings, region="eu"), NodeSettings)


TRACK = Playable(
    encoded="QAAA", title="Night", user_data={"by": {"id": 5, "roles": [1, 2]}, "n": None}, plugin_info={"a": [{}]}
)


def test_data_of_a_track() -> None:
    """It is JSON for every library, equal to what was put in, and cannot be changed at any depth."""
    data: Any = TRACK.user_data
    assert json.loads(json.dumps(data)) == {"by": {"id": 5, "roles": [1, 2]}, "n": None}
    assert msgspec.json.decode(msgspec.json.encode(data)) == json.loads(json.dumps(data))
    assert json.dumps(dict(Playable(encoded="x").user_data)) == json.dumps(Playable(encoded="x").extra) == "{}"
    assert json.dumps(TRACK.plugin_info) == '{"a": [{}]}'
    changes: dict[str, tuple[Any, ...]] = {
        "__setitem__": ("x", 1), "__delitem__": ("id",), "__ior__": ({"x": 1},), "update": ({"x": 1},), "clear": (),
        "pop": ("by",), "popitem": (), "setdefault": ("x",),
    }  # fmt: skip
    for level in (data, data["by"]):
        for change, given in changes.items():
            with pytest.raises(TypeError, match=r"replace\(track, user_data="):
                getattr(level, change)(*given)
    assert data == {"by": {"id": 5, "roles": (1, 2)}, "n": None}
    for twin in (copy.copy(data), copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        assert (twin, type(twin)) == (data, type(data))
    mine = {**data, "x": 1}
    assert dataclasses.replace(TRACK, user_data=mine).user_data["x"] == 1
    assert pickle.loads(pickle.dumps(TRACK)) == copy.deepcopy(TRACK) == TRACK


@pytest.mark.parametrize("record", [TRACK, Playlist(name="p", tracks=(TRACK,))], ids=["track", "playlist"])
def test_fields_that_cannot_be_set(record: Any) -> None:
    """Setting or deleting one, known or not, says so, and what to do instead."""
    known, unknown = "title" if isinstance(record, Playable) else "name", "requester"
    with pytest.raises(dataclasses.FrozenInstanceError, match=rf"cannot be changed.*replace\(…, {known}=…\)"):
        setattr(record, known, "x")
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot be changed"):
        delattr(record, known)
    with pytest.raises(AttributeError, match=r"cannot be changed.*no field 'requester'"):
        setattr(record, unknown, 5)
    if isinstance(record, Playable):
        with pytest.raises(AttributeError, match="user_data"):
            setattr(record, unknown, 5)


def test_slices_of_a_playlist() -> None:
    """They are what slices of its tracks are, and an index is one track."""
    tracks = tuple(dataclasses.replace(TRACK, title=str(number)) for number in range(5))
    playlist = Playlist(name="p", tracks=tracks)
    assert playlist[1:3] == tracks[1:3]
    assert playlist[::-1] == tracks[::-1]
    assert playlist[-1] is tracks[-1]
    assert [track.title for track in playlist[3:]] == ["3", "4"]


def test_types_of_a_playlist(tmp_path: Path) -> None:
    """A strict type checker knows an index from a slice."""
    pytest.importorskip("mypy", reason="mypy is of the development's dependencies only")
    program = tmp_path / "program.py"
    program.write_text(
        "import json\n"
        "from revvlink_cli import Playable, Playlist\n"
        "def first(playlist: Playlist) -> Playable:\n"
        "    queue: list[Playable] = []\n"
        "    queue.extend(playlist[1:3])\n"
        "    print(json.dumps(playlist[0].user_data), playlist[1:3][0].title)\n"
        "    return playlist[0]\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--cache-dir", str(tmp_path), str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
