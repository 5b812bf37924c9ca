"""Decoding: one bad field costs that field, and the two kinds of server mean the same in the end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revvlink_cli.client.protocol.dialects import Dialect, StatsReader, from_headers, read_info
from revvlink_cli.client.protocol.models import UndecodableError, WireInfo, WireStats, decode

LAVALINK: dict[str, Any] = {
    "op": "stats",
    "frameStats": {"sent": 3000, "nulled": 10, "deficit": -3010},
    "players": 4,
    "playingPlayers": 3,
    "uptime": 119215,
    "memory": {"free": 1, "used": 2, "allocated": 3, "reservable": 4},
    "cpu": {"cores": 2, "systemLoad": 0.25, "lavalinkLoad": 0.125},
}
NODELINK: dict[str, Any] = {
    "players": 0,
    "playingPlayers": 0,
    "uptime": 1021,
    "memory": {"free": 1, "used": 2, "allocated": 3, "reservable": 4},
    "cpu": {"cores": 2, "systemLoad": 0.5, "nodelinkLoad": 0},
    "frameStats": None,
    "detailedStats": {"api": {}},
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def test_lavalink_statistics() -> None:
    """Loads are taken as they are; a negative deficit means that nothing was lost."""
    wire, odd, _ = decode(json.dumps(LAVALINK), WireStats)
    stats = StatsReader().read(wire, Dialect.LAVALINK)

    assert odd == ()
    assert (stats.players, stats.playing, stats.system_load, stats.server_load) == (4, 3, 0.25, 0.125)
    assert stats.frames is not None
    assert (stats.frames.deficit, stats.frames.nulled) == (0, 10)


def test_nodelink_load_is_divided_by_the_cores() -> None:
    """NodeLink's load average counts whole processors."""
    wire, odd, _ = decode(json.dumps(NODELINK), WireStats)

    assert odd == ()
    assert StatsReader().read(wire, Dialect.NODELINK).system_load == 0.25


def test_nodelink_totals_become_rates() -> None:
    """Two totals make a rate a minute; totals that began again make none."""
    reader = StatsReader()

    def read(sent: int, nulled: int, deficit: int, expected: int) -> Any:
        frames = {"sent": sent, "nulled": nulled, "deficit": deficit, "expected": expected}
        return reader.read(
            decode(json.dumps({**NODELINK, "frameStats": frames}), WireStats)[0], Dialect.NODELINK
        ).frames

    assert read(1000, 0, 0, 1000) is None
    second = read(2400, 50, 50, 2500)
    assert (second.sent, second.nulled, second.deficit) == (2800, 100, 100)
    assert read(100, 0, 0, 100) is None


def test_zero_load_is_no_baseline() -> None:
    """Exactly 0 and 0 means that nothing has been measured, not that the node is idle."""
    wire, _, _ = decode(json.dumps({"cpu": {"cores": 2, "systemLoad": 0.0, "lavalinkLoad": 0.0}}), WireStats)
    stats = StatsReader().read(wire, Dialect.LAVALINK)

    assert (stats.system_load, stats.has_cpu_baseline) == (None, False)


def test_one_bad_field_costs_that_field() -> None:
    """A field of another type is named and left out; the others are kept."""
    wire, odd, _ = decode(
        json.dumps({**LAVALINK, "players": "many", "cpu": {**LAVALINK["cpu"], "cores": []}}), WireStats
    )

    assert odd == ("players", "cpu.cores")
    assert (wire.players, wire.playing_players) == (None, 3)
    assert wire.cpu is not None
    assert (wire.cpu.cores, wire.cpu.system_load) == (None, 0.25)


def test_unknown_fields_are_kept() -> None:
    """What no structure has a field for is kept as sent, by its path, and reaches `NodeStats`."""
    wire, odd, extra = decode(json.dumps({**NODELINK, "cpu": {**NODELINK["cpu"], "gpu": 1}}), WireStats)

    assert odd == ()
    assert extra == {"cpu.gpu": 1, "detailedStats": {"api": {}}}
    assert StatsReader().read(wire, Dialect.NODELINK, extra).extra == extra


def test_numbers_beyond_64_bits() -> None:
    """An integer no server counts to costs its field; a fraction no machine can hold costs the message."""
    wire, odd, _ = decode(json.dumps({**LAVALINK, "players": 10**30}), WireStats)
    assert (wire.players, wire.playing_players, odd) == (None, 3, ("players",))

    with pytest.raises(UndecodableError, match="number out of range"):
        decode('{"op":"stats","cpu":{"systemLoad":1e400}}', WireStats)


