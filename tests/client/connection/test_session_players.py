"""The players of a session, as a node reports them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from revvlink_cli.client.connection.session_players import RemotePlayer, read_player
from revvlink_cli.client.protocol.models import MAX_NESTING
from tests.example_counts import examples

TRACK: dict[str, Any] = {
    "encoded": "QAAAAA==",
    "info": {"identifier": "a", "length": 5, "position": 1},
    "pluginInfo": {},
    "userData": {"by": 1},
}
PLAYER: dict[str, Any] = {
    "guildId": "7",
    "track": TRACK,
    "volume": 50,
    "paused": True,
    "state": {"time": 3, "position": 2, "connected": True, "ping": -1},
    "voice": {"token": "t", "endpoint": "e", "sessionId": "s", "channelId": "8"},
    "filters": {"timescale": {"speed": 1.5}},
}
"""What a Lavalink answers."""

_ODD = st.none() | st.text() | st.integers() | st.booleans() | st.dictionaries(st.text(), st.none()) | st.just([1])
_SENT = st.fixed_dictionaries(
    {"guildId": st.just("7")},
    optional={key: st.just(value) | _ODD for key, value in PLAYER.items() if key != "guildId"} | {"fading": _ODD},
)


@settings(max_examples=examples(200, 5000))
@given(_SENT)
def test_a_player_read_in_one_pass_is_the_one_of_plain_values(sent: dict[str, Any]) -> None:
    """An answer that can be read in one pass gives the same player as its plain values."""
    quick = read_player(json.dumps(sent).encode("utf-8", "surrogatepass"))
    assert quick is None or quick == RemotePlayer.from_payload(sent)


def test_what_a_lavalink_answers_is_read_in_one_pass() -> None:
    """The usual answers, with and without a track, need no second pass."""
    for sent in (PLAYER, {**PLAYER, "track": None}):
        assert read_player(json.dumps(sent).encode()) == RemotePlayer.from_payload(sent)


def test_an_unusual_answer_is_not_read_in_one_pass() -> None:
    """Other fields, a guild that is none, deep nesting and what is not JSON: the code that explains them reads them."""
    deep = json.loads('{"a":' * MAX_NESTING + "1" + "}" * MAX_NESTING)
    unusual: list[Any] = [{**PLAYER, "fading": {}}, {**PLAYER, "guildId": "x"}, {**PLAYER, "filters": deep}, [], {}]
    for sent in unusual:
        assert read_player(json.dumps(sent).encode()) is None
    assert read_player(b"") is None
    assert read_player(b"\xff") is None