def test_incomplete_frames_say_nothing() -> None:
    """A missing frame count is not zero."""
    wire, _, _ = decode(json.dumps({**LAVALINK, "frameStats": {"sent": 3000, "nulled": 0}}), WireStats)
    assert StatsReader().read(wire, Dialect.LAVALINK).frames is None


def test_one_bad_item_costs_that_item() -> None:
    """A list keeps the items that are right, and names the list once."""
    body = {"sourceManagers": ["http", 3, None, "local"], "plugins": [{"name": "p", "version": 1}, "x", 3]}
    wire, odd, _ = decode(json.dumps(body), WireInfo)
    info = read_info(wire)

    assert info.sources == ("http", "local")
    assert [plugin.name for plugin in info.plugins] == ["p"]
    assert odd == ("sourceManagers[]", "plugins[].version", "plugins[]")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"op":"\\ud83d"}', "lone surrogate"),
        (b'{"op":"\\ud83d\\ude00 \\\\ud83d", "x": NaN}', "not JSON"),
        (b'{"op":"\\ud83d\\ud83d\\ude00"}', "lone surrogate"),
        (b'{"op":"caf\xe9"}', "not UTF-8"),
        ('{"op":"ready"}'.encode("utf-16"), "not UTF-8|not JSON"),
        (b"  ", "empty"),
    ],
)
def test_why_it_is_no_json(body: bytes, reason: str) -> None:
    """The reason is the real one, also where the decoder's own would mislead."""
    with pytest.raises(UndecodableError, match=reason):
        decode(body, WireStats)


@given(st.sampled_from([LAVALINK, NODELINK]), st.data())
def test_no_mutation_breaks_statistics(original: dict[str, Any], data: st.DataObject) -> None:
    """One field dropped, null or of another type: still statistics, and everything finite."""
    mutated = json.loads(json.dumps(original))
    target = data.draw(st.sampled_from([mutated, mutated["memory"], mutated["cpu"]]))
    key = data.draw(st.sampled_from(sorted(target)))
    if data.draw(st.booleans()):
        del target[key]
    else:
        target[key] = data.draw(json_values)

    wire, _, _ = decode(json.dumps(mutated), WireStats)
    for dialect in Dialect:
        stats = StatsReader().read(wire, dialect)
        assert stats.system_load is None or 0 <= stats.system_load <= 1


@pytest.mark.parametrize("body", ["", "x", "[]", "null", '"text"', "3", "[" * 5000, b"\xff\xfe", '{"a":' * 5000])
def test_what_is_no_object_is_refused(body: str | bytes) -> None:
    """Anything but a JSON object ends in the one error, nested a thousandfold too."""
    with pytest.raises(UndecodableError):
        decode(body, WireStats)


@given(st.binary())
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    """Random bytes decode or end in the one error."""
    try:
        decode(body, WireInfo)
    except UndecodableError:
        return


def test_info_of_both() -> None:
    """The runtime is the JVM or Node.js; NodeLink's odd arrays are not trouble."""
    lavalink, _, _ = decode(
        '{"version":{"semver":"4.2.2"},"jvm":"17","sourceManagers":["http"],"plugins":[]}', WireInfo
    )
    nodelink, odd, extra = decode(
        '{"version":{"semver":"3.7.0","prerelease":[],"build":[]},"node":"v20","isNodelink":true,"plugins":'
        '[{"name":"p","version":"1","author":"x","path":"y"}]}',
        WireInfo,
    )

    assert odd == ()
    assert set(extra) == {"version.prerelease", "version.build", "plugins[].author", "plugins[].path"}
    assert (read_info(lavalink).runtime, read_info(nodelink).runtime) == ("17", "v20")
    assert nodelink.is_nodelink
    assert read_info(nodelink).plugins[0].name == "p"
    assert read_info(nodelink).sources is None


def test_dialect_from_headers() -> None:
    """Headers tell the kind of server, and say nothing when they are not there."""
    assert from_headers({"Lavalink-Api-Version": "4"}) is Dialect.LAVALINK
    assert from_headers({"IamNodelink": "true"}) is Dialect.NODELINK
    assert from_headers({"Server": "nginx"}) is None
